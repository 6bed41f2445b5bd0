//! When keys that are due are left where they are: while CLIENT PAUSE lasts, and when DEBUG SET-ACTIVE-EXPIRE says so. No
//! reader sees them all the same; but they are counted, and nobody is told that they expired.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Keyspace, Result, Space, key};
use crate::store::{Reads, Txn};

/// How long after a pause whoever asks for a key that is due removes it, rather than to leave it to the reaper.
const CATCH_UP_MS: u64 = 1000;

/// Moments in Unix milliseconds.
#[derive(Default)]
pub(super) struct Suspension {
    /// The reaper rests until then.
    until_ms: AtomicU64,
    /// Whoever asks for a key that is due removes it, until then.
    lazy_until_ms: AtomicU64,
}

impl Keyspace {
    /// Leaves everything where it is until then.
    pub fn suspend_expiry(&self, until_ms: u64) {
        self.suspension.until_ms.fetch_max(until_ms, Relaxed);
    }

    /// Goes on removing what is due.
    pub fn resume_expiry(&self) {
        self.suspension.until_ms.store(0, Relaxed);
        self.suspension.lazy_until_ms.store(self.store.now_ms() + CATCH_UP_MS, Relaxed);
    }

    /// Whether keys that are due are removed by themselves, or only by who asks for them.
    pub fn set_active_expiry(&self, active: bool) {
        let until_ms = if active { 0 } else { u64::MAX };
        self.suspension.until_ms.store(until_ms, Relaxed);
        self.suspension.lazy_until_ms.store(until_ms, Relaxed);
    }

    /// Whether whoever asks for a key that is due should remove it.
    pub fn expires_lazily(&self) -> bool {
        let lazy_until_ms = self.suspension.lazy_until_ms.load(Relaxed);
        if lazy_until_ms == 0 {
            return false;
        }
        let now_ms = self.store.now_ms();
        let paused = self.is_suspended(now_ms) && lazy_until_ms != u64::MAX;
        now_ms < lazy_until_ms && !paused
    }

    /// Whether the reaper rests.
    pub(super) fn is_suspended(&self, now_ms: u64) -> bool {
        now_ms < self.suspension.until_ms.load(Relaxed)
    }
}

/// Stages the removal of a key that is due; whether it was.
pub fn remove_due(txn: &mut Txn, space: Space, name: &[u8]) -> Result<bool> {
    let Some(meta) = key::stored(txn, &space.meta_row(name))?.filter(|meta| meta.is_due(txn.now_ms())) else {
        return Ok(false);
    };
    key::remove(txn, space, name, &meta);
    if key::is_counted(space, &meta) {
        txn.expires();
    }
    Ok(true)
}
