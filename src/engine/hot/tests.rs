use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shuttle::sync::Arc;

use super::*;
use crate::engine::batch::Batch;

/// Primitives whose every step the checker may interrupt.
struct Checked;

impl Primitives for Checked {
    type Lock<T> = shuttle::sync::Mutex<T>;
    type Word = shuttle::sync::atomic::AtomicU64;
}

impl<T> Lock<T> for shuttle::sync::Mutex<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> R {
        call(&mut self.lock().unwrap())
    }
}

impl Word for shuttle::sync::atomic::AtomicU64 {
    fn new(n: u64) -> Self {
        Self::new(n)
    }

    fn get(&self) -> u64 {
        self.load(shuttle::sync::atomic::Ordering::SeqCst)
    }

    fn set(&self, n: u64) {
        self.store(n, shuttle::sync::atomic::Ordering::SeqCst);
    }

    fn raise(&self, n: u64) {
        self.fetch_max(n, shuttle::sync::atomic::Ordering::SeqCst);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Plant {
    Nothing,
    /// Readers fill whatever happened since they read.
    FillWithoutLooking,
    /// Commits are published before rows are dropped.
    PublishTooEarly,
    /// Range deletions leave rows alone.
    NoFloor,
}

/// A store of one key, with all its history.
struct Store {
    hot: HotRows<Checked>,
    versions: shuttle::sync::Mutex<BTreeMap<Seqno, Option<u8>>>,
    published: shuttle::sync::atomic::AtomicU64,
    plant: Plant,
}

const KEY: &[u8] = b"key";

impl Store {
    fn commit(&self, seqno: Seqno, batch: &Batch, value: Option<u8>) {
        self.versions.with(|v| v.insert(seqno, value));
        if self.plant == Plant::PublishTooEarly {
            self.published.raise(seqno);
        }
        let ranged = batch.ops().flatten().any(|op| matches!(op, Op::DeleteRange { .. }));
        if !(ranged && self.plant == Plant::NoFloor) {
            self.hot.forget(seqno, batch.bytes());
        }
        self.published.raise(seqno);
    }

    fn read(&self, view: Seqno) {
        let found = |view: Seqno| {
            self.versions.with(|v| v.range(..=view).next_back().map(|(seqno, value)| (*seqno, *value)))
        };
        if let Some(hit) = self.hot.get(KEY, view) {
            let truth = found(view).and_then(|(_, value)| value);
            assert_eq!(hit.map(|bytes| bytes[0]), truth, "stale at {view}");
            return;
        }
        let (seqno, value) = found(view).unwrap_or((view, None));
        let value = value.map(|v| [v]);
        let value = value.as_ref().map(<[u8; 1]>::as_slice);
        if self.plant == Plant::FillWithoutLooking {
            let (hash, shard) = self.hot.place(KEY);
            shard.with(|shard| shard.insert(hash, KEY, seqno, view, value));
        } else {
            self.hot.fill(KEY, view, seqno, value);
        }
    }

    fn read_newest(&self) {
        self.read(self.published.get());
    }
}

/// A writer that puts, deletes, deletes the range and puts again; readers at the newest and at an older moment.
fn race(plant: Plant) {
    let store = Arc::new(Store {
        hot: HotRows::with(1, 1 << 20, 0),
        versions: Lock::new(BTreeMap::new()),
        published: Word::new(0),
        plant,
    });
    let writer = {
        let store = store.clone();
        shuttle::thread::spawn(move || {
            let mut batch = Batch::new();
            batch.put(KEY, &[1]);
            store.commit(1, &batch, Some(1));
            batch.clear();
            batch.delete_range(b"a", b"z");
            store.commit(2, &batch, None);
            batch.clear();
            batch.put(KEY, &[3]);
            store.commit(3, &batch, Some(3));
            batch.clear();
            batch.delete(KEY);
            store.commit(4, &batch, None);
        })
    };
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let store = store.clone();
            shuttle::thread::spawn(move || {
                let old = store.published.get();
                store.read_newest();
                store.read_newest();
                store.read(old);
                store.read_newest();
            })
        })
        .collect();
    writer.join().unwrap();
    for reader in readers {
        reader.join().unwrap();
    }
    store.read_newest();
    store.read_newest();
}

