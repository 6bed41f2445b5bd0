//! Tables: sorted rows in a file that is written once.
//!
//! A table is made of *partitions*, each some 128 data blocks with one filter and one index. In memory are the
//! top index, which finds the partition, and whatever the cache holds. A point read is: top index → partition
//! (filter, then index) → data block; at most two reads of the disk, of which the first is rare.
//!
//! Whatever does not agree with its checksum, or with the manifest, is [`Error::Corrupt`] with file and offset;
//! it never passes for an absent key and never enters the cache.

mod check;
mod cursor;
mod describe;
pub(crate) mod footer;
mod meta;
mod miss;
mod partition;
mod random;
#[cfg(test)]
mod tests;
mod writer;

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use self::cursor::TableCursor;
pub use self::describe::{BlockContent, BlockPlace, Row};
use self::footer::{BadFooter, FOOTER_BYTES, Footer, Properties};
pub(crate) use self::meta::TableMeta;
pub use self::miss::Miss;
use self::miss::Piece;
pub(crate) use self::partition::{Partition, PartitionPlace};
pub(crate) use self::random::Span;
pub(crate) use self::writer::{TableSettings, TableWriter};
use super::block::{BLOCK_TRAILER_BYTES, DataBlock, IndexReader, Separators, unseal, unseal_shared};
use super::cache::Cache;
use super::cursor::Found;
use super::error::{Error, Result};
use super::key::{KeyRef, Kind, Seqno, Trailer};
use super::page_cache::Content;
use super::view::Tier;
use crate::vfs::{File, Vfs};

/// Whether a cursor's blocks are worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// Keep what is read.
    Fill,
    /// Use what is there, add nothing; reads far ahead: for compaction and scans of everything.
    Bypass,
}

/// An open table.
pub(crate) struct Table {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    file: Arc<dyn File>,
    cache: Arc<Cache>,
    meta: TableMeta,
    footer: Footer,
    properties: Properties,
    /// Finds the partition.
    top: Separators,
    partitions: Box<[PartitionPlace]>,
    obsolete: AtomicBool,
}

impl Table {
    /// Opens the table that `meta` describes; any other file is corrupt.
    pub(crate) fn open(
        vfs: &Arc<dyn Vfs>,
        path: &Path,
        meta: TableMeta,
        cache: Arc<Cache>,
    ) -> Result<Arc<Self>> {
        let table = Self::open_any(vfs, path, meta.id, cache)?;
        if table.meta != meta {
            let offset = table.footer.offset();
            return Err(Error::corrupt(path, offset, "not the table that the manifest names"));
        }
        Ok(Arc::new(table))
    }

