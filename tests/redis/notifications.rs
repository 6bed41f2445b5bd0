//! Events of keys that no command brings about.

use crate::client::{Client, encode};
use crate::running::Server;

fn listen(server: &Server, letters: &str) -> Client {
    let mut listener = server.client();
    assert_eq!(listener.show(&["CONFIG", "SET", "notify-keyspace-events", letters]), "OK");
    listener.send(&encode(&[b"PSUBSCRIBE", b"__keyevent@*"]));
    listener.read();
    listener
}

fn heard(listener: &mut Client) -> String {
    let message = listener.read().unwrap().show();
    message.lines().skip(3).map(|line| line.trim().replace('"', "")).collect::<Vec<_>>().join(" ")
}

#[test]
fn keys_are_told_to_expire_when_they_do() {
    let server = Server::start();
    let mut listener = listen(&server, "Exhg");
    let mut client = server.client();
    client.command(&["SET", "k", "v", "PX", "30"]);
    client.command(&["HSET", "h", "f", "v", "g", "v"]);
    client.command(&["HPEXPIRE", "h", "40", "FIELDS", "1", "f"]);
    assert_eq!(heard(&mut listener), "__keyevent@0__:expire k");
    assert_eq!(heard(&mut listener), "__keyevent@0__:hset h");
    assert_eq!(heard(&mut listener), "__keyevent@0__:hexpire h");
    // Nobody looks.
    let mut events = [heard(&mut listener), heard(&mut listener)];
    events.sort();
    assert_eq!(events, ["__keyevent@0__:expired k", "__keyevent@0__:hexpired h"]);
    client.command(&["HPEXPIRE", "h", "10", "FIELDS", "1", "g"]);
    assert_eq!(heard(&mut listener), "__keyevent@0__:hexpire h");
    assert_eq!(heard(&mut listener), "__keyevent@0__:hexpired h");
    assert_eq!(heard(&mut listener), "__keyevent@0__:del h");
}

#[test]
fn what_happened_is_there_when_it_is_told() {
    let server = Server::start();
    let mut listener = listen(&server, "E$");
    let (mut client, mut reader) = (server.client(), server.client());
    for n in 0..200 {
        let n = n.to_string();
        client.send(&encode(&[b"SET", b"k", n.as_bytes()]));
        assert_eq!(heard(&mut listener), "__keyevent@0__:set k");
        assert_eq!(reader.show(&["GET", "k"]), format!("\"{n}\""));
        client.read();
    }
}

#[test]
fn the_setting_is_one_of_the_file_too() {
    let server = Server::with_parameters("notify-keyspace-events = \"KEA\"");
    let (mut listener, mut client) = (server.client(), server.client());
    listener.send(&encode(&[b"SUBSCRIBE", b"__keyspace@0__:k"]));
    listener.read();
    client.command(&["SET", "k", "v"]);
    assert_eq!(heard(&mut listener), "set");
}
