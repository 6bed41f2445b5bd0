//! The whole engine on the simulated disk, against a sorted map with all its history.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::engine::error::Error;
use crate::engine::shared::KEPT_MAX;
use crate::engine::{Fsync, NoSweep};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

fn env(vfs: &MemoryVfs) -> Env {
    Env {
        vfs: Arc::new(vfs.clone()),
        clock: Arc::new(ManualClock::default()),
        workers: Workers::manual(),
        listener: Arc::new(()),
        sweep: Arc::new(NoSweep),
    }
}

/// Small enough that a hundred rows make several tables.
fn options() -> Options {
    Options {
        memory: 8 << 20,
        memtable: Some(64 << 10),
        table: Some(64 << 10),
        cache: Some(1 << 20),
        block: 1024,
        fsync: Fsync::Never,
        ..Options::default()
    }
}

fn dir() -> PathBuf {
    PathBuf::from("/db")
}

fn open(vfs: &MemoryVfs) -> Db {
    Db::open_with(env(vfs), &dir(), options()).unwrap()
}

fn put(db: &Db, key: &[u8], value: &[u8]) -> Seqno {
    let mut batch = Batch::new();
    batch.put(key, value);
    db.write(&batch).unwrap()
}

#[test]
fn what_was_written_is_read_from_everywhere() {
    let vfs = MemoryVfs::default();
    let db = open(&vfs);
    put(&db, b"k", b"1");
    assert_eq!(db.get(b"k").unwrap().unwrap(), "1");
    db.flush().unwrap();
    assert_eq!(db.get(b"k").unwrap().unwrap(), "1");
    put(&db, b"k", b"2");
    assert_eq!(db.get(b"k").unwrap().unwrap(), "2");
    db.close().unwrap();
    assert!(matches!(db.commit(&Batch::new()), Err(Error::Closed)));
    let db = open(&vfs);
    assert_eq!(db.get(b"k").unwrap().unwrap(), "2");
    db.compact_range(None, None).unwrap();
    assert_eq!(db.get(b"k").unwrap().unwrap(), "2");
    assert_eq!(db.get(b"l").unwrap(), None);
}

#[test]
fn rows_just_flushed_are_read_from_memory_unless_a_range_mark_came_with_them() {
    let vfs = MemoryVfs::default();
    let db = open(&vfs);
    let probed = |key: &[u8], value: Option<&str>| {
        let before = db.stats().table_probes;
        assert_eq!(db.get(key).unwrap().as_deref(), value.map(str::as_bytes));
        db.stats().table_probes > before
    };
    put(&db, b"k", b"1");
    put(&db, b"l", b"1");
    db.flush().unwrap();
    assert!(!probed(b"k", Some("1")));
    put(&db, b"k", b"2");
    db.flush().unwrap();
    assert!(!probed(b"k", Some("2")) && !probed(b"l", Some("1")));
    let mut batch = Batch::new();
    batch.delete_range(b"l", b"m");
    db.write(&batch).unwrap();
    assert_eq!(db.get(b"l").unwrap(), None);
    db.flush().unwrap();
    db.compact_range(None, None).unwrap();
    assert!(probed(b"k", Some("2")));
    assert_eq!(db.get(b"l").unwrap(), None);
    for i in 0..8 {
        put(&db, b"m", &[i]);
        db.flush().unwrap();
    }
    assert_eq!(db.shared.current.load().kept.len(), KEPT_MAX);
}

