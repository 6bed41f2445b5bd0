//! A keyspace in a world held by hand.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use super::super::{Keyspace, META, Meta, Size, Space, key};
use crate::clock::{Clock, ManualClock};
use crate::store::{Env, Options, Tier};
use crate::store::{LockSet, Reads, Txn, after_prefix};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

pub(super) struct World {
    pub(super) keyspace: Arc<Keyspace>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) vfs: MemoryVfs,
    workers: Arc<Workers>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::on(MemoryVfs::new(), Arc::new(ManualClock::default()), Workers::manual())
    }

    pub(super) fn on(vfs: MemoryVfs, clock: Arc<ManualClock>, workers: Arc<Workers>) -> Self {
        let mut env = Env::with_vfs(Arc::new(vfs.clone()));
        env.clock = clock.clone();
        env.workers = workers.clone();
        let options = Options { memory: 16 << 20, ..Options::default() };
        let keyspace = Keyspace::open(env, Path::new("/db"), options, 4).unwrap();
        Self { keyspace, clock, vfs, workers }
    }

    /// Loses power once everything so far is durable, and opens what is left.
    pub(super) fn crash(&mut self, seed: u64) {
        self.keyspace.store().db().sync().unwrap();
        let vfs = self.vfs.crash_clone(seed);
        *self = Self::on(vfs, self.clock.clone(), Workers::manual());
    }

    /// Writes everything to tables and merges them, so that what is dead goes.
    pub(super) fn compact(&self) {
        let db = self.keyspace.store().db();
        db.flush().unwrap();
        db.compact_range(None, None).unwrap();
        self.workers.run_all();
    }

    /// How many rows there are with a prefix.
    pub(super) fn count(&self, prefix: &[u8]) -> usize {
        let view = self.keyspace.store().view_newest(Tier::Disk);
        let end = after_prefix(prefix).unwrap();
        let mut scan = view.scan(Bound::Included(prefix), Bound::Excluded(&end));
        let mut rows = 0;
        scan.first().unwrap();
        while scan.valid() {
            rows += 1;
            scan.next().unwrap();
        }
        rows
    }

    pub(super) fn txn(&self) -> Txn {
        self.keyspace.store().txn(LockSet::all(), Tier::Disk).unwrap()
    }

    pub(super) fn space(&self, reads: &dyn Reads, database: u16) -> Space {
        self.keyspace.databases().space(reads, database).unwrap()
    }

    pub(super) fn write<T>(&self, database: u16, change: impl FnOnce(&mut Txn, Space) -> T) -> T {
        let mut txn = self.txn();
        let space = self.space(&txn, database);
        let told = change(&mut txn, space);
        txn.commit().unwrap();
        told
    }

    pub(super) fn read<T>(&self, database: u16, look: impl FnOnce(&dyn Reads, Space) -> T) -> T {
        let view = self.keyspace.store().view_newest(Tier::Disk);
        let space = self.space(&view, database);
        look(&view, space)
    }

    /// Runs the reaper until it has nothing to do now.
    pub(super) fn reap(&self) {
        for _ in 0..1000 {
            let reaped = self.keyspace.store().reap().unwrap();
            if reaped.next_ms.is_none_or(|next| next > self.clock.now_ms()) {
                return;
            }
        }
        panic!("the reaper does not come to an end");
    }

    pub(super) fn size(&self, database: u16) -> Size {
        let space = self.read(database, |_, space| space);
        crate::redis::keyspace::Databases::size(self.keyspace.store(), space)
    }

    /// How many rows there are of a kind, in a database.
    pub(super) fn rows(&self, database: u16, kind: u8) -> usize {
        self.read(database, |reads, space| {
            let (from, to) = (space.row(kind, b""), space.row(kind + 1, b""));
            let mut scan = reads.scan(Bound::Included(&from), Bound::Excluded(&to));
            let mut rows = 0;
            scan.first().unwrap();
            while scan.valid() {
                // What has been waived may still be there: only compaction takes it away.
                let waived =
                    kind == META && !key::is_counted(space, &Meta::decode(&scan.value_bytes()).unwrap());
                rows += usize::from(!waived);
                scan.next().unwrap();
            }
            rows
        })
    }
}
