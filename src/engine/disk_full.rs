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
/// How often it is looked for room.
const LOOK: Duration = Duration::from_millis(200);

/// Whether the disk is full.
pub(crate) struct DiskSpace {
    full: AtomicBool,
    ballast_bytes: u64,
    looked_ns: AtomicU64,
    /// Beginning and ending the mode, one at a time.
    turn: Mutex<()>,
}

impl DiskSpace {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            full: AtomicBool::new(false),
            ballast_bytes: limits.memtable.clamp(MIB, 64 * MIB),
            looked_ns: AtomicU64::new(0),
            turn: Mutex::new(()),
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
            let _turn = self.disk.turn.lock();
            if self.disk.full.swap(true, Ordering::Relaxed) {
                return;
            }
            self.disk.looked_ns.store(self.env.clock.monotonic_ns(), Ordering::Relaxed);
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
        self.env.workers.after(Lane::Idle, LOOK, move || {
            let Some(shared) = weak.upgrade() else { return };
            if shared.disk.is_full() && shared.progress.check().is_ok() && !shared.look_for_room() {
                shared.look_again();
            }
        });
    }

    /// Ends the mode if there is room again; whether writes may go on.
    fn look_for_room(self: &Arc<Self>) -> bool {
        {
            let _turn = self.disk.turn.lock();
            if !self.disk.is_full() || self.progress.check().is_err() {
                return true;
            }
            let now = self.env.clock.monotonic_ns();
            let looked = self.disk.looked_ns.load(Ordering::Relaxed);
            if !self.env.workers.is_manual() && now.saturating_sub(looked) < LOOK.as_nanos() as u64 / 2 {
                return false;
            }
            self.disk.looked_ns.store(now, Ordering::Relaxed);
            let free = self.env.vfs.free_space(&self.dir).unwrap_or(0);
            if free < self.disk.wanted() || self.set_ballast_aside().is_err() {
                return false;
            }
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
