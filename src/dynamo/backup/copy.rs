//! The job that copies the items of a backup's moment, a lot at a time, while everybody goes on. Nobody else writes to the
//! backup's space, and nobody reads it before the last lot, whose transaction says that the backup is complete.

use std::ops::Bound;
use std::sync::Arc;

use super::Backup;
use crate::dynamo::Tables;
use crate::dynamo::attribute::encoding::size_of;
use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::rows::{backup_lock, item_row, items_prefix};
use crate::store::{LockSet, Snapshot, Tier, after_prefix};
use crate::workers::Lane;

/// Items of one transaction, and their bytes.
const LOT_ITEMS: usize = 1000;
const LOT_BYTES: usize = 1 << 20;

/// How far a copy has come.
pub struct Copying {
    backup: Backup,
    moment: Snapshot,
    /// The key that the next lot begins with.
    from: Vec<u8>,
    items: u64,
    bytes: u64,
}

impl Copying {
    /// The copy of what a backup's table held at a moment.
    pub fn new(backup: Backup, moment: Snapshot) -> Self {
        Self { backup, moment, from: Vec::new(), items: 0, bytes: 0 }
    }
}

impl Tables {
    /// Goes on with a copy.
    pub(super) fn copy_soon(self: &Arc<Self>, mut copying: Copying) {
        let tables = self.clone();
        self.store.workers().submit(Lane::Idle, move || match tables.copy_lot(&mut copying) {
            Ok(true) => tables.copy_soon(copying),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(backup = copying.backup.arn(), "could not be completed: {error:?}");
                if let Err(error) = tables.give_up(&copying.backup) {
                    tracing::warn!(backup = copying.backup.arn(), "stays as it is until restart: {error:?}");
                }
            }
        });
    }

    /// Copies one lot; whether there is more to do.
    fn copy_lot(self: &Arc<Self>, copying: &mut Copying) -> Result<bool> {
        let context = Context::new(self, Tier::Disk, 0);
        let backup = &copying.backup;
        let mut txn = context.txn(LockSet::one(backup_lock(&backup.name())))?;
        let view = copying.moment.view();
        let prefix = items_prefix(backup.table.id);
        let (start, end) =
            (item_row(backup.table.id, &copying.from), after_prefix(&prefix).unwrap_or_default());
        let mut scan = view.scan_once(Bound::Included(&start), Bound::Excluded(&end));
        scan.first()?;
        let (mut items, mut lot_bytes) = (0, 0);
        while scan.valid() {
            let key = scan.key().get(prefix.len()..).unwrap_or_default();
            if items >= LOT_ITEMS || lot_bytes >= LOT_BYTES {
                copying.from = key.to_vec();
                context.commit(txn)?;
                return Ok(true);
            }
            items += 1;
            lot_bytes += scan.value().len();
            copying.items += 1;
            copying.bytes += size_of(scan.value())? as u64;
            txn.put(item_row(backup.id, key), scan.value_bytes());
            scan.next()?;
        }
        let complete =
            Backup { is_complete: true, items: copying.items, bytes: copying.bytes, ..backup.clone() };
        context.stage_backup(&mut txn, &complete, true)?;
        context.commit(txn)?;
        Ok(false)
    }

    fn give_up(self: &Arc<Self>, backup: &Backup) -> Result<()> {
        let context = Context::new(self, Tier::Disk, 0);
        let mut txn = context.txn(LockSet::one(backup_lock(&backup.name())))?;
        context.stage_backup(&mut txn, backup, false)?;
        context.commit(txn)
    }
}