#[test]
fn no_interleaving_serves_a_stale_row() {
    shuttle::check_random(|| race(Plant::Nothing), 4_000);
    shuttle::check_pct(|| race(Plant::Nothing), 4_000, 3);
}

#[test]
fn the_checker_finds_planted_bugs() {
    for plant in [Plant::FillWithoutLooking, Plant::PublishTooEarly, Plant::NoFloor] {
        let found = catch_unwind(AssertUnwindSafe(|| shuttle::check_random(move || race(plant), 20_000)));
        assert!(found.is_err(), "a planted bug went unnoticed");
    }
}

fn batch(fill: impl FnOnce(&mut Batch)) -> Vec<u8> {
    let mut batch = Batch::new();
    fill(&mut batch);
    batch.bytes().to_vec()
}

#[test]
fn rows_serve_views_at_or_above_them() {
    let hot = HotRows::<Native>::with(1, 1 << 20, 0);
    hot.fill(b"k", 9, 5, Some(b"five"));
    assert_eq!(hot.get(b"k", 4), None);
    assert_eq!(hot.get(b"k", 5), Some(Some(Bytes::from_static(b"five"))));
    hot.fill(b"absent", 9, 9, None);
    assert_eq!(hot.get(b"absent", 9), Some(None));
    hot.forget(12, &batch(|b| b.delete(b"k")));
    assert_eq!((hot.get(b"k", 11), hot.get(b"k", 12), hot.len()), (None, None, 1));
    hot.fill(b"k", 11, 5, Some(b"five"));
    assert_eq!(hot.get(b"k", 12), None, "what was read before the commit is void");
    hot.fill(b"k", 12, 12, None);
    hot.forget(13, &batch(|b| b.put(b"cold", b"x")));
    assert_eq!((hot.get(b"k", 13), hot.len()), (Some(None), 2));
    hot.forget(14, &batch(|b| b.delete_range(b"x", b"y")));
    assert_eq!(hot.get(b"k", 14), None);
}

#[test]
fn what_is_read_stays_and_memory_is_bounded() {
    let hot = HotRows::<Native>::with(1, 20_000, 0);
    hot.fill(b"hot", 1, 1, Some(b"value"));
    for i in 0..1_000_u32 {
        hot.fill(&i.to_be_bytes(), 1, 1, Some(&[0; 50]));
        assert!(hot.get(b"hot", 1).is_some());
        assert!(hot.used() <= 20_000);
    }
    assert!(hot.len() > 50);
    hot.set_capacity(0);
    assert_eq!((hot.len(), hot.used()), (0, 0));
}

#[test]
fn a_key_is_admitted_the_second_time() {
    let hot = HotRows::new(1 << 20);
    hot.fill(b"k", 1, 1, Some(b"v"));
    assert_eq!(hot.len(), 0);
    hot.fill(b"k", 1, 1, Some(b"v"));
    assert_eq!(hot.get(b"k", 1), Some(Some(Bytes::from_static(b"v"))));
    hot.forget(2, &batch(|b| b.put(b"k", b"w")));
    hot.fill(b"k", 2, 2, Some(b"w"));
    assert_eq!(hot.get(b"k", 2), Some(Some(Bytes::from_static(b"w"))), "at once where it was before");
}

#[test]
fn what_changed_is_admitted_and_did_not_lack_room() {
    let hot = HotRows::new(64 << 10);
    assert!(!hot.fill(b"key", 1, 1, Some(b"value")) && hot.get(b"key", 1).is_none());
    assert!(hot.fill(b"key", 1, 1, Some(b"value")) && hot.get(b"key", 1).is_some());
    let mut batch = Batch::new();
    batch.put(b"key", b"other");
    hot.forget(2, batch.bytes());
    assert!(hot.get(b"key", 2).is_none());
    assert!(!hot.fill(b"key", 2, 2, Some(b"other")) && hot.get(b"key", 2).is_some());
}

#[test]
fn memory_that_was_lent_is_given_back() {
    let mut shard = Shard::new(64);
    for n in 0..10_000_u64 {
        shard.insert(n << 20, &n.to_be_bytes(), 1, 1, Some(b"value"));
    }
    let most = shard.capacity();
    shard.shrink(shard.bytes() / 10);
    shard.give_back();
    assert!(shard.capacity() < most / 4, "{} of {most}", shard.capacity());
}
