//! Rows of a table by their place rather than their key, for those who draw at random.

use std::ops::{Bound, Range};
use std::sync::Arc;

use super::partition::PARTITION_BLOCKS;
use super::{Caching, Partition, Table};
use crate::engine::block::{BlockCursor, DataBlock};
use crate::engine::draw::Drawn;
use crate::engine::error::Result;
use crate::engine::key::{KeyRef, Trailer};
use crate::engine::view::Tier;
use crate::random::Random;

/// A table this small, in partitions, is looked at closely.
const NARROW: usize = 2;

/// The blocks of a table that hold keys of a range, and perhaps a few neighbours.
pub(crate) struct Span {
    /// Their numbers, as if every partition had as many as the full ones have.
    blocks: Range<usize>,
    /// How many rows a block has on average, or somewhat more.
    pub(crate) rows_per_block: u64,
}

impl Span {
    /// How many there are, or somewhat more.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks.len() as u64
    }
}

impl Table {
    /// The blocks that hold keys of a range.
    pub(crate) fn span(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, tier: Tier) -> Result<Span> {
        let lower = match from {
            Bound::Included(key) | Bound::Excluded(key) => Some(KeyRef::new(key, Trailer::FIRST)),
            Bound::Unbounded => None,
        };
        let upper = match to {
            Bound::Included(key) | Bound::Excluded(key) => Some(KeyRef::new(key, Trailer::LAST)),
            Bound::Unbounded => None,
        };
        let last_of_all = self.partitions.len() - 1;
        let first = lower.map_or(0, |key| self.top.find(key)).min(last_of_all);
        let last = upper.map_or(last_of_all, |key| self.top.find(key)).min(last_of_all);
        let (mut start, mut end) = (first * PARTITION_BLOCKS, (last + 1) * PARTITION_BLOCKS);
        if last - first >= NARROW {
            // All partitions but the last of a table are full.
            let rows_per_block = self.meta.entries.div_ceil((last_of_all * PARTITION_BLOCKS) as u64);
            return Ok(Span { blocks: start..end, rows_per_block });
        }
        let mut rows_per_block = 1;
        for at in first..=last {
            let partition = self.partition(at, tier)?;
            let rows = self.partitions.get(at).map_or(0, |place| place.rows);
            rows_per_block = rows_per_block.max(rows.div_ceil(partition.len() as u64));
            if at == first {
                start += lower.map_or(0, |key| partition.find(key)).min(partition.len() - 1);
            }
            if at == last {
                let found = upper.map_or(partition.len(), |key| partition.find(key));
                end = at * PARTITION_BLOCKS + found.min(partition.len() - 1) + 1;
            }
        }
        Ok(Span { blocks: start..end.max(start + 1), rows_per_block })
    }

    /// What lies in a slot of a block of a span, of `slots` that each block has; `None` if nothing does.
    pub(crate) fn row(
        &self,
        span: &Span,
        block: u64,
        slot: u64,
        slots: u64,
        tier: Tier,
        random: &mut Random,
    ) -> Result<Option<Drawn>> {
        let block = span.blocks.start + block as usize;
        let partition = self.partition(block / PARTITION_BLOCKS, tier)?;
        let at = block % PARTITION_BLOCKS;
        if at >= partition.len() {
            return Ok(None);
        }
        let range = partition.block(at);
        let offset = range.start;
        let block = match self.cache.data(self.meta.id, offset) {
            Some(block) => block,
            None => self.load_block(range, tier, Caching::Fill)?,
        };
        let nth = |block: DataBlock, random: &mut Random| {
            let rows = block.row_count()?;
            let row = if rows > slots { random.below(rows) } else { slot };
            if row >= rows {
                return Ok(None);
            }
            let mut cursor = BlockCursor::new();
            cursor.set_block(Some(block));
            cursor.nth(row as usize)?;
            let key = cursor.key();
            Ok(Some(Drawn { key: key.user.to_vec(), seqno: key.trailer.seqno() }))
        };
        nth(block, random).map_err(|what| self.corrupt(offset, what))
    }

    fn partition(&self, at: usize, tier: Tier) -> Result<Arc<Partition>> {
        let place =
            self.partitions.get(at).ok_or_else(|| self.corrupt(0, "a partition that is not there"))?;
        match self.cache.partition(self.meta.id, place.cached_at()) {
            Some(partition) => Ok(partition),
            None => self.load_partition(place, tier, Caching::Fill),
        }
    }
}