    /// Opens a table of which nothing is known but its number.
    pub(crate) fn open_any(vfs: &Arc<dyn Vfs>, path: &Path, id: u64, cache: Arc<Cache>) -> Result<Self> {
        let file = match vfs.open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(Error::corrupt(path, 0, "the table is missing"));
            }
            Err(e) => return Err(Error::io("opening", path, e)),
        };
        let size = file.len().map_err(|e| Error::io("measuring", path, e))?;
        let corrupt = |offset, what: &'static str| Error::corrupt(path, offset, what);
        let footer_at =
            size.checked_sub(FOOTER_BYTES as u64).ok_or_else(|| corrupt(0, "shorter than a footer"))?;
        let mut bytes = [0; FOOTER_BYTES];
        file.read_exact_at(&mut bytes, footer_at).map_err(|e| read_error(path, footer_at, e))?;
        let (footer, checksum) = match Footer::decode(&bytes, id, footer_at) {
            Ok(footer) => footer,
            Err(BadFooter::Damaged(what)) => return Err(corrupt(footer_at, what)),
            Err(BadFooter::Newer(version)) => {
                return Err(Error::invalid(format_args!(
                    "{} is in table format {version}; this release reads format 1",
                    path.display()
                )));
            }
        };
        // The footer ends where these do, so that they are no longer than the file.
        let mut tail = vec![0; (footer_at - footer.top) as usize];
        file.read_exact_at(&mut tail, footer.top).map_err(|e| read_error(path, footer.top, e))?;
        let (top, properties) = tail.split_at(footer.top_len as usize);
        let properties_at = footer.top + u64::from(footer.top_len);
        let top = unseal(top, (id, footer.top)).map_err(|what| corrupt(footer.top, what))?;
        let (top, partitions) = read_top(&top, footer.top).map_err(|what| corrupt(footer.top, what))?;
        let properties = unseal(properties, (id, properties_at)).and_then(|content| {
            let properties = Properties::decode(&content).ok_or("malformed properties")?;
            let meta = &properties.meta;
            let told = (meta.id, meta.entries, meta.seqno_min, meta.seqno_max);
            let agrees = told == (id, footer.entries, footer.seqno_min, footer.seqno_max);
            agrees.then_some(properties).ok_or("properties that contradict the footer")
        });
        let properties = properties.map_err(|what| corrupt(properties_at, what))?;
        Ok(Self {
            vfs: Arc::clone(vfs),
            path: path.to_owned(),
            file,
            cache,
            meta: TableMeta { size, checksum, ..properties.meta.clone() },
            footer,
            properties,
            top,
            partitions: partitions.into(),
            obsolete: AtomicBool::new(false),
        })
    }

    pub(crate) fn meta(&self) -> &TableMeta {
        &self.meta
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The newest version of `key` at or before `seqno`.
    pub(crate) fn get(self: &Arc<Self>, key: &[u8], seqno: Seqno, tier: Tier) -> Result<Option<Found>> {
        let target = KeyRef::new(key, Trailer::visible_at(seqno));
        let Some(place) = self.partitions.get(self.top.find(target)) else { return Ok(None) };
        let partition = match self.cache.partition(self.meta.id, place.cached_at()) {
            Some(partition) => partition,
            None => self
                .load_partition(place, tier, Caching::Fill)
                .map_err(|error| self.missed(error, Piece::Partition(*place)))?,
        };
        if !partition.may_contain(key) {
            return Ok(None);
        }
        let i = partition.find(target);
        if i == partition.len() {
            return Err(self.corrupt(place.cached_at(), "an index that ends before its partition"));
        }
        let range = partition.block(i);
        let offset = range.start;
        let block = match self.cache.data(self.meta.id, offset) {
            Some(block) => block,
            None => self
                .load_block(range.clone(), tier, Caching::Fill)
                .map_err(|error| self.missed(error, Piece::Block(range)))?,
        };
        let found = block.get(key, seqno).map_err(|what| self.corrupt(offset, what))?;
        Ok(found.map(|(trailer, value)| Found {
            seqno: trailer.seqno(),
            value: (trailer.kind() == Some(Kind::Put)).then(|| block.value(value)),
        }))
    }

    /// False if no version of `key` is in here for sure. Looks only at memory; true where that does not know.
    pub(crate) fn may_contain(&self, key: &[u8]) -> bool {
        let Some(place) = self.partitions.get(self.top.find(KeyRef::new(key, Trailer::FIRST))) else {
            return false;
        };
        key >= &self.meta.smallest[..]
            && self
                .cache
                .peek_partition(self.meta.id, place.cached_at())
                .is_none_or(|partition| partition.may_contain(key))
    }

    /// Asks the disk for the block that `key` would be in, without waiting. Knows only what is in memory.
    pub(crate) fn read_ahead(&self, key: &[u8]) {
        let target = KeyRef::new(key, Trailer::FIRST);
        let Some(place) = self.partitions.get(self.top.find(target)) else { return };
        let range = match self.cache.peek_partition(self.meta.id, place.cached_at()) {
            Some(partition) => {
                let i = partition.find(target);
                if i == partition.len() {
                    return;
                }
                partition.block(i)
            }
            None => place.head(),
        };
        // A hint: whoever reads hears of errors.
        let _ = self.file.read_ahead(range.start, range.end - range.start);
    }

    pub(crate) fn cursor(self: &Arc<Self>, tier: Tier, caching: Caching) -> TableCursor {
        TableCursor::new(Arc::clone(self), tier, caching)
    }

    /// About how many bytes of it hold keys from `start` (included) to `end` (excluded), judged in memory alone.
    pub(crate) fn approximate_bytes(&self, start: &[u8], end: &[u8]) -> u64 {
        if end <= &self.meta.smallest[..] || start > &self.meta.largest[..] {
            return 0;
        }
        let bytes = |i: usize| self.partitions.get(i).map_or(0, |place| place.end() - place.start);
        let first = self.top.find(KeyRef::new(start, Trailer::FIRST));
        let last = self.top.find(KeyRef::new(end, Trailer::FIRST));
        let whole: u64 = (first + 1..last.min(self.partitions.len())).map(bytes).sum();
        // Of the two at the edges about half, unless the range goes past the table's own.
        let begins_before = start <= &self.meta.smallest[..];
        let ends_after = end > &self.meta.largest[..];
        let first_bytes = if begins_before { bytes(first) } else { bytes(first) / 2 };
        let last_bytes = if ends_after { bytes(last) } else { bytes(last) / 2 };
        if first == last { first_bytes.min(last_bytes) } else { first_bytes + whole + last_bytes }
    }

    /// From now on the file goes, and the cache forgets it, when the last handle does.
    pub(crate) fn mark_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }

    fn corrupt(&self, offset: u64, what: &str) -> Error {
        Error::corrupt(&self.path, offset, what)
    }

    /// Reads a range that lies within the file, as the top index was checked to do.
    fn read(&self, range: Range<u64>, content: Content, tier: Tier) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        match tier {
            Tier::Cached => self.read_cached(&mut bytes, content, range.start),
            Tier::Disk => self.file.read_exact_at(&mut bytes, range.start),
        }
        .map_err(|e| read_error(&self.path, range.start, e))?;
        Ok(bytes)
    }

    /// Reads from the page cache, if it is likely to have it.
    fn read_cached(&self, bytes: &mut [u8], content: Content, offset: u64) -> io::Result<()> {
        let pages = self.cache.pages();
        if !pages.is_worth_asking(content) {
            return Err(ErrorKind::WouldBlock.into());
        }
        let read = self.file.read_exact_cached_at(bytes, offset);
        pages.answered(content, read.is_ok());
        read
    }

    /// Names the piece that was missing, if that is what went wrong.
    #[cold]
    fn missed(self: &Arc<Self>, error: Error, piece: Piece) -> Error {
        match error {
            Error::NotCached(None) => Error::NotCached(Some(Miss::new(self, piece))),
            other => other,
        }
    }

    /// A partition that is not in the cache.
    #[cold]
    fn load_partition(&self, place: &PartitionPlace, tier: Tier, caching: Caching) -> Result<Arc<Partition>> {
        let bytes = self.read(place.head(), Content::Partition, tier)?;
        self.take_partition(place, &bytes, caching)
    }

    /// A partition of these bytes.
    fn take_partition(
        &self,
        place: &PartitionPlace,
        bytes: &[u8],
        caching: Caching,
    ) -> Result<Arc<Partition>> {
        let partition = Partition::decode(bytes, self.meta.id, place, &self.cache)
            .map_err(|(offset, what)| self.corrupt(offset, what))?;
        let partition = Arc::new(partition);
        if caching == Caching::Fill {
            self.cache.insert_partition(self.meta.id, place.cached_at(), Arc::clone(&partition));
        }
        Ok(partition)
    }

    /// A data block that is not in the cache.
    #[cold]
    fn load_block(&self, range: Range<u64>, tier: Tier, caching: Caching) -> Result<DataBlock> {
        let offset = range.start;
        let sealed = self.read(range, Content::Block, tier)?;
        self.take_block(offset, &sealed, caching)
    }

    /// The data block of these bytes.
    fn take_block(&self, offset: u64, sealed: &[u8], caching: Caching) -> Result<DataBlock> {
        let block = unseal_shared(sealed, (self.meta.id, offset))
            .and_then(DataBlock::new)
            .map_err(|what| self.corrupt(offset, what))?;
        if caching == Caching::Fill {
            self.cache.insert_data(self.meta.id, offset, block.clone());
        }
        Ok(block)
    }

    /// Takes what the cache holds of this table out of it.
    fn forget(&self) {
        for place in &self.partitions {
            if let Some(partition) = self.cache.peek_partition(self.meta.id, place.cached_at()) {
                for i in 0..partition.len() {
                    self.cache.remove(self.meta.id, partition.block(i).start);
                }
                self.cache.remove(self.meta.id, place.cached_at());
                self.cache.remove(self.meta.id, place.start);
            }
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if *self.obsolete.get_mut() {
            self.forget();
            // What cannot be removed now is an orphan, which the next opening collects.
            let _ = self.vfs.remove(&self.path);
        }
    }
}

