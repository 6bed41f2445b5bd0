//! Publishing and subscribing among many connections.

use crate::client::{Client, Value, encode};
use crate::running::Server;

fn message(client: &mut Client) -> Vec<String> {
    let Some(Value::Many(_, values)) = client.read() else { panic!("no message") };
    let text = |value: &Value| match value {
        Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.show(),
    };
    values.iter().map(text).collect()
}

fn subscribe(client: &mut Client, words: &[&str]) {
    client.send(&encode(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()));
    for _ in words.iter().skip(1) {
        message(client);
    }
}

#[test]
fn messages_of_one_publisher_come_in_order_to_everybody() {
    let server = Server::start();
    let mut subscribers: Vec<Client> = (0..20).map(|_| server.client()).collect();
    for (at, client) in subscribers.iter_mut().enumerate() {
        let words = if at % 2 == 0 { ["SUBSCRIBE", "news", "other"] } else { ["PSUBSCRIBE", "n*s", "o*"] };
        subscribe(client, &words);
    }
    std::thread::scope(|scope| {
        for publisher in 0..4 {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client();
                for n in 0..100 {
                    let text = format!("{publisher} {n}");
                    assert_eq!(client.show(&["PUBLISH", "news", &text]), "(integer) 20");
                }
            });
        }
        for client in &mut subscribers {
            scope.spawn(move || {
                let mut next = [0; 4];
                for _ in 0..400 {
                    let words = message(client);
                    let (publisher, n) = words.last().unwrap().split_once(' ').unwrap();
                    let publisher: usize = publisher.parse().unwrap();
                    assert_eq!(n, next[publisher].to_string());
                    next[publisher] += 1;
                }
            });
        }
    });
}

#[test]
fn what_a_transaction_publishes_goes_out_when_it_commits() {
    let server = Server::start();
    let (mut subscriber, mut publisher) = (server.client(), server.client());
    subscribe(&mut subscriber, &["SUBSCRIBE", "c"]);
    publisher.command(&["MULTI"]);
    publisher.command(&["PUBLISH", "c", "from a transaction that fails"]);
    publisher.command(&["DISCARD"]);
    publisher.command(&["MULTI"]);
    publisher.command(&["PUBLISH", "c", "one"]);
    publisher.command(&["SET", "k", "v"]);
    publisher.command(&["PUBLISH", "c", "two"]);
    assert_eq!(publisher.show(&["EXEC"]), "*3\n  (integer) 1\n  OK\n  (integer) 1");
    assert_eq!(message(&mut subscriber)[2], "one");
    assert_eq!(message(&mut subscriber)[2], "two");
}

#[test]
fn what_is_published_after_a_write_comes_after_it() {
    let server = Server::start();
    let (mut subscriber, mut publisher, mut reader) = (server.client(), server.client(), server.client());
    subscribe(&mut subscriber, &["SUBSCRIBE", "c"]);
    for n in 0..200 {
        let n = n.to_string();
        publisher.send(
            &[encode(&[b"SET", b"k", n.as_bytes()]), encode(&[b"PUBLISH", b"c", n.as_bytes()])].concat(),
        );
        assert_eq!(message(&mut subscriber)[2], n);
        assert_eq!(reader.show(&["GET", "k"]), format!("\"{n}\""));
        publisher.read();
        publisher.read();
    }
}

#[test]
fn who_never_reads_is_disconnected() {
    let server = Server::start();
    let (mut deaf, mut publisher) = (server.client(), server.client());
    subscribe(&mut deaf, &["SUBSCRIBE", "c"]);
    let payload = "x".repeat(1 << 20);
    let mut heard = 0;
    for _ in 0..60 {
        heard += i32::from(publisher.show(&["PUBLISH", "c", &payload]) == "(integer) 1");
    }
    assert!(heard < 60, "it is still listened to");
    assert_eq!(publisher.show(&["PUBSUB", "NUMSUB", "c"]), "*2\n  \"c\"\n  (integer) 0");
}

/// The bytes of messages that lie ready for each client of a name.
fn mail(client: &mut Client, name: &str) -> Vec<usize> {
    let Value::Bulk(list) = client.command(&["CLIENT", "LIST"]) else { panic!() };
    let list = String::from_utf8(list).unwrap();
    let of = |line: &str| line.split_once(" omem=").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    list.lines().filter(|line| line.contains(&format!(" name={name} "))).map(of).collect()
}

/// Subscribers of this name, one to each channel.
fn listeners(server: &Server, name: &str, channels: &[&str]) -> Vec<Client> {
    let listen = |channel: &&str| {
        let mut client = server.client();
        client.command(&["CLIENT", "SETNAME", name]);
        subscribe(&mut client, &["SUBSCRIBE", channel]);
        client
    };
    channels.iter().map(listen).collect()
}

const MEGABYTE: usize = 1 << 20;

#[test]
fn all_messages_that_nobody_reads_are_bounded_together() {
    // Of which messages may have an eighth: 8 MiB.
    let server = Server::start();
    let mut publisher = server.client();
    let channels = ["a", "b", "c", "d"];
    let _deaf = listeners(&server, "deaf", &channels);
    let mut healthy = listeners(&server, "healthy", &["small"]).remove(0);
    let payload = "x".repeat(MEGABYTE);
    for _ in 0..30 {
        for channel in channels {
            publisher.command(&["PUBLISH", channel, &payload]);
            // Beside what lies in the inboxes, there is one message on its way out to each.
            let held: usize = mail(&mut publisher, "deaf").iter().sum();
            assert!(held <= 13 * MEGABYTE, "{held} bytes lie ready");
        }
        assert_eq!(publisher.show(&["PUBLISH", "small", "m"]), "(integer) 1");
        assert_eq!(message(&mut healthy)[2], "m");
    }
    assert!(mail(&mut publisher, "deaf").len() < channels.len());
    let info = publisher.show(&["INFO", "stats"]);
    assert!(!info.contains("client_output_buffer_limit_disconnections:0"), "{info}");
}

