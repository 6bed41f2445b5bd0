//! The tables that a merge writes: where one ends and the next begins.
//!
//! A table ends between two keys, never between two versions of one, when it is full; when it is half full at a
//! boundary of the tables two levels down, so that later merges touch fewer of those (RocksDB aligns in the same
//! way); and when it would overlap too much of that level to be merged into it at a bearable cost.

use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::error::{Error, Result};
use crate::engine::files::Files;
use crate::engine::key::{KeyRef, Seqno};
use crate::engine::table::{TableMeta, TableSettings, TableWriter};
use crate::vfs::Vfs;

/// Where tables are written, and how large.
pub(crate) struct Target<'a> {
    pub(crate) vfs: &'a Arc<dyn Vfs>,
    pub(crate) files: &'a Files,
    pub(crate) settings: TableSettings,
    /// Bytes of a table file.
    pub(crate) table: u64,
    /// The tables two levels down, by key: last key and size.
    pub(crate) grandparents: Vec<(Vec<u8>, u64)>,
}

/// The tables of one merge. Dropped unfinished, they are removed.
pub(crate) struct Outputs<'a> {
    target: Target<'a>,
    open: Option<(TableWriter, PathBuf)>,
    done: Vec<(TableMeta, PathBuf)>,
    /// The first grandparent that does not lie wholly before the current key.
    grandparent: usize,
    /// Bytes of grandparents that the open table has passed.
    passed: u64,
    finished: bool,
    rows: u64,
    closed_bytes: u64,
}

impl<'a> Outputs<'a> {
    pub(crate) fn new(target: Target<'a>) -> Self {
        Self {
            target,
            open: None,
            done: Vec::new(),
            grandparent: 0,
            passed: 0,
            finished: false,
            rows: 0,
            closed_bytes: 0,
        }
    }

    /// Bytes written so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.closed_bytes + self.open.as_ref().map_or(0, |(writer, _)| writer.size())
    }

    /// A new key begins: ends the open table if this is a good place. `swept` as in [`TableWriter::finish`].
    pub(crate) fn key_begins(&mut self, user: &[u8], swept: Seqno) -> Result<()> {
        let mut crossed = false;
        while let Some((last, size)) = self.target.grandparents.get(self.grandparent) {
            if last.as_slice() >= user {
                break;
            }
            self.grandparent += 1;
            self.passed += size;
            crossed = true;
        }
        let Some((writer, _)) = &self.open else {
            self.passed = 0;
            return Ok(());
        };
        let size = writer.size();
        let full = size >= self.target.table;
        let aligned = crossed && size >= self.target.table / 2;
        if full || aligned || self.passed > self.target.table.saturating_mul(10) {
            self.close(swept)?;
        }
        Ok(())
    }

    /// Appends a row.
    pub(crate) fn add(&mut self, key: KeyRef<'_>, value: &[u8], deadline_ms: Option<u64>) -> Result<()> {
        if self.open.is_none() {
            let id = self.target.files.take_number();
            let path = self.target.files.table(id);
            let writer = TableWriter::create(self.target.vfs, &path, id, self.target.settings)?;
            self.open = Some((writer, path));
            self.passed = 0;
        }
        if let Some((writer, _)) = &mut self.open {
            writer.add(key, value, deadline_ms)?;
            self.rows += 1;
        }
        Ok(())
    }

    fn close(&mut self, swept: Seqno) -> Result<()> {
        let Some((writer, path)) = self.open.take() else { return Ok(()) };
        let meta = writer.finish(swept)?;
        self.closed_bytes += meta.size;
        if self.done.last().is_some_and(|(before, _)| before.largest >= meta.smallest) {
            // The file goes with the rest.
            self.done.push((meta, path.clone()));
            return Err(Error::corrupt(&path, 0, "a merge wrote its tables out of order"));
        }
        self.done.push((meta, path));
        Ok(())
    }

    /// Ends the last table and makes their names durable. Returns the tables and the number of rows added; the files
    /// stay from now on only if [`Outputs::keep`] follows.
    pub(crate) fn finish(&mut self, swept: Seqno) -> Result<(Vec<TableMeta>, u64)> {
        self.close(swept)?;
        if !self.done.is_empty() {
            let dir = self.target.files.dir();
            self.target.vfs.sync_dir(dir).map_err(|e| Error::io("syncing", dir, e))?;
        }
        let metas: Vec<TableMeta> = self.done.iter().map(|(meta, _)| meta.clone()).collect();
        let entries: u64 = metas.iter().map(|meta| meta.entries).sum();
        if entries != self.rows {
            let what = format!("a merge added {} rows but its tables hold {entries}", self.rows);
            return Err(Error::corrupt(self.target.files.dir(), 0, what));
        }
        Ok((metas, entries))
    }

    /// The tables belong to the tree now.
    pub(crate) fn keep(mut self) {
        self.finished = true;
    }
}

impl Drop for Outputs<'_> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if let Some((writer, _)) = self.open.take() {
            writer.abandon();
        }
        for (_, path) in &self.done {
            // What cannot be removed now is an orphan, which opening removes.
            let _ = self.target.vfs.remove(path);
        }
    }
}
