//! The disk says no: a failed sync poisons, a failed read fails that read alone, a failed flush is tried again.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use siltstone::engine::inspect::Inspection;
use siltstone::engine::{Batch, Db, Error, Event, Fsync, Options};
use siltstone::vfs::Vfs;
use siltstone::vfs::faulty::{Fault, FaultyVfs, Operation, Rule};
use siltstone::vfs::memory::SyncFailure;

use crate::history::{Change, History, scan_all};
use crate::world::{DIR, World, small};

fn put(n: u64) -> [Change; 1] {
    [Change::Put(format!("key{n:03}").into_bytes(), vec![n as u8; 300])]
}

#[test]
fn a_failed_sync_poisons_and_is_never_tried_again() {
    for failure in [SyncFailure::PagesKept, SyncFailure::PagesDropped] {
        let world = World::new();
        let mut history = History::new();
        let db = world.open(&small()).unwrap();
        for n in 0..10 {
            let seqno = history.commit(&db, &put(n)).unwrap();
            db.acknowledge(seqno).unwrap();
            history.all_durable();
        }
        world.memory.fail_syncs(Some(failure));
        let seqno = history.commit(&db, &put(10)).unwrap();
        let error = db.acknowledge(seqno).expect_err("the sync failed");
        assert!(matches!(error, Error::Poisoned(_)), "{error}");
        world.memory.fail_syncs(None);
        assert!(matches!(db.acknowledge(seqno), Err(Error::Poisoned(_))), "a later sync would mean nothing");
        assert!(matches!(db.sync(), Err(Error::Poisoned(_))));
        assert!(matches!(history.commit(&db, &put(11)), Err(Error::Poisoned(_))));
        assert!(world.saw(|e| matches!(e, Event::Poisoned { .. })));
        assert_eq!(db.get(b"key003").unwrap().unwrap().len(), 300, "reads go on");
        history.refused();
        drop(db);
        world.workers.run_all();
        for seed in 0..50 {
            let again = World::on(world.memory.crash_clone(seed));
            let db = again.open(&small()).unwrap();
            history.check(&db, history.allowed()).unwrap();
        }
        // The process alone was started anew: what it finds must be durable before anybody relies on it.
        let again = World::on(world.memory.kill_clone());
        let db = again.open(&small()).unwrap();
        let at = history.check(&db, history.allowed()).unwrap();
        drop(db);
        let later = World::on(again.memory.crash_clone(1));
        history.check(&later.open(&small()).unwrap(), at..=at).unwrap();
    }
}

#[test]
fn a_failed_write_of_the_log_is_an_error_and_loses_nothing_acknowledged() {
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        for short in [0, 1, 7, 40, 200] {
            let world = World::new();
            let mut history = History::new();
            let db = world.open(&small()).unwrap();
            for n in 0..5 {
                let seqno = history.commit(&db, &put(n)).unwrap();
                db.acknowledge(seqno).unwrap();
                history.all_durable();
            }
            world.faulty.add(Rule::once(Operation::Write, ".log", 0, Fault::Short(short, kind)));
            let failed = history.commit(&db, &put(5)).and_then(|seqno| db.acknowledge(seqno));
            failed.expect_err("the log was not written");
            world.faulty.clear();
            drop(db);
            world.workers.run_all();
            for seed in 0..20 {
                let again = World::on(world.memory.crash_clone(seed));
                let db = again.open(&small()).unwrap();
                history.check(&db, history.allowed()).unwrap();
            }
        }
    }
}

#[test]
fn a_failed_read_fails_that_read_and_the_next_one_succeeds() {
    let world = World::new();
    let mut history = History::new();
    let options = Options { cache: Some(0), ..small() };
    let db = world.open(&options).unwrap();
    for n in 0..60 {
        history.commit(&db, &put(n)).unwrap();
    }
    db.flush().unwrap();
    db.close().unwrap();
    let db = world.open(&options).unwrap();
    world.faulty.add(Rule::always(Operation::Read, ".tbl", Fault::Fail(ErrorKind::Other)));
    assert!(db.get(b"key007").is_err());
    assert!(scan_all(&db.view()).is_err(), "no partial scan");
    world.faulty.clear();
    assert_eq!(scan_all(&db.view()).unwrap(), **history.newest());
    // Somewhere in the middle of a scan.
    for skip in 0..20 {
        world.faulty.clear();
        world.faulty.add(Rule::once(Operation::Read, ".tbl", skip, Fault::Fail(ErrorKind::Other)));
        match scan_all(&db.view()) {
            Err(_) => {}
            Ok(found) => assert_eq!(found, **history.newest()),
        }
    }
}

#[test]
fn a_flush_or_merge_that_fails_is_tried_again_and_leaves_no_rubbish() {
    for operation in [Operation::Create, Operation::Write, Operation::Sync] {
        let world = World::new();
        let mut history = History::new();
        let db = world.open(&small()).unwrap();
        for n in 0..20 {
            history.commit(&db, &put(n)).unwrap();
        }
        db.sync().unwrap();
        history.all_durable();
        world.faulty.add(Rule::always(operation, ".tbl", Fault::Fail(ErrorKind::Other)));
        assert!(db.flush().is_err(), "{operation:?}");
        world.faulty.clear();
        for _ in 0..40 {
            world.clock.advance_ms(1000);
            world.workers.run_all();
        }
        db.flush().unwrap();
        db.compact_range(None, None).unwrap();
        history.check(&db, history.allowed()).unwrap();
        db.close().unwrap();
        let tables =
            world.memory.contents().keys().filter(|p| p.extension().is_some_and(|e| e == "tbl")).count();
        assert_eq!(tables, 1, "{operation:?}: {:?}", world.memory.contents().keys());
        let db = world.open(&small()).unwrap();
        history.check(&db, history.allowed()).unwrap();
    }
}

