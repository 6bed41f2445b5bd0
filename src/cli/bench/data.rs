//! Keys and values as db_bench makes them, so that figures can be put beside its.

use crate::random::Random;

/// Writes the key of a number: its last eight bytes big-endian, cut or filled with `0` to the key's size.
pub(super) fn key(into: &mut Vec<u8>, number: u64, size: usize) {
    into.clear();
    into.extend_from_slice(&number.to_be_bytes()[8 - size.min(8)..]);
    into.resize(size, b'0');
}

/// Values that compress to a given share of their size.
pub(super) struct Values {
    pool: Vec<u8>,
    at: usize,
    size: usize,
}

/// The pieces that compress each by themselves.
const PIECE: usize = 100;

impl Values {
    /// Values of `size` bytes; `ratio` is the compressed share, from 0 to 1.
    pub(super) fn new(random: &mut Random, size: usize, ratio: f64) -> Self {
        let mut pool = Vec::new();
        let raw = ((PIECE as f64 * ratio) as usize).clamp(1, PIECE);
        while pool.len() < (1 << 20).max(size) {
            let piece: Vec<u8> = (0..raw).map(|_| b' ' + random.below(95) as u8).collect();
            pool.extend(piece.iter().cycle().take(PIECE));
        }
        Self { pool, at: 0, size }
    }

    /// The next one.
    pub(super) fn next(&mut self) -> &[u8] {
        if self.at + self.size > self.pool.len() {
            self.at = 0;
        }
        let value = &self.pool[self.at..self.at + self.size];
        self.at += self.size;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_size_and_their_numbers_order() {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for number in [0, 1, 255, 256, 65_535, 3_000_000] {
            let mut bytes = Vec::new();
            key(&mut bytes, number, 16);
            assert_eq!(bytes.len(), 16);
            keys.push(bytes);
        }
        assert!(keys.is_sorted());
        let mut short = Vec::new();
        key(&mut short, 0x0102_0304, 2);
        assert_eq!(short, [3, 4]);
    }

    #[test]
    fn values_compress_as_asked() {
        for (ratio, expected) in [(0.5, 0.45..0.70), (1.0, 0.95..1.1)] {
            let mut values = Values::new(&mut Random::seeded(1), 100, ratio);
            let block: Vec<u8> = (0..40).flat_map(|_| values.next().to_vec()).collect();
            let share = lz4_flex::block::compress(&block).len() as f64 / block.len() as f64;
            assert!(expected.contains(&share), "{ratio}: {share}");
        }
    }

    #[test]
    fn a_value_may_be_larger_than_the_pool_would_be() {
        let mut values = Values::new(&mut Random::seeded(1), 3 << 20, 0.5);
        assert_eq!(values.next().len(), 3 << 20);
        assert_eq!(values.next().len(), 3 << 20);
    }
}
