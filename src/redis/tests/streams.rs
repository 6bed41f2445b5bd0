//! What commands on streams and their consumer groups do, told simply: each id is one number, the second being 0.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Bound::{Excluded, Unbounded};

use super::model::{Model, Result, number, wrong_type};
use super::reply::Reply;
use super::state::{Bytes, Value};

/// A delivery that was not acknowledged.
#[derive(Clone, Debug, PartialEq)]
struct Delivery {
    consumer: String,
    at_ms: u64,
    count: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Group {
    /// The last id that was delivered.
    last: u64,
    consumers: BTreeSet<String>,
    pending: BTreeMap<u64, Delivery>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stream {
    entries: BTreeMap<u64, Bytes>,
    /// The last id that there ever was.
    last: u64,
    groups: BTreeMap<String, Group>,
}

fn no_group() -> Reply {
    Reply::error("NOGROUP")
}

fn id(word: &str) -> u64 {
    number(word.split_once('-').map_or(word, |(ms, _)| ms))
}

fn tell_id(id: u64) -> Reply {
    Reply::bulk(format!("{id}-0"))
}

fn tell_ids(ids: impl IntoIterator<Item = u64>) -> Reply {
    Reply::Array(ids.into_iter().map(tell_id).collect())
}

fn tell(id: u64, value: &Bytes) -> Reply {
    Reply::Array(vec![tell_id(id), Reply::bulks([b"f", &value[..]])])
}

/// The word after an option.
fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().position(|word| *word == name).map(|at| words[at + 1])
}

/// How many are asked for.
fn count(words: &[&str]) -> usize {
    option(words, "COUNT").map_or(usize::MAX, number)
}

impl Group {
    fn deliver(&mut self, id: u64, consumer: &str, at_ms: u64, count: u64) {
        self.pending.insert(id, Delivery { consumer: consumer.to_owned(), at_ms, count });
    }

    /// `[IDLE ms] - + count [consumer]`
    fn tell_pending(&self, words: &[&str], now_ms: u64) -> Reply {
        let idle = option(words, "IDLE").map_or(0, number);
        let [from, to, most, rest @ ..] = &words[if idle > 0 { 2 } else { 0 }..] else { panic!("{words:?}") };
        assert_eq!((*from, *to), ("-", "+"));
        let asked = |delivery: &Delivery| {
            rest.first().is_none_or(|name| delivery.consumer == *name) && now_ms - delivery.at_ms >= idle
        };
        let found = self.pending.iter().filter(|(_, delivery)| asked(delivery)).take(number(most));
        let told = found.map(|(id, Delivery { consumer, at_ms, count })| {
            let idle_ms = (now_ms - at_ms) as i64;
            Reply::Array(vec![
                tell_id(*id),
                Reply::bulk(consumer),
                Reply::Int(idle_ms),
                Reply::Int(*count as i64),
            ])
        });
        Reply::Array(told.collect())
    }

    fn tell_summary(&self) -> Reply {
        let mut held: BTreeMap<&str, usize> = BTreeMap::new();
        for delivery in self.pending.values() {
            *held.entry(&delivery.consumer).or_default() += 1;
        }
        let edge = |edge: Option<(&u64, _)>| edge.map_or(Reply::Nil, |(id, _)| tell_id(*id));
        let each = held.iter().map(|(name, count)| Reply::bulks([(*name).to_owned(), count.to_string()]));
        let each: Vec<Reply> = each.collect();
        Reply::Array(vec![
            Reply::count(self.pending.len()),
            edge(self.pending.first_key_value()),
            edge(self.pending.last_key_value()),
            if each.is_empty() { Reply::Nil } else { Reply::Array(each) },
        ])
    }
}

impl Stream {
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    fn after(&self, id: u64, most: usize) -> Vec<u64> {
        self.entries.range((Excluded(id), Unbounded)).map(|(id, _)| *id).take(most).collect()
    }

