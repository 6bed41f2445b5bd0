//! Random operations against the engine and against a `BTreeMap` with a history, side by side.
//!
//! Besides reading and writing the operations close, kill, cut the power, fill the disk, break it, step the workers
//! one by one and reopen with other options. After every crash the store must be in a state of the history no older
//! than the newest acknowledged one; in between it must answer as the model does.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use siltstone::engine::{Compression, Db, Error, Event, Fsync, Options, Snapshot, Tier};
use siltstone::vfs::faulty::{Fault, Operation, Rule};

use crate::history::{Change, History, Rows, read_every_way};
use crate::world::{World, kind_of, number_from_env, small};

#[derive(Clone, Debug)]
enum Step {
    Write { changes: Vec<Change>, wait: bool },
    Get(Vec<u8>),
    Scan { from: Vec<u8>, to: Vec<u8>, seek: Vec<u8>, walk: Vec<bool> },
    ReadAll,
    Snapshot,
    ReadSnapshot(usize),
    DropSnapshot(usize),
    Sync,
    Flush,
    Compact(Vec<u8>, Vec<u8>),
    Work(usize),
    Advance(u64),
    Checkpoint,
    Close(u8),
    Kill(u8),
    PowerLoss(u64, u8),
    Fault(u8, u64),
    Quota(u64),
    Room,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0_u8..40).prop_map(|n| format!("key{n:02}").into_bytes()),
        1 => Just(Vec::new()),
        1 => (0_u8..4).prop_map(|n| vec![b'k'; 200 * usize::from(n)]),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (key(), any::<u8>(), 0_usize..3000).prop_map(|(k, b, n)| Change::Put(k, vec![b; n])),
        3 => key().prop_map(Change::Delete),
        1 => (key(), key()).prop_map(|(a, b)| if a <= b { Change::DeleteRange(a, b) } else { Change::DeleteRange(b, a) }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (proptest::collection::vec(change(), 0..6), any::<bool>())
            .prop_map(|(changes, wait)| Step::Write { changes, wait }),
        6 => key().prop_map(Step::Get),
        6 => (key(), key(), key(), proptest::collection::vec(any::<bool>(), 0..12))
            .prop_map(|(from, to, seek, walk)| Step::Scan { from, to, seek, walk }),
        2 => Just(Step::ReadAll),
        2 => Just(Step::Snapshot),
        2 => any::<usize>().prop_map(Step::ReadSnapshot),
        1 => any::<usize>().prop_map(Step::DropSnapshot),
        2 => Just(Step::Sync),
        4 => Just(Step::Flush),
        2 => (key(), key()).prop_map(|(a, b)| Step::Compact(a, b)),
        6 => (0_usize..6).prop_map(Step::Work),
        3 => (0_u64..1500).prop_map(Step::Advance),
        1 => Just(Step::Checkpoint),
        2 => any::<u8>().prop_map(Step::Close),
        2 => any::<u8>().prop_map(Step::Kill),
        3 => (any::<u64>(), any::<u8>()).prop_map(|(seed, o)| Step::PowerLoss(seed, o)),
        1 => (any::<u8>(), 0_u64..6).prop_map(|(kind, skip)| Step::Fault(kind, skip)),
        1 => (0_u64..60_000).prop_map(Step::Quota),
        1 => Just(Step::Room),
    ]
}

fn options(choice: u8) -> Options {
    Options {
        fsync: [Fsync::Always, Fsync::EverySecond, Fsync::Never][usize::from(choice % 3)],
        compression: if choice & 4 == 0 { Compression::Lz4 } else { Compression::None },
        filter_bits: if choice & 8 == 0 { 10 } else { 0 },
        block: if choice & 16 == 0 { 1024 } else { 4096 },
        cache: if choice & 32 == 0 { None } else { Some(0) },
        ..small()
    }
}

struct Run {
    world: World,
    options: Options,
    db: Db,
    history: History,
    snapshots: Vec<(Snapshot, Arc<Rows>)>,
    /// The newest state that a kill of the process must leave, whatever `fsync` says.
    handed_over: usize,
    /// A fault was planted: writes may fail from now on.
    trouble: bool,
    checkpoints: u64,
    seen: Vec<Event>,
}

