//! What commands do, told simply.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::reply::Reply;
use super::scripts::read_library;
use super::state::{Bytes, Database, Key, State, Value};

pub(super) type Result<T = Reply> = std::result::Result<T, Reply>;

/// The databases, and one client of theirs.
#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) state: State,
    /// The selected database.
    pub(super) at: usize,
    pub(super) now_ms: u64,
}

/// Has one method for each type that holds many, which makes the key if there is none.
macro_rules! collections {
    ($($method:ident, $kind:ident, $type:ty;)*) => {$(
        pub(super) fn $method(&mut self, name: &str) -> Result<&mut $type> {
            let nothing = || Arc::new(Key { value: Value::$kind(Default::default()), due: None });
            let key = self.state.databases[self.at].entry(name.to_owned()).or_insert_with(nothing);
            match &mut Arc::make_mut(key).value {
                Value::$kind(all) => Ok(all),
                _ => Err(wrong_type()),
            }
        }
    )*};
}

pub(super) fn wrong_type() -> Reply {
    Reply::error("WRONGTYPE")
}

pub(super) fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().ok().unwrap()
}

fn parse(bytes: &[u8]) -> Result<i64> {
    let parsed = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<i64>().ok());
    // Written as integers are, and in no other way.
    parsed.filter(|n| n.to_string().as_bytes() == bytes).ok_or(Reply::error("ERR"))
}

/// What is between two places, of which negative ones count from the end, and both are included.
fn between(from: &str, to: &str, len: usize) -> Range<usize> {
    let place = |word| match number::<i64>(word) {
        n if n < 0 => (n + len as i64).max(-1),
        n => n,
    };
    let (from, to) = (place(from).max(0) as usize, (place(to) + 1) as usize);
    let to = to.min(len);
    from.min(to)..to
}

fn in_order(members: &BTreeMap<Bytes, i64>) -> Vec<(i64, Bytes)> {
    let mut order: Vec<_> = members.iter().map(|(member, score)| (*score, member.clone())).collect();
    order.sort_unstable();
    order
}

impl Model {
    collections! {
        list, List, Vec<Bytes>;
        hash, Hash, BTreeMap<Bytes, (Bytes, Option<u64>)>;
        set, Set, BTreeSet<Bytes>;
        sorted, Sorted, BTreeMap<Bytes, i64>;
    }

    /// Runs one command. One that fails does nothing.
    pub(super) fn run(&mut self, words: &[String], now_ms: u64) -> Reply {
        self.now_ms = now_ms;
        self.state.pass(now_ms);
        let (before, at) = (self.state.clone(), self.at);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let done = self.step(&words).unwrap_or_else(|error| {
            (self.state, self.at) = (before, at);
            error
        });
        self.state.pass(now_ms);
        done
    }

    fn keys(&mut self) -> &mut Database {
        &mut self.state.databases[self.at]
    }

    pub(super) fn key(&mut self, name: &str) -> Option<&mut Key> {
        self.keys().get_mut(name).map(Arc::make_mut)
    }

    pub(super) fn put(&mut self, name: &str, value: Value, due: Option<u64>) {
        self.keys().insert(name.to_owned(), Arc::new(Key { value, due }));
    }

    /// What a `STORE` answers.
    fn store(&mut self, name: &str, value: Value, len: usize) -> Result {
        self.put(name, value, None);
        Ok(Reply::count(len))
    }

    fn string(&mut self, name: &str) -> Result<Option<Bytes>> {
        match self.key(name).map(|key| &key.value) {
            Some(Value::String(bytes)) => Ok(Some(bytes.clone())),
            Some(_) => Err(wrong_type()),
            None => Ok(None),
        }
    }

