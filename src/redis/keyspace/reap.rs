//! Redis's part of the reaper: removes the keys, and the elements, that are due.
//!
//! An index row only says that its key may be due. The key's own row decides: if it is due, the key goes; if elements of
//! it are, they go; if it is due later and nobody has armed it since, the index row moves there; else it just goes.
//!
//! When so much has fallen due at once that reading each key would take too long, the keyspace is waived and recounted
//! instead (`recount`), and compaction drops what is due.

use std::ops::Bound;
use std::sync::{Arc, Weak};

use super::collection::Collection;
use super::{Databases, Error, Keyspace, Result, Space, key, lock_key};
use crate::redis::events::Events;
use crate::store::Tier;
use crate::store::{
    self, DEADLINE_KIND, GRACE_MS, LockSet, Reads, Reap, Reaped, Store, Txn, View, index_row, parse_index_row,
};

/// How many keys one transaction removes.
const BATCH_KEYS: usize = 64;

/// How many elements of one key a transaction removes.
const BATCH_ELEMENTS: usize = 1000;

/// From so many due keys on, and if they are a sixteenth of all, the keyspace is waived.
const WAIVE_KEYS_MIN: usize = 20_000;

struct Reaper(Weak<Keyspace>);

/// Has the store's reaper look after this keyspace.
pub(super) fn attach(keyspace: &Arc<Keyspace>) {
    keyspace.store.set_reap(Arc::new(Reaper(Arc::downgrade(keyspace))));
}

impl Reap for Reaper {
    fn reap(&self, store: &Arc<Store>, from_ms: u64, budget: usize) -> store::Result<Reaped> {
        let Some(keyspace) = self.0.upgrade() else {
            return Ok(Reaped { removed: 0, next_ms: None, settled_ms: 0 });
        };
        keyspace.reap(store, from_ms, budget).map_err(|error| match error {
            Error::Store(error) => error,
            Error::WrongType => store::Error::Damaged("a key's type"),
        })
    }
}

/// A due index row.
struct Due {
    due_ms: u64,
    name: Vec<u8>,
}

impl Keyspace {
    fn reap(&self, store: &Arc<Store>, from_ms: u64, budget: usize) -> Result<Reaped> {
        if self.is_suspended(store.now_ms()) {
            // As if it had failed: the next tick asks again.
            return Err(store::Error::WouldWait(None).into());
        }
        let mut total = Reaped { removed: 0, next_ms: None, settled_ms: u64::MAX };
        for space in self.databases.spaces() {
            let reaped = self.reap_space(store, space, from_ms, budget)?;
            total.removed += reaped.removed;
            total.next_ms = total.next_ms.into_iter().chain(reaped.next_ms).min();
            total.settled_ms = total.settled_ms.min(reaped.settled_ms);
        }
        let recount = self.recount(store, from_ms == 0)?;
        total.next_ms = total.next_ms.into_iter().chain(recount.next_ms).min();
        total.settled_ms = total.settled_ms.min(recount.settled_ms);
        Ok(total)
    }

    fn reap_space(&self, store: &Arc<Store>, space: Space, from_ms: u64, budget: usize) -> Result<Reaped> {
        let now_ms = store.now_ms();
        let mut from_ms = from_ms.max(space.waived_ms + u64::from(space.waived_ms > 0));
        let (mut removed, mut seen) = (0, 0);
        loop {
            let view = store.view_newest(Tier::Disk);
            let (due, next_ms) = due_rows(&view, space, from_ms, now_ms, BATCH_KEYS)?;
            if due.is_empty() {
                let settled_ms = next_ms.map_or(now_ms, |next| now_ms.min(next.saturating_sub(1)));
                return Ok(Reaped { removed, next_ms, settled_ms });
            }
            if seen >= budget {
                let first_ms = due.first().map_or(now_ms, |due| due.due_ms);
                if first_ms + GRACE_MS < now_ms && self.is_flood(store, &view, space, first_ms)? {
                    self.start_recount(store, space, Some(now_ms - GRACE_MS))?;
                    return Ok(Reaped {
                        removed,
                        next_ms: Some(now_ms),
                        settled_ms: first_ms.saturating_sub(1),
                    });
                }
                return Ok(Reaped {
                    removed,
                    next_ms: Some(first_ms),
                    settled_ms: first_ms.saturating_sub(1),
                });
            }
            seen += due.len();
            from_ms = due.last().map_or(from_ms, |due| due.due_ms);
            removed += self.reap_batch(store, &view, space, &due)?;
        }
    }

