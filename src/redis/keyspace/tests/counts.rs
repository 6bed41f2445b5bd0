//! Counting: keys, and what threads count together.

use std::sync::Arc;

use super::super::*;
use super::world::World;
use crate::clock::ManualClock;
use crate::store::Tier;
use crate::store::{LockSet, Reads, Store, Txn};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

fn name(n: u32) -> Vec<u8> {
    format!("key-{n:06}").into_bytes()
}

#[test]
fn what_cannot_be_told_from_memory_is_settled_by_a_recount() {
    let mut world = World::new();
    for chunk in 0..20_u32 {
        world.write(0, |txn, space| {
            for n in 0..100 {
                overwrite(txn, space, &name(chunk * 100 + n), &[n as u8; 500], None).unwrap();
            }
        });
    }
    assert_eq!(world.size(0), Size { keys: 2000, ..Size::default() });
    world.compact();
    world.crash(3);
    // Filters come into memory with the first read of the disk.
    world.read(0, |reads, space| load(reads, space, &name(7)).unwrap().unwrap());
    world.vfs.drop_page_cache();
    for n in (0..4000).step_by(2) {
        let store = world.keyspace.store();
        let mut txn = store.txn(LockSet::one(lock_key(0, &name(n))), Tier::Cached).unwrap();
        let space = world.space(&txn, 0);
        match overwrite(&mut txn, space, &name(n), b"new", None) {
            Ok(()) => drop(txn.commit().unwrap()),
            Err(error) => panic!("{n}: {error}"),
        }
    }
    let size = world.size(0);
    assert!(size.unsettled > 0, "{size:?}");
    assert!(size.keys >= 3000, "{size:?}");
    world.clock.advance_ms(60_000);
    world.reap();
    assert_eq!(world.size(0), Size { keys: 3000, ..Size::default() });
}

#[test]
fn a_recount_waits_for_a_flush_but_not_for_ever() {
    let world = World::new();
    let recounting = |flushed: bool| {
        world.write(0, |txn, space| {
            for n in 0..5000 {
                overwrite(txn, space, &name(n), b"", None).unwrap();
            }
        });
        let space = world.read(0, |_, space| space);
        world.keyspace.start_recount(world.keyspace.store(), space, None).unwrap();
        world.reap();
        assert!(world.keyspace.is_recounting());
        if flushed {
            world.compact();
            world.clock.advance_ms(1000);
        } else {
            world.clock.advance_ms(9000);
            world.reap();
            assert!(world.keyspace.is_recounting());
            world.clock.advance_ms(2000);
        }
        world.reap();
        world.keyspace.is_recounting()
    };
    assert!(!recounting(true));
    assert!(!recounting(false));
}

#[test]
fn what_goes_since_it_was_due_is_counted_once_and_nothing_else_is() {
    let world = World::new();
    let due = crate::clock::Clock::now_ms(&*world.clock) + 1000;
    world.write(0, |txn, space| {
        for n in 0..10 {
            overwrite(txn, space, &name(n), b"", Some(due)).unwrap();
        }
        overwrite(txn, space, b"stays", b"", None).unwrap();
    });
    world.write(0, |txn, space| {
        assert!(delete(txn, space, &name(0)).unwrap());
        overwrite(txn, space, &name(1), b"before it is due", Some(due)).unwrap();
    });
    let expired = || world.keyspace.store().expired().get();
    world.reap();
    assert_eq!(expired(), 0);
    world.clock.advance_ms(2000);
    world.write(0, |txn, space| overwrite(txn, space, &name(2), b"over a due key", None).unwrap());
    assert_eq!(expired(), 1);
    world.reap();
    world.reap();
    assert_eq!(expired(), 9);
    assert_eq!(world.size(0).keys, 2);
}

#[test]
fn whoever_removes_an_element_that_is_due_removes_nothing() {
    let world = World::new();
    let due = crate::clock::Clock::now_ms(&*world.clock) + 1000;
    world.write(0, |txn, space| {
        let mut hash = Collection::new(space, b"hash", Type::Hash);
        for n in 0..20 {
            hash.put(txn, COUNTED, &name(n), &[0; 100], (n == 7).then_some(due)).unwrap();
        }
        hash.save(txn).unwrap();
    });
    world.clock.advance_ms(2000);
    world.write(0, |txn, space| {
        let mut hash = Collection::load(txn, space, b"hash", Type::Hash).unwrap().unwrap();
        // As HDEL does it: what it did not find it does not save.
        assert_eq!(hash.remove(txn, COUNTED, &name(7)).unwrap(), None);
    });
    let len = || {
        let load =
            |reads: &dyn Reads, space| Collection::load(reads, space, b"hash", Type::Hash).unwrap().unwrap();
        world.read(0, |reads, space| load(reads, space).len(reads).unwrap())
    };
    assert_eq!(len(), 19);
    world.reap();
    assert_eq!(len(), 19);
}