    /// Changes a string, which keeps its deadline.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut Bytes)) -> Result<()> {
        let mut bytes = self.string(name)?.unwrap_or_default();
        change(&mut bytes);
        let due = self.key(name).and_then(|key| key.due);
        self.put(name, Value::String(bytes), due);
        Ok(())
    }

    fn step(&mut self, words: &[&str]) -> Result {
        match words[0] {
            "SET" | "GET" | "APPEND" | "INCRBY" | "SETBIT" | "SETRANGE" | "MSET" | "MSETNX" | "GETDEL"
            | "BITOP" => self.step_string(words),
            name if name.starts_with('H') => self.step_hash(words),
            name if name.starts_with('L')
                || name.starts_with('R') && name.ends_with("PUSH")
                || name == "RPOP" =>
            {
                self.step_list(words)
            }
            "SADD" | "SREM" | "SMOVE" | "SUNIONSTORE" | "SINTERSTORE" | "SDIFFSTORE" => self.step_set(words),
            name if name.starts_with('Z') => self.step_sorted(words),
            name if name.starts_with('X') => self.step_stream(words),
            name if name.starts_with('B') => self.step_waiting(words),
            "FUNCTION" => self.step_function(words),
            _ => self.step_key(words),
        }
    }

    fn step_string(&mut self, words: &[&str]) -> Result {
        let name = words[1];
        Ok(match words[0] {
            "SET" => {
                let exists = self.key(name).is_some();
                let mut due = None;
                match words[3..] {
                    ["NX"] if exists => return Ok(Reply::Nil),
                    ["XX"] if !exists => return Ok(Reply::Nil),
                    ["PX", ms] => due = Some(self.now_ms + number::<u64>(ms)),
                    ["KEEPTTL"] => due = self.key(name).and_then(|key| key.due),
                    _ => {}
                }
                self.put(name, Value::String(words[2].into()), due);
                Reply::ok()
            }
            "GET" => self.string(name)?.map_or(Reply::Nil, Reply::Bulk),
            "APPEND" => {
                self.change(name, |bytes| bytes.extend_from_slice(words[2].as_bytes()))?;
                Reply::count(self.string(name)?.map_or(0, |bytes| bytes.len()))
            }
            "INCRBY" => {
                let was = self.string(name)?.map_or(Ok(0), |bytes| parse(&bytes))?;
                let sum = was + number::<i64>(words[2]);
                self.change(name, |bytes| *bytes = sum.to_string().into())?;
                Reply::Int(sum)
            }
            "SETBIT" => {
                let at: usize = number(words[2]);
                let (byte, bit) = (at / 8, 0x80_u8 >> (at % 8));
                let mut was = false;
                self.change(name, |bytes| {
                    bytes.resize(bytes.len().max(byte + 1), 0);
                    was = bytes[byte] & bit != 0;
                    bytes[byte] = bytes[byte] & !bit | if words[3] == "1" { bit } else { 0 };
                })?;
                Reply::Int(was.into())
            }
            "SETRANGE" => {
                let (from, new) = (number::<usize>(words[2]), words[3].as_bytes());
                self.change(name, |bytes| {
                    bytes.resize(bytes.len().max(from + new.len()), 0);
                    bytes[from..from + new.len()].copy_from_slice(new);
                })?;
                Reply::count(self.string(name)?.map_or(0, |bytes| bytes.len()))
            }
            "MSETNX" if words[1..].chunks(2).any(|pair| self.key(pair[0]).is_some()) => Reply::Int(0),
            "MSET" | "MSETNX" => {
                for pair in words[1..].chunks(2) {
                    self.put(pair[0], Value::String(pair[1].into()), None);
                }
                if words[0] == "MSET" { Reply::ok() } else { Reply::Int(1) }
            }
            "GETDEL" => {
                let was = self.string(name)?;
                self.keys().remove(name);
                was.map_or(Reply::Nil, Reply::Bulk)
            }
            "BITOP" => {
                let mut result = Bytes::new();
                for source in &words[3..] {
                    let bytes = self.string(source)?.unwrap_or_default();
                    result.resize(result.len().max(bytes.len()), 0);
                    for (to, from) in result.iter_mut().zip(bytes) {
                        *to = if words[1] == "OR" { *to | from } else { *to ^ from };
                    }
                }
                self.keys().remove(words[2]);
                let len = result.len();
                if len > 0 {
                    self.put(words[2], Value::String(result), None);
                }
                Reply::count(len)
            }
            other => panic!("{other}"),
        })
    }

    fn step_hash(&mut self, words: &[&str]) -> Result {
        let now_ms = self.now_ms;
        let hash = self.hash(words[1])?;
        Ok(match words[0] {
            "HSET" => {
                let before = hash.len();
                for pair in words[2..].chunks(2) {
                    hash.insert(pair[0].into(), (pair[1].into(), None));
                }
                Reply::count(hash.len() - before)
            }
            "HDEL" => Reply::count(
                words[2..].iter().filter(|field| hash.remove(field.as_bytes()).is_some()).count(),
            ),
            "HINCRBY" => {
                let (was, due) = hash
                    .get(words[2].as_bytes())
                    .map_or(Ok((0, None)), |(value, due)| Ok((parse(value)?, *due)))?;
                let sum = was + number::<i64>(words[3]);
                hash.insert(words[2].into(), (sum.to_string().into(), due));
                Reply::Int(sum)
            }
            "HPEXPIRE" => {
                let due = now_ms + number::<u64>(words[2]);
                let mut told = |field: &&str| match hash.get_mut(field.as_bytes()) {
                    None => -2,
                    Some(found) => {
                        found.1 = Some(due);
                        if due == now_ms { 2 } else { 1 }
                    }
                };
                Reply::Array(words[5..].iter().map(|field| Reply::Int(told(field))).collect())
            }
            "HPERSIST" => {
                let mut told = |field: &&str| match hash.get_mut(field.as_bytes()) {
                    None => -2,
                    Some((_, due)) => {
                        if due.take().is_some() {
                            1
                        } else {
                            -1
                        }
                    }
                };
                Reply::Array(words[4..].iter().map(|field| Reply::Int(told(field))).collect())
            }
            other => panic!("{other}"),
        })
    }

    fn step_list(&mut self, words: &[&str]) -> Result {
        match words[0] {
            "LMOVE" => return self.move_element(words),
            "LMPOP" => return self.pop_from_first(words),
            _ => {}
        }
        let list = self.list(words[1])?;
        Ok(match words[0] {
            "RPUSH" => {
                list.extend(words[2..].iter().map(|word| word.as_bytes().to_vec()));
                Reply::count(list.len())
            }
            "LPUSH" => {
                words[2..].iter().for_each(|word| list.insert(0, word.as_bytes().to_vec()));
                Reply::count(list.len())
            }
            "LPOP" | "RPOP" if list.is_empty() => Reply::Nil,
            "LPOP" => {
                let count = number::<usize>(words[2]).min(list.len());
                Reply::bulks(list.drain(..count))
            }
            "RPOP" => {
                let count = number::<usize>(words[2]).min(list.len());
                Reply::bulks(list.drain(list.len() - count..).rev())
            }
            "LTRIM" => {
                *list = list[between(words[2], words[3], list.len())].to_vec();
                Reply::ok()
            }
            "LSET" => {
                let place = list.get_mut(number::<usize>(words[2])).ok_or(Reply::error("ERR"))?;
                *place = words[3].into();
                Reply::ok()
            }
            "LINSERT" if list.is_empty() => Reply::Int(0),
            "LINSERT" => match list.iter().position(|element| element == words[3].as_bytes()) {
                None => Reply::Int(-1),
                Some(at) => {
                    list.insert(at, words[4].into());
                    Reply::count(list.len())
                }
            },
            "LREM" => {
                let (before, most) = (list.len(), number::<usize>(words[2]));
                let mut gone = 0;
                list.retain(|element| {
                    let goes = element == words[3].as_bytes() && (most == 0 || gone < most);
                    gone += usize::from(goes);
                    !goes
                });
                Reply::count(before - list.len())
            }
            other => panic!("{other}"),
        })
    }

    /// `LMPOP 2 key key LEFT COUNT count`
    pub(super) fn pop_from_first(&mut self, words: &[&str]) -> Result {
        for name in &words[2..4] {
            let list = self.list(name)?;
            if !list.is_empty() {
                let count = number::<usize>(words[6]).min(list.len());
                let popped = Reply::bulks(list.drain(..count));
                return Ok(Reply::Array(vec![Reply::bulk(name), popped]));
            }
        }
        Ok(Reply::Nil)
    }

    pub(super) fn move_element(&mut self, words: &[&str]) -> Result {
        let source = self.list(words[1])?;
        if source.is_empty() {
            return Ok(Reply::Nil);
        }
        let element = if words[3] == "LEFT" { source.remove(0) } else { source.remove(source.len() - 1) };
        let target = self.list(words[2])?;
        let at = if words[4] == "LEFT" { 0 } else { target.len() };
        target.insert(at, element.clone());
        Ok(Reply::Bulk(element))
    }

    fn step_set(&mut self, words: &[&str]) -> Result {
        let name = words[1];
        Ok(match words[0] {
            "SADD" => {
                let set = self.set(name)?;
                Reply::count(words[2..].iter().filter(|member| set.insert(member.as_bytes().into())).count())
            }
            "SREM" => {
                let set = self.set(name)?;
                Reply::count(words[2..].iter().filter(|member| set.remove(member.as_bytes())).count())
            }
            "SMOVE" if self.key(name).is_none() => Reply::Int(0),
            "SMOVE" => {
                self.set(words[2])?;
                if !self.set(name)?.remove(words[3].as_bytes()) {
                    return Ok(Reply::Int(0));
                }
                self.set(words[2])?.insert(words[3].into());
                Reply::Int(1)
            }
            _ => {
                let mut sets = Vec::new();
                for source in &words[2..] {
                    sets.push(self.set(source)?.clone());
                }
                let first = sets.remove(0);
                let result: BTreeSet<Bytes> = match words[0] {
                    "SUNIONSTORE" => sets.into_iter().fold(first, |a, b| a.union(&b).cloned().collect()),
                    "SINTERSTORE" => {
                        sets.into_iter().fold(first, |a, b| a.intersection(&b).cloned().collect())
                    }
                    _ => sets.into_iter().fold(first, |a, b| a.difference(&b).cloned().collect()),
                };
                let len = result.len();
                return self.store(name, Value::Set(result), len);
            }
        })
    }

    /// A sorted set, or a set of which each member has the score 1.
    fn scores(&mut self, name: &str) -> Result<BTreeMap<Bytes, i64>> {
        match self.key(name).map(|key| &key.value) {
            None => Ok(BTreeMap::new()),
            Some(Value::Sorted(members)) => Ok(members.clone()),
            Some(Value::Set(members)) => Ok(members.iter().map(|member| (member.clone(), 1)).collect()),
            Some(_) => Err(wrong_type()),
        }
    }

    fn step_sorted(&mut self, words: &[&str]) -> Result {
        match words[0] {
            "ZUNIONSTORE" | "ZINTERSTORE" => {
                let (mut a, b) = (self.scores(words[3])?, self.scores(words[4])?);
                if words[0] == "ZINTERSTORE" {
                    a.retain(|member, _| b.contains_key(member));
                }
                for (member, score) in b {
                    match a.entry(member) {
                        std::collections::btree_map::Entry::Occupied(mut found) => *found.get_mut() += score,
                        std::collections::btree_map::Entry::Vacant(place) if words[0] == "ZUNIONSTORE" => {
                            place.insert(score);
                        }
                        std::collections::btree_map::Entry::Vacant(_) => {}
                    }
                }
                let len = a.len();
                return self.store(words[1], Value::Sorted(a), len);
            }
            "ZRANGESTORE" => {
                let order = in_order(self.sorted(words[2])?);
                let taken = order[between(words[3], words[4], order.len())].to_vec();
                let len = taken.len();
                let members = taken.into_iter().map(|(score, member)| (member, score)).collect();
                return self.store(words[1], Value::Sorted(members), len);
            }
            _ => {}
        }
        let sorted = self.sorted(words[1])?;
        Ok(match words[0] {
            "ZADD" => {
                let before = sorted.len();
                for pair in words[2..].chunks(2) {
                    sorted.insert(pair[1].into(), number(pair[0]));
                }
                Reply::count(sorted.len() - before)
            }
            "ZINCRBY" => {
                let score = sorted.entry(words[3].into()).or_default();
                *score += number::<i64>(words[2]);
                Reply::bulk(score.to_string())
            }
            "ZREM" => Reply::count(
                words[2..].iter().filter(|member| sorted.remove(member.as_bytes()).is_some()).count(),
            ),
            "ZREMRANGEBYRANK" => {
                let order = in_order(sorted);
                let gone = &order[between(words[2], words[3], order.len())];
                for (_, member) in gone {
                    sorted.remove(member);
                }
                Reply::count(gone.len())
            }
            "ZPOPMIN" => {
                let order = in_order(sorted);
                let popped = &order[..number::<usize>(words[2]).min(order.len())];
                let mut told = Vec::new();
                for (score, member) in popped {
                    sorted.remove(member);
                    told.extend([Reply::bulk(member), Reply::bulk(score.to_string())]);
                }
                Reply::Array(told)
            }
            other => panic!("{other}"),
        })
    }

    fn step_function(&mut self, words: &[&str]) -> Result {
        let libraries = &mut self.state.libraries;
        match words[1] {
            "FLUSH" => libraries.clear(),
            "DELETE" => drop(libraries.remove(words[2]).ok_or(Reply::error("ERR"))?),
            "LOAD" => {
                let (name, version) = read_library(words[words.len() - 1]);
                if words[2] != "REPLACE" && libraries.contains_key(&name) {
                    return Err(Reply::error("ERR"));
                }
                libraries.insert(name.clone(), version);
                return Ok(Reply::bulk(name));
            }
            other => panic!("{other}"),
        }
        Ok(Reply::ok())
    }

    fn step_key(&mut self, words: &[&str]) -> Result {
        let name = words.get(1).copied().unwrap_or_default();
        Ok(match words[0] {
            "DEL" => {
                Reply::count(words[1..].iter().filter(|name| self.keys().remove(**name).is_some()).count())
            }
            "PEXPIRE" => {
                let due = self.now_ms + number::<u64>(words[2]);
                Reply::Int(self.key(name).map(|key| key.due = Some(due)).is_some().into())
            }
            "PERSIST" => Reply::Int(self.key(name).and_then(|key| key.due.take()).is_some().into()),
            "RENAME" | "RENAMENX" => {
                let Some(key) = self.keys().get(name).cloned() else { return Err(Reply::error("ERR")) };
                if words[0] == "RENAMENX" && self.keys().contains_key(words[2]) {
                    return Ok(Reply::Int(0));
                }
                self.keys().remove(name);
                self.keys().insert(words[2].into(), key);
                if words[0] == "RENAME" { Reply::ok() } else { Reply::Int(1) }
            }
            // COPY source destination DB database [REPLACE]
            "COPY" => {
                let to: usize = number(words[4]);
                if (self.at, name) == (to, words[2]) {
                    return Err(Reply::error("ERR"));
                }
                let Some(key) = self.keys().get(name).cloned() else { return Ok(Reply::Int(0)) };
                if self.state.databases[to].contains_key(words[2]) && words.len() == 5 {
                    return Ok(Reply::Int(0));
                }
                self.state.databases[to].insert(words[2].into(), key);
                Reply::Int(1)
            }
            "MOVE" => {
                let to: usize = number(words[2]);
                if to == self.at {
                    return Err(Reply::error("ERR"));
                }
                if self.state.databases[to].contains_key(name) {
                    return Ok(Reply::Int(0));
                }
                let Some(key) = self.keys().remove(name) else { return Ok(Reply::Int(0)) };
                self.state.databases[to].insert(name.into(), key);
                Reply::Int(1)
            }
            "FLUSHDB" => {
                self.keys().clear();
                Reply::ok()
            }
            "FLUSHALL" => {
                self.state.databases = Default::default();
                Reply::ok()
            }
            "SWAPDB" => {
                self.state.databases.swap(number(name), number(words[2]));
                Reply::ok()
            }
            "SELECT" => {
                self.at = number(name);
                Reply::ok()
            }
            // SORT source ALPHA STORE destination
            "SORT" => {
                let mut sorted: Vec<Bytes> = match self.key(name).map(|key| &key.value) {
                    None => Vec::new(),
                    Some(Value::List(elements)) => elements.clone(),
                    Some(Value::Set(members)) => members.iter().cloned().collect(),
                    Some(Value::Sorted(members)) => members.keys().cloned().collect(),
                    Some(_) => return Err(wrong_type()),
                };
                sorted.sort_unstable();
                let len = sorted.len();
                return self.store(words[4], Value::List(sorted), len);
            }
            other => panic!("{other}"),
        })
    }
}
