//! Counting the keys of a database again, where writes could not tell whether they added one.
//!
//! With every lock held for an instant the counters and a snapshot are taken: nothing is under way, so they belong
//! together. The meta rows of the snapshot are then counted, a slice at a time, and what the counters were wrong by at that
//! instant is added to them, whatever has been added since: additions commute.
//!
//! The same walk deals with a flood of deadlines. At that instant a *waiver* is committed: keys due by then are no longer
//! counted, whether their rows are there or not, so compaction may drop them unasked. The walk puts index rows back for
//! keys that are due later, buries the elements of keys that are gone, and at the end the index rows of the waived past
//! go at one stroke. If it is interrupted, these rows are still there when the store is opened, and it begins anew.

use std::ops::Bound;
use std::sync::Arc;

use super::databases::{Counter, Databases, Size, settle};
use super::meta::{Meta, Owner};
use super::reap::{REST, has_waived_rows, rearm};
use super::{Keyspace, META, OWNER, Result, Space, key};
use crate::store::{self, LockSet, Reads, Reaped, Snapshot, Store, index_row};
use crate::store::{Batch, Tier};

/// The shortest rest between two recounts, in milliseconds.
pub(super) const REST_MS: u64 = 10_000;

/// How many rows a slice looks at.
const SLICE_ROWS: usize = 5_000;

/// How long it rests after a slice, in times of what the slice took, so that clients hardly notice. A flood of deadlines
/// is not made to wait: somebody wants the space back.
const SLICE_REST: u64 = 19;

/// So long it waits, in milliseconds, for what is in memory at its moment to be flushed: a walk would order it, and all
/// that is written meanwhile, row by row. Looked after so often.
const FLUSH_WAIT_MS: u64 = 10_000;
const FLUSH_LOOK_MS: u64 = 500;

/// The recount under way, and when the next may begin.
#[derive(Default)]
pub(super) struct Recounts {
    running: Option<Recount>,
    not_before_ms: u64,
    /// Whether a waiver may have been interrupted before the store was opened, and not been finished since.
    interrupted: bool,
}

struct Recount {
    space: Space,
    snapshot: Snapshot,
    /// What the counters said at the snapshot.
    at: Size,
    counted: Size,
    /// Until when due keys had been waived before, in Unix milliseconds, and how many more are now.
    waived_before_ms: u64,
    waived: u64,
    /// The kind of rows being walked, and the last row seen.
    kind: u8,
    last: Option<Vec<u8>>,
    waived_ms: Option<u64>,
    /// Rows that expired by then compaction may drop meanwhile.
    settled_ms: u64,
    began_ms: u64,
    rests_until_ms: u64,
}

impl Keyspace {
    pub(super) fn is_recounting(&self) -> bool {
        self.recounts.lock().running.is_some()
    }

    /// Works on the recount under way, or begins one if it is time. `first` when the store has just been opened.
    pub(super) fn recount(&self, store: &Arc<Store>, first: bool) -> Result<Reaped> {
        self.recounts.lock().interrupted |= first;
        self.resume_recount(store)?;
        let now_ms = store.now_ms();
        if !self.is_recounting() {
            let unsettled = |space: &Space| Databases::size(store, *space).unsettled > 0;
            let Some(space) = self.databases.spaces().into_iter().find(unsettled) else {
                return Ok(Reaped { removed: 0, next_ms: None, settled_ms: u64::MAX });
            };
            let not_before_ms = self.recounts.lock().not_before_ms;
            if now_ms < not_before_ms {
                return Ok(Reaped { removed: 0, next_ms: Some(not_before_ms), settled_ms: u64::MAX });
            }
            self.start_recount(store, space, None)?;
        }
        let mut recounts = self.recounts.lock();
        let Some(mut recount) = recounts.running.take() else {
            return Ok(Reaped { removed: 0, next_ms: Some(now_ms), settled_ms: u64::MAX });
        };
        if now_ms >= recount.rests_until_ms && recount.waits_for_flush(now_ms) {
            recount.rests_until_ms = now_ms + FLUSH_LOOK_MS;
        }
        if now_ms < recount.rests_until_ms {
            let Recount { settled_ms, rests_until_ms, .. } = recount;
            recounts.running = Some(recount);
            return Ok(Reaped { removed: 0, next_ms: Some(rests_until_ms), settled_ms });
        }
        let done = recount.slice(self, store).inspect_err(|_| recounts.interrupted = true)?;
        if done {
            let took_ms = now_ms.saturating_sub(recount.began_ms);
            recounts.not_before_ms = now_ms + REST_MS.max(took_ms * REST);
            return Ok(Reaped { removed: 0, next_ms: Some(now_ms), settled_ms: u64::MAX });
        }
        let took_ms = store.now_ms().saturating_sub(now_ms);
        if recount.waived_ms.is_none() {
            recount.rests_until_ms = now_ms + took_ms * SLICE_REST;
        }
        let next_ms = Some(recount.rests_until_ms.max(now_ms));
        let settled_ms = recount.settled_ms;
        recounts.running = Some(recount);
        Ok(Reaped { removed: 0, next_ms, settled_ms })
    }

    /// Begins a waiver's recount anew that was interrupted, unless another one is under way: then it has its turn after it.
    fn resume_recount(&self, store: &Arc<Store>) -> Result<()> {
        if self.is_recounting() || !self.recounts.lock().interrupted {
            return Ok(());
        }
        let view = store.view_newest(Tier::Disk);
        for space in self.databases.spaces() {
            if has_waived_rows(&view, space)? {
                return self.start_recount(store, space, Some(space.waived_ms));
            }
        }
        self.recounts.lock().interrupted = false;
        Ok(())
    }