    fn tell_all(&self, ids: &[u64]) -> Reply {
        // What is pending may be gone.
        let entry = |id: &u64| match self.entries.get(id) {
            Some(value) => tell(*id, value),
            None => Reply::Array(vec![tell_id(*id), Reply::Nil]),
        };
        Reply::Array(ids.iter().map(entry).collect())
    }

    fn trim(&mut self, keep: usize) -> usize {
        let gone = self.entries.len().saturating_sub(keep);
        (0..gone).for_each(|_| drop(self.entries.pop_first()));
        gone
    }

    fn group(&mut self, name: &str) -> Result<&mut Group> {
        self.groups.get_mut(name).ok_or_else(no_group)
    }

    /// XREADGROUP of one stream; `None` if there is nothing new.
    fn read_group(&mut self, words: &[&str], asked: &str, now_ms: u64) -> Option<Reply> {
        let (name, consumer, most) = (words[2], words[3], count(words));
        let mut group = self.groups.remove(name).unwrap();
        group.consumers.insert(consumer.to_owned());
        let ids = if asked == ">" {
            let ids = self.after(group.last, most);
            for &id in &ids {
                group.last = id;
                if !words.contains(&"NOACK") {
                    group.deliver(id, consumer, now_ms, 1);
                }
            }
            ids
        } else {
            let held = group.pending.range((Excluded(id(asked)), Unbounded));
            let held = held.filter(|(_, delivery)| delivery.consumer == consumer);
            let ids: Vec<u64> = held.map(|(id, _)| *id).take(most).collect();
            for id in ids.iter().filter(|id| self.entries.contains_key(id)) {
                let count = group.pending[id].count + 1;
                group.deliver(*id, consumer, now_ms, count);
            }
            ids
        };
        self.groups.insert(name.to_owned(), group);
        (asked != ">" || !ids.is_empty()).then(|| self.tell_all(&ids))
    }

    /// Takes over what has been idle for long enough; `None` if it has not. What is gone is settled.
    fn claim(&mut self, words: &[&str], id: u64, now_ms: u64) -> Option<u64> {
        let group = self.groups.get_mut(words[2]).unwrap();
        if !self.entries.contains_key(&id) {
            group.pending.remove(&id);
            return None;
        }
        let before = group.pending.get(&id);
        let is_idle = |delivery: &Delivery| now_ms - delivery.at_ms >= number::<u64>(words[4]);
        if before.map_or(!words.contains(&"FORCE"), |delivery| !is_idle(delivery)) {
            return None;
        }
        let seen = before.map_or(1, |delivery| delivery.count);
        let again = if words.contains(&"JUSTID") { seen } else { seen + 1 };
        let at_ms = now_ms - option(words, "IDLE").map_or(0, number::<u64>);
        group.deliver(id, words[3], at_ms, option(words, "RETRYCOUNT").map_or(again, number));
        Some(id)
    }

    fn tell_claimed(&self, words: &[&str], ids: &[u64]) -> Reply {
        if words.contains(&"JUSTID") { tell_ids(ids.iter().copied()) } else { self.tell_all(ids) }
    }

    /// `XAUTOCLAIM key group consumer min-idle start COUNT count [JUSTID]`
    fn claim_any(&mut self, words: &[&str], now_ms: u64) -> Result {
        let all: Vec<u64> = self.group(words[2])?.pending.range(id(words[5])..).map(|(id, _)| *id).collect();
        let (most, mut claimed, mut gone, mut seen) = (count(words), Vec::new(), Vec::new(), 0);
        while seen < all.len() && seen < most * 10 && claimed.len() + gone.len() < most {
            let id = all[seen];
            if !self.entries.contains_key(&id) {
                gone.push(id);
            }
            claimed.extend(self.claim(words, id, now_ms));
            seen += 1;
        }
        let next = all.get(seen).copied().unwrap_or(0);
        Ok(Reply::Array(vec![tell_id(next), self.tell_claimed(words, &claimed), tell_ids(gone)]))
    }

