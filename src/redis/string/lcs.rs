//! The longest common subsequence of two strings, for LCS.
//!
//! Dynamic programming over prefixes (Wagner and Fischer, 1974), with one row of lengths and one bit a cell to walk
//! back by, an eighth of a byte where Redis spends four: `|a| × |b| / 8` bytes, `|a| × |b|` steps.

use std::ops::RangeInclusive;

/// A stretch that both strings share, by inclusive positions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) in_a: RangeInclusive<usize>,
    pub(crate) in_b: RangeInclusive<usize>,
}

impl Match {
    pub(crate) fn len(&self) -> usize {
        self.in_a.end() - self.in_a.start() + 1
    }
}

/// The subsequence, and the stretches it is made of, the last first.
pub(crate) struct Common {
    pub(crate) text: Vec<u8>,
    pub(crate) matches: Vec<Match>,
}

/// Bytes of memory that [`common`] takes for strings of these lengths.
pub(crate) fn memory(a: usize, b: usize) -> u64 {
    (a as u64 * b as u64) / 8 + b as u64 * 4
}

/// The length alone, in memory of one row.
pub(crate) fn length(a: &[u8], b: &[u8]) -> usize {
    let mut row = vec![0_u32; b.len() + 1];
    for &x in a {
        advance(&mut row, x, b, |_, _| {});
    }
    row.last().map_or(0, |&n| n as usize)
}

/// The subsequence that Redis finds: where both ways back are as good, it steps back in `b`.
pub(crate) fn common(a: &[u8], b: &[u8]) -> Common {
    // Bit (i, j): back from here in `a`, since that prefix has the longer subsequence.
    let mut back_in_a = vec![0_u64; (a.len() * b.len()).div_ceil(64)];
    let mut row = vec![0_u32; b.len() + 1];
    for (i, &x) in a.iter().enumerate() {
        advance(&mut row, x, b, |column, in_a| {
            let bit = i * b.len() + column;
            back_in_a[bit / 64] |= u64::from(in_a) << (bit % 64);
        });
    }
    let mut text = Vec::with_capacity(row.last().map_or(0, |&n| n as usize));
    let mut matches: Vec<Match> = Vec::new();
    let (mut left, mut right) = (a.len(), b.len());
    while left > 0 && right > 0 {
        if a[left - 1] == b[right - 1] {
            left -= 1;
            right -= 1;
            text.push(a[left]);
            match matches.last_mut() {
                Some(m) if *m.in_a.start() == left + 1 && *m.in_b.start() == right + 1 => {
                    m.in_a = left..=*m.in_a.end();
                    m.in_b = right..=*m.in_b.end();
                }
                _ => matches.push(Match { in_a: left..=left, in_b: right..=right }),
            }
        } else {
            let bit = (left - 1) * b.len() + (right - 1);
            if back_in_a[bit / 64] >> (bit % 64) & 1 == 1 {
                left -= 1;
            } else {
                right -= 1;
            }
        }
    }
    text.reverse();
    Common { text, matches }
}

/// From the lengths for a prefix of `a` to those for one character more. Tells for each mismatch whether the
/// shorter prefix of `a` is the better way back.
fn advance(row: &mut [u32], x: u8, b: &[u8], mut way_back: impl FnMut(usize, bool)) {
    let mut diagonal = 0;
    for (j, &y) in b.iter().enumerate() {
        let (up, left) = (row[j + 1], row[j]);
        row[j + 1] = if x == y {
            diagonal + 1
        } else {
            way_back(j, up > left);
            up.max(left)
        };
        diagonal = up;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_documentation() {
        let common = common(b"ohmytext", b"mynewtext");
        assert_eq!(common.text, b"mytext");
        assert_eq!(common.matches, [Match { in_a: 4..=7, in_b: 5..=8 }, Match { in_a: 2..=3, in_b: 0..=1 }]);
        assert_eq!(length(b"ohmytext", b"mynewtext"), 6);
    }

    #[test]
    fn length_and_text_agree_on_all_short_strings() {
        let strings: Vec<Vec<u8>> =
            (0..81_u32).map(|n| (0..4).map(|d| b'a' + (n / 3_u32.pow(d) % 3) as u8).collect()).collect();
        for a in &strings {
            for b in &strings {
                let found = common(a, b);
                assert_eq!(found.text.len(), length(a, b));
                let by_matches: usize = found.matches.iter().map(Match::len).sum();
                assert_eq!(by_matches, found.text.len());
                for m in &found.matches {
                    assert_eq!(a[m.in_a.clone()], b[m.in_b.clone()]);
                }
            }
        }
    }

    #[test]
    fn empty_strings_share_nothing() {
        assert_eq!(length(b"", b"abc"), 0);
        assert!(common(b"abc", b"").text.is_empty());
    }
}
