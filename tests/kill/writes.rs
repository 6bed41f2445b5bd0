//! What is written under load, how it is asked for afterwards, and what is then to be found.

use siltstone::random::Random;

use crate::server::{Client, command};

const KEYS: u64 = 500;

/// What a write changes. What is found in it tells which write was the last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    String(String),
    Field(String, String),
    /// One key of each type, which transactions write together, or scripts.
    Types(&'static str, u64),
    /// A key in each of two databases that belong to one client.
    Databases(u64),
    /// Keys of one client between which one command chooses.
    Pair(usize, u64),
}

/// A write: its commands, and what is found once it has happened.
pub(crate) struct Intent {
    pub(crate) place: Place,
    pub(crate) state: Vec<u8>,
    pub(crate) commands: Vec<Vec<u8>>,
}

/// Commands over several keys, of which each undoes what the other does, and a second time does nothing: `#` is the client. After each command what the
/// question is answered; and before the first what the last one leaves.
struct Pair {
    prepared: &'static [&'static str],
    asked: &'static [&'static str],
    acts: [(&'static str, &'static str); 2],
}

const PAIRS: &[Pair] = &[
    Pair {
        prepared: &["RPUSH pl# x"],
        asked: &["LLEN pl#", "LLEN ql#"],
        acts: [("LMOVE pl# ql# RIGHT RIGHT", "0 1 "), ("LMOVE ql# pl# RIGHT RIGHT", "1 0 ")],
    },
    Pair {
        prepared: &["SADD pm# x y", "FILL SADD qm# 60"],
        asked: &["SCARD pm#", "SCARD qm#"],
        acts: [("SMOVE pm# qm# x", "1 61 "), ("SMOVE qm# pm# x", "2 60 ")],
    },
    Pair {
        prepared: &["FILL SADD pr# 60"],
        asked: &["EXISTS pr#", "SCARD qr#"],
        acts: [("RENAME pr# qr#", "0 60 "), ("RENAME qr# pr#", "1 0 ")],
    },
    Pair {
        prepared: &["FILL SADD pu# 60", "SADD qu# a b", "SADD du# a b"],
        asked: &["SCARD du#"],
        acts: [("SUNIONSTORE du# pu# qu#", "62 "), ("SDIFFSTORE du# qu# pu#", "2 ")],
    },
    Pair {
        prepared: &["FILL SADD pz# 60", "ZADD qz# 1 a 2 b", "ZADD dz# 1 a 2 b"],
        asked: &["ZCARD dz#", "ZRANGE dz# -1 -1 WITHSCORES"],
        acts: [("ZUNIONSTORE dz# 2 pz# qz#", "62 b 2 "), ("ZRANGESTORE dz# qz# 0 5", "2 b 2 ")],
    },
    Pair {
        prepared: &["FILL RPUSH pc# 60", "HSET qc# f v", "HSET dc# f v"],
        asked: &["TYPE dc#", "EXISTS pc# qc#"],
        acts: [("COPY pc# dc# REPLACE", "list 2 "), ("COPY qc# dc# REPLACE", "hash 2 ")],
    },
    Pair {
        prepared: &["FILL SADD po# 60", "RPUSH qo# b a", "RPUSH do# a b"],
        asked: &["LRANGE do# 0 1", "LLEN do#"],
        acts: [
            ("SORT po# ALPHA STORE do#", "element00 element01 60 "),
            ("SORT qo# ALPHA STORE do#", "a b 2 "),
        ],
    },
    Pair {
        prepared: &["SET pa# 1", "SET qa# 1", "SET ra# 1"],
        asked: &["MGET pa# qa# ra#"],
        acts: [("MSET pa# 2 qa# 2 ra# 2", "2 2 2 "), ("MSET pa# 1 qa# 1 ra# 1", "1 1 1 ")],
    },
];

const SCRIPT: &str = "local n = ARGV[1] \
    redis.call('SET', KEYS[1], n) redis.call('HSET', KEYS[2], 'a', n, 'b', n) \
    redis.call('DEL', KEYS[3]) redis.call('RPUSH', KEYS[3], n, n) redis.call('DEL', KEYS[4]) \
    redis.call('SADD', KEYS[4], n) redis.call('ZADD', KEYS[5], n, 'm') \
    redis.call('XADD', KEYS[6], 'MAXLEN', '=', '1', n .. '-0', 'f', n)";

/// A line's words, for one client.
fn line(line: &str, client: u64) -> Vec<u8> {
    let line = line.replace('#', &client.to_string());
    command(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())
}

/// Makes what commands choose between. Tells what is found before the first.
pub(crate) fn prepare(client: u64, connection: &mut Client) -> impl Iterator<Item = (Place, Vec<u8>)> {
    for pair in PAIRS {
        for &told in pair.prepared {
            let words: Vec<&str> = told.split(' ').collect();
            if let ["FILL", name, key, count] = words[..] {
                let elements =
                    (0..count.parse::<u64>().unwrap()).map(|n| format!("{name} {key} element{n:02}"));
                connection.ask(&elements.map(|told| line(&told, client)).collect::<Vec<_>>());
            } else {
                connection.ask(&[line(told, client)]);
            }
        }
    }
    (0..PAIRS.len()).map(move |n| (Place::Pair(n, client), PAIRS[n].acts[1].1.into()))
}

impl Place {
    /// Renaming what is renamed already is an error, and no harm.
    pub(crate) fn allows(&self, error: &str) -> bool {
        matches!(self, Self::Pair(..)) && error == "ERR no such key"
    }

