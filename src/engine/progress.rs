//! How far the commits have come: published ≥ written ≥ durable, and who waits for what.
//!
//! A commit is *published* once views see it, *written* once its log record is with the system (survives a kill),
//! and *durable* once it is on disk (survives a power failure). `Fsync` says which of the two acknowledges it.
//! The numbers only grow. This is state alone; [`super::write`] moves it.

use std::cmp::Ordering as Order;
use std::collections::BinaryHeap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::error::{Error, Result};
use super::key::Seqno;
use super::options::Fsync;

/// How far the commits have come.
pub(crate) struct Progress {
    /// [`Fsync`] as a number.
    fsync: AtomicU8,
    /// The newest commit that may have been acknowledged before `Fsync::Always` was chosen: until it is durable, plain
    /// reads see what they saw before.
    relaxed: AtomicU64,
    /// Held while `fsync` is changed.
    changing: Mutex<()>,
    published: AtomicU64,
    written: AtomicU64,
    durable: AtomicU64,
    /// Why nothing more is written: set once, for good.
    poison: OnceLock<Error>,
    closed: AtomicBool,
    /// A sync is due within a second.
    timer: AtomicBool,
    waiting: Mutex<Waiting>,
    /// Signalled when `durable` grew or writing stopped.
    changed: Condvar,
}

/// Who waits, and who works for them.
#[derive(Default)]
pub(crate) struct Waiting {
    calls: BinaryHeap<Waiter>,
    /// The newest commit that somebody wants durable.
    pub(crate) wanted: Seqno,
    /// Somebody has the turn to sync: one at a time, for everybody.
    pub(crate) syncing: bool,
    /// A sync job is queued or running.
    pub(crate) queued: bool,
    /// A look at whether the log has fallen idle is due.
    pub(crate) idle_look: bool,
}

type Call = Box<dyn FnOnce(Result<()>) + Send>;

/// A callback and the commit it waits for. The heap's top is the smallest.
struct Waiter {
    seqno: Seqno,
    call: Call,
}

impl Ord for Waiter {
    fn cmp(&self, other: &Self) -> Order {
        other.seqno.cmp(&self.seqno)
    }
}

impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Self) -> bool {
        self.seqno == other.seqno
    }
}

impl Eq for Waiter {}

