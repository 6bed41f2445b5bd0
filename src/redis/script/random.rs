//! The generator behind `math.random`: `lrand48`, so that a seed gives the numbers that it gives in Redis.

/// The 48 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drand48(u64);

/// One more than the largest number drawn.
pub(super) const RANGE: i32 = i32::MAX;

impl Drand48 {
    /// The sequence that belongs to a seed.
    pub(super) fn seeded(seed: i32) -> Self {
        Self(u64::from(seed as u32) << 16 | 0x330E)
    }

    /// The next 31 bits.
    pub(super) fn next(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & ((1 << 48) - 1);
        (self.0 >> 17) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_lrand48() {
        let mut random = Drand48::seeded(0);
        assert_eq!([random.next(), random.next(), random.next()], [366_850_414, 1_610_402_240, 206_956_554]);
    }
}
