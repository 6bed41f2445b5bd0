//! The write path.
//!
//! ```text
//! commit       wait for pressure → writer lock { room in log → append to its buffer → memtable → hot rows → publish }
//! write_out    output lock { writer lock { take the buffer } → one write to the log's file }
//! sync_round   one at a time, for everybody { write_out → fdatasync → tell the next record → wake who waits }
//! idle look    all is on disk and no record says so { a mark → sync_round }
//! ```
//!
//! A commit returns as soon as views see it, and makes nobody wait for the disk. Whoever must know that it is safe
//! asks with `acknowledge` or `on_acknowledged`: under `Fsync::Always` one sync answers all who asked meanwhile;
//! otherwise the first who asks writes out for all.
//!
//! What can fail is asked before anything happens: limits, poison, room on the disk. From the append on nothing
//! fails, so that log, memtable and what views see never disagree.

mod output;
mod room;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::MutexGuard;

pub(crate) use self::output::Output;
use super::batch::Batch;
use super::compaction::pressure::Pace;
use super::error::{Error, Result};
use super::event::Event;
use super::key::Seqno;
use super::memtable::Memtable;
use super::options::Fsync;
use super::shared::Shared;
use super::wal::{Chunk, Claim, LARGE, LogFile, LogWriter};
use crate::workers::Lane;

/// A buffer larger than this is written out by a thread of its own, since a busy disk may hold up a write for a good part
/// of a second: longer than a commit that nobody waits for should take. It takes no memory that the memtable would not.
const BUFFERED: u64 = 256 << 10;
/// One that is larger than this part of a memtable, too, is written out by whoever filled it.
const BUFFERED_PART: u64 = 4;
/// A buffer that has grown larger than this is not kept.
const BUFFER_KEPT_MAX: usize = 1 << 20;
/// This long after a sync somebody looks whether the log needs a mark.
const IDLE: Duration = Duration::from_millis(100);
/// How long a write may be unsynced under `Fsync::EverySecond`.
const SECOND: Duration = Duration::from_secs(1);

/// What the writer lock guards: where the next commit goes.
pub(crate) struct Writer {
    pub(crate) log: LogWriter,
    pub(crate) memtable: Arc<Memtable>,
    /// The newest commit.
    pub(crate) seqno: Seqno,
    /// The next logs' files, created ahead and known to the manifest, and the memtables that go with them.
    pub(crate) next: VecDeque<(Arc<LogFile>, Arc<Memtable>)>,
    /// The last buffers of logs that were rotated away, not yet taken off.
    pub(crate) closed: Vec<Chunk>,
    /// Somebody is on the way to write out what is buffered.
    pub(crate) write_out_asked: bool,
    /// Somebody is on the way to set space aside for a log, or could not.
    pub(crate) room_asked: bool,
    /// Somebody is on the way to touch memory.
    pub(crate) memory_asked: bool,
}

impl Shared {
    /// Commits a batch: atomic, visible when this returns, durable once acknowledged.
    pub(crate) fn commit(self: &Arc<Self>, batch: &Batch) -> Result<Seqno> {
        self.commit_at(batch, Pace::Kept)
    }

    /// Commits for somebody who holds locks, and has waited for the pace before.
    pub(crate) fn commit_paced(self: &Arc<Self>, batch: &Batch) -> Result<Seqno> {
        self.commit_at(batch, Pace::Owed)
    }