impl Run {
    fn new(choice: u8) -> Self {
        let world = World::new();
        let options = options(choice);
        let db = world.open(&options).unwrap();
        Self {
            world,
            options,
            db,
            history: History::new(),
            snapshots: Vec::new(),
            handed_over: 0,
            trouble: false,
            checkpoints: 0,
            seen: Vec::new(),
        }
    }

    /// An error is allowed only in trouble.
    fn forgive<T>(&self, done: Result<T, Error>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(e) => {
                assert!(self.trouble, "nothing was broken, and yet: {e}");
                None
            }
        }
    }

    /// A new process on the disk as it is.
    fn reopen(&mut self, choice: u8, power: Option<u64>) {
        self.snapshots.clear();
        let memory = match power {
            Some(seed) => self.world.memory.crash_clone(seed),
            None => self.world.memory.kill_clone(),
        };
        memory.set_quota(None);
        self.seen.append(&mut self.world.events.lock());
        self.world = World::on(memory);
        self.options = options(choice);
        self.trouble = false;
        self.db = self.world.open(&self.options).unwrap();
        let sure = if power.is_some() { self.history.acknowledged } else { self.handed_over };
        let at = self.history.check(&self.db, sure..=self.history.len()).unwrap();
        self.history.go_on_from(at);
        self.handed_over = at;
    }

    fn all_durable(&mut self) {
        self.history.all_durable();
        self.handed_over = self.history.len();
    }

    fn write(&mut self, changes: &[Change], wait: bool) {
        let batch = self.history.plan(changes);
        match self.db.commit(&batch) {
            Ok(seqno) => {
                self.history.done();
                if wait && self.forgive(self.db.acknowledge(seqno)).is_some() {
                    self.handed_over = self.history.len();
                    if self.options.fsync == Fsync::Always {
                        self.all_durable();
                    }
                }
            }
            Err(e) => {
                assert!(self.trouble, "nothing was broken, and yet: {e}");
                if !matches!(e, Error::Poisoned(_)) {
                    self.history.refused();
                }
            }
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], seek: &[u8], walk: &[bool]) {
        let rows: Vec<(&Vec<u8>, &Bytes)> = if from < to {
            self.history.newest().range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))).collect()
        } else {
            Vec::new()
        };
        let view = self.db.view();
        let mut scan = view.scan(Bound::Included(from), Bound::Excluded(to));
        let mut at = if walk.len().is_multiple_of(2) {
            if self.forgive(scan.seek(seek)).is_none() {
                return;
            }
            Some(rows.partition_point(|(k, _)| k[..] < *seek))
        } else {
            if self.forgive(scan.seek_back(seek)).is_none() {
                return;
            }
            rows.partition_point(|(k, _)| k[..] <= *seek).checked_sub(1)
        };
        for forward in walk {
            let expected = at.and_then(|at| rows.get(at));
            assert_eq!(scan.valid(), expected.is_some());
            let Some((key, value)) = expected else { return };
            assert_eq!((scan.key(), scan.value()), (&key[..], &value[..]));
            let moved = if *forward { scan.next() } else { scan.prev() };
            if self.forgive(moved).is_none() {
                return;
            }
            at = at.and_then(|at| if *forward { Some(at + 1) } else { at.checked_sub(1) });
        }
    }

    fn checkpoint(&mut self) {
        self.checkpoints += 1;
        let to = format!("/copy{}", self.checkpoints);
        if self.forgive(self.db.checkpoint(Path::new(&to))).is_none() {
            return;
        }
        // It is a database of its own, and durable.
        let copy = World::on(self.world.memory.crash_clone(self.checkpoints));
        let db = Db::open_with(copy.env(), Path::new(&to), self.options.clone()).unwrap();
        let newest = self.history.len();
        self.history.check(&db, newest..=newest).unwrap();
    }

    fn break_something(&mut self, kind: u8, skip: u64) {
        self.trouble = true;
        let operation =
            [Operation::Write, Operation::Sync, Operation::Create, Operation::SyncDir, Operation::Rename]
                [usize::from(kind % 5)];
        let suffix = ["", ".log", ".tbl"][usize::from(kind / 5 % 3)];
        let fault = match kind % 2 {
            0 => Fault::Fail(ErrorKind::Other),
            _ => Fault::Short(usize::from(kind), ErrorKind::Other),
        };
        self.world.faulty.add(Rule::once(operation, suffix, skip, fault));
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write { changes, wait } => self.write(changes, *wait),
            Step::Get(key) => {
                if let Some(found) = self.forgive(self.db.get(key)) {
                    assert_eq!(found.as_ref(), self.history.newest().get(key));
                }
                match self.db.view().with_tier(Tier::Cached).get(key) {
                    Ok(found) => assert_eq!(found.as_ref(), self.history.newest().get(key)),
                    Err(Error::NotCached(_)) => {}
                    Err(e) => drop(self.forgive(Err::<(), _>(e))),
                }
            }
            Step::Scan { from, to, seek, walk } => self.scan(from, to, seek, walk),
            Step::ReadAll => {
                if let Some(found) = self.forgive(read_every_way(&self.db.view(), self.history.newest())) {
                    assert_eq!(found, **self.history.newest());
                }
            }
            Step::Snapshot => self.snapshots.push((self.db.snapshot(), self.history.newest().clone())),
            Step::ReadSnapshot(n) => {
                if let Some((snapshot, rows)) = self.snapshots.get(n % self.snapshots.len().max(1))
                    && let Some(found) = self.forgive(read_every_way(&snapshot.view(), rows))
                {
                    assert_eq!(found, **rows);
                }
            }
            Step::DropSnapshot(n) => {
                if !self.snapshots.is_empty() {
                    self.snapshots.swap_remove(n % self.snapshots.len());
                }
            }
            Step::Sync => {
                if self.forgive(self.db.sync()).is_some() {
                    self.all_durable();
                }
            }
            Step::Flush => {
                if self.forgive(self.db.flush()).is_some() {
                    self.all_durable();
                }
            }
            Step::Compact(a, b) => {
                let (from, to) = if a < b { (a, b) } else { (b, a) };
                self.forgive(self.db.compact_range(Some(from), Some(to)));
            }
            Step::Work(n) => {
                for _ in 0..*n {
                    self.world.workers.step();
                }
            }
            Step::Advance(ms) => self.world.clock.advance_ms(*ms),
            Step::Checkpoint => self.checkpoint(),
            Step::Close(choice) => {
                if self.forgive(self.db.close()).is_some() {
                    self.all_durable();
                }
                self.reopen(*choice, None);
            }
            Step::Kill(choice) => self.reopen(*choice, None),
            Step::PowerLoss(seed, choice) => self.reopen(*choice, Some(*seed)),
            Step::Fault(kind, skip) => self.break_something(*kind, *skip),
            Step::Quota(room) => {
                self.trouble = true;
                self.world.memory.set_quota(Some(self.world.memory.used() + room));
            }
            Step::Room => self.world.memory.set_quota(None),
        }
    }
}

#[test]
fn the_engine_does_what_a_map_does() {
    let cases = number_from_env("SILTSTONE_MODEL_CASES", 300) as u32;
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let kinds = std::sync::Mutex::new(BTreeSet::new());
    let strategy = (any::<u8>(), proptest::collection::vec(step(), 1..120));
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&strategy, |(choice, steps)| {
        let mut run = Run::new(choice);
        for step in &steps {
            run.step(step);
        }
        run.reopen(choice, Some(u64::from(choice)));
        kinds.lock().unwrap().extend(run.seen.iter().map(kind_of));
        Ok(())
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
    let kinds = kinds.into_inner().unwrap();
    for wanted in ["Flushed", "Compacted", "Opened", "DiskFull", "Poisoned"] {
        assert!(kinds.contains(wanted), "{wanted} never happened, only {kinds:?}");
    }
}
