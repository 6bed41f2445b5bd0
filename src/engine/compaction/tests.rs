//! The whole engine, stepped by hand on a disk in memory: what merges keep, drop and survive.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;

use crate::clock::ManualClock;
use crate::engine::{Batch, Db, DeadRange, Env, Event, Fsync, Options, Result, Sweep, View};
use crate::vfs::Vfs;
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

/// A layer above: the first byte of a key is its owner; owners die; the first byte of a value is its deadline.
#[derive(Default)]
struct Layer {
    state: Mutex<LayerState>,
}

#[derive(Default)]
struct LayerState {
    dead: BTreeSet<u8>,
    swept: BTreeSet<u8>,
    now_ms: u64,
}

impl Sweep for Layer {
    fn dead_ranges(&self, _: &View, _: &[u8], _: &[u8]) -> Result<Vec<DeadRange>> {
        let state = self.state.lock();
        Ok(state.dead.iter().map(|&o| DeadRange { start: vec![o], end: vec![o + 1] }).collect())
    }

    fn deadline_ms(&self, _: &[u8], value: &[u8]) -> Option<u64> {
        value.first().map(|&at| u64::from(at)).filter(|&at| at > 0)
    }

    fn now_ms(&self, _: crate::engine::key::Seqno) -> u64 {
        self.state.lock().now_ms
    }

    fn swept(&self, range: &DeadRange) {
        self.state.lock().swept.extend(range.start[0]..range.end[0]);
    }
}

struct World {
    vfs: MemoryVfs,
    clock: Arc<ManualClock>,
    workers: Arc<Workers>,
    layer: Arc<Layer>,
    events: Arc<Mutex<Vec<Event>>>,
    db: Db,
}

const DIR: &str = "/db";

fn options() -> Options {
    Options {
        memory: 8 << 20,
        memtable: Some(64 << 10),
        table: Some(64 << 10),
        block: 1024,
        fsync: Fsync::Never,
        ..Options::default()
    }
}

impl World {
    fn new() -> Self {
        Self::with(options())
    }

    fn with(options: Options) -> Self {
        let vfs = MemoryVfs::new();
        let clock = Arc::new(ManualClock::default());
        let workers = Workers::manual_with(clock.clone());
        let layer = Arc::new(Layer::default());
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = events.clone();
        let env = Env {
            vfs: Arc::new(vfs.clone()),
            clock: clock.clone(),
            workers: workers.clone(),
            listener: Arc::new(move |event: &Event| heard.lock().push(event.clone())),
            sweep: layer.clone(),
        };
        let db = Db::open_with(env, Path::new(DIR), options).unwrap();
        Self { vfs, clock, workers, layer, events, db }
    }

    /// Keys of an owner, with values of a hundred bytes of which the first is the deadline.
    fn fill(&self, owner: u8, keys: std::ops::Range<u16>, deadline: u8) {
        for key in keys {
            let mut batch = Batch::new();
            let mut value = vec![deadline];
            let mut noise = (u64::from(key) << 8 | u64::from(owner)).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            value.extend((0..100).map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                noise as u8
            }));
            batch.put(&[&[owner][..], &key.to_be_bytes()].concat(), &value);
            self.db.write(&batch).unwrap();
            self.workers.run_all();
        }
    }

    fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance_ms(1000);
            self.workers.run_all();
        }
    }

    fn table_bytes(&self) -> u64 {
        let names = self.vfs.list(Path::new(DIR)).unwrap();
        let tables = names.iter().filter(|path| path.extension().is_some_and(|e| e == "tbl"));
        tables.map(|path| self.vfs.open(&Path::new(DIR).join(path)).unwrap().len().unwrap()).sum()
    }

    fn happened(&self, event: impl Fn(&Event) -> bool) -> bool {
        self.events.lock().iter().any(event)
    }
}

#[test]
fn rows_in_order_move_down_without_being_rewritten() {
    let world = World::new();
    world.fill(1, 0..20_000, 0);
    world.db.flush().unwrap();
    world.workers.run_all();
    let totals = world.db.stats();
    assert_eq!(totals.compaction_write_bytes, 0);
    assert!(totals.trivial_moves > 10);
}

#[test]
fn the_space_of_a_dead_owner_comes_back_by_itself() {
    let world = World::new();
    world.fill(3, 0..500, 0);
    world.fill(5, 0..10_000, 0);
    world.fill(7, 0..500, 0);
    world.db.flush().unwrap();
    world.workers.run_all();
    let before = world.table_bytes();
    world.layer.state.lock().dead.insert(5);
    world.pass(10);
    let after = world.table_bytes();
    assert!(after < before / 5, "{before} {after}");
    assert!(world.happened(|e| matches!(e, Event::TableDropped { .. })));
    assert!(world.layer.state.lock().swept.contains(&5));
    for (owner, there) in [(3, true), (5, false), (7, true)] {
        for key in [0_u16, 250, 499] {
            let key = [&[owner][..], &key.to_be_bytes()].concat();
            assert_eq!(world.db.get(&key).unwrap().is_some(), there, "{key:?}");
        }
    }
}