/// Two keys are always written together. Whoever reads both in one view finds them alike, and what was seen once is
/// never unseen, while memtables rotate, flush and merge underneath and rows grow hot.
#[test]
fn views_are_whole_and_reads_never_go_back_while_everything_moves() {
    const PAIRS: u64 = 16;
    let vfs = MemoryVfs::default();
    let env = Env { clock: Arc::new(SystemClock::default()), workers: Workers::threads(1), ..env(&vfs) };
    let db = Db::open_with(env, &dir(), options()).unwrap();
    let done = AtomicBool::new(false);
    let key = |side: u8, pair: u64| [&[side][..], &pair.to_be_bytes()].concat();
    let number = |value: Bytes| u64::from_le_bytes(*value.first_chunk().unwrap());
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (db, done) = (&db, &done);
            scope.spawn(move || {
                let mut seen = [0; PAIRS as usize];
                let mut turn = reader;
                while !done.load(Ordering::Relaxed) {
                    turn += 1;
                    let pair = turn % PAIRS;
                    let newest = db.get(&key(b'a', pair)).unwrap().map_or(0, number);
                    assert!(newest >= seen[pair as usize], "a read went back");
                    seen[pair as usize] = newest;
                    let view = db.view();
                    let both = view.multi_get(&[&key(b'a', pair), &key(b'b', pair)]).unwrap();
                    assert_eq!(both[0], both[1]);
                    assert!(both[0].clone().map_or(0, number) >= newest, "a view behind a read");
                    if turn % 64 == 0 {
                        let mut a = view.scan(Bound::Included(b"a"), Bound::Excluded(b"b"));
                        let mut b = view.scan(Bound::Included(b"b"), Bound::Excluded(b"c"));
                        a.first().unwrap();
                        b.first().unwrap();
                        while a.valid() {
                            assert_eq!((&a.key()[1..], a.value()), (&b.key()[1..], b.value()));
                            a.next().unwrap();
                            b.next().unwrap();
                        }
                        assert!(!b.valid());
                    }
                }
            });
        }
        let mut batch = Batch::new();
        for n in 1..=6_000_u64 {
            let mut value = n.to_le_bytes().to_vec();
            value.resize(200, n as u8);
            batch.clear();
            batch.put(&key(b'a', n % PAIRS), &value);
            batch.put(&key(b'b', n % PAIRS), &value);
            db.write(&batch).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(db.stats().flushes > 0);
    db.close().unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Change>),
    Flush,
    Compact(Vec<u8>, Vec<u8>),
    /// Lets the background do so many jobs.
    Work(usize),
    Reopen,
    /// As after a kill: nothing is flushed, the log is read.
    Kill,
    Snapshot,
    Forget(usize),
    Get(Vec<u8>, usize),
    Scan {
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
        moves: Vec<Move>,
        at: usize,
    },
}

#[derive(Clone, Debug)]
enum Change {
    Put(Vec<u8>, usize),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

#[derive(Clone, Debug)]
enum Move {
    First,
    Last,
    Seek(Vec<u8>),
    SeekBack(Vec<u8>),
    Next(usize),
    Prev(usize),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0_u8..60).prop_map(|n| format!("key:{n:02}").into_bytes()),
        2 => (0_u8..12).prop_map(|n| format!("a-key-that-is-rather-long:{n}").into_bytes()),
        1 => prop::collection::vec(prop::sample::select(vec![0_u8, 1, b'k', 255]), 0..3),
    ]
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        8 => (key(), 0_usize..1500).prop_map(|(key, len)| Change::Put(key, len)),
        3 => key().prop_map(Change::Delete),
        1 => (key(), key()).prop_map(|(a, b)| if a <= b { Change::DeleteRange(a, b) } else { Change::DeleteRange(b, a) }),
    ];
    let movement = prop_oneof![
        Just(Move::First),
        Just(Move::Last),
        key().prop_map(Move::Seek),
        key().prop_map(Move::SeekBack),
        (1_usize..9).prop_map(Move::Next),
        (1_usize..9).prop_map(Move::Prev),
    ];
    prop_oneof![
        30 => prop::collection::vec(change, 1..20).prop_map(Step::Write),
        3 => Just(Step::Flush),
        2 => (key(), key()).prop_map(|(a, b)| if a <= b { Step::Compact(a, b) } else { Step::Compact(b, a) }),
        4 => (1_usize..6).prop_map(Step::Work),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        3 => Just(Step::Snapshot),
        2 => any::<usize>().prop_map(Step::Forget),
        15 => (key(), any::<usize>()).prop_map(|(key, at)| Step::Get(key, at)),
        10 => (bound(), bound(), prop::collection::vec(movement, 1..12), any::<usize>())
            .prop_map(|(from, to, moves, at)| Step::Scan { from, to, moves, at }),
    ]
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn is_empty(from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    match (from, to) {
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => a >= b,
        _ => false,
    }
}

/// The database and what it should hold, now and at each snapshot.
struct Pair {
    vfs: MemoryVfs,
    db: Db,
    rows: Rows,
    snapshots: Vec<(Snapshot, Rows)>,
    written: usize,
}

impl Pair {
    fn new() -> Self {
        let vfs = MemoryVfs::default();
        let db = open(&vfs);
        Self { vfs, db, rows: Rows::new(), snapshots: Vec::new(), written: 0 }
    }

    /// The newest moment, or a snapshot.
    fn moment(&self, at: usize) -> (View, &Rows) {
        match self.snapshots.get(at % (self.snapshots.len() + 1)) {
            Some((snapshot, rows)) => (snapshot.view(), rows),
            None => (self.db.view(), &self.rows),
        }
    }

