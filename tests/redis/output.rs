//! Clients that do not take their replies, and those that want them large.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use siltstone::clock::{Clock, ManualClock, SystemClock};
use siltstone::vfs::faulty::{Fault, FaultyVfs, Operation, Rule};
use siltstone::vfs::memory::MemoryVfs;

use crate::client::{Client, Value, encode};
use crate::running::Server;

#[test]
fn a_client_that_never_reads_is_not_read_from() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(client.show(&["SET", "k", &"v".repeat(100_000)]), "OK");
    let mut deaf = server.client();
    // Else its requests may fill the sockets before the server has taken the connection.
    assert_eq!(deaf.show(&["PING"]), "PONG");
    deaf.stream.set_nonblocking(true).unwrap();
    let request = encode(&[b"GET", b"k"]).repeat(1000);
    let mut sent = 0;
    // It may push what the sockets' buffers hold; then the server no longer takes any.
    let stuck = (0..100_000).any(|_| match deaf.stream.write(&request) {
        Ok(n) => {
            sent += n;
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
            let Value::Bulk(info) = client.command(&["INFO", "memory"]) else { panic!() };
            let info = String::from_utf8(info).unwrap();
            let held = info.lines().find_map(|line| line.strip_prefix("mem_clients_normal:")).unwrap();
            assert!(held.parse::<u64>().unwrap() < 8 << 20, "{held} bytes held after {sent} were sent");
            true
        }
    });
    assert!(stuck, "the server took {sent} bytes of requests whose replies nobody reads");
    assert_eq!(client.show(&["PING"]), "PONG");
    // It is cut off like any other, although it never reads.
    let Value::Bulk(list) = client.command(&["CLIENT", "LIST"]) else { panic!() };
    assert_eq!(String::from_utf8(list).unwrap().lines().count(), 2);
    assert_eq!(client.show(&["CLIENT", "KILL", "SKIPME", "yes"]), "(integer) 1");
    while String::from_utf8_lossy(match &client.command(&["CLIENT", "LIST"]) {
        Value::Bulk(list) => list,
        _ => panic!(),
    })
    .lines()
    .count()
        > 1
    {}
}

#[test]
fn memory_of_all_is_not_kept_from_the_others_for_ever() {
    let clock = Arc::new(ManualClock::default());
    let server = Server::of(Arc::new(MemoryVfs::new()), clock.clone());
    let mut client = server.client();
    assert_eq!(client.show(&["SET", "k", &"v".repeat(1 << 20)]), "OK");
    let named = |name: &str| {
        let mut client = server.client();
        assert_eq!(client.show(&["CLIENT", "SETNAME", name]), "OK");
        client
    };
    let (mut deaf, mut silent, mut idle) = (named("deaf"), named("silent"), named("idle"));
    let mut queuer = named("queuer");
    queuer.command(&["MULTI"]);
    queuer.command(&["SET", "k", &"v".repeat(500_000)]);
    deaf.send(&encode(&[b"GET", b"k"]).repeat(50));
    silent.send(b"*3\r\n$3\r\nSET\r\n$5\r\nother\r\n$1000000\r\n");
    silent.send(&vec![b'v'; 500_000]);
    for name in ["deaf", "silent", "queuer"] {
        while client.show(&["CLIENT", "LIST"]).contains(&format!(" name={name} ")) {
            clock.advance_ms(50_000);
        }
    }
    assert_eq!(idle.show(&["PING"]), "PONG");
}

#[test]
fn who_has_asked_for_much_holds_nothing_afterwards() {
    // Of which a quarter is for requests and replies.
    let server = Server::with(|config| config.memory = 32 << 20);
    let value = "v".repeat(1_900_000);
    let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        // Some of them begin with another one.
        let next = if n % 2 == 0 { &b""[..] } else { b"*2\r\n$3\r\nGET\r\n" };
        client.send(&[&encode(&[b"SET", b"k", value.as_bytes()]), next].concat());
        assert_eq!(client.read().unwrap().show(), "OK");
    }
    let Value::Bulk(info) = clients[0].command(&["INFO", "memory"]) else { panic!() };
    assert!(String::from_utf8(info).unwrap().contains("mem_clients_normal:0\r\n"));
}

