//! The moments somebody wants to come back to, and the horizon up to which compaction may forget.
//!
//! A snapshot reads its moment, and compaction its horizon, under the one lock here: whoever comes second sees the
//! other, so that no snapshot is ever taken below a horizon in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::key::Seqno;

/// The registered snapshots.
#[derive(Clone, Default)]
pub(crate) struct SnapshotList {
    held: Arc<Mutex<BTreeMap<Seqno, usize>>>,
}

/// A registered moment; dropping the last clone of a moment frees it.
pub(crate) struct Registered {
    list: SnapshotList,
    seqno: Seqno,
}

/// What compaction must keep: every version that is the newest at one of `held` or at the horizon, or newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Horizon {
    /// The oldest moment that anybody can ask for: min of oldest snapshot and newest durable commit.
    pub(crate) seqno: Seqno,
    /// The registered moments, ascending.
    pub(crate) held: Vec<Seqno>,
}

impl SnapshotList {
    /// Registers the moment that `now` reads.
    pub(crate) fn register(&self, now: impl FnOnce() -> Seqno) -> Registered {
        let mut held = self.held.lock();
        let seqno = now();
        *held.entry(seqno).or_default() += 1;
        Registered { list: self.clone(), seqno }
    }

    /// The horizon, given how to read the newest durable commit.
    pub(crate) fn horizon(&self, durable: impl FnOnce() -> Seqno) -> Horizon {
        let held = self.held.lock();
        let durable = durable();
        let seqno = held.keys().next().map_or(durable, |&oldest| oldest.min(durable));
        Horizon { seqno, held: held.keys().copied().collect() }
    }

    /// The horizon, registered in the same stroke, so that nobody forgets what is seen
    /// there while it is looked at. Keep it for a moment only: others take it for a snapshot.
    pub(crate) fn pin(&self, durable: impl FnOnce() -> Seqno) -> (Horizon, Registered) {
        let mut held = self.held.lock();
        let durable = durable();
        let seqno = held.keys().next().map_or(durable, |&oldest| oldest.min(durable));
        let horizon = Horizon { seqno, held: held.keys().copied().collect() };
        *held.entry(seqno).or_default() += 1;
        (horizon, Registered { list: self.clone(), seqno })
    }

    /// How many are held, clones counted.
    pub(crate) fn len(&self) -> usize {
        self.held.lock().values().sum()
    }
}

impl Registered {
    pub(crate) fn seqno(&self) -> Seqno {
        self.seqno
    }
}

impl Clone for Registered {
    fn clone(&self) -> Self {
        self.list.register(|| self.seqno)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut held = self.list.held.lock();
        if let Some(count) = held.get_mut(&self.seqno) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.seqno);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_waits_for_the_oldest() {
        let list = SnapshotList::default();
        assert_eq!(list.horizon(|| 9), Horizon { seqno: 9, held: vec![] });
        let old = list.register(|| 4);
        let new = list.register(|| 12);
        let again = old.clone();
        drop(old);
        assert_eq!(list.horizon(|| 9), Horizon { seqno: 4, held: vec![4, 12] });
        drop(again);
        assert_eq!(list.horizon(|| 9), Horizon { seqno: 9, held: vec![12] });
        drop(new);
        assert_eq!(list.len(), 0);
    }
}
