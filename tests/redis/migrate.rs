//! MIGRATE: keys that go to another server, and targets that are none.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use siltstone::clock::ManualClock;
use siltstone::vfs::memory::MemoryVfs;

use crate::client::{Client, Value, encode};
use crate::running::Server;
use crate::transcripts::Redis;

/// Sends keys to an address; what is said.
fn migrate(client: &mut Client, to: SocketAddr, rest: &[&str]) -> String {
    let port = to.port().to_string();
    client.show(&[&["MIGRATE", "127.0.0.1", &port], rest].concat())
}

/// What is told the same way of a key on both sides.
const LOOKS: [&[&str]; 6] = [
    &["GET", "string"],
    &["LRANGE", "list", "0", "-1"],
    &["SORT", "set", "ALPHA"],
    &["ZRANGE", "zset", "0", "-1", "WITHSCORES"],
    &["HGET", "hash", "f50"],
    &["XRANGE", "stream", "-", "+"],
];

/// A key of each type goes there and comes back the same.
fn go_and_come_back(one: &mut Client, other: &mut Client, here: SocketAddr, there: SocketAddr) {
    one.command(&["SET", "string", "value", "EX", "1000"]);
    one.command(&["RPUSH", "list", "a", "b", "1"]);
    one.command(&["SADD", "set", "a", "b", "c"]);
    one.command(&["ZADD", "zset", "1.5", "a", "-inf", "b"]);
    for n in 0..100 {
        one.command(&["HSET", "hash", &format!("f{n}"), &"v".repeat(100)]);
    }
    one.command(&["XADD", "stream", "1-1", "f", "v"]);
    let before = LOOKS.map(|words| one.show(words));
    let keys: Vec<&str> = LOOKS.iter().map(|words| words[1]).collect();
    let all = [&["", "0", "5000", "KEYS", "missing"], &keys[..]].concat();
    assert_eq!(migrate(one, there, &all), "OK");
    assert_eq!(one.show(&["DBSIZE"]), "(integer) 0");
    assert_eq!(LOOKS.map(|words| other.show(words)), before);
    let Value::Int(left) = other.command(&["TTL", "string"]) else { panic!() };
    assert!((900..=1000).contains(&left), "{left}");
    // One key, which stays.
    other.command(&["SET", "other", "1"]);
    assert_eq!(migrate(other, here, &["other", "0", "5000", "COPY"]), "OK");
    assert_eq!(
        (one.show(&["GET", "other"]), other.show(&["GET", "other"])),
        ("\"1\"".into(), "\"1\"".into())
    );
    // It is there already.
    let busy = "(error) ERR Target instance replied with error: BUSYKEY Target key name already exists.";
    assert_eq!(migrate(other, here, &["other", "0", "5000"]), busy);
    other.command(&["SET", "other", "2"]);
    assert_eq!(migrate(other, here, &["other", "0", "5000", "replace"]), "OK");
    assert_eq!(
        (one.show(&["GET", "other"]), other.show(&["EXISTS", "other"])),
        ("\"2\"".into(), "(integer) 0".into())
    );
    assert_eq!(migrate(other, here, &["other", "0", "5000"]), "NOKEY");
    let all = [&["", "0", "5000", "KEYS"], &keys[..]].concat();
    assert_eq!(migrate(other, here, &all), "OK");
    assert_eq!(LOOKS.map(|words| one.show(words)), before);
    // Of several keys, those that the target takes are gone.
    one.command(&["SET", "new", "1"]);
    other.command(&["SET", "string", "theirs"]);
    assert_eq!(migrate(one, there, &["", "0", "5000", "KEYS", "new", "string", "list"]), busy);
    assert_eq!(one.show(&["EXISTS", "new", "string", "list"]), "(integer) 1");
    // Another database, or none.
    assert_eq!(migrate(one, there, &["set", "3", "5000"]), "OK");
    other.command(&["SELECT", "3"]);
    assert_eq!(other.show(&["SCARD", "set"]), "(integer) 3");
    let nowhere = "(error) ERR Target instance replied with error: ERR DB index is out of range";
    assert_eq!(migrate(one, there, &["zset", "9999", "5000"]), nowhere);
    assert_eq!(one.show(&["EXISTS", "zset"]), "(integer) 1");
}

