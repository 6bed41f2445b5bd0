//! A tree of toy tables, kept in shape by `pick`: whatever it chooses, in whatever order tasks end, what a reader
//! sees stays the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::engine::options::Options;

const KIB: u64 = 1 << 10;

/// Key → versions, newest first; `None` is a tombstone.
type Rows = BTreeMap<u16, Vec<(Seqno, Option<u64>)>>;

#[derive(Clone)]
struct Toy {
    meta: TableMeta,
    rows: Rows,
}

struct World {
    levels: [Vec<Toy>; LEVELS],
    limits: Limits,
    next: u64,
    seqno: Seqno,
    turn: u64,
    running: Vec<Task>,
    model: BTreeMap<u16, u64>,
    moved: u64,
    written: u64,
}

fn meta(id: u64, rows: &Rows) -> TableMeta {
    let versions = || rows.values().flatten();
    let key = |k: Option<&u16>| k.map_or_else(Vec::new, |k| k.to_be_bytes().to_vec());
    TableMeta {
        id,
        size: versions().count() as u64 * 100,
        smallest: key(rows.keys().next()),
        largest: key(rows.keys().next_back()),
        seqno_min: versions().map(|v| v.0).min().unwrap_or(0),
        seqno_max: versions().map(|v| v.0).max().unwrap_or(0),
        entries: versions().count() as u64,
        tombstones: versions().filter(|v| v.1.is_none()).count() as u64,
        ..TableMeta::default()
    }
}

impl World {
    fn new() -> Self {
        let mut limits = Limits::new(&Options::default()).unwrap();
        (limits.memtable, limits.table, limits.level_base) = (KIB, KIB, 4 * KIB);
        Self {
            levels: Default::default(),
            limits,
            next: 1,
            seqno: 0,
            turn: 0,
            running: Vec::new(),
            model: BTreeMap::new(),
            moved: 0,
            written: 0,
        }
    }

    fn table(&mut self, rows: Rows) -> Toy {
        self.next += 1;
        Toy { meta: meta(self.next, &rows), rows }
    }

    fn flush(&mut self, writes: &[(u16, bool)]) {
        let mut rows = Rows::new();
        for &(key, put) in writes {
            self.seqno += 1;
            rows.entry(key).or_default().insert(0, (self.seqno, put.then_some(self.seqno)));
            if put {
                self.model.insert(key, self.seqno);
            } else {
                self.model.remove(&key);
            }
        }
        if !rows.is_empty() {
            let table = self.table(rows);
            self.levels[0].insert(0, table);
        }
    }

    fn pick(&mut self, quiet: bool) -> Option<Task> {
        let busy = self.running.iter().flat_map(|t| t.inputs.iter().map(|(_, id)| *id)).collect();
        let claims: Vec<_> = self.running.iter().map(Task::claim).collect();
        self.turn += 1;
        let moment = Moment {
            limits: &self.limits,
            horizon: self.seqno,
            now_ms: 0,
            dead: &[],
            busy: &busy,
            claims: &claims,
            quiet,
            turn: self.turn,
        };
        pick(&self.tree(), &moment)
    }

