//! What is in the databases.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::streams::Stream;

/// How many databases there are.
pub(super) const DATABASES: usize = 3;

pub(super) type Bytes = Vec<u8>;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    String(Bytes),
    /// Fields, each with its value and its deadline.
    Hash(BTreeMap<Bytes, (Bytes, Option<u64>)>),
    List(Vec<Bytes>),
    Set(BTreeSet<Bytes>),
    Sorted(BTreeMap<Bytes, i64>),
    Stream(Stream),
}

impl Value {
    /// Whether a key that holds it is no key.
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::String(_) | Self::Stream(_) => false,
            Self::Hash(fields) => fields.is_empty(),
            Self::List(elements) => elements.is_empty(),
            Self::Set(members) => members.is_empty(),
            Self::Sorted(members) => members.is_empty(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) value: Value,
    /// Unix milliseconds.
    pub(super) due: Option<u64>,
}

impl Key {
    /// With what is long cut short.
    fn show(&self) -> String {
        let short =
            |bytes: &Bytes| format!("{}({})", bytes[..bytes.len().min(8)].escape_ascii(), bytes.len());
        let all: Vec<String> = match &self.value {
            Value::String(bytes) => vec![short(bytes)],
            Value::Hash(fields) => {
                fields.iter().map(|(f, (v, due))| format!("{}={} {due:?}", short(f), short(v))).collect()
            }
            Value::List(elements) => elements.iter().map(short).collect(),
            Value::Set(members) => members.iter().map(short).collect(),
            Value::Sorted(members) => {
                members.iter().map(|(m, score)| format!("{}={score}", short(m))).collect()
            }
            Value::Stream(stream) => return format!("{} until {:?}", stream.show(), self.due),
        };
        format!("{:?} until {:?}", all, self.due)
    }
}

pub(super) type Database = BTreeMap<String, Arc<Key>>;

/// All keys. A clone shares what does not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) databases: [Database; DATABASES],
    /// The libraries of functions, and which version of each.
    pub(super) libraries: BTreeMap<String, u64>,
}

impl State {
    /// Takes away what is due.
    pub(super) fn pass(&mut self, now_ms: u64) {
        let due = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now_ms);
        for database in &mut self.databases {
            for key in database.values_mut() {
                if matches!(&key.value, Value::Hash(fields) if fields.values().any(|(_, at)| due(*at)))
                    && let Value::Hash(fields) = &mut Arc::make_mut(key).value
                {
                    fields.retain(|_, (_, at)| !due(*at));
                }
            }
            database.retain(|_, key| !due(key.due) && !key.value.is_nothing());
        }
    }

    /// What it is later.
    pub(super) fn at(&self, now_ms: u64) -> Self {
        let mut state = self.clone();
        state.pass(now_ms);
        state
    }

    /// The keys in which two states differ.
    pub(super) fn difference(&self, expected: &Self) -> String {
        let mut text = String::new();
        if self.libraries != expected.libraries {
            let _ = write!(text, "\n  found {:?}\n  expected {:?}", self.libraries, expected.libraries);
        }
        for (number, (found, expected)) in self.databases.iter().zip(&expected.databases).enumerate() {
            let show = |database: &Database, name: &String| {
                database.get(name).map_or("nothing".to_owned(), |key| key.show())
            };
            let names: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
            for name in names.into_iter().filter(|name| found.get(*name) != expected.get(*name)) {
                let _ = write!(text, "\n  {number}/{name}: found {}", show(found, name));
                let _ = write!(text, "\n     expected {}", show(expected, name));
            }
        }
        text
    }
}
