//! The system's page cache, which lies between our caches and the disk: when to ask it, and when to read past it.
//!
//! *Asking* it from where nobody may wait costs most of a read if it has nothing: the system begins one. Where nearly all such
//! questions are in vain, they are left to somebody who may wait, but for a few that notice when it changes.
//!
//! *Reading through* it costs more of a core than the rest of a read, once it is full: where it cannot hold half of the
//! tables, most blocks find nothing there, throw something out, and are themselves thrown out before they are wanted
//! again. Then only these are read through it: partitions, which are few and often wanted; and blocks that were wanted a
//! short while ago, as those of a hot set are that our own cache cannot hold. What is left is read past it.

use std::hash::BuildHasher;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use foldhash::fast::FixedState;

/// How many blocks are remembered for having been read past the page cache: 128 MiB of them, in 128 KiB of memory.
const REMEMBERED: usize = 32 << 10;

/// What is read from tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A data block.
    Block,
    /// A filter and an index.
    Partition,
}

/// What is known of the page cache.
pub(crate) struct PageCache {
    /// It cannot hold half of the tables.
    small: AtomicBool,
    blocks: Estimate,
    partitions: Estimate,
    /// Marks of blocks, each where its hash says, until another takes the place.
    remembered: Box<[AtomicU32]>,
}

impl Default for PageCache {
    fn default() -> Self {
        Self {
            small: AtomicBool::new(false),
            blocks: Estimate::new(),
            partitions: Estimate::new(),
            remembered: (0..REMEMBERED).map(|_| AtomicU32::new(0)).collect(),
        }
    }
}

impl PageCache {
    /// While asking is not worth it, one in so many is asked all the same; and where only little is read through it.
    const PROBE: u64 = 16;
    const PROBE_SMALL: u64 = 256;

    /// Whether it is likely to have what is not in our own cache.
    pub(crate) fn is_worth_asking(&self, content: Content) -> bool {
        let probe = if self.small.load(Relaxed) { Self::PROBE_SMALL } else { Self::PROBE };
        self.estimate(content).is_worth_asking(probe)
    }

    /// Notes whether it had what was asked for.
    pub(crate) fn answered(&self, content: Content, hit: bool) {
        self.estimate(content).learn(hit);
    }

    fn estimate(&self, content: Content) -> &Estimate {
        match content {
            Content::Block => &self.blocks,
            Content::Partition => &self.partitions,
        }
    }

    /// Tells how many bytes the tables have, and how many of them it can have.
    pub(crate) fn sizes_are(&self, tables: u64, page_cache: u64) {
        self.small.store(is_small(page_cache, tables), Relaxed);
    }

    /// Whether somebody who may wait should read past it. Of a block that is remembered for the next time.
    pub(crate) fn is_passed(&self, content: Content, table: u64, offset: u64) -> bool {
        if content == Content::Partition || !self.small.load(Relaxed) {
            return false;
        }
        let hash = FixedState::default().hash_one((table, offset));
        // 0 is nobody's.
        let mark = (hash >> 32) as u32 | 1;
        self.remembered[hash as usize % REMEMBERED].swap(mark, Relaxed) != mark
    }
}

/// Whether a page cache of so many bytes cannot hold half of so many bytes of tables.
fn is_small(page_cache: u64, tables: u64) -> bool {
    page_cache < tables / 2
}

/// How often the page cache has what is asked for, learned from the last few dozen answers.
struct Estimate {
    /// Of the last answers, weighted by how recent they are, how many were hits: 0 to [`Estimate::ALL`].
    hits: AtomicU64,
    asked: AtomicU64,
}

impl Estimate {
    const ALL: u64 = 1 << 16;
    /// An answer moves the estimate by this part of its distance.
    const WEIGHT: u64 = 32;

    /// Hits are expected at first, as of whatever was just written.
    const fn new() -> Self {
        Self { hits: AtomicU64::new(Self::ALL), asked: AtomicU64::new(0) }
    }

    fn is_worth_asking(&self, probe: u64) -> bool {
        self.hits.load(Relaxed) > Self::ALL / 2 || self.asked.fetch_add(1, Relaxed).is_multiple_of(probe)
    }

    /// Threads that learn at once may lose an answer, which does no harm.
    fn learn(&self, hit: bool) {
        let hits = self.hits.load(Relaxed);
        let more = if hit { Self::ALL / Self::WEIGHT } else { 0 };
        self.hits.store(hits - hits / Self::WEIGHT + more, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pages: &PageCache, content: Content) -> usize {
        (0..1000).filter(|_| pages.is_worth_asking(content)).count()
    }

    #[test]
    fn it_is_asked_while_that_pays() {
        let pages = PageCache::default();
        assert_eq!(asked(&pages, Content::Block), 1000);
        (0..100).for_each(|_| pages.answered(Content::Block, false));
        assert!((10..=100).contains(&asked(&pages, Content::Block)));
        pages.sizes_are(1000, 0);
        assert!((1..=10).contains(&asked(&pages, Content::Block)));
        assert_eq!(asked(&pages, Content::Partition), 1000, "each content has its own estimate");
        (0..100).for_each(|_| pages.answered(Content::Block, true));
        assert_eq!(asked(&pages, Content::Block), 1000);
    }

    #[test]
    fn one_that_holds_half_of_the_tables_is_large() {
        for (tables, page_cache, small) in [
            (0, 0, false),
            (1000, 499, true),
            (1000, 500, false),
            (u64::MAX, u64::MAX, false),
            (1 << 30, 0, true),
        ] {
            assert_eq!(is_small(page_cache, tables), small, "{page_cache} for {tables}");
        }
    }

    #[test]
    fn what_is_wanted_once_passes_a_small_one() {
        let pages = PageCache::default();
        assert!(!pages.is_passed(Content::Block, 1, 0), "it is large until something else is known");
        pages.sizes_are(1000, 0);
        assert!(!pages.is_passed(Content::Partition, 1, 0));
        assert!(pages.is_passed(Content::Block, 1, 4096));
        assert!(!pages.is_passed(Content::Block, 1, 4096), "the second time it is read through");
        assert!(pages.is_passed(Content::Block, 2, 4096));
        // A flood makes it forget.
        let passed = (0..1 << 20).filter(|&n| pages.is_passed(Content::Block, 3, n)).count();
        assert_eq!(passed, 1 << 20);
        assert!(pages.is_passed(Content::Block, 1, 4096));
    }
}
