//! Replies that are larger than the memory for replies: told a piece at a time, or refused.

use crate::client::{Client, Value, encode};
use crate::running::Server;

const MANY: usize = 30_000;
const PADDING: usize = 400;

fn name(n: usize) -> String {
    format!("{n:06}{}", "x".repeat(PADDING))
}

fn names(range: std::ops::Range<usize>) -> Vec<Value> {
    range.map(|n| Value::Bulk(name(n).into_bytes())).collect()
}

/// A server with 8 MiB for requests and replies.
fn start() -> Server {
    Server::with(|config| config.memory = 32 << 20)
}

fn parts(value: Option<Value>) -> Vec<Value> {
    let Some(Value::Many(_, parts)) = value else { panic!("{value:?}") };
    parts
}

/// Adds members, entries or elements by so many commands at once.
fn fill(client: &mut Client, range: std::ops::Range<usize>, words: impl Fn(usize) -> Vec<String>) {
    for from in range.clone().step_by(500) {
        let to = range.end.min(from + 500);
        let requests = (from..to).flat_map(|n| {
            let words = words(n);
            encode(&words.iter().map(String::as_bytes).collect::<Vec<_>>())
        });
        client.send(&requests.collect::<Vec<u8>>());
        for _ in from..to {
            let reply = client.read();
            assert!(!matches!(reply, None | Some(Value::Error(_))), "{reply:?}");
        }
    }
}

/// The elements of a reply, after which the connection goes on.
fn told(client: &mut Client, command: &str) -> Vec<Value> {
    let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
    client.send(&[encode(&words), encode(&[b"PING"])].concat());
    let told = parts(client.read());
    assert_eq!(client.read(), Some(Value::Simple("PONG".to_owned())), "{command}");
    told
}

#[test]
fn unions_and_other_results_whose_length_nobody_knows_are_told_a_piece_at_a_time() {
    let server = start();
    let mut client = server.client();
    fill(&mut client, 0..MANY - 1000, |n| vec!["SADD".into(), "one".into(), name(n)]);
    fill(&mut client, 1000..MANY, |n| vec!["SADD".into(), "other".into(), name(n)]);
    fill(&mut client, 0..MANY, |n| {
        vec!["XADD".into(), "stream".into(), format!("{}-0", n + 1), "f".into(), name(n)]
    });
    assert_eq!(told(&mut client, "SUNION one other"), names(0..MANY));
    assert_eq!(told(&mut client, "SINTER one other"), names(1000..MANY - 1000));
    assert_eq!(told(&mut client, "SDIFF one other"), names(0..1000));
    client.command(&["SADD", "few", &name(MANY - 1)]);
    assert_eq!(told(&mut client, "SDIFF other few"), names(1000..MANY - 1));
    let id = |n: usize| Value::Bulk(format!("{n}-0").into_bytes());
    let ids = |told: Vec<Value>| {
        told.into_iter().map(|entry| parts(Some(entry)).swap_remove(0)).collect::<Vec<_>>()
    };
    assert_eq!(ids(told(&mut client, "XRANGE stream - +")), (1..=MANY).map(id).collect::<Vec<_>>());
    let down = (2..MANY).rev().map(id).collect::<Vec<_>>();
    assert_eq!(ids(told(&mut client, &format!("XREVRANGE stream {} 2", MANY - 1))), down);
    let some = ids(told(&mut client, "XRANGE stream 5 + COUNT 25000"));
    assert_eq!(some, (5..25_005).map(id).collect::<Vec<_>>());
    // Within EXEC there is no coming back.
    client.command(&["MULTI"]);
    client.command(&["SUNION", "one", "other"]);
    client.command(&["SCARD", "few"]);
    let refused = "ERR the reply is larger than the memory budget permits; ask for less at once".to_owned();
    assert_eq!(parts(Some(client.command(&["EXEC"]))), [Value::Error(refused), Value::Int(1)]);
}

