//! The block cache: decoded blocks of all tables within one budget, weighed by the memory they take.
//!
//! Data blocks and partitions (a filter and the index to some 128 data blocks) share the budget. Partitions
//! answer for many blocks each, so they stay while data blocks go, as long as they take no more than three quarters.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use foldhash::fast::FixedState;
use quick_cache::sync::Cache as QuickCache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::block::DataBlock;
use super::page_cache::PageCache;
use super::status::CacheStatus;
use super::table::Partition;

/// What an entry costs beside its content: its slot, its key, the allocations' headers.
const OVERHEAD_BYTES: u64 = 128;
/// One fingerprint of what was let go for so many bytes of capacity.
const BYTES_PER_GHOST: u64 = 4096;
/// A shard is worth its lock from this many bytes on.
const SHARD_BYTES: u64 = 4 << 20;
const SHARDS_MAX: u64 = 16;
const COUNTERS: usize = 16;

/// A block's place: the table's number and the offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    table: u64,
    offset: u64,
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // One word is one round of the hasher; numbers of tables are small, and so are offsets.
        state.write_u64(self.table.rotate_left(40) ^ self.offset);
    }
}

#[derive(Clone)]
enum Entry {
    Data(DataBlock),
    Partition(Arc<Partition>),
}

/// How much of a cache partitions may take before data blocks may push them out.
fn protected(bytes: u64) -> u64 {
    bytes / 4 * 3
}

/// What an allocation of so many bytes takes: allocators keep some four sizes between a power of two and the next.
fn allocated(bytes: u64) -> u64 {
    let step = (bytes.max(64).next_power_of_two() / 8).min(64 << 10);
    bytes.next_multiple_of(step)
}

#[derive(Clone)]
struct ByMemory;

impl Weighter<Place, Entry> for ByMemory {
    fn weight(&self, _place: &Place, entry: &Entry) -> u64 {
        let bytes = match entry {
            Entry::Data(block) => block.byte_len() as u64,
            Entry::Partition(partition) => partition.byte_len() as u64,
        };
        OVERHEAD_BYTES + allocated(bytes)
    }
}

/// Bytes that all live partitions take, and how many of them are kept from eviction.
#[derive(Debug, Default)]
struct Partitions {
    bytes: AtomicU64,
    protected: AtomicU64,
}

/// Fingerprints of what was let go lately, each in the place that its hash gives it.
struct Ghosts(Box<[AtomicU32]>);

impl Ghosts {
    fn new(bytes: u64) -> Self {
        let count = (bytes / BYTES_PER_GHOST).max(1).next_power_of_two();
        Self((0..count).map(|_| AtomicU32::new(0)).collect())
    }

    /// The place of a block, and its fingerprint; 0 is nobody's.
    fn of(&self, place: &Place) -> (&AtomicU32, u32) {
        let hash = FixedState::default().hash_one(place);
        (&self.0[hash as usize & (self.0.len() - 1)], (hash >> 32) as u32 | 1)
    }

    fn add(&self, place: &Place) {
        let (ghost, fingerprint) = self.of(place);
        ghost.store(fingerprint, Ordering::Relaxed);
    }

