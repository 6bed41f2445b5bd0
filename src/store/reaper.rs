//! When the reaper runs: as an idle job, when the earliest known deadline is due. A due key does not exist for any
//! reader in any case; the reaper gives back its space and tells those who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::Store;
use super::deadline::{Reap, Reaped};
use super::error::Result;
use crate::metrics::Counter;
use crate::workers::Lane;

/// How many index rows a job looks at before it lets other idle work go first.
const BUDGET: usize = 2000;

/// How long compaction leaves alone what is due, in milliseconds: a transaction may still be committing it.
pub const GRACE_MS: u64 = 5000;

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(100);

/// Looks every now and then whether something is due, for as long as the store lives.
pub(crate) fn tick_regularly(store: &Arc<Store>) {
    let weak = Arc::downgrade(store);
    store.workers().after(Lane::Idle, TICK, move || {
        if let Some(store) = weak.upgrade() {
            store.tick();
            tick_regularly(&store);
        }
    });
}

/// When to reap, and whom to ask.
#[derive(Default)]
pub(crate) struct Reaper {
    realms: Mutex<Vec<Arc<dyn Reap>>>,
    /// When there is something to do, in Unix milliseconds: 0 at first, to learn what is there.
    next_ms: AtomicU64,
    queued: AtomicBool,
    /// What was removed since it was due.
    expired: Counter,
}

impl Store {
    /// Adds a realm's part of the reaper.
    pub fn set_reap(&self, reap: Arc<dyn Reap>) {
        self.reaper.realms.lock().push(reap);
    }

    /// How much was removed since it was due, as the realms say ([`super::Txn::expires`]).
    pub fn expired(&self) -> &Counter {
        &self.reaper.expired
    }

    /// A deadline was committed.
    pub(super) fn due_at(&self, due_ms: u64) {
        self.reaper.next_ms.fetch_min(due_ms, Ordering::SeqCst);
    }

    /// When the next deadline is due, in Unix milliseconds; `u64::MAX` if there is none.
    pub fn next_due_ms(&self) -> u64 {
        self.reaper.next_ms.load(Ordering::SeqCst)
    }

    /// Queues the reaper if something is due. To be called every now and then; costs nothing when nothing is.
    pub fn tick(self: &Arc<Self>) {
        if self.now_ms() >= self.next_due_ms() && !self.reaper.queued.swap(true, Ordering::SeqCst) {
            let store = self.clone();
            self.workers.submit(Lane::Idle, move || {
                store.reaper.queued.store(false, Ordering::SeqCst);
                // Should it fail, the next tick tries again: `next_ms` still says that something is due.
                if store.reap().is_ok() {
                    store.tick();
                }
            });
        }
    }

    /// Reaps once, on this thread; what was removed and when it should run again.
    pub fn reap(self: &Arc<Self>) -> Result<Reaped> {
        let now_ms = self.now_ms();
        // From here on commits announce deadlines that this round may miss.
        let from_ms = self.reaper.next_ms.swap(u64::MAX, Ordering::SeqCst);
        let realms = self.reaper.realms.lock().clone();
        let mut total = Reaped { removed: 0, next_ms: None, settled_ms: now_ms };
        let mut failed = None;
        for realm in realms {
            match realm.reap(self, from_ms, BUDGET) {
                Ok(reaped) => {
                    total.removed += reaped.removed;
                    total.next_ms = total.next_ms.into_iter().chain(reaped.next_ms).min();
                    total.settled_ms = total.settled_ms.min(reaped.settled_ms);
                }
                // That does not keep the others from it.
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            self.due_at(from_ms);
            return Err(error);
        }
        if let Some(next_ms) = total.next_ms {
            self.due_at(next_ms);
        }
        let by = self.db.view().seqno();
        self.certificates.reaped_until(total.settled_ms.min(now_ms.saturating_sub(GRACE_MS)), by);
        if total.removed > 0 {
            // Nobody waits for it, but until it is on disk compaction must keep what has expired.
            self.db.on_acknowledged(by, |_| ());
        }
        Ok(total)
    }
}
