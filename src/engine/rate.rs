//! A rate limit for background I/O: a token bucket on the monotonic clock.
//!
//! Without a rate nothing is limited: merges begin when the load calls for them, and go at full speed. A rate is
//! set aside while writers feel pressure, which would otherwise grow without bound.

use std::time::Duration;

use parking_lot::Mutex;

/// How long a burst may be.
const BURST_NS: u64 = 100_000_000;

/// The bucket. By default without limit.
#[derive(Default)]
pub(crate) struct Rate {
    bytes_per_s: Option<u64>,
    /// The moment up to which what was spent is paid.
    paid_until_ns: Mutex<u64>,
}

impl Rate {
    /// With a fixed rate, or without limit.
    pub(crate) fn new(bytes_per_s: Option<u64>) -> Self {
        Self { bytes_per_s: bytes_per_s.map(|r| r.max(1 << 16)), paid_until_ns: Mutex::new(0) }
    }

    /// Spends `bytes` at a moment of the monotonic clock; how long the spender should pause.
    pub(crate) fn pause(&self, bytes: u64, now_ns: u64) -> Duration {
        let Some(rate) = self.bytes_per_s else { return Duration::ZERO };
        let cost = (u128::from(bytes) * 1_000_000_000 / u128::from(rate)) as u64;
        let mut paid = self.paid_until_ns.lock();
        *paid = (*paid).max(now_ns.saturating_sub(BURST_NS)) + cost;
        Duration::from_nanos(paid.saturating_sub(now_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_bytes_takes_a_second() {
        let rate = Rate::new(Some(1 << 20));
        let mut now = 1_000_000_000;
        for _ in 0..16 {
            now += rate.pause(1 << 16, now).as_nanos() as u64;
        }
        assert!((1_900_000_000..=2_000_000_000).contains(&now), "{now}");
    }

    #[test]
    fn without_a_rate_there_is_no_pause() {
        assert_eq!(Rate::new(None).pause(u64::MAX, 0), Duration::ZERO);
    }
}
