//! Tables: sorted rows in a file that is written once.

mod cursor;
mod meta;
mod writer;

use std::path::Path;
use std::sync::Arc;

pub(crate) use self::cursor::TableCursor;
pub(crate) use self::meta::TableMeta;
pub(crate) use self::writer::{TableSettings, TableWriter};
use super::cache::Cache;
use super::cursor::Found;
use super::error::{Error, Result};
use super::key::Seqno;
use super::view::Tier;
use crate::vfs::Vfs;

/// Whether a cursor's blocks are worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// Keep what is read.
    Fill,
    /// Use what is there, add nothing; reads far ahead: for compaction and scans of everything.
    Bypass,
}

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

/// An open table.
pub(crate) struct Table {
    meta: TableMeta,
}

impl Table {
    /// Opens the table that `meta` describes; any other file is corrupt.
    pub(crate) fn open(
        _vfs: &Arc<dyn Vfs>,
        _path: &Path,
        _meta: TableMeta,
        _cache: Arc<Cache>,
    ) -> Result<Arc<Self>> {
        unimplemented!()
    }

    pub(crate) fn meta(&self) -> &TableMeta {
        &self.meta
    }

    /// The newest version of `key` at or before `seqno`.
    pub(crate) fn get(&self, _key: &[u8], _seqno: Seqno, _tier: Tier) -> Result<Option<Found>> {
        unimplemented!()
    }

    /// False if no version of `key` is in here for sure. Looks only at memory; true where that does not know.
    pub(crate) fn may_contain(&self, _key: &[u8]) -> bool {
        unimplemented!()
    }

    pub(crate) fn cursor(self: &Arc<Self>, tier: Tier, caching: Caching) -> TableCursor {
        TableCursor::new(Arc::clone(self), tier, caching)
    }

    /// Reads every block past all caches and checks everything; `progress` is told bytes as they are done.
    pub(crate) fn verify(&self, _progress: &mut dyn FnMut(u64)) -> Result<TableCheck> {
        unimplemented!()
    }

    /// From now on the file goes, and the cache forgets it, when the last handle does.
    pub(crate) fn mark_obsolete(&self) {
        unimplemented!()
    }
}
