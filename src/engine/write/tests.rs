//! The write path with its recovery, on the disk in memory.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::ManualClock;
use crate::engine::batch::Batch;
use crate::engine::error::{Error, Result};
use crate::engine::event::Event;
use crate::engine::inspect::{Inspection, LogRecord};
use crate::engine::open::{open, open_read_only};
use crate::engine::options::{Env, Fsync, Options};
use crate::engine::shared::Shared;
use crate::engine::sweep::NoSweep;
use crate::engine::wal::Replay;
use crate::vfs::Vfs;
use crate::vfs::memory::{MemoryVfs, SyncFailure};
use crate::workers::Workers;

const DIR: &str = "db";

struct World {
    vfs: MemoryVfs,
    clock: Arc<ManualClock>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl World {
    fn new(vfs: MemoryVfs) -> Self {
        Self { vfs, clock: Arc::default(), events: Arc::default() }
    }

    fn env(&self) -> Env {
        let events = self.events.clone();
        Env {
            vfs: Arc::new(self.vfs.clone()),
            clock: self.clock.clone(),
            workers: Workers::manual_with(self.clock.clone()),
            listener: Arc::new(move |event: &Event| events.lock().push(event.clone())),
            sweep: Arc::new(NoSweep),
        }
    }

    fn open(&self, fsync: Fsync) -> Result<Arc<Shared>> {
        let options = Options { memory: 8 << 20, memtable: Some(64 << 10), fsync, ..Options::default() };
        open(self.env(), Path::new(DIR), options)
    }
}

fn put(key: u32, len: usize) -> Batch {
    let mut batch = Batch::new();
    batch.put(&key.to_be_bytes(), &vec![key as u8; len]);
    batch
}

fn holds(shared: &Shared, key: u32) -> bool {
    let now = shared.current.load();
    let found = now.memtables().find_map(|memtable| {
        memtable.get(&key.to_be_bytes(), u64::MAX >> 8, crate::engine::view::Tier::Disk).unwrap()
    });
    let in_tables = || {
        now.version.tables().find_map(|(_, table)| {
            table.get(&key.to_be_bytes(), u64::MAX >> 8, crate::engine::view::Tier::Disk).unwrap()
        })
    };
    found.or_else(in_tables).is_some_and(|found| found.value.is_some())
}

#[test]
fn what_was_acknowledged_survives_any_power_loss() {
    for fsync in [Fsync::Always, Fsync::EverySecond, Fsync::Never] {
        let world = World::new(MemoryVfs::new());
        let shared = world.open(fsync).unwrap();
        for key in 0..50 {
            let seqno = shared.commit(&put(key, 100)).unwrap();
            if key % 3 == 0 {
                shared.acknowledge(seqno).unwrap();
            }
        }
        let durable = shared.progress.durable();
        assert_eq!(durable, if fsync == Fsync::Always { 49 } else { 0 });
        for seed in 0..40 {
            let crashed = World::new(world.vfs.crash_clone(seed));
            let again = crashed.open(fsync).unwrap();
            let seqno = again.progress.published();
            assert!((durable..=50).contains(&seqno));
            for key in 0..50 {
                assert_eq!(holds(&again, key), u64::from(key) < seqno);
            }
        }
        let killed = World::new(world.vfs.kill_clone());
        assert_eq!(killed.open(fsync).unwrap().progress.published(), 49, "all but what nobody asked for");
    }
}

#[test]
fn when_writes_are_on_disk_can_change_and_nothing_acknowledged_is_lost() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Never).unwrap();
    for key in 0..10 {
        let seqno = shared.commit(&put(key, 100)).unwrap();
        shared.acknowledge(seqno).unwrap();
    }
    assert_eq!((shared.progress.acknowledged(), shared.progress.durable()), (10, 0));
    // One that nobody asked about yet, and that plain reads may have seen.
    shared.commit(&put(10, 100)).unwrap();
    assert_eq!(shared.set_fsync(Fsync::Always), 11);
    assert_eq!((shared.progress.acknowledged(), shared.progress.view_floor(0)), (0, 11));
    shared.acknowledge(11).unwrap();
    for seed in 0..10 {
        let crashed = World::new(world.vfs.crash_clone(seed));
        assert_eq!(crashed.open(Fsync::Always).unwrap().progress.published(), 11);
    }
    let seqno = shared.commit(&put(11, 100)).unwrap();
    assert_eq!(shared.progress.view_floor(0), 11, "as plain reads are under this choice");
    assert_eq!(shared.set_fsync(Fsync::Always), 11);
    assert!(shared.progress.acknowledged() < seqno);
    // Whoever waits for a sync has no need of it any more.
    let called = Arc::new(Mutex::new(false));
    let call = called.clone();
    shared.write_out().unwrap();
    shared.on_acknowledged(seqno, move |result| *call.lock() = result.is_ok());
    assert!(!*called.lock());
    assert_eq!(shared.set_fsync(Fsync::EverySecond), seqno);
    assert!(*called.lock());
    assert_eq!((shared.progress.durable(), shared.progress.view_floor(0)), (11, seqno));
    let pass = |ms| {
        world.clock.advance_ms(ms);
        shared.env.workers.run_all();
    };
    pass(5000);
    assert_eq!(shared.progress.durable(), seqno);
    // What the system was to write when it likes has a second from now.
    shared.set_fsync(Fsync::Never);
    let seqno = shared.commit(&put(12, 100)).unwrap();
    pass(5000);
    assert_eq!(shared.progress.durable(), seqno - 1);
    shared.set_fsync(Fsync::EverySecond);
    pass(1000);
    assert_eq!(shared.progress.durable(), seqno);
}