    fn commit_at(self: &Arc<Self>, batch: &Batch, pace: Pace) -> Result<Seqno> {
        self.progress.check()?;
        batch.check(self.limits.batch as usize)?;
        if batch.is_empty() {
            return Ok(self.progress.published());
        }
        let bytes = batch.bytes();
        let body_crc = crc32fast::hash(bytes);
        let large = (bytes.len() >= LARGE).then(|| Bytes::copy_from_slice(bytes));
        self.slow_down(bytes.len() as u64, pace);
        // Who does not grow is let through on a full disk, but not past the memory there is: nothing may be flushed.
        self.admit_to_disk(batch.grows() || self.pressure.is_full(self.current.load().memtable.bytes()))?;

        let mut writer = self.lock_with_room(bytes.len())?;
        let seqno = writer.seqno + 1;
        let payload = match large {
            None => writer.log.append(seqno, bytes, body_crc),
            Some(payload) => {
                writer.log.append_large(seqno, payload.clone(), body_crc);
                payload
            }
        };
        writer.seqno = seqno;
        if let Err(error) = writer.memtable.apply(seqno, &payload) {
            // It was checked; but if it were half applied, nothing could be trusted from here on.
            return Err(self.poison(error));
        }
        self.hot.forget(seqno, &payload);
        self.progress.publish(seqno);
        let buffered = writer.log.buffered();
        let asks = buffered > BUFFERED && !std::mem::replace(&mut writer.write_out_asked, true);
        self.reserve_ahead(&mut writer);
        drop(writer);

        self.stats.commits.add(1);
        self.stats.commit_bytes.add(bytes.len() as u64);
        // If this fails, whoever asks whether the commit is safe hears of it.
        if buffered > (self.limits.memtable / BUFFERED_PART).max(BUFFERED) {
            let _ = self.write_out();
        } else if asks {
            let shared = self.clone();
            self.env.workers.submit(Lane::Sync, move || drop(shared.write_out()));
        }
        if self.progress.fsync() == Fsync::EverySecond {
            self.sync_within_a_second();
        }
        Ok(seqno)
    }

    /// The back-pressure: a nap in proportion to what the background has yet to do.
    pub(crate) fn slow_down(&self, bytes: u64, pace: Pace) {
        let active_bytes = || self.current.load().memtable.bytes();
        // While the disk is full nothing is flushed: whoever waited for memory would wait for room.
        let stop = || self.progress.check().is_err() || self.disk.is_full();
        let world = (&*self.env.clock, &*self.env.workers, &self.stats);
        self.pressure.wait(bytes, pace, active_bytes, stop, world);
    }

    /// Hands everything committed so far to the system.
    pub(crate) fn write_out(self: &Arc<Self>) -> Result<()> {
        self.write_out_to(Seqno::MAX)
    }

    /// Hands everything committed so far to the system, unless somebody did so up to `seqno` meanwhile.
    fn write_out_to(self: &Arc<Self>, seqno: Seqno) -> Result<()> {
        let mut output = self.output.lock();
        if self.progress.written() >= seqno {
            return Ok(());
        }
        let written = self.write_out_locked(&mut output);
        drop(output);
        written.map_err(|error| self.write_failed(error))
    }

    fn write_out_locked(&self, output: &mut Output) -> Result<()> {
        if let Some(error) = self.progress.poisoned() {
            return Err(error.clone());
        }
        {
            let mut writer = self.writer.lock();
            writer.write_out_asked = false;
            output.queue.extend(writer.closed.drain(..));
            output.queue.extend(writer.log.take(std::mem::take(&mut output.spare)));
        }
        while let Some(chunk) = output.queue.front() {
            if let Err(error) = chunk.write(&mut output.joined) {
                output.zeroed = Claim::default();
                // What was written of it must not stay: the next bytes go to the same place.
                return match chunk.log.cut(chunk.offset) {
                    Ok(()) if error.is_no_space() => Err(error),
                    _ => Err(self.poison(format_args!("{error}: what reached the disk is not known"))),
                };
            }
            if output.unsynced.last().is_none_or(|last| last.number != chunk.log.number) {
                output.unsynced.push(chunk.log.clone());
            }
            output.written = Claim { file: chunk.log.number, offset: chunk.end() };
            self.progress.advance_written(chunk.seqno);
            self.stats.log_bytes.add(chunk.len());
            if let Some(chunk) = output.queue.pop_front() {
                output.spare = chunk.into_parts();
                output.joined.shrink_to(BUFFER_KEPT_MAX);
            }
        }
        Ok(())
    }

    fn write_failed(self: &Arc<Self>, error: Error) -> Error {
        let error = self.note_disk_error(error);
        self.progress.fail_waiting(&error);
        error
    }

    /// Stops all writing until the database is opened again.
    pub(crate) fn poison(&self, why: impl std::fmt::Display) -> Error {
        let why = why.to_string();
        if self.progress.poison(&why) {
            self.env.listener.event(&Event::Poisoned { why: why.clone() });
            self.pressure.wake();
        }
        self.progress.poisoned().cloned().unwrap_or_else(|| Error::Poisoned(why.into()))
    }