    /// What is found where nothing was written.
    pub(crate) fn nothing(&self) -> &'static [u8] {
        if matches!(self, Self::Databases(_)) { b"OK nil OK nil OK " } else { NOTHING }
    }

    /// How to ask for it.
    pub(crate) fn ask(&self) -> Vec<Vec<u8>> {
        match self {
            Self::String(key) => vec![command(&[b"GET", key.as_bytes()])],
            Self::Field(key, field) => vec![command(&[b"HGET", key.as_bytes(), field.as_bytes()])],
            Self::Types(kind, client) => {
                let asked = [
                    "GET #s",
                    "HGETALL #h",
                    "LRANGE #l 0 -1",
                    "SMEMBERS #m",
                    "ZRANGE #z 0 -1 WITHSCORES",
                    "XRANGE #x - +",
                ];
                asked.map(|told| line(&told.replace('#', &format!("{kind}#")), *client)).into()
            }
            Self::Databases(client) => {
                let [one, other] = databases(*client);
                let asked = [
                    format!("SELECT {one}"),
                    "GET k".to_owned(),
                    format!("SELECT {other}"),
                    "GET k".to_owned(),
                    "SELECT 0".to_owned(),
                ];
                asked.map(|told| line(&told, *client)).into()
            }
            Self::Pair(n, client) => PAIRS[*n].asked.iter().map(|told| line(told, *client)).collect(),
        }
    }
}

/// What is found where one key holds nothing.
const NOTHING: &[u8] = b"nil ";

/// A client's next write.
pub(crate) fn write_of(client: u64, number: u64, random: &mut Random) -> Intent {
    match random.below(9) {
        0 => types(client, number, "exec"),
        1 => types(client, number, "eval"),
        8 => in_databases(client, number, random),
        2 | 3 => {
            let n = random.below(PAIRS.len() as u64) as usize;
            let (act, state) = PAIRS[n].acts[random.below(2) as usize];
            Intent { place: Place::Pair(n, client), state: state.into(), commands: vec![line(act, client)] }
        }
        _ => single(client, number, random),
    }
}

/// Writes one key of each type.
fn types(client: u64, n: u64, kind: &'static str) -> Intent {
    let state = format!("{n} a {n} b {n} {n} {n} {n} m {n} {n}-0 f {n} ").into_bytes();
    let commands = if kind == "eval" {
        let mut words = vec!["EVAL".to_owned(), SCRIPT.to_owned(), "6".to_owned()];
        words.extend("shlmzx".chars().map(|letter| format!("{kind}{client}{letter}")));
        words.push(n.to_string());
        vec![command(&words.iter().map(String::as_bytes).collect::<Vec<_>>())]
    } else {
        let own = format!("exec{client}");
        let lines = [
            "MULTI".to_owned(),
            format!("SET {own}s {n}"),
            format!("HSET {own}h a {n} b {n}"),
            format!("DEL {own}l {own}m"),
            format!("RPUSH {own}l {n} {n}"),
            format!("SADD {own}m {n}"),
            format!("ZADD {own}z {n} m"),
            format!("XADD {own}x MAXLEN = 1 {n}-0 f {n}"),
            "EXEC".to_owned(),
        ];
        lines.iter().map(|told| line(told, client)).collect()
    };
    Intent { place: Place::Types(kind, client), state, commands }
}

/// The databases of a client.
fn databases(client: u64) -> [u64; 2] {
    [2 * client + 1, 2 * client + 2]
}

/// Writes, flushes or swaps two databases.
fn in_databases(client: u64, n: u64, random: &mut Random) -> Intent {
    let [one, other] = databases(client);
    let write = |first: &str, second: &str, last: &str| {
        format!("MULTI,SELECT {one},{first},SELECT {other},{second},{last}SELECT 0,EXEC")
    };
    let (commands, state) = match random.below(3) {
        0 => (write("FLUSHDB", "FLUSHDB", ""), "OK nil OK nil OK ".to_owned()),
        1 => (write(&format!("SET k {n}"), &format!("SET k b{n}"), ""), format!("OK {n} OK b{n} OK ")),
        _ => {
            let swap = format!("SWAPDB {one} {other},");
            (write(&format!("SET k {n}"), &format!("SET k b{n}"), &swap), format!("OK b{n} OK {n} OK "))
        }
    };
    Intent {
        place: Place::Databases(client),
        state: state.into_bytes(),
        commands: commands.split(',').map(|told| line(told, client)).collect(),
    }
}

/// Writes or removes one string, or a field.
fn single(client: u64, number: u64, random: &mut Random) -> Intent {
    let n = random.below(KEYS);
    let mut value = format!("{client}-{number}-").into_bytes();
    // Some are large enough to fill memtables soon.
    let most = if random.one_in(50) { 40_000 } else { 400 };
    value.resize(value.len() + random.below(most) as usize, b'x');
    let found = [&value[..], b" "].concat();
    match random.below(10) {
        0 => {
            let key = format!("s{client}:{n}");
            let commands = vec![command(&[b"DEL", key.as_bytes()])];
            Intent { place: Place::String(key), state: NOTHING.to_vec(), commands }
        }
        1 | 2 => {
            let (key, field) = (format!("h{client}:{}", n % 5), format!("f{n}"));
            let commands = vec![command(&[b"HSET", key.as_bytes(), field.as_bytes(), &value])];
            Intent { place: Place::Field(key, field), state: found, commands }
        }
        _ => {
            let key = format!("s{client}:{n}");
            let commands = vec![command(&[b"SET", key.as_bytes(), &value])];
            Intent { place: Place::String(key), state: found, commands }
        }
    }
}
