//! Keys against a model, over the whole of store and engine, with time that moves by hand.

mod contents;
mod counts;
mod deaths;
mod draws;
mod measure;
mod order;
mod world;

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use proptest::prelude::*;

use self::world::World;
use super::*;
use crate::clock::Clock;
use crate::store::Txn;

type Fields = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    String(Vec<u8>),
    Hash(Fields),
}

#[derive(Clone, Debug, PartialEq)]
struct Key {
    value: Value,
    deadline: Option<u64>,
}

#[derive(Clone, Debug)]
enum Step {
    Set { key: u8, value: u16, ttl: Option<u64> },
    Delete { key: u8 },
    Expire { key: u8, ttl: Option<u64> },
    Put { key: u8, field: u8, long: bool, value: u16, ttl: Option<u64> },
    PutMany { key: u8, fields: u8 },
    Remove { key: u8, field: u8, long: bool },
    Rename { key: u8, to: u8, database: u16 },
    Copy { key: u8, to: u8, database: u16 },
    Flush { database: u16 },
    Swap { one: u16, other: u16 },
    Pass { ms: u64 },
    Reap,
    Recount { waive: bool },
    Compact,
    Crash { seed: u64 },
    Abandon { key: u8 },
    Undo { key: u8, value: u16 },
}

fn step() -> impl Strategy<Value = (u16, Step)> {
    let ttl = || proptest::option::of(1_u64..3000);
    let key = || 0_u8..6;
    let step = prop_oneof![
        4 => (key(), 0..600_u16, ttl()).prop_map(|(key, value, ttl)| Step::Set { key, value, ttl }),
        2 => key().prop_map(|key| Step::Delete { key }),
        2 => (key(), ttl()).prop_map(|(key, ttl)| Step::Expire { key, ttl }),
        6 => (key(), 0..8_u8, any::<bool>(), 0..600_u16, ttl())
            .prop_map(|(key, field, long, value, ttl)| Step::Put { key, field, long, value, ttl }),
        2 => (key(), 0..40_u8).prop_map(|(key, fields)| Step::PutMany { key, fields }),
        3 => (key(), 0..8_u8, any::<bool>()).prop_map(|(key, field, long)| Step::Remove { key, field, long }),
        3 => (key(), key(), 0..3_u16).prop_map(|(key, to, database)| Step::Rename { key, to, database }),
        2 => (key(), key(), 0..3_u16).prop_map(|(key, to, database)| Step::Copy { key, to, database }),
        1 => (0..3_u16).prop_map(|database| Step::Flush { database }),
        1 => (0..3_u16, 0..3_u16).prop_map(|(one, other)| Step::Swap { one, other }),
        3 => (1..2000_u64).prop_map(|ms| Step::Pass { ms }),
        2 => Just(Step::Reap),
        1 => any::<bool>().prop_map(|waive| Step::Recount { waive }),
        1 => Just(Step::Compact),
        1 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
        1 => key().prop_map(|key| Step::Abandon { key }),
        1 => (key(), 0..600_u16).prop_map(|(key, value)| Step::Undo { key, value }),
    ];
    (0..3_u16, step)
}

fn name(key: u8) -> Vec<u8> {
    format!("key-{key}").into_bytes()
}

fn field(field: u8, long: bool) -> Vec<u8> {
    let mut bytes = if long { vec![b'f'; 3000] } else { b"field".to_vec() };
    bytes.push(field);
    bytes
}

fn bytes(value: u16) -> Vec<u8> {
    vec![value as u8; usize::from(value)]
}

/// What should be there.
#[derive(Default)]
struct Model {
    databases: [BTreeMap<Vec<u8>, Key>; 3],
    now: u64,
}

impl Model {
    /// Takes away what is due.
    fn pass(&mut self) {
        let now = self.now;
        let due = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now);
        for database in &mut self.databases {
            for key in database.values_mut() {
                if let Value::Hash(fields) = &mut key.value {
                    fields.retain(|_, (_, deadline)| !due(*deadline));
                }
            }
            database.retain(|_, key| {
                !due(key.deadline) && !matches!(&key.value, Value::Hash(fields) if fields.is_empty())
            });
        }
    }

    fn hash(&mut self, database: u16, key: u8) -> Option<&mut Fields> {
        let fresh = Key { value: Value::Hash(Fields::new()), deadline: None };
        match &mut self.databases[usize::from(database)].entry(name(key)).or_insert(fresh).value {
            Value::Hash(fields) => Some(fields),
            Value::String(_) => None,
        }
    }
}