    /// Commands of which the third word is a group's name.
    fn step_group(&mut self, words: &[&str], now_ms: u64) -> Result {
        let group = match (words[0], self.groups.get_mut(words[2])) {
            (_, Some(group)) => group,
            ("XACK", None) => return Ok(Reply::Int(0)),
            (_, None) => return Err(no_group()),
        };
        match words[0] {
            "XACK" => {
                let gone = words[3..].iter().filter(|word| group.pending.remove(&id(word)).is_some());
                return Ok(Reply::count(gone.count()));
            }
            "XPENDING" if words.len() == 3 => return Ok(group.tell_summary()),
            "XPENDING" => return Ok(group.tell_pending(&words[3..], now_ms)),
            _ => group.consumers.insert(words[3].to_owned()),
        };
        match words[0] {
            "XAUTOCLAIM" => self.claim_any(words, now_ms),
            // XCLAIM key group consumer min-idle id … [option …]
            "XCLAIM" => {
                let ids = words[5..].iter().take_while(|word| word.ends_with("-0"));
                let claimed: Vec<u64> = ids.filter_map(|word| self.claim(words, id(word), now_ms)).collect();
                Ok(self.tell_claimed(words, &claimed))
            }
            other => panic!("{other}"),
        }
    }

    /// Reads what XINFO STREAM … FULL tells.
    pub(super) fn read(told: &Reply) -> Self {
        let text = |reply: &Reply| String::from_utf8(reply.bytes()).unwrap();
        let told_id = |reply: &Reply| id(&text(reply));
        let entries = told.named("entries").array();
        let entry = |entry: &Reply| (told_id(&entry.array()[0]), entry.array()[1].array()[1].bytes());
        let entries: BTreeMap<u64, Bytes> = entries.iter().map(entry).collect();
        assert_eq!(told.named("length").int(), entries.len() as i64);
        let mut stream =
            Self { entries, last: told_id(told.named("last-generated-id")), groups: BTreeMap::new() };
        for told in told.named("groups").array() {
            let mut group = Group { last: told_id(told.named("last-delivered-id")), ..Group::default() };
            for pending in told.named("pending").array() {
                let [id, consumer, at_ms, count] = pending.array() else { panic!("{pending:?}") };
                group.deliver(told_id(id), &text(consumer), at_ms.int() as u64, count.int() as u64);
            }
            // What each consumer holds is kept apart.
            for told in told.named("consumers").array() {
                let name = text(told.named("name"));
                let held = told.named("pending").array();
                let held: Vec<u64> = held.iter().map(|pending| told_id(&pending.array()[0])).collect();
                let of_group = group.pending.iter().filter(|(_, delivery)| delivery.consumer == name);
                assert!(of_group.map(|(id, _)| id).eq(&held), "{name} holds {held:?}: {group:?}");
                assert_eq!(told.named("pel-count").int(), held.len() as i64);
                group.consumers.insert(name);
            }
            stream.groups.insert(text(told.named("name")), group);
        }
        stream
    }

    /// With what is long cut short.
    pub(super) fn show(&self) -> String {
        let mut text = String::new();
        for (id, value) in &self.entries {
            let _ = write!(text, "{id}={}({}) ", value[..value.len().min(8)].escape_ascii(), value.len());
        }
        for (name, Group { last, consumers, pending }) in &self.groups {
            let _ = write!(text, "\n      {name} until {last}, {consumers:?}:");
            for (id, Delivery { consumer, at_ms, count }) in pending {
                let _ = write!(text, " {id} {consumer} {at_ms} {count},");
            }
        }
        text + &format!("\n      until {}", self.last)
    }
}

impl Model {
    fn stream(&mut self, name: &str) -> Result<Option<&mut Stream>> {
        match self.key(name).map(|key| &mut key.value) {
            Some(Value::Stream(stream)) => Ok(Some(stream)),
            Some(_) => Err(wrong_type()),
            None => Ok(None),
        }
    }

    /// Makes the key if there is none.
    fn new_stream(&mut self, name: &str) -> Result<&mut Stream> {
        if self.stream(name)?.is_none() {
            self.put(name, Value::Stream(Stream::default()), None);
        }
        Ok(self.stream(name)?.unwrap())
    }

