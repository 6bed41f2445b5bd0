//! Strings that are read and changed by parts, against bytes in memory: in one row, in chunks, and on the way there.

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::super::*;
use super::world::World;
use crate::store::{Reads, Txn};

const NAME: &[u8] = b"string";

#[derive(Clone, Debug)]
enum Step {
    /// SET.
    Overwrite {
        len: u32,
        byte: u8,
    },
    /// SETRANGE, SETBIT: within, or behind the end.
    Write {
        at: u32,
        len: u16,
        byte: u8,
    },
    Append {
        len: u16,
        byte: u8,
    },
    Grow {
        by: u16,
    },
    Replace {
        len: u16,
        byte: u8,
    },
    Delete,
    /// Away and back, by a copy or by itself.
    Move {
        copied: bool,
        database: u16,
    },
    /// What is undone within a transaction that goes on.
    Undone {
        at: u32,
        len: u16,
        byte: u8,
    },
    Compact,
    Crash {
        seed: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    // Zeros are what need not be stored.
    let byte = || prop_oneof![Just(0_u8), any::<u8>()];
    let at = || prop_oneof![4 => 0..20_000_u32, 1 => 0..200_000_u32];
    let len = || prop_oneof![2 => 0..20_u16, 2 => 0..5000_u16];
    prop_oneof![
        2 => (prop_oneof![8 => 0..20_000_u32, 1 => 1_200_000..1_600_000_u32], byte())
            .prop_map(|(len, byte)| Step::Overwrite { len, byte }),
        8 => (at(), len(), byte()).prop_map(|(at, len, byte)| Step::Write { at, len, byte }),
        4 => (len(), byte()).prop_map(|(len, byte)| Step::Append { len, byte }),
        1 => (0..20_000_u16).prop_map(|by| Step::Grow { by }),
        1 => (len(), byte()).prop_map(|(len, byte)| Step::Replace { len, byte }),
        1 => Just(Step::Delete),
        2 => (any::<bool>(), 0..2_u16).prop_map(|(copied, database)| Step::Move { copied, database }),
        2 => (at(), len(), byte()).prop_map(|(at, len, byte)| Step::Undone { at, len, byte }),
        1 => Just(Step::Compact),
        1 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
    ]
}

fn open(reads: &dyn Reads, space: Space) -> Contents<'static> {
    match load_as(reads, space, NAME, Type::String).unwrap() {
        Some(meta) => Contents::from_meta(space, NAME, meta).unwrap(),
        None => Contents::new(space, NAME),
    }
}

/// Bytes that differ from place to place.
fn pattern(len: usize, byte: u8) -> Vec<u8> {
    (0..len).map(|n| if byte == 0 { 0 } else { byte ^ (n / 100) as u8 }).collect()
}

fn write(bytes: &mut Vec<u8>, at: usize, patch: &[u8]) {
    bytes.resize(bytes.len().max(at + patch.len()), 0);
    bytes[at..at + patch.len()].copy_from_slice(patch);
}

