//! Real threads, many writers, and a power loss at a random moment: per writer nothing acknowledged is lost, nothing
//! that a reader of acknowledged commits has seen is undone, and over all writers what is found is a prefix of the
//! order of commits. And views are whole moments, whatever goes on around them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;
use siltstone::engine::{Batch, Db, Env, Fsync, Options, Seqno};
use siltstone::random::Random;
use siltstone::vfs::memory::MemoryVfs;

use crate::history::scan_all;
use crate::world::{DIR, World, number_from_env, small};

const WRITERS: usize = 4;

/// A second row that every batch of the writer sets to the same number; far from the first.
fn twin(writer: usize) -> Vec<u8> {
    format!("a twin{writer}").into_bytes()
}

/// Stops the writers, also when a check fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What one writer has told the outside.
#[derive(Default)]
struct Told {
    acknowledged: AtomicU64,
    /// Each commit's number in the common order, by the writer's own number.
    seqnos: Mutex<BTreeMap<u64, Seqno>>,
}

fn row(writer: usize) -> Vec<u8> {
    format!("writer{writer}").into_bytes()
}

fn number(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()))
}

fn write(db: &Db, writer: usize, told: &Told, stop: &AtomicBool, seed: u64) {
    let mut random = Random::seeded(seed ^ writer as u64);
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let mut last = 0;
        for _ in 0..=random.below(8) {
            number += 1;
            let mut batch = Batch::new();
            batch.put(&row(writer), &number.to_be_bytes());
            batch.put(&twin(writer), &number.to_be_bytes());
            let mut noise = vec![0; random.below(2000) as usize];
            random.fill(&mut noise);
            batch.put(format!("noise{writer}{}", random.below(50)).as_bytes(), &noise);
            // Held, so that whoever looks sees a commit here at the latest when its acknowledgement is told.
            let mut seqnos = told.seqnos.lock();
            last = db.commit(&batch).unwrap();
            seqnos.insert(number, last);
        }
        db.acknowledge(last).unwrap();
        told.acknowledged.store(number, Ordering::SeqCst);
    }
}

fn check(image: MemoryVfs, sure: &[u64], told: &[Told], options: &Options) {
    let db = World::on(image).open(options).unwrap();
    let found: Vec<u64> = (0..WRITERS).map(|w| number(db.get(&row(w)).unwrap().as_deref())).collect();
    let seqno_of = |w: usize, n: u64| told[w].seqnos.lock().get(&n).copied();
    let newest = (0..WRITERS).filter_map(|w| seqno_of(w, found[w])).max().unwrap_or(0);
    for writer in 0..WRITERS {
        assert!(found[writer] >= sure[writer], "writer {writer}: {found:?}, acknowledged {sure:?}");
        if let Some(next) = seqno_of(writer, found[writer] + 1) {
            assert!(next > newest, "a hole: commit {next} of writer {writer} is missing, {newest} is there");
        }
    }
}

#[test]
fn writers_on_threads_lose_nothing_acknowledged_and_leave_no_hole() {
    let rounds = number_from_env("SILTSTONE_THREAD_ROUNDS", 1);
    let seed = number_from_env("SILTSTONE_SEED", 1);
    for round in 0..rounds {
        let memory = MemoryVfs::new();
        let options = small();
        let db =
            Db::open_with(Env::with_vfs(Arc::new(memory.clone())), Path::new(DIR), options.clone()).unwrap();
        let told: Vec<Told> = (0..WRITERS).map(|_| Told::default()).collect();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for (writer, told) in told.iter().enumerate() {
                let (db, stop) = (&db, &stop);
                scope.spawn(move || write(db, writer, told, stop, seed + round));
            }
            let _stop = Stop(&stop);
            let mut seen = vec![0; WRITERS];
            for n in 0..100 {
                // Some progress between two images, however busy the machine is.
                let mut sure: Vec<u64> = loop {
                    let now: Vec<_> = told.iter().map(|t| t.acknowledged.load(Ordering::SeqCst)).collect();
                    if now != seen {
                        break now;
                    }
                    thread::yield_now();
                };
                let view = db.view_acknowledged(0);
                for (writer, sure) in sure.iter_mut().enumerate() {
                    *sure = number(view.get(&row(writer)).unwrap().as_deref()).max(*sure);
                }
                let image = memory.crash_clone(seed << 16 | round << 8 | n);
                check(image, &sure, &told, &options);
                seen = sure;
            }
        });
        db.close().unwrap();
    }
}

#[test]
fn a_view_is_a_whole_moment_while_writers_write() {
    let rounds = number_from_env("SILTSTONE_VIEW_ROUNDS", 3000);
    let options = Options { fsync: Fsync::Never, ..small() };
    let db = Db::open_with(Env::with_vfs(Arc::new(MemoryVfs::new())), Path::new(DIR), options).unwrap();
    let told: Vec<Told> = (0..WRITERS).map(|_| Told::default()).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for (writer, told) in told.iter().enumerate() {
            let (db, stop) = (&db, &stop);
            scope.spawn(move || write(db, writer, told, stop, 5));
        }
        let _stop = Stop(&stop);
        let mut newest = [0; WRITERS];
        let take = || {
            let taken = db.snapshot();
            let seen: [u64; WRITERS] =
                std::array::from_fn(|w| number(taken.view().get(&row(w)).unwrap().as_deref()));
            (taken, seen)
        };
        let mut snapshot = take();
        for round in 0..rounds {
            let view = db.view();
            let rows = if round % 16 == 0 { Some(scan_all(&view).unwrap()) } else { None };
            for (writer, newest) in newest.iter_mut().enumerate() {
                let keys = [row(writer), twin(writer)];
                let found = match round % 3 {
                    0 => view.multi_get(&[&keys[0], &keys[1]]).unwrap(),
                    _ => keys.iter().map(|key| view.get(key).unwrap()).collect(),
                };
                let [one, two] = [number(found[0].as_deref()), number(found[1].as_deref())];
                assert_eq!(one, two, "half a batch of writer {writer}");
                assert!(one >= *newest, "writer {writer}: {one} after {newest} had been seen");
                *newest = one;
                if let Some(rows) = &rows {
                    let scanned = keys.each_ref().map(|key| number(rows.get(key).map(|value| &value[..])));
                    assert_eq!(scanned, [one; 2], "scan against get, writer {writer}");
                }
                let then = number(snapshot.0.view().get(&row(writer)).unwrap().as_deref());
                assert_eq!(then, snapshot.1[writer], "a snapshot moved");
            }
            if round % 500 == 0 {
                snapshot = take();
            }
        }
    });
    db.close().unwrap();
}