#[test]
fn commits_run_through_many_logs_and_come_back() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Always).unwrap();
    for key in 0..300 {
        let seqno = shared.commit(&put(key, 1000)).unwrap();
        shared.acknowledge(seqno).unwrap();
    }
    shared.env.workers.run_all();
    drop(shared);
    for round in 0..3 {
        let shared = world.open(Fsync::Always).unwrap();
        assert_eq!(shared.progress.published(), 300 + round);
        assert!((0..300).all(|key| holds(&shared, key)), "round {round}");
        shared.commit(&put(1000, 1)).unwrap();
        shared.sync().unwrap();
        shared.env.workers.run_all();
    }
}

#[test]
fn a_closed_database_has_no_logs_and_opens_again() {
    let world = World::new(MemoryVfs::new());
    for round in 0..3_u32 {
        let shared = world.open(Fsync::Always).unwrap();
        assert!(matches!(world.open(Fsync::Always), Err(Error::Busy(_))));
        let mut batch = put(round, 10);
        batch.count(7, 5);
        shared.commit(&batch).unwrap();
        shared.close().unwrap();
        shared.close().unwrap();
        assert!(matches!(shared.commit(&put(9, 9)), Err(Error::Closed)));
        let logs = world.vfs.contents().into_keys().filter(|p| p.extension().is_some_and(|e| e == "log"));
        assert_eq!(logs.count(), 0);
        let found = open_read_only(world.env(), Path::new(DIR)).unwrap();
        assert!((0..=round).all(|key| holds(&found, key)));
        assert_eq!(found.current.load().counter(7), i64::from(round + 1) * 5);
    }
}

#[test]
fn logs_that_are_never_synced_are_let_go_of_when_they_are_flushed() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Never).unwrap();
    let mut first = u64::MAX;
    for key in 0..300 {
        let seqno = shared.commit(&put(key, 1000)).unwrap();
        shared.acknowledge(seqno).unwrap();
        first = first.min(shared.current.load().memtable.log());
        shared.env.workers.run_all();
    }
    let needed = shared.current.load().memtable.log();
    assert!(needed > first + 3, "several logs were begun");
    assert!(shared.output.lock().unsynced.iter().all(|log| log.number >= needed));
    shared.sync().unwrap();
    assert!(shared.output.lock().unsynced.is_empty());
}

