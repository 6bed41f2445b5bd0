//! Where an element of a list is: bytes that sort as the elements stand, and between any two of which there is room.
//!
//! ```text
//! place    := number ‖ fraction          what is pushed gets the next number, what is inserted a fraction after its neighbour's
//! number   := 0x80 + n                   0 ≤ n < 64
//!           | 0xBF + k ‖ k bytes         n − 64, big-endian, in as few bytes as it takes
//!           | 0x7F − m                   n = −1 − m, 0 ≤ m < 64
//!           | 0x40 − k ‖ k bytes         m − 64, big-endian, all bits flipped
//! fraction := bytes, not ending in 0x00  read as digits after the point
//! ```
//!
//! Insertions that all go to one spot make places longer: by 6 bytes after 16 million on one side of the same
//! neighbour, but after some 25 where each goes between the last one and the other side.

/// Numbers of one byte, on each side of zero.
const SHORT: u64 = 64;
/// Bytes of a fraction that are looked at together.
const DIGITS: usize = 6;
/// One of them all.
const WHOLE: u64 = 1 << (8 * DIGITS);
/// How far from its left neighbour something is put, if there is so much room.
const STEP: u64 = 1 << 24;

/// The place of a number.
pub(super) fn number(n: i64) -> Vec<u8> {
    let m = if n < 0 { !n as u64 } else { n as u64 };
    if m < SHORT {
        return vec![if n < 0 { 0x7F - m as u8 } else { 0x80 + m as u8 }];
    }
    let rest = m - SHORT;
    let len = 8 - rest.max(1).leading_zeros() as usize / 8;
    let mut place = vec![if n < 0 { 0x40 - len as u8 } else { 0xBF + len as u8 }];
    let flip = if n < 0 { 0xFF } else { 0 };
    place.extend(rest.to_be_bytes()[8 - len..].iter().map(|byte| byte ^ flip));
    place
}

/// How many bytes the number takes at the front of a place.
fn number_len(place: &[u8]) -> usize {
    let len = match place.first() {
        Some(&first @ 0xC0..) => 1 + usize::from(first - 0xBF),
        Some(&first @ ..0x40) => 1 + usize::from(0x40 - first),
        _ => 1,
    };
    len.min(place.len())
}

/// A place between two neighbours.
pub(super) fn between(left: &[u8], right: &[u8]) -> Vec<u8> {
    let (number, left_fraction) = left.split_at(number_len(left));
    let right_fraction = right.strip_prefix(number);
    let mut place = number.to_vec();
    fraction_between(left_fraction, right_fraction, &mut place);
    place
}

/// Appends a fraction between two; `None` is one.
fn fraction_between(left: &[u8], right: Option<&[u8]>, out: &mut Vec<u8>) {
    let common = right.map_or(0, |right| left.iter().zip(right).take_while(|(a, b)| a == b).count());
    let (same, left) = left.split_at(common);
    out.extend_from_slice(same);
    let right = right.map(|right| right.get(common..).unwrap_or_default());
    let (from, to) = (digits(left), right.map_or(WHOLE, digits));
    let rest = left.get(DIGITS..).unwrap_or_default();
    if to - from >= 2 {
        let at = from + ((to - from) / 2).min(STEP);
        out.extend_from_slice(&at.to_be_bytes()[8 - DIGITS..]);
        let len = out.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        out.truncate(len);
        return;
    }
    out.extend_from_slice(&from.to_be_bytes()[8 - DIGITS..]);
    // Where even the first digits do not differ, the right one has more; else whatever is above the left one will do.
    let right = right.filter(|_| to == from).map(|right| right.get(DIGITS..).unwrap_or_default());
    fraction_between(rest, right, out);
}

/// The first digits of a fraction.
fn digits(fraction: &[u8]) -> u64 {
    (0..DIGITS).fold(0, |n, i| n << 8 | u64::from(fraction.get(i).copied().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn numbers_sort() {
        let mut numbers: Vec<i64> =
            (0..63).flat_map(|i| [(1_i64 << i) - 1, 1 << i, -(1 << i), 1 - (1 << i)]).collect();
        numbers.extend([i64::MIN, i64::MAX, 63, 64, 65, 319, 320, 321, -64, -65, -66, -320, -321]);
        numbers.sort_unstable();
        numbers.dedup();
        for pair in numbers.windows(2) {
            let (a, b) = (number(pair[0]), number(pair[1]));
            assert!(a < b && !b.starts_with(&a), "{pair:?}: {a:x?} {b:x?}");
            assert_eq!(number_len(&a), a.len());
        }
    }

    #[test]
    fn there_is_room_between_any_two() {
        let mut random = Random::seeded(1);
        for round in 0..30 {
            let mut places = vec![number(-70), number(0), number(63), number(64), number(320)];
            for _ in 0..400 {
                let at = match round % 3 {
                    0 => 1,
                    1 => places.len() - 1,
                    _ => 1 + random.below(places.len() as u64 - 1) as usize,
                };
                let new = between(&places[at - 1], &places[at]);
                assert!(
                    places[at - 1] < new && new < places[at],
                    "{:x?} {new:x?} {:x?}",
                    places[at - 1],
                    places[at]
                );
                assert_ne!(new.last(), Some(&0));
                places.insert(at, new);
            }
        }
    }
}
