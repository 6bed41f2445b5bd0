//! The database, as a program sees it. Everything here is one call to the piece that does it.
//!
//! ```
//! use std::ops::Bound;
//! use siltstone::engine::{Batch, Db, Options};
//!
//! # fn main() -> siltstone::engine::Result<()> {
//! # let directory = tempfile::tempdir().unwrap();
//! # let dir = directory.path();
//! let db = Db::open(dir, Options::default())?;
//!
//! // Changes go in batches: all of one or nothing. `write` returns when the batch is on disk.
//! let mut batch = Batch::new();
//! batch.put(b"apple", b"green");
//! batch.put(b"banana", b"yellow");
//! batch.put(b"cherry", b"red");
//! db.write(&batch)?;
//!
//! assert_eq!(db.get(b"apple")?.as_deref(), Some(&b"green"[..]));
//! let both = db.view().multi_get(&[b"banana", b"durian"])?;
//! assert_eq!((both[0].as_deref(), both[1].as_deref()), (Some(&b"yellow"[..]), None));
//!
//! // A view is one moment, whatever is written meanwhile. A scan walks its rows in order, in both directions.
//! let view = db.view();
//! let mut scan = view.scan(Bound::Included(b"b"), Bound::Unbounded);
//! scan.first()?;
//! while scan.valid() {
//!     println!("{:?} is {:?}", scan.key(), scan.value());
//!     scan.next()?;
//! }
//!
//! // A snapshot is a moment to come back to, and a range is deleted in one stroke.
//! let before = db.snapshot();
//! batch.clear();
//! batch.delete_range(b"a", b"c");
//! db.write(&batch)?;
//! assert_eq!(db.get(b"banana")?, None);
//! assert!(before.view().get(b"banana")?.is_some());
//!
//! // A checkpoint is a database of its own, made of links where the disk can.
//! db.checkpoint(&dir.with_extension("copy"))?;
//! # std::fs::remove_dir_all(dir.with_extension("copy")).unwrap();
//! db.close()?;
//! # Ok(())
//! # }
//! ```

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::background;
use super::batch::Batch;
use super::compaction::pressure::Pace;
use super::error::Result;
use super::key::Seqno;
use super::open;
use super::options::{Env, Fsync, Options};
use super::read::{self, Reading};
use super::shared::Shared;
use super::stats::Totals;
use super::status::Status;
use super::view::{self, Snapshot, Tier, View};
use crate::vfs::disk::DiskVfs;

/// An open database. Clones are handles to the same one.
#[derive(Clone)]
pub struct Db {
    shared: Arc<Shared>,
}