    fn tree(&self) -> Tree<'_> {
        Tree { levels: std::array::from_fn(|l| self.levels[l].iter().map(|t| &t.meta).collect()) }
    }

    fn start(&mut self, quiet: bool) -> bool {
        let Some(task) = self.pick(quiet) else { return false };
        self.running.push(task);
        true
    }

    fn finish(&mut self, n: usize) {
        if self.running.is_empty() {
            return;
        }
        let task = self.running.remove(n % self.running.len());
        let mut taken = Vec::new();
        for &(level, id) in &task.inputs {
            let at =
                self.levels[level].iter().position(|t| t.meta.id == id).expect("inputs stay until taken");
            taken.push(self.levels[level].remove(at));
        }
        let outputs = match task.work {
            Work::Move => {
                self.moved += 1;
                taken
            }
            Work::Drop => Vec::new(),
            Work::Merge => self.merge(&task, taken),
        };
        self.levels[task.to].extend(outputs);
        assert!(task.to > 0);
        self.levels[task.to].sort_by(|a, b| a.meta.smallest.cmp(&b.meta.smallest));
        for level in &self.levels[1..] {
            for pair in level.windows(2) {
                assert!(pair[0].meta.largest < pair[1].meta.smallest, "{task:?} made tables overlap");
            }
        }
        self.check();
    }

    fn merge(&mut self, task: &Task, taken: Vec<Toy>) -> Vec<Toy> {
        let mut newest: BTreeMap<u16, (Seqno, Option<u64>)> = BTreeMap::new();
        for (key, version) in taken.iter().flat_map(|t| &t.rows).flat_map(|(k, v)| v.iter().map(|v| (*k, *v)))
        {
            let slot = newest.entry(key).or_insert(version);
            *slot = (*slot).max(version);
        }
        let mut outputs = Vec::new();
        let mut rows = Rows::new();
        for (key, version) in newest {
            let bytes = key.to_be_bytes();
            let tree = self.tree();
            let under = (task.to + 1..LEVELS).any(|l| !tree.overlapping(l, &bytes, &bytes).is_empty());
            if version.1.is_some() || under {
                rows.insert(key, vec![version]);
            }
            if rows.len() == 10 {
                outputs.push(self.table(std::mem::take(&mut rows)));
            }
        }
        if !rows.is_empty() {
            outputs.push(self.table(rows));
        }
        self.written += outputs.iter().map(|t| t.meta.size).sum::<u64>();
        outputs
    }

    /// Reads as the engine does: level by level, the first that has the key counts.
    fn get(&self, key: u16) -> Option<u64> {
        let found = self.levels.iter().flatten().find_map(|t| t.rows.get(&key)?.first());
        found.and_then(|v| v.1)
    }

    fn check(&self) {
        for key in 0..300 {
            assert_eq!(self.get(key), self.model.get(&key).copied(), "key {key}");
        }
    }

    fn settle(&mut self, quiet: bool) {
        for step in 0.. {
            assert!(step < 10_000, "picks never end");
            let more = self.start(quiet);
            if !more && self.running.is_empty() {
                return;
            }
            self.finish(step);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_picked_readers_see_the_same(
        steps in prop::collection::vec(
            (prop::collection::vec((0_u16..300, prop::bool::weighted(0.8)), 0..30), 0_usize..3, 0_usize..4),
            1..60,
        )
    ) {
        let mut world = World::new();
        for (writes, start, finish) in steps {
            world.flush(&writes);
            for _ in 0..start {
                world.start(false);
            }
            for n in 0..finish {
                world.finish(n);
            }
        }
        world.settle(false);
        world.settle(true);
        let debt = world.tree().debt(&world.limits);
        prop_assert!(debt.level0_tables < world.limits.level0_tables);
    }

    #[test]
    fn after_deleting_everything_and_a_quiet_while_nothing_is_left(
        writes in prop::collection::vec(prop::collection::vec((0_u16..300, Just(true)), 1..30), 1..60)
    ) {
        let mut world = World::new();
        for writes in writes {
            world.flush(&writes);
            world.settle(false);
        }
        world.flush(&(0..300).map(|k| (k, false)).collect::<Vec<_>>());
        world.settle(true);
        prop_assert_eq!(world.tree().tables().count(), 0);
    }
}

#[test]
fn rows_in_order_are_written_once() {
    let mut world = World::new();
    for n in 0..100_u16 {
        world.flush(&(0..10).map(|k| (n * 10 + k, true)).collect::<Vec<_>>());
        world.model.retain(|k, _| *k < 300);
        world.settle(false);
    }
    assert_eq!(world.written, 0);
    assert!(world.moved > 0);
}

#[test]
fn random_overwrites_cost_what_they_must() {
    let mut world = World::new();
    let mut random = 1_u64;
    let mut flushed = 0;
    for _ in 0..300 {
        let writes: Vec<_> = (0..10)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((random >> 33) as u16 % 5000, true)
            })
            .collect();
        flushed += writes.len() as u64 * 100;
        world.flush(&writes);
        world.model.retain(|k, _| *k < 300);
        world.settle(false);
    }
    let amplification = world.written as f64 / flushed as f64;
    assert!(amplification < 12.0, "{amplification}");
    let space: u64 = world.tree().tables().map(|(_, t)| t.size).sum();
    let rows: std::collections::BTreeSet<_> =
        world.levels.iter().flatten().flat_map(|t| t.rows.keys()).collect();
    assert!(space < rows.len() as u64 * 100 * 3 / 2, "{space} for {}", rows.len() * 100);
}

