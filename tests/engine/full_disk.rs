//! The disk is full: writes are refused with a clear error, reads and deletes go on, and when there is room again
//! so do writes, by themselves.

use siltstone::engine::{Batch, Db, Error, Event};
use siltstone::random::Random;

use crate::history::{Change, History, scan_all};
use crate::world::{World, small};

fn put(random: &mut Random) -> [Change; 1] {
    let mut value = vec![0; 1000];
    random.fill(&mut value);
    [Change::Put(format!("key{:03}", random.below(100)).into_bytes(), value)]
}

/// Lets timers and background work have their time.
fn settle(world: &World) {
    for _ in 0..20 {
        world.clock.advance_ms(1000);
        world.workers.run_all();
    }
}

fn commit(db: &Db, history: &mut History, changes: &[Change]) -> Result<(), Error> {
    let seqno = history.commit(db, changes)?;
    db.acknowledge(seqno)?;
    history.all_durable();
    Ok(())
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_deletes_and_recovers_by_itself() {
    let mut modes = 0;
    // Where in its work the store runs out of space is another place for each quota.
    let used = {
        let world = World::new();
        world.open(&small()).unwrap();
        world.memory.used()
    };
    for room in (10_000..400_000).step_by(13_337) {
        let world = World::new();
        let mut random = Random::seeded(room);
        let mut history = History::new();
        let db = world.open(&small()).unwrap();
        world.memory.set_quota(Some(used + room));
        let mut refused = None;
        for _ in 0..2000 {
            if let Err(e) = commit(&db, &mut history, &put(&mut random)) {
                refused = Some(e);
                break;
            }
            if random.one_in(10) {
                world.workers.step();
            }
        }
        let refused = refused.expect("2 MB do not fit");
        assert!(matches!(refused, Error::DiskFull(_)), "room {room}: {refused}");
        assert!(world.saw(|e| matches!(e, Event::DiskFull)));
        history.refused();
        modes += 1;

        assert_eq!(scan_all(&db.view()).unwrap(), **history.newest(), "room {room}: reads go on");
        let victims: Vec<_> = history.newest().keys().take(3).cloned().collect();
        for key in victims {
            let mut batch = Batch::new();
            batch.delete(&key);
            db.write(&batch).unwrap_or_else(|e| panic!("room {room}: a delete: {e}"));
        }

        // A crash in this state is a crash like any other; and there is room for opening.
        let image = World::on(world.memory.crash_clone(room));
        image.memory.set_quota(None);
        image.open(&small()).unwrap();

        world.memory.set_quota(None);
        settle(&world);
        let written = (0..10).any(|_| {
            settle(&world);
            let mut batch = Batch::new();
            batch.put(b"room", &random.next_u64().to_le_bytes());
            db.write(&batch).is_ok()
        });
        assert!(written, "room {room}: writes go on by themselves");
        assert!(world.saw(|e| matches!(e, Event::DiskRoom)));
        db.close().unwrap();
        world.open(&small()).unwrap();
    }
    assert!(modes > 20);
}

#[test]
fn what_was_refused_is_never_seen_and_what_was_acknowledged_is_never_lost() {
    for room in (5_000..300_000).step_by(17_011) {
        let world = World::new();
        let mut random = Random::seeded(room);
        let mut history = History::new();
        let Ok(db) = world.open(&small()) else { panic!("an empty store opens") };
        world.memory.set_quota(Some(world.memory.used() + room));
        for _ in 0..400 {
            if commit(&db, &mut history, &put(&mut random)).is_err() {
                break;
            }
            world.workers.step();
        }
        for seed in 0..20 {
            let image = world.memory.crash_clone(seed);
            image.set_quota(None);
            let again = World::on(image);
            let db = again.open(&small()).unwrap_or_else(|e| panic!("room {room} seed {seed}: {e}"));
            history.check(&db, history.allowed()).unwrap_or_else(|e| panic!("room {room} seed {seed}: {e}"));
        }
    }
}

#[test]
fn a_database_that_lies_on_a_full_disk_opens_and_is_emptied() {
    let world = World::new();
    let db = world.open(&small()).unwrap();
    let mut history = History::new();
    let mut random = Random::seeded(1);
    for _ in 0..50 {
        commit(&db, &mut history, &put(&mut random)).unwrap();
    }
    // Somebody else fills it, and the process is killed before it notices.
    world.memory.set_quota(Some(world.memory.used()));
    let again = World::on(world.memory.kill_clone());
    let db = again.open(&small()).unwrap();
    assert_eq!(scan_all(&db.view()).unwrap(), **history.newest());
    for key in history.newest().keys() {
        let mut batch = Batch::new();
        batch.delete(key);
        db.write(&batch).unwrap();
    }
    assert!(scan_all(&db.view()).unwrap().is_empty());
}
