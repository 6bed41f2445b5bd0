//! What packing costs and gains, beside a row for each element:
//! `cargo test --release --lib ranked::measure -- --ignored --nocapture --test-threads=1`.

use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use super::Ranked;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Env, Fsync, Options, Tier};
use crate::random::Random;
use crate::store::{LockKey, LockSet, Reads, Store, Txn};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

const ELEMENTS: u64 = 200_000;
const ROUNDS: u64 = 4000;
const LOOKUPS: u64 = 20_000;
const PREFIX: &[u8] = b"\x01plane";

/// How elements are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A row for each, to compare with.
    Rows,
    /// A row for each, looked for first.
    RowsAsked,
    /// Packed, and known to be new, as a sorted set knows from its other plane, and a list of itself.
    Packed,
    /// Packed, and looked for first.
    PackedAsked,
}

const KINDS: [Kind; 4] = [Kind::Rows, Kind::RowsAsked, Kind::Packed, Kind::PackedAsked];

/// Score and member, as a sorted set's second plane will have them.
fn subkey(score: u64, member: u64) -> Vec<u8> {
    [&score.to_be_bytes()[..], format!("member:{member:08}").as_bytes()].concat()
}

/// A store on a disk in memory.
struct World {
    vfs: Arc<MemoryVfs>,
    store: Arc<Store>,
    clock: SystemClock,
}

impl World {
    fn new() -> Self {
        let vfs = Arc::new(MemoryVfs::new());
        let mut env = Env::with_vfs(vfs.clone());
        env.workers = Workers::threads(1);
        let options = Options { memory: 64 << 20, fsync: Fsync::Never, ..Options::default() };
        let store = Store::open(env, Path::new("/db"), options, &[]).unwrap();
        Self { vfs, store, clock: SystemClock::default() }
    }

    fn txn(&self) -> Txn {
        self.store.txn(LockSet::one(LockKey(1)), Tier::Disk).unwrap()
    }

    /// What each time takes, in microseconds.
    fn timed_us(&self, times: u64, run: impl FnOnce(&Self)) -> f64 {
        let before = self.clock.monotonic_ns();
        run(self);
        (self.clock.monotonic_ns() - before) as f64 / times as f64 / 1000.0
    }

    /// Bytes of all tables, once there is nothing left to merge.
    fn table_bytes(&self) -> u64 {
        let db = self.store.db();
        db.flush().unwrap();
        db.compact_range(None, None).unwrap();
        db.wait_idle().unwrap();
        let contents = self.vfs.contents();
        let tables = contents.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "tbl"));
        tables.map(|(_, bytes)| bytes.len() as u64).sum()
    }

    fn reads(&self, what: &str, times: u64, run: impl FnOnce(&Self)) {
        println!("{what:<40} {:>22.3} us", self.timed_us(times, run));
    }
}

/// Prints the shortest of three runs, as others may use the machine as well.
fn writes(what: &str, kind: Kind, times: u64, run: impl Fn(&World)) {
    let mut best = (f64::INFINITY, World::new());
    for _ in 0..3 {
        let world = World::new();
        let us = world.timed_us(times, &run);
        if us < best.0 {
            best = (us, world);
        }
    }
    let (us, world) = best;
    let stats = world.store.db().stats();
    let each = |bytes: u64| bytes as f64 / times as f64;
    println!(
        "{what:<34} {:<12} {us:>9.2} us  {:>8.1} B of batches {:>8.1} B of log  {:>9} B of tables",
        format!("{kind:?}"),
        each(stats.commit_bytes),
        each(stats.log_bytes),
        world.table_bytes(),
    );
}

fn insert(kind: Kind, plane: &mut Ranked, txn: &mut Txn, subkey: &[u8]) {
    match kind {
        Kind::RowsAsked if txn.get(&[PREFIX, subkey].concat()).unwrap().is_some() => {}
        Kind::Rows | Kind::RowsAsked => txn.put([PREFIX, subkey].concat(), &b"\x10"[..]),
        Kind::Packed => plane.insert_new(txn, subkey, b"").unwrap(),
        Kind::PackedAsked => {
            plane.insert(txn, subkey, b"").unwrap();
        }
    }
}

fn remove(kind: Kind, plane: &mut Ranked, txn: &mut Txn, subkey: &[u8]) {
    match kind {
        Kind::Rows | Kind::RowsAsked => txn.delete([PREFIX, subkey].concat()),
        Kind::Packed => plane.remove_known(txn, subkey).unwrap(),
        Kind::PackedAsked => assert!(plane.remove(txn, subkey).unwrap()),
    }
}

