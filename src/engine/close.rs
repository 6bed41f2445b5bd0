//! Flushing on demand, and closing.
//!
//! A closed database has everything in tables and no log at all, so that nothing at rest depends on telling a torn
//! tail from damage.

use std::sync::Arc;

use super::background;
use super::error::Result;
use super::flush;
use super::memtable::Memtable;
use super::shared::Shared;
use super::version::Edit;

impl Shared {
    /// Writes everything committed so far to tables.
    pub(crate) fn flush(self: &Arc<Self>) -> Result<()> {
        self.seal()?;
        background::wait_flushed(self)
    }

    /// Takes no more commits, puts everything in tables, stops background work and gives the directory back.
    /// Closing again does nothing. Where a flush fails, the log has it all, and is synced.
    pub(crate) fn close(self: &Arc<Self>) -> Result<()> {
        if !self.progress.close() {
            return Ok(());
        }
        // Whoever commits holds the lock; from here on nobody does.
        drop(self.writer.lock());
        self.pressure.wake();
        let flushed = self.flush();
        self.forget_kept(|_| true);
        background::close(self);
        // Who makes the next log is waited for. Nobody begins another once the directory is given back.
        let _turn = self.preparing.lock();
        // Nobody writes any more who would need it, nor makes it again.
        self.give_ballast_back();
        let closed = flushed.and_then(|()| self.retire_logs()).or_else(|_| self.sync().map(|_| ()));
        self.lock.lock().take();
        closed
    }

    /// Lets go of what is kept for quick reading, from the first on of which `ends` says that nobody reads it: one that stays
    /// must have all newer ones beside it.
    pub(crate) fn forget_kept(self: &Arc<Self>, ends: impl Fn(&Memtable) -> bool) {
        let gone = {
            let _versions = self.versions.lock();
            let now = self.current.load();
            let Some(first) = now.kept.iter().position(|memtable| ends(memtable)) else { return };
            let mut next = (**now).clone();
            let gone = next.kept.split_off(first);
            self.current.store(Arc::new(next));
            gone
        };
        flush::let_go(self, gone);
    }

    /// Everything is in tables: no log is needed.
    fn retire_logs(self: &Arc<Self>) -> Result<()> {
        let edit = Edit {
            log: Some(self.files.take_number()),
            seqno: Some(self.progress.published()),
            ..Edit::default()
        };
        self.apply(edit)
    }
}
