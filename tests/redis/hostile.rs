//! Bytes that no well-meaning client sends, and clients that come in numbers.

use std::io::Read;
use std::net::Shutdown;

use crate::client::{Client, Value, encode};
use crate::running::Server;

fn told(server: &Server, bytes: &[u8]) -> Option<Value> {
    let mut client = server.client();
    client.send(bytes);
    let reply = client.read();
    if reply.is_some() {
        assert_eq!(client.read(), None, "the connection ends after {:?}", bytes.escape_ascii().to_string());
    }
    reply
}

#[test]
fn a_broken_stream_is_told_why_and_ends() {
    let server = Server::start();
    for (bytes, text) in [
        (&b"*-x\r\n"[..], "ERR Protocol error: invalid multibulk length"),
        (b"*1048577\r\n", "ERR Protocol error: invalid multibulk length"),
        (b"*1\r\nPING\r\n", "ERR Protocol error: expected '$', got 'P'"),
        (b"*1\r\n$536870913\r\n", "ERR Protocol error: invalid bulk length"),
        (b"*1\r\n$-7\r\n", "ERR Protocol error: invalid bulk length"),
        (b"set \"a\r\n", "ERR Protocol error: unbalanced quotes in request"),
    ] {
        assert_eq!(told(&server, bytes), Some(Value::Error(text.to_owned())));
    }
    let endless = vec![b'x'; 70_000];
    let text = "ERR Protocol error: too big inline request";
    assert_eq!(told(&server, &endless), Some(Value::Error(text.to_owned())));
    // The others never noticed.
    assert_eq!(server.client().show(&["PING"]), "PONG");
}

#[test]
fn declared_lengths_cost_nothing() {
    let server = Server::start();
    let mut clients: Vec<Client> = (0..50).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(b"*1048576\r\n$8388608\r\nabc");
    }
    let mut client = server.client();
    let Value::Bulk(info) = client.command(&["INFO", "clients", "memory"]) else { panic!() };
    let info = String::from_utf8(info).unwrap();
    assert!(info.contains("connected_clients:51"), "{info}");
    assert!(info.contains("mem_clients_normal:0\r\n"), "{info}");
}

#[test]
fn a_request_may_come_byte_by_byte_and_many_at_once() {
    let server = Server::start();
    let mut client = server.client();
    for byte in encode(&[b"SET", b"k", b"a\r\nb"]) {
        client.send(&[byte]);
    }
    assert_eq!(client.read(), Some(Value::Simple("OK".to_owned())));
    let many: Vec<u8> = (0..1000).flat_map(|_| encode(&[b"GET", b"k"])).collect();
    client.send(&many);
    for _ in 0..1000 {
        assert_eq!(client.read(), Some(Value::Bulk(b"a\r\nb".to_vec())));
    }
}

#[test]
fn whoever_sends_no_more_reads_all_replies() {
    let server = Server::start();
    for (bytes, replies) in [
        (&b"PING\r\n"[..], "+PONG\r\n"),
        (b"SET a 1\r\nGET a\r\n", "+OK\r\n$1\r\n1\r\n"),
        (b"PING\r\nBLPOP nothing 0\r\n", "+PONG\r\n"),
    ] {
        for _ in 0..20 {
            let mut client = server.client();
            client.send(bytes);
            client.stream.shutdown(Shutdown::Write).unwrap();
            let mut all = String::new();
            client.stream.read_to_string(&mut all).unwrap();
            assert_eq!(all, replies, "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn strangers_get_no_further_than_the_door() {
    let server = Server::with(|config| config.requirepass = "secret".to_owned());
    let mut client = server.client();
    let refused = Value::Error("NOAUTH Authentication required.".to_owned());
    assert_eq!(client.command(&["GET", "k"]), refused);
    assert_eq!(client.command(&["PING"]), refused);
    client.send(b"GET k\r\n");
    assert_eq!(client.read(), Some(refused.clone()));
    assert_eq!(client.command(&["MULTI"]), refused);
    assert!(client.show(&["HELLO", "3"]).starts_with("(error) NOAUTH HELLO must be called"));
    let wrong = "(error) WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(client.show(&["AUTH", "wrong"]), wrong);
    assert_eq!(client.show(&["AUTH", "default", ""]), wrong);
    assert_eq!(client.show(&["AUTH", "other", "secret"]), wrong);
    let mut long = server.client();
    long.send(&encode(&[b"AUTH", &vec![b'x'; 20_000]]));
    assert!(long.read().unwrap().show().contains("unauthenticated bulk length"));
    assert_eq!(client.show(&["AUTH", "secret"]), "OK");
    assert_eq!(client.show(&["GET", "k"]), "(nil)");
    let mut other = server.client();
    assert!(other.show(&["HELLO", "2", "AUTH", "default", "secret"]).starts_with("*14"));
}

#[test]
fn one_client_too_many_is_told() {
    let server = Server::with(|config| config.maxclients = 3);
    let mut clients: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for client in &mut clients {
        assert_eq!(client.show(&["PING"]), "PONG");
    }
    let mut refused = server.client();
    assert_eq!(refused.read().unwrap().show(), "(error) ERR max number of clients reached");
    assert_eq!(refused.read(), None);
    clients[0].send(b"QUIT\r\n");
    assert_eq!(clients[0].read().unwrap().show(), "OK");
    assert_eq!(clients[0].read(), None);
    assert_eq!(server.client().show(&["PING"]), "PONG");
}

#[test]
fn a_panic_ends_one_connection() {
    let server = Server::start();
    let (mut one, mut other) = (server.client(), server.client());
    assert_eq!(other.show(&["SET", "k", "v"]), "OK");
    one.send(b"DEBUG PANIC\r\n");
    assert_eq!(one.read(), None);
    assert_eq!(other.show(&["GET", "k"]), "\"v\"");
    assert_eq!(other.show(&["SET", "k", "w"]), "OK");
}

#[test]
fn a_key_may_be_long_but_not_longer() {
    let server = Server::start();
    let mut client = server.client();
    let (long, longer) = ("k".repeat(64 << 10), "k".repeat((64 << 10) + 1));
    assert_eq!(client.show(&["SET", &long, "v"]), "OK");
    assert_eq!(client.show(&["GET", &long]), "\"v\"");
    assert_eq!(client.show(&["SET", &longer, "v"]), "(error) ERR key is longer than 65536 bytes");
}
