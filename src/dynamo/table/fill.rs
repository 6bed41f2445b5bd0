//! What is learnt of items that were there before: a new index's rows, deadlines after time to live was switched on. A job
//! that goes through the table a few items at a time, each lot one transaction, while everybody goes on.
//!
//! Whoever changes an item meanwhile keeps its index rows right as ever, but asks of each whether it is there already
//! (`item::replace_in_index`). After a restart the job begins anew: what it did before, it finds done.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::dynamo::Tables;
use crate::dynamo::attribute::encoding::decode;
use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::item::{due_ms, load, replace_in_index};
use crate::dynamo::rows::{item_lock, item_row, items_prefix, space_prefix, table_lock};
use crate::dynamo::schema::Schema;
use crate::store::{LockSet, Reads, Tier, after_prefix};
use crate::workers::Lane;

/// Items of one transaction, and their bytes.
const LOT_ITEMS: usize = 100;
const LOT_BYTES: usize = 1 << 20;

/// How long nobody tries again after it went wrong.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// An item's key.
type Key = Vec<u8>;

/// Whether somebody is at it.
#[derive(Default)]
pub struct Filling(AtomicBool);

impl Tables {
    /// Sees to it that what is to be learnt is learnt soon.
    pub fn fill_soon(self: &Arc<Self>) {
        let needs =
            |table: &Arc<Schema>| table.is_arming || table.indexes.iter().any(|index| index.is_filling);
        let Some(table) = self.catalog.all().0.into_iter().find(needs) else { return };
        if self.filling.0.swap(true, Ordering::SeqCst) {
            return;
        }
        self.fill_from(table, Vec::new());
    }

    /// Goes through the rest of a table.
    fn fill_from(self: &Arc<Self>, table: Arc<Schema>, from: Vec<u8>) {
        let tables = self.clone();
        self.store.workers().submit(Lane::Idle, move || match tables.fill_lot(&table, &from) {
            Ok(Some(next)) => tables.fill_from(table, next),
            done => {
                if let Err(error) = &done {
                    tracing::warn!(table = table.name, "items are not gone through for now: {error:?}");
                }
                tables.filling.0.store(false, Ordering::SeqCst);
                if done.is_ok() {
                    tables.fill_soon();
                } else {
                    // The disk may have been full.
                    let weak = Arc::downgrade(&tables);
                    tables.store.workers().after(Lane::Idle, AGAIN_AFTER, move || {
                        if let Some(tables) = weak.upgrade() {
                            tables.fill_soon();
                        }
                    });
                }
            }
        });
    }

    /// Does one lot: the items from a key on. Where the next one begins; `None` at the end, or if the table has become
    /// another one.
    fn fill_lot(self: &Arc<Self>, table: &Arc<Schema>, from: &[u8]) -> Result<Option<Vec<u8>>> {
        let context = Context::new(self, Tier::Disk, 0);
        let (keys, next) = self.lot(table, from)?;
        let mut locks = LockSet::one(table_lock(&table.name));
        if next.is_some() {
            locks = LockSet::new();
            locks.shared(table_lock(&table.name));
        }
        for key in &keys {
            locks.exclusive(item_lock(table.id, key));
        }
        let mut txn = context.txn(locks)?;
        if !context.is_current(table) {
            return Ok(None);
        }
        let space = space_prefix(table.id);
        for key in &keys {
            let Some(item) = load(&txn, table, key)? else { continue };
            for index in table.indexes.iter().filter(|index| index.is_filling) {
                replace_in_index(&mut txn, table, index, (Some(&item), Some(&item)), None)?;
            }
            let attribute = table.ttl.as_ref().filter(|_| table.is_arming);
            if let Some(due) = attribute.and_then(|attribute| due_ms(attribute, &item, txn.now_ms())) {
                txn.arm(&space, due, key);
            }
        }
        if next.is_some() {
            context.commit(txn)?;
            return Ok(next);
        }
        let mut schema = (**table).clone();
        schema.is_arming = false;
        schema.states.values_mut().for_each(|state| state.is_filling = false);
        context.commit_schema(txn, &table.name, Some(schema))?;
        Ok(None)
    }

    /// The keys of a lot, and where the next one begins.
    fn lot(&self, table: &Schema, from: &[u8]) -> Result<(Vec<Key>, Option<Key>)> {
        let view = self.store.view_newest(Tier::Disk);
        let prefix = items_prefix(table.id);
        let (start, end) = (item_row(table.id, from), after_prefix(&prefix).unwrap_or_default());
        let mut scan = view.scan_once(Bound::Included(&start), Bound::Excluded(&end));
        scan.first()?;
        let (mut keys, mut bytes) = (Vec::new(), 0);
        while scan.valid() {
            let key = scan.key().get(prefix.len()..).unwrap_or_default().to_vec();
            if keys.len() >= LOT_ITEMS || bytes >= LOT_BYTES {
                return Ok((keys, Some(key)));
            }
            bytes += scan.value().len();
            // An item that does not read as one fails the lot here, without locks.
            decode(scan.value())?;
            keys.push(key);
            scan.next()?;
        }
        Ok((keys, None))
    }
}