#[derive(Clone, Copy, PartialEq)]
enum Rest {
    Closed,
    Synced,
    /// The memtable is sealed, though not flushed, before it is synced again.
    Sealed,
    Idle,
}

#[test]
fn every_flip_in_a_store_at_rest_is_detected_or_harmless() {
    for rest in [Rest::Closed, Rest::Synced, Rest::Sealed, Rest::Idle] {
        let world = World::new(MemoryVfs::new());
        let shared = world.open(Fsync::Always).unwrap();
        // Made ahead, so that the manifest is not written later and says nothing of the commits.
        shared.prepare_log().unwrap();
        for key in 0..5 {
            let seqno = shared.commit(&put(key, 20)).unwrap();
            if rest != Rest::Synced {
                shared.acknowledge(seqno).unwrap();
            }
        }
        match rest {
            Rest::Closed => shared.close().unwrap(),
            Rest::Synced => drop(shared.sync().unwrap()),
            Rest::Sealed => shared.seal().and_then(|()| shared.sync()).map(drop).unwrap(),
            Rest::Idle => {
                world.clock.advance_ms(101);
                shared.env.workers.run_all();
            }
        }
        drop(shared);
        // What says that all was synced is itself synced.
        let world = World::new(world.vfs.crash_clone(1));
        for (path, bytes) in world.vfs.contents() {
            // Tables are held to this by their own tests.
            if path.extension().is_some_and(|extension| extension == "tbl") {
                continue;
            }
            for bit in 0..bytes.len() as u64 * 8 {
                let flipped = World::new(world.vfs.kill_clone());
                flipped.vfs.flip_bit(&path, bit).unwrap();
                match flipped.open(Fsync::Always) {
                    Ok(again) => assert!((0..5).all(|key| holds(&again, key)), "{} {bit}", path.display()),
                    Err(Error::Corrupt { .. } | Error::Invalid(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}

/// The records of all logs.
fn records(vfs: &MemoryVfs) -> Vec<LogRecord> {
    let inspection = Inspection::open(Arc::new(vfs.clone()), Path::new(DIR)).unwrap();
    inspection.logs().unwrap().into_iter().flat_map(|log| log.records).collect()
}

#[test]
fn a_record_says_what_is_synced_and_a_mark_only_if_none_follows() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Always).unwrap();
    let log = shared.writer.lock().log.number();
    let commit = |key| {
        let seqno = shared.commit(&put(key, 20)).unwrap();
        shared.acknowledge(seqno).unwrap();
    };
    (0..5).for_each(commit);
    shared.env.workers.run_all();
    let found = records(&world.vfs);
    assert!(found[1..].iter().all(|record| record.kind == "batch"), "{found:?}");
    assert!(found[2..].iter().all(|record| record.synced == (log, record.offset)), "{found:?}");

    let syncs = shared.stats.log_syncs.get();
    for _ in 0..10 {
        world.clock.advance_ms(101);
        shared.env.workers.run_all();
    }
    assert_eq!(shared.stats.log_syncs.get(), syncs + 1);
    let found = records(&world.vfs.crash_clone(1));
    let last = found.last().unwrap();
    assert_eq!((found.len(), last.kind, last.synced), (7, "mark", (log, last.offset)));
    // There is nothing new to say.
    shared.sync().unwrap();
    assert_eq!(shared.stats.log_syncs.get(), syncs + 1);

    commit(5);
    shared.sync().unwrap();
    let found = records(&world.vfs.crash_clone(2));
    let kinds: Vec<_> = found[6..].iter().map(|record| (record.kind, record.seqno)).collect();
    assert_eq!(kinds, [("mark", 5), ("batch", 6), ("mark", 6)]);
}

/// What reads beside a server takes every log once, the newest first.
#[test]
fn whoever_reads_beside_a_writer_sees_no_damage() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Always).unwrap();
    let mut key = 0;
    let mut commit = |rotates: bool| {
        let seqno = shared.commit(&put(key, 20)).unwrap();
        shared.acknowledge(seqno).unwrap();
        if rotates {
            shared.seal().unwrap();
        }
        key += 1;
    };
    (0..20).for_each(|n| commit(n % 7 == 6));
    let state = shared.versions.lock().state.clone();
    let replay = Replay {
        vfs: &world.vfs,
        files: &shared.files,
        salt: shared.salt,
        logs: &state.logs,
        flushed: 0,
        durable: 0,
    };
    let mut seen = 0;
    let found = replay.run(&mut |_, _, _| {
        seen += 1;
        commit(seen % 5 == 0);
        Ok(())
    });
    assert_eq!((found.unwrap().records, seen), (20, 20));
}

/// Whoever syncs is told that all is durable once that is provable, also if more was written meanwhile.
#[test]
fn a_sync_is_provable_beside_others_who_write() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Never).unwrap();
    shared.commit(&put(1, 20)).unwrap();
    shared.sync().unwrap();
    shared.commit(&put(2, 20)).unwrap();
    shared.sync_to(2).unwrap();
    shared.commit(&put(3, 20)).unwrap();
    shared.sync().unwrap();
    let log = shared.files.log(shared.writer.lock().log.number());
    let crashed = world.vfs.crash_clone(1);
    for bit in 0..crashed.contents()[&log].len() as u64 * 8 {
        let flipped = World::new(crashed.kill_clone());
        flipped.vfs.flip_bit(&log, bit).unwrap();
        if let Ok(again) = flipped.open(Fsync::Never) {
            assert!((1..=3).all(|key| holds(&again, key)), "{bit}");
        }
    }
}