/// Removes what is beyond a rank: by counting, where there are only rows.
fn trim(kind: Kind, plane: &mut Ranked, txn: &mut Txn, rank: u64) {
    if matches!(kind, Kind::Packed | Kind::PackedAsked) {
        plane.remove_range(txn, rank, u64::MAX).unwrap();
        return;
    }
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

fn load(world: &World, kind: Kind, elements: u64, per_commit: u64, sorted: bool) {
    let mut random = Random::seeded(1);
    let mut plane = Ranked::open(&world.txn(), PREFIX).unwrap();
    for batch in 0..elements / per_commit {
        let mut txn = world.txn();
        for member in batch * per_commit..(batch + 1) * per_commit {
            let score = if sorted { member } else { random.below(1 << 40) };
            insert(kind, &mut plane, &mut txn, &subkey(score, member));
        }
        txn.commit().unwrap();
    }
}

fn leaderboard(world: &World, kind: Kind) {
    let mut random = Random::seeded(2);
    let mut plane = Ranked::open(&world.txn(), PREFIX).unwrap();
    for round in 0..ROUNDS {
        let mut txn = world.txn();
        for member in round * 50..round * 50 + 50 {
            insert(kind, &mut plane, &mut txn, &subkey(random.below(1 << 40), member));
        }
        trim(kind, &mut plane, &mut txn, 500);
        txn.commit().unwrap();
    }
}

/// Scores that change, one a commit.
fn churn(world: &World, kind: Kind) {
    let mut random = Random::seeded(4);
    let mut plane = Ranked::open(&world.txn(), PREFIX).unwrap();
    let mut scores = vec![None; 10_000];
    for _ in 0..ELEMENTS {
        let member = random.below(10_000);
        let mut txn = world.txn();
        let score = random.below(1 << 40);
        if let Some(before) = scores[member as usize].replace(score) {
            remove(kind, &mut plane, &mut txn, &subkey(before, member));
        }
        insert(kind, &mut plane, &mut txn, &subkey(score, member));
        txn.commit().unwrap();
    }
}

#[test]
#[ignore = "prints figures; takes five minutes"]
fn changing() {
    for (what, per_commit, sorted) in [
        ("load at random, 1 a commit", 1, false),
        ("load in order, 1 a commit", 1, true),
        ("load at random, 100 a commit", 100, false),
        ("load in order, 100 a commit", 100, true),
    ] {
        for kind in KINDS {
            writes(what, kind, ELEMENTS, |world| load(world, kind, ELEMENTS, per_commit, sorted));
        }
    }
    for kind in KINDS {
        writes("change one of 10,000, 1 a commit", kind, ELEMENTS, |world| churn(world, kind));
    }
    for kind in [Kind::Rows, Kind::Packed] {
        writes("50 inserts, trim to 500; a round", kind, ROUNDS, |world| leaderboard(world, kind));
    }
}

#[test]
#[ignore = "prints figures; takes half a minute"]
fn reading() {
    let world = World::new();
    load(&world, Kind::Packed, 1_000_000, 1, false);
    let mut opened = None;
    let mut open = |world: &World| opened = Some(Ranked::open(&world.txn(), PREFIX).unwrap());
    world.reads("open 1 M elements, mostly in tables", 1, &mut open);
    println!("{} B of tables", world.table_bytes());
    world.reads("open 1 M elements, all in one level", 1, &mut open);
    let plane = opened.unwrap();
    let view = world.store.view_newest(Tier::Disk);
    let mut random = Random::seeded(3);
    world.reads("element at a rank", LOOKUPS, |_| {
        for _ in 0..LOOKUPS {
            plane.at(&view, random.below(plane.len())).unwrap().unwrap();
        }
    });
    world.reads("that, and its rank", LOOKUPS, |_| {
        for _ in 0..LOOKUPS {
            let rank = random.below(plane.len());
            let (subkey, _) = plane.at(&view, rank).unwrap().unwrap();
            assert_eq!(plane.rank(&view, &subkey).unwrap(), (rank, true));
        }
    });
    let mut seen = 0;
    world.reads("all in order, each", plane.len(), |_| {
        plane
            .range(&view, 0, &mut |_, _| {
                seen += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
    });
    assert_eq!(seen, plane.len());
}

impl Drop for World {
    fn drop(&mut self) {
        self.store.close().unwrap();
    }
}
