//! Random commands over all types, sent to us and to a real Redis 7.0, in RESP2 and RESP3: every reply is the same.
//!
//! Only where asked for: `SILTSTONE_REDIS=1 cargo test --test redis same_random`, with `SILTSTONE_REPLAY=N` for N commands
//! and `SILTSTONE_SEED=N` for others than the usual ones.
//!
//! Left out is what is drawn at random (SPOP of some …), what tells of time or of memory (TTL, OBJECT IDLETIME …), where a
//! cursor is told, and where 7.2 differs from 7.0: XREADGROUP, XCLAIM and XAUTOCLAIM make a consumer in any case, so that
//! XGROUP CREATECONSUMER may find it and XINFO tells of it, and XSETID complains first of what was deleted. What has no
//! order in Redis is compared without, and scores as numbers, since 7.0 tells 17 digits. XGROUP DESTROY counts as a change
//! of its key here, for WATCH too, and in Redis only for who waits; so no stream is watched.
//!
//! Each command is found to differ once: then it is left out, and both begin anew.

mod commands;

use std::collections::BTreeSet;

use siltstone::random::Random;

use self::commands::COMMANDS;
use crate::client::{Client, Value, encode};
use crate::running::Server;
use crate::transcripts::Redis;

/// What has no order in Redis.
const UNORDERED: &[&str] = &[
    "SMEMBERS",
    "SINTER",
    "SUNION",
    "SDIFF",
    "HKEYS",
    "HVALS",
    "KEYS",
    "SPOP",
    "SRANDMEMBER",
    "ZRANDMEMBER",
    "FUNCTION",
];

/// What is changed before it is compared, so that it does not go into transactions, whose replies are compared as they are.
fn is_settled(template: &str) -> bool {
    let command = template.split(' ').next().unwrap_or_default();
    UNORDERED.contains(&command)
        || ["HGETALL", "XPENDING", "XINFO"].contains(&command)
        || (command.ends_with("SCAN") && template.contains(" 0 "))
}

fn pick<'a>(random: &mut Random, words: &[&'a str]) -> &'a str {
    words[random.below(words.len() as u64) as usize]
}

fn draw(random: &mut Random, what: &str) -> String {
    const KINDS: &str = "slhtzkp";
    let numbered = |kind: &str, random: &mut Random| format!("{kind}{}", random.below(3));
    // Now and then a key of another type.
    let any = |random: &mut Random| {
        let kind = random.below(KINDS.len() as u64) as usize;
        numbered(&KINDS[kind..=kind], random)
    };
    match what {
        // Geohashes of other scores, infinite ones above all, are what C makes of them; and over several scores BYLEX finds
        // in Redis what its skip list happens to lead to: these keys have scores of one kind, and one score.
        "g" | "y" => numbered(what, random),
        "s" | "l" | "h" | "t" | "z" | "k" | "p" if !random.one_in(30) => numbered(what, random),
        "s" | "l" | "h" | "t" | "z" | "k" | "p" | "a" => any(random),
        "none" => "no-such-key".to_owned(),
        "m" if random.one_in(16) => "long ".repeat(40),
        "m" => pick(random, &["a", "b", "c", "d", "e", "ff", "10", "-3"]).to_owned(),
        "v" if random.one_in(16) => "much ".repeat(120),
        "v" => match random.below(3) {
            0 => pick(random, &["", "a", "b", "word", "longer words, with spaces", "1.5", "nan", "\u{e9}"])
                .to_owned(),
            _ => (random.below(200) as i64 - 100).to_string(),
        },
        "i" => (random.below(13) as i64 - 6).to_string(),
        "n" => random.below(7).to_string(),
        "n1" => (1 + random.below(6)).to_string(),
        "d" => pick(random, &["0.1", "0.2", "3.7", "-1e10", "5e-3", "1e17", "3", "1e300"]).to_owned(),
        "ft" => pick(random, &["u1", "u8", "i8", "u16", "i16", "u31", "i32", "u63", "i64", "i5", "u64"])
            .to_owned(),
        "fo" => pick(random, &["0", "3", "#1", "#2", "17", "100", "-1"]).to_owned(),
        "fv" => pick(random, &["0", "1", "-1", "127", "300", "-40000", "9223372036854775807"]).to_owned(),
        "star" => format!("{}-*", random.below(60)),
        "name" => pick(random, &["one", "two"]).to_owned(),
        "lib" => {
            let name = pick(random, &["one", "two"]);
            let flags = pick(random, &["", "flags={'no-writes'},"]);
            format!(
                "#!lua name={name}\nredis.register_function{{function_name='call_{name}',{flags}callback=function(k,a)\
                 return a[1] and redis.call('INCRBY',k[1],a[1]) or {{redis.call('TYPE',k[1]),k}} end}}"
            )
        }
        "b" => random.below(2).to_string(),
        "off" => random.below(60).to_string(),
        "f" => {
            pick(random, &["0", "1", "2", "-1", "1.5", "0.25", "-7.75", "100", "inf", "-inf", "x"]).to_owned()
        }
        "o" => pick(random, &["-inf", "+inf", "0", "(1", "1", "(0.25", "2", "(-1", "x"]).to_owned(),
        "x" => pick(random, &["-", "+", "[a", "(b", "[c", "(e", "[ff", "a"]).to_owned(),
        "lon" => pick(random, &["0", "13.5", "-122.25", "2.5", "181"]).to_owned(),
        "lat" => pick(random, &["0", "38.25", "52.5", "-33.75"]).to_owned(),
        "id" => format!("{}-{}", random.below(60), random.below(3)),
        "gr" => pick(random, &["g", "h"]).to_owned(),
        "c" => pick(random, &["alice", "bob"]).to_owned(),
        _ => panic!("{what}"),
    }
}

