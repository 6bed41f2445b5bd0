//! The disk-full mode: writes are refused with a clear error, reads and deletes go on, and it ends by itself.
//!
//! Space for what the mode still has to write (deletes, a flush, a merge that frees more than it takes) is held by
//! the ballast, a file that is let go of when the mode begins and set aside again when it ends. The mode ends once
//! there is room for the ballast and as much again, so that it does not flicker.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::error::{Error, Result};
use super::event::Event;
use super::limits::Limits;
use super::shared::Shared;
use crate::workers::Lane;

const MIB: u64 = 1 << 20;
/// How often it is looked for room: at first, and, when the mode has come back again and again, at last.
const LOOK: Duration = Duration::from_millis(200);
const LOOK_MAX: Duration = Duration::from_millis(6400);
/// A mode that comes back after this long is a new one.
const STEADY: Duration = Duration::from_mins(1);

/// Whether the disk is full.
pub(crate) struct DiskSpace {
    full: AtomicBool,
    ballast_bytes: u64,
    looked_ns: AtomicU64,
    /// Beginning and ending the mode, one at a time.
    turn: Mutex<Turn>,
}

struct Turn {
    /// When the mode ended last.
    ended_ns: Option<u64>,
    /// How often it is looked for room.
    look: Duration,
}

impl Turn {
    fn begin(&mut self, now_ns: u64) {
        let is_back =
            self.ended_ns.is_some_and(|ended| now_ns.saturating_sub(ended) < STEADY.as_nanos() as u64);
        self.look = if is_back { (self.look * 2).min(LOOK_MAX) } else { LOOK };
    }
}

impl DiskSpace {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            full: AtomicBool::new(false),
            ballast_bytes: limits.memtable.clamp(MIB, 64 * MIB),
            looked_ns: AtomicU64::new(0),
            turn: Mutex::new(Turn { ended_ns: None, look: LOOK }),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Bytes that must be free for the mode to end.
    fn wanted(&self) -> u64 {
        2 * self.ballast_bytes
    }

    pub(crate) fn error(&self) -> Error {
        Error::DiskFull(self.wanted().div_ceil(MIB))
    }
}

impl Shared {
    /// Lets a batch through, or refuses it while the disk is full. Looks for room now and then.
    pub(crate) fn admit_to_disk(self: &Arc<Self>, grows: bool) -> Result<()> {
        if self.disk.is_full() && grows && !self.look_for_room() { Err(self.disk.error()) } else { Ok(()) }
    }

    /// The system said that there is no space: begins the mode and lets the ballast go.
    pub(crate) fn disk_is_full(self: &Arc<Self>) {
        {
            let mut turn = self.disk.turn.lock();
            if self.disk.full.swap(true, Ordering::Relaxed) {
                return;
            }
            let now = self.env.clock.monotonic_ns();
            turn.begin(now);
            self.disk.looked_ns.store(now, Ordering::Relaxed);
            // Without a ballast there is nothing to let go of.
            let _ = self.env.vfs.remove(&self.files.ballast());
        }
        self.env.listener.event(&Event::DiskFull);
        self.look_again();
    }

    /// Translates the system's error: no space begins the mode.
    pub(crate) fn note_disk_error(self: &Arc<Self>, error: Error) -> Error {
        if !error.is_no_space() {
            return error;
        }
        self.disk_is_full();
        self.disk.error()
    }

    fn look_again(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        let look = self.disk.turn.lock().look;
        self.env.workers.after(Lane::Idle, look, move || {
            let Some(shared) = weak.upgrade() else { return };
            if shared.disk.is_full() && shared.progress.check().is_ok() && !shared.look_for_room() {
                shared.look_again();
            }
        });
    }

    /// Ends the mode if there is room again; whether writes may go on.
    fn look_for_room(self: &Arc<Self>) -> bool {
        {
            let mut turn = self.disk.turn.lock();
            if !self.disk.is_full() || self.progress.check().is_err() {
                return true;
            }
            let now = self.env.clock.monotonic_ns();
            let looked = self.disk.looked_ns.load(Ordering::Relaxed);
            if !self.env.workers.is_manual() && now.saturating_sub(looked) < turn.look.as_nanos() as u64 / 2 {
                return false;
            }
            self.disk.looked_ns.store(now, Ordering::Relaxed);
            let free = self.env.vfs.free_space(&self.dir).unwrap_or(0);
            if free < self.disk.wanted() || self.set_ballast_aside().is_err() {
                return false;
            }
            turn.ended_ns = Some(now);
            self.disk.full.store(false, Ordering::Relaxed);
        }
        self.env.listener.event(&Event::DiskRoom);
        // What could not be written out waits in order; whoever waits for it hears of it.
        if self.write_out().is_ok() {
            self.progress.wake();
        }
        self.disk_has_room();
        true
    }

    /// Lets the ballast go for good: the database is closed.
    pub(crate) fn give_ballast_back(&self) {
        let _turn = self.disk.turn.lock();
        let _ = self.env.vfs.remove(&self.files.ballast());
    }

    /// Creates the ballast, if it is not there.
    pub(crate) fn set_ballast_aside(&self) -> io::Result<()> {
        let path = self.files.ballast();
        let file = match self.env.vfs.create(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.env.vfs.open_write(&path)?,
            other => other?,
        };
        let set_aside = file.reserve(self.disk.ballast_bytes);
        if set_aside.is_err() {
            let _ = self.env.vfs.remove(&path);
        }
        set_aside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn a_mode_that_comes_back_soon_is_looked_at_less_often() {
        let mut turn = Turn { ended_ns: None, look: LOOK };
        turn.begin(0);
        assert_eq!(turn.look, LOOK);
        for times in 1..10 {
            turn.ended_ns = Some(times * SECOND_NS);
            turn.begin((times + 1) * SECOND_NS);
            assert_eq!(turn.look, (LOOK * (1 << times)).min(LOOK_MAX));
        }
        turn.ended_ns = Some(20 * SECOND_NS);
        turn.begin(80 * SECOND_NS);
        assert_eq!(turn.look, LOOK);
    }
}