/// What requests, replies and messages take.
fn held(client: &mut Client) -> String {
    let Value::Bulk(info) = client.command(&["INFO", "memory"]) else { panic!() };
    let info = String::from_utf8(info).unwrap();
    info.lines().find(|line| line.starts_with("mem_clients_normal:")).unwrap().to_owned()
}

#[test]
fn a_message_that_many_are_to_read_counts_once() {
    let server = Server::start();
    let mut publisher = server.client();
    let mut slow = listeners(&server, "slow", &["c"; 8]);
    let before = held(&mut publisher);
    let payload = "x".repeat(MEGABYTE);
    let mut sent = 0;
    while mail(&mut publisher, "slow").iter().any(|bytes| *bytes < 5 * MEGABYTE) {
        assert_eq!(publisher.show(&["PUBLISH", "c", &payload]), "(integer) 8");
        sent += 1;
    }
    // Counted for each of them this would be five times what there may be.
    assert!(mail(&mut publisher, "slow").iter().sum::<usize>() >= 40 * MEGABYTE);
    for client in &mut slow {
        for _ in 0..sent {
            assert_eq!(message(client)[2].len(), MEGABYTE);
        }
    }
    let info = publisher.show(&["INFO", "stats"]);
    assert!(info.contains("client_output_buffer_limit_disconnections:0"), "{info}");
    // What they took comes back.
    while held(&mut publisher) != before {}
}

#[test]
fn subscribers_are_shown_and_leave_nothing_behind() {
    let server = Server::start();
    let (mut one, mut other) = (server.client(), server.client());
    subscribe(&mut one, &["SUBSCRIBE", "a", "b"]);
    subscribe(&mut one, &["PSUBSCRIBE", "p*"]);
    subscribe(&mut one, &["SSUBSCRIBE", "s"]);
    let list = other.show(&["CLIENT", "LIST", "TYPE", "PUBSUB"]);
    assert!(list.contains(" flags=P ") && list.contains(" sub=2 psub=1 ssub=1 "), "{list}");
    assert!(!other.show(&["CLIENT", "LIST", "TYPE", "NORMAL"]).contains("sub=2"));
    let info = other.show(&["INFO", "stats"]);
    for line in ["pubsub_channels:2\\r", "pubsub_patterns:1\\r", "pubsubshard_channels:1\\r"] {
        assert!(info.contains(line), "{info}");
    }
    assert_eq!(other.show(&["CLIENT", "KILL", "TYPE", "pubsub"]), "(integer) 1");
    assert!(one.read().is_none());
    while other.show(&["PUBSUB", "CHANNELS"]) != "*0" {}
    assert_eq!(other.show(&["PUBSUB", "NUMPAT"]), "(integer) 0");
}

#[test]
fn one_may_hear_oneself_and_wait_for_both() {
    let server = Server::start();
    let (mut one, mut other) = (server.client(), server.client());
    one.command(&["HELLO", "3"]);
    subscribe(&mut one, &["SUBSCRIBE", "c"]);
    // Messages are no part of the reply: they come behind it.
    assert_eq!(one.show(&["PUBLISH", "c", "m"]), "(integer) 1");
    assert_eq!(message(&mut one), ["message", "c", "m"]);
    one.send(&encode(&[b"WAIT", b"1", b"50"]));
    while !other.show(&["INFO", "clients"]).contains("blocked_clients:1") {}
    other.command(&["PUBLISH", "c", "while it waits"]);
    assert_eq!(message(&mut one)[2], "while it waits");
    assert_eq!(one.read().unwrap().show(), "(integer) 0");
    // Replies that are not wanted are not sent; messages are.
    one.send(&encode(&[b"CLIENT", b"REPLY", b"OFF"]));
    one.send(&encode(&[b"SUBSCRIBE", b"d"]));
    assert_eq!(message(&mut one)[..2], ["subscribe", "d"]);
    other.command(&["PUBLISH", "d", "m"]);
    assert_eq!(message(&mut one)[2], "m");
}

#[test]
fn many_patterns_cost_nothing_to_who_publishes_elsewhere() {
    let server = Server::start();
    let (mut one, mut other) = (server.client(), server.client());
    for chunk in 0..20 {
        let patterns: Vec<String> = (0..500).map(|n| format!("room:{chunk}:{n}:*")).collect();
        let mut words = vec!["PSUBSCRIBE"];
        words.extend(patterns.iter().map(String::as_str));
        subscribe(&mut one, &words);
    }
    assert_eq!(other.show(&["PUBSUB", "NUMPAT"]), "(integer) 10000");
    assert_eq!(other.show(&["PUBLISH", "room:7:13:x", "m"]), "(integer) 1");
    assert_eq!(message(&mut one), ["pmessage", "room:7:13:*", "room:7:13:x", "m"]);
    assert_eq!(other.show(&["PUBLISH", "elsewhere", "m"]), "(integer) 0");
}