#[test]
fn what_dies_in_memory_never_reaches_the_disk_and_gives_its_memory_back() {
    let world = World::new();
    let kept = |world: &World| world.db.shared().current.load().kept.len();
    world.fill(3, 0..100, 0);
    world.db.flush().unwrap();
    assert_eq!(kept(&world), 1);
    let before = world.table_bytes();
    world.fill(5, 0..150, 0);
    world.fill(7, 0..20, 0);
    world.layer.state.lock().dead.insert(5);
    world.pass(1);
    assert!(world.db.shared().current.load().memtable.is_empty());
    assert!(world.table_bytes() < before + 20 * 150, "{before} {}", world.table_bytes());
    // The one of which most is dead, and the older one behind it.
    world.pass(1);
    assert_eq!(kept(&world), 0);
    // One that only dies once it lies in a table.
    world.fill(9, 0..100, 0);
    world.db.flush().unwrap();
    world.pass(1);
    assert_eq!(kept(&world), 1);
    world.layer.state.lock().dead.insert(9);
    world.fill(7, 20..21, 0);
    world.db.sync().unwrap();
    world.pass(1);
    assert_eq!(kept(&world), 0);
    for (owner, there) in [(3, true), (5, false), (7, true), (9, false)] {
        assert_eq!(world.db.get(&[owner, 0, 7]).unwrap().is_some(), there, "{owner}");
    }
}

