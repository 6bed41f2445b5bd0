//! Streams beside a simple model of them, over restarts; and large ones, of which most goes at once.

use std::collections::BTreeMap;

use siltstone::random::Random;

use crate::blocking::blocked;
use crate::client::{Client, Value, encode};
use crate::running::Server;

const GROUPS: [&str; 2] = ["g", "h"];
const CONSUMERS: [&str; 3] = ["alice", "bob", "carl"];

/// A group: what was delivered last, and what is pending at whom, and how often it was delivered.
#[derive(Default)]
struct Group {
    last: u64,
    pending: BTreeMap<u64, (&'static str, u64)>,
}

/// A stream whose ids have a sequence number of 0.
#[derive(Default)]
struct Model {
    entries: BTreeMap<u64, String>,
    last: u64,
    groups: BTreeMap<&'static str, Group>,
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

fn array(values: Vec<Value>) -> Value {
    Value::Many(b'*', values)
}

fn id(ms: u64) -> Value {
    bulk(&format!("{ms}-0"))
}

fn entry(ms: u64, value: Option<&String>) -> Value {
    let fields = value.map_or(Value::Nil, |value| array(vec![bulk("field"), bulk(value)]));
    array(vec![id(ms), fields])
}

fn no_group(group: &str) -> Value {
    Value::Error(format!("NOGROUP No such key 's' or consumer group '{group}'"))
}

impl Model {
    /// What a command answers; `words` without the stream's name, which is `s`.
    fn run(&mut self, words: &[String]) -> Value {
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        let number = |at: usize| word(at).parse::<u64>().unwrap();
        match word(0) {
            "XADD" => {
                self.last = number(1);
                self.entries.insert(self.last, word(2).to_owned());
                id(self.last)
            }
            "XDEL" => Value::Int(self.entries.remove(&number(1)).is_some().into()),
            "XTRIM" => {
                let before = self.entries.len();
                while self.entries.len() as u64 > number(1) {
                    self.entries.pop_first();
                }
                Value::Int((before - self.entries.len()) as i64)
            }
            "XLEN" => Value::Int(self.entries.len() as i64),
            "XRANGE" => {
                let range = self.entries.range(number(1)..);
                array(range.take(20).map(|(ms, value)| entry(*ms, Some(value))).collect())
            }
            "CREATE" => {
                if self.groups.contains_key(word(1)) {
                    return Value::Error("BUSYGROUP Consumer Group name already exists".into());
                }
                let group = Group { last: number(2), ..Group::default() };
                self.groups.insert(GROUPS.into_iter().find(|name| *name == word(1)).unwrap(), group);
                Value::Simple("OK".into())
            }
            "DESTROY" => Value::Int(self.groups.remove(word(1)).is_some().into()),
            _ => self.run_in_group(words),
        }
    }

