//! What was asked for in memory and is not there: enough to have it fetched, and then to ask again.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{Caching, PartitionPlace, Table};
use crate::engine::view::Tier;

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

    /// Asks the disk for it, without waiting: with several to fetch, all of them first.
    pub fn read_ahead(&self) {
        let range = self.range();
        // A hint: whoever reads hears of errors.
        let _ = self.table.file.read_ahead(range.start, range.end - range.start);
    }

    /// Waits for the disk and puts it into the cache. If that fails, whoever asks again hears why.
    pub fn fetch(&self) {
        let Self { table, piece } = self;
        match piece {
            Piece::Partition(place) => {
                let known = table.cache.peek_partition(table.meta.id, place.cached_at()).is_some();
                let _ = known || table.load_partition(place, Tier::Disk, Caching::Fill).is_ok();
            }
            Piece::Block(range) => {
                let known = table.cache.peek_data(table.meta.id, range.start).is_some();
                let _ = known || table.load_block(range.clone(), Tier::Disk, Caching::Fill).is_ok();
            }
        }
    }
}

impl fmt::Debug for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.table.path.display(), self.range())
    }
}
