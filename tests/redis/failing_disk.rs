//! The disk fails under a running server: whoever was not told before that a write is safe is told that it may not be,
//! also those who come later, and nobody is told `OK` by mistake.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use siltstone::config::Fsync;
use siltstone::random::Random;
use siltstone::vfs::faulty::{Fault, FaultyVfs, Operation, Rule};
use siltstone::vfs::memory::{MemoryVfs, SyncFailure};

use crate::blocking::{blocked, until};
use crate::client::{Client, Value, encode};
use crate::running::Server;

/// Longer than an event loop bears for a sync of its own.
const SLOW: Duration = Duration::from_millis(3);
/// So many slow ones, and it leaves them to the engine.
const SLOW_SYNCS: usize = 4;

struct World {
    memory: MemoryVfs,
    faulty: FaultyVfs,
    server: Server,
}

impl World {
    fn new(fsync: Fsync) -> Self {
        let memory = MemoryVfs::new();
        let faulty = FaultyVfs::new(Arc::new(memory.clone()));
        let server = Server::on(Arc::new(faulty.clone()), |config| config.fsync = fsync);
        Self { memory, faulty, server }
    }

    /// The next sync of a log begins to hang now.
    fn hang(&self) {
        self.faulty.clear();
        self.faulty.add(Rule::once(Operation::Sync, ".log", 0, Fault::Hang));
    }

    fn wait_until_it_hangs(&self, fired: u64) {
        while self.faulty.fired() == fired {
            std::thread::yield_now();
        }
    }

    /// What hangs ends in failure, and so do all later ones.
    fn fail(&self) {
        self.memory.fail_syncs(Some(SyncFailure::PagesDropped));
        self.faulty.release();
    }
}

/// Some clients whose event loops leave their syncs to the engine.
fn patient_clients<const N: usize>(world: &World) -> [Client; N] {
    let mut clients = std::array::from_fn(|_| world.server.client());
    world.faulty.add(Rule::always(Operation::Sync, ".log", Fault::Delay(SLOW)));
    for client in &mut clients {
        for _ in 0..2 * SLOW_SYNCS {
            assert_eq!(client.show(&["SET", "warm", "up"]), "OK");
        }
    }
    clients
}

/// A client is told that it is not known whether its write is safe, and nothing after that.
fn is_in_doubt(client: &mut Client) {
    let told = client.read().expect("an error").show();
    assert!(told.starts_with("(error) MISCONF it is unknown whether this was written"), "{told}");
    assert_eq!(client.read(), None);
}

#[test]
fn nobody_is_told_that_a_write_is_safe_whose_sync_failed() {
    let world = World::new(Fsync::Always);
    let [mut first, mut second, mut popper, mut listener, mut reader, mut other] = patient_clients(&world);
    assert_eq!(other.show(&["HSET", "hash", "field", "durable"]), "(integer) 1");
    assert_eq!(other.show(&["SET", "key", "durable"]), "OK");
    listener.command(&["SUBSCRIBE", "news"]);
    popper.send(&encode(&[b"BLPOP", b"queue", b"0"]));
    blocked(&mut reader, 1);

    let fired = world.faulty.fired();
    world.hang();
    first.send(&encode(&[b"SET", b"key", b"lost"]));
    world.wait_until_it_hangs(fired);
    // These come while the sync is on its way, and are told of the next one.
    second.send(&[encode(&[b"RPUSH", b"queue", b"lost"]), encode(&[b"PUBLISH", b"news", b"lost"])].concat());
    until(&mut reader, &["INFO", "commandstats"], |info| info.contains("cmdstat_publish:calls=1"));
    blocked(&mut reader, 0);
    world.fail();
    for client in [&mut first, &mut second, &mut popper, &mut listener] {
        is_in_doubt(client);
    }

    // What was durable is there for those who have seen no more, and everything else says what is the matter.
    assert_eq!(reader.show(&["GET", "key"]), "\"durable\"");
    assert_eq!(reader.show(&["HGETALL", "hash"]), "*2\n  \"field\"\n  \"durable\"");
    let info = reader.show(&["INFO", "persistence"]);
    assert!(info.contains("aof_last_write_status:err"), "{info}");
    world.memory.fail_syncs(None);
    for words in [&["SET", "key", "later"][..], &["DEL", "key"], &["RPUSH", "queue", "later"]] {
        let mut client = world.server.client();
        client.send(&encode(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()));
        let told = client.read().expect("an error").show();
        assert!(told.starts_with("(error) MISCONF"), "{words:?}: {told}");
    }
    // Whose answer would tell of what is not durable is not answered, though it asks only now.
    for words in [
        &["DBSIZE"][..],
        &["SET", "key", "absent", "NX"],
        &["LRANGE", "queue", "0", "-1"],
        &["ZADD", "key", "1", "x"],
    ] {
        let mut client = world.server.client();
        client.send(&encode(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()));
        let told = client.read().expect("an error").show();
        assert!(told.starts_with("(error) MISCONF"), "{words:?}: {told}");
    }
    assert_eq!(world.server.client().show(&["WAITAOF", "1", "0", "0"]), "*2\n  (integer) 0\n  (integer) 0");
    assert_eq!(reader.show(&["GET", "key"]), "\"durable\"");
    let why = world.server.fails();
    assert!(why.contains("no more writes"), "{why}");
    let again = Server::on(Arc::new(world.memory.crash_clone(1)), |_| ());
    let key = again.client().show(&["GET", "key"]);
    assert!(["\"durable\"", "\"lost\""].contains(&key.as_str()), "{key}");
    assert_eq!(again.client().show(&["SET", "key", "again"]), "OK");
}

