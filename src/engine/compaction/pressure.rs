//! Back-pressure: a delay that grows smoothly with what the background has yet to do.
//!
//! [`ns_per_byte`] is a pure function of the debt. Each of its three measures runs from *soft* (no delay) to *hard*
//! and contributes `SCALE × x ÷ (1 − x)` for the fraction `x` of that way: nothing at first, then the more the
//! closer the wall, without ever hitting it. Where the delay settles is where writers are as fast as compaction:
//! no rate needs to be measured or guessed.
//!
//! The delay is a *pace* for all writers together (a virtual clock that every byte advances), so that fifty
//! writers are slowed to the same sum as one. Only at the memory limit do writers stop, until a flush is done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock::Clock;
use crate::engine::limits::Limits;
use crate::engine::stats::Stats;
use crate::workers::Workers;

/// The delay half-way between soft and hard: a pace of 30 MB/s.
const SCALE_NS_PER_BYTE: f64 = 33.0;
/// The slowest pace: 256 KiB/s.
const NS_PER_BYTE_MAX: f64 = 4_000.0;
/// Shorter delays are saved up: sleeping costs more than they are worth.
const NAP_NS_MIN: u64 = 500_000;
/// No write sleeps longer for the sake of pace; the rest is left to those that follow.
const NAP_NS_MAX: u64 = 50_000_000;

/// What the background has yet to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debt {
    /// Tables in level 0.
    pub(crate) level0_tables: usize,
    /// Bytes by which levels exceed their targets, all the way down.
    pub(crate) pending_bytes: u64,
    /// Bytes of tables in all.
    pub(crate) total_bytes: u64,
    /// Bytes of memtables, active and sealed.
    pub(crate) memtable_bytes: u64,
}

/// The pace for a debt, in nanoseconds a byte; 0: as fast as they like.
pub(crate) fn ns_per_byte(debt: &Debt, limits: &Limits) -> f64 {
    let level0 = limits.level0_tables as f64;
    let tables = between(debt.level0_tables as f64, 4.0 * level0, 10.0 * level0);
    // A level twice its size is nothing; half the tree waiting to be rewritten is.
    let soft = (debt.total_bytes as f64 / 2.0).max(8.0 * limits.level_base as f64);
    let pending = between(debt.pending_bytes as f64, soft, 3.0 * soft);
    let room = limits.memtables as f64;
    let memory = between(debt.memtable_bytes as f64, 0.7 * room, room);
    [tables, pending, memory].into_iter().map(grow).fold(0.0, f64::max)
}

/// How far on the way from `soft` to `hard`, from 0 to 1.
fn between(x: f64, soft: f64, hard: f64) -> f64 {
    ((x - soft) / (hard - soft)).clamp(0.0, 1.0)
}

fn grow(x: f64) -> f64 {
    if x >= 1.0 { NS_PER_BYTE_MAX } else { (SCALE_NS_PER_BYTE * x / (1.0 - x)).min(NS_PER_BYTE_MAX) }
}

/// Who waits for the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// This write.
    Kept,
    /// Those after it: it only counts.
    Owed,
}

/// The pace in force, and the wall at the memory limit.
pub(crate) struct Pressure {
    limits: Limits,
    /// Debt but for the active memtable, as of the last flush, merge or rotation.
    debt: Mutex<Debt>,
    /// The pace of that debt, in picoseconds a byte.
    pace: AtomicU64,
    sealed_bytes: AtomicU64,
    /// The virtual clock: when the bytes let through so far would have been written at the pace.
    paid_until_ns: AtomicU64,
    /// Signalled when the debt changed.
    changed: Condvar,
}

