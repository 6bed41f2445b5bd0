//! Any sequence of operations on the simulated disk, power losses among them, against a sorted map.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use siltstone::engine::{Batch, Compression, Db, Error, Fsync, Options, Snapshot, inspect};
use siltstone::vfs::Vfs;
use siltstone::vfs::memory::MemoryVfs;
use siltstone::workers::Workers;

use crate::damage::{DIR, end, env, options, rows};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// The input as a stream of small choices; zeros when it is used up.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    /// One of few keys: empty, short, long, or with a long beginning in common.
    fn key(&mut self) -> Vec<u8> {
        let n = self.byte();
        match n % 8 {
            0 => vec![n; usize::from(n) / 64],
            1 => [&[b'p'; 300][..], &[n]].concat(),
            _ => format!("user:{:03}", n / 2).into_bytes(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        let (n, fill) = (self.byte(), self.byte());
        let len = match n % 8 {
            0 => 0,
            1..=5 => usize::from(n),
            6 => usize::from(n) * 12,
            _ => usize::from(n) * 200,
        };
        (0..len).map(|i| fill.wrapping_add((i / 7) as u8)).collect()
    }
}

struct Run {
    disk: MemoryVfs,
    options: Options,
    workers: Arc<Workers>,
    db: Db,
    model: Rows,
    /// What the newest synced commit left: with `Fsync::Never`, a crash may undo all that came later, in order.
    since_sync: Vec<Rows>,
    snapshots: Vec<(Snapshot, Rows)>,
}

/// Runs the operations.
pub(crate) fn run(input: &[u8]) {
    let mut choices = Choices(input);
    let flags = choices.byte();
    let options = Options {
        fsync: if flags & 1 == 0 { Fsync::Always } else { Fsync::Never },
        compression: if flags & 2 == 0 { Compression::Lz4 } else { Compression::None },
        filter_bits: if flags & 4 == 0 { 10 } else { 0 },
        cache: (flags & 8 != 0).then_some(0),
        ..options()
    };
    let disk = MemoryVfs::new();
    let (db, workers) = open(&disk, &options).expect("a new database");
    let mut run = Run {
        disk,
        options,
        workers,
        db,
        model: Rows::new(),
        since_sync: vec![Rows::new()],
        snapshots: Vec::new(),
    };
    let mut steps = 0;
    while !choices.0.is_empty() && steps < 400 {
        run.step(&mut choices);
        steps += 1;
    }
    run.check();
    run.db.close().expect("a disk in memory");
    run.workers.run_all();
    drop(run.snapshots);
    let vfs: Arc<dyn Vfs> = Arc::new(run.disk);
    let verified = inspect::verify(&vfs, Path::new(DIR), &mut |_, _| {}).expect("a disk in memory");
    assert!(verified.problems.is_empty(), "{:?}", verified.problems);
}

impl Run {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(24) {
            0..=7 => self.write(1, choices),
            8..=10 => {
                let ops = choices.below(20);
                self.write(ops, choices);
            }
            11 => self.fill(choices),
            12 => {
                let (a, b) = (choices.key(), choices.key());
                let (start, end) = if a <= b { (a, b) } else { (b, a) };
                let mut batch = Batch::new();
                batch.delete_range(&start, &end);
                self.model.retain(|key, _| *key < start || *key >= end);
                self.commit(&batch);
            }
            13 | 14 => self.get(choices),
            15 | 16 => self.scan(choices),
            17 => self.snapshots.push((self.db.snapshot(), self.model.clone())),
            18 => {
                if let Some((snapshot, expected)) = self.snapshots.pop() {
                    self.same(&snapshot.view(), &expected);
                }
            }
            19 => {
                self.db.flush().expect("a disk in memory");
                self.synced();
            }
            20 => {
                let (a, b) = (choices.key(), choices.key());
                self.db.compact_range(Some(a.min(b.clone()).as_slice()), None).expect("a disk in memory");
                drop(b);
            }
            21 => self.db.wait_idle().expect("a disk in memory"),
            22 => self.reopen(),
            _ => self.crash(u64::from(choices.byte())),
        }
    }

    fn commit(&mut self, batch: &Batch) {
        self.db.write(batch).expect("a disk in memory");
        self.since_sync.push(self.model.clone());
        if self.options.fsync == Fsync::Always {
            self.synced();
        }
    }

    /// From now on no crash undoes what is there.
    fn synced(&mut self) {
        self.since_sync = vec![self.model.clone()];
    }

    fn write(&mut self, ops: usize, choices: &mut Choices<'_>) {
        let mut batch = Batch::new();
        for _ in 0..ops {
            let key = choices.key();
            if choices.below(4) == 0 {
                batch.delete(&key);
                self.model.remove(&key);
            } else {
                let value = choices.value();
                batch.put(&key, &value);
                self.model.insert(key, value);
            }
        }
        self.commit(&batch);
    }

    /// As much as a memtable holds, at once.
    fn fill(&mut self, choices: &mut Choices<'_>) {
        let mut batch = Batch::new();
        let fill = choices.byte();
        for i in 0..60_u32 {
            let key = format!("user:{:03}", (i * u32::from(fill | 1)) % 128).into_bytes();
            let value = vec![fill ^ i as u8; 1000];
            batch.put(&key, &value);
            self.model.insert(key, value);
        }
        self.commit(&batch);
    }

    fn get(&self, choices: &mut Choices<'_>) {
        let key = choices.key();
        let value = self.db.get(&key).expect("a disk in memory");
        assert_eq!(value.as_deref(), self.model.get(&key).map(Vec::as_slice), "get {key:?}");
        assert!(self.db.view().may_contain(&key) || value.is_none());
    }

    /// A range in both directions, changing direction on the way.
    fn scan(&self, choices: &mut Choices<'_>) {
        let (a, b) = (choices.key(), choices.key());
        let (from, to) = if a <= b { (a, b) } else { (b, a) };
        let view = self.db.view();
        let mut scan = view.scan(Bound::Included(&from), Bound::Excluded(&to));
        let expected: Vec<(&Vec<u8>, &Vec<u8>)> = self
            .model
            .range((Bound::Included(from.clone()), Bound::Excluded(to.clone().max(from.clone()))))
            .collect();
        let mut at = if choices.below(2) == 0 {
            scan.first().expect("a disk in memory");
            (!expected.is_empty()).then_some(0)
        } else {
            scan.last().expect("a disk in memory");
            expected.len().checked_sub(1)
        };
        for _ in 0..40 {
            let here = scan.valid().then(|| (scan.key().to_vec(), scan.value().to_vec()));
            assert_eq!(here, at.map(|i| (expected[i].0.clone(), expected[i].1.clone())), "scan");
            let Some(i) = at else { break };
            if choices.below(5) < 4 {
                scan.next().expect("a disk in memory");
                at = Some(i + 1).filter(|&i| i < expected.len());
            } else {
                scan.prev().expect("a disk in memory");
                at = i.checked_sub(1);
            }
        }
    }

    fn same(&self, view: &siltstone::engine::View, expected: &Rows) {
        let mut scan = view.scan(Bound::Unbounded, Bound::Unbounded);
        scan.first().expect("a disk in memory");
        for (key, value) in expected {
            assert!(scan.valid(), "{key:?} is missing");
            assert_eq!((scan.key(), scan.value()), (&key[..], &value[..]));
            scan.next().expect("a disk in memory");
        }
        assert!(!scan.valid(), "a row too many");
    }

    fn check(&self) {
        self.same(&self.db.view(), &self.model);
        for (snapshot, expected) in &self.snapshots {
            self.same(&snapshot.view(), expected);
        }
    }

    fn reopen(&mut self) {
        self.snapshots.clear();
        self.db.close().expect("a disk in memory");
        self.workers.run_all();
        (self.db, self.workers) = open(&self.disk, &self.options).expect("what was closed can be opened");
        self.synced();
        self.check();
    }

    /// Power loss: what was acknowledged as durable is there, and of the rest a beginning.
    fn crash(&mut self, seed: u64) {
        self.snapshots.clear();
        let image = self.disk.crash_clone(seed);
        end(&self.db, &self.workers);
        let (opened, workers) = open(&image, &self.options).expect("what a crash leaves can be opened");
        let found = rows(&opened).expect("a disk in memory");
        let known = self.since_sync.iter().any(|rows| *rows == found);
        assert!(
            known,
            "after a crash: {} rows, not what there was at any time since the last sync",
            found.len()
        );
        self.disk = image;
        (self.db, self.workers) = (opened, workers);
        self.model = found;
        self.synced();
    }
}

fn open(disk: &MemoryVfs, options: &Options) -> Result<(Db, Arc<Workers>), Error> {
    let env = env(disk);
    let workers = Arc::clone(&env.workers);
    Ok((Db::open_with(env, Path::new(DIR), options.clone())?, workers))
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let long: Vec<u8> = (0..1200_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![vec![0; 40], (0..=255).collect(), long]
}
