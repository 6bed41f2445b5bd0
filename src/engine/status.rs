//! What a database is like now, beside the counters of what it did ([`super::Totals`]).

use super::shared::Shared;

/// What lies in a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelStatus {
    /// How many tables.
    pub tables: usize,
    /// Their bytes on disk.
    pub bytes: u64,
}

/// The block cache: filters, indexes and data blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStatus {
    /// Blocks that were found there.
    pub hits: u64,
    /// Blocks that were not.
    pub misses: u64,
    /// Blocks now.
    pub entries: u64,
    /// Bytes now, overhead included.
    pub used: u64,
    /// Bytes of `used` that are filters and indexes, also such as were evicted but are still in use.
    pub partitions: u64,
    /// Bytes allowed.
    pub capacity: u64,
}

/// What a database is like at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The levels, from the newest rows down.
    pub levels: Vec<LevelStatus>,
    /// Bytes of the memtable that commits go to.
    pub memtable_bytes: u64,
    /// Memtables that wait to become tables.
    pub sealed_memtables: usize,
    /// Their bytes.
    pub sealed_bytes: u64,
    /// Bytes by which levels exceed their targets: what merges have before them.
    pub pending_bytes: u64,
    /// The block cache.
    pub cache: CacheStatus,
    /// Moments that are held: snapshots, and merges that run.
    pub snapshots: usize,
    /// The disk is full: writes are refused until there is room.
    pub is_full: bool,
    /// Writes are refused until the database is opened again.
    pub is_poisoned: bool,
}

impl Status {
    /// As it is now.
    pub(crate) fn of(shared: &Shared) -> Self {
        let current = shared.current.load();
        let levels = current.version.levels.iter().map(|tables| LevelStatus {
            tables: tables.len(),
            bytes: tables.iter().map(|table| table.meta().size).sum(),
        });
        Self {
            levels: levels.collect(),
            memtable_bytes: current.memtable.bytes(),
            sealed_memtables: current.sealed.len(),
            sealed_bytes: current.sealed_bytes(),
            pending_bytes: shared.pressure.pending_bytes(),
            cache: shared.cache.status(),
            snapshots: shared.snapshots.len(),
            is_full: shared.disk.is_full(),
            is_poisoned: shared.progress.check_poison().is_err(),
        }
    }
}
