//! Time, behind a door: the machine's clocks, or one that a test moves by hand.

#![expect(clippy::disallowed_methods, reason = "this is the door to the clocks")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The two clocks.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch. May be set back by an operator.
    fn now_ms(&self) -> u64;
    /// The same in microseconds.
    fn now_us(&self) -> u64 {
        self.now_ms() * 1000
    }
    /// Nanoseconds since some fixed moment; never goes back.
    fn monotonic_ns(&self) -> u64;
}

/// The machine's clocks.
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        self.now_us() / 1000
    }

    fn now_us(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
    }

    fn monotonic_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

/// A clock that stands still until told to move. Starts at a date in 2023.
pub struct ManualClock {
    wall_ms: AtomicU64,
    monotonic_ns: AtomicU64,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self { wall_ms: AtomicU64::new(1_700_000_000_000), monotonic_ns: AtomicU64::new(0) }
    }
}

impl ManualClock {
    /// Moves both clocks forward.
    pub fn advance_ms(&self, ms: u64) {
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
        self.monotonic_ns.fetch_add(ms * 1_000_000, Ordering::SeqCst);
    }

    /// Sets the wall clock, forward or back.
    pub fn set_ms(&self, ms: u64) {
        self.wall_ms.store(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_s_clocks_go_forward() {
        let clock = SystemClock::default();
        let (wall, ticks) = (clock.now_ms(), clock.monotonic_ns());
        assert!(wall > 1_700_000_000_000);
        assert!(clock.monotonic_ns() >= ticks);
    }

    #[test]
    fn a_wall_clock_set_back_does_not_turn_time_back() {
        let clock = ManualClock::default();
        let start = clock.now_ms();
        clock.advance_ms(5);
        assert_eq!((clock.now_ms(), clock.monotonic_ns()), (start + 5, 5_000_000));
        clock.set_ms(3);
        assert_eq!((clock.now_ms(), clock.monotonic_ns()), (3, 5_000_000));
    }
}
