//! Lists and sorted sets, by rank, against a model: what is kept of their planes in memory, and what is in their rows.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use proptest::prelude::*;

use super::super::collection::Ordered;
use super::super::*;
use super::world::World;
use crate::store::{Reads, Txn};

const LIST: &[u8] = b"list";
const SET: &[u8] = b"sorted";

/// A change of one of the two.
#[derive(Clone, Debug)]
enum Change {
    /// At one of 600 places, which gets this value.
    Place {
        place: u16,
        len: u16,
    },
    /// So many, one after the other.
    Append {
        count: u16,
    },
    RemovePlace {
        at: u16,
    },
    TrimList {
        from: u16,
        len: u16,
    },
    Score {
        member: u16,
        score: u16,
    },
    RemoveMember {
        member: u16,
    },
    TrimSet {
        from: u16,
        len: u16,
    },
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    /// Nothing of it happens.
    Abandon(Vec<Change>),
    /// The second part is undone, the others commit.
    Undo(Vec<Change>, Vec<Change>, Vec<Change>),
    /// The keys change places with copies of themselves.
    Copy,
    Compact,
    Crash {
        seed: u64,
    },
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (0..600_u16, 0..90_u16).prop_map(|(place, len)| Change::Place { place, len }),
        1 => (0..60_u16).prop_map(|count| Change::Append { count }),
        5 => any::<u16>().prop_map(|at| Change::RemovePlace { at }),
        1 => (0..200_u16, 0..200_u16).prop_map(|(from, len)| Change::TrimList { from, len }),
        8 => (0..400_u16, 0..50_u16).prop_map(|(member, score)| Change::Score { member, score }),
        4 => (0..400_u16).prop_map(|member| Change::RemoveMember { member }),
        1 => (0..200_u16, 0..100_u16).prop_map(|(from, len)| Change::TrimSet { from, len }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let changes = |most: usize| proptest::collection::vec(change(), 1..most);
    prop_oneof![
        12 => changes(20).prop_map(Step::Commit),
        2 => changes(8).prop_map(Step::Abandon),
        3 => (changes(5), changes(5), changes(5)).prop_map(|(a, b, c)| Step::Undo(a, b, c)),
        1 => Just(Step::Copy),
        1 => Just(Step::Compact),
        1 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
    ]
}

#[derive(Clone, Default)]
struct Model {
    list: BTreeMap<Vec<u8>, Vec<u8>>,
    set: BTreeMap<Vec<u8>, u16>,
    appended: u16,
}

fn member(number: u16) -> Vec<u8> {
    // Some of them so long that their rows' keys are cut short.
    let len = if number.is_multiple_of(97) { 1100 } else { usize::from(number % 40) };
    [&vec![b'm'; len][..], &number.to_be_bytes()].concat()
}

fn score(score: u16) -> [u8; 8] {
    u64::from(score).to_be_bytes()
}

impl Model {
    fn in_order(&self) -> Vec<Vec<u8>> {
        let mut order: Vec<_> = self.set.iter().map(|(m, s)| [&score(*s)[..], m].concat()).collect();
        order.sort_unstable();
        order
    }