#[test]
fn the_names_of_all_keys_are_told_a_piece_at_a_time() {
    let server = start();
    let mut client = server.client();
    fill(&mut client, 0..MANY, |n| vec!["SET".into(), name(n), "v".into()]);
    client.command(&["SET", "other", "v"]);
    assert_eq!(told(&mut client, "KEYS *xx").len(), MANY);
    assert_eq!(told(&mut client, "KEYS 02*"), names(20_000..30_000));
    // A part of a scan ends where its names are many bytes.
    let scanned = parts(Some(client.command(&["SCAN", "0", "COUNT", "10000"])));
    let [_, Value::Many(_, part)] = &scanned[..] else { panic!("{scanned:?}") };
    assert!((1000..5000).contains(&part.len()), "{}", part.len());
}

#[test]
fn what_must_be_gathered_is_told_a_piece_at_a_time_or_refused() {
    let server = start();
    let mut client = server.client();
    fill(&mut client, 0..MANY, |n| vec!["ZADD".into(), "all".into(), (MANY - n).to_string(), name(n)]);
    fill(&mut client, 0..4000, |n| vec!["ZADD".into(), "some".into(), "1".into(), name(n)]);
    fill(&mut client, 0..4000, |n| vec!["RPUSH".into(), "list".into(), name(3999 - n)]);
    fill(&mut client, 0..4000, |n| vec!["HSET".into(), "hash".into(), n.to_string(), name(n)]);
    fill(&mut client, 0..MANY, |n| vec!["RPUSH".into(), "long".into(), name(n)]);
    assert_eq!(told(&mut client, "ZUNION 2 some some"), names(0..4000));
    assert_eq!(told(&mut client, "ZINTER 2 all some WEIGHTS -1 0"), names(0..4000));
    assert_eq!(told(&mut client, "ZDIFF 2 some list2"), names(0..4000));
    assert_eq!(told(&mut client, "SORT list ALPHA"), names(0..4000));
    assert_eq!(told(&mut client, "SORT list BY nothing GET # GET no*").len(), 8000);
    let mut members = told(&mut client, "ZRANDMEMBER some 5000");
    members.sort_by_key(Value::show);
    assert_eq!(members, names(0..4000));
    assert_eq!(told(&mut client, "HRANDFIELD hash -5000 WITHVALUES").len(), 10_000);
    for command in [
        "ZUNION 2 all some",
        "ZDIFF 1 all",
        "ZUNIONSTORE to 2 all some",
        "ZRANGESTORE to all 0 -1",
        "ZRANDMEMBER all 30000",
        "SORT long ALPHA LIMIT 0 1",
        "HRANDFIELD hash -30000 WITHVALUES",
    ] {
        let reply = client.show(&command.split(' ').collect::<Vec<_>>());
        let refused = "(error) ERR the result is larger than the memory for it; ask for less at once";
        assert_eq!(reply, refused, "{command}");
    }
    assert_eq!(client.show(&["EXISTS", "to"]), "(integer) 0");
    // What was taken for them has come back.
    let Value::Bulk(info) = client.command(&["INFO", "memory"]) else { panic!() };
    assert!(String::from_utf8(info).unwrap().contains("mem_clients_normal:0\r\n"));
}

#[test]
fn clients_that_all_ask_for_much_at_once_are_all_told() {
    let server = start();
    let mut client = server.client();
    fill(&mut client, 0..MANY, |n| vec!["SADD".into(), "one".into(), name(n)]);
    let mut clients: Vec<Client> = (0..16).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(&encode(&[b"SUNION", b"one", b"two"]));
    }
    for client in &mut clients {
        assert_eq!(parts(client.read()).len(), MANY);
    }
}

