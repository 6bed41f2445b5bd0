//! The ranked plane against a sorted map.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::Ranked;
use super::change::SLOTS;
use super::delta::Cut;
use super::directory::Tally;
use super::segment::Segment;
use crate::engine::{Env, Options, Tier};
use crate::store::{LockSet, Reads, Store, Txn};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

const PREFIX: &[u8] = b"\x01plane";

fn store() -> Arc<Store> {
    let mut env = Env::with_vfs(Arc::new(MemoryVfs::new()));
    env.workers = Workers::manual();
    Store::open(env, Path::new("/db"), Options::default(), &[]).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16, u8),
    InsertLarge(u16),
    Append(u8),
    Prepend(u8),
    Remove(u16),
    RemoveRange(u16, u16),
    TakeRange(u16, u16),
    /// Pops so many, one a commit if that is said.
    PopFirst(u8, bool),
    PopLast(u8, bool),
    Commit,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => (0..2000_u16, any::<u8>()).prop_map(|(key, len)| Step::Insert(key, len / 4)),
        1 => (0..2000_u16).prop_map(Step::InsertLarge),
        4 => (1..200_u8).prop_map(Step::Append),
        2 => (1..100_u8).prop_map(Step::Prepend),
        8 => (0..2000_u16).prop_map(Step::Remove),
        1 => (0..1000_u16, 0..300_u16).prop_map(|(from, len)| Step::RemoveRange(from, len)),
        1 => (0..1000_u16, 0..300_u16).prop_map(|(from, len)| Step::TakeRange(from, len)),
        3 => (1..60_u8, any::<bool>()).prop_map(|(count, commits)| Step::PopFirst(count, commits)),
        3 => (1..60_u8, any::<bool>()).prop_map(|(count, commits)| Step::PopLast(count, commits)),
        16 => Just(Step::Commit),
        4 => Just(Step::Reopen),
    ]
}

fn subkey(key: u16) -> Vec<u8> {
    // Shared beginnings of every length, and some subkeys that begin with others.
    let mut subkey = vec![b"k\0"[usize::from(key % 2)]; usize::from(key % 30)];
    subkey.extend_from_slice(&key.to_be_bytes());
    subkey
}

/// A plane and what it should hold.
struct World {
    store: Arc<Store>,
    txn: Option<Txn>,
    plane: Ranked,
    model: BTreeMap<Vec<u8>, Vec<u8>>,
    pushed: u32,
}

impl World {
    fn new() -> Self {
        let store = store();
        let txn = store.txn(LockSet::all(), Tier::Disk).unwrap();
        let plane = Ranked::open(&txn, PREFIX).unwrap();
        Self { store, txn: Some(txn), plane, model: BTreeMap::new(), pushed: 0 }
    }

    fn txn(&mut self) -> &mut Txn {
        self.txn.get_or_insert_with(|| self.store.txn(LockSet::all(), Tier::Disk).unwrap())
    }

    fn insert(&mut self, subkey: Vec<u8>, value: Vec<u8>) {
        self.txn();
        let txn = self.txn.as_mut().unwrap();
        let new = !self.model.contains_key(&subkey);
        if new && value.len().is_multiple_of(2) {
            self.plane.insert_new(txn, &subkey, &value).unwrap();
        } else {
            assert_eq!(self.plane.insert(txn, &subkey, &value).unwrap(), new);
        }
        self.model.insert(subkey, value);
    }

    fn remove(&mut self, subkey: &[u8]) {
        self.txn();
        let txn = self.txn.as_mut().unwrap();
        let was = self.model.remove(subkey);
        if was.as_ref().is_some_and(|value| value.len().is_multiple_of(2)) {
            self.plane.remove_known(txn, subkey).unwrap();
        } else {
            assert_eq!(self.plane.remove(txn, subkey).unwrap(), was.is_some());
        }
    }

    fn remove_range(&mut self, from: u64, to: u64) {
        self.txn();
        let txn = self.txn.as_mut().unwrap();
        let len = to.saturating_sub(from) as usize;
        let gone: Vec<_> = self.model.keys().skip(from as usize).take(len).cloned().collect();
        assert_eq!(self.plane.remove_range(txn, from, to).unwrap(), gone.len() as u64);
        for subkey in gone {
            self.model.remove(&subkey);
        }
    }

