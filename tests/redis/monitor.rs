//! Clients that are told of all commands.

use std::sync::Arc;

use siltstone::clock::ManualClock;
use siltstone::vfs::memory::MemoryVfs;

use crate::client::{Client, Value, encode};
use crate::running::Server;

/// The next line without its time and the client's address.
fn line(client: &mut Client) -> String {
    let Some(Value::Simple(line)) = client.read() else { panic!("no line") };
    let (time, rest) = line.split_once(" [").unwrap();
    let (seconds, micros) = time.split_once('.').unwrap();
    assert!(seconds.parse::<u64>().is_ok() && micros.len() == 6 && micros.parse::<u64>().is_ok(), "{line}");
    let (whose, words) = rest.split_once("] ").unwrap();
    let (database, address) = whose.split_once(' ').unwrap();
    let who = if address.starts_with("127.0.0.1:") { "client" } else { address };
    format!("{database} {who} {words}")
}

fn monitor(server: &Server) -> Client {
    let mut client = server.client();
    assert_eq!(client.show(&["MONITOR"]), "OK");
    client
}

#[test]
fn commands_are_shown_in_the_order_in_which_they_run() {
    let server = Server::start();
    let (mut monitor, mut client) = (monitor(&server), server.client());
    let mut shows = |words: &[&str], lines: &[&str]| {
        client.command(words);
        for wanted in lines {
            assert_eq!(line(&mut monitor), *wanted);
        }
    };
    shows(&["SET", "k \"\\\r\n\t", "v"], &[r#"0 client "SET" "k \"\\\r\n\t" "v""#]);
    shows(&["lpush", "k \"\\\r\n\t", "x"], &[r#"0 client "lpush" "k \"\\\r\n\t" "x""#]);
    // What is refused before it runs, and what only administrators may do, is not shown.
    shows(&["GET"], &[]);
    shows(&["NOTHING"], &[]);
    shows(&["CONFIG", "GET", "port"], &[]);
    shows(&["CLIENT", "LIST"], &[]);
    shows(&["ROLE"], &[r#"0 client "ROLE""#]);
    shows(&["SELECT", "3"], &[r#"3 client "SELECT" "3""#]);
    shows(&["MULTI"], &[r#"3 client "MULTI""#]);
    shows(&["GET", "a"], &[]);
    shows(&["EVAL", "redis.call('set', KEYS[1], 1); return redis.call('get', KEYS[1])", "1", "b"], &[]);
    shows(
        &["EXEC"],
        &[
            r#"3 client "GET" "a""#,
            r#"3 client "EVAL" "redis.call('set', KEYS[1], 1); return redis.call('get', KEYS[1])" "1" "b""#,
            r#"3 lua "set" "b" "1""#,
            r#"3 lua "get" "b""#,
            r#"3 client "EXEC""#,
        ],
    );
    shows(&["MULTI"], &[r#"3 client "MULTI""#]);
    shows(&["NOTHING"], &[]);
    shows(&["EXEC"], &[r#"3 client "EXEC""#]);
    // It takes keys that it did not declare, and so runs twice.
    let script = "redis.call('set', 'x', 1); return redis.call('select', 2)";
    shows(
        &["EVAL", script, "0"],
        &[
            &format!("3 client \"EVAL\" \"{script}\" \"0\""),
            r#"3 lua "set" "x" "1""#,
            r#"2 lua "select" "2""#,
        ],
    );
    shows(&["BLPOP", "none", "0.01"], &[r#"3 client "BLPOP" "none" "0.01""#]);
    shows(&["AUTH", "me", "secret"], &[r#"3 client "AUTH" "(redacted)" "(redacted)""#]);
    shows(
        &["HELLO", "2", "AUTH", "me", "secret", "SETNAME", "x"],
        &[r#"3 client "HELLO" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "x""#],
    );
}

#[test]
fn a_command_that_waits_is_shown_once_and_at_once() {
    let server = Server::start();
    let (mut monitor, mut waiting, mut other) = (monitor(&server), server.client(), server.client());
    waiting.send(&encode(&[b"BLPOP", b"k", b"0"]));
    assert_eq!(line(&mut monitor), r#"0 client "BLPOP" "k" "0""#);
    other.command(&["RPUSH", "k", "v"]);
    assert_eq!(waiting.read().unwrap().show(), "*2\n  \"k\"\n  \"v\"");
    waiting.command(&["PING"]);
    assert_eq!(line(&mut monitor), r#"0 client "RPUSH" "k" "v""#);
    assert_eq!(line(&mut monitor), r#"0 client "PING""#);
}

#[test]
fn a_monitor_is_told_of_its_own_commands_until_it_resets() {
    let server = Server::start();
    let mut client = monitor(&server);
    let mut other = server.client();
    assert_eq!(client.show(&["PING"]), "PONG");
    assert_eq!(line(&mut client), r#"0 client "PING""#);
    let Value::Bulk(list) = other.command(&["CLIENT", "LIST"]) else { panic!() };
    assert_eq!(String::from_utf8(list).unwrap().matches("flags=O ").count(), 1);
    // A second time is not answered.
    client.send(&encode(&[b"MONITOR"]));
    assert_eq!(client.show(&["RESET"]), "RESET");
    other.command(&["PING"]);
    assert_eq!(client.show(&["GET", "k"]), "(nil)");
    let Value::Bulk(list) = other.command(&["CLIENT", "LIST"]) else { panic!() };
    assert!(!String::from_utf8(list).unwrap().contains("flags=O"));
}

#[test]
fn a_monitor_that_never_reads_is_cut_off() {
    let server = Server::start();
    let _deaf = monitor(&server);
    let mut client = server.client();
    let request = encode(&[b"ECHO", &vec![b'x'; 100_000]]);
    let is_there = |client: &mut Client| {
        let Value::Bulk(list) = client.command(&["CLIENT", "LIST"]) else { panic!() };
        String::from_utf8(list).unwrap().contains("flags=O")
    };
    let mut shown = 0;
    while is_there(&mut client) {
        client.send(&request);
        client.read();
        shown += 1;
        assert!(shown < 10_000, "it is still there");
    }
}

#[test]
fn who_monitors_is_not_timed_out_though_it_says_nothing() {
    let clock = Arc::new(ManualClock::default());
    let server = Server::of(Arc::new(MemoryVfs::new()), clock.clone());
    let (mut monitor, mut idle, mut other) = (server.client(), server.client(), server.client());
    assert_eq!(monitor.show(&["MONITOR"]), "OK");
    idle.command(&["CLIENT", "SETNAME", "idle"]);
    other.command(&["CONFIG", "SET", "timeout", "10"]);
    while other.show(&["CLIENT", "LIST"]).contains(" name=idle ") {
        clock.advance_ms(1000);
    }
    assert!(other.show(&["CLIENT", "LIST"]).contains(" flags=O "));
}
