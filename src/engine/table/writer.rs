//! Writing a table, in one pass and a few large writes.
//!
//! ```text
//! table := partition* ‖ top index block ‖ properties block ‖ footer
//! top   := an index block, one entry a partition: N = 4, data length, filter length, index length, rows
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TableMeta;
use super::footer::{Footer, Properties};
use super::partition::PARTITION_BLOCKS;
use crate::codec::hash::hash;
use crate::engine::block::{DataBuilder, IndexBuilder, seal, separator};
use crate::engine::error::{Error, Result};
use crate::engine::filter::Filter;
use crate::engine::key::{KeyRef, Kind, Seqno, Trailer};
use crate::engine::options::Compression;
use crate::vfs::{File, Vfs};

/// Bytes gathered for one write.
const WRITE_BYTES: usize = 512 << 10;

/// What a shared allocation takes beside its content.
const ALLOCATION_BYTES: usize = 16;
/// What a row takes beside key and value: its numbers, and its share of the restarts.
const ROW_OVERHEAD_BYTES: usize = 16;

/// How a table is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableSettings {
    /// Bytes of a data block before compression.
    pub(crate) block: u32,
    /// Bits of filter per key; 0: no filter.
    pub(crate) filter_bits: u32,
    pub(crate) compression: Compression,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self { block: 4096, filter_bits: 10, compression: Compression::Lz4 }
    }
}

/// The partition being written.
#[derive(Default)]
struct Open {
    index: IndexBuilder,
    blocks: usize,
    /// Hashes of the user keys, each once.
    hashes: Vec<u64>,
    start: u64,
    rows: u64,
}

/// Writes a table, row by row in internal order. Dropped unfinished, it removes its file.
pub(crate) struct TableWriter {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    file: Arc<dyn File>,
    settings: TableSettings,
    finished: bool,
    /// Blocks not yet written, and where the first of them goes.
    buffer: Vec<u8>,
    written: u64,
    /// Over the checksums of the blocks so far.
    chain: crc32fast::Hasher,
    block: DataBuilder,
    partition: Open,
    top: IndexBuilder,
    data_blocks: u64,
    /// The last row's key, and the separator made of it.
    last: Vec<u8>,
    last_trailer: Trailer,
    separator: Vec<u8>,
    meta: TableMeta,
    deadlines: Deadlines,
}

impl TableWriter {
    /// Starts a new file.
    pub(crate) fn create(vfs: &Arc<dyn Vfs>, path: &Path, id: u64, settings: TableSettings) -> Result<Self> {
        let file = vfs.create(path).map_err(|e| Error::io("creating", path, e))?;
        Ok(Self {
            vfs: Arc::clone(vfs),
            path: path.to_owned(),
            file,
            settings,
            finished: false,
            buffer: Vec::with_capacity(WRITE_BYTES + WRITE_BYTES / 8),
            written: 0,
            chain: crc32fast::Hasher::new(),
            block: DataBuilder::default(),
            partition: Open::default(),
            top: IndexBuilder::default(),
            data_blocks: 0,
            last: Vec::new(),
            last_trailer: Trailer::FIRST,
            separator: Vec::new(),
            meta: TableMeta { id, seqno_min: Seqno::MAX, ..TableMeta::default() },
            deadlines: Deadlines::default(),
        })
    }

