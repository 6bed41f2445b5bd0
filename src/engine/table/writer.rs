//! Writing a table.

use std::path::Path;
use std::sync::Arc;

use super::TableMeta;
use crate::engine::error::Result;
use crate::engine::key::{KeyRef, Seqno};
use crate::engine::options::Compression;
use crate::vfs::Vfs;

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

/// Writes a table, row by row in internal order. Dropped unfinished, it removes its file.
pub(crate) struct TableWriter {}

impl TableWriter {
    /// Starts a new file.
    pub(crate) fn create(
        _vfs: &Arc<dyn Vfs>,
        _path: &Path,
        _id: u64,
        _settings: TableSettings,
    ) -> Result<Self> {
        unimplemented!()
    }

    /// Appends a row, which must come after all before it. `deadline_ms`: when it expires, if it does.
    pub(crate) fn add(&mut self, _key: KeyRef<'_>, _value: &[u8], _deadline_ms: Option<u64>) -> Result<()> {
        unimplemented!()
    }

    /// Bytes of file so far.
    pub(crate) fn size(&self) -> u64 {
        unimplemented!()
    }

    /// Writes the rest and syncs the file; the caller syncs the directory.
    pub(crate) fn finish(self, _swept: Seqno) -> Result<TableMeta> {
        unimplemented!()
    }

    /// Gives up and removes the file.
    pub(crate) fn abandon(self) {}
}