    fn make(&mut self, txn: &mut Txn, space: Space, change: &Change) {
        let load = |txn: &Txn, name: &[u8], kind| Collection::load_or_new(txn, space, name, kind).unwrap();
        let (mut list, mut set) = (load(txn, LIST, Type::List), load(txn, SET, Type::SortedSet));
        match *change {
            Change::Place { place, len } => {
                let (place, value) = (place.to_be_bytes().to_vec(), vec![b'v'; usize::from(len)]);
                if self.list.insert(place.clone(), value.clone()).is_some() {
                    list.set_at(txn, &place, &value).unwrap();
                } else {
                    list.insert_at(txn, &place, &value).unwrap();
                }
            }
            Change::Append { count } => {
                for _ in 0..count {
                    self.appended += 1;
                    let place = [&[0xFF][..], &self.appended.to_be_bytes()].concat();
                    list.insert_at(txn, &place, b"appended").unwrap();
                    self.list.insert(place, b"appended".to_vec());
                }
            }
            Change::RemovePlace { at } => {
                let at = usize::from(at) % self.list.len().max(1);
                let Some(place) = self.list.keys().nth(at).cloned() else { return };
                list.remove_at(txn, &place).unwrap();
                self.list.remove(&place);
            }
            Change::TrimList { from, len } => {
                let (from, to) = (u64::from(from), u64::from(from) + u64::from(len));
                let gone: Vec<_> =
                    self.list.clone().into_iter().skip(from as usize).take(len.into()).collect();
                let mut shown = Vec::new();
                let mut show = |place: &[u8], value: &[u8]| {
                    shown.push((place.to_vec(), value.to_vec()));
                    ControlFlow::Continue(())
                };
                assert_eq!(list.take_ranks(txn, from, to, &mut show).unwrap(), gone.len() as u64);
                assert_eq!(shown, gone);
                for (place, _) in &gone {
                    self.list.remove(place);
                }
            }
            Change::Score { member: number, score: to } => {
                set.put(txn, COUNTED, &member(number), &score(to), None).unwrap();
                self.set.insert(member(number), to);
            }
            Change::RemoveMember { member: number } => {
                let there = set.remove(txn, COUNTED, &member(number)).unwrap().is_some();
                assert_eq!(there, self.set.remove(&member(number)).is_some());
            }
            Change::TrimSet { from, len } => {
                let (from, to) = (u64::from(from), u64::from(from) + u64::from(len));
                let gone: Vec<_> = self.in_order().into_iter().skip(from as usize).take(len.into()).collect();
                let mut shown = Vec::new();
                let mut show = |place: &[u8], _: &[u8]| {
                    shown.push(place.to_vec());
                    ControlFlow::Continue(())
                };
                assert_eq!(set.take_ranks(txn, from, to, &mut show).unwrap(), gone.len() as u64);
                assert_eq!(shown, gone);
                for place in &gone {
                    self.set.remove(&place[8..]);
                }
            }
        }
        list.save(txn).unwrap();
        set.save(txn).unwrap();
    }

    fn make_all(&mut self, txn: &mut Txn, space: Space, changes: &[Change]) {
        for change in changes {
            self.make(txn, space, change);
        }
    }