#[test]
fn keys_go_to_another_siltstone_and_come_back() {
    let (here, there) = (Server::start(), Server::start());
    let (mut one, mut other) = (here.client(), there.client());
    go_and_come_back(&mut one, &mut other, here.address, there.address);
}

#[test]
fn keys_go_to_redis_and_come_back() {
    if std::env::var_os("SILTSTONE_REDIS").is_none() {
        return;
    }
    let (here, there) = (Server::start(), Redis::start());
    let (mut one, mut other) = (here.client(), Client::connect(there.address));
    go_and_come_back(&mut one, &mut other, here.address, there.address);
}

#[test]
fn a_target_that_asks_for_a_password_gets_it() {
    let here = Server::start();
    let there = Server::with(|config| config.requirepass = "secret".to_owned());
    let (mut one, mut other) = (here.client(), there.client());
    assert_eq!(other.show(&["AUTH", "secret"]), "OK");
    one.command(&["SET", "k", "v"]);
    let refused = "(error) ERR Target instance replied with error: NOAUTH Authentication required.";
    assert_eq!(migrate(&mut one, there.address, &["k", "0", "5000"]), refused);
    let wrong = migrate(&mut one, there.address, &["k", "0", "5000", "AUTH", "wrong"]);
    assert!(wrong.starts_with("(error) ERR Target instance replied with error: WRONGPASS"), "{wrong}");
    assert_eq!(one.show(&["GET", "k"]), "\"v\"");
    assert_eq!(migrate(&mut one, there.address, &["k", "0", "5000", "COPY", "AUTH", "secret"]), "OK");
    let named = ["k", "0", "5000", "REPLACE", "AUTH2", "default", "secret"];
    assert_eq!(migrate(&mut one, there.address, &named), "OK");
    assert_eq!((one.show(&["GET", "k"]), other.show(&["GET", "k"])), ("(nil)".into(), "\"v\"".into()));
}

#[test]
fn what_is_no_target_takes_no_keys_and_holds_up_nobody() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    client.command(&["SET", "k", "v"]);
    let refused = "(error) IOERR error or timeout connecting to the client";
    // Bound, and gone again.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(migrate(&mut client, nobody, &["k", "0", "100"]), refused);
    assert_eq!(client.show(&["MIGRATE", "127.0.0.1", "no port", "k", "0", "100"]), refused);
    // Listens, and says nothing; meanwhile others read and write, only not this key.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    client.send(&encode(&[b"MIGRATE", b"127.0.0.1", port.as_bytes(), b"k", b"0", b"300"]));
    let (mut stream, _) = silent.accept().unwrap();
    assert_eq!(other.show(&["SET", "other", "1"]), "OK");
    assert_eq!(other.show(&["GET", "k"]), "\"v\"");
    assert_eq!(client.read().unwrap().show(), "(error) IOERR error or timeout reading to target instance");
    let mut asked = Vec::new();
    stream.read_to_end(&mut asked).unwrap();
    assert_eq!(asked, b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n");
    // Speaks, but another language; takes the keys, but does not say so.
    for answers in
        [&[&b"HTTP/1.1 400 Bad Request\r\n"[..]][..], &[b"+OK\r\n", b""], &[b"+OK\r\n", b"+QUEUED\r\n"]]
    {
        client.send(&encode(&[b"MIGRATE", b"127.0.0.1", port.as_bytes(), b"k", b"0", b"300"]));
        let (mut stream, _) = silent.accept().unwrap();
        for answer in answers {
            let _ = stream.read(&mut [0; 1000]).unwrap();
            stream.write_all(answer).unwrap();
        }
        drop(stream);
        let reply = client.read().unwrap().show();
        assert!(reply.starts_with("(error) IOERR error or timeout"), "{reply}");
    }
    assert_eq!(client.show(&["GET", "k"]), "\"v\"");
}