    fn take_range(&mut self, from: u64, to: u64) {
        self.txn();
        let txn = self.txn.as_mut().unwrap();
        let len = to.saturating_sub(from) as usize;
        let gone: Vec<_> = self.model.clone().into_iter().skip(from as usize).take(len).collect();
        let mut shown = Vec::new();
        let mut show = |subkey: &[u8], value: &[u8]| {
            shown.push((subkey.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        assert_eq!(self.plane.take_range(txn, from, to, &mut show).unwrap(), gone.len() as u64);
        assert_eq!(shown, gone);
        for (subkey, _) in gone {
            self.model.remove(&subkey);
        }
    }

    fn pop(&mut self, is_last: bool, count: u8, commits: bool) {
        for _ in 0..count {
            let from = if is_last { self.plane.len().saturating_sub(1) } else { 0 };
            self.take_range(from, from + 1);
            if commits {
                self.step(&Step::Commit);
            }
        }
    }

    fn push(&mut self, at_end: bool) {
        self.pushed += 1;
        let (side, n) = if at_end { (b'z', self.pushed) } else { (0, u32::MAX - self.pushed) };
        self.insert([&[side], &n.to_be_bytes()[..]].concat(), Vec::new());
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Insert(key, len) => self.insert(subkey(key), vec![7; usize::from(len)]),
            Step::InsertLarge(key) => self.insert(subkey(key), vec![8; usize::from(key)]),
            Step::Append(count) => (0..count).for_each(|_| self.push(true)),
            Step::Prepend(count) => (0..count).for_each(|_| self.push(false)),
            Step::Remove(key) => self.remove(&subkey(key)),
            Step::RemoveRange(from, len) => self.remove_range(from.into(), u64::from(from) + u64::from(len)),
            Step::TakeRange(from, len) => self.take_range(from.into(), u64::from(from) + u64::from(len)),
            Step::PopFirst(count, commits) => self.pop(false, count, commits),
            Step::PopLast(count, commits) => self.pop(true, count, commits),
            Step::Commit => {
                if let Some(txn) = self.txn.take() {
                    txn.commit().unwrap();
                }
            }
            Step::Reopen => {
                self.reopen();
                self.check();
            }
        }
        self.check_at_hand();
    }

    /// What is at hand must be what the rows say.
    fn check_at_hand(&mut self) {
        let mut directory = self.plane.directory.clone();
        let at_hand: Vec<_> = directory.take_all_at_hand().collect();
        let asked = Ranked::with(PREFIX, directory);
        for (place, segment) in at_hand {
            let read = asked.segment(self.txn(), place).unwrap();
            assert!(segment.iter().eq(read.iter()));
            assert_eq!(segment.cut(), read.cut());
        }
    }

    /// Opens the plane from its rows, which must say all that was kept in memory.
    fn reopen(&mut self) {
        self.step(&Step::Commit);
        let opened = Ranked::open(self.txn(), PREFIX).unwrap();
        assert!(opened.directory.iter().eq(self.plane.directory.iter()));
        self.plane = opened;
    }

    fn check(&mut self) {
        self.txn();
        let txn = self.txn.as_ref().unwrap();
        assert_eq!(self.plane.len(), self.model.len() as u64);
        let mut expected = self.model.iter();
        self.plane
            .range(txn, 0, &mut |subkey, value| {
                assert_eq!(expected.next().map(|(k, v)| (&k[..], &v[..])), Some((subkey, value)));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(expected.next(), None);
        for (rank, (subkey, value)) in self.model.iter().enumerate().step_by(23) {
            assert_eq!(self.plane.rank(txn, subkey).unwrap(), (rank as u64, true));
            let found = self.plane.at(txn, rank as u64).unwrap();
            assert_eq!(found, Some((subkey.clone(), value.clone())));
        }
        assert_eq!(self.plane.at(txn, self.model.len() as u64).unwrap(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn ranks_are_as_the_map_says(steps in proptest::collection::vec(step(), 1..400)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.check();
        world.reopen();
        world.check();
        world.remove_range(0, u64::MAX);
        world.check();
        world.reopen();
        let mut scan = world.txn().scan(Bound::Included(PREFIX), Bound::Excluded(b"\x01planf"));
        scan.first().unwrap();
        assert!(!scan.valid(), "a row is left: {:?}", scan.key());
    }
}

fn rows(world: &mut World) -> usize {
    let mut scan = world.txn().scan(Bound::Included(PREFIX), Bound::Excluded(b"\x01planf"));
    scan.first().unwrap();
    let mut rows = 0;
    while scan.valid() {
        rows += 1;
        scan.next().unwrap();
    }
    rows
}

#[test]
fn changes_gather_beside_their_segment_until_its_slots_are_full() {
    let mut world = World::new();
    for commit in 0..=usize::from(SLOTS) {
        world.push(commit % 2 == 0);
        world.push(commit % 3 == 0);
        world.step(&Step::Commit);
        assert_eq!(rows(&mut world), 1 + commit, "two changes of a transaction share a slot");
    }
    world.push(true);
    world.step(&Step::Commit);
    assert_eq!(rows(&mut world), 1);
    world.reopen();
    world.check();
}

#[test]
fn a_pop_writes_what_is_gone_and_not_what_stays() {
    let mut world = World::new();
    (0..100).for_each(|_| world.push(true));
    world.step(&Step::Commit);
    let before = rows(&mut world);
    for is_last in [true, false, true] {
        for _ in 0..3 {
            world.pop(is_last, 1, false);
            let bytes = world.txn().weight();
            assert!(bytes < 100, "{bytes} bytes staged by a pop");
            world.step(&Step::Commit);
        }
        world.reopen();
        world.check();
    }
    let cuts = rows(&mut world) - before;
    assert!(
        (1..=2).contains(&cuts),
        "{cuts} rows more: each end's segment has one cut, written over and over"
    );
    // What is pushed beside a cut, and popped again.
    world.push(true);
    world.step(&Step::Commit);
    world.pop(true, 2, true);
    world.reopen();
    world.check();
    world.pop(false, 100, true);
    assert_eq!(rows(&mut world), 0);
}

#[test]
fn a_pop_from_either_end_writes_no_large_value_that_stays() {
    const BYTES: usize = 2000;
    let mut world = World::new();
    (0..20).for_each(|n| world.insert(vec![b'q', n], vec![8; BYTES]));
    world.step(&Step::Commit);
    for is_last in [false, true, false, false, true] {
        world.pop(is_last, 1, false);
        let bytes = world.txn().weight();
        assert!(bytes < BYTES / 2, "{bytes} bytes staged by a pop");
        world.step(&Step::Commit);
        world.reopen();
        world.check();
    }
    // What is pushed before the second, and popped again.
    world.push(false);
    world.reopen();
    world.check();
    world.take_range(0, 2);
    world.reopen();
    world.check();
    // One by one, to the last.
    for n in 0..20 {
        world.remove(&[b'q', n]);
        world.step(&Step::Commit);
    }
    assert_eq!(rows(&mut world), 0);
}

#[test]
fn a_cut_of_more_than_there_is_is_damage() {
    let mut world = World::new();
    (0..3).for_each(|_| world.push(true));
    world.step(&Step::Commit);
    let row = world.plane.row_of(&[]);
    for (first, last, is_sound) in [(1, 1, true), (2, 2, false), (u32::MAX, u32::MAX, false)] {
        let value = world.txn().get(&row).unwrap().unwrap();
        let mut segment = Segment::decode(&value).unwrap();
        let applied = segment.apply_delta(&[], &Cut { first, last }.encode());
        assert_eq!(applied.is_ok(), is_sound, "{first} {last}");
        let mut tally = Tally { count: 3, ..Tally::default() };
        assert_eq!(tally.add(0, &Cut { first, last }.encode()).is_ok(), is_sound, "{first} {last}");
    }
}