    /// Whether it was let go lately; then it is forgotten.
    fn remove(&self, place: &Place) -> bool {
        let (ghost, fingerprint) = self.of(place);
        ghost.compare_exchange(fingerprint, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[derive(Clone)]
struct Eviction {
    partitions: Arc<Partitions>,
    ghosts: Arc<Ghosts>,
}

impl Lifecycle<Place, Entry> for Eviction {
    type RequestState = ();

    fn is_pinned(&self, _place: &Place, entry: &Entry) -> bool {
        matches!(entry, Entry::Partition(_))
            && self.partitions.bytes.load(Ordering::Relaxed)
                <= self.partitions.protected.load(Ordering::Relaxed)
    }

    fn on_evict(&self, (): &mut (), place: Place, _entry: Entry) {
        self.ghosts.add(&place);
    }
}

/// A partition's share of [`Partitions`], given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    partitions: Arc<Partitions>,
    bytes: u64,
}

impl Charge {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.partitions.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A counter with a cache line to itself.
#[derive(Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

/// Decoded blocks of all tables, within one budget of memory.
pub(crate) struct Cache {
    blocks: QuickCache<Place, Entry, ByMemory, FixedState, Eviction>,
    partitions: Arc<Partitions>,
    /// Spread by offset, so that threads seldom meet.
    hits: [Counter; COUNTERS],
    misses: AtomicU64,
    ghosts: Arc<Ghosts>,
    /// Blocks that were read although they had been here a short while ago.
    again: AtomicU64,
    /// The next one on the way to the disk.
    pages: PageCache,
}

impl Cache {
    /// A cache of so many bytes; 0 keeps nothing.
    pub(crate) fn new(bytes: u64) -> Self {
        let partitions = Arc::new(Partitions::default());
        partitions.protected.store(protected(bytes), Ordering::Relaxed);
        let ghosts = Arc::new(Ghosts::new(bytes));
        let options = OptionsBuilder::new()
            .shards((bytes / SHARD_BYTES).clamp(1, SHARDS_MAX) as usize)
            .estimated_items_capacity((bytes / 4096).max(64) as usize)
            .weight_capacity(bytes)
            .build()
            .expect("items and weight are given");
        let lifecycle = Eviction { partitions: Arc::clone(&partitions), ghosts: Arc::clone(&ghosts) };
        let blocks = QuickCache::with_options(options, ByMemory, FixedState::default(), lifecycle);
        Self {
            blocks,
            partitions,
            hits: Default::default(),
            misses: AtomicU64::new(0),
            ghosts,
            again: AtomicU64::new(0),
            pages: PageCache::default(),
        }
    }

    /// What is known of the page cache.
    pub(crate) fn pages(&self) -> &PageCache {
        &self.pages
    }

    /// Changes the budget; what is over it goes at once.
    pub(crate) fn set_capacity(&self, bytes: u64) {
        self.partitions.protected.store(protected(bytes), Ordering::Relaxed);
        self.blocks.set_capacity(bytes);
    }

    /// Bytes in it, overhead included.
    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.blocks.weight()
    }

    /// What it is like now.
    pub(crate) fn status(&self) -> CacheStatus {
        CacheStatus {
            hits: self.hits.iter().map(|counter| counter.0.load(Ordering::Relaxed)).sum(),
            misses: self.misses.load(Ordering::Relaxed),
            entries: self.blocks.len() as u64,
            used: self.blocks.weight(),
            partitions: self.partitions.bytes.load(Ordering::Relaxed),
            capacity: self.blocks.capacity(),
        }
    }

    /// How often something was not found.
    #[inline]
    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// How often that was something it had let go a short while before.
    pub(crate) fn again(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }

    /// Counts a partition of so many bytes for as long as the charge lives.
    pub(crate) fn charge(&self, bytes: u64) -> Charge {
        self.partitions.bytes.fetch_add(bytes, Ordering::Relaxed);
        Charge { partitions: Arc::clone(&self.partitions), bytes }
    }

    #[inline]
    fn hit(&self, offset: u64) {
        self.hits[(offset >> 12) as usize % COUNTERS].0.fetch_add(1, Ordering::Relaxed);
    }

    /// A data block.
    #[inline]
    pub(crate) fn data(&self, table: u64, offset: u64) -> Option<DataBlock> {
        if let Some(Entry::Data(block)) = self.blocks.get(&Place { table, offset }) {
            self.hit(offset);
            return Some(block);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// A data block, without a trace of having been asked for.
    pub(crate) fn peek_data(&self, table: u64, offset: u64) -> Option<DataBlock> {
        match self.blocks.peek(&Place { table, offset }) {
            Some(Entry::Data(block)) => Some(block),
            _ => None,
        }
    }

    pub(crate) fn insert_data(&self, table: u64, offset: u64, block: DataBlock) {
        self.insert(Place { table, offset }, Entry::Data(block));
    }

    /// A partition.
    #[inline]
    pub(crate) fn partition(&self, table: u64, offset: u64) -> Option<Arc<Partition>> {
        match self.blocks.get(&Place { table, offset }) {
            Some(Entry::Partition(partition)) => Some(partition),
            _ => None,
        }
    }

    /// A partition, without a trace of having been asked for.
    pub(crate) fn peek_partition(&self, table: u64, offset: u64) -> Option<Arc<Partition>> {
        match self.blocks.peek(&Place { table, offset }) {
            Some(Entry::Partition(partition)) => Some(partition),
            _ => None,
        }
    }

    pub(crate) fn insert_partition(&self, table: u64, offset: u64, partition: Arc<Partition>) {
        self.misses.fetch_add(1, Ordering::Relaxed);
        self.insert(Place { table, offset }, Entry::Partition(partition));
    }

    fn insert(&self, place: Place, entry: Entry) {
        self.again.fetch_add(self.ghosts.remove(&place).into(), Ordering::Relaxed);
        self.blocks.insert(place, entry);
    }

    /// Forgets a block of a table that is gone.
    pub(crate) fn remove(&self, table: u64, offset: u64) {
        self.blocks.remove(&Place { table, offset });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::block::DataBuilder;
    use crate::engine::key::{KeyRef, Kind, Trailer};

    fn block(bytes: usize) -> DataBlock {
        let mut builder = DataBuilder::default();
        builder.add(KeyRef::new(b"key", Trailer::new(1, Kind::Put)), &vec![7; bytes]);
        DataBlock::new(builder.finish().into()).unwrap()
    }

    fn partition(cache: &Cache) -> Arc<Partition> {
        Partition::for_tests(cache)
    }

    #[test]
    fn keeps_to_its_budget() {
        let cache = Cache::new(1 << 20);
        for i in 0..1000 {
            cache.insert_data(1, i * 4096, block(4000));
            assert!(cache.used() <= 1 << 20);
        }
        assert!(cache.used() > 900 << 10);
        cache.set_capacity(100 << 10);
        assert!(cache.used() <= 100 << 10);
        assert_eq!(cache.status().capacity, 100 << 10);
    }

    #[test]
    fn without_a_budget_it_keeps_nothing() {
        let cache = Cache::new(0);
        cache.insert_data(1, 0, block(10));
        assert!(cache.data(1, 0).is_none());
    }

    #[test]
    fn partitions_outlive_a_flood_of_data_blocks() {
        let cache = Cache::new(256 << 10);
        cache.insert_partition(1, 0, partition(&cache));
        for i in 1..2000 {
            cache.insert_data(1, i * 4096, block(4000));
        }
        assert!(cache.partition(1, 0).is_some());
    }

    #[test]
    fn partitions_alone_keep_to_the_budget_too() {
        let cache = Cache::new(256 << 10);
        for i in 0..20_000 {
            cache.insert_partition(1, i * 4096, partition(&cache));
            assert!(cache.used() <= 256 << 10);
        }
        assert!(cache.status().partitions <= 256 << 10);
    }

    #[test]
    fn what_was_removed_is_gone() {
        let cache = Cache::new(1 << 20);
        cache.insert_data(1, 0, block(10));
        cache.insert_data(2, 0, block(10));
        cache.remove(1, 0);
        assert!(cache.data(1, 0).is_none());
        assert!(cache.data(2, 0).is_some());
        assert_eq!((cache.status().hits, cache.status().misses), (1, 1));
    }
}