#[test]
fn a_table_with_nothing_but_dead_rows_goes_unread_and_one_with_many_is_rewritten() {
    let mut world = World::new();
    world.flush(&(0..100).map(|k| (k, true)).collect::<Vec<_>>());
    let table = world.levels[0].pop().unwrap();
    let id = table.meta.id;
    world.levels[6].push(table);
    let pick_with = |dead: Dead, horizon| {
        let tree = world.tree();
        let (busy, claims) = (HashSet::new(), []);
        let moment = Moment {
            limits: &world.limits,
            horizon,
            now_ms: 0,
            dead: &[dead],
            busy: &busy,
            claims: &claims,
            quiet: false,
            turn: 0,
        };
        pick(&tree, &moment).map(|t| (t.reason, t.work, t.to))
    };
    let whole = Dead { table: id, bytes: 10_000, whole: true };
    assert_eq!(pick_with(whole, 100), Some((Reason::Dead, Work::Drop, 6)));
    assert_eq!(pick_with(whole, 99), None, "a snapshot may still want it");
    let half = Dead { table: id, bytes: 5_000, whole: false };
    assert_eq!(pick_with(half, 100), Some((Reason::Dead, Work::Merge, 6)));
    assert_eq!(pick_with(Dead { bytes: 100, ..half }, 100), None);
}

#[test]
fn expired_tables_go_when_nothing_older_lies_under() {
    let limits = World::new().limits;
    let key = |k: u8| vec![k];
    let table = |id, from, to| TableMeta {
        id,
        size: 5000,
        smallest: key(from),
        largest: key(to),
        seqno_min: id,
        seqno_max: id,
        entries: 50,
        expiring: 50,
        deadlines_ms: [10, 20, 30, 40, 50],
        ..TableMeta::default()
    };
    let (upper, lower) = (table(2, 1, 5), TableMeta { expiring: 0, deadlines_ms: [0; 5], ..table(1, 4, 9) });
    let pick_at = |now_ms, with_lower| {
        let mut tree = Tree::default();
        tree.levels[5].push(&upper);
        if with_lower {
            tree.levels[6].push(&lower);
        }
        let busy = HashSet::new();
        let moment = Moment {
            limits: &limits,
            horizon: 9,
            now_ms,
            dead: &[],
            busy: &busy,
            claims: &[],
            quiet: false,
            turn: 3,
        };
        pick(&tree, &moment).map(|t| (t.reason, t.work))
    };
    assert_eq!(pick_at(9, false), Some((Reason::Size, Work::Move)), "only out of an unwanted level");
    assert_eq!(pick_at(30, false), Some((Reason::Expired, Work::Merge)));
    assert_eq!(pick_at(50, false), Some((Reason::Expired, Work::Drop)));
    assert_eq!(pick_at(50, true), Some((Reason::Expired, Work::Merge)), "the lower rows would come back");
}

#[test]
fn by_hand_everything_in_the_range_comes_to_the_last_level() {
    let mut world = World::new();
    for n in 0..40_u16 {
        world.flush(&(0..10).map(|k| ((n * 37 + k * 13) % 300, n % 3 > 0)).collect::<Vec<_>>());
        if n % 7 == 0 {
            world.settle(false);
        }
    }
    let mut manual = Manual { from: None, to: None, level: 0, done: None, upto: world.next };
    for step in 0.. {
        assert!(step < 1000);
        let (busy, claims) = (HashSet::new(), []);
        let moment = Moment {
            limits: &world.limits,
            horizon: world.seqno,
            now_ms: 0,
            dead: &[],
            busy: &busy,
            claims: &claims,
            quiet: false,
            turn: 0,
        };
        match pick_manual(&world.tree(), &moment, &manual) {
            Step::Do(task, next) => {
                manual = next;
                world.running.push(task);
                world.finish(0);
            }
            Step::Wait => panic!("nothing runs"),
            Step::Done => break,
        }
    }
    let last = world.tree().last_level();
    assert!(world.levels[..last].iter().all(Vec::is_empty));
    assert!(world.tree().tables().all(|(_, t)| t.tombstones == 0));
}
