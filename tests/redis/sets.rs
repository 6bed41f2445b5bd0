//! Sets of all sizes: what several of them give together, results larger than a batch, and chance.

use std::collections::{BTreeMap, BTreeSet};

use siltstone::random::Random;

use crate::client::{Client, Value, encode};
use crate::running::Server;

type Members = BTreeSet<Vec<u8>>;

fn command(client: &mut Client, name: &str, words: &[Vec<u8>]) -> Value {
    let words: Vec<&[u8]> = std::iter::once(name.as_bytes()).chain(words.iter().map(Vec::as_slice)).collect();
    client.send(&encode(&words));
    client.read().unwrap()
}

fn add(client: &mut Client, key: &str, members: &Members) {
    let members: Vec<_> = members.iter().cloned().collect();
    for portion in members.chunks(1000) {
        let words: Vec<_> = std::iter::once(key.as_bytes().to_vec()).chain(portion.iter().cloned()).collect();
        assert_eq!(command(client, "SADD", &words), Value::Int(portion.len() as i64));
    }
}

fn told(reply: Value) -> Vec<Vec<u8>> {
    let Value::Many(_, members) = reply else { panic!("{}", reply.show()) };
    members
        .into_iter()
        .map(|member| match member {
            Value::Bulk(member) => member,
            other => panic!("{}", other.show()),
        })
        .collect()
}

fn all(reply: Value) -> Members {
    let told = told(reply);
    let members: Members = told.iter().cloned().collect();
    assert_eq!(told.len(), members.len(), "each member once");
    members
}

/// Some short, some so long that their rows' keys do not hold them whole, of which some begin alike.
fn member(random: &mut Random, range: u64) -> Vec<u8> {
    let n = random.below(range).to_string().into_bytes();
    match random.below(20) {
        0 => [vec![b'l'; 1009], n].concat(),
        1 => [n, vec![b'l'; 1100]].concat(),
        2 => [b"5".repeat(1024), n].concat(),
        _ => n,
    }
}

#[test]
fn sets_of_all_sizes_go_together() {
    let server = Server::start();
    let mut client = server.client();
    let mut random = Random::seeded(11);
    let mut sets: BTreeMap<&str, Members> = BTreeMap::new();
    for (key, len) in
        [("none", 0), ("tiny", 5), ("small", 40), ("medium", 700), ("large", 4000), ("huge", 9000)]
    {
        let members: Members = (0..len).map(|_| member(&mut random, 10_000)).collect();
        add(&mut client, key, &members);
        sets.insert(key, members);
    }
    let names: Vec<&str> = sets.keys().copied().collect();
    for _ in 0..150 {
        let chosen: Vec<&str> = (0..=random.below(3)).map(|_| names[random.below(6) as usize]).collect();
        let first = sets[chosen[0]].clone();
        let (name, wanted): (_, Members) = match random.below(3) {
            0 => ("SUNION", chosen.iter().flat_map(|key| sets[key].iter().cloned()).collect()),
            1 => ("SDIFF", chosen[1..].iter().fold(first, |left, key| &left - &sets[key])),
            _ => ("SINTER", chosen[1..].iter().fold(first, |left, key| &left & &sets[key])),
        };
        let keys: Vec<Vec<u8>> = chosen.iter().map(|key| key.as_bytes().to_vec()).collect();
        assert!(all(command(&mut client, name, &keys)) == wanted, "{name} {chosen:?}");
        let counted = [vec![keys.len().to_string().into_bytes()], keys.clone()].concat();
        let card = command(&mut client, &format!("{name}CARD"), &counted);
        assert_eq!(card, Value::Int(wanted.len() as i64), "{name}CARD {chosen:?}");
        let limited = [counted, vec![b"LIMIT".to_vec(), b"300".to_vec()]].concat();
        let card = command(&mut client, &format!("{name}CARD"), &limited);
        assert_eq!(card, Value::Int(wanted.len().min(300) as i64));
        let stored = command(&mut client, &format!("{name}STORE"), &[vec![b"to".to_vec()], keys].concat());
        assert_eq!(stored, Value::Int(wanted.len() as i64), "{name}STORE {chosen:?}");
        assert_eq!(client.command(&["SCARD", "to"]), stored);
        assert!(all(client.command(&["SMEMBERS", "to"])) == wanted, "{name}STORE {chosen:?}");
    }
}

