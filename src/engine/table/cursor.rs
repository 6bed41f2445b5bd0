//! A position in a table. It owns its handle, keeps one block and one partition, and allocates nothing from row
//! to row.
//!
//! With [`Caching::Bypass`] it reads the file in large pieces, in whichever direction it goes.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use bytes::Bytes;

use super::{Caching, Partition, PartitionPlace, Piece, Table};
use crate::engine::block::{BlockCursor, DataBlock, unseal_shared};
use crate::engine::cursor::Cursor;
use crate::engine::error::{Error, Result};
use crate::engine::key::KeyRef;
use crate::engine::view::Tier;

/// Bounds of one read past the cache, in bytes: in a small store, whose tables are small, a merge of many of them
/// shall not take more memory than there is.
const CHUNK_BYTES: RangeInclusive<u64> = 64 << 10..=512 << 10;
/// A read is this part of the table, within the bounds.
const CHUNK_PART: u64 = 64;

/// A position in a table.
pub(crate) struct TableCursor {
    table: Arc<Table>,
    tier: Tier,
    caching: Caching,
    /// The partition, which one it is, and which of its blocks `rows` is in.
    partition: Option<Arc<Partition>>,
    partition_at: usize,
    block_at: usize,
    rows: BlockCursor,
    /// What was read ahead, and where it begins.
    chunk: Vec<u8>,
    chunk_at: u64,
    chunk_bytes: u64,
}

impl TableCursor {
    pub(super) fn new(table: Arc<Table>, tier: Tier, caching: Caching) -> Self {
        let part = table.meta.size / CHUNK_PART;
        Self {
            chunk_bytes: part.clamp(*CHUNK_BYTES.start(), *CHUNK_BYTES.end()),
            table,
            tier,
            caching,
            partition: None,
            partition_at: 0,
            block_at: 0,
            rows: BlockCursor::new(),
            chunk: Vec::new(),
            chunk_at: 0,
        }
    }

    /// Makes a partition the current one; false, and no row, if there is none of that number.
    fn enter_partition(&mut self, at: usize) -> Result<bool> {
        if self.partition.is_some() && self.partition_at == at {
            return Ok(true);
        }
        self.partition = None;
        self.rows.set_block(None);
        let table = &self.table;
        let Some(place) = table.partitions.get(at) else { return Ok(false) };
        let cached = match self.caching {
            Caching::Fill => table.cache.partition(table.meta.id, place.cached_at()),
            Caching::Bypass => table.cache.peek_partition(table.meta.id, place.cached_at()),
        };
        let partition = match cached {
            Some(partition) => partition,
            None => table
                .load_partition(place, self.tier, self.caching)
                .map_err(|error| table.missed(error, Piece::Partition(*place)))?,
        };
        self.partition = Some(partition);
        self.partition_at = at;
        Ok(true)
    }

    /// Makes a block of the partition the current one, without a row yet.
    fn enter_block(&mut self, at: usize) -> Result<()> {
        self.rows.set_block(None);
        let Some(partition) = &self.partition else { return Ok(()) };
        let range = partition.block(at);
        let table = &self.table;
        let cached = match self.caching {
            Caching::Fill => table.cache.data(table.meta.id, range.start),
            Caching::Bypass => table.cache.peek_data(table.meta.id, range.start),
        };
        let block = match cached {
            Some(block) => block,
            None if self.reads_ahead(&range) => self.read_block(range)?,
            None => table
                .load_block(range.clone(), self.tier, self.caching)
                .map_err(|error| table.missed(error, Piece::Block(range)))?,
        };
        self.rows.set_block(Some(block));
        self.block_at = at;
        Ok(())
    }

    /// Whether a block is read together with its neighbours; a huge one comes alone.
    fn reads_ahead(&self, range: &Range<u64>) -> bool {
        let small = range.end - range.start <= self.chunk_bytes;
        small && self.caching == Caching::Bypass && self.tier == Tier::Disk
    }

    /// Takes a block out of the chunk, which moves there if it is elsewhere.
    fn read_block(&mut self, range: Range<u64>) -> Result<DataBlock> {
        let chunk_end = self.chunk_at + self.chunk.len() as u64;
        if range.start < self.chunk_at || range.end > chunk_end {
            let backwards = !self.chunk.is_empty() && range.start < self.chunk_at;
            let (start, end) = if backwards {
                (range.end.saturating_sub(self.chunk_bytes).min(range.start), range.end)
            } else {
                (range.start, (range.start + self.chunk_bytes).min(self.table.footer.top).max(range.end))
            };
            let mut chunk = std::mem::take(&mut self.chunk);
            chunk.resize((end - start) as usize, 0);
            let read = self.table.file.read_exact_at(&mut chunk, start);
            read.map_err(|e| super::read_error(&self.table.path, start, e))?;
            (self.chunk, self.chunk_at) = (chunk, start);
        }
        let at = (range.start - self.chunk_at) as usize;
        let sealed = &self.chunk[at..at + (range.end - range.start) as usize];
        unseal_shared(sealed, (self.table.meta.id, range.start))
            .and_then(DataBlock::new)
            .map_err(|what| self.table.corrupt(range.start, what))
    }

