//! The ranked plane against a sorted map.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::Ranked;
use super::change::SLOTS;
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
