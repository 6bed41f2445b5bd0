//! Ids that are never given out twice, whatever crashes: taken from a lease that a system row records before any
//! of it is used. A crash wastes the rest of a lease. The row precedes in the log whatever uses the ids, so it needs
//! no sync of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::error::{Error, Result};
use super::realm::{put_ordered, system_row, tag, take_ordered};
use crate::engine::{Batch, Db};

const LEASE: u64 = 4096;

/// The ids to come.
pub(crate) struct Ids {
    next: AtomicU64,
    /// The first id not leased.
    leased: AtomicU64,
    renewing: Mutex<()>,
}

impl Ids {
    /// Goes on where the last lease ended.
    pub(crate) fn open(db: &Db) -> Result<Self> {
        let next = match db.get(&system_row(tag::IDS, &[]))? {
            None => 1,
            Some(value) => take_ordered(&mut &value[..]).ok_or(Error::Damaged("the lease of ids"))?,
        };
        Ok(Self { next: AtomicU64::new(next), leased: AtomicU64::new(next), renewing: Mutex::new(()) })
    }

    /// An id nobody ever had.
    pub(crate) fn next(&self, db: &Db) -> Result<u64> {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        if id < self.leased.load(Ordering::SeqCst) {
            return Ok(id);
        }
        let _renewing = self.renewing.lock();
        if id >= self.leased.load(Ordering::SeqCst) {
            let until = id + LEASE;
            let mut value = Vec::with_capacity(9);
            put_ordered(&mut value, until);
            let mut batch = Batch::new();
            batch.put(&system_row(tag::IDS, &[]), &value);
            db.commit(&batch)?;
            self.leased.store(until, Ordering::SeqCst);
        }
        Ok(id)
    }
}
