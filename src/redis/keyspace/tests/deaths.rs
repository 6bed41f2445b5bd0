//! What is dead goes, and nothing else does.

use super::super::*;
use super::world::World;
use crate::clock::Clock;
use crate::store::Tier;
use crate::store::{LockSet, Reads, SYSTEM, Txn};

const CERTIFICATE: u8 = 3;
const EXILE: u8 = 4;
const UNLINKED: u8 = 5;

fn fill(txn: &mut Txn, space: Space, name: &[u8], fields: u32) {
    let mut hash = Collection::load_or_new(txn, space, name, Type::Hash).unwrap();
    for field in 0..fields {
        hash.put(txn, COUNTED, &field.to_be_bytes(), &[1; 100], None).unwrap();
    }
    hash.save(txn).unwrap();
}

fn len(world: &World, database: u16, name: &[u8]) -> Option<u64> {
    world.read(database, |reads, space| {
        let hash = Collection::load(reads, space, name, Type::Hash).unwrap()?;
        let mut seen = 0;
        let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        hash.each(reads, COUNTED, all.0, all.1, false, &mut |_, _| {
            seen += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(seen, hash.len(reads).unwrap());
        Some(seen)
    })
}

fn marks(world: &World) -> [usize; 3] {
    [CERTIFICATE, EXILE, UNLINKED].map(|tag| world.count(&[SYSTEM, tag]))
}

#[test]
fn a_removed_hash_leaves_nothing_behind() {
    let world = World::new();
    world.write(0, |txn, space| fill(txn, space, b"gone", 1000));
    world.write(0, |txn, space| fill(txn, space, b"kept", 1000));
    world.compact();
    let owned = world.rows(0, ELEMENT);
    assert_eq!(owned, 2000);
    world.write(0, |txn, space| assert!(delete(txn, space, b"gone").unwrap()));
    assert_eq!(marks(&world), [1, 0, 0]);
    world.compact();
    world.compact();
    assert_eq!(world.rows(0, ELEMENT), 1000);
    assert_eq!(world.rows(0, OWNER), 1);
    assert_eq!(marks(&world), [0, 0, 0]);
    assert_eq!(len(&world, 0, b"kept"), Some(1000));
}

#[test]
fn a_moved_hash_outlives_the_keyspace_it_was_born_in() {
    let world = World::new();
    let move_to = |from: u16, to: u16, name: &[u8]| {
        world.write(from, |txn, space| {
            let to = world.space(txn, to);
            assert!(rename(txn, space, name, to, name).unwrap());
        });
    };
    let flush = |database: u16| {
        world.write(0, |txn, _| world.keyspace.databases().flush(txn, database).unwrap());
        world.compact();
        world.compact();
    };
    world.write(0, |txn, space| fill(txn, space, b"travels", 300));
    world.write(0, |txn, space| fill(txn, space, b"stays", 300));
    world.write(0, |txn, space| fill(txn, space, b"returns", 300));
    move_to(0, 1, b"travels");
    move_to(0, 1, b"returns");
    assert_eq!(marks(&world), [0, 2, 0]);
    move_to(1, 0, b"returns");
    assert_eq!(marks(&world), [0, 1, 0]);
    let home = world.read(0, |_, space| space.prefix());
    flush(0);
    assert_eq!(len(&world, 1, b"travels"), Some(300));
    assert_eq!((len(&world, 0, b"stays"), len(&world, 0, b"returns")), (None, None));
    assert_eq!(world.count(&home), 300);
    move_to(1, 2, b"travels");
    flush(1);
    assert_eq!(len(&world, 2, b"travels"), Some(300));
    flush(2);
    world.compact();
    assert_eq!(world.count(&home), 0);
    assert_eq!(world.count(&[REDIS]), 0);
}

/// 1500 fields, which are more than one part.
fn fill_large(world: &World, name: &[u8]) {
    for part in 0..3_u32 {
        world.write(0, |txn, space| {
            let mut hash = Collection::load_or_new(txn, space, name, Type::Hash).unwrap();
            for field in 0..500_u32 {
                hash.put(txn, COUNTED, &(part * 500 + field).to_be_bytes(), &[2; 1000], None).unwrap();
            }
            hash.save(txn).unwrap();
        });
    }
}

#[test]
fn a_large_copy_is_seen_by_its_own_transaction() {
    let world = World::new();
    fill_large(&world, b"from");
    world.write(0, |txn, space| {
        copy(txn, space, b"from", space, b"to").unwrap();
        copy(txn, space, b"to", space, b"again").unwrap();
        let hash = Collection::load(txn, space, b"to", Type::Hash).unwrap().unwrap();
        let fields = [0_u32, 700, 1499].map(u32::to_be_bytes);
        let fields: Vec<&[u8]> = fields.iter().map(|field| &field[..]).collect();
        assert!(hash.get_many(txn, COUNTED, &fields).unwrap().iter().all(Option::is_some));
    });
    assert_eq!(len(&world, 0, b"again"), Some(1500));
}

#[test]
fn a_large_copy_is_seen_whole_or_not_at_all() {
    let mut world = World::new();
    fill_large(&world, b"from");
    let store = world.keyspace.store().clone();
    let mut txn = store.txn(LockSet::all(), Tier::Disk).unwrap();
    let space = world.space(&txn, 0);
    copy(&mut txn, space, b"from", space, b"dropped").unwrap();
    assert_eq!(marks(&world), [0, 0, 1]);
    drop(txn);
    assert_eq!(marks(&world), [1, 0, 0]);
    let mut txn = store.txn(LockSet::all(), Tier::Disk).unwrap();
    copy(&mut txn, space, b"from", space, b"crashed").unwrap();
    assert_eq!(marks(&world), [1, 0, 1]);
    world.crash(1);
    assert_eq!(marks(&world), [2, 0, 0]);
    drop(txn);
    drop(store);
    world.write(0, |txn, space| copy(txn, space, b"from", space, b"to").unwrap());
    assert_eq!(marks(&world), [2, 0, 0]);
    world.compact();
    world.compact();
    assert_eq!(len(&world, 0, b"to"), Some(1500));
    assert_eq!(world.rows(0, ELEMENT), 3000);
    assert_eq!(marks(&world), [0, 0, 0]);
}

#[test]
fn what_copies_for_long_does_not_hold_on_to_the_memtables_it_began_with() {
    let world = World::new();
    fill_large(&world, b"from");
    let mut txn = world.txn();
    let (space, began) = (world.space(&txn, 0), txn.seqno());
    copy(&mut txn, space, b"from", space, b"to").unwrap();
    assert!(txn.seqno() > began);
    drop(txn);
    // Where more comes in the same transaction, all of it sees one moment.
    let mut txn = world.txn();
    let (_before, began) = (txn.savepoint(), txn.seqno());
    copy(&mut txn, space, b"from", space, b"to").unwrap();
    assert_eq!(txn.seqno(), began);
}

#[test]
fn a_view_from_before_a_flush_still_sees_what_was() {
    let world = World::new();
    world.write(0, |txn, space| fill(txn, space, b"hash", 100));
    let before = world.keyspace.store().view_newest(Tier::Disk);
    world.write(0, |txn, _| world.keyspace.databases().flush(txn, 0).unwrap());
    let space = world.space(&before, 0);
    assert!(load(&before, space, b"hash").unwrap().is_some());
    assert_eq!(len(&world, 0, b"hash"), None);
}

#[test]
fn a_clock_set_back_revives_nothing() {
    let mut world = World::new();
    let due = world.clock.now_ms() + 5000;
    world.write(0, |txn, space| overwrite(txn, space, b"key", b"value", Some(due)).unwrap());
    world.clock.advance_ms(6000);
    assert!(world.read(0, |reads, space| load(reads, space, b"key").unwrap().is_none()));
    // Any commit logs the time.
    world.write(0, |txn, space| overwrite(txn, space, b"other", b"value", None).unwrap());
    world.clock.set_ms(due - 4000);
    assert!(world.read(0, |reads, space| load(reads, space, b"key").unwrap().is_none()));
    world.crash(7);
    assert!(world.read(0, |reads, space| load(reads, space, b"key").unwrap().is_none()));
    assert!(world.keyspace.store().now_ms() > due);
}

#[test]
fn a_deadline_that_moves_on_costs_no_row() {
    let world = World::new();
    let name = b"session".as_slice();
    let due = world.clock.now_ms() + 10_000;
    world.write(0, |txn, space| overwrite(txn, space, name, b"v", Some(due)).unwrap());
    for second in 1..9 {
        world.clock.advance_ms(1000);
        world.write(0, |txn, space| {
            let meta = load(txn, space, name).unwrap().unwrap();
            expire(txn, space, name, &meta, Some(due + second * 1000)).unwrap();
            assert_eq!(
                txn.staged(&space.meta_row(name)).map(|value| Meta::decode(&value).unwrap().index_ms()),
                Some(Some(due))
            );
        });
    }
    assert_eq!(world.rows(0, store::DEADLINE_KIND), 1);
    world.clock.advance_ms(3000);
    world.reap();
    assert!(world.read(0, |reads, space| load(reads, space, name).unwrap().is_some()));
    assert_eq!(world.rows(0, store::DEADLINE_KIND), 1);
    world.clock.advance_ms(8000);
    world.reap();
    assert_eq!((world.rows(0, store::DEADLINE_KIND), world.rows(0, META), world.size(0).keys), (0, 0, 0));
}
