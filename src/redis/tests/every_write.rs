//! The power goes, or the process is killed, at each operation of the disk while one command writes many keys or rows.

use std::sync::Arc;

use super::history::{Camera, Image};
use super::reply::Reply;
use super::scripts::{library, script};
use super::state::State;
use super::world::{Words, World};
use crate::clock::ManualClock;
use crate::store::Fsync;
use crate::vfs::faulty::{Fault, Operation, Rule};
use crate::vfs::memory::MemoryVfs;

/// What there is, and the one thing that is done. A line `FILL type key from to bytes` puts so many elements of that size
/// into a key, `LIBRARY name version` loads a library.
struct Scene {
    name: &'static str,
    before: &'static [&'static str],
    done: &'static [&'static str],
}

const fn scene(name: &'static str, before: &'static [&'static str], done: &'static [&'static str]) -> Scene {
    Scene { name, before, done }
}

const ALL_TYPES: &[&str] = &[
    "SET s old",
    "HSET h f old g old",
    "RPUSH l old older",
    "SADD m old older",
    "ZADD z 1 old 2 older",
    "XADD x 1-0 f old",
    "SET gone old",
    "FILL list long 0 60 40",
    "FILL zset ranks 0 60 40",
];

/// Streams of which a group has read much.
const GROUP: &[&str] = &[
    "FILL stream x 0 200 40",
    "FILL stream y 0 9 40",
    "XGROUP CREATE x g 0",
    "XGROUP CREATE y g 0",
    "XREADGROUP GROUP g a COUNT 120 STREAMS x >",
];

/// Writes every type, and removes, renames and copies.
const ALL_CHANGED: &[&str] = &[
    "SET s new",
    "HSET h f new",
    "HPEXPIRE h 100000 FIELDS 1 f",
    "RPUSH l new",
    "LPOP l",
    "SMOVE m n old",
    "ZADD z 5 old",
    "XADD x MAXLEN = 1 2-0 f new",
    "DEL gone",
    "RENAME long longer",
    "COPY ranks other DB 1",
    "SETBIT bits 9 1",
    "PEXPIRE s 100000",
    "ZREMRANGEBYRANK ranks 3 20",
];

const SCENES: &[Scene] = &[
    scene("MSET", &["SET a old", "FILL hash b 0 40 40"], &["MSET a 1 b 2 c 3 d 4"]),
    scene("MSETNX", &[], &["MSETNX a 1 b 2 c 3"]),
    scene("DEL", ALL_TYPES, &["DEL s h l m z x gone long ranks"]),
    scene(
        "SUNIONSTORE",
        &["FILL set a 0 40 40", "FILL set b 20 60 40", "SET to old"],
        &["SUNIONSTORE to a b"],
    ),
    scene("SDIFFSTORE", &["FILL set a 0 40 40", "SADD b x"], &["SDIFFSTORE b a b"]),
    scene("SMOVE", &["SADD a x", "FILL set b 0 40 40"], &["SMOVE a b x"]),
    scene(
        "ZUNIONSTORE",
        &["FILL zset a 0 40 40", "FILL zset b 20 60 40", "FILL list to 0 40 40"],
        &["ZUNIONSTORE to 2 a b"],
    ),
    scene("ZRANGESTORE", &["FILL zset a 0 90 40", "SET to old"], &["ZRANGESTORE to a 5 80"]),
    scene(
        "ZADD that makes rows of it",
        &["FILL zset a 0 10 40"],
        &["ZADD a 1 v1 2 v2 3 v3 4 v4 5 v5 6 v6 7 v7 8 v8 9 v9"],
    ),
    scene("ZREMRANGEBYRANK", &["FILL zset a 0 300 40"], &["ZREMRANGEBYRANK a 10 250"]),
    scene("LMOVE", &["FILL list a 0 40 40", "FILL list b 0 3 40"], &["LMOVE a b LEFT RIGHT"]),
    scene("LMOVE of the last", &["RPUSH a x"], &["LMOVE a b LEFT RIGHT"]),
    scene("LMPOP", &["FILL list a 0 80 40"], &["LMPOP 2 none a RIGHT COUNT 70"]),
    scene("LTRIM", &["FILL list a 0 200 40"], &["LTRIM a 50 59"]),
    scene("RENAME", &["FILL hash a 0 40 40", "FILL zset b 0 40 40", "PEXPIRE b 100000"], &["RENAME a b"]),
    scene("COPY", &["FILL zset a 0 40 40", "FILL list b 0 40 40"], &["COPY a b REPLACE"]),
    scene("COPY to another database", &["FILL hash a 0 40 40"], &["COPY a b DB 1"]),
    scene("MOVE", &["FILL list a 0 40 40"], &["MOVE a 2"]),
    scene("SORT", &["FILL set a 0 60 40", "SET to old"], &["SORT a ALPHA STORE to"]),
    scene("XADD that trims", &["FILL stream x 0 200 40"], &["XADD x MAXLEN = 5 900-0 f new"]),
    scene("XGROUP CREATE", &[], &["XGROUP CREATE x g $ MKSTREAM"]),
    scene("XREADGROUP", GROUP, &["XREADGROUP GROUP g b COUNT 50 STREAMS x >"]),
    scene("XREADGROUP of two", GROUP, &["XREADGROUP GROUP g b STREAMS x y > >"]),
    scene("XACK", GROUP, &["XACK x g 1-0 2-0 3-0 90-0 101-0"]),
    scene("XCLAIM", GROUP, &["XCLAIM x g b 0 1-0 2-0 3-0 50-0 RETRYCOUNT 9"]),
    scene(
        "XAUTOCLAIM over what is gone",
        GROUP,
        &["MULTI", "XDEL x 2-0 70-0", "XAUTOCLAIM x g b 0 0", "EXEC"],
    ),
    scene("XGROUP DELCONSUMER", GROUP, &["XGROUP DELCONSUMER x g a"]),
    scene("XGROUP DESTROY", GROUP, &["XGROUP DESTROY x g"]),
    scene("FUNCTION LOAD", &["LIBRARY a 1"], &["MULTI", "LIBRARY a 2", "LIBRARY b 1", "SET s 1", "EXEC"]),
    scene("FUNCTION FLUSH", &["LIBRARY a 1", "LIBRARY b 1"], &["FUNCTION FLUSH"]),
    scene(
        "HSET that makes rows of it",
        &["FILL hash a 0 10 40"],
        &["HSET a a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j 10 k 11"],
    ),
    scene("HPEXPIRE", &["FILL hash a 0 40 40", "HSET a f 1 g 2"], &["HPEXPIRE a 100000 FIELDS 2 f g"]),
    scene("BITOP", &["SETBIT a 9 1", "SETBIT b 20000 1", "FILL set to 0 40 40"], &["BITOP OR to a b"]),
    scene(
        "PFMERGE and GEOADD",
        &["PFADD a x y", "PFADD b z"],
        &["MULTI", "PFMERGE to a b", "GEOADD g 1 2 x 3 4 y", "EXEC"],
    ),
    scene("FLUSHDB", ALL_TYPES, &["FLUSHDB"]),
    scene("FLUSHALL", &["SET a 1", "MOVE a 1", "FILL hash b 0 40 40"], &["FLUSHALL"]),
    scene("SWAPDB", &["FILL hash a 0 40 40", "COPY a b DB 1"], &["SWAPDB 0 1"]),
    scene("EXEC", ALL_TYPES, &["MULTI", "CHANGE", "EXEC"]),
    scene(
        "EXEC over two databases",
        ALL_TYPES,
        &["MULTI", "CHANGE", "SELECT 1", "SET s 1", "ZADD other 7 new", "EXEC"],
    ),
    scene("a script", ALL_TYPES, &["SCRIPT"]),
    scene("a script within EXEC", ALL_TYPES, &["MULTI", "SET first 1", "SCRIPT", "SET last 1", "EXEC"]),
];

/// What is too large for one record, and built before it is linked.
const LARGE: &[Scene] = &[
    scene("a large COPY", &["FILL hash a 0 1500 1000", "FILL zset b 0 40 40"], &["COPY a b REPLACE"]),
    scene("a large SUNIONSTORE", &["FILL set a 0 1500 1000", "SET b old"], &["SUNIONSTORE b a"]),
    scene("a large ZUNIONSTORE", &["FILL zset a 0 1500 1000", "SET b old"], &["ZUNIONSTORE b 2 a c"]),
    scene("a large SORT", &["FILL set a 0 1200 1000", "SET first 1"], &["SORT a ALPHA STORE first"]),
];

fn words(line: &str) -> Words {
    line.split(' ').map(str::to_owned).collect()
}

/// The commands that a line stands for.
fn commands(line: &str) -> Vec<Words> {
    let parts = words(line);
    match parts[0].as_str() {
        "FILL" => {
            let [from, to, bytes] = [3, 4, 5].map(|at: usize| parts[at].parse::<usize>().unwrap());
            (from..to).map(|n| element(&parts[1], &parts[2], n, bytes)).collect()
        }
        "CHANGE" => ALL_CHANGED.iter().map(|line| words(line)).collect(),
        "LIBRARY" => {
            let source = library(&parts[1], parts[2].parse().unwrap());
            vec![["FUNCTION", "LOAD", "REPLACE", &source].map(str::to_owned).to_vec()]
        }
        "SCRIPT" => vec![script(&ALL_CHANGED.iter().map(|line| words(line)).collect::<Vec<_>>(), [], false)],
        _ => vec![parts],
    }
}

fn element(kind: &str, key: &str, n: usize, bytes: usize) -> Words {
    let value = format!("{n:04}{}", "x".repeat(bytes));
    match kind {
        "hash" => words(&format!("HSET {key} f{n:04} {value}")),
        "list" => words(&format!("RPUSH {key} {value}")),
        "set" => words(&format!("SADD {key} {value}")),
        "zset" => words(&format!("ZADD {key} {n} {value}")),
        "stream" => words(&format!("XADD {key} {}-0 f {value}", n + 1)),
        other => panic!("{other}"),
    }
}

fn begin(scene: &Scene) -> World {
    let mut world = World::new(Fsync::Always);
    for line in scene.before {
        for reply in world.pipeline(&commands(line)) {
            assert!(!reply.is_error(), "{}: {line}: {reply:?}", scene.name);
        }
    }
    world.acknowledge().unwrap();
    world.workers.run_all();
    world
}

fn act(world: &mut World, scene: &Scene) -> Vec<Reply> {
    let all: Vec<Words> = scene.done.iter().flat_map(|line| commands(line)).collect();
    world.pipeline(&all)
}

/// What the images show.
#[derive(Debug, Default)]
struct Seen {
    images: usize,
    /// How many show what was before, and what is after.
    before: usize,
    after: usize,
}

impl Seen {
    fn look(
        &mut self,
        scene: &Scene,
        states: (&State, &State),
        memory: MemoryVfs,
        acknowledged: bool,
        how: &str,
    ) {
        let (before, after) = states;
        let name = scene.name;
        let clock = Arc::new(ManualClock::default());
        let mut opened =
            World::on(memory, clock, Fsync::Always).unwrap_or_else(|error| panic!("{name}: {how}: {error}"));
        let found = opened.dump();
        opened.check_sizes(&found);
        self.images += 1;
        if found == *after {
            self.after += 1;
        } else if found == *before && !acknowledged {
            self.before += 1;
        } else {
            let difference = if acknowledged { found.difference(after) } else { found.difference(before) };
            panic!("{name}: {how}: neither before nor after (acknowledged: {acknowledged}):{difference}");
        }
    }
}

/// What the disk does besides being looked at.
#[derive(Clone, Copy, PartialEq)]
enum Disk {
    Goes,
    /// At each operation in turn.
    Stops,
    /// It says that it has synced the log, and has not.
    Lies,
}

/// Looks at the disk before each of its operations while the scene is played, and plays it again for each with a disk
/// that stops there.
fn play(scene: &Scene, disk: Disk) -> Seen {
    let mut world = begin(scene);
    let before = world.dump();
    world.say(&["SELECT", "0"]);
    if disk == Disk::Lies {
        world.faulty.add(Rule::always(Operation::Sync, ".log", Fault::Lose));
    }
    let begun = world.faulty.operations();
    let camera = Arc::new(Camera::default());
    camera.watch(&world.memory, &world.faulty, 1, begun);
    for reply in act(&mut world, scene) {
        assert!(!reply.is_error() && !format!("{reply:?}").contains("ERR"), "{}: {reply:?}", scene.name);
    }
    world.acknowledge().unwrap();
    let ended = world.faulty.operations();
    camera.marks.lock().safe = 1;
    // What is acknowledged stays so while it moves from the log to tables.
    let db = world.instance.store().db().clone();
    db.flush().unwrap();
    world.workers.run_all();
    world.faulty.before_none();
    let after = world.dump();
    assert_ne!(before, after, "{}", scene.name);
    let mut seen = Seen::default();
    for image in camera.develop() {
        let Image { memory, marks, .. } = image;
        seen.look(scene, (&before, &after), memory, marks.safe == 1, "an image");
    }
    for operation in (begun + 1..=ended).filter(|_| disk == Disk::Stops) {
        let mut world = begin(scene);
        world.faulty.crash_at(operation);
        let replies = act(&mut world, scene);
        let acknowledged = world.acknowledge().is_ok() && !replies.iter().any(Reply::is_error);
        for seed in 0..2 {
            let memory = world.memory.crash_clone(seed << 32 | operation);
            seen.look(scene, (&before, &after), memory, acknowledged, "a disk that stops");
        }
    }
    seen
}

fn play_all(scenes: &[Scene], disk: Disk) {
    let mut all = Seen::default();
    for scene in scenes {
        let seen = play(scene, disk);
        assert!(seen.before > 0 && seen.after > 0, "{}: {seen:?}", scene.name);
        all.images += seen.images;
        all.before += seen.before;
        all.after += seen.after;
    }
    eprintln!("{} commands: {all:?}", scenes.len());
}

#[test]
fn what_writes_many_keys_is_whole_or_not_at_all_wherever_the_power_goes() {
    play_all(SCENES, Disk::Stops);
}

#[test]
fn what_is_too_large_for_one_record_is_whole_or_not_at_all_wherever_the_power_goes() {
    play_all(LARGE, Disk::Goes);
}

/// Whether these tests would notice.
#[test]
#[should_panic(expected = "neither before nor after (acknowledged: true)")]
fn a_sync_left_out_is_noticed() {
    play_all(SCENES, Disk::Lies);
}