    fn write(&mut self, changes: &[Change]) {
        let mut batch = Batch::new();
        for change in changes {
            if let Change::DeleteRange(start, end) = change {
                batch.delete_range(start, end);
                self.rows.retain(|key, _| !(start <= key && key < end));
            }
        }
        for change in changes {
            match change {
                Change::Put(key, len) => {
                    self.written += 1;
                    let mut value = self.written.to_le_bytes().to_vec();
                    value.resize(8 + len, (self.written % 251) as u8);
                    batch.put(key, &value);
                    self.rows.insert(key.clone(), value);
                }
                Change::Delete(key) => {
                    batch.delete(key);
                    self.rows.remove(key);
                }
                Change::DeleteRange(..) => {}
            }
        }
        self.db.write(&batch).unwrap();
    }

    fn scan(&self, from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>, moves: &[Move], at: usize) {
        let (view, rows) = self.moment(at);
        let within: Vec<(&Vec<u8>, &Vec<u8>)> = if is_empty(from, to) {
            Vec::new()
        } else {
            rows.range::<[u8], _>((from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice)))
                .collect()
        };
        let mut scan = view.scan(from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        let mut place: Option<usize> = None;
        let check = |scan: &crate::engine::Scan<'_>, place: Option<usize>| {
            let row = place.map(|i| (within[i].0.as_slice(), within[i].1.as_slice()));
            let here = scan.valid().then(|| (scan.key(), scan.value()));
            assert_eq!(here, row);
            assert_eq!(scan.value_bytes(), row.map_or(&[][..], |(_, value)| value));
        };
        for movement in moves {
            match movement {
                Move::First => {
                    scan.first().unwrap();
                    place = (!within.is_empty()).then_some(0);
                }
                Move::Last => {
                    scan.last().unwrap();
                    place = within.len().checked_sub(1);
                }
                Move::Seek(key) => {
                    scan.seek(key).unwrap();
                    place = Some(within.partition_point(|(k, _)| *k < key)).filter(|&i| i < within.len());
                }
                Move::SeekBack(key) => {
                    scan.seek_back(key).unwrap();
                    place = within.partition_point(|(k, _)| *k <= key).checked_sub(1);
                }
                Move::Next(n) => {
                    for _ in 0..*n {
                        scan.next().unwrap();
                        place = place.map(|i| i + 1).filter(|&i| i < within.len());
                        check(&scan, place);
                    }
                }
                Move::Prev(n) => {
                    for _ in 0..*n {
                        scan.prev().unwrap();
                        place = place.and_then(|i| i.checked_sub(1));
                        check(&scan, place);
                    }
                }
            }
            check(&scan, place);
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Write(changes) => self.write(changes),
            Step::Flush => self.db.flush().unwrap(),
            Step::Compact(from, to) => self.db.compact_range(Some(from), Some(to)).unwrap(),
            Step::Work(jobs) => {
                for _ in 0..*jobs {
                    self.db.shared().env.workers.step();
                }
            }
            Step::Reopen => {
                self.snapshots.clear();
                self.db.close().unwrap();
                self.db = open(&self.vfs);
            }
            Step::Kill => {
                self.snapshots.clear();
                self.vfs = self.vfs.kill_clone();
                self.db = open(&self.vfs);
            }
            Step::Snapshot => self.snapshots.push((self.db.snapshot(), self.rows.clone())),
            Step::Forget(at) => {
                if !self.snapshots.is_empty() {
                    self.snapshots.swap_remove(at % self.snapshots.len());
                }
            }
            Step::Get(key, at) => {
                let (view, rows) = self.moment(*at);
                let value = view.get(key).unwrap();
                assert_eq!(value.as_deref(), rows.get(key).map(Vec::as_slice));
                assert!(value.is_none() || view.may_contain(key));
                // Once more: perhaps from the hot rows now.
                assert_eq!(view.get(key).unwrap(), value);
                let keys = [b"key:07".as_slice(), key, b"key:31", key];
                let values = view.multi_get(&keys).unwrap();
                for (key, value) in keys.iter().zip(values) {
                    assert_eq!(value.as_deref(), rows.get(*key).map(Vec::as_slice));
                }
            }
            Step::Scan { from, to, moves, at } => self.scan(from, to, moves, *at),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_sorted_map_with_history(steps in prop::collection::vec(step(), 1..160)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
        }
        pair.db.compact_range(None, None).unwrap();
        let everything = [Move::First, Move::Next(80), Move::Last, Move::Prev(80)];
        for at in 0..=pair.snapshots.len() {
            pair.scan(&Bound::Unbounded, &Bound::Unbounded, &everything, at);
        }
    }
}
