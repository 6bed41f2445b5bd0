//! WATCH: who wants to know whether a key changed since. A commit marks the watches of the keys it touched while it
//! still holds their locks, so a transaction that locks what it watches reads a mark that is neither early nor late.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::locks::LockKey;

const SHARDS: usize = 64;

type Shard = Mutex<HashMap<LockKey, Vec<Arc<AtomicBool>>, foldhash::fast::FixedState>>;

/// Who watches what.
pub(crate) struct Watches {
    shards: Box<[Shard]>,
    /// How many keys are watched; commits look no further while there are none.
    watched: AtomicUsize,
}

impl Watches {
    pub(crate) fn new() -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self { shards, watched: AtomicUsize::new(0) })
    }

    fn shard(&self, key: LockKey) -> &Shard {
        &self.shards[key.0 as usize % SHARDS]
    }

    /// Marks the watches of these keys.
    pub(crate) fn touched(&self, keys: &[LockKey]) {
        if self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        for &key in keys {
            for mark in self.shard(key).lock().get(&key).into_iter().flatten() {
                mark.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Marks all watches.
    pub(crate) fn touched_all(&self) {
        if self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        for shard in &self.shards {
            for mark in shard.lock().values().flatten() {
                mark.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// One client's watched keys. Dropping it forgets them.
pub struct Watch {
    watches: Arc<Watches>,
    keys: Vec<LockKey>,
    changed: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn new(watches: Arc<Watches>) -> Self {
        Self { watches, keys: Vec::new(), changed: Arc::default() }
    }

    /// Watches a key too. Read it (if at all) only after this.
    pub fn add(&mut self, key: LockKey) {
        if self.keys.contains(&key) {
            return;
        }
        self.watches.watched.fetch_add(1, Ordering::SeqCst);
        self.watches.shard(key).lock().entry(key).or_default().push(self.changed.clone());
        self.keys.push(key);
    }

    /// Whether a watched key was touched since it was added.
    pub fn changed(&self) -> bool {
        self.changed.load(Ordering::SeqCst)
    }

    /// The watched keys: to be locked (shared is enough) by the transaction that asks [`Watch::changed`].
    pub fn keys(&self) -> &[LockKey] {
        &self.keys
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for key in &self.keys {
            let mut shard = self.watches.shard(*key).lock();
            if let Some(marks) = shard.get_mut(key) {
                marks.retain(|mark| !Arc::ptr_eq(mark, &self.changed));
                if marks.is_empty() {
                    shard.remove(key);
                }
            }
        }
        self.watches.watched.fetch_sub(self.keys.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_sees_its_keys_and_no_others() {
        let watches = Watches::new();
        let mut watch = Watch::new(watches.clone());
        watch.add(LockKey(1));
        watches.touched(&[LockKey(2)]);
        assert!(!watch.changed());
        watches.touched(&[LockKey(2), LockKey(1)]);
        assert!(watch.changed());
        drop(watch);
        assert_eq!(watches.watched.load(Ordering::SeqCst), 0);
        assert!(watches.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}
