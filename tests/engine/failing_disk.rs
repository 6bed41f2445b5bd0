//! The disk says no: a failed sync poisons, a failed read fails that read alone, a failed flush is tried again.

use std::io::ErrorKind;

use siltstone::engine::{Error, Event, Options};
use siltstone::vfs::faulty::{Fault, Operation, Rule};
use siltstone::vfs::memory::SyncFailure;

use crate::history::{Change, History, scan_all};
use crate::world::{World, small};

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
        if failure == SyncFailure::PagesKept {
            let later = World::on(again.memory.crash_clone(1));
            history.check(&later.open(&small()).unwrap(), at..=at).unwrap();
        }
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
