//! Commands of one pipeline that share a transaction: what each answers is what it would have answered alone.

use super::reply::Reply;
use super::world::{World, feed};
use crate::redis::error::Error;
use crate::redis::keyspace::lock_key;
use crate::redis::pipeline::Pace;
use crate::redis::protocol::decode::{Decoder, Limits, Step};
use crate::redis::protocol::reply::Reply as Output;
use crate::redis::run::Runs;
use crate::redis::session::Session;
use crate::redis::table::table;
use crate::redis::{dispatch, run};
use crate::store::{Batch, Fsync, LockSet, Reads, Tier};

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn commits(world: &World) -> u64 {
    world.instance.store().view_newest(Tier::Cached).seqno()
}

#[test]
fn commands_that_change_one_key_share_a_commit_and_see_each_other() {
    let mut world = World::lazy(Fsync::Always);
    let before = commits(&world);
    let pairs: Vec<_> = (0..50).flat_map(|n| [words(&format!("RPUSH q {n}")), words("LPOP q")]).collect();
    let popped = |n: i32| [Reply::Int(1), Reply::bulk(n.to_string())];
    assert_eq!(world.pipeline(&pairs), (0..50).flat_map(popped).collect::<Vec<_>>());
    assert!(commits(&world) - before <= 3, "{}", commits(&world) - before);
    assert_eq!(world.say(&["EXISTS", "q"]), Reply::Int(0));
}

#[test]
fn a_run_ends_before_anything_else() {
    let mut world = World::lazy(Fsync::Always);
    let lines = [
        "INCR a", "INCR a", "INCR a", "GET a", "INCR a", "INCR a", "INCR b", "MGET a b", "INCR b", "NOSUCH",
        "INCR b",
    ];
    let said = world.pipeline(&lines.map(words));
    let told = |n: &[&str]| Reply::bulks(n);
    let expected = [1, 2, 3].map(Reply::Int).into_iter();
    let expected =
        expected.chain([Reply::bulk("3"), Reply::Int(4), Reply::Int(5), Reply::Int(1), told(&["5", "1"])]);
    let expected = expected.chain([Reply::Int(2), Reply::error("ERR"), Reply::Int(3)]);
    assert_eq!(said, expected.collect::<Vec<_>>());
}

