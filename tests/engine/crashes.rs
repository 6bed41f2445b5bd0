//! The power goes at every single I/O, and what is on disk is any part of what was not synced.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use siltstone::engine::{Error, Event, Fsync, Options};
use siltstone::random::Random;
use siltstone::vfs::faulty::{Fault, Operation, Rule};
use siltstone::vfs::memory::MemoryVfs;

use crate::history::{Change, History, read_every_way};
use crate::world::{World, kind_of, number_from_env, small};

const KEYS: u64 = 60;

fn key(random: &mut Random) -> Vec<u8> {
    format!("key{:03}", random.below(KEYS)).into_bytes()
}

/// Half noise, so that tables grow.
fn value(random: &mut Random, bytes_max: u64) -> Vec<u8> {
    let mut value = vec![b'v'; random.below(bytes_max) as usize];
    let half = value.len() / 2;
    random.fill(&mut value[..half]);
    value
}

/// Anything anywhere.
fn scattered(random: &mut Random) -> Vec<Change> {
    (0..=random.below(4))
        .map(|_| match random.below(12) {
            0 | 1 => Change::Delete(key(random)),
            2 => {
                let (a, b) = (key(random), key(random));
                if a < b { Change::DeleteRange(a, b) } else { Change::DeleteRange(b, a) }
            }
            _ => Change::Put(key(random), value(random, 600)),
        })
        .collect()
}

/// New keys in ascending order, much at a time: memtables fill up, and their tables overlap nothing.
fn ascending(random: &mut Random, step: u64) -> Vec<Change> {
    (0..4).map(|n| Change::Put(format!("new{step:05}{n}").into_bytes(), value(random, 1200))).collect()
}

/// Commits, flushes, compacts and reopens for a while, as the seed says. Stops at the first error.
fn work(
    world: &World,
    history: &Mutex<History>,
    seed: u64,
    options: &Options,
) -> siltstone::engine::Result<()> {
    let mut random = Random::seeded(seed);
    let always = options.fsync == Fsync::Always;
    for phase in 0..3 {
        let db = world.open(options)?;
        let allowed = history.lock().allowed();
        let at = match history.lock().check(&db, allowed) {
            Err(_) if world.faulty.crashed() => return Err(Error::Closed),
            checked => checked.expect("a store that was reopened"),
        };
        history.lock().go_on_from(at);
        let mut background = Random::seeded(seed);
        for step in 0..40 {
            let wait = random.one_in(3);
            let changes = if phase == 0 { ascending(&mut random, step) } else { scattered(&mut random) };
            let batch = history.lock().plan(&changes);
            let seqno = db.commit(&batch)?;
            history.lock().done();
            if wait {
                if always {
                    db.acknowledge(seqno)?;
                } else {
                    db.sync()?;
                }
                history.lock().all_durable();
            }
            match random.below(24) {
                0 | 1 => {
                    db.flush()?;
                    history.lock().all_durable();
                }
                2 => db.compact_range(None, None)?,
                3 => world.clock.advance_ms(600),
                _ => {}
            }
            while background.one_in(2) && world.workers.step() {}
        }
        world.workers.run_all();
        // What is dropped without being closed may lose what was not acknowledged, and must not lose more.
        if always || random.one_in(2) {
            db.close()?;
            history.lock().all_durable();
        } else {
            drop(db);
        }
        world.workers.run_all();
    }
    Ok(())
}

/// Opens an image and checks it; now and then crashes the recovery as well, or goes on working.
fn recover(image: &MemoryVfs, history: &History, options: &Options, seed: u64) -> Result<(), String> {
    let mut random = Random::seeded(seed ^ 0x5EED);
    let allowed = history.allowed();
    if random.one_in(3) {
        let world = World::on(image.clone());
        world.faulty.crash_at(1 + random.below(30));
        if let Ok(db) = world.open(options) {
            world.workers.run_all();
            drop(db);
        }
        let again = image.crash_clone(random.next_u64());
        return open_and_check(&again, history, options, allowed, &mut random)
            .map_err(|e| format!("after a crash of the recovery: {e}"));
    }
    open_and_check(image, history, options, allowed, &mut random)
}

fn open_and_check(
    image: &MemoryVfs,
    history: &History,
    options: &Options,
    allowed: std::ops::RangeInclusive<usize>,
    random: &mut Random,
) -> Result<(), String> {
    let world = World::on(image.clone());
    let db = world.open(options).map_err(|e| format!("open: {e}"))?;
    let at = history.check(&db, allowed)?;
    if random.one_in(8) {
        let expected = read_every_way(&db.view(), history.newest()).map_err(|e| e.to_string())?;
        db.flush().map_err(|e| format!("flush: {e}"))?;
        db.compact_range(None, None).map_err(|e| format!("compact: {e}"))?;
        world.workers.run_all();
        history.check(&db, at..=at).map_err(|e| format!("after a flush: {e}"))?;
        drop(db);
        // What recovery found is durable from then on: another crash must not take it back.
        let later = World::on(image.crash_clone(random.next_u64()));
        let db = later.open(options).map_err(|e| format!("second open: {e}"))?;
        history.check(&db, at..=at).map_err(|e| format!("second open: {e}"))?;
        assert_eq!(read_every_way(&db.view(), &expected).map_err(|e| e.to_string())?, expected);
    }
    Ok(())
}

