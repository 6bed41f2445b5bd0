//! A few keys and the commands on them, done one at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::checker::Object;
use crate::client::Value;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Held {
    String(String),
    Hash(BTreeMap<String, String>),
    List(VecDeque<String>),
    Sorted(BTreeMap<String, i64>),
    Set(BTreeSet<String>),
    Stream(Stream),
}

/// A stream with one group of one consumer. Ids are told by their first number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Stream {
    /// It stays when it is empty.
    is_there: bool,
    entries: BTreeSet<u64>,
    last: u64,
    group: Option<Group>,
}

/// How far it has come, and what was not acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Group {
    last: u64,
    pending: BTreeSet<u64>,
}

/// Keys that are looked at together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Keys(BTreeMap<String, Held>);

pub(crate) type Words = Vec<String>;

/// What is done at once.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    One(Words),
    /// By MULTI and EXEC.
    Transaction(Vec<Words>),
    Script(Vec<Words>),
    /// WATCH of a key, GET, which told this value, and a transaction.
    Swap {
        watched: String,
        seen: Value,
        then: Vec<Words>,
    },
}

impl Deed {
    /// Whether it may change anything.
    pub(crate) fn writes(&self) -> bool {
        let writes = |words: &Words| {
            !matches!(
                words[0].as_str(),
                "GET"
                    | "MGET"
                    | "HMGET"
                    | "HLEN"
                    | "LRANGE"
                    | "LLEN"
                    | "LINDEX"
                    | "ZRANK"
                    | "ZRANGE"
                    | "ZCARD"
                    | "SMISMEMBER"
                    | "SCARD"
                    | "XRANGE"
                    | "XLEN"
                    | "XPENDING"
            )
        };
        match self {
            Self::One(words) => writes(words),
            Self::Transaction(all) | Self::Script(all) | Self::Swap { then: all, .. } => {
                all.iter().any(writes)
            }
        }
    }
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

fn maybe(text: Option<&String>) -> Value {
    text.map_or(Value::Nil, |text| bulk(text))
}

fn count(n: usize) -> Value {
    Value::Int(n as i64)
}

fn ok() -> Value {
    Value::Simple("OK".into())
}

fn array(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Many(b'*', values.into_iter().collect())
}

/// Has one method for each type, which makes the key if there is none.
macro_rules! types {
    ($($method:ident, $kind:ident, $type:ty;)*) => {$(
        fn $method(&mut self, name: &str) -> &mut $type {
            match self.0.entry(name.to_owned()).or_insert_with(|| Held::$kind(Default::default())) {
                Held::$kind(held) => held,
                other => panic!("{name} holds {other:?}"),
            }
        }
    )*};
}

impl Object for Keys {
    type Command = Deed;
    type Reply = Value;

    fn run(&mut self, deed: &Deed) -> Value {
        match deed {
            Deed::One(words) => self.command(words),
            Deed::Transaction(all) | Deed::Script(all) => {
                array(all.iter().map(|words| self.command(words)).collect::<Vec<_>>())
            }
            Deed::Swap { watched, seen, then } => {
                if self.command(&["GET".to_owned(), watched.clone()]) != *seen {
                    return Value::Nil;
                }
                array(then.iter().map(|words| self.command(words)).collect::<Vec<_>>())
            }
        }
    }
}

impl Keys {
    types! {
        hash, Hash, BTreeMap<String, String>;
        list, List, VecDeque<String>;
        sorted, Sorted, BTreeMap<String, i64>;
        set, Set, BTreeSet<String>;
        stream, Stream, Stream;
    }

    fn get(&self, name: &str) -> Option<&String> {
        match self.0.get(name) {
            Some(Held::String(value)) => Some(value),
            _ => None,
        }
    }