#[test]
fn what_is_asked_wrongly_is_told() {
    let server = Server::start();
    let mut client = server.client();
    for (words, reply) in [
        ("h 1 k 0", "(error) ERR wrong number of arguments for 'migrate' command"),
        ("h 1 k x 100", "(error) ERR value is not an integer or out of range"),
        ("h 1 k 0 x", "(error) ERR value is not an integer or out of range"),
        ("h 1 k 0 100 NONSENSE", "(error) ERR syntax error"),
        ("h 1 k 0 100 AUTH", "(error) ERR syntax error"),
        ("h 1 k 0 100 AUTH2 user", "(error) ERR syntax error"),
        (
            "h 1 k 0 100 KEYS a b",
            "(error) ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
        ),
        ("h 1 k 0 100 COPY REPLACE AUTH KEYS", "NOKEY"),
    ] {
        let words: Vec<&str> = std::iter::once("MIGRATE").chain(words.split(' ')).collect();
        assert_eq!(client.show(&words), reply, "{words:?}");
    }
    let keys = client
        .show(&["COMMAND", "GETKEYS", "MIGRATE", "h", "1", "", "0", "9", "AUTH", "keys", "KEYS", "a", "b"]);
    assert_eq!(keys, "*2\n  \"a\"\n  \"b\"");
    // What was sent stays sent, and a transaction may have to begin anew.
    assert_eq!(client.show(&["MULTI"]), "OK");
    let reply = client.show(&["MIGRATE", "h", "1", "k", "0", "100"]);
    assert_eq!(reply, "(error) ERR Command not allowed inside a transaction");
    assert_eq!(client.show(&["DISCARD"]), "OK");
    // Such a call, and one of a wrong length, counts as rejected.
    let stats = client.show(&["INFO", "commandstats"]);
    assert!(stats.contains("cmdstat_migrate:calls=7") && stats.contains("rejected_calls=2"), "{stats}");
}

/// Reads a command of a conversation; its words, or `None` at the end.
fn asked(reader: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let number = |reader: &mut dyn BufRead| {
        let mut line = String::new();
        (reader.read_line(&mut line).unwrap() > 0).then(|| line.trim_end()[1..].parse::<usize>().unwrap())
    };
    let count = number(reader)?;
    let mut word = || {
        let mut word = vec![0; number(reader).unwrap() + 2];
        reader.read_exact(&mut word).unwrap();
        word.truncate(word.len() - 2);
        word
    };
    Some((0..count).map(|_| word()).collect())
}

#[test]
fn a_key_that_waits_for_others_to_be_sent_lives_no_longer_for_that() {
    const KEYS: usize = 70;
    let clock = Arc::new(ManualClock::default());
    let server = Server::of(Arc::new(MemoryVfs::new()), clock.clone());
    let mut client = server.client();
    let names: Vec<String> = (0..KEYS).map(|n| format!("k{n}")).collect();
    for name in &names {
        client.command(&["SET", name, "v", "PX", "100000"]);
    }
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port().to_string();
    let words = ["MIGRATE", "127.0.0.1", &port, "", "0", "90000", "KEYS"];
    let words: Vec<&[u8]> =
        words.into_iter().chain(names.iter().map(String::as_str)).map(str::as_bytes).collect();
    client.send(&encode(&words));
    let (stream, _) = target.accept().unwrap();
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone().unwrap()), stream);
    let mut left = Vec::new();
    while let Some(words) = asked(&mut reader) {
        if words[0] == b"RESTORE" {
            left.push(String::from_utf8(words[2].clone()).unwrap().parse::<u64>().unwrap());
            clock.advance_ms(1000);
        }
        writer.write_all(b"+OK\r\n").unwrap();
    }
    assert_eq!(client.read().unwrap().show(), "OK");
    assert_eq!(left.len(), KEYS);
    assert!(left[KEYS - 1] < 100_000, "{left:?}");
}

#[test]
fn no_lock_is_held_while_a_target_has_yet_to_answer() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    client.command(&["SET", "k", "v"]);
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port().to_string();
    client.send(&encode(&[b"MIGRATE", b"127.0.0.1", port.as_bytes(), b"k", b"0", b"20000"]));
    let (stream, _) = target.accept().unwrap();
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone().unwrap()), stream);
    assert_eq!(asked(&mut reader).unwrap()[0], b"SELECT");
    // It is what it is when it is sent.
    assert_eq!(other.show(&["SET", "k", "other"]), "OK");
    assert_eq!(other.show(&["CLIENT", "TRACKING", "ON"]), "OK");
    writer.write_all(b"+OK\r\n").unwrap();
    let words = asked(&mut reader).unwrap();
    assert!(words[3].windows(5).any(|part| part == b"other"), "{words:?}");
    writer.write_all(b"+OK\r\n").unwrap();
    assert_eq!(client.read().unwrap().show(), "OK");
    assert_eq!(client.show(&["EXISTS", "k"]), "(integer) 0");
}