    /// Waits until a commit is as durable as the options ask.
    pub(crate) fn acknowledge(self: &Arc<Self>, seqno: Seqno) -> Result<()> {
        if self.progress.acknowledged() >= seqno {
            return Ok(());
        }
        match self.progress.fsync() {
            Fsync::Always => self.sync_to(seqno),
            Fsync::EverySecond | Fsync::Never => self.write_out_to(seqno),
        }
    }

    /// Calls back once a commit is as durable as the options ask. The callback must not wait for the database.
    pub(crate) fn on_acknowledged(
        self: &Arc<Self>,
        seqno: Seqno,
        call: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        if self.progress.acknowledged() >= seqno {
            return call(Ok(()));
        }
        if let Some(error) = self.progress.poisoned() {
            return call(Err(error.clone()));
        }
        if self.progress.fsync() != Fsync::Always {
            return call(self.write_out_to(seqno));
        }
        let mut waiting = self.progress.waiting();
        // The sync that covers it may have ended since.
        if self.progress.durable() >= seqno {
            drop(waiting);
            return call(Ok(()));
        }
        if let Some(error) = self.progress.poisoned() {
            drop(waiting);
            return call(Err(error.clone()));
        }
        waiting.push(seqno, call);
        waiting.wanted = waiting.wanted.max(seqno);
        let submit = !waiting.syncing && !std::mem::replace(&mut waiting.queued, true);
        drop(waiting);
        if submit {
            self.submit_sync();
        }
    }

    /// Changes when writes are on disk; returns the newest commit that may have been acknowledged as it was before.
    pub(crate) fn set_fsync(self: &Arc<Self>, fsync: Fsync) -> Seqno {
        let seqno = self.progress.set_fsync(fsync, || self.writer.lock().seqno);
        if fsync == Fsync::EverySecond {
            self.sync_within_a_second();
        }
        self.progress.wake();
        seqno
    }

    /// Makes everything committed so far durable, whatever the options, and provably so: the record that says it
    /// is durable too.
    pub(crate) fn sync(self: &Arc<Self>) -> Result<Seqno> {
        let seqno = self.progress.published();
        self.sync_to(seqno)?;
        let said = self.writer.lock().log.say();
        self.sync_log_to(said)?;
        Ok(seqno)
    }

    /// Makes everything up to a commit durable.
    pub(crate) fn sync_to(self: &Arc<Self>, seqno: Seqno) -> Result<()> {
        let mut waiting = self.progress.waiting();
        while self.progress.durable() < seqno {
            self.progress.check_poison()?;
            waiting.wanted = waiting.wanted.max(seqno);
            if waiting.syncing {
                let news = self.progress.changed();
                self.env.workers.help(&mut waiting, news, SECOND);
            } else {
                waiting = match self.take_turn(waiting) {
                    Ok(again) => again,
                    // There was no space for what came after it.
                    Err(_) if self.progress.durable() >= seqno => return Ok(()),
                    Err(error) => return Err(error),
                };
            }
        }
        Ok(())
    }