impl Db {
    /// Opens or creates the database in a directory on this machine's disk, with threads of its own.
    ///
    /// # Errors
    /// `Busy` if it is open elsewhere, `Corrupt` if what is on disk is not what was written, `Invalid` for an option
    /// out of bounds or a database of a newer release.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::open_with(Env::with_vfs(Arc::new(DiskVfs)), dir.as_ref(), options)
    }

    /// As [`Db::open`], in a world of the caller's making.
    pub fn open_with(env: Env, dir: &Path, options: Options) -> Result<Self> {
        Ok(Self { shared: open::open(env, dir, options)? })
    }

    /// Opens a database only to read it as it is now, also one that somebody else writes to. Changes nothing on disk.
    pub fn open_read_only(env: Env, dir: &Path) -> Result<Self> {
        Ok(Self { shared: open::open_read_only(env, dir)? })
    }

    /// Commits a batch: atomic, visible to views taken from now on, and durable once [`Db::acknowledge`] says so.
    pub fn commit(&self, batch: &Batch) -> Result<Seqno> {
        self.shared.commit(batch)
    }

    /// The largest batch that is not refused, in bytes.
    pub fn batch_bytes_max(&self) -> u64 {
        self.shared.limits.batch
    }

    /// Commits a batch and waits until it is as durable as the options ask.
    ///
    /// ```
    /// # use siltstone::engine::{Batch, Db, Options};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let db = Db::open(directory.path(), Options::default())?;
    /// let mut batch = Batch::new();
    /// batch.put(b"from", b"90");
    /// batch.put(b"to", b"110");
    /// batch.delete(b"pending");
    /// db.write(&batch)?;
    /// # Ok::<(), siltstone::engine::Error>(())
    /// ```
    pub fn write(&self, batch: &Batch) -> Result<Seqno> {
        let seqno = self.commit(batch)?;
        self.acknowledge(seqno)?;
        Ok(seqno)
    }

    /// Waits until a commit is as durable as the options ask: on disk (`Always`), or handed to the system.
    pub fn acknowledge(&self, seqno: Seqno) -> Result<()> {
        self.shared.acknowledge(seqno)
    }

    /// Calls back once a commit is as durable as the options ask; at once, on this thread, if it is already.
    /// The callback must not wait for the database.
    pub fn on_acknowledged(&self, seqno: Seqno, call: impl FnOnce(Result<()>) + Send + 'static) {
        self.shared.on_acknowledged(seqno, call);
    }

    /// Whether a commit is as durable as the options ask.
    pub fn is_acknowledged(&self, seqno: Seqno) -> bool {
        self.shared.progress.acknowledged() >= seqno
    }

    /// Changes when writes are on disk. From now on commits are acknowledged accordingly; those that were acknowledged
    /// before are as durable as that once the commit is acknowledged that this returns. After `Never` that may take the disk a
    /// while, since all of it is synced at once.
    pub fn set_fsync(&self, fsync: Fsync) -> Seqno {
        self.shared.set_fsync(fsync)
    }

    /// Makes every commit so far durable on disk, whatever the options; returns the newest of them.
    pub fn sync(&self) -> Result<Seqno> {
        self.shared.sync()
    }

    /// A view of the newest commit.
    pub fn view(&self) -> View {
        View::take(&self.shared, || self.shared.progress.published())
    }

    /// A view of what no crash can undo, but at least of the commit `floor` (the caller's own last one).
    pub fn view_acknowledged(&self, floor: Seqno) -> View {
        View::take(&self.shared, || self.shared.progress.view_floor(floor))
    }

    /// A moment to come back to.
    ///
    /// ```
    /// # use siltstone::engine::{Batch, Db, Options};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let db = Db::open(directory.path(), Options::default())?;
    /// # let mut batch = Batch::new();
    /// batch.put(b"key", b"old");
    /// db.write(&batch)?;
    /// let before = db.snapshot();
    /// batch.put(b"key", b"new");
    /// db.write(&batch)?;
    /// assert_eq!(before.view().get(b"key")?.as_deref(), Some(&b"old"[..]));
    /// assert_eq!(db.get(b"key")?.as_deref(), Some(&b"new"[..]));
    /// # Ok::<(), siltstone::engine::Error>(())
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.shared)
    }

    /// A key's newest value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let shared = &*self.shared;
        let published = || shared.progress.published();
        view::pinned(shared, published, |rows, seqno| {
            read::get(shared, rows, key, Reading { seqno, tier: Tier::Disk, offers: true })
        })
    }

    /// Several keys' newest values at one moment, in the order asked; cold ones are fetched together.
    pub fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        self.view().multi_get(keys)
    }

    /// Has what reads of these keys would wait for in memory come into the CPU's caches, for all of them (up to
    /// [`super::TOUCHED_MAX`]) in the time of one. For somebody who is about to read or write them one by one; it changes
    /// nothing.
    pub fn touch<'k>(&self, keys: impl Iterator<Item = &'k [u8]> + Clone) {
        for memtable in self.shared.current.load().readable() {
            memtable.touch(keys.clone());
        }
    }

    /// A counter's newest value.
    pub fn counter(&self, counter: u64) -> i64 {
        self.shared.current.load().counter(counter)
    }

    /// What was done since it was opened.
    pub fn stats(&self) -> Totals {
        self.shared.stats.totals()
    }

    /// What it is like now.
    pub fn status(&self) -> Status {
        Status::of(&self.shared)
    }

    /// Writes the memtables to tables, and waits for it.
    pub fn flush(&self) -> Result<()> {
        self.shared.flush()
    }

    /// Merges what lies between two keys (both included) down to the last level it reaches, and waits for it.
    pub fn compact_range(&self, from: Option<&[u8]>, to: Option<&[u8]>) -> Result<()> {
        background::compact_range(&self.shared, from, to)
    }

    /// Makes a copy of the database in a new directory, by hard links where the disk can.
    pub fn checkpoint(&self, to: &Path) -> Result<()> {
        self.shared.checkpoint(to, || Ok(()))
    }

    /// The same. `beside` puts into the directory what belongs to the copy and is not the database's: until it is done
    /// nobody can open the copy.
    pub fn checkpoint_with(&self, to: &Path, beside: impl FnOnce() -> io::Result<()>) -> Result<()> {
        self.shared.checkpoint(to, beside)
    }

    /// Waits until there is nothing left to flush or to merge. Without threads, runs it.
    pub fn wait_idle(&self) -> Result<()> {
        background::wait_idle(&self.shared)
    }

    /// Whether a commit may be made to wait now, since the background is behind: a caller that must not wait, such as
    /// an event loop, commits elsewhere meanwhile.
    pub fn is_pressed(&self) -> bool {
        let shared = &self.shared;
        shared.pressure.may_wait(shared.current.load().memtable.bytes())
    }

    /// Whether writes fail until the database is opened again, or until the disk has room.
    pub fn is_refusing(&self) -> bool {
        self.shared.progress.check_poison().is_err() || self.shared.disk.is_full()
    }

    /// Waits as long as a commit now would be made to wait: for callers that take locks before they commit, so that
    /// nobody waits for the background and a lock of theirs at the same time.
    pub fn wait_for_pace(&self) {
        self.shared.slow_down(0, Pace::Kept);
    }

    /// As [`Db::commit`], by somebody who holds locks and has been through [`Db::wait_for_pace`] before: waits only where
    /// the memory is used up.
    pub fn commit_paced(&self, batch: &Batch) -> Result<Seqno> {
        self.shared.commit_paced(batch)
    }

    /// Flushes, stops background work and gives the directory back. Later writes answer `Closed`.
    ///
    /// Not necessary: whatever was acknowledged is found again when the database was just dropped, or killed. But
    /// then the next opening reads the log, and a handle that lives on somewhere keeps the directory.
    pub fn close(&self) -> Result<()> {
        self.shared.close()
    }

    /// What everything hangs on, for the tools that look inside.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

#[cfg(test)]
mod tests;
