//! The job that fills a table from a backup, a lot at a time, each one transaction with its rows in the indexes. Lots go by
//! key: the last item that the table has says where the next one begins, after a restart too.
//!
//! Until the last transaction says that it is complete nobody sees the table's items.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::name_of;
use crate::dynamo::Tables;
use crate::dynamo::attribute::Attributes;
use crate::dynamo::attribute::encoding::decode;
use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::item::replace;
use crate::dynamo::rows::{item_row, items_prefix, table_lock};
use crate::dynamo::schema::Schema;
use crate::store::{self, LockSet, Reads, Tier, View, after_prefix};
use crate::workers::Lane;

/// Items of one transaction, and their bytes.
const LOT_ITEMS: usize = 100;
const LOT_BYTES: usize = 1 << 20;

/// How long it rests after something went wrong.
const REST: Duration = Duration::from_secs(10);

/// The ids of the tables that somebody is filling.
#[derive(Default)]
pub struct Refilling(Mutex<HashSet<u64>>);

impl Refilling {
    /// Whether somebody is filling this table.
    pub fn is_at(&self, table: u64) -> bool {
        self.0.lock().contains(&table)
    }
}

/// Items, by key.
type Lot = Vec<(Vec<u8>, Attributes)>;

impl Tables {
    /// Sees to it that tables which are being restored become complete.
    pub fn restore_soon(self: &Arc<Self>) {
        for table in self.catalog.all().0 {
            if table.is_being_restored() && self.refilling.0.lock().insert(table.id) {
                self.restore_on(table.name.clone(), table.id);
            }
        }
    }

    fn restore_on(self: &Arc<Self>, name: String, id: u64) {
        let tables = self.clone();
        self.store.workers().submit(Lane::Idle, move || match tables.restore_lot(&name, id) {
            Ok(true) => tables.restore_on(name, id),
            Ok(false) => drop(tables.refilling.0.lock().remove(&id)),
            Err(error) => {
                tracing::warn!(table = name, "is not restored for now: {error:?}");
                tables.refilling.0.lock().remove(&id);
                let weak = Arc::downgrade(&tables);
                tables.store.workers().after(Lane::Idle, REST, move || {
                    if let Some(tables) = weak.upgrade() {
                        tables.restore_soon();
                    }
                });
            }
        });
    }

    /// Restores one lot; whether there is more to do.
    fn restore_lot(self: &Arc<Self>, name: &str, id: u64) -> Result<bool> {
        let context = Context::new(self, Tier::Disk, 0);
        let Some(table) = self.being_restored(name, id) else { return Ok(false) };
        let source = table.restored.as_ref().and_then(|from| self.backups.find(name_of(&from.backup)));
        let source = source.ok_or(store::Error::Damaged("a table that is restored from no backup"))?;
        let view = self.store.view_newest(Tier::Disk);
        let lot = lot(&view, source.id, &table)?;
        if lot.is_empty() {
            // Whoever reads the table afterwards reads what was acknowledged, and misses no item.
            self.store.db().acknowledge(view.seqno()).map_err(store::Error::from)?;
            let txn = context.change(name)?;
            let Some(table) = self.being_restored(name, id) else { return Ok(false) };
            let mut schema = (*table).clone();
            schema.restored.iter_mut().for_each(|restored| restored.is_going_on = false);
            context.commit_schema(txn, name, Some(schema))?;
            return Ok(false);
        }
        let mut locks = LockSet::new();
        locks.shared(table_lock(name));
        let mut txn = context.txn(locks)?;
        if self.being_restored(name, id).is_none() {
            return Ok(false);
        }
        for (key, item) in &lot {
            replace(&mut txn, &self.sequences, (&table, key), (None, Some(item)), false)?;
        }
        context.commit(txn)?;
        Ok(true)
    }

    /// The table, if it is still there and not complete.
    fn being_restored(&self, name: &str, id: u64) -> Option<Arc<Schema>> {
        self.catalog.find(name).filter(|table| table.id == id && table.is_being_restored())
    }
}

/// The items of a backup after the last one that the table has.
fn lot(view: &View, source: u64, table: &Schema) -> Result<Lot> {
    let done = items_prefix(table.id);
    let end = after_prefix(&done).unwrap_or_default();
    let mut scan = view.scan(Bound::Included(&done), Bound::Excluded(&end));
    scan.last()?;
    let last =
        if scan.valid() { scan.key().get(done.len()..).map(|key| item_row(source, key)) } else { None };
    let prefix = items_prefix(source);
    let end = after_prefix(&prefix).unwrap_or_default();
    let from = last.as_ref().map_or(Bound::Included(&prefix[..]), |last| Bound::Excluded(&last[..]));
    let mut scan = view.scan_once(from, Bound::Excluded(&end));
    scan.first()?;
    let (mut lot, mut bytes) = (Lot::new(), 0);
    while scan.valid() && lot.len() < LOT_ITEMS && bytes < LOT_BYTES {
        bytes += scan.value().len();
        lot.push((scan.key().get(prefix.len()..).unwrap_or_default().to_vec(), decode(scan.value())?));
        scan.next()?;
    }
    Ok(lot)
}