fn put(
    txn: &mut Txn,
    space: Space,
    key: u8,
    fields: &[(Vec<u8>, Vec<u8>, Option<u64>)],
) -> Option<Vec<bool>> {
    let mut hash = match Collection::load_or_new(txn, space, &name(key), Type::Hash) {
        Ok(hash) => hash,
        Err(Error::WrongType) => return None,
        Err(error) => panic!("{error}"),
    };
    let put = |(field, value, deadline): &(Vec<u8>, Vec<u8>, Option<u64>)| {
        hash.put(txn, COUNTED, field, value, *deadline).unwrap().is_none()
    };
    let fresh = fields.iter().map(put).collect();
    hash.save(txn).unwrap();
    Some(fresh)
}

fn apply(world: &mut World, model: &mut Model, database: u16, step: &Step) {
    let now = world.clock.now_ms();
    let deadline = |ttl: &Option<u64>| ttl.map(|ttl| now + ttl);
    let at = usize::from(database);
    match step {
        Step::Set { key, value, ttl } => {
            let key_value = Key { value: Value::String(bytes(*value)), deadline: deadline(ttl) };
            world.write(database, |txn, space| {
                overwrite(txn, space, &name(*key), &bytes(*value), deadline(ttl)).unwrap();
            });
            model.databases[at].insert(name(*key), key_value);
        }
        Step::Delete { key } => {
            let was = world.write(database, |txn, space| delete(txn, space, &name(*key)).unwrap());
            assert_eq!(was, model.databases[at].remove(&name(*key)).is_some());
        }
        Step::Expire { key, ttl } => {
            world.write(database, |txn, space| {
                if let Some(meta) = load(txn, space, &name(*key)).unwrap() {
                    expire(txn, space, &name(*key), &meta, deadline(ttl)).unwrap();
                }
            });
            if let Some(key) = model.databases[at].get_mut(&name(*key)) {
                key.deadline = deadline(ttl);
            }
        }
        Step::Put { key, field: number, long, value, ttl } => {
            let new = [(field(*number, *long), bytes(*value), deadline(ttl))];
            let fresh = world.write(database, |txn, space| put(txn, space, *key, &new));
            let [(field, value, deadline)] = new;
            let expected = model
                .hash(database, *key)
                .map(|fields| vec![fields.insert(field, (value, deadline)).is_none()]);
            assert_eq!(fresh, expected);
        }
        Step::PutMany { key, fields } => {
            let new: Vec<_> = (0..*fields).map(|f| (field(f, false), bytes(20), None)).collect();
            if new.is_empty() {
                return;
            }
            world.write(database, |txn, space| put(txn, space, *key, &new));
            if let Some(fields) = model.hash(database, *key) {
                fields.extend(new.into_iter().map(|(field, value, deadline)| (field, (value, deadline))));
            }
        }
        Step::Remove { key, field: number, long } => {
            let was = world.write(database, |txn, space| {
                let hash = Collection::load(txn, space, &name(*key), Type::Hash);
                let Ok(Some(mut hash)) = hash else { return false };
                let was = hash.remove(txn, COUNTED, &field(*number, *long)).unwrap().is_some();
                hash.save(txn).unwrap();
                was
            });
            let expected = match model.databases[at].get_mut(&name(*key)).map(|key| &mut key.value) {
                Some(Value::Hash(fields)) => fields.remove(&field(*number, *long)).is_some(),
                _ => false,
            };
            assert_eq!(was, expected);
        }
        Step::Rename { key, to, database: other } => {
            let was = world.write(database, |txn, space| {
                let other = world.space(txn, *other);
                rename(txn, space, &name(*key), other, &name(*to)).unwrap()
            });
            let moved = model.databases[at].remove(&name(*key));
            assert_eq!(was, moved.is_some());
            if let Some(moved) = moved {
                model.databases[usize::from(*other)].insert(name(*to), moved);
            }
        }
        Step::Copy { key, to, database: other } => {
            if (key, &database) == (to, other) {
                return;
            }
            let was = world.write(database, |txn, space| {
                let other = world.space(txn, *other);
                copy(txn, space, &name(*key), other, &name(*to)).unwrap()
            });
            let copied = model.databases[at].get(&name(*key)).cloned();
            assert_eq!(was, copied.is_some());
            if let Some(copied) = copied {
                model.databases[usize::from(*other)].insert(name(*to), copied);
            }
        }
        Step::Flush { database } => {
            world.write(0, |txn, _| world.keyspace.databases().flush(txn, *database).unwrap());
            model.databases[usize::from(*database)].clear();
        }
        Step::Swap { one, other } => {
            world.write(0, |txn, _| world.keyspace.databases().swap(txn, *one, *other).unwrap());
            model.databases.swap(usize::from(*one), usize::from(*other));
        }
        Step::Pass { ms } => {
            world.clock.advance_ms(*ms);
            model.now += ms;
        }
        Step::Reap => world.reap(),
        Step::Recount { waive } => {
            let space = world.read(database, |_, space| space);
            let until = waive.then(|| world.clock.now_ms().saturating_sub(500));
            let until = until.filter(|until| *until >= space.waived_ms);
            world.keyspace.start_recount(world.keyspace.store(), space, until).unwrap();
        }
        Step::Compact => world.compact(),
        Step::Crash { seed } => world.crash(*seed),
        Step::Abandon { key } => {
            let mut txn = world.txn();
            let space = world.space(&txn, database);
            delete(&mut txn, space, &name(*key)).unwrap();
        }
        Step::Undo { key, value } => {
            world.write(database, |txn, space| {
                let before = load(txn, space, &name(*key)).unwrap();
                let savepoint = txn.savepoint();
                overwrite(txn, space, &name(*key), &bytes(*value), None).unwrap();
                delete(txn, space, &name(*key)).unwrap();
                put(txn, space, *key, &[(field(1, false), bytes(600), None)]);
                txn.undo(savepoint);
                assert_eq!(load(txn, space, &name(*key)).unwrap(), before);
            });
        }
    }
}