    pub(super) fn step_stream(&mut self, words: &[&str]) -> Result {
        match words[0] {
            "XADD" => return self.add_entry(words),
            "XREAD" | "XREADGROUP" => return self.read_streams(words),
            "XGROUP" => return self.change_groups(words),
            _ => {}
        }
        let now_ms = self.now_ms;
        let Some(stream) = self.stream(words[1])? else {
            let is_needed = matches!(words[0], "XPENDING" | "XCLAIM" | "XAUTOCLAIM");
            return if is_needed { Err(no_group()) } else { Ok(Reply::Int(0)) };
        };
        match words {
            ["XDEL", _, ids @ ..] => {
                Ok(Reply::count(ids.iter().filter(|word| stream.entries.remove(&id(word)).is_some()).count()))
            }
            ["XTRIM", _, "MAXLEN", "=", most] => Ok(Reply::count(stream.trim(number(most)))),
            _ => stream.step_group(words, now_ms),
        }
    }

    /// `XADD key [MAXLEN = most] id f value`
    fn add_entry(&mut self, words: &[&str]) -> Result {
        let [new, _, value] = words[words.len() - 3..] else { panic!("{words:?}") };
        let stream = self.new_stream(words[1])?;
        stream.last = id(new);
        stream.entries.insert(stream.last, value.into());
        if words[2] == "MAXLEN" {
            stream.trim(number(words[4]));
        }
        Ok(Reply::bulk(new))
    }

    /// `XREAD … STREAMS key … id …` and `XREADGROUP GROUP group consumer … STREAMS key … id …`
    fn read_streams(&mut self, words: &[&str]) -> Result {
        let (now_ms, is_group) = (self.now_ms, words[0] == "XREADGROUP");
        let asked = &words[words.iter().position(|word| *word == "STREAMS").unwrap() + 1..];
        let (names, ids) = asked.split_at(asked.len() / 2);
        for name in names {
            match self.stream(name)? {
                None if is_group => return Err(no_group()),
                Some(stream) if is_group => drop(stream.group(words[2])?),
                _ => {}
            }
        }
        let mut told = Vec::new();
        for (name, asked) in names.iter().zip(ids) {
            let Some(stream) = self.stream(name)? else { continue };
            let entries = if is_group {
                stream.read_group(words, asked, now_ms)
            } else {
                let after = if *asked == "$" { stream.last } else { id(asked) };
                let found = stream.after(after, count(words));
                (!found.is_empty()).then(|| stream.tell_all(&found))
            };
            told.extend(entries.map(|entries| Reply::Array(vec![Reply::bulk(name), entries])));
        }
        Ok(if told.is_empty() { Reply::Nil } else { Reply::Array(told) })
    }

    /// `XGROUP subcommand key group …`
    fn change_groups(&mut self, words: &[&str]) -> Result {
        let (name, group) = (words[2], words[3]);
        let stream = if words.contains(&"MKSTREAM") {
            self.new_stream(name)?
        } else {
            self.stream(name)?.ok_or(Reply::error("ERR"))?
        };
        let last = match words.get(4) {
            Some(&"$") => stream.last,
            Some(word) if word.ends_with("-0") => id(word),
            _ => 0,
        };
        Ok(match words[1] {
            "CREATE" if stream.groups.contains_key(group) => return Err(Reply::error("BUSYGROUP")),
            "CREATE" => {
                stream.groups.insert(group.to_owned(), Group { last, ..Group::default() });
                Reply::ok()
            }
            "SETID" => {
                stream.group(group)?.last = last;
                Reply::ok()
            }
            "DESTROY" => Reply::Int(stream.groups.remove(group).is_some().into()),
            "CREATECONSUMER" => Reply::Int(stream.group(group)?.consumers.insert(words[4].to_owned()).into()),
            "DELCONSUMER" => {
                let group = stream.group(group)?;
                group.consumers.remove(words[4]);
                let before = group.pending.len();
                group.pending.retain(|_, delivery| delivery.consumer != words[4]);
                Reply::count(before - group.pending.len())
            }
            other => panic!("{other}"),
        })
    }
}
