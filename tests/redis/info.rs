//! INFO and CLIENT LIST: what dashboards draw follows what clients do.

use crate::client::{Client, Value};
use crate::running::Server;

/// A field of INFO, as text.
fn field(client: &mut Client, name: &str) -> String {
    let Value::Bulk(text) = client.command(&["INFO", "everything"]) else { panic!("no text") };
    let text = String::from_utf8(text).unwrap();
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no field {name} in\n{text}")).to_owned()
}

fn hits_and_misses(client: &mut Client) -> (u64, u64) {
    let mut number = |name| field(client, name).parse().unwrap();
    (number("keyspace_hits"), number("keyspace_misses"))
}

/// Each line: a command, and how many keys Redis 7 says it found and missed.
const LOOKUPS: &[(&str, u64, u64)] = &[
    ("SET string 1", 0, 0),
    ("HSET hash f v", 0, 0),
    ("GET string", 1, 0),
    ("GET none", 0, 1),
    ("GET hash", 1, 0),
    ("MGET string none hash", 2, 1),
    ("EXISTS string string none", 2, 1),
    ("TOUCH string none", 1, 1),
    ("TYPE string", 1, 0),
    ("TTL none", 0, 1),
    ("PEXPIRETIME string", 1, 0),
    ("STRLEN string", 1, 0),
    ("GETRANGE none 0 1", 0, 1),
    ("LCS string none", 1, 1),
    ("HGET hash f", 1, 0),
    ("HGET hash nothing", 1, 0),
    ("HGETALL none", 0, 1),
    ("HRANDFIELD hash", 1, 0),
    ("HSCAN hash 0", 1, 0),
    ("HLEN string", 1, 0),
    ("OBJECT ENCODING string", 1, 0),
    ("MEMORY USAGE string", 0, 0),
    ("INCR string", 0, 0),
    ("SETNX string 1", 0, 0),
    ("SET string 1 XX", 0, 0),
    ("SET string 1 GET", 1, 0),
    ("GETSET string 2", 1, 0),
    ("GETEX none", 0, 1),
    ("COPY string copy", 1, 0),
    ("GETDEL copy", 1, 0),
    ("EXPIRE string 100", 0, 0),
    ("HINCRBY hash n 1", 0, 0),
    ("DEL none", 0, 0),
    ("RANDOMKEY", 0, 0),
    ("SCAN 0", 0, 0),
    ("MULTI", 0, 0),
    ("GET string", 0, 0),
    ("EXISTS none", 0, 0),
    ("GET hash", 0, 0),
    ("EXEC", 2, 1),
];

#[test]
fn reads_hit_or_miss_keys_and_writes_do_neither() {
    let server = Server::start();
    let (mut client, mut watcher) = (server.client(), server.client());
    let mut before = (0, 0);
    for &(command, hits, misses) in LOOKUPS {
        client.command(&command.split(' ').collect::<Vec<_>>());
        let now = hits_and_misses(&mut watcher);
        assert_eq!((now.0 - before.0, now.1 - before.1), (hits, misses), "{command}");
        before = now;
    }
    client.command(&["CONFIG", "RESETSTAT"]);
    assert_eq!(hits_and_misses(&mut watcher), (0, 0));
}

#[test]
fn a_checkpoint_is_told_and_what_was_written_since() {
    let server = Server::start();
    let mut client = server.client();
    let changes = "rdb_changes_since_last_save";
    assert_eq!(field(&mut client, changes), "0");
    client.command(&["SET", "a", "1"]);
    assert_ne!(field(&mut client, changes), "0");
    assert_eq!(
        (field(&mut client, "rdb_saves"), field(&mut client, "rdb_last_bgsave_time_sec")),
        ("0".to_owned(), "-1".to_owned())
    );
    assert_eq!(client.show(&["SAVE"]), "OK");
    assert_eq!(
        (field(&mut client, "rdb_saves"), field(&mut client, "rdb_last_bgsave_time_sec")),
        ("1".to_owned(), "0".to_owned())
    );
    assert_eq!(field(&mut client, changes), "0");
    assert_eq!(field(&mut client, "rdb_current_bgsave_time_sec"), "-1");
    assert_eq!(field(&mut client, "aof_last_write_status"), "ok");
}

#[test]
fn memory_agrees_with_itself() {
    let server = Server::start();
    let mut client = server.client();
    let mut bytes = |name| field(&mut client, name).parse::<u64>().unwrap();
    // The peak first: it does not sink meanwhile.
    let (peak, used, rss) = (bytes("used_memory_peak"), bytes("used_memory"), bytes("used_memory_rss"));
    assert!(used > 0 && rss > 0 && peak > 0);
    assert!(bytes("used_memory_peak") >= peak);
    assert!(bytes("total_system_memory") > rss);
    assert!(bytes("used_memory_dataset") > 0);
    client.command(&["MSET", "a", "1", "b", "2"]);
    client.command(&["HELLO", "3"]);
    let Value::Many(b'%', stats) = client.command(&["MEMORY", "STATS"]) else { panic!("no map") };
    let stat = |name: &str| {
        let pair = stats.chunks(2).find(|pair| pair[0] == Value::Bulk(name.as_bytes().to_vec()));
        pair.unwrap_or_else(|| panic!("no {name}"))[1].clone()
    };
    assert_eq!(stat("keys.count"), Value::Int(2));
    assert!(matches!(stat("peak.percentage"), Value::Other(b',', _)), "a double");
    let (Value::Int(allocated), Value::Int(each)) = (stat("total.allocated"), stat("keys.bytes-per-key"))
    else {
        panic!("no numbers")
    };
    assert_eq!(each, allocated / 2);
}

#[test]
fn clients_are_listed_with_what_they_do_now() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    other.command(&["GET", "none"]);
    client.send(b"*3\r\n$3\r\nGET");
    let list = |client: &mut Client| {
        let Value::Bulk(text) = client.command(&["CLIENT", "LIST"]) else { panic!("no text") };
        String::from_utf8(text).unwrap()
    };
    let told = list(&mut other);
    assert!(told.lines().any(|line| line.contains(" cmd=client|list ")), "{told}");
    // What has come of the other's request is noted once it is read.
    while !list(&mut other).lines().any(|line| line.contains(" qbuf=11 ")) {}
    let Value::Bulk(own) = other.command(&["CLIENT", "INFO"]) else { panic!("no text") };
    assert!(String::from_utf8(own).unwrap().contains(" cmd=client|info "));
    other.command(&["MULTI"]);
    other.command(&["GET", "none"]);
    client.send(b"\r\n$1\r\na\r\n$1\r\nb\r\n");
    client.read();
    let told = list(&mut client);
    assert!(told.lines().any(|line| line.contains(" flags=x ") && line.contains(" multi=1 ")), "{told}");
    assert!(told.lines().any(|line| line.contains(" cmd=get ")), "{told}");
}
