//! What the store adds to a write and a read of the engine:
//! `cargo test --release --lib keyspace::tests::measure -- --ignored --nocapture`.

use std::path::Path;
use std::sync::Arc;

use super::super::*;
use crate::random::Random;
use crate::store::{Batch, Fsync, Tier};
use crate::store::{LockSet, Reads};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

const KEYS: u64 = 200_000;
const OPS: u64 = 1_000_000;

fn timed(what: &str, mut run: impl FnMut(&mut Random)) {
    let mut random = Random::seeded(4);
    let before = spent_ns();
    for _ in 0..OPS {
        run(&mut random);
    }
    println!("{what:<48} {:>6} ns", (spent_ns() - before) / OPS);
}

/// Time this thread had a processor: others may be at work on the machine.
fn spent_ns() -> u64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    schedule.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

#[test]
#[ignore = "prints figures"]
fn measure() {
    let mut env = Env::with_vfs(Arc::new(MemoryVfs::new()));
    env.workers = Workers::threads(1);
    let options = Options { memory: 1 << 30, fsync: Fsync::Never, ..Options::default() };
    let keyspace = Keyspace::open(env, Path::new("/db"), options, 16).unwrap();
    let store = keyspace.store();
    let value = [7; 100];
    let name = |random: &mut Random| format!("key:{:012}", random.below(KEYS)).into_bytes();
    timed("a name", |random| assert!(!name(random).is_empty()));
    let space = keyspace.databases().space(&store.view_newest(Tier::Disk), 0).unwrap();
    timed("engine: put one row", |random| {
        let mut batch = Batch::new();
        batch.put(&space.meta_row(&name(random)), &value);
        store.db().commit(&batch).unwrap();
    });
    timed("engine: get", |random| {
        store.db().get(&space.meta_row(&name(random))).unwrap();
    });
    timed("store: lock and drop", |random| {
        drop(store.txn(LockSet::one(lock_key(0, &name(random))), Tier::Cached).unwrap());
    });
    for what in ["SET, new and over what is there", "SET over what is there"] {
        timed(what, |random| {
            let name = name(random);
            let mut txn = store.txn(LockSet::one(lock_key(1, &name)), Tier::Cached).unwrap();
            let space = keyspace.databases().space(&txn, 1).unwrap();
            overwrite(&mut txn, space, &name, &value, None).unwrap();
            txn.commit().unwrap();
        });
    }
    timed("GET", |random| {
        let view = store.view(0, Tier::Cached);
        let space = keyspace.databases().space(&view, 1).unwrap();
        assert!(load(&view, space, &name(random)).unwrap().is_some());
    });
    timed("HSET of a small hash", |random| {
        let name = name(random);
        let mut txn = store.txn(LockSet::one(lock_key(2, &name)), Tier::Cached).unwrap();
        let space = keyspace.databases().space(&txn, 2).unwrap();
        let mut hash = Collection::load_or_new(&txn, space, &name, Type::Hash).unwrap();
        hash.put(&mut txn, COUNTED, b"field", &value, None).unwrap();
        hash.save(&mut txn).unwrap();
        txn.commit().unwrap();
    });
    assert!(store.view_newest(Tier::Disk).seqno() > 0);
}