    /// Appends a row, which must come after all before it. `deadline_ms`: when it expires, if it does.
    pub(crate) fn add(&mut self, key: KeyRef<'_>, value: &[u8], deadline_ms: Option<u64>) -> Result<()> {
        let Some(kind) = key.trailer.kind() else {
            return Err(self.misuse("a row of no kind"));
        };
        let same_user = self.meta.entries > 0 && self.last == key.user;
        if self.meta.entries == 0 {
            self.meta.smallest = key.user.to_vec();
        } else if KeyRef::new(&self.last, self.last_trailer) >= key {
            return Err(self.misuse("rows out of order"));
        }
        let row = key.user.len() + value.len();
        // In memory a block and what its allocation adds shall fill a power of two, and not begin another.
        let room = (self.settings.block as usize).saturating_sub(ALLOCATION_BYTES);
        let full = self.block.byte_len() + row + ROW_OVERHEAD_BYTES > room;
        if full && !self.block.is_empty() {
            self.end_block(Some(key))?;
        }
        // The key is in every filter that answers for one of its versions.
        if self.settings.filter_bits > 0 && !(same_user && self.partition.rows > 0) {
            self.partition.hashes.push(hash(key.user));
        }
        self.block.add(key, value);
        self.partition.rows += 1;
        if !same_user {
            self.last.clear();
            self.last.extend_from_slice(key.user);
        }
        self.last_trailer = key.trailer;
        let meta = &mut self.meta;
        meta.entries += 1;
        meta.tombstones += u64::from(kind == Kind::Delete);
        meta.raw_bytes += row as u64;
        meta.seqno_min = meta.seqno_min.min(key.trailer.seqno());
        meta.seqno_max = meta.seqno_max.max(key.trailer.seqno());
        if let Some(deadline) = deadline_ms {
            self.deadlines.add(deadline);
        }
        Ok(())
    }

    fn misuse(&self, what: &str) -> Error {
        Error::invalid(format_args!("{what} for table {}", self.path.display()))
    }

    /// Bytes of file so far, the block that is not full yet as if it were not compressed.
    pub(crate) fn size(&self) -> u64 {
        self.offset() + self.block.byte_len() as u64
    }

    /// Where the next block goes.
    fn offset(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Appends a block and returns its length.
    fn append(&mut self, content: &[u8], compression: Compression) -> u64 {
        let place = (self.meta.id, self.offset());
        let sum = seal(&mut self.buffer, content, place, compression);
        self.chain.update(&sum.to_le_bytes());
        self.offset() - place.1
    }

    /// Ends the data block; `next` is the key that begins the next one, if there is one.
    fn end_block(&mut self, next: Option<KeyRef<'_>>) -> Result<()> {
        let mut block = std::mem::take(&mut self.block);
        let len = self.append(block.finish(), self.settings.compression);
        block.clear();
        self.block = block;
        self.data_blocks += 1;
        let last = KeyRef::new(&self.last, self.last_trailer);
        let between = match next {
            Some(next) => separator(last, next, &mut self.separator),
            None => KeyRef::new(&self.last, Trailer::LAST),
        };
        self.partition.index.add(between, &[len]);
        self.partition.blocks += 1;
        let end = self.partition.blocks == PARTITION_BLOCKS || next.is_none();
        if end {
            let trailer = between.trailer;
            // The separator outlives the borrow in its buffer.
            let user = between.user.to_vec();
            self.end_partition(KeyRef::new(&user, trailer));
        }
        if self.buffer.len() >= WRITE_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    fn end_partition(&mut self, between: KeyRef<'_>) {
        let mut partition = std::mem::take(&mut self.partition);
        let data_len = self.offset() - partition.start;
        let mut filter_len = 0;
        if self.settings.filter_bits > 0 {
            let mut content = Vec::new();
            Filter::build(&partition.hashes, self.settings.filter_bits).encode(&mut content);
            filter_len = self.append(&content, Compression::None);
        }
        let index_len = self.append(partition.index.content(), self.settings.compression);
        self.top.add(between, &[data_len, filter_len, index_len, partition.rows]);
        partition.index.clear();
        partition.hashes.clear();
        self.partition = Open {
            index: partition.index,
            hashes: partition.hashes,
            blocks: 0,
            start: self.offset(),
            rows: 0,
        };
    }

    /// Hands the buffer to the disk, which may begin with it.
    fn write_out(&mut self) -> Result<()> {
        let len = self.buffer.len() as u64;
        self.file
            .write_all_at(&self.buffer, self.written)
            .map_err(|e| Error::io("writing", &self.path, e))?;
        // Only a hint: the sync at the end is what counts.
        let _ = self.file.start_writeback(self.written, len);
        self.written += len;
        self.buffer.clear();
        // A huge value may have made it huge.
        self.buffer.shrink_to(2 * WRITE_BYTES);
        Ok(())
    }

    /// Writes the rest and syncs the file; the caller syncs the directory. `swept`: rows certified dead at or
    /// below it are not in here.
    pub(crate) fn finish(mut self, swept: Seqno) -> Result<TableMeta> {
        if self.meta.entries == 0 {
            return Err(self.misuse("no rows"));
        }
        self.end_block(None)?;
        self.meta.largest.clone_from(&self.last);
        self.meta.swept = swept;
        (self.meta.expiring, self.meta.deadlines_ms) = self.deadlines.summary();
        let top = self.offset();
        let index = std::mem::take(&mut self.top);
        let top_len = self.append(index.content(), self.settings.compression);
        let properties = Properties {
            meta: self.meta.clone(),
            block: u64::from(self.settings.block),
            filter_bits: u64::from(self.settings.filter_bits),
            data_blocks: self.data_blocks,
        };
        let mut content = Vec::new();
        properties.encode(&mut content);
        let properties_len = self.append(&content, Compression::None);
        let (Ok(top_len), Ok(properties_len)) = (top_len.try_into(), properties_len.try_into()) else {
            return Err(self.misuse("an index of impossible size"));
        };
        let footer = Footer {
            file: self.meta.id,
            top,
            top_len,
            properties_len,
            entries: self.meta.entries,
            seqno_min: self.meta.seqno_min,
            seqno_max: self.meta.seqno_max,
            chain: self.chain.clone().finalize(),
        };
        let (bytes, sum) = footer.encode();
        self.buffer.extend_from_slice(&bytes);
        self.write_out()?;
        self.file.sync().map_err(|e| Error::io("syncing", &self.path, e))?;
        self.finished = true;
        let meta = std::mem::take(&mut self.meta);
        Ok(TableMeta { size: self.written, checksum: sum, ..meta })
    }

    /// Gives up and removes the file.
    pub(crate) fn abandon(self) {
        drop(self);
    }
}

impl Drop for TableWriter {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed now is an orphan, which the next opening collects.
            let _ = self.vfs.remove(&self.path);
        }
    }
}

