//! How blocks and hot rows share the caches' memory: the one that would have saved more reads with more of it gets some.
//!
//! Both remember by fingerprints what they lately let go, or never took in, and count what of that is asked for again:
//! what they would have had if they were larger (the ghost lists of ARC; Megiddo and Modha, FAST 2003). Whenever blocks
//! have been missed some thousand times the counts of that while are compared. Where everything is found in memory nothing
//! changes.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::cache::Cache;
use super::hot::HotRows;

/// Blocks missed between two looks.
const WINDOW: u64 = 1024;
/// Counts that differ by less say nothing.
const NOISE: u64 = WINDOW / 32;
/// What moves at once: this part of the whole, and no more than whoever reads may be kept waiting for.
const STEPS: u64 = 64;
const STEP_MAX: u64 = 2 << 20;

/// The memory of both, and what was counted.
pub(crate) struct Balance {
    /// Bytes of both together.
    total: u64,
    /// Reads that went to tables.
    reads: AtomicU64,
    /// Those of rows that a larger cache of rows might have had.
    rows_again: AtomicU64,
    /// The misses of blocks at which the next look is due.
    due: AtomicU64,
    last: Mutex<Look>,
}

struct Look {
    /// Bytes of hot rows.
    hot: u64,
    reads: u64,
    misses: u64,
    rows_again: u64,
    blocks_again: u64,
}

impl Balance {
    /// Of so many bytes for blocks and for hot rows.
    pub(crate) fn new(blocks: u64, hot: u64) -> Self {
        let last = Look { hot, reads: 0, misses: 0, rows_again: 0, blocks_again: 0 };
        Self {
            total: blocks + hot,
            reads: AtomicU64::new(0),
            rows_again: AtomicU64::new(0),
            due: AtomicU64::new(WINDOW),
            last: Mutex::new(last),
        }
    }

    /// A read went to tables; `again`: of a row that was asked for a short while ago.
    #[inline]
    pub(crate) fn note(&self, again: bool, cache: &Cache, hot: &HotRows) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.rows_again.fetch_add(again.into(), Ordering::Relaxed);
        if cache.misses() >= self.due.load(Ordering::Relaxed) {
            self.look(cache, hot);
        }
    }

    #[cold]
    fn look(&self, cache: &Cache, hot: &HotRows) {
        // Whoever holds it looks already.
        let Some(mut last) = self.last.try_lock() else { return };
        let now = Look {
            hot: last.hot,
            reads: self.reads.load(Ordering::Relaxed),
            misses: cache.misses(),
            rows_again: self.rows_again.load(Ordering::Relaxed),
            blocks_again: cache.again(),
        };
        let (misses, reads) = (now.misses - last.misses, (now.reads - last.reads).max(1));
        if misses < WINDOW {
            return;
        }
        // A row spares a read of the disk only as often as reads of tables come to one.
        let rows = (now.rows_again - last.rows_again) * misses.min(reads) / reads;
        let blocks = now.blocks_again - last.blocks_again;
        let before = std::mem::replace(&mut *last, now).hot;
        self.due.store(last.misses + WINDOW, Ordering::Relaxed);
        let step = (self.total / STEPS).min(STEP_MAX);
        if rows > blocks + blocks / 2 + NOISE && hot.is_full() {
            last.hot = (before + step).min(self.total / 8 * 5).max(before);
        } else if blocks > rows + rows / 2 + NOISE {
            last.hot = (before - step.min(before)).max(self.total / 8).min(before);
        }
        // Whoever gives gives first.
        if last.hot > before {
            cache.set_capacity(self.total - last.hot);
            hot.set_capacity(last.hot);
        } else if last.hot < before {
            hot.set_capacity(last.hot);
            cache.set_capacity(self.total - last.hot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::block::DataBlock;
    use crate::engine::block::DataBuilder;
    use crate::engine::key::{KeyRef, Kind, Trailer};

    const TOTAL: u64 = 16 << 20;

    struct World {
        cache: Cache,
        hot: HotRows,
        balance: Balance,
    }

    impl World {
        fn new() -> Self {
            let (blocks, hot) = (TOTAL / 4 * 3, TOTAL / 4);
            Self { cache: Cache::new(blocks), hot: HotRows::new(hot), balance: Balance::new(blocks, hot) }
        }

        /// Reads a key of 400 bytes that lies in a block.
        fn read(&self, key: u64, block: u64) {
            let name = key.to_be_bytes();
            if self.hot.get(&name, 1).is_some() {
                return;
            }
            let offset = block * 4096;
            if self.cache.data(1, offset).is_none() {
                let mut builder = DataBuilder::default();
                builder.add(KeyRef::new(&name, Trailer::new(1, Kind::Put)), &[7; 4000]);
                self.cache.insert_data(1, offset, DataBlock::new(builder.finish().into()).unwrap());
            }
            let again = self.hot.fill(&name, 1, 1, Some(&[7; 400]));
            self.balance.note(again, &self.cache, &self.hot);
        }

        fn hot_bytes(&self) -> u64 {
            assert_eq!(self.cache.status().capacity + self.balance.last.lock().hot, TOTAL);
            self.balance.last.lock().hot
        }
    }

    fn scattered(i: u64) -> u64 {
        i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
    }

    #[test]
    fn rows_that_are_read_again_and_lie_apart_get_the_memory() {
        let world = World::new();
        // Each in a block of its own: ten times as much as there is memory, as rows one time.
        for i in 0..400_000_u64 {
            let key = scattered(i) % 18_000;
            world.read(key, key);
        }
        assert!(world.hot_bytes() > TOTAL / 2, "{}", world.hot_bytes());
    }

    #[test]
    fn blocks_of_which_other_rows_are_read_get_the_memory() {
        let world = World::new();
        // Never the same row, and blocks a little more than fits.
        for i in 0..400_000_u64 {
            world.read(i, scattered(i) % 3_500);
        }
        assert!(world.hot_bytes() < TOTAL / 4, "{}", world.hot_bytes());
    }

    #[test]
    fn what_fits_changes_nothing() {
        let world = World::new();
        for i in 0..400_000_u64 {
            world.read(i % 2_000, i % 2_000);
        }
        assert_eq!(world.hot_bytes(), TOTAL / 4);
    }
}