#[test]
fn a_waiver_that_was_interrupted_is_finished_whatever_else_is_counted_first() {
    let mut world = World::new();
    let due = crate::clock::Clock::now_ms(&*world.clock) + 1;
    world.write(2, |txn, space| {
        overwrite(txn, space, b"key", b"", Some(due)).unwrap();
        let mut hash = Collection::new(space, b"hash", Type::Hash);
        hash.put(txn, COUNTED, b"field", b"", Some(due)).unwrap();
        hash.save(txn).unwrap();
    });
    world.clock.advance_ms(1000);
    let recount = |world: &World, database: u16, waived_ms: Option<u64>| {
        let space = world.read(database, |_, space| space);
        world.keyspace.start_recount(world.keyspace.store(), space, waived_ms).unwrap();
    };
    recount(&world, 2, Some(due));
    world.crash(0);
    recount(&world, 0, None);
    world.reap();
    world.clock.advance_ms(30_000);
    world.reap();
    assert_eq!(world.size(2), Size::default());
    assert_eq!((world.rows(2, META), world.rows(2, store::DEADLINE_KIND)), (0, 0));
}

#[test]
fn a_flood_of_deadlines_is_waived() {
    let mut world = World::new();
    let due = crate::clock::Clock::now_ms(&*world.clock) + 1000;
    for chunk in 0..300_u32 {
        world.write(0, |txn, space| {
            for n in 0..100 {
                overwrite(txn, space, &name(chunk * 100 + n), &[n as u8; 20], Some(due)).unwrap();
            }
        });
    }
    world.write(0, |txn, space| {
        overwrite(txn, space, b"stays", b"", None).unwrap();
        overwrite(txn, space, b"moved", b"", Some(due)).unwrap();
        let meta = load(txn, space, b"moved").unwrap().unwrap();
        expire(txn, space, b"moved", &meta, Some(due + 60_000)).unwrap();
        let mut hash = Collection::new(space, b"hash", Type::Hash);
        for n in 0..100_u32 {
            hash.put(txn, COUNTED, &n.to_be_bytes(), &[0; 20], None).unwrap();
        }
        hash.save(txn).unwrap();
        let meta = load(txn, space, b"hash").unwrap().unwrap();
        expire(txn, space, b"hash", &meta, Some(due)).unwrap();
    });
    world.clock.advance_ms(30_000);
    world.reap();
    let size = Size { keys: 2, expiring: 1, unsettled: 0 };
    assert_eq!(world.size(0), size);
    let space = world.read(0, |_, space| space);
    assert!(space.waived_ms > due, "so many at once are waived");
    assert_eq!(world.rows(0, store::DEADLINE_KIND), 1);
    assert_eq!(world.keyspace.store().expired().get(), 30_001);
    world.compact();
    world.compact();
    assert_eq!(world.count(&[REDIS]), 3, "two keys and a deadline");
    // Over a key that was waived, one is counted anew.
    world.write(0, |txn, space| overwrite(txn, space, &name(5), b"", None).unwrap());
    assert_eq!(world.size(0).keys, 3);
    world.crash(5);
    world.clock.advance_ms(40_000);
    world.reap();
    assert_eq!(world.size(0).keys, 2);
}

fn increment(store: &Arc<Store>, keyspace: &Keyspace, name: &[u8], tier: Tier) -> store::Result<u64> {
    let mut txn: Txn = store.txn(LockSet::one(lock_key(0, name)), tier)?;
    let space = keyspace.databases().space(&txn, 0).unwrap();
    let old = load(&txn, space, name).unwrap();
    let value = old.as_ref().map_or(0, |meta| match &meta.body {
        Body::Inline(bytes) => u64::from_be_bytes(bytes[..].try_into().unwrap()),
        Body::Owned { .. } => panic!("a counter"),
    });
    let new = Meta::string((value + 1).to_be_bytes().to_vec().into(), None);
    replace(&mut txn, space, name, old.as_ref(), new).unwrap();
    assert!(txn.seqno() <= txn.commit()?);
    Ok(value + 1)
}

#[test]
fn threads_count_every_increment_once() {
    const ROUNDS: u32 = 1500;
    let world = World::on(MemoryVfs::new(), Arc::new(ManualClock::default()), Workers::threads(1));
    let (store, keyspace) = (world.keyspace.store(), &world.keyspace);
    let told: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn(move || {
                    let mut told = Vec::new();
                    for round in 0..ROUNDS {
                        // Like the server: tried without waiting, and again where waiting is allowed.
                        let value = match increment(store, keyspace, b"counter", Tier::Cached) {
                            Err(store::Error::WouldWait(_)) => {
                                increment(store, keyspace, b"counter", Tier::Disk).unwrap()
                            }
                            told => told.unwrap(),
                        };
                        told.push(value);
                        let own = name(thread * ROUNDS + round);
                        increment(store, keyspace, &own, Tier::Disk).unwrap();
                    }
                    told
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(told.iter().all(|told| told.is_sorted()));
    let mut all: Vec<u64> = told.into_iter().flatten().collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(1..=u64::from(4 * ROUNDS)));
    assert_eq!(world.size(0), Size { keys: u64::from(4 * ROUNDS) + 1, ..Size::default() });
    world.keyspace.store().close().unwrap();
}
