//! What happens to replies when others have taken the memory for them.

use std::sync::atomic::Ordering::Relaxed;

use super::reply::Reply;
use super::world::World;
use crate::clock::Clock as _;
use crate::redis::pipeline::Pace;
use crate::store::{Fsync, Tier};

/// So many members of so many bytes each, which come in order.
fn fill(world: &mut World, count: usize, bytes: usize) -> Vec<String> {
    let members: Vec<String> = (0..count).map(|n| format!("{n:06}{}", "x".repeat(bytes - 6))).collect();
    let words: Vec<&str> = ["SADD", "set"].into_iter().chain(members.iter().map(String::as_str)).collect();
    assert_eq!(world.say(&words), Reply::count(count));
    members
}

fn ask(world: &mut World, command: &str) -> Pace {
    world.client.input().extend_from_slice(format!("{command}\r\n").as_bytes());
    match world.client.run(Tier::Cached) {
        Pace::Wait(_) => world.client.run(Tier::Disk),
        pace => pace,
    }
}

/// Takes what is left of a reply.
fn rest(world: &mut World, output: &mut Vec<u8>, piece_max: usize) {
    while matches!(world.client.run(Tier::Disk), Pace::Full) {
        assert!(world.client.reply().len() <= piece_max);
        output.extend_from_slice(&world.client.reply().take());
    }
}

#[test]
fn a_large_reply_waits_for_memory_in_the_middle_and_is_refused_at_its_start() {
    let mut world = World::new(Fsync::Never);
    let members = fill(&mut world, 20, 100_000);
    let buffers = world.instance.buffers().clone();
    assert!(matches!(ask(&mut world, "SUNION set other"), Pace::Full));
    let mut output = world.client.reply().take();
    let others = buffers.most() - buffers.taken();
    assert!(buffers.change(0, others));
    for _ in 0..3 {
        assert!(matches!(world.client.run(Tier::Disk), Pace::Paused));
        assert_eq!(world.client.reply().len(), 0);
    }
    buffers.change(others, 0);
    rest(&mut world, &mut output, 256 << 10);
    assert_eq!(Reply::read_all(&output), [Reply::bulks(&members)]);
    // Nothing was told yet that could not be taken back.
    assert!(buffers.change(0, others));
    assert!(matches!(ask(&mut world, "SUNION set other"), Pace::More));
    assert_eq!(Reply::read_all(&world.client.reply().take()), [Reply::error("ERR")]);
    buffers.change(others, 0);
    assert_eq!(world.say(&["SUNION", "set", "other"]), Reply::bulks(&members));
    assert_eq!(buffers.taken(), 0);
}

#[test]
fn what_is_told_in_small_pieces_needs_no_memory_of_all() {
    let mut world = World::new(Fsync::Never);
    let members = fill(&mut world, 1000, 500);
    let buffers = world.instance.buffers().clone();
    assert!(matches!(ask(&mut world, "SUNION set other"), Pace::Full));
    let mut output = world.client.reply().take();
    let others = buffers.most() - buffers.taken();
    assert!(buffers.change(0, others));
    rest(&mut world, &mut output, 64 << 10);
    assert_eq!(Reply::read_all(&output), [Reply::bulks(&members)]);
    assert_eq!(buffers.taken(), others);
}

#[test]
fn a_large_reply_has_its_time_and_more_for_what_was_told() {
    let mut world = World::new(Fsync::Never);
    fill(&mut world, 2000, 500);
    let client = world.instance.clients.all().remove(0);
    let due_ms = || client.tail_due_ms.load(Relaxed);
    let begun_ms = world.clock.now_ms();
    assert_eq!(due_ms(), 0);
    assert!(matches!(ask(&mut world, "SUNION set other"), Pace::Full));
    assert!(due_ms() > begun_ms);
    let first_ms = due_ms();
    world.clock.advance_ms(1000);
    // Nothing is told while nobody takes it, and no time is won.
    assert!(matches!(world.client.run(Tier::Disk), Pace::Full));
    assert_eq!(due_ms(), first_ms);
    world.client.reply().take();
    assert!(matches!(world.client.run(Tier::Disk), Pace::Full));
    assert!(due_ms() > first_ms);
    rest(&mut world, &mut Vec::new(), 256 << 10);
    assert_eq!(due_ms(), 0);
}

#[test]
fn who_holds_memory_is_told_even_where_there_is_no_more() {
    let mut world = World::new(Fsync::Never);
    let elements = fill(&mut world, 20, 100_000);
    let buffers = world.instance.buffers().clone();
    assert!(matches!(ask(&mut world, "SORT set ALPHA"), Pace::Full));
    let mut output = world.client.reply().take();
    let others = buffers.most() - buffers.taken();
    assert!(others < buffers.most() && buffers.change(0, others));
    rest(&mut world, &mut output, 256 << 10);
    assert_eq!(Reply::read_all(&output), [Reply::bulks(&elements)]);
    assert_eq!(buffers.taken(), others);
}
