//! What is due goes for good: from the rows, from the count, and after a crash.

use super::world::World;
use crate::store::Fsync;

#[test]
fn a_crash_after_keys_have_expired_leaves_none_of_them_in_the_count() {
    for fsync in [Fsync::Always, Fsync::EverySecond] {
        let mut world = World::lazy(fsync);
        for n in 0..5 {
            world.say(&[
                "SET".to_owned(),
                format!("key{n}"),
                "v".repeat(3000),
                "PX".to_owned(),
                "1000".to_owned(),
            ]);
        }
        world.say(&["SET", "stays", "1"]);
        // Compaction leaves alone for a while what was reaped, until something is reaped later.
        world.say(&["SET", "later", "1", "PX", "9000"]);
        let db = world.instance.store().db().clone();
        db.sync().unwrap();
        db.flush().unwrap();
        // The reaper removes them, and compaction what is then of no use; nobody waits for either.
        for _ in 0..40 {
            world.clock.advance_ms(500);
            world.workers.run_all();
            for seed in 0..3 {
                let images = [world.memory.crash_clone(seed), world.memory.kill_clone()];
                for memory in images {
                    let mut found = World::on(memory, world.clock.clone(), fsync).unwrap();
                    let state = found.dump();
                    assert!(state.databases[0].contains_key("stays"));
                    found.check_sizes(&state);
                }
            }
        }
        let state = world.dump();
        world.check_sizes(&state);
        assert_eq!(state.databases[0].len(), 1);
    }
}