#[test]
fn a_failed_sync_poisons_and_is_not_retried() {
    for failure in [SyncFailure::PagesKept, SyncFailure::PagesDropped] {
        let world = World::new(MemoryVfs::new());
        let shared = world.open(Fsync::Always).unwrap();
        let first = shared.commit(&put(1, 10)).unwrap();
        shared.acknowledge(first).unwrap();
        world.vfs.fail_syncs(Some(failure));
        let seqno = shared.commit(&put(2, 10)).unwrap();
        let told = Arc::new(Mutex::new(None));
        let tell = told.clone();
        shared.on_acknowledged(seqno, move |result| *tell.lock() = Some(result));
        shared.env.workers.run_all();
        assert!(matches!(told.lock().take(), Some(Err(Error::Poisoned(why))) if why.contains("not known")));
        world.vfs.fail_syncs(None);
        assert!(matches!(shared.acknowledge(seqno), Err(Error::Poisoned(_))));
        assert!(matches!(shared.commit(&put(3, 10)), Err(Error::Poisoned(_))));
        assert_eq!(shared.progress.durable(), first);
        assert!(world.events.lock().iter().any(|event| matches!(event, Event::Poisoned { .. })));
        assert!(shared.close().is_err());
        let again = World::new(world.vfs.crash_clone(1)).open(Fsync::Always).unwrap();
        assert!(holds(&again, 1));
    }
}

#[test]
fn a_full_disk_refuses_writes_lets_deletes_through_and_recovers() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Always).unwrap();
    for key in 0..10 {
        let seqno = shared.commit(&put(key, 100)).unwrap();
        shared.acknowledge(seqno).unwrap();
    }
    world.vfs.set_quota(Some(world.vfs.used() + (64 << 10)));
    let mut acknowledged = 10;
    let refused = loop {
        match shared.commit(&put(acknowledged, 1000)).and_then(|seqno| shared.acknowledge(seqno)) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 10_000, "the quota holds nobody back");
    };
    assert!(matches!(refused, Error::DiskFull(_)), "{refused}");
    let mut delete = Batch::new();
    delete.delete(&0_u32.to_be_bytes());
    let seqno = shared.commit(&delete).unwrap();
    shared.acknowledge(seqno).unwrap();
    assert!(!holds(&shared, 0) && holds(&shared, 1));
    assert!(matches!(shared.commit(&put(5, 1)), Err(Error::DiskFull(_))));

    world.vfs.set_quota(None);
    let seqno = shared.commit(&put(77_777, 10)).unwrap();
    shared.acknowledge(seqno).unwrap();
    let events = world.events.lock().clone();
    assert!(events.contains(&Event::DiskFull) && events.contains(&Event::DiskRoom));
    let again = World::new(world.vfs.crash_clone(3)).open(Fsync::Always).unwrap();
    assert!((1..acknowledged).all(|key| holds(&again, key)) && holds(&again, 77_777) && !holds(&again, 0));
}