    /// Takes counters and snapshot together, and waives what is due by `waived_ms`, if given.
    pub(super) fn start_recount(
        &self,
        store: &Arc<Store>,
        space: Space,
        waived_ms: Option<u64>,
    ) -> Result<()> {
        if self.is_recounting() {
            return Ok(());
        }
        let mut txn = store.txn(LockSet::all(), Tier::Disk)?;
        let space = self.databases.space(&txn, space.database)?;
        let mut at = Databases::size(store, space);
        let snapshot = store.snapshot();
        if let Some(waived_ms) = waived_ms {
            self.databases.waive(&mut txn, space.id, waived_ms);
            // Until this is over nobody knows the count.
            txn.count(Counter::Unsettled.of(space.id), 1);
            at.unsettled += 1;
        }
        txn.commit()?;
        self.recounts.lock().running = Some(Recount {
            space: Space { waived_ms: waived_ms.unwrap_or(space.waived_ms), ..space },
            snapshot,
            at,
            counted: Size::default(),
            waived_before_ms: space.waived_ms,
            waived: 0,
            kind: META,
            last: None,
            waived_ms,
            settled_ms: waived_ms.unwrap_or_else(|| store.settled_ms()),
            began_ms: store.now_ms(),
            rests_until_ms: 0,
        });
        Ok(())
    }
}

impl Recount {
    /// Whether it had better begin later. A flood of deadlines is not made to wait.
    fn waits_for_flush(&self, now_ms: u64) -> bool {
        let early = now_ms < self.began_ms + FLUSH_WAIT_MS;
        early && self.last.is_none() && self.waived_ms.is_none() && !self.snapshot.is_in_order()
    }

    /// Walks on; whether it has come to the end.
    fn slice(&mut self, keyspace: &Keyspace, store: &Arc<Store>) -> Result<bool> {
        let (start, mut end) = (self.start(), self.start());
        if let Some(kind) = end.last_mut() {
            *kind += 1;
        }
        let view = self.snapshot.view();
        let from = self.last.as_deref().map_or(Bound::Included(&start[..]), Bound::Excluded);
        let mut scan = view.scan_once(from, Bound::Excluded(&end));
        let mut names = Vec::new();
        let mut left = SLICE_ROWS;
        scan.first()?;
        while scan.valid() && left > 0 {
            let name = scan.key().get(start.len()..).unwrap_or_default();
            if self.kind == OWNER || self.tally(&Meta::decode(&scan.value_bytes())?) {
                names.push(name.to_vec());
            }
            left -= 1;
            if left == 0 {
                self.last = Some(scan.key().to_vec());
            }
            scan.next()?;
        }
        if let Some(waived_ms) = self.waived_ms {
            if self.kind == OWNER {
                self.bury(keyspace, store, &names)?;
            } else {
                rearm(keyspace, store, self.space, &names, waived_ms)?;
            }
        }
        if left == 0 {
            return Ok(false);
        }
        if self.kind == META && self.waived_ms.is_some() {
            (self.kind, self.last) = (OWNER, None);
            return Ok(false);
        }
        // What was flushed meanwhile needs no counting.
        if keyspace.databases.spaces().iter().any(|space| space.id == self.space.id) {
            self.finish(store)?;
        }
        Ok(true)
    }

    fn start(&self) -> Vec<u8> {
        let mut start = self.space.prefix();
        start.push(self.kind);
        start
    }

    /// Counts a key; whether its index row must be put back.
    fn tally(&mut self, meta: &Meta) -> bool {
        if !key::is_counted(self.space, meta) {
            let before = Space { waived_ms: self.waived_before_ms, ..self.space };
            self.waived += u64::from(key::is_counted(before, meta));
            return false;
        }
        self.counted.keys += 1;
        self.counted.expiring += u64::from(meta.deadline_ms.is_some());
        self.waived_ms.is_some_and(|waived| meta.index_ms().is_some_and(|index_ms| index_ms <= waived))
    }

    /// Buries the elements of keys that are gone, or waived.
    fn bury(&self, keyspace: &Keyspace, store: &Arc<Store>, names: &[Vec<u8>]) -> Result<()> {
        for name in names {
            let Some((mut txn, space)) = keyspace.lock_in(store, self.space.id, [name])? else {
                return Ok(());
            };
            let meta = key::stored(&txn, &space.meta_row(name))?;
            if meta.as_ref().is_some_and(|meta| key::is_counted(space, meta)) {
                continue;
            }
            let row = space.owner_row(name);
            let Some(value) = txn.get(&row)? else { continue };
            if let Some(meta) = meta {
                key::unlink(&mut txn, space, name, &meta);
            }
            key::bury(&mut txn, space, Owner::decode(&value)?);
            txn.delete(row);
            txn.commit()?;
        }
        Ok(())
    }

    /// Sets the counters right, and removes the index rows of the waived past.
    fn finish(&self, store: &Arc<Store>) -> Result<()> {
        let mut batch = Batch::new();
        settle(&mut batch, self.space.id, self.counted, self.at);
        if let Some(waived_ms) = self.waived_ms {
            let prefix = self.space.prefix();
            batch.delete_range(&index_row(&prefix, 0, &[]), &index_row(&prefix, waived_ms + 1, &[]));
        }
        store.db().commit(&batch).map_err(store::Error::from)?;
        store.expired().add(self.waived);
        Ok(())
    }
}
