//! Which clients read which keys: by name, in shards, and no more than there is room for.
//!
//! Clients that have gone stay in the entries of their keys until these are taken out, or have to grow.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::super::instance::Instance;

const SHARDS: usize = 64;
/// What a key costs beyond its name, and a client in it.
const KEY_BYTES: usize = 128;
const ITEM_BYTES: usize = 16;
/// `tracking-table-max-keys`, where nobody says otherwise.
const KEYS_MAX: usize = 1_000_000;

/// Keys, and the ids of those who read them, sorted.
pub(super) type Entries = BTreeMap<Box<[u8]>, Vec<u64>>;

#[derive(Default)]
struct Shard {
    entries: Entries,
    /// The key that was last evicted: the one after it is next.
    evicted: Box<[u8]>,
}

/// The table.
pub(super) struct Table {
    shards: Box<[Mutex<Shard>]>,
    keys: AtomicUsize,
    items: AtomicUsize,
    bytes: AtomicUsize,
    /// 0: no limit.
    keys_max: AtomicUsize,
    /// The shard to evict from next.
    next: AtomicUsize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            keys: AtomicUsize::new(0),
            items: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            keys_max: AtomicUsize::new(KEYS_MAX),
            next: AtomicUsize::new(0),
        }
    }
}

impl Table {
    fn shard(&self, name: &[u8]) -> &Mutex<Shard> {
        let hash = foldhash::fast::FixedState::with_seed(0x7AC4).hash_one(name);
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    /// Accounts for what an entry came to have; false if there is no memory for it.
    fn grow(&self, instance: &Instance, keys: usize, items: usize, bytes: usize) -> bool {
        if !instance.buffers().change(0, bytes) {
            return false;
        }
        self.keys.fetch_add(keys, Relaxed);
        self.items.fetch_add(items, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        true
    }

    fn shrink(&self, instance: &Instance, keys: usize, items: usize, bytes: usize) {
        instance.buffers().change(bytes, 0);
        self.keys.fetch_sub(keys, Relaxed);
        self.items.fetch_sub(items, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Whether one key more is one too many.
    pub(super) fn is_full(&self, name: &[u8]) -> bool {
        let keys_max = self.keys_max.load(Relaxed);
        keys_max > 0
            && self.keys.load(Relaxed) >= keys_max
            && !self.shard(name).lock().entries.contains_key(name)
    }

    /// Whether it has the bytes for one more.
    pub(super) fn has_bytes(&self, instance: &Instance, name: &[u8]) -> bool {
        let bytes = self.bytes.load(Relaxed) + name.len() + KEY_BYTES + ITEM_BYTES;
        bytes <= instance.buffers().most() / 4
    }

    /// Whether there are more keys than there should be.
    pub(super) fn is_overfull(&self) -> bool {
        let keys_max = self.keys_max.load(Relaxed);
        keys_max > 0 && self.keys.load(Relaxed) > keys_max
    }

    pub(super) fn set_keys_max(&self, keys_max: usize) {
        self.keys_max.store(keys_max, Relaxed);
    }

    /// Enters a client for a key; whether it was not entered before. `None` if there is no memory for it.
    pub(super) fn enter(
        &self,
        instance: &Instance,
        name: &[u8],
        id: u64,
        is_tracking: impl Fn(&u64) -> bool,
    ) -> Option<bool> {
        let mut shard = self.shard(name).lock();
        let Some(ids) = shard.entries.get_mut(name) else {
            if !self.grow(instance, 1, 1, name.len() + KEY_BYTES + ITEM_BYTES) {
                return None;
            }
            shard.entries.insert(name.into(), vec![id]);
            return Some(true);
        };
        let Err(mut at) = ids.binary_search(&id) else { return Some(false) };
        if ids.len() == ids.capacity() {
            let before = ids.len();
            ids.retain(is_tracking);
            let gone = before - ids.len();
            self.shrink(instance, 0, gone, gone * ITEM_BYTES);
            at = ids.partition_point(|&other| other < id);
        }
        if !self.grow(instance, 0, 1, ITEM_BYTES) {
            return None;
        }
        ids.insert(at, id);
        Some(true)
    }

    /// Takes a key out, but for one client if it is named; those who had entered, without that one.
    pub(super) fn take(&self, instance: &Instance, name: &[u8], but: Option<u64>) -> Vec<u64> {
        let mut shard = self.shard(name).lock();
        let Some(ids) = shard.entries.get_mut(name) else { return Vec::new() };
        if let Some(kept) = but.filter(|id| ids.binary_search(id).is_ok()) {
            let others: Vec<u64> = ids.drain(..).filter(|&id| id != kept).collect();
            ids.push(kept);
            self.shrink(instance, 0, others.len(), others.len() * ITEM_BYTES);
            return others;
        }
        let ids = std::mem::take(ids);
        shard.entries.remove(name);
        self.shrink(instance, 1, ids.len(), name.len() + KEY_BYTES + ids.len() * ITEM_BYTES);
        ids
    }

    /// Takes some key out: its name, and who had entered.
    pub(super) fn evict(&self, instance: &Instance) -> Option<(Box<[u8]>, Vec<u64>)> {
        for _ in 0..SHARDS {
            let at = self.next.fetch_add(1, Relaxed) % SHARDS;
            let mut shard = self.shards[at].lock();
            let after = (Bound::Excluded(&shard.evicted[..]), Bound::Unbounded);
            let next = shard.entries.range::<[u8], _>(after).next().or_else(|| shard.entries.iter().next());
            let Some(name) = next.map(|(name, _)| name.clone()) else { continue };
            let ids = shard.entries.remove(&name).unwrap_or_default();
            shard.evicted.clone_from(&name);
            self.shrink(instance, 1, ids.len(), name.len() + KEY_BYTES + ids.len() * ITEM_BYTES);
            return Some((name, ids));
        }
        None
    }

    /// Takes all out, in no time. What they take is given back by [`Table::forget`].
    pub(super) fn take_all(&self) -> Vec<Entries> {
        self.shards.iter().map(|shard| std::mem::take(&mut shard.lock().entries)).collect()
    }

    /// Lets go of what was taken out.
    pub(super) fn forget(&self, instance: &Instance, taken: Vec<Entries>) {
        for entries in taken {
            let items = entries.values().map(Vec::len).sum::<usize>();
            let names = entries.keys().map(|name| name.len() + KEY_BYTES).sum::<usize>();
            self.shrink(instance, entries.len(), items, names + items * ITEM_BYTES);
        }
    }

    /// How many keys there are, and how many clients in all of them together.
    pub(super) fn counts(&self) -> [usize; 2] {
        [self.keys.load(Relaxed), self.items.load(Relaxed)]
    }
}
