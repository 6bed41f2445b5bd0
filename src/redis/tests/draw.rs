//! Random commands on few keys.

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
    /// MULTI and EXEC.
    Transaction(Vec<Words>),
    /// A script that calls them. What fails ends it, unless it is `protected`.
    Script {
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
            0 => Deed::Transaction((0..=self.below(6)).map(|_| self.command(true)).collect()),
            1 => Deed::Script {
                commands: (0..=self.below(6)).map(|_| self.command(false)).collect(),
                declared: self.random.one_in(2),
                protected: self.random.one_in(2),
            },
            _ => Deed::One(self.command(true)),
        }
    }

    /// A command; some select another database.
    fn command(&mut self, may_select: bool) -> Words {
        match self.below(40) {
            0..8 => self.string(),
            8..14 => self.hash(),
            14..20 => self.list(),
            20..25 => self.set(),
            25..31 => self.sorted(),
            31..34 => self.stream(),
            34 if may_select => words(&["SELECT", &self.number(DATABASES as u64)]),
            _ => self.generic(),
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

    fn stream(&mut self) -> Words {
        let name = &self.key('x');
        self.entries += 1;
        let new = &format!("{}-0", self.entries);
        match self.below(6) {
            0 => words(&["XADD", name, "MAXLEN", "=", &self.number(30), new, "f", &self.value()]),
            1 => words(&["XTRIM", name, "MAXLEN", "=", &self.number(40)]),
            2 => {
                let old = self.entries.saturating_sub(self.below(60));
                words(&["XDEL", name, &format!("{}-0", old.max(1)), &format!("{}-0", (old / 2).max(1))])
            }
            _ => words(&["XADD", name, new, "f", &self.value()]),
        }
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