fn words(random: &mut Random, template: &str) -> Vec<String> {
    let drawn = template.split(' ').map(|word| match word.strip_prefix('$') {
        Some("$") => "$".to_owned(),
        Some(what) => draw(random, what),
        None => match word.split_once('$') {
            Some((before, what)) => before.to_owned() + &draw(random, what),
            None => word.replace('~', " "),
        },
    });
    drawn.collect()
}

/// A number as the fewest digits tell it. There is one zero here, and two in Redis.
fn shortest(text: &str) -> Option<String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    (text == "-0" || text.contains(['.', 'e'])).then(|| (number + 0.0).to_string())
}

/// A reply of which each number is told with as few digits as possible.
fn with_short_numbers(reply: Value) -> Value {
    match reply {
        Value::Other(b',', text) => Value::Other(b',', shortest(&text).unwrap_or(text)),
        Value::Bulk(text) => {
            let short = std::str::from_utf8(&text).ok().and_then(shortest);
            Value::Bulk(short.map_or(text, String::into_bytes))
        }
        Value::Many(marker, parts) => {
            Value::Many(marker, parts.into_iter().map(with_short_numbers).collect())
        }
        other => other,
    }
}

/// A reply without what differs from run to run.
fn settled(words: &[String], reply: Value) -> Value {
    let command = words.first().map_or("", String::as_str);
    let has_scores = ["Z", "BZ", "GEO", "SORT", "EVAL", "EXEC"].iter().any(|name| command.starts_with(name));
    let mut reply = if has_scores { with_short_numbers(reply) } else { reply };
    let Value::Many(marker, parts) = &mut reply else { return reply };
    match command {
        _ if UNORDERED.contains(&command) => parts.sort_by_key(Value::show),
        _ if command.ends_with("SCAN") => {
            if let Some(Value::Many(_, found)) = parts.get_mut(1) {
                found.sort_by_key(Value::show);
            }
        }
        "HGETALL" => {
            let mut pairs: Vec<Vec<Value>> = parts.chunks(2).map(<[Value]>::to_vec).collect();
            pairs.sort_by_key(|pair| pair[0].show());
            return Value::Many(*marker, pairs.concat());
        }
        // For how long each is pending.
        "XPENDING" if words.len() > 3 => {
            for pending in parts {
                if let Value::Many(_, told) = pending {
                    told[2] = Value::Int(0);
                }
            }
        }
        "XINFO" => settle_info(parts),
        _ => {}
    }
    reply
}

/// Redis's nodes in memory, and how many consumers there are.
fn settle_info(parts: &mut [Value]) {
    for part in parts.iter_mut() {
        if let Value::Many(_, inner) = part {
            settle_info(inner);
        }
    }
    for at in 1..parts.len() {
        if let Value::Bulk(name) = &parts[at - 1]
            && (name.starts_with(b"radix-tree") || name == b"consumers")
        {
            parts[at] = Value::Int(0);
        }
    }
}

/// What was done lately to a command's keys, or by everybody since the client's last transaction.
fn told(history: &[String], words: &[String]) -> String {
    if words[0] == "EXEC" {
        let mine = history.last().map_or("", |line| &line[..5]);
        let ends =
            |line: &String| line.starts_with(mine) && (line.contains("EXEC") || line.contains("DISCARD"));
        let last = history.iter().rposition(ends).unwrap_or(0);
        let from = history[..last].iter().rposition(ends).unwrap_or(0);
        return history[from..].join("\n");
    }
    let is_key = |word: &&String| word.len() == 2 && word.as_bytes()[1].is_ascii_digit();
    let keys: Vec<String> = words.iter().filter(is_key).map(|key| format!("{key:?}")).collect();
    let is_about = |line: &str| keys.iter().any(|key| line.contains(key)) || line.contains("FLUSHDB");
    let about = history.iter().rev().filter(|line| is_about(line));
    let mut lines: Vec<&str> = about.take(40).map(String::as_str).collect();
    lines.reverse();
    lines.join("\n")
}

