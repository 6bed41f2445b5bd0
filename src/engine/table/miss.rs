//! What was asked for in memory and is not there: enough to have it fetched, and then to ask again.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{Caching, PartitionPlace, Table};
use crate::engine::page_cache::Content;
use crate::engine::view::Tier;
use crate::vfs::ReadRequest;

/// A piece of a table that is not in memory. Whoever must not wait for the disk lets somebody else fetch it.
#[derive(Clone)]
pub struct Miss {
    table: Arc<Table>,
    piece: Piece,
}

#[derive(Clone)]
pub(super) enum Piece {
    Partition(PartitionPlace),
    Block(Range<u64>),
}

impl Miss {
    pub(super) fn new(table: &Arc<Table>, piece: Piece) -> Self {
        Self { table: Arc::clone(table), piece }
    }

    fn range(&self) -> Range<u64> {
        match &self.piece {
            Piece::Partition(place) => place.head(),
            Piece::Block(range) => range.clone(),
        }
    }

    /// Waits for the disk and puts all of them into the cache. Where that fails, whoever asks again hears why.
    pub fn fetch_all(misses: &[&Self]) {
        let mut missing: Vec<&Self> = misses.iter().copied().filter(|miss| !miss.is_known()).collect();
        missing.sort_unstable_by_key(|miss| miss.place());
        missing.dedup_by_key(|miss| miss.place());
        let (past, through): (Vec<&Self>, Vec<&Self>) =
            missing.into_iter().partition(|miss| miss.is_passing());
        if through.len() > 1 {
            for miss in &through {
                miss.read_ahead();
            }
        }
        if let Some(first) = past.first() {
            let reads: Vec<ReadRequest<'_>> = past.iter().map(|miss| miss.request()).collect();
            first.table.vfs.read_many(&reads, &mut |i, read| {
                let _ = read.is_ok_and(|bytes| past[i].take(bytes));
            });
        }
        for miss in through {
            miss.fetch();
        }
    }

    /// Whether it is to be read past the page cache.
    fn is_passing(&self) -> bool {
        let (table, offset) = self.place();
        let content = match self.piece {
            Piece::Partition(_) => Content::Partition,
            Piece::Block(_) => Content::Block,
        };
        self.table.cache.pages().is_passed(content, table, offset)
    }

    fn request(&self) -> ReadRequest<'_> {
        let range = self.range();
        let len = (range.end - range.start) as usize;
        ReadRequest { file: &*self.table.file, offset: range.start, len }
    }

    fn place(&self) -> (u64, u64) {
        (self.table.meta.id, self.range().start)
    }

    /// Whether it was fetched meanwhile.
    fn is_known(&self) -> bool {
        let Self { table, piece } = self;
        match piece {
            Piece::Partition(place) => table.cache.peek_partition(table.meta.id, place.cached_at()).is_some(),
            Piece::Block(range) => table.cache.peek_data(table.meta.id, range.start).is_some(),
        }
    }

    /// Asks the disk for it, without waiting.
    fn read_ahead(&self) {
        let range = self.range();
        // A hint: whoever reads hears of errors.
        let _ = self.table.file.read_ahead(range.start, range.end - range.start);
    }

    fn fetch(&self) {
        let Self { table, piece } = self;
        let _ = match piece {
            Piece::Partition(place) => table.load_partition(place, Tier::Disk, Caching::Fill).is_ok(),
            Piece::Block(range) => table.load_block(range.clone(), Tier::Disk, Caching::Fill).is_ok(),
        };
    }

    /// Puts what was read into the cache, unless it is damaged.
    fn take(&self, bytes: &[u8]) -> bool {
        let Self { table, piece } = self;
        match piece {
            Piece::Partition(place) => table.take_partition(place, bytes, Caching::Fill).is_ok(),
            Piece::Block(range) => table.take_block(range.start, bytes, Caching::Fill).is_ok(),
        }
    }
}

impl fmt::Debug for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.table.path.display(), self.range())
    }
}