    fn run_in_group(&mut self, words: &[String]) -> Value {
        let name = &words[1];
        let Some(group) = self.groups.get_mut(name.as_str()) else {
            return match words[0].as_str() {
                "XACK" => Value::Int(0),
                "NEW" | "OLD" => {
                    let Value::Error(text) = no_group(name) else { panic!() };
                    Value::Error(text + " in XREADGROUP with GROUP option")
                }
                "DELCONSUMER" => {
                    Value::Error(format!("NOGROUP No such consumer group '{name}' for key name 's'"))
                }
                _ => no_group(name),
            };
        };
        let who = words.get(2).and_then(|who| CONSUMERS.into_iter().find(|one| one == who));
        let number = || words[3].parse::<u64>().unwrap();
        let told = |entries: Vec<Value>| array(vec![array(vec![bulk("s"), array(entries)])]);
        match (words[0].as_str(), who) {
            ("NEW", Some(who)) => {
                let found: Vec<(u64, &String)> = (self.entries.range(group.last + 1..))
                    .map(|(ms, value)| (*ms, value))
                    .take(number() as usize)
                    .collect();
                for (ms, _) in &found {
                    group.pending.insert(*ms, (who, 1));
                    group.last = *ms;
                }
                if found.is_empty() {
                    return Value::Nil;
                }
                told(found.into_iter().map(|(ms, value)| entry(ms, Some(value))).collect())
            }
            ("OLD", Some(who)) => {
                let held = group.pending.range_mut(number() + 1..).filter(|(_, (one, _))| *one == who);
                let mut entries = Vec::new();
                for (ms, (_, count)) in held.take(10) {
                    let value = self.entries.get(ms);
                    *count += u64::from(value.is_some());
                    entries.push(entry(*ms, value));
                }
                told(entries)
            }
            ("XACK", _) => {
                let acknowledged =
                    words[2..].iter().filter(|ms| group.pending.remove(&ms.parse().unwrap()).is_some());
                Value::Int(acknowledged.count() as i64)
            }
            ("XCLAIM", Some(who)) => {
                let ms = number();
                if !self.entries.contains_key(&ms) {
                    group.pending.remove(&ms);
                } else if let Some(delivery) = group.pending.get_mut(&ms) {
                    delivery.0 = who;
                    return array(vec![id(ms)]);
                }
                array(vec![])
            }
            ("XAUTOCLAIM", Some(who)) => {
                let found: Vec<u64> = group.pending.range(number()..).map(|(ms, _)| *ms).take(7).collect();
                let (claimed, gone): (Vec<u64>, Vec<u64>) =
                    found[..found.len().min(6)].iter().partition(|ms| self.entries.contains_key(ms));
                for ms in &gone {
                    group.pending.remove(ms);
                }
                for ms in &claimed {
                    group.pending.insert(*ms, (who, group.pending[ms].1));
                }
                let ids = |all: Vec<u64>| array(all.into_iter().map(id).collect());
                array(vec![id(found.get(6).copied().unwrap_or(0)), ids(claimed), ids(gone)])
            }
            ("XPENDING", _) => group.summary(),
            ("HELD", who) => {
                let wanted = |one: &str| who.is_none_or(|who| who == one);
                let held = group.pending.iter().filter(|(_, (one, _))| wanted(one)).take(15);
                array(
                    held.map(|(ms, (one, n))| {
                        array(vec![id(*ms), bulk(one), Value::Nil, Value::Int(*n as i64)])
                    })
                    .collect(),
                )
            }
            ("DELCONSUMER", Some(who)) => {
                let before = group.pending.len();
                group.pending.retain(|_, (one, _)| *one != who);
                Value::Int((before - group.pending.len()) as i64)
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Group {
    fn summary(&self) -> Value {
        let Some((first, _)) = self.pending.first_key_value() else {
            return array(vec![Value::Int(0), Value::Nil, Value::Nil, Value::Nil]);
        };
        let last = *self.pending.last_key_value().unwrap().0;
        let mut consumers = BTreeMap::new();
        for (who, _) in self.pending.values() {
            *consumers.entry(*who).or_insert(0) += 1;
        }
        let consumers = consumers.into_iter().map(|(who, n)| array(vec![bulk(who), bulk(&n.to_string())]));
        let total = Value::Int(self.pending.len() as i64);
        array(vec![total, id(*first), id(last), array(consumers.collect())])
    }
}

/// A random command for the model.
fn draw(random: &mut Random, last: u64) -> Vec<String> {
    let some_id = |random: &mut Random| (last + 2).saturating_sub(random.below(60)).to_string();
    let group = GROUPS[random.below(2) as usize];
    let who = CONSUMERS[random.below(3) as usize];
    let count = [1, 3, 12][random.below(3) as usize].to_string();
    let kind = random.below(100);
    match kind {
        0..35 => {
            let value = "v".repeat(1 + random.below(30) as usize);
            vec!["XADD".into(), (last + 1 + random.below(3)).to_string(), value]
        }
        35..41 => vec!["XDEL".into(), some_id(random)],
        41..43 => vec!["XTRIM".into(), [0, 5, 40, 150][random.below(4) as usize].to_string()],
        43..45 => vec!["XLEN".into()],
        45..48 => vec!["XRANGE".into(), some_id(random)],
        48..51 => vec!["CREATE".into(), group.into(), some_id(random)],
        51 => vec!["DESTROY".into(), group.into()],
        52..66 => vec!["NEW".into(), group.into(), who.into(), count],
        66..71 => vec!["OLD".into(), group.into(), who.into(), some_id(random)],
        71..80 => vec!["XACK".into(), group.into(), some_id(random), some_id(random), some_id(random)],
        80..85 => vec!["XCLAIM".into(), group.into(), who.into(), some_id(random)],
        85..89 => vec!["XAUTOCLAIM".into(), group.into(), who.into(), some_id(random)],
        89..93 => vec!["XPENDING".into(), group.into()],
        93..98 => vec!["HELD".into(), group.into(), [who, ""][random.below(2) as usize].into()],
        _ => vec!["DELCONSUMER".into(), group.into(), who.into()],
    }
}

/// The words for the server.
fn spelt(words: &[String]) -> Vec<String> {
    let at = |n: usize| words.get(n).map_or("", String::as_str);
    let line = match at(0) {
        "XADD" => format!("XADD s {} field {}", at(1), at(2)),
        "XTRIM" => format!("XTRIM s MAXLEN {}", at(1)),
        "XRANGE" => format!("XRANGE s {} + COUNT 20", at(1)),
        "CREATE" => format!("XGROUP CREATE s {} {}", at(1), at(2)),
        "DESTROY" | "DELCONSUMER" => format!("XGROUP {} s {} {}", at(0), at(1), at(2)),
        "NEW" => format!("XREADGROUP GROUP {} {} COUNT {} STREAMS s >", at(1), at(2), at(3)),
        "OLD" => format!("XREADGROUP GROUP {} {} COUNT 10 STREAMS s {}", at(1), at(2), at(3)),
        "XCLAIM" => format!("XCLAIM s {} {} 0 {} JUSTID", at(1), at(2), at(3)),
        "XAUTOCLAIM" => format!("XAUTOCLAIM s {} {} 0 {} COUNT 6 JUSTID", at(1), at(2), at(3)),
        "HELD" => format!("XPENDING s {} - + 15 {}", at(1), at(2)),
        _ => format!("{} s {}", at(0), words[1..].join(" ")),
    };
    line.split_whitespace().map(str::to_owned).collect()
}

/// The reply, without how long ago something was delivered.
fn timeless(words: &[String], mut reply: Value) -> Value {
    if words[0] == "HELD"
        && let Value::Many(_, deliveries) = &mut reply
    {
        for delivery in deliveries {
            let Value::Many(_, parts) = delivery else { panic!("{delivery:?}") };
            parts[2] = Value::Nil;
        }
    }
    reply
}

#[test]
fn streams_and_groups_are_what_a_model_says() {
    for seed in 0..4 {
        let mut random = Random::seeded(seed);
        let mut server = Server::start();
        let mut client = server.client();
        let mut model = Model::default();
        client.command(&["XADD", "s", "1-0", "field", "first"]);
        model.run(&["XADD".into(), "1".into(), "first".into()]);
        for step in 0..4000 {
            if step % 1500 == 1499 {
                drop(client);
                server = server.restart();
                client = server.client();
            }
            let words = draw(&mut random, model.last);
            let spelt = spelt(&words);
            let told = client.command(&spelt.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(timeless(&words, told), model.run(&words), "seed {seed}, step {step}: {spelt:?}");
        }
    }
}

/// Adds entries `from..to`, a thousand at a time.
fn fill(client: &mut Client, from: u64, to: u64) {
    for first in (from..to).step_by(1000) {
        let ids: Vec<String> = (first..to.min(first + 1000)).map(|ms| format!("{ms}-0")).collect();
        let commands: Vec<u8> = ids
            .iter()
            .flat_map(|id| encode(&[b"XADD", b"s", id.as_bytes(), b"field", id.as_bytes()]))
            .collect();
        client.send(&commands);
        for id in &ids {
            assert_eq!(client.read(), Some(bulk(id)));
        }
    }
}

fn first_id(client: &mut Client) -> Option<Value> {
    let Value::Many(_, mut found) = client.command(&["XRANGE", "s", "-", "+", "COUNT", "1"]) else {
        panic!()
    };
    let Some(Value::Many(_, mut parts)) = found.pop() else { return None };
    Some(parts.swap_remove(0))
}

#[test]
fn most_of_a_large_stream_can_go_at_once() {
    let server = Server::start();
    let mut client = server.client();
    fill(&mut client, 1, 60_001);
    client.command(&["XGROUP", "CREATE", "s", "g", "0"]);
    let read = ["XREADGROUP", "GROUP", "g", "alice", "COUNT", "500", "STREAMS", "s", ">"];
    client.command(&read);
    // Row by row, then with a new owner for what is left.
    assert_eq!(client.command(&["XTRIM", "s", "MAXLEN", "50000"]), Value::Int(10_000));
    assert_eq!(client.command(&["XTRIM", "s", "MINID", "59950"]), Value::Int(49_949));
    assert_eq!(client.command(&["XLEN", "s"]), Value::Int(51));
    assert_eq!(first_id(&mut client), Some(id(59_950)));
    fill(&mut client, 60_001, 60_201);
    drop(client);
    let server = server.restart();
    let mut client = server.client();
    assert_eq!(client.command(&["XLEN", "s"]), Value::Int(251));
    assert_eq!(first_id(&mut client), Some(id(59_950)));
    let Value::Many(_, pending) = client.command(&["XPENDING", "s", "g"]) else { panic!() };
    assert_eq!(pending[..3], [Value::Int(500), id(1), id(500)]);
    // Whole nodes: the one that was trimmed in part has 51 left.
    assert_eq!(client.command(&["XTRIM", "s", "MAXLEN", "~", "201"]), Value::Int(0));
    assert_eq!(client.command(&["XTRIM", "s", "MAXLEN", "~", "200"]), Value::Int(51));
    assert_eq!(client.command(&["XTRIM", "s", "MAXLEN", "~", "50"]), Value::Int(100));
    assert_eq!(client.command(&["XTRIM", "s", "MAXLEN", "0"]), Value::Int(100));
    assert_eq!(first_id(&mut client), None);
    assert_eq!(client.command(&["EXISTS", "s"]), Value::Int(1));
    fill(&mut client, 60_201, 60_301);
    assert_eq!(first_id(&mut client), Some(id(60_201)));
    let told = client.command(&read).show();
    assert_eq!((told.lines().count(), told.contains("\"60300-0\"")), (4 + 100 * 5, true));
}

#[test]
fn a_group_that_is_gone_leaves_nothing_to_the_next_of_its_name() {
    let server = Server::start();
    let mut client = server.client();
    fill(&mut client, 1, 1001);
    let read = |who: &'static str| ["XREADGROUP", "GROUP", "g", who, "COUNT", "400", "STREAMS", "s", ">"];
    for _ in 0..3 {
        assert_eq!(client.show(&["XGROUP", "CREATE", "s", "g", "0"]), "OK");
        let Value::Many(_, pending) = client.command(&["XPENDING", "s", "g"]) else { panic!() };
        assert_eq!(pending[0], Value::Int(0));
        assert_eq!(client.show(&["XINFO", "CONSUMERS", "s", "g"]), "*0");
        client.command(&read("alice"));
        client.command(&read("bob"));
        assert_eq!(client.command(&["XGROUP", "DELCONSUMER", "s", "g", "alice"]), Value::Int(400));
        let Value::Many(_, pending) = client.command(&["XPENDING", "s", "g"]) else { panic!() };
        assert_eq!(pending[..3], [Value::Int(400), id(401), id(800)]);
        client.command(&read("alice"));
        let Value::Many(_, pending) = client.command(&["XPENDING", "s", "g", "-", "+", "1000", "alice"])
        else {
            panic!()
        };
        assert_eq!(pending.len(), 200);
        assert_eq!(client.command(&["XGROUP", "DESTROY", "s", "g"]), Value::Int(1));
    }
    let copied = client.command(&["COPY", "s", "t"]);
    assert_eq!(copied, Value::Int(1));
    assert_eq!(client.command(&["XLEN", "t"]), Value::Int(1000));
    assert_eq!(client.show(&["XINFO", "GROUPS", "t"]), "*0");
}

fn ask(client: &mut Client, line: &str) {
    client.send(&encode(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
}

fn told(entries: &[u64]) -> Value {
    let value = |ms: u64| "v".to_owned() + &ms.to_string();
    let entries = entries.iter().map(|ms| entry(*ms, Some(&value(*ms)))).collect();
    array(vec![array(vec![bulk("s"), array(entries)])])
}

#[test]
fn all_readers_get_what_comes_but_of_a_group_only_one() {
    let server = Server::start();
    let mut client = server.client();
    let mut others: Vec<Client> = (0..5).map(|_| server.client()).collect();
    assert_eq!(client.show(&["XADD", "s", "1-0", "field", "v1"]), "\"1-0\"");
    assert_eq!(client.show(&["XGROUP", "CREATE", "s", "g", "$"]), "OK");
    for (n, line) in [
        "XREAD BLOCK 0 STREAMS s $",
        "XREADGROUP GROUP g alice COUNT 1 BLOCK 0 STREAMS s >",
        "XREAD COUNT 1 BLOCK 0 STREAMS none s $ 1",
        "XREADGROUP GROUP g bob BLOCK 0 STREAMS s >",
        "XREAD BLOCK 0 STREAMS s 3-0",
    ]
    .into_iter()
    .enumerate()
    {
        ask(&mut others[n], line);
        blocked(&mut client, n + 1);
    }
    // Others of a transaction see nothing in between.
    for line in ["MULTI", "XADD s 2-0 field v2", "XADD s 3-0 field v3", "EXEC"] {
        ask(&mut client, line);
        client.read().unwrap();
    }
    assert_eq!(others[0].read(), Some(told(&[2, 3])));
    assert_eq!(others[1].read(), Some(told(&[2])));
    assert_eq!(others[2].read(), Some(told(&[2])));
    assert_eq!(others[3].read(), Some(told(&[3])));
    blocked(&mut client, 1);
    // What comes and goes at once has not come.
    for line in ["MULTI", "XADD s 4-0 field v4", "XDEL s 4-0", "EXEC", "DEL s"] {
        ask(&mut client, line);
        client.read().unwrap();
    }
    blocked(&mut client, 1);
    assert_eq!(client.show(&["XADD", "s", "2-0", "field", "v2"]), "\"2-0\"");
    assert_eq!(client.show(&["XADD", "s", "5-0", "field", "v5"]), "\"5-0\"");
    assert_eq!(others[4].read(), Some(told(&[5])));
}

#[test]
fn a_group_that_goes_is_told_to_who_waits_for_it() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    let mut wait = |client: &mut Client| {
        assert_eq!(client.show(&["XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"]), "OK");
        ask(&mut other, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >");
        blocked(client, 1);
    };
    let gone = "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    let mut told = Vec::new();
    for line in ["XGROUP DESTROY s g", "DEL s", "SET s string", "FLUSHALL"] {
        wait(&mut client);
        ask(&mut client, line);
        client.read().unwrap();
        blocked(&mut client, 0);
        client.command(&["DEL", "s"]);
        told.push(line);
    }
    drop(client);
    for line in told {
        let wanted = if line.starts_with("SET") {
            "WRONGTYPE Operation against a key holding the wrong kind of value"
        } else {
            gone
        };
        assert_eq!(other.read(), Some(Value::Error(wanted.into())), "{line}");
    }
}