/// Deadlines, sampled evenly: every one at first, every second once there are many, and so on.
#[derive(Default)]
struct Deadlines {
    count: u64,
    min: u64,
    max: u64,
    samples: Vec<u64>,
    /// Every `1 << shift`-th is kept.
    shift: u32,
}

impl Deadlines {
    const SAMPLES_MAX: usize = 2048;

    fn add(&mut self, deadline: u64) {
        if self.count == 0 {
            (self.min, self.max) = (deadline, deadline);
        }
        self.min = self.min.min(deadline);
        self.max = self.max.max(deadline);
        if self.count.is_multiple_of(1 << self.shift) {
            self.samples.push(deadline);
            if self.samples.len() == Self::SAMPLES_MAX {
                let mut i = 0;
                self.samples.retain(|_| {
                    i += 1;
                    i % 2 == 1
                });
                self.shift += 1;
            }
        }
        self.count += 1;
    }

    /// How many, and the first, the quartiles and the last.
    fn summary(&mut self) -> (u64, [u64; 5]) {
        self.samples.sort_unstable();
        let at =
            |quarter: usize| self.samples.get(self.samples.len() * quarter / 4).copied().unwrap_or_default();
        (self.count, [self.min, at(1), at(2), at(3), self.max])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_many_deadlines_are_near_the_truth() {
        let mut deadlines = Deadlines::default();
        for n in 0..100_000_u64 {
            deadlines.add(n.wrapping_mul(7919) % 100_000);
        }
        let (count, [min, a, b, c, max]) = deadlines.summary();
        assert_eq!((count, min, max), (100_000, 0, 99_999));
        for (got, wanted) in [(a, 25_000_u64), (b, 50_000), (c, 75_000)] {
            assert!(got.abs_diff(wanted) < 3000, "{got} is not {wanted}");
        }
        assert_eq!(Deadlines::default().summary(), (0, [0; 5]));
    }
}