#[test]
fn large_values_come_and_go_whole() {
    let server = Server::with(|config| config.memory = 256 << 20);
    let mut client = server.client();
    let value: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    client.send(&encode(&[b"SET", b"large", &value]));
    assert_eq!(client.read(), Some(Value::Simple("OK".to_owned())));
    client.send(&encode(&[b"GET", b"large"]).repeat(3));
    for _ in 0..3 {
        assert_eq!(client.read(), Some(Value::Bulk(value.clone())));
    }
}

#[test]
fn replies_left_off_are_left_off() {
    let server = Server::start();
    let mut client = server.client();
    client.send(b"CLIENT REPLY OFF\r\nSET a 1\r\nNONSENSE\r\nCLIENT REPLY ON\r\n");
    assert_eq!(client.read().unwrap().show(), "OK");
    client.send(b"CLIENT REPLY OFF\r\nMULTI\r\nSET a 1\r\nEXEC\r\nCLIENT REPLY ON\r\n");
    assert_eq!(client.read().unwrap().show(), "OK");
    client.send(b"CLIENT REPLY SKIP\r\nSET a 2\r\nGET a\r\n");
    assert_eq!(client.read().unwrap().show(), "\"2\"");
}

#[test]
fn what_was_answered_outlives_the_server() {
    let server = Server::start();
    let mut client = server.client();
    let sets: Vec<u8> = (0..500).flat_map(|n| encode(&[b"SET", format!("k{n}").as_bytes(), b"v"])).collect();
    client.send(&sets);
    for _ in 0..500 {
        assert_eq!(client.read().unwrap().show(), "OK");
    }
    let server = server.restart();
    let mut client = server.client();
    for n in 0..500 {
        assert_eq!(client.show(&["GET", &format!("k{n}")]), "\"v\"");
    }
    assert_eq!(client.show(&["DBSIZE"]), "(integer) 500");
}

#[test]
fn paused_clients_go_on_later() {
    let server = Server::start();
    let (mut one, mut other) = (server.client(), server.client());
    assert_eq!(one.show(&["CLIENT", "PAUSE", "100000", "WRITE"]), "OK");
    other.send(b"GET a\r\nSET a 1\r\nGET a\r\n");
    assert_eq!(other.read().unwrap().show(), "(nil)");
    assert_eq!(one.show(&["GET", "a"]), "(nil)");
    assert_eq!(one.show(&["CLIENT", "UNPAUSE"]), "OK");
    assert_eq!(other.read().unwrap().show(), "OK");
    assert_eq!(other.read().unwrap().show(), "\"1\"");
}

/// In which whatever is timed takes three milliseconds at least: a disk that is slow, to who looks at the clock.
#[derive(Default)]
struct SlowTime {
    system: SystemClock,
    looks: AtomicU64,
}

impl Clock for SlowTime {
    fn now_ms(&self) -> u64 {
        self.system.now_ms()
    }

    fn monotonic_ns(&self) -> u64 {
        self.system.monotonic_ns() + self.looks.fetch_add(3_000_000, Relaxed)
    }
}

