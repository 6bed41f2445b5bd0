//! What runs in the background: which tables are being worked on, what was asked for, what failed.
//!
//! The last in the lock order (writer → versions → background): nothing is locked while this is held.

use std::collections::HashSet;

use parking_lot::{Condvar, Mutex, MutexGuard};

/// The scheduling state.
#[derive(Default)]
pub(crate) struct Background {
    state: Mutex<State>,
    /// Signalled when a job ends.
    changed: Condvar,
}

/// Behind the lock.
#[derive(Default)]
pub(crate) struct State {
    /// A flush is queued or running.
    pub(crate) flushing: bool,
    /// Merges queued or running.
    pub(crate) merging: usize,
    /// Tables that a running merge reads.
    pub(crate) busy: HashSet<u64>,
    /// No more work is begun.
    pub(crate) closing: bool,
}

impl Background {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn changed(&self) -> &Condvar {
        &self.changed
    }
}
