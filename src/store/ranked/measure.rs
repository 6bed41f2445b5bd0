//! What packing costs and gains, beside a row for each element:
//! `cargo test --release --lib ranked::measure -- --ignored --nocapture`.

use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use super::Ranked;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Env, Fsync, Options, Tier};
use crate::random::Random;
use crate::store::{LockSet, Reads, Store, Txn};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

const ELEMENTS: u64 = 200_000;
const PREFIX: &[u8] = b"\x01plane";

fn store() -> Arc<Store> {
    let mut env = Env::with_vfs(Arc::new(MemoryVfs::new()));
    env.workers = Workers::threads(1);
    let options = Options { memory: 64 << 20, fsync: Fsync::Never, ..Options::default() };
    Store::open(env, Path::new("/db"), options, &[]).unwrap()
}

/// Score and member, as a sorted set's second plane will have them.
fn subkey(score: u64, member: u64) -> Vec<u8> {
    [&score.to_be_bytes()[..], format!("member:{member:08}").as_bytes()].concat()
}

/// Rows for each element, to compare with.
struct Rows;

impl Rows {
    fn row(subkey: &[u8]) -> Vec<u8> {
        [PREFIX, subkey].concat()
    }

    fn insert(txn: &mut Txn, subkey: &[u8]) {
        txn.put(Self::row(subkey), &b"\x10"[..]);
    }

    /// By counting, as without counts there is no other way.
    fn remove_from_rank(txn: &mut Txn, rank: u64) {
        let mut gone = Vec::new();
        let mut scan = txn.scan(Bound::Included(PREFIX), Bound::Excluded(b"\x01planf"));
        scan.first().unwrap();
        let mut at = 0;
        while scan.valid() {
            if at >= rank {
                gone.push(scan.key().to_vec());
            }
            at += 1;
            scan.next().unwrap();
        }
        drop(scan);
        for row in gone {
            txn.delete(row);
        }
    }
}

fn timed(what: &str, times: u64, run: impl FnOnce(&Arc<Store>)) {
    let store = store();
    timed_on(&store, what, times, run);
    drop(store.close());
}

fn timed_on(store: &Arc<Store>, what: &str, times: u64, run: impl FnOnce(&Arc<Store>)) {
    let clock = SystemClock::default();
    let before = clock.monotonic_ns();
    run(store);
    let spent = clock.monotonic_ns() - before;
    let stats = store.db().stats();
    println!("{what:<44} {:>8.2} us each   {stats:?}", spent as f64 / times as f64 / 1000.0);
}

fn txn(store: &Arc<Store>) -> Txn {
    store.txn(LockSet::one(crate::store::LockKey(1)), Tier::Disk).unwrap()
}

fn load(store: &Arc<Store>, packed: bool, per_commit: u64, sorted: bool) {
    let mut random = Random::seeded(1);
    let mut plane = Ranked::open(&txn(store), PREFIX).unwrap();
    for batch in 0..ELEMENTS / per_commit {
        let mut txn = txn(store);
        for i in 0..per_commit {
            let member = batch * per_commit + i;
            let subkey = subkey(if sorted { member } else { random.below(1 << 40) }, member);
            if packed {
                plane.insert(&mut txn, &subkey, b"").unwrap();
            } else {
                Rows::insert(&mut txn, &subkey);
            }
        }
        txn.commit().unwrap();
    }
}

fn trim(store: &Arc<Store>, packed: bool, rounds: u64) {
    let mut random = Random::seeded(2);
    let mut plane = Ranked::open(&txn(store), PREFIX).unwrap();
    for round in 0..rounds {
        let mut txn = txn(store);
        for i in 0..50 {
            let subkey = subkey(random.below(1 << 40), round * 50 + i);
            if packed {
                plane.insert(&mut txn, &subkey, b"").unwrap();
            } else {
                Rows::insert(&mut txn, &subkey);
            }
        }
        if packed {
            plane.remove_range(&mut txn, 500, u64::MAX).unwrap();
        } else {
            Rows::remove_from_rank(&mut txn, 500);
        }
        txn.commit().unwrap();
    }
}

#[test]
#[ignore = "prints figures; takes half a minute"]
fn measure() {
    for packed in [false, true] {
        let kind = if packed { "packed" } else { "rows" };
        for (per_commit, sorted) in [(1, false), (1, true), (100, false)] {
            let order = if sorted { "in order" } else { "at random" };
            timed(&format!("{kind}: load {order}, {per_commit} a commit"), ELEMENTS, |store| {
                load(store, packed, per_commit, sorted);
            });
        }
        timed(&format!("{kind}: 50 inserts, trim to 500; a round"), 4000, |store| trim(store, packed, 4000));
    }
    let store = store();
    load(&store, true, 100, false);
    let mut plane = None;
    timed_on(&store, "packed: rebuild the counts, per element", ELEMENTS, |store| {
        plane = Some(Ranked::open(&txn(store), PREFIX).unwrap());
    });
    let plane = plane.unwrap();
    let view = store.view_newest(Tier::Disk);
    let mut random = Random::seeded(3);
    timed_on(&store, "packed: element at a rank", 20_000, |_| {
        for _ in 0..20_000 {
            plane.at(&view, random.below(ELEMENTS)).unwrap().unwrap();
        }
    });
    timed_on(&store, "packed: rank of an element, with finding it", 20_000, |_| {
        for _ in 0..20_000 {
            let rank = random.below(ELEMENTS);
            let (subkey, _) = plane.at(&view, rank).unwrap().unwrap();
            assert_eq!(plane.rank(&view, &subkey).unwrap().0, rank);
        }
    });
    let mut seen = 0;
    timed_on(&store, "packed: all in order, per element", ELEMENTS, |_| {
        plane
            .range(&view, 0, &mut |_, _| {
                seen += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
    });
    assert_eq!(seen, ELEMENTS);
}
