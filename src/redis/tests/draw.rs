//! Random commands on few keys.

use super::scripts::library;
use super::world::Words;
use crate::random::Random;
use crate::redis::tests::state::DATABASES;

/// Keys of each type by their first letter, though any may come to hold anything.
const TYPES: [char; 6] = ['s', 'h', 'l', 'm', 'z', 'x'];
const KEYS: u64 = 4;

/// What a client is asked to do at once.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    One(Words),
    /// Commands on one key, sent together.
    Run(Vec<Words>),
    /// MULTI and EXEC.
    Transaction(Vec<Words>),
    /// A script that calls them, or a library's function. What fails ends it, unless it is `protected`.
    Script {
        library: Option<String>,
        commands: Vec<Words>,
        declared: bool,
        protected: bool,
    },
}

/// Where random commands come from.
pub(super) struct Draw {
    pub(super) random: Random,
    /// The last entry that went into any stream.
    entries: u64,
}

fn words(all: &[&str]) -> Words {
    all.iter().map(|word| (*word).to_owned()).collect()
}

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::seeded(seed), entries: 0 }
    }

    /// All keys that there can be in a database.
    pub(super) fn all_keys() -> impl Iterator<Item = String> {
        TYPES.into_iter().flat_map(|kind| (0..KEYS).map(move |n| format!("{kind}{n}")))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    fn number(&mut self, bound: u64) -> String {
        self.below(bound).to_string()
    }

    fn any_key(&mut self) -> String {
        let kind = TYPES[self.below(TYPES.len() as u64) as usize];
        format!("{kind}{}", self.below(KEYS))
    }

    fn key(&mut self, kind: char) -> String {
        if self.random.one_in(20) { self.any_key() } else { format!("{kind}{}", self.below(KEYS)) }
    }

    /// Some of them long enough that few fill a row.
    fn member(&mut self) -> String {
        let n = self.below(40);
        let len = if n.is_multiple_of(13) { 90 } else { 0 };
        format!("m{n:02}{}", "-".repeat(len))
    }

    fn value(&mut self) -> String {
        match self.below(12) {
            0..4 => self.number(1000),
            4..10 => format!("v{}", self.below(1_000_000)),
            10 => format!("v{}", self.below(1_000_000)).repeat(1 + self.random.below(60) as usize),
            _ => "w".repeat(self.below(2000) as usize + 1),
        }
    }

    fn ms(&mut self) -> String {
        (1 + self.below(3000)).to_string()
    }

    /// A command, and so many words more.
    fn with(&mut self, mut begin: Words, most: u64, mut word: impl FnMut(&mut Self) -> Words) -> Words {
        for _ in 0..=self.below(most) {
            begin.extend(word(self));
        }
        begin
    }

    pub(super) fn deed(&mut self) -> Deed {
        match self.below(10) {
            0 => Deed::Transaction((0..=self.below(6)).map(|_| self.queued()).collect()),
            1 => Deed::Script {
                library: if self.random.one_in(2) { Some(self.library()) } else { None },
                commands: (0..=self.below(6)).map(|_| self.command(false)).collect(),
                declared: self.random.one_in(2),
                protected: self.random.one_in(2),
            },
            2 => Deed::Run(self.of_one_key()),
            _ => Deed::One(self.command(true)),
        }
    }

    fn of_one_key(&mut self) -> Vec<Words> {
        let first = self.command(false);
        let mut run = vec![first];
        for _ in 0..self.below(150) {
            let next = self.command(false);
            // Now and then something else comes between.
            if next.get(1) == run[0].get(1) || self.random.one_in(40) {
                run.push(next);
            }
        }
        run
    }

    fn library(&mut self) -> String {
        self.pick(&["l0", "l1", "l2"]).to_owned()
    }

    /// A command; some, of those that no script may call, select another database or change functions.
    fn command(&mut self, outside: bool) -> Words {
        match self.below(48) {
            0..8 => self.string(),
            8..14 => self.hash(),
            14..20 => self.list(),
            20..25 => self.set(),
            25..31 => self.sorted(),
            31..40 => self.stream(),
            40 if outside => words(&["SELECT", &self.number(DATABASES as u64)]),
            41 if outside && self.random.one_in(2) => self.functions(),
            _ => self.generic(),
        }
    }

    /// A command within a transaction, where none waits.
    fn queued(&mut self) -> Words {
        if self.random.one_in(12) { self.waiting() } else { self.command(true) }
    }

    /// A command that waits if there is nothing.
    pub(super) fn waiting(&mut self) -> Words {
        let (list, other) = (&self.key('l'), &self.key('l'));
        let (sorted, another) = (&self.key('z'), &self.key('z'));
        let stream = &self.key('x');
        let (seconds, ms) = (self.pick(&["0", "0.1", "0.7", "2"]), self.pick(&["0", "100", "700", "2000"]));
        let (count, group) = (&(1 + self.below(4)).to_string(), self.pick(&["g", "g", "h"]));
        match self.below(11) {
            0 | 1 => words(&[self.pick(&["BLPOP", "BRPOP"]), list, seconds]),
            2 => words(&[self.pick(&["BLPOP", "BRPOP"]), list, other, seconds]),
            3 => words(&["BLMOVE", list, other, self.pick(&["LEFT", "RIGHT"]), "RIGHT", seconds]),
            4 => words(&["BLMPOP", seconds, "2", list, other, "LEFT", "COUNT", count]),
            5 => words(&[self.pick(&["BZPOPMIN", "BZPOPMAX"]), sorted, another, seconds]),
            6 => {
                let end = self.pick(&["MIN", "MAX"]);
                words(&["BZMPOP", seconds, "2", sorted, another, end, "COUNT", count])
            }
            7 => words(&["XREAD", "BLOCK", ms, "STREAMS", stream, "$"]),
            8 => words(&["XREAD", "COUNT", count, "BLOCK", ms, "STREAMS", stream, &self.entry(stream)]),
            _ => {
                let consumer = self.pick(&["a", "b", "c"]);
                let head = ["XREADGROUP", "GROUP", group, consumer, "COUNT", count, "BLOCK", ms];
                words(&[&head[..], &["STREAMS", stream, ">"]].concat())
            }
        }
    }

    fn functions(&mut self) -> Words {
        let (name, version) = (&self.library(), self.below(1_000_000));
        match self.below(12) {
            0..6 => words(&["FUNCTION", "LOAD", "REPLACE", &library(name, version)]),
            6..9 => words(&["FUNCTION", "LOAD", &library(name, version)]),
            9 if self.random.one_in(2) => words(&["FUNCTION", "FLUSH"]),
            _ => words(&["FUNCTION", "DELETE", name]),
        }
    }

    fn string(&mut self) -> Words {
        let (name, value) = (&self.key('s'), &self.value());
        match self.below(11) {
            0 => words(&["SET", name, value]),
            1 => words(&["SET", name, value, "PX", &self.ms()]),
            2 => words(&["SET", name, value, self.pick(&["NX", "XX", "KEEPTTL"])]),
            3 => words(&["GET", name]),
            4 => words(&["APPEND", name, &value[..value.len().min(30)]]),
            5 => words(&["INCRBY", name, &self.number(100)]),
            6 => words(&["SETBIT", name, &self.number(12_000), self.pick(&["0", "1"])]),
            7 => words(&["SETRANGE", name, &self.number(600), value]),
            8 => {
                let set = self.pick(&["MSET", "MSET", "MSETNX"]);
                self.with(words(&[set]), 4, |draw| vec![draw.key('s'), draw.value()])
            }
            9 => words(&["GETDEL", name]),
            _ => words(&["BITOP", self.pick(&["OR", "XOR"]), name, &self.key('s'), &self.key('s')]),
        }
    }

    fn hash(&mut self) -> Words {
        let name = &self.key('h');
        match self.below(6) {
            0 | 1 => self.with(words(&["HSET", name]), 6, |draw| vec![draw.member(), draw.value()]),
            2 => self.with(words(&["HDEL", name]), 5, |draw| vec![draw.member()]),
            3 => words(&["HINCRBY", name, &self.member(), &self.number(100)]),
            4 => words(&["HPEXPIRE", name, &self.ms(), "FIELDS", "2", &self.member(), &self.member()]),
            _ => words(&["HPERSIST", name, "FIELDS", "1", &self.member()]),
        }
    }

    fn list(&mut self) -> Words {
        let (name, other) = (&self.key('l'), &self.key('l'));
        match self.below(11) {
            0..3 => {
                let push = self.pick(&["LPUSH", "RPUSH"]);
                self.with(words(&[push, name]), 6, |draw| vec![draw.value()])
            }
            3 => words(&[self.pick(&["LPOP", "RPOP"]), name, &(1 + self.below(6)).to_string()]),
            4 => words(&["LTRIM", name, &self.number(4), self.pick(&["-1", "-2", "30", "100"])]),
            5 => words(&["LSET", name, &self.number(10), &self.value()]),
            6 => words(&["LINSERT", name, "BEFORE", &self.member(), &self.value()]),
            7 => words(&["LREM", name, &self.number(3), &self.member()]),
            8 => words(&["RPUSH", name, &self.member(), &self.member(), &self.member()]),
            9 => words(&["LMPOP", "2", name, other, "LEFT", "COUNT", &(1 + self.below(9)).to_string()]),
            _ => words(&["LMOVE", name, other, self.pick(&["LEFT", "RIGHT"]), self.pick(&["LEFT", "RIGHT"])]),
        }
    }

    fn set(&mut self) -> Words {
        let name = &self.key('m');
        match self.below(5) {
            0 | 1 => self.with(words(&["SADD", name]), 8, |draw| vec![draw.member()]),
            2 => self.with(words(&["SREM", name]), 5, |draw| vec![draw.member()]),
            3 => words(&["SMOVE", name, &self.key('m'), &self.member()]),
            _ => {
                let store = self.pick(&["SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"]);
                self.with(words(&[store, name]), 3, |draw| vec![draw.key('m')])
            }
        }
    }

    fn sorted(&mut self) -> Words {
        let name = &self.key('z');
        match self.below(8) {
            0..3 => self.with(words(&["ZADD", name]), 8, |draw| vec![draw.number(50), draw.member()]),
            3 => words(&["ZINCRBY", name, &self.number(10), &self.member()]),
            4 => self.with(words(&["ZREM", name]), 5, |draw| vec![draw.member()]),
            5 => words(&["ZREMRANGEBYRANK", name, &self.number(10), &self.number(20)]),
            6 => words(&["ZPOPMIN", name, &(1 + self.below(4)).to_string()]),
            _ => {
                let kind = if self.random.one_in(2) { 'm' } else { 'z' };
                let (one, other) = (self.key('z'), self.key(kind));
                match self.below(3) {
                    0 => words(&["ZRANGESTORE", name, &one, &self.number(5), &self.number(30)]),
                    1 => words(&["ZINTERSTORE", name, "2", &one, &other]),
                    _ => words(&["ZUNIONSTORE", name, "2", &one, &other]),
                }
            }
        }
    }

    /// An entry's number, of those that may be in a stream of this name: each entry goes to one name's streams.
    fn entry(&mut self, name: &str) -> String {
        let rest = name.bytes().last().map_or(0, u64::from) % KEYS;
        let near = self.entries.saturating_sub(self.below(80));
        format!("{}-0", (near / KEYS * KEYS + rest).max(1))
    }

    fn stream(&mut self) -> Words {
        let name = &self.key('x');
        if !self.random.one_in(3) {
            return self.group(name);
        }
        match self.below(8) {
            0 => words(&["XTRIM", name, "MAXLEN", "=", &self.number(20)]),
            1 => self.with(words(&["XDEL", name]), 6, |draw| vec![draw.entry(name)]),
            2 => {
                let (other, count) = (&self.key('x'), &(1 + self.below(9)).to_string());
                let ids = [self.entry(name), self.entry(other)];
                words(&["XREAD", "COUNT", count, "STREAMS", name, other, &ids[0], &ids[1]])
            }
            n => {
                self.entries = self.entries / KEYS * KEYS + KEYS;
                let rest = name.bytes().last().map_or(0, u64::from) % KEYS;
                let (new, value) = (&format!("{}-0", self.entries + rest), &self.value());
                if n == 3 {
                    words(&["XADD", name, "MAXLEN", "=", &self.number(30), new, "f", value])
                } else {
                    words(&["XADD", name, new, "f", value])
                }
            }
        }
    }

    /// A command on a stream's consumer groups.
    fn group(&mut self, name: &str) -> Words {
        let (group, consumer) = (self.pick(&["g", "g", "h"]), self.pick(&["a", "b", "c"]));
        let (count, idle) = (&(1 + self.below(9)).to_string(), self.pick(&["0", "0", "300", "2000"]));
        let start = &self.entry(name);
        let mut asked = match self.below(32) {
            0..3 => words(&["XGROUP", "CREATE", name, group, self.pick(&["0-0", "$", start]), "MKSTREAM"]),
            3 => words(&["XGROUP", "CREATE", name, group, "$"]),
            4 => words(&["XGROUP", "SETID", name, group, self.pick(&["0-0", "$", start])]),
            5 if self.random.one_in(3) => words(&["XGROUP", "DESTROY", name, group]),
            6 => words(&["XGROUP", "CREATECONSUMER", name, group, consumer]),
            7 => words(&["XGROUP", "DELCONSUMER", name, group, consumer]),
            8..15 => words(&["XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", name, ">"]),
            15 => words(&["XREADGROUP", "GROUP", group, consumer, "NOACK", "STREAMS", name, ">"]),
            16 => {
                let all = ["XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", name, start];
                words(&all)
            }
            17 => {
                let other = &self.key('x');
                words(&["XREADGROUP", "GROUP", group, consumer, "STREAMS", name, other, ">", ">"])
            }
            18..23 => self.with(words(&["XACK", name, group]), 9, |draw| vec![draw.entry(name)]),
            23 => words(&["XPENDING", name, group]),
            24 => words(&["XPENDING", name, group, "-", "+", count]),
            25 => words(&["XPENDING", name, group, "IDLE", "300", "-", "+", count, consumer]),
            26..29 => {
                let ids = self.with(Words::new(), 9, |draw| vec![draw.entry(name)]);
                let options = self.pick(&["", "", "FORCE", "RETRYCOUNT 7", "IDLE 100", "FORCE RETRYCOUNT 0"]);
                let claim = words(&["XCLAIM", name, group, consumer, idle]);
                claim.into_iter().chain(ids).chain(options.split_whitespace().map(str::to_owned)).collect()
            }
            _ => words(&["XAUTOCLAIM", name, group, consumer, idle, start, "COUNT", count]),
        };
        if asked[0].ends_with("CLAIM") && self.random.one_in(3) {
            asked.push("JUSTID".to_owned());
        }
        asked
    }

    fn generic(&mut self) -> Words {
        let (name, other) = (&self.any_key(), &self.any_key());
        let database = &self.number(DATABASES as u64);
        match self.below(40) {
            0..7 => self.with(words(&["DEL", name]), 3, |draw| vec![draw.any_key()]),
            7..12 => words(&["PEXPIRE", name, &self.ms()]),
            12..15 => words(&["PERSIST", name]),
            15..19 => words(&["RENAME", name, other]),
            19..21 => words(&["RENAMENX", name, other]),
            21..25 => words(&["COPY", name, other, "DB", database]),
            25..29 => words(&["COPY", name, other, "DB", database, "REPLACE"]),
            29..33 => words(&["MOVE", name, database]),
            33..36 => words(&["SORT", name, "ALPHA", "STORE", other]),
            36 => words(&["FLUSHDB"]),
            37 if self.random.one_in(10) => words(&["FLUSHALL"]),
            38 => words(&["SWAPDB", database, &self.number(DATABASES as u64)]),
            _ => words(&["DEL", name]),
        }
    }
}