impl Progress {
    /// Everything up to `seqno` is durable.
    pub(crate) fn new(fsync: Fsync, seqno: Seqno) -> Self {
        Self {
            fsync: AtomicU8::new(fsync as u8),
            relaxed: AtomicU64::new(0),
            changing: Mutex::default(),
            published: AtomicU64::new(seqno),
            written: AtomicU64::new(seqno),
            durable: AtomicU64::new(seqno),
            poison: OnceLock::new(),
            closed: AtomicBool::new(false),
            timer: AtomicBool::new(false),
            waiting: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn fsync(&self) -> Fsync {
        const ALWAYS: u8 = Fsync::Always as u8;
        const EVERY_SECOND: u8 = Fsync::EverySecond as u8;
        match self.fsync.load(Ordering::SeqCst) {
            ALWAYS => Fsync::Always,
            EVERY_SECOND => Fsync::EverySecond,
            _ => Fsync::Never,
        }
    }

    /// Chooses anew; returns the newest commit that may have been acknowledged, or seen, as it was before. `newest` tells
    /// the newest commit under the writer lock, so that who commits after that goes by the new choice.
    pub(crate) fn set_fsync(&self, fsync: Fsync, newest: impl FnOnce() -> Seqno) -> Seqno {
        let _changing = self.changing.lock();
        if self.fsync() == fsync {
            return self.relaxed.load(Ordering::SeqCst);
        }
        self.relaxed.store(Seqno::MAX, Ordering::SeqCst);
        self.fsync.store(fsync as u8, Ordering::SeqCst);
        let newest = newest();
        self.relaxed.store(newest, Ordering::SeqCst);
        newest
    }

    /// The newest commit that views see.
    pub(crate) fn published(&self) -> Seqno {
        self.published.load(Ordering::Acquire)
    }

    /// The newest commit that the system has.
    pub(crate) fn written(&self) -> Seqno {
        self.written.load(Ordering::Acquire)
    }

    /// The newest commit that is on disk.
    pub(crate) fn durable(&self) -> Seqno {
        self.durable.load(Ordering::Acquire)
    }

    /// The newest commit that may be acknowledged.
    pub(crate) fn acknowledged(&self) -> Seqno {
        match self.fsync() {
            Fsync::Always => self.durable(),
            Fsync::EverySecond | Fsync::Never => self.written().max(self.durable()),
        }
    }

    /// What a plain read may see: nothing that a crash could undo, except up to the reader's own commit `floor`.
    pub(crate) fn view_floor(&self, floor: Seqno) -> Seqno {
        let published = self.published();
        let seen = match self.fsync() {
            // What was not written when writing ended never will be.
            _ if self.poison.get().is_some() => self.acknowledged(),
            // What was seen before the choice stays seen.
            Fsync::Always if self.durable() < self.relaxed.load(Ordering::SeqCst) => published,
            Fsync::Always => self.durable(),
            Fsync::EverySecond | Fsync::Never => published,
        };
        published.min(seen.max(floor))
    }

    /// Lets views see a commit. The writer lock is held, so commits come in order.
    pub(crate) fn publish(&self, seqno: Seqno) {
        self.published.store(seqno, Ordering::Release);
    }

    /// The system has the commits up to this one.
    pub(crate) fn advance_written(&self, seqno: Seqno) {
        self.written.fetch_max(seqno, Ordering::AcqRel);
    }

    /// The disk has the commits up to this one, in the log or in tables: wakes who waited.
    pub(crate) fn advance_durable(&self, seqno: Seqno) {
        if self.durable.fetch_max(seqno, Ordering::AcqRel) < seqno {
            self.advance_written(seqno);
            self.wake();
        }
    }

    /// Calls back those whose commits are acknowledged.
    pub(crate) fn wake(&self) {
        let acknowledged = self.acknowledged();
        let mut ready = Vec::new();
        {
            let mut waiting = self.waiting.lock();
            while waiting.calls.peek().is_some_and(|w| w.seqno <= acknowledged) {
                ready.extend(waiting.calls.pop());
            }
            self.changed.notify_all();
        }
        for waiter in ready {
            (waiter.call)(Ok(()));
        }
    }

    /// Tells everybody who waits that it failed.
    pub(crate) fn fail_waiting(&self, error: &Error) {
        let calls = {
            let mut waiting = self.waiting.lock();
            self.changed.notify_all();
            std::mem::take(&mut waiting.calls)
        };
        for waiter in calls {
            (waiter.call)(if waiter.seqno <= self.acknowledged() { Ok(()) } else { Err(error.clone()) });
        }
    }

    /// Who waits; for those who wait or work.
    pub(crate) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }

    /// Signalled when `durable` grew, the turn to sync was given back, or writing stopped.
    pub(crate) fn changed(&self) -> &Condvar {
        &self.changed
    }

    /// Stops all writing for good; the first reason counts. True for the first.
    pub(crate) fn poison(&self, why: &str) -> bool {
        let first = self.poison.set(Error::Poisoned(why.into())).is_ok();
        if let Some(error) = self.poison.get() {
            self.fail_waiting(error);
        }
        first
    }

    /// Takes no more commits; false if it is closed already.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// Whether the database still takes writes.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_poison()?;
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Whether what was committed can still be written.
    pub(crate) fn check_poison(&self) -> Result<()> {
        self.poison.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Sets the timer of the sync that is due within a second; false if it is set.
    pub(crate) fn set_timer(&self) -> bool {
        !self.timer.load(Ordering::Relaxed) && !self.timer.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn timer_fired(&self) {
        self.timer.store(false, Ordering::Relaxed);
    }

    /// Why nothing more is written, if so.
    pub(crate) fn poisoned(&self) -> Option<&Error> {
        self.poison.get()
    }
}

impl Waiting {
    /// Calls back once the commit is acknowledged.
    pub(crate) fn push(&mut self, seqno: Seqno, call: impl FnOnce(Result<()>) + Send + 'static) {
        self.calls.push(Waiter { seqno, call: Box::new(call) });
    }

    /// The newest commit that a callback waits for; 0: none does.
    pub(crate) fn newest(&self) -> Seqno {
        self.calls.iter().map(|waiter| waiter.seqno).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn waiters_are_called_in_order_once_their_commit_is_durable() {
        let progress = Progress::new(Fsync::Always, 0);
        let called = Arc::new(Mutex::new(Vec::new()));
        for seqno in [3, 1, 2] {
            let called = called.clone();
            progress.waiting().push(seqno, move |result| called.lock().push((seqno, result.is_ok())));
        }
        progress.publish(3);
        progress.advance_written(3);
        progress.wake();
        assert!(called.lock().is_empty());
        progress.advance_durable(2);
        assert_eq!(*called.lock(), [(1, true), (2, true)]);
        progress.poison("the disk is gone");
        assert_eq!(called.lock().last(), Some(&(3, false)));
        assert!(matches!(progress.check(), Err(Error::Poisoned(_))));
    }

    #[test]
    fn plain_reads_see_what_is_durable_and_their_own() {
        let progress = Progress::new(Fsync::Always, 5);
        progress.publish(9);
        assert_eq!(progress.view_floor(0), 5);
        assert_eq!(progress.view_floor(7), 7);
        assert_eq!(progress.view_floor(100), 9);
        let relaxed = Progress::new(Fsync::Never, 5);
        relaxed.publish(9);
        assert_eq!(relaxed.view_floor(0), 9);
        // Nobody sees less than before: not until what was seen is durable.
        assert_eq!(relaxed.set_fsync(Fsync::Always, || 9), 9);
        relaxed.publish(12);
        relaxed.advance_durable(8);
        assert_eq!((relaxed.view_floor(0), relaxed.acknowledged()), (12, 8));
        relaxed.advance_durable(10);
        assert_eq!(relaxed.view_floor(0), 10);
        let relaxed = Progress::new(Fsync::Never, 5);
        relaxed.publish(9);
        relaxed.advance_written(7);
        assert_eq!(relaxed.set_fsync(Fsync::Always, || 9), 9);
        assert_eq!(relaxed.view_floor(0), 9);
        relaxed.poison("the disk is gone");
        assert_eq!([relaxed.view_floor(0), relaxed.view_floor(8)], [5, 8]);
        relaxed.set_fsync(Fsync::Never, || 9);
        assert_eq!([relaxed.view_floor(0), relaxed.view_floor(8)], [7, 8]);
    }
}