/// Writes one key until it is told that something is wrong; the last value that it was told is safe.
fn write_on(mut client: Client, key: &str, total: &AtomicU64) -> u64 {
    let mut random = Random::seeded(total.fetch_add(0, Ordering::Relaxed));
    let mut safe = 0;
    loop {
        let count = 1 + random.below(4);
        let set = |n: u64| encode(&[b"SET", key.as_bytes(), n.to_string().as_bytes()]);
        client.send(&(safe + 1..=safe + count).flat_map(set).collect::<Vec<_>>());
        for _ in 0..count {
            match client.read() {
                Some(Value::Simple(told)) if told == "OK" => safe += 1,
                Some(Value::Error(told)) => {
                    assert!(told.starts_with("MISCONF"), "{told}");
                    return safe;
                }
                None => return safe,
                other => panic!("{other:?}"),
            }
        }
        total.fetch_add(count, Ordering::Relaxed);
    }
}

#[test]
fn what_was_told_to_be_safe_is_there_after_a_sync_failed_under_load() {
    for (failure, is_slow) in [
        (SyncFailure::PagesKept, false),
        (SyncFailure::PagesDropped, false),
        (SyncFailure::PagesKept, true),
        (SyncFailure::PagesDropped, true),
    ] {
        let world = World::new(Fsync::Always);
        if is_slow {
            world.faulty.add(Rule::always(Operation::Sync, ".log", Fault::Delay(SLOW)));
        }
        let total = AtomicU64::new(0);
        let clients: Vec<Client> = (0..6).map(|_| world.server.client()).collect();
        let safe: Vec<u64> = std::thread::scope(|scope| {
            let total = &total;
            let writers: Vec<_> = (clients.into_iter().enumerate())
                .map(|(n, client)| scope.spawn(move || write_on(client, &format!("key{n}"), total)))
                .collect();
            while total.load(Ordering::Relaxed) < 300 {
                std::thread::yield_now();
            }
            world.memory.fail_syncs(Some(failure));
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        world.server.fails();
        for seed in 0..10 {
            let again = Server::on(Arc::new(world.memory.crash_clone(seed)), |_| ());
            for (n, safe) in safe.iter().enumerate() {
                let Value::Bulk(found) = again.client().command(&["GET", &format!("key{n}")]) else {
                    panic!()
                };
                let found: u64 = String::from_utf8(found).unwrap().parse().unwrap();
                assert!(found >= *safe, "seed {seed}: key{n} is {found}, and {safe} was safe");
            }
        }
    }
}

#[test]
fn under_everysec_writes_end_within_a_second_and_reads_go_on() {
    let world = World::new(Fsync::EverySecond);
    let mut client = world.server.client();
    world.memory.fail_syncs(Some(SyncFailure::PagesKept));
    assert_eq!(client.show(&["SET", "key", "written"]), "OK");
    // What is with the system is all that was promised, until it is known that it goes no further.
    until(&mut client, &["SET", "other", "written"], |told| told.starts_with("(error) MISCONF"));
    assert_eq!(world.server.client().show(&["GET", "key"]), "\"written\"");
    assert!(world.server.client().show(&["DEL", "key"]).starts_with("(error) MISCONF"));
    world.server.fails();
    let again = Server::on(Arc::new(world.memory.kill_clone()), |_| ());
    assert_eq!(again.client().show(&["GET", "key"]), "\"written\"");
}

#[test]
fn under_never_a_sync_that_is_asked_for_and_fails_ends_writes() {
    let world = World::new(Fsync::Never);
    let mut client = world.server.client();
    world.memory.fail_syncs(Some(SyncFailure::PagesKept));
    assert_eq!(client.show(&["SET", "key", "written"]), "OK");
    assert_eq!(client.show(&["WAITAOF", "1", "0", "0"]), "*2\n  (integer) 0\n  (integer) 0");
    assert!(client.show(&["SET", "key", "later"]).starts_with("(error) MISCONF"));
    assert_eq!(client.show(&["GET", "key"]), "\"written\"");
    world.server.fails();
}