    /// Compares all that can be asked for.
    fn check(&self, reads: &dyn Reads, space: Space) {
        let list: Vec<_> = self.list.iter().map(|(place, value)| (place.clone(), value.clone())).collect();
        let set: Vec<_> = self.in_order().into_iter().map(|place| (place, Vec::new())).collect();
        for (name, kind, expected) in [(LIST, Type::List, list), (SET, Type::SortedSet, set)] {
            let Some(found) = Collection::load(reads, space, name, kind).unwrap() else {
                assert!(expected.is_empty());
                continue;
            };
            assert_eq!(found.len(reads).unwrap(), expected.len() as u64);
            let ordered = found.ordered(reads).unwrap();
            assert_eq!(all(reads, &ordered, false), expected);
            assert_eq!(all(reads, &ordered, true), expected.iter().rev().cloned().collect::<Vec<_>>());
            for (rank, (subkey, value)) in expected.iter().enumerate().step_by(7) {
                assert_eq!(ordered.rank(reads, subkey).unwrap(), rank as u64);
                assert_eq!(ordered.rank(reads, &[&subkey[..], &[0]].concat()).unwrap(), rank as u64 + 1);
                let at = ordered.at(reads, rank as u64).unwrap().unwrap();
                assert_eq!((&at.0[..], &at.1[..]), (&subkey[..], &value[..]));
            }
            assert!(ordered.at(reads, expected.len() as u64).unwrap().is_none());
        }
        let Some(set) = Collection::load(reads, space, SET, Type::SortedSet).unwrap() else { return };
        let mut members = BTreeMap::new();
        set.each(reads, COUNTED, Bound::Unbounded, Bound::Unbounded, false, &mut |member, element| {
            members.insert(member.to_vec(), element.value.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
        let expected: BTreeMap<_, _> =
            self.set.iter().map(|(m, s)| (m.clone(), score(*s).to_vec())).collect();
        assert_eq!(members, expected);
    }
}

fn all(reads: &dyn Reads, ordered: &Ordered<'_>, back: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut visit = |subkey: &[u8], value: &[u8]| {
        found.push((subkey.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    if back {
        ordered.range_back(reads, ordered.count() - 1, &mut visit).unwrap();
    } else {
        ordered.range(reads, 0, &mut visit).unwrap();
    }
    found
}

fn take(world: &mut World, model: &mut Model, step: &Step) {
    let mut txn = world.txn();
    let space = world.space(&txn, 0);
    match step {
        Step::Commit(changes) => {
            model.make_all(&mut txn, space, changes);
            model.check(&txn, space);
            txn.commit().unwrap();
        }
        Step::Abandon(changes) => model.clone().make_all(&mut txn, space, changes),
        Step::Undo(before, undone, after) => {
            model.make_all(&mut txn, space, before);
            let savepoint = txn.savepoint();
            model.clone().make_all(&mut txn, space, undone);
            txn.undo(savepoint);
            model.check(&txn, space);
            model.make_all(&mut txn, space, after);
            txn.commit().unwrap();
        }
        Step::Copy => {
            for name in [LIST, SET] {
                copy(&mut txn, space, name, space, b"other").unwrap();
                rename(&mut txn, space, b"other", space, name).unwrap();
            }
            model.check(&txn, space);
            txn.commit().unwrap();
        }
        Step::Compact | Step::Crash { .. } => drop(txn),
    }
    match step {
        Step::Compact => world.compact(),
        Step::Crash { seed } => world.crash(*seed),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn lists_and_sorted_sets_agree_with_a_model(steps in proptest::collection::vec(step(), 1..40)) {
        let (mut world, mut model) = (World::new(), Model::default());
        for step in &steps {
            take(&mut world, &mut model, step);
            // As somebody sees it who has the keys locked, and from the rows alone.
            let txn = world.txn();
            model.check(&txn, world.space(&txn, 0));
            drop(txn);
            world.read(0, |reads, space| model.check(reads, space));
        }
    }
}

#[test]
fn where_most_goes_the_few_others_move_and_nothing_else_is_touched() {
    const MANY: u16 = 5000;
    let (mut world, mut model) = (World::new(), Model::default());
    let mut txn = world.txn();
    let space = world.space(&txn, 0);
    model.make(&mut txn, space, &Change::Append { count: MANY });
    for number in 0..MANY {
        model.make(&mut txn, space, &Change::Score { member: number, score: number % 7 });
    }
    txn.commit().unwrap();
    let mut txn = world.txn();
    let (few, most) = (5, u64::from(MANY) - 300);
    let mut list = Collection::load(&txn, space, LIST, Type::List).unwrap().unwrap();
    assert_eq!(list.remove_ranks(&mut txn, few, most).unwrap(), most - few);
    list.save(&mut txn).unwrap();
    let mut set = Collection::load(&txn, space, SET, Type::SortedSet).unwrap().unwrap();
    assert_eq!(set.remove_ranks(&mut txn, few, u64::MAX).unwrap(), u64::from(MANY) - few);
    set.save(&mut txn).unwrap();
    let is_kept = |at: usize| (at as u64) < few || at as u64 >= most;
    let kept = model.list.into_iter().enumerate().filter(|(at, _)| is_kept(*at));
    model.list = kept.map(|(_, element)| element).collect();
    model.set = (0..MANY).filter(|number| number % 7 == 0).map(|number| (member(number), 0)).collect();
    model.set = model.set.into_iter().take(few as usize).collect();
    model.check(&txn, space);
    assert!(txn.weight() < 64 << 10, "{} bytes staged", txn.weight());
    txn.commit().unwrap();
    for seed in 0..2 {
        world.read(0, |reads, space| model.check(reads, space));
        world.compact();
        world.crash(seed);
    }
}
