//! WATCH: who wants to know whether a key changed since. A commit marks the watches of the keys it touched while it
//! still holds their locks, so a transaction that locks what it watches reads a mark that is neither early nor late.
//!
//! Watches have a *group* and a name, which whoever watches gives them and which mean nothing here. So a commit that
//! changes many keys at once can mark all of a group but those that it asked about beforehand and knows to be as they
//! were. A watch that came in between is marked too, which costs its transaction another try and nothing else.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::locks::LockKey;

const SHARDS: usize = 64;

/// One client's interest in a key.
struct Entry {
    group: u16,
    /// What the key is called, for whoever watches.
    name: Box<[u8]>,
    changed: Arc<AtomicBool>,
}

type Shard = Mutex<HashMap<LockKey, Vec<Entry>, foldhash::fast::FixedState>>;

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
            for entry in self.shard(key).lock().get(&key).into_iter().flatten() {
                entry.changed.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Marks the watches of a group, but for those of some keys.
    pub(crate) fn touched_group(&self, group: u16, but: &HashSet<LockKey>) {
        if self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        for shard in &self.shards {
            let shard = shard.lock();
            let touched = shard.iter().filter(|(key, _)| !but.contains(key)).flat_map(|(_, entries)| entries);
            for entry in touched.filter(|entry| entry.group == group) {
                entry.changed.store(true, Ordering::SeqCst);
            }
        }
    }

    /// The keys watched in a group that are not marked yet: their names and what they are watched by.
    pub(crate) fn of_group(&self, group: u16) -> Vec<(Box<[u8]>, LockKey)> {
        if self.watched.load(Ordering::SeqCst) == 0 {
            return Vec::new();
        }
        let mut found = Vec::new();
        for shard in &self.shards {
            for (key, entries) in shard.lock().iter() {
                let unmarked = |entry: &&Entry| entry.group == group && !entry.changed.load(Ordering::SeqCst);
                found.extend(entries.iter().filter(unmarked).map(|entry| (entry.name.clone(), *key)));
            }
        }
        found
    }
}

/// One client's watched keys. Dropping it forgets them.
pub struct Watch {
    watches: Arc<Watches>,
    keys: HashSet<LockKey, foldhash::fast::FixedState>,
    changed: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn new(watches: Arc<Watches>) -> Self {
        Self { watches, keys: HashSet::default(), changed: Arc::default() }
    }

    /// Watches a key too, which belongs to a group and has a name there. Read it (if at all) only after this.
    pub fn add(&mut self, key: LockKey, group: u16, name: &[u8]) {
        if !self.keys.insert(key) {
            return;
        }
        self.watches.watched.fetch_add(1, Ordering::SeqCst);
        let entry = Entry { group, name: name.into(), changed: self.changed.clone() };
        self.watches.shard(key).lock().entry(key).or_default().push(entry);
    }

    /// Whether a watched key was touched since it was added.
    pub fn changed(&self) -> bool {
        self.changed.load(Ordering::SeqCst)
    }

    /// The watched keys: to be locked (shared is enough) by the transaction that asks [`Watch::changed`].
    pub fn keys(&self) -> impl ExactSizeIterator<Item = LockKey> {
        self.keys.iter().copied()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for key in &self.keys {
            let mut shard = self.watches.shard(*key).lock();
            if let Some(entries) = shard.get_mut(key) {
                entries.retain(|entry| !Arc::ptr_eq(&entry.changed, &self.changed));
                if entries.is_empty() {
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
        watch.add(LockKey(1), 3, b"one");
        watches.touched(&[LockKey(2)]);
        assert!(!watch.changed());
        assert_eq!(watches.of_group(3), [(b"one".as_slice().into(), LockKey(1))]);
        assert!(watches.of_group(4).is_empty());
        watches.touched(&[LockKey(2), LockKey(1)]);
        assert!(watch.changed());
        assert!(watches.of_group(3).is_empty(), "it is marked already");
        drop(watch);
        assert_eq!(watches.watched.load(Ordering::SeqCst), 0);
        assert!(watches.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[test]
    fn a_group_is_touched_but_for_some() {
        let watches = Watches::new();
        let watch = |key, group| {
            let mut watch = Watch::new(watches.clone());
            watch.add(LockKey(key), group, b"");
            watch
        };
        let (touched, spared, elsewhere) = (watch(1, 0), watch(2, 0), watch(3, 1));
        watches.touched_group(0, &HashSet::from([LockKey(2), LockKey(4)]));
        assert_eq!([touched.changed(), spared.changed(), elsewhere.changed()], [true, false, false]);
    }
}
