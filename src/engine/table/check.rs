//! Checking a whole table against everything that is said of it: checksums, order, separators, filters, counts.

use std::ops::Range;

use super::footer::FOOTER_BYTES;
use super::{Caching, PartitionPlace, Table, TableMeta};
use crate::engine::block::{BlockCursor, DataBlock, unseal};
use crate::engine::error::{Error, Result};
use crate::engine::key::{KeyRef, Kind, Seqno, Trailer};
use crate::engine::page_cache::Content;
use crate::engine::view::Tier;

/// What checking a whole table found.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableCheck {
    /// Blocks of any sort that were read.
    pub(crate) blocks: u64,
    /// Rows in them.
    pub(crate) entries: u64,
    /// All that is wrong.
    pub(crate) problems: Vec<Error>,
}

/// A check under way.
struct Checker<'a> {
    table: &'a Table,
    progress: &'a mut dyn FnMut(u64),
    check: TableCheck,
    chain: crc32fast::Hasher,
    rows: BlockCursor,
    /// Counted anew from the rows.
    counted: TableMeta,
    last: Option<(Vec<u8>, Trailer)>,
}

impl Table {
    /// Reads every block past all caches and checks everything; `progress` is told bytes as they are done.
    /// What is wrong is in the result, all of it; an error is the disk's.
    pub(crate) fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<TableCheck> {
        let mut checker = Checker {
            table: self,
            progress,
            check: TableCheck::default(),
            chain: crc32fast::Hasher::new(),
            rows: BlockCursor::new(),
            counted: TableMeta { seqno_min: Seqno::MAX, ..TableMeta::default() },
            last: None,
        };
        for (i, place) in self.partitions.iter().enumerate() {
            checker.partition(i, place)?;
        }
        checker.end()?;
        Ok(checker.check)
    }
}

impl Checker<'_> {
    fn problem(&mut self, offset: u64, what: &str) {
        self.check.problems.push(self.table.corrupt(offset, what));
    }

    /// Reads a block and adds its checksum to the chain; `None` if it is damaged, which is noted.
    fn block(&mut self, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let (offset, len) = (range.start, range.end - range.start);
        let sealed = match self.table.read(range, Content::Block, Tier::Disk) {
            Ok(sealed) => sealed,
            Err(problem @ Error::Corrupt { .. }) => {
                self.check.problems.push(problem);
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        self.check.blocks += 1;
        (self.progress)(len);
        if let Some(sum) = sealed.last_chunk::<4>() {
            self.chain.update(sum);
        }
        match unseal(&sealed, (self.table.meta.id, offset)) {
            Ok(content) => Ok(Some(content)),
            Err(what) => {
                self.problem(offset, what);
                Ok(None)
            }
        }
    }

    fn partition(&mut self, i: usize, place: &PartitionPlace) -> Result<()> {
        let partition = match self.table.load_partition(place, Tier::Disk, Caching::Bypass) {
            Ok(partition) => partition,
            Err(problem @ Error::Corrupt { .. }) => {
                self.check.problems.push(problem);
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let entries_before = self.check.entries;
        let problems_before = self.check.problems.len();
        for b in 0..partition.len() {
            let range = partition.block(b);
            let offset = range.start;
            if let Some(content) = self.block(range)? {
                let from = if b > 0 { Some(partition.separator(b - 1)) } else { None };
                let rows = self.rows(content, from, partition.separator(b), |key| partition.may_contain(key));
                if let Err(what) = rows {
                    self.problem(offset, what);
                }
            }
        }
        let at = place.cached_at();
        if partition.separator(partition.len() - 1) != self.table.top.get(i) {
            self.problem(at, "a partition that ends elsewhere than the top index says");
        }
        if self.check.problems.len() == problems_before && self.check.entries - entries_before != place.rows {
            self.problem(at, "a partition with another number of rows than the top index says");
        }
        if place.filter_len > 0 {
            self.block(at..at + u64::from(place.filter_len))?;
        }
        self.block(at + u64::from(place.filter_len)..place.end())?;
        Ok(())
    }

    /// Checks the rows of a block, which lie after one separator and up to the other.
    fn rows(
        &mut self,
        content: Vec<u8>,
        after: Option<KeyRef<'_>>,
        up_to: KeyRef<'_>,
        in_filter: impl Fn(&[u8]) -> bool,
    ) -> std::result::Result<(), &'static str> {
        let block = DataBlock::new(content.into())?;
        block.check_restarts()?;
        self.rows.set_block(Some(block));
        self.rows.first()?;
        while self.rows.valid() {
            let key = self.rows.key();
            if self.last.as_ref().is_some_and(|(user, trailer)| KeyRef::new(user, *trailer) >= key) {
                return Err("rows out of order");
            }
            if key > up_to || after.is_some_and(|after| key <= after) {
                return Err("rows outside their place in the index");
            }
            if !in_filter(key.user) {
                return Err("a row that the filter denies");
            }
            let counted = &mut self.counted;
            if self.last.is_none() {
                counted.smallest = key.user.to_vec();
            }
            counted.tombstones += u64::from(key.trailer.kind() == Some(Kind::Delete));
            counted.raw_bytes += (key.user.len() + self.rows.value().len()) as u64;
            counted.seqno_min = counted.seqno_min.min(key.trailer.seqno());
            counted.seqno_max = counted.seqno_max.max(key.trailer.seqno());
            let (user, trailer) = self.last.get_or_insert_with(|| (Vec::new(), key.trailer));
            user.clear();
            user.extend_from_slice(key.user);
            *trailer = key.trailer;
            self.check.entries += 1;
            self.rows.next()?;
        }
        Ok(())
    }

    /// Checks the end of the file, and the counts if everything before was sound.
    fn end(&mut self) -> Result<()> {
        let footer = self.table.footer;
        let properties = footer.top + u64::from(footer.top_len);
        self.block(footer.top..properties)?;
        self.block(properties..footer.offset())?;
        (self.progress)(FOOTER_BYTES as u64);
        if !self.check.problems.is_empty() {
            return Ok(());
        }
        if self.chain.clone().finalize() != footer.chain {
            self.problem(footer.offset(), "blocks that are not those the table was made of");
        }
        let meta = &self.table.meta;
        let counted = TableMeta {
            largest: self.last.take().map(|(user, _)| user).unwrap_or_default(),
            entries: self.check.entries,
            // Known only to the layer above.
            id: meta.id,
            size: meta.size,
            checksum: meta.checksum,
            expiring: meta.expiring,
            deadlines_ms: meta.deadlines_ms,
            swept: meta.swept,
            ..std::mem::take(&mut self.counted)
        };
        if counted != *meta {
            self.problem(properties, "rows that are not as the properties say");
        }
        let blocks = self.check.blocks;
        let others = 2 + self.table.partitions.iter().map(|p| 1 + u64::from(p.filter_len > 0)).sum::<u64>();
        if blocks != self.table.properties.data_blocks + others {
            self.problem(properties, "another number of blocks than the properties say");
        }
        Ok(())
    }
}