/// What is there, through every way of reading.
fn contents(world: &World, database: u16) -> BTreeMap<Vec<u8>, Key> {
    world.read(database, |reads, space| {
        let mut names = Vec::new();
        walk(reads, space, b"", None, usize::MAX, &mut |met| {
            names.push(met.name.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
        let keys = names.into_iter().map(|name| {
            let meta = load(reads, space, &name).unwrap().expect("it was met");
            let value = if let (Type::String, Body::Inline(contents)) = (meta.kind, &meta.body) {
                Value::String(contents.to_vec())
            } else {
                let hash = Collection::load(reads, space, &name, Type::Hash).unwrap().unwrap();
                let mut fields = Fields::new();
                let mut order = Vec::new();
                let all = (Bound::Unbounded, Bound::Unbounded);
                hash.each(reads, COUNTED, all.0, all.1, false, &mut |field, element| {
                    fields.insert(field.to_vec(), (element.value.to_vec(), element.deadline_ms));
                    order.push(field.to_vec());
                    ControlFlow::Continue(())
                })
                .unwrap();
                let mut back = Vec::new();
                hash.each(reads, COUNTED, all.0, all.1, true, &mut |field, _| {
                    back.push(field.to_vec());
                    ControlFlow::Continue(())
                })
                .unwrap();
                back.reverse();
                assert_eq!(order, back);
                assert_eq!(hash.len(reads).unwrap(), fields.len() as u64);
                for (field, (value, _)) in &fields {
                    assert_eq!(hash.get(reads, COUNTED, field).unwrap().unwrap().value, value);
                }
                Value::Hash(fields)
            };
            (name, Key { value, deadline: meta.deadline_ms })
        });
        keys.collect()
    })
}

fn check(world: &World, model: &mut Model) {
    model.pass();
    for database in 0..3 {
        assert_eq!(contents(world, database), model.databases[usize::from(database)], "database {database}");
    }
}

/// Once everything due is reaped and everything unsettled recounted, the counts and indexes are exact.
fn check_settled(world: &World, model: &mut Model) {
    // Before time passes: a recount rests for twenty times as long as the last one took.
    world.reap();
    for _ in 0..5 {
        world.clock.advance_ms(30_000);
        model.now += 30_000;
        world.reap();
    }
    check(world, model);
    world.compact();
    check(world, model);
    for database in 0..3 {
        let keys = &model.databases[usize::from(database)];
        let size = world.size(database);
        assert_eq!((size.keys, size.unsettled), (keys.len() as u64, 0), "database {database}");
        assert_eq!(size.expiring, 0);
        assert_eq!(world.rows(database, META), keys.len());
        assert_eq!(world.rows(database, store::DEADLINE_KIND), 0, "index rows");
    }
}

fn new_model(world: &World) -> Model {
    Model { now: world.clock.now_ms(), ..Model::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn keys_are_as_the_model_says(steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        let mut model = new_model(&world);
        for (database, step) in &steps {
            model.pass();
            apply(&mut world, &mut model, *database, step);
            check(&world, &mut model);
        }
        check_settled(&world, &mut model);
    }
}