/// Reads the top index of a table whose partitions end at `end`.
fn read_top(
    content: &[u8],
    end: u64,
) -> std::result::Result<(Separators, Vec<PartitionPlace>), &'static str> {
    const BAD: &str = "a top index that does not cover the table";
    let mut reader = IndexReader::<4>::new(content);
    let mut top = Separators::default();
    let mut partitions = Vec::new();
    let mut start = 0;
    while let Some(entry) = reader.next()? {
        let [data_len, filter_len, index_len, rows] = entry.numbers;
        let filter_len = u32::try_from(filter_len).map_err(|_| BAD)?;
        let index_len = u32::try_from(index_len).map_err(|_| BAD)?;
        let place = PartitionPlace { start, data_len, filter_len, index_len, rows };
        let heads = u64::from(filter_len) + u64::from(index_len);
        let room = end.checked_sub(start).and_then(|n| n.checked_sub(heads)).ok_or(BAD)?;
        if data_len == 0 || data_len > room || (index_len as usize) < BLOCK_TRAILER_BYTES {
            return Err(BAD);
        }
        start = place.end();
        top.push(KeyRef::new(reader.key(), entry.trailer))?;
        partitions.push(place);
    }
    if partitions.is_empty() || start != end {
        return Err(BAD);
    }
    top.seal();
    Ok((top, partitions))
}

/// What a failed read means.
fn read_error(path: &Path, offset: u64, e: io::Error) -> Error {
    match e.kind() {
        ErrorKind::UnexpectedEof => Error::corrupt(path, offset, "the file ends too early"),
        ErrorKind::WouldBlock => Error::NotCached(None),
        _ => Error::io("reading", path, e),
    }
}