#[test]
fn on_a_full_disk_deletes_end_where_memory_does() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Always).unwrap();
    shared.disk_is_full();
    // Room for the log, but not enough for the mode to end.
    world.vfs.set_quota(Some(world.vfs.used() + (1 << 20)));
    let delete = |from: u32| {
        let mut batch = Batch::new();
        (from..from + 100).for_each(|key| batch.delete(&key.to_be_bytes()));
        shared.commit(&batch)
    };
    let in_memory = || {
        let now = shared.current.load();
        now.sealed_bytes() + now.memtable.bytes()
    };
    let refused = (0..10_000_u32).find_map(|batch| delete(100 * batch).err());
    assert!(matches!(refused, Some(Error::DiskFull(_))), "{refused:?}");
    let limit = shared.limits.memtables;
    assert!((limit..limit + (64 << 10)).contains(&in_memory()), "{} of {limit} bytes", in_memory());
    world.vfs.set_quota(None);
    delete(0).unwrap();
}

#[test]
fn one_sync_answers_everybody_who_waits() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Always).unwrap();
    shared.env.workers.run_all();
    let before = shared.stats.log_syncs.get();
    let answered = Arc::new(Mutex::new(0));
    for key in 0..100 {
        let seqno = shared.commit(&put(key, 10)).unwrap();
        let answered = answered.clone();
        shared.on_acknowledged(seqno, move |result| {
            result.unwrap();
            *answered.lock() += 1;
        });
    }
    assert_eq!(*answered.lock(), 0);
    shared.env.workers.run_all();
    assert_eq!((*answered.lock(), shared.stats.log_syncs.get() - before), (100, 1));
}

#[test]
fn every_second_a_sync_and_none_without_need() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::EverySecond).unwrap();
    let seqno = shared.commit(&put(1, 10)).unwrap();
    shared.acknowledge(seqno).unwrap();
    shared.env.workers.run_all();
    assert_eq!(shared.progress.durable(), 0);
    world.clock.advance_ms(1001);
    shared.env.workers.run_all();
    assert_eq!(shared.progress.durable(), 1);
    let syncs = shared.stats.log_syncs.get();
    for _ in 0..20 {
        world.clock.advance_ms(1001);
        shared.env.workers.run_all();
    }
    assert!(shared.stats.log_syncs.get() <= syncs + 1, "the last mark, and no more");
}

#[test]
fn a_checkpoint_is_a_database() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Always).unwrap();
    for key in 0..200 {
        shared.commit(&put(key, 1000)).unwrap();
    }
    shared.checkpoint(Path::new("copy"), || Ok(())).unwrap();
    assert!(shared.checkpoint(Path::new("copy"), || Ok(())).is_err());
    shared.commit(&put(500, 1)).unwrap();
    let copy = open(world.env(), Path::new("copy"), Options::default()).unwrap();
    assert!((0..200).all(|key| holds(&copy, key)) && !holds(&copy, 500));
    copy.commit(&put(600, 1)).unwrap();
    copy.close().unwrap();
    assert!(!holds(&shared, 600));
    shared.close().unwrap();
}

#[test]
fn nothing_is_written_to_a_directory_that_was_given_back() {
    let world = World::new(MemoryVfs::new());
    let shared = world.open(Fsync::Always).unwrap();
    for key in 0..100 {
        shared.commit(&put(key, 1000)).unwrap();
    }
    shared.close().unwrap();
    let names = || world.vfs.list(Path::new(DIR)).unwrap();
    let given_back = names();
    // A job that was to make a log ahead, and comes late.
    shared.writer.lock().next.clear();
    assert!(matches!(shared.prepare_log(), Err(Error::Closed)));
    assert_eq!(names(), given_back);
}
