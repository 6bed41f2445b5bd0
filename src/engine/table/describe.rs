//! What tools show of a table: how it is laid out, and what is in one block.

use std::ops::Range;

use super::footer::FOOTER_BYTES;
use super::{Caching, Partition, PartitionPlace, Table};
use crate::engine::block::{BLOCK_TRAILER_BYTES, BlockCursor, DataBlock, unseal};
use crate::engine::cursor::Cursor;
use crate::engine::error::{Error, Result};
use crate::engine::key::{KeyRef, Kind, Seqno, Trailer};
use crate::engine::page_cache::Content;
use crate::engine::view::Tier;

/// A part of a table's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    /// `data`, `filter`, `index`, `top`, `properties` or `footer`.
    pub kind: &'static str,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length on disk, in bytes, trailer included.
    pub len: u64,
    /// No key in a data block comes after this one.
    pub last_key: Option<Vec<u8>>,
}

/// What is in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockContent {
    /// Where it lies.
    pub place: BlockPlace,
    /// Whether it is compressed.
    pub compressed: bool,
    /// Bytes when unfolded.
    pub content_bytes: u64,
    /// The rows, if it is a data block.
    pub rows: Vec<Row>,
}

/// One version of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Vec<u8>,
    /// The commit that wrote it.
    pub seqno: Seqno,
    /// The value; `None` if it is a deletion.
    pub value: Option<Vec<u8>>,
}

impl Row {
    pub(crate) fn of(key: KeyRef<'_>, value: &[u8]) -> Self {
        Self {
            key: key.user.to_vec(),
            seqno: key.trailer.seqno(),
            value: (key.trailer.kind() == Some(Kind::Put)).then(|| value.to_vec()),
        }
    }
}

impl Table {
    /// All parts of the file in order.
    pub(crate) fn layout(&self) -> Result<Vec<BlockPlace>> {
        let mut places = Vec::new();
        for place in &self.partitions {
            let partition = self.load_partition(place, Tier::Disk, Caching::Bypass)?;
            add_partition(&mut places, place, &partition);
        }
        let footer = &self.footer;
        let mut end = footer.top;
        for (kind, len) in [
            ("top", u64::from(footer.top_len)),
            ("properties", u64::from(footer.properties_len)),
            ("footer", FOOTER_BYTES as u64),
        ] {
            places.push(BlockPlace { kind, offset: end, len, last_key: None });
            end += len;
        }
        Ok(places)
    }

    /// The block that begins at an offset.
    pub(crate) fn content_at(&self, offset: u64) -> Result<BlockContent> {
        let place = self.layout()?.into_iter().find(|place| place.offset == offset).ok_or_else(|| {
            Error::invalid(format_args!("{}: no block begins at offset {offset}", self.path.display()))
        })?;
        if place.kind == "footer" {
            let content_bytes = place.len;
            return Ok(BlockContent { place, compressed: false, content_bytes, rows: Vec::new() });
        }
        let sealed = self.read(offset..offset + place.len, Content::Block, Tier::Disk)?;
        let bad = |what| self.corrupt(offset, what);
        let content = unseal(&sealed, (self.meta.id, offset)).map_err(bad)?;
        let rows = if place.kind == "data" { rows(content.clone()).map_err(bad)? } else { Vec::new() };
        Ok(BlockContent {
            compressed: content.len() + BLOCK_TRAILER_BYTES != sealed.len(),
            content_bytes: content.len() as u64,
            place,
            rows,
        })
    }

    /// All versions of a key in here, newest first; and whether the filter says that there may be any.
    pub(crate) fn versions(self: &std::sync::Arc<Self>, key: &[u8]) -> Result<(bool, Vec<Row>)> {
        let target = KeyRef::new(key, Trailer::FIRST);
        let Some(place) = self.partitions.get(self.top.find(target)) else { return Ok((false, Vec::new())) };
        let may = self.load_partition(place, Tier::Disk, Caching::Bypass)?.may_contain(key);
        let mut found = Vec::new();
        let mut cursor = self.cursor(Tier::Disk, Caching::Bypass);
        cursor.seek(target)?;
        while cursor.valid() && cursor.key().user == key {
            found.push(Row::of(cursor.key(), cursor.value()));
            cursor.next()?;
        }
        Ok((may, found))
    }
}

fn add_partition(places: &mut Vec<BlockPlace>, place: &PartitionPlace, partition: &Partition) {
    let len = |range: &Range<u64>| range.end - range.start;
    for i in 0..partition.len() {
        let range = partition.block(i);
        let last_key = Some(partition.separator(i).user.to_vec());
        places.push(BlockPlace { kind: "data", offset: range.start, len: len(&range), last_key });
    }
    let head = place.head();
    if place.filter_len > 0 {
        let len = u64::from(place.filter_len);
        places.push(BlockPlace { kind: "filter", offset: head.start, len, last_key: None });
    }
    let offset = head.start + u64::from(place.filter_len);
    places.push(BlockPlace { kind: "index", offset, len: u64::from(place.index_len), last_key: None });
}

fn rows(content: Vec<u8>) -> std::result::Result<Vec<Row>, &'static str> {
    let mut cursor = BlockCursor::new();
    cursor.set_block(Some(DataBlock::new(content.into())?));
    cursor.first()?;
    let mut rows = Vec::new();
    while cursor.valid() {
        rows.push(Row::of(cursor.key(), cursor.value()));
        cursor.next()?;
    }
    Ok(rows)
}