/// What is told of the string is what the bytes are: whole, and of a part.
fn check(reads: &dyn Reads, space: Space, bytes: Option<&Vec<u8>>, at: usize, len: usize) {
    let contents = open(reads, space);
    assert_eq!(contents.is_new(), bytes.is_none());
    let Some(bytes) = bytes else { return };
    assert_eq!(contents.len(), bytes.len() as u64);
    let (from, to) = (at.min(bytes.len()), (at + len).min(bytes.len()));
    let part = contents.read(reads, at as u64..(at + len) as u64).unwrap();
    assert!(part == bytes[from..to], "{from}..{to}");
    let mut met = vec![0; to - from];
    contents
        .each(reads, at as u64..(at + len) as u64, &mut |at, piece| {
            met[at as usize - from..][..piece.len()].copy_from_slice(piece);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(met == bytes[from..to], "{from}..{to}");
    assert!(contents.read(reads, 0..u64::MAX).unwrap() == *bytes);
}

fn change(txn: &mut Txn, space: Space, at: u64, patch: &[u8]) {
    let mut contents = open(txn, space);
    contents.write(txn, at, patch).unwrap();
    contents.save(txn).unwrap();
}

/// Does a step within a transaction, to the string and to the bytes.
fn perform(txn: &mut Txn, space: Space, other: Space, step: &Step, bytes: &mut Option<Vec<u8>>) {
    match *step {
        Step::Overwrite { len, byte } => {
            let new = pattern(len as usize, byte);
            overwrite(txn, space, NAME, &new, None).unwrap();
            *bytes = Some(new);
        }
        Step::Write { at, len, byte } => {
            let patch = pattern(len.into(), byte);
            change(txn, space, at.into(), &patch);
            write(bytes.get_or_insert_default(), at as usize, &patch);
        }
        Step::Append { len, byte } => {
            let patch = pattern(len.into(), byte);
            let mut contents = open(txn, space);
            contents.write(txn, contents.len(), &patch).unwrap();
            contents.save(txn).unwrap();
            bytes.get_or_insert_default().extend_from_slice(&patch);
        }
        Step::Grow { by } => {
            let mut contents = open(txn, space);
            contents.grow(txn, contents.len() + u64::from(by)).unwrap();
            contents.save(txn).unwrap();
            let bytes = bytes.get_or_insert_default();
            bytes.resize(bytes.len() + usize::from(by), 0);
        }
        Step::Replace { len, byte } => {
            let new = pattern(len.into(), byte);
            let mut contents = open(txn, space);
            contents.replace(new.clone());
            contents.save(txn).unwrap();
            *bytes = Some(new);
        }
        Step::Delete => {
            assert_eq!(delete(txn, space, NAME).unwrap(), bytes.take().is_some());
        }
        Step::Move { copied, .. } => {
            if copied {
                copy(txn, space, NAME, other, b"aside").unwrap();
                delete(txn, space, NAME).unwrap();
            } else {
                rename(txn, space, NAME, other, b"aside").unwrap();
            }
            rename(txn, other, b"aside", space, NAME).unwrap();
        }
        Step::Undone { at, len, byte } => {
            let before = txn.savepoint();
            change(txn, space, at.into(), &pattern(len.into(), byte));
            txn.undo(before);
        }
        Step::Compact | Step::Crash { .. } => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn strings_are_as_their_bytes(
        groups in proptest::collection::vec(proptest::collection::vec(step(), 1..5), 1..25),
        (at, len) in (0..30_000_usize, 0..9000_usize),
    ) {
        let mut world = World::new();
        let mut bytes = None;
        for group in groups {
            let mut txn = world.txn();
            let space = world.space(&txn, 0);
            for step in &group {
                let other = if let Step::Move { database, .. } = step { *database } else { 0 };
                let other = world.space(&txn, other);
                perform(&mut txn, space, other, step, &mut bytes);
                check(&txn, space, bytes.as_ref(), at, len);
            }
            txn.commit().unwrap();
            for step in &group {
                match step {
                    Step::Compact => world.compact(),
                    Step::Crash { seed } => world.crash(*seed),
                    _ => {}
                }
            }
            world.read(0, |reads, space| check(reads, space, bytes.as_ref(), at, len));
        }
        // Of what came before nothing is left.
        world.write(0, |txn, space| delete(txn, space, NAME).unwrap());
        world.compact();
        world.compact();
        prop_assert_eq!(world.rows(0, ELEMENT) + world.rows(0, OWNER), 0);
        prop_assert_eq!(world.size(0).keys, 0);
    }
}

#[test]
fn a_string_is_divided_when_a_part_of_a_long_one_changes() {
    let world = World::new();
    let chunks = |world: &World| world.rows(0, ELEMENT);
    world.write(0, |txn, space| overwrite(txn, space, NAME, &vec![1; 100_000], None).unwrap());
    assert_eq!(chunks(&world), 0);
    world.write(0, |txn, space| change(txn, space, 50_000, b"x"));
    assert_eq!(chunks(&world), 100_000_usize.div_ceil(1024));
    world.write(0, |txn, space| change(txn, space, 500_000_000, b"x"));
    assert_eq!(chunks(&world), 100_000_usize.div_ceil(1024) + 1);
    world.write(0, |txn, space| change(txn, space, 500_000_000, b"\0"));
    assert_eq!(chunks(&world), 100_000_usize.div_ceil(1024));
    assert_eq!(world.size(0).keys, 1);
    world.write(0, |txn, space| overwrite(txn, space, NAME, b"short", None).unwrap());
    world.compact();
    world.compact();
    assert_eq!(chunks(&world), 0);
}

#[test]
fn what_is_built_by_parts_is_seen_by_its_own_transaction_and_by_nobody_if_that_fails() {
    let world = World::new();
    let long = vec![7; 1_900_000];
    world.write(0, |txn, space| overwrite(txn, space, NAME, &long, None).unwrap());
    {
        let mut txn = world.txn();
        let space = world.space(&txn, 0);
        change(&mut txn, space, 10, b"x");
        change(&mut txn, space, 1_500_000, b"y");
        let contents = open(&txn, space);
        assert!(contents.in_row().is_none());
        assert_eq!(&contents.read(&txn, 9..12).unwrap()[..], b"\x07x\x07");
        assert_eq!(&contents.read(&txn, 1_500_000..1_500_002).unwrap()[..], b"y\x07");
        assert!(copy(&mut txn, space, NAME, space, b"copied").unwrap());
        assert!(copy(&mut txn, space, b"copied", space, b"again").unwrap());
        let meta = load(&txn, space, b"again").unwrap().unwrap();
        let again = Contents::from_meta(space, b"again", meta).unwrap();
        assert_eq!(&again.read(&txn, 9..12).unwrap()[..], b"\x07x\x07");
    }
    world.read(0, |reads, space| check(reads, space, Some(&long), 0, 20));
    world.compact();
    world.compact();
    assert_eq!(world.rows(0, ELEMENT), 0);
}
