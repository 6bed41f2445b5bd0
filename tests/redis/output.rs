//! Clients that do not take their replies, and those that want them large.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use siltstone::vfs::faulty::{Fault, FaultyVfs, Operation, Rule};
use siltstone::vfs::memory::MemoryVfs;

use crate::client::{Value, encode};
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

#[test]
fn a_reply_leaves_although_its_client_asked_for_more_meanwhile() {
    let disk = Arc::new(FaultyVfs::new(Arc::new(MemoryVfs::new())));
    let server = Server::on(disk.clone(), |_| {});
    disk.add(Rule::always(Operation::Sync, "log", Fault::Delay(Duration::from_millis(4))));
    let (mut client, mut other) = (server.client(), server.client());
    let set = encode(&[b"SET", b"key", b"value"]);
    for _ in 0..30 {
        // The first are behind the sync that the others come during, and nobody else's writes are.
        for _ in 0..8 {
            client.send(&set);
            other.show(&["PING"]);
        }
        for _ in 0..8 {
            assert_eq!(client.read(), Some(Value::Simple("OK".to_owned())));
        }
    }
    assert!(disk.fired() > 0);
}
