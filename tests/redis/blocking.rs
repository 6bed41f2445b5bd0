//! Commands that wait, over sockets.

use crate::client::{Client, Value, encode};
use crate::running::Server;

/// Asks until it is so.
pub(crate) fn until(client: &mut Client, words: &[&str], is_so: impl Fn(&str) -> bool) {
    for _ in 0..1_000_000 {
        if is_so(&client.show(words)) {
            return;
        }
    }
    panic!("{words:?}: {}", client.show(words));
}

/// Waits until so many clients do.
pub(crate) fn blocked(client: &mut Client, n: usize) {
    until(client, &["INFO", "clients"], |info| info.contains(&format!("blocked_clients:{n}\\r")));
}

fn id(client: &mut Client) -> String {
    match client.command(&["CLIENT", "ID"]) {
        Value::Int(id) => id.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_that_waits_is_shown_and_can_be_unblocked() {
    let server = Server::start();
    let (mut one, mut other) = (server.client(), server.client());
    let id = id(&mut one);
    one.send(
        &[encode(&[b"SET", b"k", b"v"]), encode(&[b"WAIT", b"1", b"0"]), encode(&[b"GET", b"k"])].concat(),
    );
    // What was answered before it waits has come.
    assert_eq!(one.read().unwrap().show(), "OK");
    blocked(&mut other, 1);
    let list = other.show(&["CLIENT", "LIST", "ID", &id]);
    assert!(list.contains(" flags=b ") && list.contains(" cmd=wait "), "{list}");
    assert_eq!(other.show(&["CLIENT", "UNBLOCK", &id]), "(integer) 1");
    assert_eq!(one.read().unwrap().show(), "(integer) 0");
    assert_eq!(one.read().unwrap().show(), "\"v\"");
    one.send(&encode(&[b"WAIT", b"1", b"0"]));
    blocked(&mut other, 1);
    assert_eq!(other.show(&["CLIENT", "UNBLOCK", &id, "ERROR"]), "(integer) 1");
    assert_eq!(one.read().unwrap().show(), "(error) UNBLOCKED client unblocked via CLIENT UNBLOCK");
    assert_eq!(other.show(&["CLIENT", "UNBLOCK", &id]), "(integer) 0");
    assert_eq!(one.show(&["WAIT", "1", "20"]), "(integer) 0");
    assert_eq!(one.show(&["PING"]), "PONG");
}

#[test]
fn one_that_leaves_is_missed_though_it_had_said_more() {
    let server = Server::start();
    let (mut one, mut other) = (server.client(), server.client());
    one.send(&[encode(&[b"WAIT", b"1", b"0"]), encode(&[b"SET", b"k", b"v"])].concat());
    blocked(&mut other, 1);
    drop(one);
    blocked(&mut other, 0);
    assert_eq!(other.show(&["EXISTS", "k"]), "(integer) 0");
}

#[test]
fn one_that_is_killed_is_gone() {
    let server = Server::start();
    let (mut one, mut other) = (server.client(), server.client());
    let id = id(&mut one);
    one.send(&encode(&[b"WAIT", b"1", b"0"]));
    blocked(&mut other, 1);
    assert_eq!(other.show(&["CLIENT", "KILL", "ID", &id]), "(integer) 1");
    assert!(one.read().is_none());
    blocked(&mut other, 0);
}

#[test]
fn the_server_stops_though_clients_wait() {
    let server = Server::start();
    let (mut one, mut other) = (server.client(), server.client());
    one.send(&encode(&[b"WAIT", b"1", b"0"]));
    blocked(&mut other, 1);
    drop(server);
    assert!(one.read().is_none());
}