#[test]
fn what_is_too_much_for_one_change_is_refused_and_nothing_is_gone() {
    // Of which the engine has a half, and a batch an eighth of most of that.
    let server = Server::with(|config| config.memory = 24 << 20);
    let mut client = server.client();
    for from in (0..50_000).step_by(500) {
        let names: Vec<String> = (from..from + 500).map(|n| format!("{n:0100}")).collect();
        let names = names.iter().map(String::as_str);
        let pairs = names.clone().flat_map(|name| ["1", name]);
        assert_eq!(
            client.show(&["ZADD", "set"].into_iter().chain(pairs).collect::<Vec<_>>()),
            "(integer) 500"
        );
        client.command(&["RPUSH", "list"].into_iter().chain(names).collect::<Vec<_>>());
    }
    let over = "(error) ERR what is changed at once is over the limit of 1523712 bytes, an eighth of the memory budget";
    assert_eq!(client.show(&["ZREMRANGEBYRANK", "set", "0", "39999"]), over);
    assert_eq!(client.show(&["ZREMRANGEBYLEX", "set", "-", &format!("[{:0100}", 40_000)]), over);
    assert_eq!(client.show(&["ZPOPMIN", "set", "40000"]), over);
    let large = "(error) ERR the result is larger than the memory for it; ask for less at once";
    for command in ["LPOP list 40000", "RPOP list 40000", "LMPOP 1 list LEFT COUNT 40000"] {
        assert_eq!(client.show(&command.split(' ').collect::<Vec<_>>()), large, "{command}");
    }
    assert_eq!(client.show(&["ZCARD", "set"]), "(integer) 50000");
    assert_eq!(client.show(&["LLEN", "list"]), "(integer) 50000");
    // Where little stays, no more than that is written.
    assert_eq!(client.show(&["LTRIM", "list", "0", "99"]), "OK");
    assert_eq!(client.show(&["LLEN", "list"]), "(integer) 100");
    assert_eq!(client.show(&["ZREMRANGEBYRANK", "set", "10", "-1"]), "(integer) 49990");
    assert_eq!(client.show(&["ZCARD", "set"]), "(integer) 10");
    assert_eq!(client.show(&["ZRANK", "set", &format!("{:0100}", 9)]), "(integer) 9");
    assert_eq!(client.show(&["LINDEX", "list", "-1"]), format!("\"{:0100}\"", 99));
}

#[test]
fn what_is_queued_and_watched_takes_memory_of_all() {
    let server = start();
    let mut clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
    let held = |client: &mut Client| {
        let Value::Bulk(info) = client.command(&["INFO", "memory"]) else { panic!() };
        let info = String::from_utf8(info).unwrap();
        let held = info.lines().find_map(|line| line.strip_prefix("mem_clients_normal:")).unwrap();
        held.parse::<u64>().unwrap()
    };
    let request = encode(&[b"SET", b"k", &vec![b'v'; 1 << 20]]);
    let mut queued = 0;
    for client in &mut clients {
        assert_eq!(client.show(&["MULTI"]), "OK");
        for _ in 0..3 {
            client.send(&request);
            match client.read() {
                Some(Value::Simple(_)) => queued += 1,
                // There is no memory for the request itself.
                None => break,
                refused => assert!(matches!(refused, Some(Value::Error(_))), "{refused:?}"),
            }
        }
    }
    assert!((4..8).contains(&queued), "{queued} MiB of 8");
    clients = (0..2).map(|_| server.client()).collect();
    while held(&mut clients[0]) != 0 {}
    let names: Vec<String> = (0..40_000).map(|n| format!("key:{n}")).collect();
    let mut watched = 0;
    for names in names.chunks(1000) {
        let words: Vec<&str> = std::iter::once("WATCH").chain(names.iter().map(String::as_str)).collect();
        match clients[1].show(&words) {
            told if told == "OK" => watched += names.len(),
            told => {
                assert_eq!(told, "(error) OOM the watched keys exceed the memory budget");
                break;
            }
        }
    }
    assert!((10_000..35_000).contains(&watched), "{watched}");
    assert_eq!(held(&mut clients[0]), 0);
    // A few are watched, whatever others hold.
    assert_eq!(clients[1].show(&["WATCH", "key:1", "key:2"]), "OK");
}
