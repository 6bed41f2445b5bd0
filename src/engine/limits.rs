//! One number, `Options::memory`, shared out among everything that takes memory; and the sizes that follow.
//!
//! ```text
//! memory = memtables (active, sealed and kept) + caches (blocks and hot rows) + table handles + merge buffers
//! ```
//!
//! The caches take what the others leave. A part that is set by hand is taken from the same number; if the parts
//! asked for are more than the whole, they are what was asked for, since two contradicting wishes were expressed
//! and the particular one counts.

use super::error::{Error, Result};
use super::options::Options;

const MIB: u64 = 1 << 20;

/// The least memory that an engine runs with.
pub(crate) const MEMORY_MIN: u64 = 8 * MIB;

/// No memtable and no table is smaller.
const SMALLEST: u64 = 16 << 10;

/// A memtable numbers its rows with 32 bits, and the smallest takes more than 100 bytes of memory, 3 of them in its batch.
const MEMTABLE_MAX: u64 = 64 << 30;
const BATCH_MAX: u64 = 4 << 30;

/// Sizes in bytes, resolved from [`Options`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// All of it.
    pub(crate) memory: u64,
    /// A memtable this large is sealed and flushed.
    pub(crate) memtable: u64,
    /// Memtables, active and sealed together, never take more: writers wait. What they leave is for those that are kept.
    pub(crate) memtables: u64,
    /// The block cache.
    pub(crate) cache: u64,
    /// The hot rows.
    pub(crate) hot: u64,
    /// Open tables' top indexes.
    pub(crate) handles: u64,
    /// What one merge may hold: read-ahead of its inputs, blocks of its output.
    pub(crate) merge: u64,
    /// A batch's and a value's largest size.
    pub(crate) batch: u64,
    /// A table's size on disk.
    pub(crate) table: u64,
    /// A manifest at least this large, and grown to four times what it began with, is written anew.
    pub(crate) manifest: u64,
    /// Full memtables in level 0 at which they are merged down; three times as many tables if they are smaller.
    pub(crate) level0_tables: usize,
    /// The base level's target size.
    pub(crate) level_base: u64,
    /// How many times larger each level below is.
    pub(crate) level_multiplier: u64,
}

impl Limits {
    /// Shares the memory out.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let memory = options.memory;
        if memory < MEMORY_MIN {
            return Err(Error::invalid(format_args!(
                "memory is {memory} bytes: it must be at least {MEMORY_MIN} (8 MiB)"
            )));
        }
        if options.filter_bits > 20 {
            return Err(Error::invalid("filter bits per key must be between 0 and 20"));
        }
        if !(1 << 10..=1 << 20).contains(&options.block) {
            return Err(Error::invalid("a block must be between 1 KiB and 1 MiB"));
        }
        let memtable = options.memtable.unwrap_or((memory / 8).min(64 * MIB)).clamp(SMALLEST, MEMTABLE_MAX);
        // One being filled, one being written out, and half of one for the time in between.
        let memtables = (memtable * 5 / 2).max(memory / 4);
        let merge = (memory / 16).clamp(MIB / 2, 32 * MIB);
        let handles = memory / 32;
        let caches = options
            .cache
            .unwrap_or_else(|| memory.saturating_sub(memtables + 2 * merge + handles).max(memory / 8));
        let hot = caches / 4;
        let table = options.table.unwrap_or(memtable.clamp(8 * MIB, 64 * MIB)).max(SMALLEST);
        Ok(Self {
            memory,
            memtable,
            memtables,
            cache: caches - hot,
            hot,
            handles,
            merge,
            batch: (memory / 8).min(BATCH_MAX),
            table,
            manifest: (memtable / 16).clamp(1 << 10, 256 << 10),
            level0_tables: 4,
            level_base: 4 * memtable,
            level_multiplier: 10,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_do_not_exceed_the_whole() {
        for memory in [8 * MIB, 9 * MIB, 64 * MIB, 256 * MIB, 1 << 30, 64 << 30] {
            let limits = Limits::new(&Options { memory, ..Options::default() }).unwrap();
            let parts = limits.memtables + limits.cache + limits.hot + limits.handles + 2 * limits.merge;
            assert!(parts <= memory, "{memory}: {limits:?}");
            assert!(parts >= memory / 10 * 9, "{memory}: {limits:?}");
            assert!(limits.batch <= limits.memtables - limits.memtable, "{memory}: {limits:?}");
        }
    }

    #[test]
    fn too_little_memory_is_refused() {
        assert!(Limits::new(&Options { memory: MEMORY_MIN - 1, ..Options::default() }).is_err());
    }
}