    /// Syncs once for everybody. Comes and goes with the lock, without a turn.
    fn take_turn<'a>(
        self: &'a Arc<Self>,
        mut waiting: MutexGuard<'a, super::progress::Waiting>,
    ) -> Result<MutexGuard<'a, super::progress::Waiting>> {
        waiting.syncing = true;
        drop(waiting);
        let synced = self.sync_round();
        let mut waiting = self.progress.waiting();
        waiting.syncing = false;
        self.progress.changed().notify_all();
        if synced.is_err() {
            // Who waited was told, and what they wanted is not tried again for them: only for those who came since.
            waiting.wanted = waiting.newest().max(self.progress.durable());
        }
        if waiting.wanted > self.progress.durable() && !std::mem::replace(&mut waiting.queued, true) {
            self.submit_sync();
        }
        synced.map(|()| waiting)
    }

    fn submit_sync(self: &Arc<Self>) {
        let shared = self.clone();
        self.env.workers.submit(Lane::Sync, move || {
            let mut waiting = shared.progress.waiting();
            // While this runs it counts as queued: nobody queues another.
            while !waiting.syncing && waiting.wanted > shared.progress.durable() {
                waiting = shared.take_turn(waiting).unwrap_or_else(|_| shared.progress.waiting());
            }
            waiting.queued = false;
        });
    }

    /// The turn to sync is ours: makes everything written so far durable, and wakes who waited for it.
    fn sync_round(self: &Arc<Self>) -> Result<()> {
        let mut unwritten;
        let (logs, end, seqno) = {
            let mut output = self.output.lock();
            unwritten = self.write_out_locked(&mut output).err();
            (output.unsynced.clone(), output.written, self.progress.written())
        };
        // Where there is no space for the rest, what was written before is no less owed to those who wait for it.
        if let Some(error) = unwritten.take_if(|error| !error.is_no_space()) {
            return Err(self.write_failed(error));
        }
        let needed = self.current.load().memtables().last().map_or(0, |oldest| oldest.log());
        // A log is synced after those before it, so that it is never durable without them.
        for log in logs.iter().filter(|log| log.number >= needed) {
            self.stats.log_syncs.add(1);
            if let Err(error) = log.sync() {
                let why = format_args!("{error}: whether the newest writes survive is not known");
                return Err(self.poison(why));
            }
        }
        {
            let mut output = self.output.lock();
            let all = output.written == end;
            output.unsynced.retain(|log| log.number > end.file || (log.number == end.file && !all));
        }
        // Before anybody is woken, so that what they write next says it.
        let is_unsaid = self.writer.lock().log.synced(end);
        self.progress.advance_durable(seqno);
        self.env.listener.event(&Event::Synced { seqno });
        if let Some(log) =
            logs.last().filter(|_| self.progress.fsync() == Fsync::Always && unwritten.is_none())
        {
            let mut output = self.output.lock();
            output.zero_ahead(log, self.limits.memtable);
            output.synced = end;
        }
        if is_unsaid {
            self.look_whether_idle();
        }
        unwritten.map_or(Ok(()), |error| Err(self.write_failed(error)))
    }

    /// The logs before this one are needed no longer, synced or not: what they held is durable in tables. As long as a
    /// file is open, the system keeps its space, though it is removed.
    pub(crate) fn forget_logs_before(&self, first: u64) {
        self.output.lock().unsynced.retain(|log| log.number >= first);
    }

    /// Makes the log durable up to a place.
    fn sync_log_to(self: &Arc<Self>, end: Option<Claim>) -> Result<()> {
        let Some(end) = end else { return Ok(()) };
        while self.writer.lock().log.claim() < end {
            let mut waiting = self.progress.waiting();
            if waiting.syncing {
                self.progress.check_poison()?;
                let news = self.progress.changed();
                self.env.workers.help(&mut waiting, news, SECOND);
            } else {
                drop(self.take_turn(waiting)?);
            }
        }
        Ok(())
    }

    /// Looks in a while whether everything is on disk and no record says so, and makes a mark if that is how it is.
    ///
    /// Until either is written, nothing says that the newest records are on disk, and if they were damaged they would
    /// pass for a torn tail. Writing the mark at once, without a sync, would not change that for a power failure, and a
    /// process that is killed damages nothing; but it would cost every sync under load a write, for nothing.
    fn look_whether_idle(self: &Arc<Self>) {
        if std::mem::replace(&mut self.progress.waiting().idle_look, true) {
            return;
        }
        let weak = Arc::downgrade(self);
        self.env.workers.after(Lane::Sync, IDLE, move || {
            if let Some(shared) = weak.upgrade() {
                shared.progress.waiting().idle_look = false;
                // Poison is told to whoever writes next.
                let mark = shared.writer.lock().log.mark();
                let _ = shared.sync_log_to(mark);
            }
        });
    }

    fn sync_within_a_second(self: &Arc<Self>) {
        if !self.progress.set_timer() {
            return;
        }
        let weak = Arc::downgrade(self);
        self.env.workers.after(Lane::Sync, SECOND, move || {
            if let Some(shared) = weak.upgrade() {
                shared.progress.timer_fired();
                let seqno = shared.progress.published();
                // What there was no space for is written once there is some, and nobody else may come then.
                if shared.sync_to(seqno).is_err() && shared.progress.check().is_ok() {
                    shared.sync_within_a_second();
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