#[test]
fn a_result_larger_than_a_batch_is_stored_whole() {
    // A batch holds two megabytes, and the union is three times as large.
    let server = Server::with(|config| config.memory = 32 << 20);
    let mut client = server.client();
    let tail = "x".repeat(250);
    for key in 0..24 {
        let members: Members = (0..1000).map(|n| format!("{key:02}:{n:04}:{tail}").into_bytes()).collect();
        add(&mut client, &format!("part:{key}"), &members);
    }
    let parts: Vec<String> = (0..24).map(|key| format!("part:{key}")).collect();
    let words = |name: &'static str, to: &'static str| {
        [name, to].into_iter().chain(parts.iter().map(String::as_str)).collect::<Vec<_>>()
    };
    client.command(&["SET", "all", "string"]);
    assert_eq!(client.show(&words("SUNIONSTORE", "all")), "(integer) 24000");
    // Over itself, from itself.
    assert_eq!(client.show(&words("SUNIONSTORE", "part:0")), "(integer) 24000");
    assert_eq!(client.show(&["SDIFFSTORE", "rest", "all", "part:1", "part:2"]), "(integer) 22000");
    assert_eq!(client.show(&["SINTERSTORE", "all", "all", "part:0"]), "(integer) 24000");
    let server = server.restart();
    let mut client = server.client();
    assert_eq!(client.show(&["SINTERCARD", "2", "all", "part:0"]), "(integer) 24000");
    assert_eq!(client.show(&["SINTERCARD", "2", "rest", "part:1"]), "(integer) 0");
    assert_eq!(client.show(&["SDIFFCARD", "2", "all", "rest"]), "(integer) 2000");
    assert_eq!(client.show(&["DEL", "all", "rest", "part:0"]), "(integer) 3");
    // Together with an error that is found late, nothing is left of it.
    assert_eq!(client.show(&["SET", "string", "value"]), "OK");
    assert!(client.show(&["SUNIONSTORE", "all", "part:1", "string"]).contains("WRONGTYPE"));
    assert_eq!(client.show(&["EXISTS", "all"]), "(integer) 0");
}

#[test]
fn every_member_has_its_share_and_what_was_popped_is_gone() {
    const MEMBERS: usize = 6000;
    let server = Server::start();
    let mut client = server.client();
    let members: Members = (0..MEMBERS).map(|n| format!("member:{n:05}").into_bytes()).collect();
    add(&mut client, "set", &members);
    for count in [1, 20, 300, 5999, 6000, 10_000] {
        let drawn = all(client.command(&["SRANDMEMBER", "set", &count.to_string()]));
        assert_eq!(drawn.len(), count.min(MEMBERS));
        assert_eq!(told(client.command(&["SRANDMEMBER", "set", &format!("-{count}")])).len(), count);
    }
    let mut drawn: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for member in (0..20).flat_map(|_| told(client.command(&["SRANDMEMBER", "set", "-6000"]))) {
        *drawn.entry(member).or_default() += 1;
    }
    // Twenty times each on average.
    assert_eq!(drawn.len(), MEMBERS);
    assert!(drawn.values().all(|times| *times < 60));
    // Which members are popped: neither the first nor the last ones more than others.
    let mut popped = Members::new();
    for count in ["1", "30", "469", "2500"] {
        let now = all(client.command(&["SPOP", "set", count]));
        assert_eq!(now.len(), count.parse::<usize>().unwrap());
        assert!(now.is_disjoint(&popped) && now.is_subset(&members));
        popped.extend(now);
    }
    let low = popped.iter().filter(|member| **member < b"member:03000".to_vec()).count();
    assert!((1300..1700).contains(&low), "{low} of 3000 are of the first half");
    let Value::Bulk(one) = client.command(&["SPOP", "set"]) else { panic!() };
    assert!(popped.insert(one));
    assert_eq!(client.show(&["SCARD", "set"]), "(integer) 2999");
    popped.extend(all(client.command(&["SPOP", "set", "100000"])));
    assert_eq!(popped, members);
    assert_eq!(client.show(&["EXISTS", "set"]), "(integer) 0");
}
