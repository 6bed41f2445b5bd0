//! Items that have expired: removed by the service within a second or so. Until then they are there.
//!
//! A deadline's row only says that an item may be due. The item decides: its attribute, and whether the table still has
//! time to live switched on.

use std::ops::Bound;
use std::sync::{Arc, Weak};

use super::Tables;
use super::context::Context;
use super::error::{Error, Result};
use super::item::{due_ms, load, replace};
use super::rows::{item_lock, space_prefix, table_lock};
use super::schema::Schema;
use crate::store::{
    self, DEADLINE_KIND, LockSet, Reads, Reap, Reaped, Store, Tier, index_row, parse_index_row,
};

/// How many items one transaction removes.
const LOT_ITEMS: usize = 64;

/// The tables' part of the reaper.
pub struct Reaper(pub Weak<Tables>);

impl Reap for Reaper {
    fn reap(&self, store: &Arc<Store>, from_ms: u64, budget: usize) -> store::Result<Reaped> {
        let now_ms = store.now_ms();
        let mut total = Reaped { removed: 0, next_ms: None, settled_ms: now_ms };
        let Some(tables) = self.0.upgrade() else { return Ok(total) };
        let mut failed = None;
        for table in tables.catalog.all().0 {
            // Also where it is switched off: rows may be left over.
            match tables.reap(&table, from_ms, now_ms, budget) {
                Ok((removed, next_ms)) => {
                    total.removed += removed;
                    total.next_ms = total.next_ms.into_iter().chain(next_ms).min();
                }
                // Where the disk is full, a table whose stream keeps its items has to wait, and the others need not.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(total), Err)
    }
}

impl Tables {
    /// Removes what is due in a table; how much, and when there is more to do.
    pub(super) fn reap(
        self: &Arc<Self>,
        table: &Arc<Schema>,
        mut from_ms: u64,
        now_ms: u64,
        budget: usize,
    ) -> store::Result<(u64, Option<u64>)> {
        let (mut removed, mut seen) = (0, 0);
        loop {
            let (due, next_ms) = self.due(table, from_ms, now_ms)?;
            if due.is_empty() || seen >= budget {
                return Ok((removed, due.first().map(|(due_ms, _)| *due_ms).or(next_ms)));
            }
            seen += due.len();
            match self.remove_due(table, &due) {
                Ok(Some(some)) => {
                    removed += some;
                    from_ms = due.last().map_or(from_ms, |(due_ms, _)| *due_ms);
                }
                // The next round sees what has become of it.
                Ok(None) => return Ok((removed, due.first().map(|(due_ms, _)| *due_ms))),
                Err(Error::Store(error)) => return Err(error),
                Err(Error::Refused(_)) => return Err(store::Error::Damaged("an item that is due")),
            }
        }
    }

    /// Some deadlines' rows that are due: time and key. And when the next one is.
    #[expect(clippy::type_complexity, reason = "two things that are found on one way")]
    fn due(
        &self,
        table: &Schema,
        from_ms: u64,
        now_ms: u64,
    ) -> store::Result<(Vec<(u64, Vec<u8>)>, Option<u64>)> {
        let view = self.store.view_newest(Tier::Disk);
        let space = space_prefix(table.id);
        let from = index_row(&space, from_ms, b"");
        let end = [&space[..], &[DEADLINE_KIND + 1]].concat();
        let mut scan = view.scan(Bound::Included(&from), Bound::Excluded(&end));
        scan.first()?;
        let mut due = Vec::new();
        while scan.valid() {
            let damaged = store::Error::Damaged("a deadline's row");
            let (due_ms, key) = parse_index_row(&space, scan.key()).ok_or(damaged)?;
            if due_ms > now_ms || due.len() >= LOT_ITEMS {
                return Ok((due, Some(due_ms)));
            }
            due.push((due_ms, key.to_vec()));
            scan.next()?;
        }
        Ok((due, None))
    }

    /// Removes what is due of these; how much. `None` if the table has become another one.
    fn remove_due(self: &Arc<Self>, table: &Arc<Schema>, due: &[(u64, Vec<u8>)]) -> Result<Option<u64>> {
        let context = Context::new(self, Tier::Disk, 0);
        let mut locks = LockSet::new();
        locks.shared(table_lock(&table.name));
        for (_, key) in due {
            locks.exclusive(item_lock(table.id, key));
        }
        let mut txn = context.txn(locks)?;
        if !context.is_current(table) {
            return Ok(None);
        }
        if !table.keeps_old_items() {
            txn.frees();
        }
        let (space, now_ms, mut removed) = (space_prefix(table.id), txn.now_ms(), 0);
        for (row_ms, key) in due {
            let item = load(&txn, table, key)?;
            let item_ms = item.as_ref().and_then(|item| due_ms(table.ttl.as_ref()?, item, now_ms));
            if item_ms.is_some_and(|ms| ms <= now_ms) {
                replace(&mut txn, &self.sequences, (table, key), (item.as_ref(), None), true)?;
                removed += 1;
            }
            txn.disarm(&space, *row_ms, key);
        }
        context.commit(txn)?;
        self.expired.add(removed);
        Ok(Some(removed))
    }
}
