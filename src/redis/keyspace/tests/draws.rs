//! Drawing at random: everything has its share.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::*;
use super::world::World;
use crate::random::Random;
use crate::store::{LockSet, Tier, Txn};

/// How often each is drawn on average.
const SHARE: usize = 16;

/// Draws until each should have had its share. That one of some thousands has none happens to a random sequence once
/// in some thousand times (e^-16 each), and that one has three times its share less often; the seed is fixed.
fn check(names: usize, mut draw: impl FnMut(&mut Random) -> Bytes) {
    let mut random = Random::seeded(5);
    let mut drawn: BTreeMap<Bytes, usize> = BTreeMap::new();
    for _ in 0..names * SHARE {
        *drawn.entry(draw(&mut random)).or_default() += 1;
    }
    assert_eq!(drawn.len(), names, "every one is drawn");
    let (most, times) = drawn.iter().max_by_key(|(_, times)| **times).unwrap();
    assert!(*times <= 3 * SHARE, "{most:?} is drawn {times} times");
}

/// Names in crowds with wide gaps between, some of them alone, some too long to stand in a row's key.
fn name(n: u32) -> Vec<u8> {
    match n % 10 {
        0 => [b"long".as_slice(), &[b'x'; 1100], &n.to_be_bytes()].concat(),
        1 => n.wrapping_mul(0x9E37_79B9).to_be_bytes().to_vec(),
        _ => format!("user:1000{n:04}").into_bytes(),
    }
}

const NAMES: u32 = 3000;

/// Written, written again in part, deleted in part: over tables and the memtable.
fn spread(world: &World, mut put: impl FnMut(u32, u8), mut delete: impl FnMut(u32)) {
    (0..NAMES).for_each(|n| put(n, 0));
    world.compact();
    (0..NAMES).filter(|n| n % 3 == 0).for_each(|n| put(n, 1));
    (NAMES..2 * NAMES).for_each(|n| put(n, 1));
    world.keyspace.store().db().flush().unwrap();
    (0..2 * NAMES).filter(|n| n % 2 == 0).for_each(&mut delete);
    (0..NAMES).filter(|n| n % 5 == 1).for_each(|n| put(n, 2));
}

#[test]
fn every_field_of_a_large_hash_is_drawn_as_often_as_any_other() {
    let world = World::new();
    let change = |change: &mut dyn FnMut(&mut Txn, &mut Collection)| {
        world.write(0, |txn, space| {
            let mut hash = Collection::load_or_new(txn, space, b"hash", Type::Hash).unwrap();
            change(txn, &mut hash);
            hash.save(txn).unwrap();
            // Neighbours, in the same blocks.
            overwrite(txn, space, b"hasg", b"1", None).unwrap();
            overwrite(txn, space, b"hasi", b"1", None).unwrap();
        });
    };
    spread(
        &world,
        |n, version| {
            change(&mut |txn, hash| {
                hash.put(txn, COUNTED, &name(n), &[version; 30], None).unwrap();
            });
        },
        |n| {
            change(&mut |txn, hash| {
                hash.remove(txn, COUNTED, &name(n)).unwrap().unwrap();
            });
        },
    );
    world.read(0, |reads, space| {
        let hash = Collection::load(reads, space, b"hash", Type::Hash).unwrap().unwrap();
        let len = hash.len(reads).unwrap();
        assert!(len > 2500, "{len}");
        check(len as usize, |random| hash.random(reads, COUNTED, random).unwrap().unwrap().0);
    });
}

#[test]
fn every_key_is_drawn_as_often_as_any_other() {
    let world = World::new();
    let value = |version: u8| [version; 30];
    spread(
        &world,
        |n, version| {
            world.write(0, |txn, space| overwrite(txn, space, &name(n), &value(version), None).unwrap());
        },
        |n| world.write(0, |txn, space| assert!(delete(txn, space, &name(n)).unwrap())),
    );
    let keys = world.size(0).keys as usize;
    assert!(keys > 2500, "{keys}");
    world.read(0, |reads, space| {
        check(keys, |drawn| random(reads, space, keys as u64, drawn).unwrap().unwrap());
    });
}

#[test]
fn what_a_transaction_has_staged_is_drawn_too() {
    let world = World::new();
    world.write(0, |txn, space| {
        let mut hash = Collection::load_or_new(txn, space, b"hash", Type::Hash).unwrap();
        for n in 0..3000_u32 {
            hash.put(txn, COUNTED, &n.to_be_bytes(), b"", None).unwrap();
        }
        hash.save(txn).unwrap();
    });
    let mut txn = world.keyspace.store().txn(LockSet::all(), Tier::Disk).unwrap();
    let space = world.space(&txn, 0);
    let mut hash = Collection::load(&txn, space, b"hash", Type::Hash).unwrap().unwrap();
    for n in 1..3000_u32 {
        hash.remove(&mut txn, COUNTED, &n.to_be_bytes()).unwrap().unwrap();
    }
    hash.save(&mut txn).unwrap();
    let hash = Collection::load(&txn, space, b"hash", Type::Hash).unwrap().unwrap();
    let drawn = hash.random(&txn, COUNTED, &mut Random::seeded(1)).unwrap().unwrap();
    assert_eq!(drawn.0, 0_u32.to_be_bytes().as_slice());
}

#[test]
fn what_a_transaction_has_changed_it_draws_as_often_as_the_rest() {
    let world = World::new();
    world.write(0, |txn, space| {
        let mut hash = Collection::load_or_new(txn, space, b"hash", Type::Hash).unwrap();
        for n in 0..4000_u32 {
            hash.put(txn, COUNTED, &n.to_be_bytes(), b"", None).unwrap();
        }
        hash.save(txn).unwrap();
    });
    let mut txn = world.keyspace.store().txn(LockSet::all(), Tier::Disk).unwrap();
    let space = world.space(&txn, 0);
    let mut hash = Collection::load(&txn, space, b"hash", Type::Hash).unwrap().unwrap();
    for n in 0..60_u32 {
        hash.remove(&mut txn, COUNTED, &n.to_be_bytes()).unwrap().unwrap();
        hash.put(&mut txn, COUNTED, &(n + 3970).to_be_bytes(), b"new", None).unwrap();
    }
    hash.save(&mut txn).unwrap();
    let hash = Collection::load(&txn, space, b"hash", Type::Hash).unwrap().unwrap();
    assert_eq!(hash.len(&txn).unwrap(), 3970);
    check(3970, |random| hash.random(&txn, COUNTED, random).unwrap().unwrap().0);
}
