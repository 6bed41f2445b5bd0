//! How many different elements registers speak of (Otmar Ertl: New cardinality estimation algorithms for HyperLogLog
//! sketches, arXiv:1702.01284).

use super::sketch::{HASH_BITS, REGISTERS};

/// How many registers have each value.
pub(super) type Histogram = [u32; 64];

const ALPHA_INFINITE: f64 = 0.721_347_520_444_481_7;

/// The estimate.
pub(super) fn estimate(histogram: &Histogram) -> u64 {
    let m = REGISTERS as f64;
    let mut z = m * tau((m - f64::from(histogram[HASH_BITS + 1])) / m);
    for &registers in histogram[1..=HASH_BITS].iter().rev() {
        z = (z + f64::from(registers)) * 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    (ALPHA_INFINITE * m * m / z).round() as u64
}

#[expect(clippy::float_cmp, reason = "both sums run until nothing changes any more")]
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

#[expect(clippy::float_cmp, reason = "both sums run until nothing changes any more")]
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