    /// Removes some keys, or moves their index rows.
    fn reap_batch(&self, store: &Arc<Store>, view: &View, space: Space, due: &[Due]) -> Result<u64> {
        // Once without locks, so that the locks need not be held across a read of the disk.
        let rows: Vec<Vec<u8>> = due.iter().map(|due| space.meta_row(&due.name)).collect();
        view.multi_get(&rows.iter().map(|row| &row[..]).collect::<Vec<_>>())?;
        let names = due.iter().map(|due| &due.name);
        let Some((mut txn, now)) = self.lock_in(store, space.id, names)? else { return Ok(0) };
        txn.frees();
        let (prefix, now_ms) = (space.prefix(), txn.now_ms());
        let mut removed = 0;
        for (Due { due_ms, name }, row) in due.iter().zip(&rows) {
            txn.disarm(&prefix, *due_ms, name);
            let Some(meta) = key::stored(&txn, row)? else { continue };
            if meta.is_due(now_ms) {
                key::note(&mut txn, now, Events::EXPIRED, "expired", name);
                key::remove(&mut txn, now, name, &meta);
                if key::is_counted(now, &meta) {
                    txn.expires();
                }
                removed += 1;
            } else if meta.elements_due_ms.is_some_and(|due| due <= now_ms) {
                let mut collection = Collection::from_meta(now, name, meta)?;
                let reaped = collection.reap(&mut txn, BATCH_ELEMENTS)?;
                if reaped > 0 {
                    key::note(&mut txn, now, Events::HASH, "hexpired", name);
                }
                removed += reaped;
                collection.save(&mut txn)?;
            } else if meta.index_ms().is_some_and(|index_ms| index_ms <= now_ms)
                && let Some(due_ms) = meta.due_ms()
            {
                txn.arm(&prefix, due_ms, name);
            }
        }
        txn.commit_and_tell(|committed| {
            if let Some(listener) = self.reaped.get() {
                listener(committed);
            }
        })?;
        Ok(removed)
    }

    /// Locks keys of a keyspace, whichever database it is now; `None` if it has been flushed.
    pub(super) fn lock_in<'a>(
        &self,
        store: &Arc<Store>,
        id: u64,
        names: impl IntoIterator<Item = &'a Vec<u8>> + Clone,
    ) -> Result<Option<(Txn, Space)>> {
        while let Some(space) = self.databases.spaces().into_iter().find(|space| space.id == id) {
            let mut locks = LockSet::new();
            for name in names.clone() {
                locks.exclusive(lock_key(space.database, name));
            }
            let txn = store.txn(locks, Tier::Disk)?;
            let now = self.databases.space(&txn, space.database)?;
            if now.id == id {
                return Ok(Some((txn, now)));
            }
        }
        Ok(None)
    }

    /// Whether so many keys are due that it is better not to look at each.
    fn is_flood(&self, store: &Arc<Store>, view: &View, space: Space, from_ms: u64) -> Result<bool> {
        let keys = Databases::size(store, space).keys as usize;
        let enough = (keys / 16).max(WAIVE_KEYS_MIN);
        // Where each death is to be told, each key must be looked at.
        let told = store.is_noted(Events::EXPIRED.bits()) || store.is_named();
        if self.is_recounting() || keys < enough || told {
            return Ok(false);
        }
        let (due, _) = due_rows(view, space, from_ms, view.now_ms(), enough)?;
        Ok(due.len() >= enough)
    }
}

/// The index rows due by `now_ms`, earliest first, at most `max`; and when the first is due that is not among them.
fn due_rows(
    view: &View,
    space: Space,
    from_ms: u64,
    now_ms: u64,
    max: usize,
) -> Result<(Vec<Due>, Option<u64>)> {
    let prefix = space.prefix();
    let from = index_row(&prefix, from_ms, &[]);
    let mut to = prefix.clone();
    to.push(DEADLINE_KIND + 1);
    let mut scan = view.scan(Bound::Included(&from), Bound::Excluded(&to));
    let mut found = Vec::new();
    scan.first()?;
    while scan.valid() {
        let (due_ms, name) =
            parse_index_row(&prefix, scan.key()).ok_or(store::Error::Damaged("a deadline"))?;
        if due_ms > now_ms || found.len() >= max {
            return Ok((found, Some(due_ms)));
        }
        found.push(Due { due_ms, name: name.to_vec() });
        scan.next()?;
    }
    Ok((found, None))
}

/// Whether index rows lie in the waived past of a keyspace: a recount that did not come to its end.
pub(super) fn has_waived_rows(view: &View, space: Space) -> Result<bool> {
    if space.waived_ms == 0 {
        return Ok(false);
    }
    Ok(!due_rows(view, space, 0, space.waived_ms, 1)?.0.is_empty())
}

/// Puts index rows back for keys that are not due but whose index row is about to go; see `recount`.
pub(super) fn rearm(
    keyspace: &Keyspace,
    store: &Arc<Store>,
    space: Space,
    names: &[Vec<u8>],
    waived_ms: u64,
) -> Result<()> {
    for names in names.chunks(BATCH_KEYS) {
        let Some((mut txn, space)) = keyspace.lock_in(store, space.id, names)? else { return Ok(()) };
        for name in names {
            let Some(meta) = key::stored(&txn, &space.meta_row(name))? else { continue };
            if meta.index_ms().is_some_and(|index_ms| index_ms <= waived_ms)
                && let Some(due_ms) = meta.due_ms()
            {
                txn.arm(&space.prefix(), due_ms.max(waived_ms + 1), name);
            }
        }
        txn.commit()?;
    }
    Ok(())
}

/// How long a keyspace rests between two recounts, as a multiple of how long one took.
pub(super) const REST: u64 = 20;