    /// Where the current block lies, with what is wrong with it.
    #[cold]
    fn corrupt(&self, what: &str) -> Error {
        let offset = self.partition.as_ref().map_or(0, |partition| partition.block(self.block_at).start);
        self.table.corrupt(offset, what)
    }

    /// A partition's index that ends before the top index says.
    #[cold]
    fn index_contradiction(&mut self) -> Error {
        self.rows.set_block(None);
        let place = self.table.partitions.get(self.partition_at);
        self.table
            .corrupt(place.map_or(0, PartitionPlace::cached_at), "an index that ends before its partition")
    }

    /// Moves within the block; a block that does not make sense is corrupt, and the cursor without a row.
    #[inline]
    fn within(
        &mut self,
        go: impl FnOnce(&mut BlockCursor) -> std::result::Result<(), &'static str>,
    ) -> Result<()> {
        match go(&mut self.rows) {
            Ok(()) => Ok(()),
            Err(what) => {
                self.rows.set_block(None);
                Err(self.corrupt(what))
            }
        }
    }

    /// Goes to the first row of the block after the current one; without a row at the end.
    fn next_block(&mut self) -> Result<()> {
        let Some(partition) = &self.partition else { return Ok(()) };
        if self.block_at + 1 < partition.len() {
            self.enter_block(self.block_at + 1)?;
        } else if self.enter_partition(self.partition_at + 1)? {
            self.enter_block(0)?;
        } else {
            return Ok(());
        }
        self.within(BlockCursor::first)
    }

    /// Goes to the last row of the block before the current one; without a row at the beginning.
    fn prev_block(&mut self) -> Result<()> {
        if self.block_at > 0 {
            self.enter_block(self.block_at - 1)?;
        } else if self.partition_at > 0 && self.enter_partition(self.partition_at - 1)? {
            let last = self.partition.as_ref().map_or(0, |partition| partition.len() - 1);
            self.enter_block(last)?;
        } else {
            self.rows.set_block(None);
            return Ok(());
        }
        self.within(BlockCursor::last)
    }
}

impl Cursor for TableCursor {
    fn first(&mut self) -> Result<()> {
        self.rows.set_block(None);
        if self.enter_partition(0)? {
            self.enter_block(0)?;
            self.within(BlockCursor::first)?;
        }
        Ok(())
    }

    fn last(&mut self) -> Result<()> {
        self.rows.set_block(None);
        if self.enter_partition(self.table.partitions.len() - 1)? {
            let last = self.partition.as_ref().map_or(0, |partition| partition.len() - 1);
            self.enter_block(last)?;
            self.within(BlockCursor::last)?;
        }
        Ok(())
    }

    fn seek(&mut self, target: KeyRef<'_>) -> Result<()> {
        let at = self.table.top.find(target);
        let known = self.rows.has_block().then_some((self.partition_at, self.block_at));
        if !self.enter_partition(at)? {
            self.rows.set_block(None);
            return Ok(());
        }
        let block = self.partition.as_ref().map_or(0, |partition| partition.find(target));
        // Within the same block there is nothing to fetch: a scan that hops along asks the cache seldom.
        if known != Some((at, block)) {
            let exists = self.partition.as_ref().is_some_and(|partition| block < partition.len());
            if !exists {
                return Err(self.index_contradiction());
            }
            self.enter_block(block)?;
        }
        self.within(|rows| rows.seek(target))?;
        // The separator may come after the target and the block's last row before it.
        if self.rows.valid() { Ok(()) } else { self.next_block() }
    }

    fn seek_back(&mut self, target: KeyRef<'_>) -> Result<()> {
        self.seek(target)?;
        if !self.valid() {
            self.last()
        } else if self.key() == target {
            Ok(())
        } else {
            self.prev()
        }
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        self.within(BlockCursor::next)?;
        if self.rows.valid() { Ok(()) } else { self.next_block() }
    }

    fn prev(&mut self) -> Result<()> {
        self.within(BlockCursor::prev)?;
        if self.rows.valid() { Ok(()) } else { self.prev_block() }
    }

    #[inline]
    fn valid(&self) -> bool {
        self.rows.valid()
    }

    #[inline]
    fn key(&self) -> KeyRef<'_> {
        self.rows.key()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.rows.value()
    }

    fn value_bytes(&self) -> Bytes {
        self.rows.value_bytes()
    }
}
