//! The ranked plane against a sorted map.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::Ranked;
use crate::engine::{Env, Options, Tier};
use crate::store::{LockSet, Reads, Store, Txn};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

pub(super) fn store() -> Arc<Store> {
    let mut env = Env::with_vfs(Arc::new(MemoryVfs::new()));
    env.workers = Workers::manual();
    Store::open(env, Path::new("/db"), Options::default(), &[]).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16, u8),
    Append(u8),
    Remove(u16),
    RemoveRange(u16, u16),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..2000_u16, any::<u8>()).prop_map(|(key, len)| Step::Insert(key, len)),
        8 => (1..200_u8).prop_map(Step::Append),
        4 => (0..2000_u16).prop_map(Step::Remove),
        1 => (0..400_u16, 0..400_u16).prop_map(|(from, len)| Step::RemoveRange(from, len)),
        1 => Just(Step::Reopen),
    ]
}

fn subkey(key: u16) -> Vec<u8> {
    // Shared beginnings of every length, and some subkeys that begin with others.
    let mut subkey = vec![b'k'; usize::from(key % 30)];
    subkey.extend_from_slice(&key.to_be_bytes());
    subkey
}

fn check(plane: &Ranked, txn: &Txn, model: &BTreeMap<Vec<u8>, Vec<u8>>) {
    assert_eq!(plane.len(), model.len() as u64);
    let mut found = Vec::new();
    plane
        .range(txn, 0, &mut |subkey, value| {
            found.push((subkey.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    let expected: Vec<_> = model.iter().map(|(subkey, value)| (subkey.clone(), value.clone())).collect();
    assert!(found == expected, "{} elements instead of {}", found.len(), expected.len());
    for (rank, entry) in expected.iter().enumerate().step_by(7) {
        assert_eq!(plane.rank(txn, &entry.0).unwrap(), (rank as u64, true));
        assert_eq!(plane.at(txn, rank as u64).unwrap().as_ref(), Some(entry));
    }
    assert_eq!(plane.at(txn, expected.len() as u64).unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn ranks_are_as_the_map_says(steps in proptest::collection::vec(step(), 1..300)) {
        let store = store();
        let mut txn = store.txn(LockSet::all(), Tier::Disk).unwrap();
        let mut plane = Ranked::open(&txn, b"\x01plane").unwrap();
        let mut model = BTreeMap::new();
        let mut appended = 0_u32;
        for step in steps {
            match step {
                Step::Insert(key, len) => {
                    let value = vec![7; usize::from(len)];
                    let new = model.insert(subkey(key), value.clone()).is_none();
                    assert_eq!(plane.insert(&mut txn, &subkey(key), &value).unwrap(), new);
                }
                Step::Append(count) => {
                    for _ in 0..count {
                        appended += 1;
                        let subkey = [b"z".as_slice(), &appended.to_be_bytes()].concat();
                        plane.insert(&mut txn, &subkey, b"").unwrap();
                        model.insert(subkey, Vec::new());
                    }
                }
                Step::Remove(key) => {
                    let was = model.remove(&subkey(key)).is_some();
                    assert_eq!(plane.remove(&mut txn, &subkey(key)).unwrap(), was);
                }
                Step::RemoveRange(from, len) => {
                    let (from, to) = (u64::from(from), u64::from(from) + u64::from(len));
                    let gone: Vec<_> =
                        model.keys().skip(from as usize).take(len.into()).cloned().collect();
                    assert_eq!(plane.remove_range(&mut txn, from, to).unwrap(), gone.len() as u64);
                    for subkey in gone {
                        model.remove(&subkey);
                    }
                }
                Step::Reopen => {
                    txn.commit().unwrap();
                    txn = store.txn(LockSet::all(), Tier::Disk).unwrap();
                    plane = Ranked::open(&txn, b"\x01plane").unwrap();
                }
            }
        }
        check(&plane, &txn, &model);
        plane.remove_range(&mut txn, 0, u64::MAX).unwrap();
        check(&plane, &txn, &BTreeMap::new());
        assert!(!txn.may_contain(b"\x01plane") || txn.get(b"\x01plane").unwrap().is_none());
    }
}