    fn put(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), Held::String(value.to_owned()));
    }

    fn command(&mut self, words: &[String]) -> Value {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let reply = match words[0] {
            "SADD" | "SREM" | "SMISMEMBER" | "SCARD" => self.set_command(&words),
            name => match name.as_bytes()[0] {
                b'H' => self.hash_command(&words),
                b'L' | b'R' | b'B' => self.list_command(&words),
                b'Z' => self.sorted_command(&words),
                b'X' => self.stream_command(&words),
                _ => self.string_command(&words),
            },
        };
        self.0.retain(|_, held| match held {
            Held::String(_) => true,
            Held::Hash(all) => !all.is_empty(),
            Held::List(all) => !all.is_empty(),
            Held::Sorted(all) => !all.is_empty(),
            Held::Set(all) => !all.is_empty(),
            Held::Stream(stream) => stream.is_there,
        });
        reply
    }

    fn string_command(&mut self, words: &[&str]) -> Value {
        match words {
            ["SET", name, value] => {
                self.put(name, value);
                ok()
            }
            ["SETNX", name, value] => {
                let absent = !self.0.contains_key(*name);
                if absent {
                    self.put(name, value);
                }
                Value::Int(absent.into())
            }
            ["GET", name] => maybe(self.get(name)),
            ["GETSET", name, value] => {
                let was = maybe(self.get(name));
                self.put(name, value);
                was
            }
            ["GETDEL", name] => {
                let was = maybe(self.get(name));
                self.0.remove(*name);
                was
            }
            ["INCR", name] => {
                let n = self.get(name).map_or(0, |value| value.parse::<i64>().unwrap()) + 1;
                self.put(name, &n.to_string());
                Value::Int(n)
            }
            ["DEL", names @ ..] => count(names.iter().filter(|name| self.0.remove(**name).is_some()).count()),
            ["MSET", pairs @ ..] => {
                pairs.chunks(2).for_each(|pair| self.put(pair[0], pair[1]));
                ok()
            }
            ["MGET", names @ ..] => array(names.iter().map(|name| maybe(self.get(name)))),
            other => panic!("{other:?}"),
        }
    }

    fn hash_command(&mut self, words: &[&str]) -> Value {
        let hash = self.hash(words[1]);
        match words {
            ["HSET", _, pairs @ ..] => {
                let before = hash.len();
                hash.extend(pairs.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())));
                count(hash.len() - before)
            }
            ["HMGET", _, fields @ ..] => array(fields.iter().map(|field| maybe(hash.get(*field)))),
            ["HINCRBY", _, field, by] => {
                let was = hash.get(*field).map_or(0, |value| value.parse::<i64>().unwrap());
                let n = was + by.parse::<i64>().unwrap();
                hash.insert((*field).to_owned(), n.to_string());
                Value::Int(n)
            }
            ["HDEL", _, field] => Value::Int(hash.remove(*field).is_some().into()),
            ["HLEN", _] => count(hash.len()),
            other => panic!("{other:?}"),
        }
    }

    fn list_command(&mut self, words: &[&str]) -> Value {
        // Who has waited in vain has seen an empty list.
        if let ["LMOVE" | "BLMOVE", from, to, "LEFT", "RIGHT", ..] = words {
            let Some(element) = self.list(from).pop_front() else { return Value::Nil };
            self.list(to).push_back(element.clone());
            return bulk(&element);
        }
        let list = self.list(words[1]);
        match words {
            ["LPUSH", _, element] => {
                list.push_front((*element).to_owned());
                count(list.len())
            }
            ["RPUSH", _, elements @ ..] => {
                list.extend(elements.iter().map(|element| (*element).to_owned()));
                count(list.len())
            }
            ["LPOP", _] => maybe(list.pop_front().as_ref()),
            ["RPOP", _] => maybe(list.pop_back().as_ref()),
            ["BLPOP", name, _] => {
                list.pop_front().map_or(Value::Nil, |element| array([bulk(name), bulk(&element)]))
            }
            ["LLEN", _] => count(list.len()),
            ["LINDEX", _, at] => maybe(list.get(at.parse::<usize>().unwrap())),
            ["LRANGE", _, "0", "-1"] => array(list.iter().map(|element| bulk(element))),
            ["LTRIM", _, "-8", "-1"] => {
                list.drain(..list.len().saturating_sub(8));
                ok()
            }
            other => panic!("{other:?}"),
        }
    }

    fn sorted_command(&mut self, words: &[&str]) -> Value {
        let sorted = self.sorted(words[1]);
        let mut order: Vec<(i64, String)> =
            sorted.iter().map(|(member, score)| (*score, member.clone())).collect();
        order.sort_unstable();
        let with_scores = |pairs: &[(i64, String)]| {
            array(pairs.iter().flat_map(|(score, member)| [bulk(member), bulk(&score.to_string())]))
        };
        match words {
            ["ZADD", _, score, member] => {
                let new = sorted.insert((*member).to_owned(), score.parse().unwrap()).is_none();
                Value::Int(new.into())
            }
            ["ZINCRBY", _, by, member] => {
                let score = sorted.entry((*member).to_owned()).or_default();
                *score += by.parse::<i64>().unwrap();
                bulk(&score.to_string())
            }
            ["ZREM", _, member] => Value::Int(sorted.remove(*member).is_some().into()),
            ["ZPOPMIN", _] => {
                let first = &order[..order.len().min(1)];
                for (_, member) in first {
                    sorted.remove(member);
                }
                with_scores(first)
            }
            ["ZRANK", _, member] => order.iter().position(|(_, one)| one == member).map_or(Value::Nil, count),
            ["ZCARD", _] => count(order.len()),
            ["ZRANGE", _, "0", "-1", "WITHSCORES"] => with_scores(&order),
            other => panic!("{other:?}"),
        }
    }

    fn set_command(&mut self, words: &[&str]) -> Value {
        let set = self.set(words[1]);
        match words {
            ["SADD", _, members @ ..] => {
                count(members.iter().filter(|member| set.insert((**member).to_owned())).count())
            }
            ["SREM", _, members @ ..] => count(members.iter().filter(|member| set.remove(**member)).count()),
            ["SMISMEMBER", _, members @ ..] => {
                array(members.iter().map(|member| Value::Int(set.contains(*member).into())))
            }
            ["SCARD", _] => count(set.len()),
            other => panic!("{other:?}"),
        }
    }

    fn stream_command(&mut self, words: &[&str]) -> Value {
        let error = |word: &str| Value::Error(word.to_owned());
        let tell = |id: &u64| array([bulk(&format!("{id}-0")), array([bulk("f"), bulk("1")])]);
        let (name, stream) = match words {
            ["XREADGROUP", .., name, ">"] | ["XGROUP", _, name, ..] => (*name, self.stream(name)),
            _ => (words[1], self.stream(words[1])),
        };
        match words {
            ["XADD", .., id, "f", "1"] => {
                let id: u64 = id.parse().unwrap();
                if id <= stream.last {
                    return error("ERR");
                }
                stream.entries.insert(id);
                (stream.is_there, stream.last) = (true, id);
                while words[2] == "MAXLEN" && stream.entries.len() > 8 {
                    stream.entries.pop_first();
                }
                bulk(&format!("{id}-0"))
            }
            ["XRANGE", _, "-", "+"] => array(stream.entries.iter().map(tell)),
            ["XLEN", _] => count(stream.entries.len()),
            ["XTRIM", _, "MAXLEN", "=", "8"] => {
                let gone = stream.entries.len().saturating_sub(8);
                (0..gone).for_each(|_| assert!(stream.entries.pop_first().is_some()));
                count(gone)
            }
            ["XGROUP", "CREATE", ..] if stream.group.is_some() => error("BUSYGROUP"),
            ["XGROUP", "CREATE", _, _, "0", "MKSTREAM"] => {
                (stream.is_there, stream.group) = (true, Some(Group::default()));
                ok()
            }
            ["XGROUP", "DESTROY", ..] if !stream.is_there => error("ERR"),
            ["XGROUP", "DESTROY", ..] => Value::Int(stream.group.take().is_some().into()),
            _ => {
                let Some(group) = &mut stream.group else { return error("NOGROUP") };
                match words {
                    ["XREADGROUP", ..] => {
                        let new: Vec<u64> = stream.entries.range(group.last + 1..).take(2).copied().collect();
                        let Some(last) = new.last() else { return Value::Nil };
                        group.last = *last;
                        group.pending.extend(&new);
                        array([array([bulk(name), array(new.iter().map(tell))])])
                    }
                    ["XPENDING", ..] => match (group.pending.first(), group.pending.last()) {
                        (Some(first), Some(last)) => array([
                            count(group.pending.len()),
                            bulk(&format!("{first}-0")),
                            bulk(&format!("{last}-0")),
                            array([array([bulk("c"), bulk(&group.pending.len().to_string())])]),
                        ]),
                        _ => array([Value::Int(0), Value::Nil, Value::Nil, Value::Nil]),
                    },
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}