/// What a target is asked, as text.
fn shown(words: &[Vec<u8>]) -> String {
    let words = words.iter().take(3).map(|word| String::from_utf8_lossy(word).into_owned());
    words.collect::<Vec<_>>().join(" ")
}

/// A string, a hash whose elements lie in rows of their own, one that goes, and one that stays as it is.
const SENT: [&str; 4] = ["string", "hash", "gone", "same"];

/// Begins to send [`SENT`] to a target that does not answer before they have been changed. Nobody waits for that.
fn change_while_sent(server: &Server) -> (Client, BufReader<std::net::TcpStream>, std::net::TcpStream) {
    let (mut client, mut other) = (server.client(), server.client());
    for name in SENT {
        client.command(&["SET", name, "v"]);
    }
    client.command(&["DEL", "hash"]);
    for n in 0..100 {
        client.command(&["HSET", "hash", &format!("f{n}"), &"v".repeat(100)]);
    }
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port().to_string();
    let words = ["MIGRATE", "127.0.0.1", &port, "", "0", "90000", "KEYS"];
    client.send(&encode(&words.iter().chain(&SENT).map(|word| word.as_bytes()).collect::<Vec<_>>()));
    let (stream, _) = target.accept().unwrap();
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone().unwrap()), stream);
    assert_eq!(shown(&asked(&mut reader).unwrap()), "SELECT 0");
    writer.write_all(b"+OK\r\n").unwrap();
    for name in SENT {
        let words = asked(&mut reader).unwrap();
        assert_eq!((shown(&words), words.len()), (format!("RESTORE {name} 0"), 4));
    }
    assert_eq!(other.show(&["SET", "string", "newer"]), "OK");
    assert_eq!(other.show(&["HSET", "hash", "f7", "newer"]), "(integer) 0");
    assert_eq!(other.show(&["DEL", "gone"]), "(integer) 1");
    assert_eq!(other.show(&["GET", "same"]), "\"v\"");
    writer.write_all(b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n").unwrap();
    (client, reader, writer)
}

#[test]
fn what_changes_while_it_is_sent_is_sent_again() {
    let server = Server::start();
    let (mut client, mut reader, mut writer) = change_while_sent(&server);
    for name in ["string", "hash"] {
        let words = asked(&mut reader).unwrap();
        assert_eq!((shown(&words), &words[4][..]), (format!("RESTORE {name} 0"), &b"REPLACE"[..]));
        assert!(words[3].windows(5).any(|part| part == b"newer"), "{name}");
    }
    assert_eq!(shown(&asked(&mut reader).unwrap()), "DEL gone");
    writer.write_all(b"+OK\r\n+OK\r\n:1\r\n").unwrap();
    assert_eq!(client.read().unwrap().show(), "OK");
    assert_eq!(client.show(&["DBSIZE"]), "(integer) 0");
}

#[test]
fn what_has_changed_stays_where_it_cannot_be_sent_again() {
    let server = Server::start();
    let (mut client, reader, writer) = change_while_sent(&server);
    drop((reader, writer));
    let reply = client.read().unwrap().show();
    assert!(reply.starts_with("(error) IOERR error or timeout"), "{reply}");
    assert_eq!(client.show(&["EXISTS", "string", "hash"]), "(integer) 2");
    assert_eq!(client.show(&["EXISTS", "gone", "same"]), "(integer) 0");
}

#[test]
fn what_cannot_be_watched_is_sent_all_the_same() {
    const KEYS: usize = 1100;
    let (here, there) = (Server::start(), Server::start());
    let (mut one, mut other) = (here.client(), there.client());
    let names: Vec<String> = (0..KEYS).map(|n| format!("k{n}")).collect();
    for name in &names {
        one.command(&["SET", name, "v"]);
    }
    one.command(&["XADD", "stream", "1-1", "f", "v"]);
    let names = names.iter().map(String::as_str).chain(["stream", "none", "k1"]);
    let all: Vec<&str> = ["", "0", "5000", "REPLACE", "KEYS"].into_iter().chain(names).collect();
    assert_eq!(migrate(&mut one, there.address, &all), "OK");
    assert_eq!(one.show(&["DBSIZE"]), "(integer) 0");
    assert_eq!(other.show(&["DBSIZE"]), format!("(integer) {}", KEYS + 1));
    assert_eq!(other.show(&["XLEN", "stream"]), "(integer) 1");
}
