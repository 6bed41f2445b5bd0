//! Bits of bytes: counting, finding, and numbers of any width at any place.

use std::ops::{Range, RangeInclusive};

/// How many bits are set within a range, which must lie within the bytes.
pub(super) fn count(bytes: &[u8], range: &RangeInclusive<u64>) -> u64 {
    let (from, to) = (*range.start(), *range.end());
    let (first, last) = ((from / 8) as usize, (to / 8) as usize);
    let Some(touched) = bytes.get(first..=last) else { return 0 };
    let (words, rest) = touched.as_chunks::<8>();
    let all: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum::<u64>()
        + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
    let before = !head_mask(from) & bytes[first];
    let behind = !tail_mask(to) & bytes[last];
    all - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// The first bit of this value within a range, which must lie within the bytes.
pub(super) fn find(bytes: &[u8], bit: bool, range: &RangeInclusive<u64>) -> Option<u64> {
    let (from, to) = (*range.start(), *range.end());
    let (first, last) = ((from / 8) as usize, (to / 8) as usize);
    let skipped = if bit { 0 } else { 0xFF };
    let look = |at: usize, mask: u8| {
        let found = (bytes.get(at)? ^ skipped) & mask;
        (found != 0).then(|| at as u64 * 8 + u64::from(found.leading_zeros()))
    };
    if first == last {
        return look(first, head_mask(from) & tail_mask(to));
    }
    let between = || {
        let middle = bytes.get(first + 1..last)?;
        // In steps that the compiler makes vectors of.
        let chunk = middle.chunks(32).position(|chunk| chunk.iter().any(|byte| *byte != skipped))?;
        let byte = middle[chunk * 32..].iter().position(|byte| *byte != skipped)?;
        look(first + 1 + chunk * 32 + byte, 0xFF)
    };
    look(first, head_mask(from)).or_else(between).or_else(|| look(last, tail_mask(to)))
}

/// The bits of a byte from this one on.
fn head_mask(from: u64) -> u8 {
    0xFF >> (from % 8)
}

/// The bits of a byte up to this one.
fn tail_mask(to: u64) -> u8 {
    0xFF << (7 - to % 8)
}

/// The bytes in which a number of `width` bits at an offset lies.
pub(super) fn bytes_of(offset: u64, width: u32) -> Range<u64> {
    offset / 8..(offset + u64::from(width)).div_ceil(8)
}

/// The bits of a range that lie within so many bytes from a place on, counted from there.
pub(super) fn within(range: &RangeInclusive<u64>, at: u64, len: usize) -> Option<RangeInclusive<u64>> {
    let (first, bits) = (at * 8, len as u64 * 8);
    let from = range.start().saturating_sub(first);
    let to = range.end().checked_sub(first)?.min(bits.checked_sub(1)?);
    (from <= to).then_some(from..=to)
}

/// Bytes that may hold a part of a number.
const FIELD_BYTES_MAX: usize = 9;

/// The number of `width` bits, 1 to 64, at an offset. What lies beyond the bytes is zero.
pub(super) fn field(bytes: &[u8], offset: u64, width: u32) -> u64 {
    let (window, _) = window(bytes, offset);
    ((window << (offset % 8)) >> (128 - width)) as u64
}

/// Sets a number of `width` bits, 1 to 64, at an offset. What lies beyond the bytes is lost.
pub(super) fn set_field(bytes: &mut [u8], offset: u64, width: u32, value: u64) {
    let (window, len) = window(bytes, offset);
    let shift = 128 - width - (offset % 8) as u32;
    let mask = (u128::MAX >> (128 - width)) << shift;
    let window = window & !mask | u128::from(value) << shift & mask;
    let at = (offset / 8) as usize;
    if let Some(there) = bytes.get_mut(at..at + len) {
        there.copy_from_slice(&window.to_be_bytes()[..len]);
    }
}

/// The bytes from that with the offset on, and how many there are.
fn window(bytes: &[u8], offset: u64) -> (u128, usize) {
    let rest = bytes.get((offset / 8) as usize..).unwrap_or_default();
    let len = rest.len().min(FIELD_BYTES_MAX);
    let mut window = [0; 16];
    window[..len].copy_from_slice(&rest[..len]);
    (u128::from_be_bytes(window), len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn bit(bytes: &[u8], at: u64) -> bool {
        bytes[(at / 8) as usize] >> (7 - at % 8) & 1 == 1
    }

    #[test]
    fn ranges_are_counted_and_searched_bit_by_bit() {
        let mut random = Random::seeded(3);
        for _ in 0..2000 {
            let len = 1 + random.below(100);
            let mut bytes = vec![if random.one_in(2) { 0 } else { 0xFF }; len as usize];
            for _ in 0..random.below(4) {
                bytes[random.below(len) as usize] = random.next_u64() as u8;
            }
            let from = random.below(len * 8);
            let range = from..=from + random.below(len * 8 - from);
            let wanted = range.clone().filter(|at| bit(&bytes, *at)).count() as u64;
            assert_eq!(count(&bytes, &range), wanted);
            for value in [false, true] {
                let wanted = range.clone().find(|at| bit(&bytes, *at) == value);
                assert_eq!(find(&bytes, value, &range), wanted, "{bytes:?} {range:?}");
            }
        }
    }

    #[test]
    fn numbers_come_back_and_leave_their_neighbours_alone() {
        let mut random = Random::seeded(4);
        for _ in 0..2000 {
            let mut bytes = vec![0; 20];
            random.fill(&mut bytes);
            let before = bytes.clone();
            let width = 1 + random.below(64) as u32;
            let offset = random.below(160 - u64::from(width) + 1);
            let value = random.next_u64() >> (64 - width);
            set_field(&mut bytes, offset, width, value);
            assert_eq!(field(&bytes, offset, width), value);
            for at in 0..160 {
                let inside = (offset..offset + u64::from(width)).contains(&at);
                let wanted = if inside {
                    value >> (offset + u64::from(width) - 1 - at) & 1 == 1
                } else {
                    bit(&before, at)
                };
                assert_eq!(bit(&bytes, at), wanted);
            }
        }
        assert_eq!(field(&[0xFF], 4, 8), 0xF0);
        assert_eq!(field(&[], 1000, 64), 0);
    }
}