/// How many such commands have run.
fn calls(client: &mut Client, command: &str) -> u64 {
    let Value::Bulk(info) = client.command(&["INFO", "commandstats"]) else { panic!() };
    let info = String::from_utf8(info).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[test]
fn whoever_sends_more_while_a_sync_is_under_way_gets_all_replies() {
    const SLOW: i64 = 10;
    let disk = FaultyVfs::new(Arc::new(MemoryVfs::new()));
    let server = Server::of(Arc::new(disk.clone()), Arc::new(SlowTime::default()));
    let (mut client, mut other) = (server.client(), server.client());
    // After some slow syncs they are left to another thread, and the connection goes on reading meanwhile.
    for n in 1..=SLOW {
        assert_eq!(client.command(&["INCR", "n"]), Value::Int(n));
    }
    disk.add(Rule::once(Operation::Sync, ".log", 0, Fault::Hang));
    for n in SLOW + 1..=SLOW + 2 {
        client.send(&encode(&[b"INCR", b"n"]));
        while calls(&mut other, "incr") < n as u64 {}
    }
    while disk.fired() == 0 {
        std::thread::yield_now();
    }
    disk.release();
    assert_eq!(client.read(), Some(Value::Int(SLOW + 1)));
    assert_eq!(client.read(), Some(Value::Int(SLOW + 2)));
}

/// The parts of a large reply.
fn parts(value: Option<Value>) -> Vec<Value> {
    let Some(Value::Many(_, parts)) = value else { panic!("{value:?}") };
    parts
}

#[test]
fn replies_larger_than_the_memory_for_them_are_told_a_piece_at_a_time() {
    const MANY: usize = 60_000;
    const PADDING: usize = 400;
    // Of which a quarter is for requests and replies: less than one of these replies.
    let server = Server::start();
    let mut client = server.client();
    let name = |n: usize| format!("{n:06}{}", "x".repeat(PADDING));
    for from in (0..MANY).step_by(500) {
        let names: Vec<String> = (from..from + 500).map(name).collect();
        let pairs: Vec<[&str; 2]> = names.iter().map(|name| [&name[..6], name]).collect();
        let (names, pairs): (Vec<&str>, _) = (names.iter().map(String::as_str).collect(), pairs.concat());
        for (command, key, rest) in [
            ("HSET", "hash", &pairs),
            ("SADD", "set", &names),
            ("RPUSH", "list", &names),
            ("ZADD", "zset", &pairs),
        ] {
            assert!(client.show(&[&[command, key], &rest[..]].concat()).starts_with("(integer)"));
        }
    }
    let bulk = |text: String| Value::Bulk(text.into_bytes());
    let mut writer = server.client();
    for command in
        ["HGETALL hash", "HVALS hash", "SMEMBERS set", "LRANGE list 0 -1", "ZRANGE zset 0 -1 REV WITHSCORES"]
    {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        client.send(&[encode(&words), encode(&[b"PING"])].concat());
        // What is written once the first piece has been told is not in the others.
        client.wait();
        writer.command(&["HSET", "hash", &name(MANY + 1), "late", "000000", "changed"]);
        writer.command(&["LPOP", "list", "3"]);
        writer.command(&["ZREMRANGEBYRANK", "zset", "0", "9"]);
        let told = parts(client.read());
        assert_eq!(client.read(), Some(Value::Simple("PONG".to_owned())), "{command}");
        let is_pairs = command.starts_with("HGETALL") || command.contains("WITHSCORES");
        assert_eq!(told.len(), if is_pairs { 2 * MANY } else { MANY }, "{command}");
        match command {
            "HGETALL hash" => assert_eq!(told[1], bulk(name(0))),
            _ => assert!(told.contains(&bulk(name(0))), "{command}"),
        }
        writer.command(&["HDEL", "hash", &name(MANY + 1)]);
        writer.command(&["HSET", "hash", "000000", &name(0)]);
        writer.command(&["LPUSH", "list", &name(2), &name(1), &name(0)]);
        for n in 0..10 {
            writer.command(&["ZADD", "zset", &name(n)[..6], &name(n)]);
        }
    }
    // Within EXEC and scripts there is no coming back.
    client.command(&["MULTI"]);
    client.command(&["HGETALL", "hash"]);
    client.command(&["HLEN", "hash"]);
    let refused = "ERR the reply is larger than the memory budget permits; ask for less at once".to_owned();
    assert_eq!(parts(Some(client.command(&["EXEC"]))), [Value::Error(refused), Value::Int(MANY as i64)]);
    let refused = client.show(&["EVAL", "return #redis.call('HGETALL', KEYS[1])", "1", "hash"]);
    assert!(refused.contains("the reply is larger than the memory budget permits"), "{refused}");
    // Who goes away in the middle leaves nothing behind.
    let mut leaver = server.client();
    leaver.send(&encode(&[b"HGETALL", b"hash"]));
    leaver.wait();
    drop(leaver);
    assert_eq!(client.show(&["PING"]), "PONG");
}