#[test]
fn whoever_asks_while_others_are_told_that_it_failed_is_told_too() {
    let world = World::new();
    let db = Arc::new(world.open(&small()).unwrap());
    world.faulty.add(Rule::once(Operation::Write, ".log", 0, Fault::Short(7, ErrorKind::StorageFull)));
    let mut batch = Batch::new();
    batch.put(b"key", b"value");
    let seqno = db.commit(&batch).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (own, first, second) = (db.clone(), told.clone(), told.clone());
    db.on_acknowledged(seqno, move |result| {
        first.lock().push(result.is_ok());
        own.on_acknowledged(seqno, move |result| second.lock().push(result.is_ok()));
    });
    world.workers.run_all();
    assert_eq!(*told.lock(), [false, true]);
}

#[test]
fn what_was_written_before_the_disk_was_full_is_synced_within_a_second() {
    let world = World::new();
    let mut history = History::new();
    let db = world.open(&Options { fsync: Fsync::EverySecond, ..small() }).unwrap();
    let seqno = history.commit(&db, &put(0)).unwrap();
    db.acknowledge(seqno).unwrap();
    world.faulty.add(Rule::always(Operation::Write, ".log", Fault::Fail(ErrorKind::StorageFull)));
    let seqno = history.commit(&db, &put(1)).unwrap();
    assert!(matches!(db.acknowledge(seqno), Err(Error::DiskFull(_))));
    world.clock.advance_ms(1000);
    world.workers.run_all();
    for seed in 0..20 {
        let again = World::on(world.memory.crash_clone(seed)).open(&small()).unwrap();
        assert!(again.get(b"key000").unwrap().is_some(), "seed {seed}");
    }
    // Nobody else commits, and what waits is synced all the same once there is space.
    world.faulty.clear();
    for _ in 0..3 {
        world.clock.advance_ms(1000);
        world.workers.run_all();
    }
    let again = World::on(world.memory.crash_clone(1)).open(&small()).unwrap();
    assert!(again.get(b"key001").unwrap().is_some());
}

#[test]
fn a_log_that_was_cut_back_has_no_space_set_aside() {
    let world = World::new();
    let db = world.open(&small()).unwrap();
    let mut batch = Batch::new();
    batch.put(b"key", b"value");
    db.write(&batch).unwrap();
    world.faulty.add(Rule::once(Operation::Write, ".log", 0, Fault::Short(7, ErrorKind::StorageFull)));
    assert!(matches!(db.write(&batch), Err(Error::DiskFull(_))));
    world.faulty.add(Rule::always(Operation::Reserve, ".log", Fault::Fail(ErrorKind::StorageFull)));
    assert!(matches!(db.commit(&batch), Err(Error::DiskFull(_))), "nothing happened, and it is said at once");
}

/// Whoever opens a copy finds all of it, and what belongs to it: wherever the making of it was cut off, nobody can
/// open less.
#[test]
fn a_copy_that_was_cut_short_does_not_pass_for_one() {
    let beside = |vfs: &dyn Vfs, to: &Path| {
        let file = vfs.create(&to.join("users"))?;
        file.write_all_at(b"users", 0)?;
        file.sync()
    };
    for is_checkpoint in [true, false] {
        let (mut whole, mut cut) = (0, 0);
        for operation in 1.. {
            let world = World::new();
            let db = world.open(&small()).unwrap();
            for n in 0..10 {
                db.write(&batch_of(n)).unwrap();
            }
            db.flush().unwrap();
            let to = Path::new("/copies/of/it");
            let vfs = FaultyVfs::new(Arc::new(world.memory.clone()));
            let made = if is_checkpoint {
                world.faulty.crash_at(world.faulty.operations() + operation);
                db.checkpoint_with(to, || beside(&world.faulty, to))
            } else {
                vfs.crash_at(operation);
                let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
                Inspection::copy(&shared, Path::new(DIR), to, &mut |_, _| {}, || beside(&vfs, to).map(|()| 5))
                    .map(drop)
            };
            drop(db);
            world.workers.discard();
            for image in [world.memory.kill_clone(), world.memory.crash_clone(operation)] {
                let is_whole = image.exists(&to.join("CURRENT")).unwrap_or(false);
                assert!(is_whole || made.is_err(), "operation {operation}: {made:?}");
                if is_whole {
                    assert!(image.exists(&to.join("users")).unwrap(), "operation {operation}");
                    let copy = World::on(image);
                    let db = Db::open_with(copy.env(), to, Options { create: false, ..small() }).unwrap();
                    assert!((0..10).all(|n| db.get(format!("key{n:03}").as_bytes()).unwrap().is_some()));
                    whole += 1;
                } else {
                    cut += 1;
                }
            }
            if made.is_ok() {
                break;
            }
        }
        assert!(whole >= 2 && cut > 20, "{whole} {cut}");
    }
}

fn batch_of(n: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(format!("key{n:03}").as_bytes(), &[n as u8; 300]);
    batch
}