/// Us and a real Redis, each with a client that speaks RESP2 and one that speaks RESP3.
struct Pair {
    clients: [[Client; 2]; 2],
    random: Random,
    history: Vec<String>,
    /// How many commands of its transaction each of the two is still to send.
    queued: [u64; 2],
    left_out: BTreeSet<&'static str>,
    differences: Vec<String>,
}

impl Pair {
    /// The replies to the same words.
    fn say(&mut self, version: usize, words: &[impl AsRef<[u8]>]) -> [Value; 2] {
        let encoded = encode(&words.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        [0, 1].map(|side: usize| {
            let client = &mut self.clients[side][version];
            client.send(&encoded);
            client.read().expect("a reply")
        })
    }

    fn step(&mut self) {
        let version = self.random.below(2) as usize;
        let left = self.queued[version];
        if left == 0 && self.random.one_in(60) {
            return self.exchange(version);
        }
        let template = match left {
            0 if self.random.one_in(40) => {
                self.queued[version] = 3 + self.random.below(4);
                "MULTI"
            }
            1 if self.random.one_in(8) => "DISCARD",
            1 => "EXEC",
            _ => loop {
                let template = pick(&mut self.random, COMMANDS);
                if !self.left_out.contains(template) && (left == 0 || !is_settled(template)) {
                    break template;
                }
            },
        };
        self.queued[version] = self.queued[version].saturating_sub(1);
        let words = words(&mut self.random, template);
        let [ours, theirs] = self.say(version, &words).map(|reply| settled(&words, reply));
        self.history.push(format!("RESP{} {words:?}", version + 2));
        if ours != theirs {
            self.note(template, &words, &format!("{}\ninstead of\n{}", ours.show(), theirs.show()));
        }
    }

    /// What one dumps the other restores.
    fn exchange(&mut self, version: usize) {
        let [from, to] = [(); 2].map(|()| draw(&mut self.random, "a"));
        let payloads = self.say(version, &["DUMP", &from]);
        let [Value::Bulk(ours), Value::Bulk(theirs)] = payloads else { return };
        for (side, payload) in [theirs, ours].into_iter().enumerate() {
            let client = &mut self.clients[side][version];
            client.send(&encode(&[b"RESTORE", to.as_bytes(), b"0", &payload, b"REPLACE"]));
            let reply = client.read().expect("a reply");
            let words = ["RESTORE", &to, &from].map(str::to_owned);
            self.history.push(format!("RESP{} {words:?}", version + 2));
            if reply != Value::Simple("OK".into()) {
                self.note(
                    "RESTORE",
                    &words,
                    &format!("side {side}: {reply:?} to {}", payload.escape_ascii()),
                );
            }
        }
    }

    fn note(&mut self, template: &'static str, words: &[String], difference: &str) {
        self.differences.push(format!("{difference}\nafter\n{}", told(&self.history, words)));
        if !["EXEC", "RESTORE"].contains(&template) {
            self.left_out.insert(template);
        }
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        self.history.clear();
        self.queued = [0; 2];
        for version in 0..2 {
            for line in ["DISCARD", "UNWATCH", "SELECT 0", "FLUSHALL", "FUNCTION FLUSH"] {
                self.say(version, &line.split(' ').collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn a_real_redis_gives_the_same_random_commands_the_same_replies() {
    if std::env::var_os("SILTSTONE_REDIS").is_none() {
        return;
    }
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (server, redis) = (Server::start(), Redis::start());
    let mut clients = [server.address, redis.address].map(|at| [Client::connect(at), Client::connect(at)]);
    for [_, third] in &mut clients {
        third.command(&["HELLO", "3"]);
    }
    let mut pair = Pair {
        clients,
        random: Random::seeded(number("SILTSTONE_SEED", 1)),
        history: Vec::new(),
        queued: [0; 2],
        left_out: BTreeSet::new(),
        differences: Vec::new(),
    };
    for _ in 0..number("SILTSTONE_REPLAY", 20_000) {
        pair.step();
        if pair.differences.len() > 50 {
            break;
        }
    }
    assert!(pair.differences.is_empty(), "{}", pair.differences.join("\n\n"));
}
