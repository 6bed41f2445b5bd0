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
            // Also on a full disk: emptying a database takes an id.
            batch.put_freeing(&system_row(tag::IDS, &[]), &value);
            db.commit(&batch)?;
            self.leased.store(until, Ordering::SeqCst);
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::engine::{Env, Options};
    use crate::vfs::memory::MemoryVfs;
    use crate::workers::Workers;

    #[test]
    fn a_lease_ends_and_begins_on_a_full_disk_too() {
        let memory = MemoryVfs::new();
        let mut env = Env::with_vfs(Arc::new(memory.clone()));
        env.workers = Workers::manual();
        let workers = env.workers.clone();
        let options = Options { memory: 8 << 20, memtable: Some(1), ..Options::default() };
        let db = Db::open_with(env, Path::new("/db"), options).unwrap();
        memory.set_quota(Some(memory.used()));
        let mut batch = Batch::new();
        batch.put(b"key", &[7; 1000]);
        while db.write(&batch).is_ok() {}
        assert!(db.is_refusing());
        let ids = Ids::open(&db).unwrap();
        let given: Vec<u64> = (0..=LEASE).map(|_| ids.next(&db).unwrap()).collect();
        assert!(given.is_sorted_by(|one, other| one < other));
        drop(db);
        workers.discard();
    }
}
