//! Room for commits to come: in the memtable, in the log, on the disk.
//!
//! All that makes room takes the disk its time: a file system that is busy may hold up a call for a good part of a
//! second. So it is made ahead, by others than those who commit: the next logs, space in this one, and the memory in
//! which records are gathered.

use std::sync::Arc;

use parking_lot::MutexGuard;

use super::Writer;
use crate::engine::error::{Error, Result};
use crate::engine::flush;
use crate::engine::key::SEQNO_MAX;
use crate::engine::memtable::Memtable;
use crate::engine::shared::Shared;
use crate::engine::version::Edit;
use crate::engine::wal::{LogFile, LogWriter, Slabs};
use crate::workers::Lane;

/// Logs that are made ahead. Making one takes two syncs, which a busy disk may hold up for most of a second: as long as
/// a memtable takes to fill.
const LOGS_AHEAD: usize = 2;

/// The next log has space for this part of a memtable, or this much, by the time it is begun.
const NEXT_PART: u64 = 4;
const NEXT_MAX: u64 = 16 << 20;

impl Writer {
    /// The log that is to have space set aside ahead, and how far, given how large a memtable grows.
    fn room_wanted(&self, memtable: u64) -> Option<(Arc<LogFile>, u64)> {
        let log = self.log.file();
        if log.reserved() < memtable
            && let Some(upto) = self.log.room_wanted()
        {
            return Some((log.clone(), upto.min(memtable)));
        }
        // Not before it is half needed: a database that is rarely written to takes no more space than it must.
        let (next, _) = self.next.front().filter(|_| self.memtable.bytes() > memtable / 2)?;
        (next.reserved() == 0).then(|| (next.clone(), NEXT_MAX.min(memtable / NEXT_PART)))
    }
}

impl Shared {
    /// The writer lock, with room for a batch in memtable and log: from here on nothing fails.
    pub(super) fn lock_with_room(self: &Arc<Self>, payload: usize) -> Result<MutexGuard<'_, Writer>> {
        let mut writer = self.writer.lock();
        loop {
            self.progress.check()?;
            let (bytes, full) = (writer.memtable.bytes(), self.limits.memtable);
            // While the next log is being prepared, which takes two syncs, this one goes on for a while.
            if bytes < full || self.rotate(&mut writer) || bytes < full + full / 2 {
                break;
            }
            MutexGuard::unlocked(&mut writer, || self.prepare_log())?;
        }
        if writer.seqno >= SEQNO_MAX {
            return Err(Error::invalid("the database has seen all commits that there can be"));
        }
        match writer.log.make_room(payload) {
            Ok(()) => Ok(writer),
            Err(error) => {
                drop(writer);
                Err(self.note_disk_error(error))
            }
        }
    }

    /// Has space and memory set aside for what is written soon, if there is little left.
    pub(super) fn reserve_ahead(self: &Arc<Self>, writer: &mut Writer) {
        if !writer.memory_asked {
            self.touch_ahead(writer);
        }
        if writer.room_asked {
            return;
        }
        let Some((log, upto)) = writer.room_wanted(self.limits.memtable) else { return };
        writer.room_asked = true;
        let shared = self.clone();
        self.env.workers.submit(Lane::Sync, move || {
            // Where it fails it is not tried again for this log: whoever needs the space hears why.
            let reserved = log.reserve(upto).is_ok();
            shared.writer.lock().room_asked = !reserved;
        });
    }

    /// Has the memory for the next records and rows touched, if there is little left of it.
    fn touch_ahead(self: &Arc<Self>, writer: &mut Writer) {
        let full = self.limits.memtable;
        let (slabs, rows) = (writer.log.slabs_wanted(full), writer.memtable.room_wanted(full));
        if slabs.is_none() && rows.is_none() {
            return;
        }
        writer.memory_asked = true;
        let (shared, memtable) = (self.clone(), writer.memtable.clone());
        self.env.workers.submit(Lane::Memory, move || {
            memtable.make_room(rows.unwrap_or_default());
            let slabs = Slabs::make(slabs.unwrap_or_default());
            let mut writer = shared.writer.lock();
            writer.log.add_slabs(slabs);
            writer.memory_asked = false;
        });
    }

    /// Seals the memtable and goes on with a new one in the next log; false if that is not prepared.
    pub(crate) fn rotate(self: &Arc<Self>, writer: &mut Writer) -> bool {
        let Some((file, memtable)) = writer.next.pop_front() else { return false };
        let (before, claim) = (writer.log.position(), writer.log.claim());
        let slabs = writer.log.take_slabs();
        writer.closed.extend(writer.log.take(Vec::new()));
        writer.log = LogWriter::new(file, self.salt, before, claim, writer.seqno, slabs);
        writer.room_asked = false;
        let sealed = std::mem::replace(&mut writer.memtable, memtable.clone());
        sealed.seal();
        let outgrown = {
            let _versions = self.versions.lock();
            let mut next = (**self.current.load()).clone();
            next.memtable = memtable;
            next.sealed.insert(0, sealed);
            let outgrown = next.keep_what_fits(&self.limits);
            self.current.store(Arc::new(next));
            outgrown
        };
        flush::let_go(self, outgrown);
        let shared = self.clone();
        self.env.workers.submit(Lane::Idle, move || {
            // If it fails, the commit that needs the log tries again and hears why.
            let _ = (0..LOGS_AHEAD).try_for_each(|_| shared.prepare_log());
        });
        self.memtable_sealed();
        true
    }

    /// Seals the memtable if there is anything in it, so that a flush takes all commits so far.
    pub(crate) fn seal(self: &Arc<Self>) -> Result<()> {
        let mut writer = self.writer.lock();
        while writer.memtable.seqnos().is_some() && !self.rotate(&mut writer) {
            MutexGuard::unlocked(&mut writer, || self.prepare_log())?;
        }
        Ok(())
    }

    /// Creates the file of a log to come, unless enough are there. It is used only once the manifest requires it, so that no
    /// log can vanish unnoticed.
    pub(crate) fn prepare_log(self: &Arc<Self>) -> Result<()> {
        // One at a time: whoever waits here finds it made.
        let _turn = self.preparing.lock();
        self.progress.check_poison()?;
        if self.writer.lock().next.len() >= LOGS_AHEAD {
            return Ok(());
        }
        // A job that comes after the close would write where another may be at home by now.
        if self.lock.lock().is_none() {
            return Err(Error::Closed);
        }
        let number = self.files.take_number();
        let vfs = &self.env.vfs;
        let made = LogFile::create(&**vfs, self.files.log(number), number).and_then(|file| {
            vfs.sync_dir(&self.dir).map_err(|e| Error::io("syncing", &self.dir, e))?;
            Ok(file)
        });
        let file = made.map_err(|error| self.note_disk_error(error))?;
        if let Err(error) = self.apply(Edit { logs_started: vec![number], ..Edit::default() }) {
            // Unless nobody knows whether the manifest names it: then it must be there.
            if self.progress.poisoned().is_none() {
                let _ = vfs.remove(&file.path);
            }
            return Err(error);
        }
        let memtable = Arc::new(Memtable::new(number, self.limits.memtable));
        self.writer.lock().next.push_back((file, memtable));
        Ok(())
    }
}