#[test]
fn a_slow_commit_is_the_last_ones() {
    let mut world = World::lazy(Fsync::Always);
    world.say(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    world.pipeline(&["INCR a", "INCR a", "INCRBY a 5", "GET a"].map(words));
    let slow = world.say(&["SLOWLOG", "GET", "2"]);
    let said: Vec<_> = slow.array().iter().map(|entry| entry.array()[3].clone()).collect();
    let shared = ["incrby", "a", "... (commit of 2 commands)"];
    assert_eq!(said, [Reply::bulks(["GET", "a"]), Reply::bulks(shared)]);
}

#[test]
fn one_that_fails_does_nothing_and_the_others_go_on() {
    let mut world = World::lazy(Fsync::Always);
    let lines = ["RPUSH q a", "RPUSH q b", "INCR q", "RPUSH q c", "LSET q 9 x", "LPOP q", "RPUSH q"];
    let said = world.pipeline(&lines.map(words));
    let wrong = Reply::error("WRONGTYPE");
    let err = Reply::error("ERR");
    assert_eq!(
        said,
        [Reply::Int(1), Reply::Int(2), wrong, Reply::Int(3), err.clone(), Reply::bulk("a"), err]
    );
    assert_eq!(world.say(&["LRANGE", "q", "0", "-1"]), Reply::bulks(["b", "c"]));
}

#[test]
fn what_is_no_command_is_told_after_a_run() {
    let mut world = World::lazy(Fsync::Always);
    world.client.input().extend_from_slice(b"INCR a\r\nINCR a\r\nINCR a\r\n*1\r\n%oops\r\n");
    assert!(matches!(world.client.run(Tier::Cached), Pace::Close));
    let said = Reply::read_all(&world.client.reply().take());
    assert_eq!(said, [Reply::Int(1), Reply::Int(2), Reply::Int(3), Reply::error("ERR")]);
}

#[test]
fn what_stages_much_is_undone_to_run_alone() {
    let world = World::lazy(Fsync::Always);
    let key = lock_key(0, b"a");
    let mut runs = Runs::default();
    runs.arrived(10, 100);
    assert!(!runs.goes_on(Some(key)) && !runs.goes_on(Some(key)) && runs.may_begin());
    runs.begin(
        world.instance.store().txn(LockSet::one(key), Tier::Cached).unwrap(),
        b"a",
        0,
        table().find(b"append").unwrap(),
    );
    assert!(runs.goes_on(Some(key)));
    let mut run = runs.take().unwrap();
    run.step(|txn| {
        txn.put(b"\xffsmall".to_vec(), "x");
        Ok(())
    })
    .unwrap();
    let large = run.step(|txn| {
        txn.put(b"\xfflarge".to_vec(), vec![0; 200_000]);
        Ok(())
    });
    assert!(large.as_ref().is_err_and(Error::would_wait));
    run.step(|txn| {
        assert!(txn.staged(b"\xffsmall").is_some() && txn.staged(b"\xfflarge").is_none());
        Ok(())
    })
    .unwrap();
}

/// Fills the disk, until the store refuses to write more.
fn fill_disk(world: &World) {
    world.memory.set_quota(Some(world.memory.used()));
    let store = world.instance.store();
    let mut batch = Batch::new();
    batch.put(b"\xff", &[0; 4000]);
    while !store.db().is_refusing() {
        let _ = store.db().commit(&batch).and_then(|seqno| store.db().acknowledge(seqno));
    }
}

#[test]
fn where_it_cannot_be_committed_all_of_it_says_so() {
    let mut world = World::lazy(Fsync::Always);
    assert_eq!(world.pipeline(&["INCR a", "LPUSH q x"].map(words)), [1, 1].map(Reply::Int));
    let instance = world.instance.clone();
    let client = instance.clients.add(String::new(), String::new(), 0, Box::new(|| {}));
    let mut session = Session::new(client, instance.stats.new_loop(), true);
    let mut output = Output::default();
    let mut decoder = Decoder::default();
    for line in [&b"INCR a\r\n"[..], b"INCR a\r\n", b"INCRBY a x\r\n", b"INCR a\r\n"] {
        assert!(matches!(decoder.decode(line, &Limits::default()), Ok(Step::Request(_))));
        session.runs.arrived(line.len(), 100);
        let args = decoder.args(line);
        dispatch::run(&instance, &mut session, args, &mut output, Tier::Cached, &mut 0);
    }
    assert!(session.runs.is_open());
    fill_disk(&world);
    run::end(&instance, &mut session, &mut output);
    let said = Reply::read_all(output.bytes());
    let full = Reply::error("OOM");
    assert_eq!(said, [Reply::Int(2), full.clone(), full.clone(), full]);
    assert_eq!(world.say(&["GET", "a"]), Reply::bulk("2"));
    // From now on each answers for itself: some are let through.
    let lines = ["INCR a", "INCR a", "INCR a", "DEL q", "DEL a"];
    let full = vec![Reply::error("OOM"); 3].into_iter();
    assert_eq!(world.pipeline(&lines.map(words)), full.chain([1, 1].map(Reply::Int)).collect::<Vec<_>>());
    world.memory.set_quota(None);
    assert_eq!(world.pipeline(&["INCR a", "INCR a", "INCR a"].map(words)), [1, 2, 3].map(Reply::Int));
}

#[test]
fn who_waits_is_served_between_two_commands() {
    let mut world = World::lazy(Fsync::Always);
    let mut other = world.connect();
    feed(&mut other, &[words("BLPOP q 0")]);
    assert!(matches!(other.run(Tier::Cached), Pace::Block));
    feed(&mut world.client, &["RPUSH q a", "RPUSH q b", "RPUSH q c"].map(words));
    assert!(matches!(world.client.run(Tier::Cached), Pace::Yield));
    assert!(matches!(other.run(Tier::Cached), Pace::More));
    assert_eq!(Reply::read_all(&other.reply().take()), [Reply::bulks(["q", "a"])]);
    assert!(matches!(world.client.run(Tier::Cached), Pace::More));
    assert_eq!(Reply::read_all(&world.client.reply().take()), [1, 1, 2].map(Reply::Int));
}
