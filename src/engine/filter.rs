//! A table's filter: says of most keys that are not there that they are not, and never so of one that is.
//!
//! A Bloom filter blocked by cache line (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom
//! Filters", 2007): one part of a key's hash picks a line of 64 bytes, the rest sets some bits in it, so that a
//! look costs one miss of the CPU's caches whatever the number of bits.
//!
//! ```text
//! filter := probes u8 ‖ line*          line := 64 bytes, at least one line
//! line   = (hash >> 32) * lines >> 32
//! bit i  = (x + i * step) >> 23 of the line's 512, in 32-bit arithmetic, i < probes; bit b is bit b & 7 of byte b >> 3
//! x      = low 32 bits of hash * 0x9E3779B9         step = (low 32 bits of hash rotated left by 15, | 1) * 0x85EBCA6B
//! ```
//!
//! The hash is [`crate::codec::hash`] of the user key.

const LINE_BYTES: usize = 64;
const PROBES_MAX: u8 = 12;

/// One cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u64; 8]);

/// A set of hashes that may say yes too often.
pub(crate) struct Filter {
    lines: Box<[Line]>,
    probes: u8,
}

/// The bits of a hash within its line.
#[inline]
fn probe(hash: u64, probes: u8) -> impl Iterator<Item = (usize, u64)> {
    let low = hash as u32;
    let step = (low.rotate_left(15) | 1).wrapping_mul(0x85EB_CA6B);
    let mut x = low.wrapping_mul(0x9E37_79B9);
    (0..probes).map(move |_| {
        let bit = x >> 23;
        x = x.wrapping_add(step);
        ((bit >> 6) as usize, 1 << (bit & 63))
    })
}

impl Filter {
    /// A filter of these hashes with about `bits` bits for each.
    pub(crate) fn build(hashes: &[u64], bits: u32) -> Self {
        let lines = (hashes.len() * bits as usize).div_ceil(LINE_BYTES * 8).max(1);
        // ln 2 × bits would be best without lines; a little fewer serve better within one.
        let probes = (bits * 6 / 10).clamp(1, u32::from(PROBES_MAX)) as u8;
        let mut filter = Self { lines: vec![Line::default(); lines].into(), probes };
        for &hash in hashes {
            let line = filter.line(hash);
            for (word, bit) in probe(hash, probes) {
                filter.lines[line].0[word] |= bit;
            }
        }
        filter
    }

    #[inline]
    fn line(&self, hash: u64) -> usize {
        (((hash >> 32) * self.lines.len() as u64) >> 32) as usize
    }

    /// Whether the hash may be in the set.
    #[inline]
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        let line = &self.lines[self.line(hash)].0;
        // No early end: six tests in a row are quicker than a branch that is guessed wrong.
        probe(hash, self.probes).fold(0, |missing, (word, bit)| missing | (!line[word] & bit)) == 0
    }

    /// Bytes of memory.
    pub(crate) fn byte_len(&self) -> usize {
        self.lines.len() * LINE_BYTES
    }

    /// Appends the encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.probes);
        for word in self.lines.iter().flat_map(|line| line.0) {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Reads an encoding.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let (&probes, rest) = bytes.split_first().ok_or("an empty filter")?;
        let (lines, odd) = rest.as_chunks::<LINE_BYTES>();
        if lines.is_empty() || !odd.is_empty() || u32::try_from(lines.len()).is_err() {
            return Err("a filter that is not made of whole lines");
        }
        if probes == 0 || probes > PROBES_MAX {
            return Err("a filter with an impossible number of probes");
        }
        let line = |bytes: &[u8; LINE_BYTES]| {
            let (words, _) = bytes.as_chunks::<8>();
            let mut line = Line::default();
            for (word, bytes) in line.0.iter_mut().zip(words) {
                *word = u64::from_le_bytes(*bytes);
            }
            line
        };
        Ok(Self { lines: lines.iter().map(line).collect(), probes })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::hash::hash;

    fn hashes(range: std::ops::Range<u32>) -> Vec<u64> {
        range.map(|n| hash(&n.to_le_bytes())).collect()
    }

    #[test]
    fn one_in_a_hundred_passes_at_ten_bits() {
        let filter = Filter::build(&hashes(0..10_000), 10);
        let passed = hashes(10_000..110_000).iter().filter(|&&h| filter.may_contain(h)).count();
        assert!((700..1300).contains(&passed), "{passed}");
        assert!(filter.byte_len() <= 10_000 * 10 / 8 + 64);
    }

    #[test]
    fn malformed_bytes_are_refused() {
        for bytes in [&[][..], &[6], &[0; 65], &[13; 65], &[6; 66], &[6; 64]] {
            assert!(Filter::decode(bytes).is_err());
        }
        assert!(Filter::decode(&[6; 65]).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_in_it_is_found_again(hashes in prop::collection::vec(any::<u64>(), 0..500), bits in 1..21_u32) {
            let mut out = Vec::new();
            Filter::build(&hashes, bits).encode(&mut out);
            let filter = Filter::decode(&out).unwrap();
            prop_assert!(hashes.iter().all(|&h| filter.may_contain(h)));
        }
    }
}