#[test]
fn expired_rows_go_by_themselves_and_nothing_older_comes_back() {
    let world = World::new();
    world.fill(1, 0..4000, 0);
    world.db.flush().unwrap();
    world.db.compact_range(None, None).unwrap();
    world.fill(1, 0..4000, 50);
    world.fill(2, 0..4000, 60);
    world.db.flush().unwrap();
    world.workers.run_all();
    world.layer.state.lock().now_ms = 70;
    world.pass(10);
    assert_eq!(world.table_bytes(), 0);
    let view = world.db.view();
    let mut scan = view.scan(std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    scan.first().unwrap();
    assert!(!scan.valid());
}

#[test]
fn expired_rows_stay_while_a_snapshot_is_held() {
    let world = World::new();
    world.fill(1, 0..1000, 50);
    let snapshot = world.db.snapshot();
    world.db.flush().unwrap();
    world.layer.state.lock().now_ms = 70;
    world.db.compact_range(None, None).unwrap();
    world.pass(10);
    assert!(snapshot.view().get(&[1, 0, 7]).unwrap().is_some());
    drop(snapshot);
    world.pass(10);
    assert_eq!(world.table_bytes(), 0);
}

#[test]
fn everything_deleted_leaves_next_to_nothing_after_a_quiet_while() {
    let world = World::new();
    world.fill(1, 0..8000, 0);
    for key in 0..8000_u16 {
        let mut batch = Batch::new();
        batch.delete(&[&[1][..], &key.to_be_bytes()].concat());
        world.db.write(&batch).unwrap();
    }
    world.pass(20);
    // Up to a sixteenth of a memtable of deletions stays in memory, and what they delete on disk.
    assert!(world.table_bytes() < 4 << 10, "{}", world.table_bytes());
}

/// A merge looks up every 4096 rows how much it has written. What is written may have become less by then: the open
/// block counts as it is, a closed one compressed.
#[test]
fn merges_that_drop_nearly_all_rows_go_through() {
    // One table has enough rows for many looks.
    let (memtable, table) = (Some(16 << 20), Some(16 << 20));
    let world = World::with(Options { memory: 128 << 20, memtable, table, ..options() });
    let key = |key: u16| [&[1][..], &key.to_be_bytes()].concat();
    let put = |batch: &mut Batch, n: u16| batch.put(&key(n), &[0; 100]);
    for deleted in [false, true] {
        for from in (0..60_000_u16).step_by(500) {
            let mut batch = Batch::new();
            for n in from..from + 500 {
                match n % 2048 {
                    _ if !deleted => put(&mut batch, n),
                    15.. => batch.delete(&key(n)),
                    _ => {}
                }
            }
            if !batch.is_empty() {
                world.db.write(&batch).unwrap();
            }
            world.workers.run_all();
        }
        world.db.flush().unwrap();
        world.db.compact_range(None, None).unwrap();
        world.pass(5);
    }
    let mut batch = Batch::new();
    put(&mut batch, 1);
    world.db.write(&batch).unwrap();
    assert!(world.db.get(&key(2048)).unwrap().is_some());
    assert_eq!(world.db.get(&key(2063)).unwrap(), None);
}

#[test]
fn a_deleted_range_gives_its_space_back_and_its_mark_goes() {
    let world = World::new();
    world.fill(1, 0..8000, 0);
    world.db.flush().unwrap();
    let mut batch = Batch::new();
    batch.delete_range(&[1, 0], &[1, 20]);
    world.db.write(&batch).unwrap();
    world.db.flush().unwrap();
    world.pass(10);
    assert_eq!(world.db.get(&[1, 19, 255]).unwrap(), None);
    assert!(world.db.get(&[1, 20, 0]).unwrap().is_some());
    let mut batch = Batch::new();
    batch.delete_range(&[1], &[2]);
    world.db.write(&batch).unwrap();
    world.db.flush().unwrap();
    world.pass(10);
    assert_eq!(world.table_bytes(), 0);
    assert!(world.db.shared().current.load().marks.is_empty());
}

#[test]
fn a_full_disk_stops_no_merge_for_good() {
    let world = World::new();
    world.fill(1, 0..4000, 0);
    world.workers.run_all();
    let used = world.vfs.used();
    world.vfs.set_quota(Some(used));
    let mut refused = false;
    for key in 0..4000_u16 {
        let mut batch = Batch::new();
        batch.put(&[&[2][..], &key.to_be_bytes()].concat(), &[7; 200]);
        if world.db.write(&batch).is_err() {
            refused = true;
            break;
        }
        world.workers.run_all();
    }
    assert!(refused);
    world.vfs.set_quota(None);
    world.pass(60);
    world.fill(2, 0..4000, 0);
    world.db.compact_range(None, None).unwrap();
    for (owner, key) in [(1, 3999_u16), (2, 3999), (1, 0), (2, 0)] {
        assert!(world.db.get(&[&[owner][..], &key.to_be_bytes()].concat()).unwrap().is_some());
    }
}

/// What a test may do next.
#[derive(Clone, Debug)]
enum Act {
    Put(u16, u8),
    Delete(u16),
    DeleteRange(u16, u16),
    Snapshot,
    Release,
    Flush,
    Step(u8),
    Compact(u16, u16),
    Pass,
}

fn act() -> impl Strategy<Value = Act> {
    let key = || 0_u16..400;
    prop_oneof![
        12 => (key(), any::<u8>()).prop_map(|(k, v)| Act::Put(k, v)),
        4 => key().prop_map(Act::Delete),
        1 => (key(), 0_u16..60).prop_map(|(k, n)| Act::DeleteRange(k, k + n)),
        1 => Just(Act::Snapshot),
        1 => Just(Act::Release),
        2 => Just(Act::Flush),
        2 => any::<u8>().prop_map(|n| Act::Step(n % 8)),
        1 => (key(), key()).prop_map(|(a, b)| Act::Compact(a.min(b), a.max(b))),
        1 => Just(Act::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_snapshot_sees_its_moment_whatever_is_merged(acts in prop::collection::vec(act(), 1..300)) {
        let world = World::new();
        let mut model: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        let mut held = Vec::new();
        for act in acts {
            let mut batch = Batch::new();
            match act {
                Act::Put(key, v) => {
                    // Long enough that a few dozen make a table.
                    let value = [&[0, v][..], &[v; 600]].concat();
                    batch.put(&key.to_be_bytes(), &value);
                    model.insert(key, value);
                }
                Act::Delete(key) => {
                    batch.delete(&key.to_be_bytes());
                    model.remove(&key);
                }
                Act::DeleteRange(from, to) => {
                    batch.delete_range(&from.to_be_bytes(), &to.to_be_bytes());
                    model.retain(|key, _| !(from..to).contains(key));
                }
                Act::Snapshot => held.push((world.db.snapshot(), model.clone())),
                Act::Release => drop((!held.is_empty()).then(|| held.remove(0))),
                Act::Flush => world.db.flush().unwrap(),
                Act::Step(n) => (0..n).for_each(|_| {
                    world.workers.step();
                }),
                Act::Compact(from, to) => {
                    world.db.compact_range(Some(&from.to_be_bytes()), Some(&to.to_be_bytes())).unwrap();
                }
                Act::Pass => world.pass(2),
            }
            if !batch.is_empty() {
                world.db.write(&batch).unwrap();
            }
        }
        let now = world.db.snapshot();
        held.push((now, model));
        for round in 0..2 {
            for (snapshot, model) in &held {
                let view = snapshot.view();
                for key in 0..460_u16 {
                    let got = view.get(&key.to_be_bytes()).unwrap();
                    prop_assert_eq!(got.as_deref(), model.get(&key).map(Vec::as_slice), "key {} round {}", key, round);
                }
                let mut scan = view.scan(std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
                let mut rows = model.iter();
                scan.first().unwrap();
                while scan.valid() {
                    let (key, value) = rows.next().unwrap();
                    prop_assert_eq!((scan.key(), scan.value()), (&key.to_be_bytes()[..], &value[..]));
                    scan.next().unwrap();
                }
                prop_assert!(rows.next().is_none());
            }
            world.db.compact_range(None, None).unwrap();
        }
    }
}