/// What looking at some images of the disk before every I/O of one run has shown.
#[derive(Default)]
struct Sweep {
    images: u64,
    events: Vec<Event>,
    /// What was wrong with the first bad image.
    wrong: Option<String>,
}

fn sweep(seed: u64, images_per_operation: u64, options: &Options, rules: Vec<Rule>) -> Sweep {
    let world = World::new();
    for rule in rules {
        world.faulty.add(rule);
    }
    let history = Arc::new(Mutex::new(History::new()));
    let found = Arc::new(Mutex::new(Sweep::default()));
    let (told, finds, memory, opened) =
        (history.clone(), found.clone(), world.memory.clone(), options.clone());
    world.faulty.before_each(move |operation| {
        let (history, mut found) = (told.lock(), finds.lock());
        for n in 0..images_per_operation {
            if found.wrong.is_some() {
                return;
            }
            let image_seed = seed << 32 | operation << 8 | n;
            let image = memory.crash_clone(image_seed);
            found.images += 1;
            found.wrong = recover(&image, &history, &opened, image_seed)
                .err()
                .map(|why| format!("seed {seed}, before I/O {operation}, image seed {image_seed}: {why}"));
        }
    });
    work(&world, &history, seed, options).unwrap();
    let mut found = std::mem::take(&mut *found.lock());
    found.events = std::mem::take(&mut *world.events.lock());
    found
}

fn options_of(seed: u64) -> Options {
    let fsync = if seed.is_multiple_of(3) { Fsync::EverySecond } else { Fsync::Always };
    Options { fsync, ..small() }
}

#[test]
fn no_power_loss_undoes_what_was_acknowledged_or_leaves_a_hole() {
    let wanted = number_from_env("SILTSTONE_CRASH_IMAGES", 3000);
    let first = number_from_env("SILTSTONE_SEED", 1);
    let (mut images, mut events) = (0, Vec::new());
    let mut seed = first;
    while images < wanted {
        let found = sweep(seed, 2, &options_of(seed), Vec::new());
        assert_eq!(found.wrong, None);
        images += found.images;
        events.extend(found.events);
        seed += 1;
    }
    let mut kinds = BTreeMap::<String, u64>::new();
    for event in &events {
        *kinds.entry(kind_of(event)).or_default() += 1;
    }
    for wanted in ["Flushed", "Compacted", "TrivialMove", "ManifestRolled"] {
        assert!(kinds.contains_key(wanted), "{wanted} never happened, only {kinds:?}");
    }
    eprintln!("{images} power-loss images in {} runs, nothing lost in any; {kinds:?}", seed - first);
}

/// Whether these tests would notice: a disk that says it has synced, and has not.
#[test]
fn a_sync_left_out_anywhere_is_noticed() {
    for (operation, suffix) in [
        (Operation::Sync, ".log"),
        (Operation::Sync, ".tbl"),
        (Operation::Sync, "MANIFEST-000001"),
        (Operation::Sync, "CURRENT.new"),
        (Operation::SyncDir, ""),
    ] {
        let lies = || vec![Rule::always(operation, suffix, Fault::Lose)];
        let noticed = (1..20).any(|seed| sweep(seed, 4, &small(), lies()).wrong.is_some());
        assert!(noticed, "{operation:?} of {suffix} does nothing, and nobody notices");
    }
}

#[test]
fn a_disk_that_stops_at_any_operation_loses_nothing_acknowledged() {
    let seed = number_from_env("SILTSTONE_SEED", 1);
    let options = small();
    let world = World::new();
    work(&world, &Mutex::new(History::new()), seed, &options).unwrap();
    for operation in 1..=world.faulty.operations() {
        let world = World::new();
        world.faulty.crash_at(operation);
        let history = Mutex::new(History::new());
        // It may stop in the middle of what nobody waits for, such as the removal of an old file.
        let _ = work(&world, &history, seed, &options);
        assert!(world.faulty.crashed());
        let history = history.into_inner();
        for image_seed in 0..3 {
            let image = world.memory.crash_clone(operation << 8 | image_seed);
            if let Err(why) = recover(&image, &history, &options, image_seed) {
                panic!("seed {seed}, stopped at I/O {operation}, image seed {image_seed}: {why}");
            }
        }
    }
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let trace = || {
        let world = World::new();
        work(&world, &Mutex::new(History::new()), 4, &small()).unwrap();
        world.memory.trace_hash()
    };
    assert_eq!(trace(), trace());
}