impl Pressure {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            debt: Mutex::default(),
            pace: AtomicU64::new(0),
            sealed_bytes: AtomicU64::new(0),
            paid_until_ns: AtomicU64::new(0),
            changed: Condvar::new(),
        }
    }

    /// Sets what is to be done; `memtable_bytes` are those of the sealed memtables alone.
    pub(crate) fn set(&self, debt: Debt) {
        *self.debt.lock() = debt;
        self.pace.store((ns_per_byte(&debt, &self.limits) * 1e3) as u64, Ordering::Relaxed);
        self.sealed_bytes.store(debt.memtable_bytes, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// Wakes those who wait for memory, to look whether the database is closed or poisoned.
    pub(crate) fn wake(&self) {
        let _held = self.debt.lock();
        self.changed.notify_all();
    }

    /// Bytes by which levels exceed their targets.
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.debt.lock().pending_bytes
    }

    /// Whether background work should hurry: writers are being slowed down.
    pub(crate) fn is_felt(&self) -> bool {
        self.pace.load(Ordering::Relaxed) > 0
    }

    /// Whether a write may be made to wait now, given the active memtable's bytes.
    pub(crate) fn may_wait(&self, active_bytes: u64) -> bool {
        self.is_felt()
            || (self.sealed_bytes.load(Ordering::Relaxed) + active_bytes) * 10 > self.limits.memtables * 7
    }

    /// Whether the memtables are at their limit, given the active one's bytes.
    pub(crate) fn is_full(&self, active_bytes: u64) -> bool {
        // With nothing sealed there is nothing to wait for: a single batch may be larger than a memtable.
        let sealed = self.sealed_bytes.load(Ordering::Relaxed);
        sealed > 0 && sealed + active_bytes >= self.limits.memtables
    }

    /// How long a write of `bytes` is to wait before it goes ahead, at a moment of the monotonic clock.
    /// Counts the bytes: call once a write.
    pub(crate) fn admit(&self, bytes: u64, active_bytes: u64, now_ns: u64) -> Duration {
        let mut pace = self.pace.load(Ordering::Relaxed);
        let memtable_bytes = self.sealed_bytes.load(Ordering::Relaxed) + active_bytes;
        if memtable_bytes * 10 > self.limits.memtables * 7 {
            let memory = Debt { memtable_bytes, ..Debt::default() };
            pace = pace.max((ns_per_byte(&memory, &self.limits) * 1e3) as u64);
        }
        if pace == 0 {
            return Duration::ZERO;
        }
        let cost = bytes.saturating_mul(pace) / 1000;
        let before = self
            .paid_until_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| Some(paid.max(now_ns) + cost))
            .unwrap_or(now_ns);
        let owed = (before.max(now_ns) + cost) - now_ns;
        if owed < NAP_NS_MIN { Duration::ZERO } else { Duration::from_nanos(owed.min(NAP_NS_MAX)) }
    }

    /// Slows a write down: sleeps for its pace and, at the memory limit, until there is room or `stop` says that
    /// waiting is useless. Call without any lock. `active_bytes` gives the active memtable's bytes.
    pub(crate) fn wait(
        &self,
        bytes: u64,
        pace: Pace,
        active_bytes: impl Fn() -> u64,
        stop: impl Fn() -> bool,
        world: (&dyn Clock, &Workers, &Stats),
    ) {
        let active = active_bytes();
        if !self.may_wait(active) {
            return;
        }
        let (clock, workers, stats) = world;
        let start = clock.monotonic_ns();
        let mut nap = self.admit(bytes, active, start);
        if pace == Pace::Owed {
            nap = Duration::ZERO;
        }
        let mut debt = self.debt.lock();
        if !nap.is_zero() {
            let until = start + nap.as_nanos() as u64;
            loop {
                let now = clock.monotonic_ns();
                if now >= until || stop() {
                    break;
                }
                if workers.is_manual() {
                    workers.help(&mut debt, &self.changed, nap);
                    break;
                }
                // Not `changed`: the pace was set when the write came, and waking all sleepers at once is no pace.
                self.sleep(&mut debt, Duration::from_nanos(until - now));
            }
            stats.delayed_writes.add(1);
            stats.delayed_ns.add(clock.monotonic_ns() - start);
        }
        if self.is_full(active_bytes()) {
            let start = clock.monotonic_ns();
            while self.is_full(active_bytes()) && !stop() {
                if !workers.help(&mut debt, &self.changed, Duration::from_millis(100)) {
                    break;
                }
            }
            stats.stopped_writes.add(1);
            stats.stopped_ns.add(clock.monotonic_ns() - start);
        }
    }

    fn sleep(&self, debt: &mut parking_lot::MutexGuard<'_, Debt>, time: Duration) {
        self.changed.wait_for(debt, time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::options::Options;

    fn limits() -> Limits {
        Limits::new(&Options::default()).unwrap()
    }

    #[test]
    fn no_debt_no_delay() {
        assert!(ns_per_byte(&Debt::default(), &limits()) <= 0.0);
        let pressure = Pressure::new(&limits());
        assert_eq!(pressure.admit(1 << 20, 0, 5), Duration::ZERO);
    }

    #[test]
    fn the_delay_grows_with_every_measure_and_without_jumps() {
        let limits = limits();
        let mut last = 0.0;
        for level0_tables in 0..100 {
            let now = ns_per_byte(&Debt { level0_tables, ..Debt::default() }, &limits);
            assert!(now >= last && now <= NS_PER_BYTE_MAX);
            last = now;
        }
        let mut last = 0.0;
        for percent in 0..99 {
            let debt = Debt { memtable_bytes: limits.memtables / 100 * percent, ..Debt::default() };
            let now = ns_per_byte(&debt, &limits);
            assert!(now >= last && now <= last * 2.0 + SCALE_NS_PER_BYTE, "{percent}: {last} {now}");
            last = now;
        }
    }

    #[test]
    fn many_writers_are_slowed_to_the_sum_of_one() {
        let limits = limits();
        let pressure = Pressure::new(&limits);
        let debt = Debt { level0_tables: 24, ..Debt::default() };
        pressure.set(debt);
        let each = (0..10).map(|_| pressure.admit(10_000, 0, 0)).collect::<Vec<_>>();
        let want = 100_000.0 * ns_per_byte(&debt, &limits);
        let got = each.last().unwrap().as_nanos() as f64;
        assert!((got - want).abs() < want / 100.0, "{got} {want}");
    }

    #[test]
    fn one_write_never_naps_long() {
        let limits = limits();
        let pressure = Pressure::new(&limits);
        pressure.set(Debt { level0_tables: 100, ..Debt::default() });
        assert_eq!(pressure.admit(1 << 30, 0, 0), Duration::from_nanos(NAP_NS_MAX));
    }

    #[test]
    fn without_threads_waiting_for_memory_ends_when_nothing_is_left_to_run() {
        let limits = limits();
        let pressure = Pressure::new(&limits);
        pressure.set(Debt { memtable_bytes: limits.memtables, ..Debt::default() });
        let (clock, workers, stats) =
            (crate::clock::ManualClock::default(), Workers::manual(), Stats::default());
        pressure.wait(100, Pace::Kept, || 0, || false, (&clock, &workers, &stats));
        assert_eq!(stats.totals().stopped_writes, 1);
    }
}
