//! When keys were last used, and how often: for OBJECT IDLETIME and FREQ. Nothing is evicted by it, so it need not be
//! exact nor last: a table of fixed size in memory, in which a key that is used takes the place of another now and then.
//!
//! ```text
//! slot := tag of the key (24 bits) ‖ frequency (8) ‖ second of the last use, by the steady clock, + 1 (32)
//! ```

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::store::LockKey;

const SLOTS: usize = 1 << 16;
/// The frequency of a key that is used for the first time, and how slowly it grows, as in Redis.
const FREQUENCY_NEW: u8 = 5;
const GROWTH: u64 = 10;

/// The table.
pub(crate) struct Recency {
    slots: Box<[AtomicU64]>,
}

/// How a key was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// The second of the last use, by the steady clock.
    pub(crate) at_s: u32,
    /// The logarithm of how often it was used, as Redis counts it.
    pub(crate) frequency: u8,
}

/// The second of a moment of the steady clock. Long ago begins long before the clock does.
pub(crate) fn second(monotonic_ns: u64) -> u32 {
    (1 << 31) + (monotonic_ns / 1_000_000_000) as u32
}

impl Default for Recency {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Recency {
    fn slot(&self, key: LockKey) -> &AtomicU64 {
        &self.slots[key.0 as usize % SLOTS]
    }

    /// How a key was used; `None` if that is not known (any more).
    pub(crate) fn of(&self, key: LockKey) -> Option<Use> {
        let slot = self.slot(key).load(Relaxed);
        let known = slot as u32 > 0 && slot >> 40 == tag(key);
        known.then(|| Use { at_s: slot as u32 - 1, frequency: (slot >> 32) as u8 })
    }

    /// Says how a key was used.
    pub(crate) fn set(&self, key: LockKey, used: Use) {
        let slot = tag(key) << 40 | u64::from(used.frequency) << 32 | (u64::from(used.at_s) + 1);
        // What is shared is not written where nothing changes.
        if self.slot(key).load(Relaxed) != slot {
            self.slot(key).store(slot, Relaxed);
        }
    }

    /// Notes that a key is used in this second. With `chance`, a random number, it may count as used more often.
    pub(crate) fn touch(&self, key: LockKey, at_s: u32, chance: Option<u64>) {
        let mut frequency = self.of(key).map_or(FREQUENCY_NEW, |used| used.frequency);
        let above = u64::from(frequency.saturating_sub(FREQUENCY_NEW));
        if chance.is_some_and(|chance| chance.is_multiple_of(above * GROWTH + 1)) {
            frequency = frequency.saturating_add(1);
        }
        self.set(key, Use { at_s, frequency });
    }
}

fn tag(key: LockKey) -> u64 {
    key.0 >> 40
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_known_until_another_key_takes_its_place() {
        let recency = Recency::default();
        let (one, other) = (LockKey(7), LockKey(7 | 1 << 50));
        assert_eq!(recency.of(one), None);
        recency.touch(one, 12, None);
        assert_eq!(recency.of(one), Some(Use { at_s: 12, frequency: FREQUENCY_NEW }));
        recency.touch(one, 13, Some(0));
        assert_eq!(recency.of(one), Some(Use { at_s: 13, frequency: FREQUENCY_NEW + 1 }));
        recency.touch(one, 13, Some(1));
        assert_eq!(recency.of(one).unwrap().frequency, FREQUENCY_NEW + 1);
        recency.set(other, Use { at_s: 0, frequency: 255 });
        assert_eq!((recency.of(one), recency.of(other).unwrap().at_s), (None, 0));
        recency.touch(other, 1, Some(0));
        assert_eq!(recency.of(other).unwrap().frequency, 255);
    }
}
