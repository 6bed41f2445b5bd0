//! What happens to replies when others have taken the memory for them.

use super::reply::Reply;
use super::world::World;
use crate::redis::pipeline::Pace;
use crate::store::{Fsync, Tier};

const MANY: usize = 1000;

#[test]
fn a_large_reply_waits_for_memory_in_the_middle_and_is_refused_at_its_start() {
    let mut world = World::new(Fsync::Never);
    let members: Vec<String> = (0..MANY).map(|n| format!("{n:0500}")).collect();
    let words: Vec<&str> = ["SADD", "set"].into_iter().chain(members.iter().map(String::as_str)).collect();
    assert_eq!(world.say(&words), Reply::count(MANY));
    let buffers = world.instance.buffers().clone();
    let ask = |world: &mut World| {
        world.client.input().extend_from_slice(b"SUNION set other\r\n");
        assert!(matches!(world.client.run(Tier::Cached), Pace::Wait(_)));
        world.client.run(Tier::Disk)
    };
    assert!(matches!(ask(&mut world), Pace::Full));
    let mut output = world.client.reply().take();
    let rest = buffers.most() - buffers.taken();
    assert!(buffers.change(0, rest));
    for _ in 0..3 {
        assert!(matches!(world.client.run(Tier::Disk), Pace::Paused));
        assert_eq!(world.client.reply().len(), 0);
    }
    buffers.change(rest, 0);
    while matches!(world.client.run(Tier::Disk), Pace::Full) {
        output.extend_from_slice(&world.client.reply().take());
    }
    assert_eq!(Reply::read_all(&output), [Reply::bulks(&members)]);
    // Nothing was told yet that could not be taken back.
    assert!(buffers.change(0, rest));
    assert!(matches!(ask(&mut world), Pace::More));
    assert_eq!(Reply::read_all(&world.client.reply().take()), [Reply::error("ERR")]);
    buffers.change(rest, 0);
    assert_eq!(world.say(&["SUNION", "set", "other"]), Reply::bulks(&members));
    assert_eq!(buffers.taken(), 0);
}
