//! Consumed capacity, as replies tell it: reads in units of 4 KB, half as much unless consistent, twice as much in a
//! transaction; writes in units of 1 KB (Developer Guide, "DynamoDB read and write operations").

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::error::Result;
use super::item::Written;
use super::request::Request;
use super::schema::{Index, Schema};

/// How much a request wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    #[default]
    None,
    /// The sum of each table.
    Total,
    /// Tables and indexes.
    Indexes,
}

impl Detail {
    /// Takes `ReturnConsumedCapacity`.
    pub fn of(request: &mut Request) -> Result<Self> {
        Ok(match request.text("ReturnConsumedCapacity")?.as_deref() {
            Some("TOTAL") => Self::Total,
            Some("INDEXES") => Self::Indexes,
            _ => Self::None,
        })
    }
}

/// What was consumed of a table.
#[derive(Clone, Debug, Default)]
struct Units {
    table: f64,
    local: BTreeMap<String, f64>,
    global: BTreeMap<String, f64>,
}

impl Units {
    fn sum(&self) -> f64 {
        self.table + self.local.values().sum::<f64>() + self.global.values().sum::<f64>()
    }

    fn index(&mut self, index: &Index) -> &mut f64 {
        let indexes = if index.is_local { &mut self.local } else { &mut self.global };
        indexes.entry(index.name.clone()).or_default()
    }
}

/// What was consumed by a request so far.
#[derive(Clone, Debug, Default)]
pub struct Consumed {
    detail: Detail,
    /// The name of the member that the sum is told by once more: a transaction tells reads from writes.
    also_as: Option<&'static str>,
    tables: BTreeMap<String, Units>,
}

impl Consumed {
    /// Nothing yet.
    pub fn new(detail: Detail) -> Self {
        Self { detail, ..Self::default() }
    }

    /// Nothing yet, in a transaction.
    pub fn in_transaction(detail: Detail, also_as: &'static str) -> Self {
        Self { detail, also_as: Some(also_as), tables: BTreeMap::new() }
    }

    /// Adds a write.
    pub fn write(&mut self, table: &Schema, written: &Written) {
        if self.detail == Detail::None {
            return;
        }
        let times = if self.also_as.is_some() { 2.0 } else { 1.0 };
        let units = self.tables.entry(table.name.clone()).or_default();
        units.table += times * written.table as f64;
        for &(place, more) in &written.indexes {
            if let Some(index) = table.indexes.get(place) {
                *units.index(index) += times * more as f64;
            }
        }
    }

    /// Adds a read of so many bytes, of the table or of an index.
    pub fn read(&mut self, table: &Schema, index: Option<&Index>, bytes: usize, is_consistent: bool) {
        if self.detail == Detail::None {
            return;
        }
        let times = match (self.also_as.is_some(), is_consistent) {
            (true, _) => 2.0,
            (false, true) => 1.0,
            (false, false) => 0.5,
        };
        let units = self.tables.entry(table.name.clone()).or_default();
        let more = times * (bytes as u64).div_ceil(4096).max(1) as f64;
        match index {
            Some(index) => *units.index(index) += more,
            None => units.table += more,
        }
    }

    /// As one table's `ConsumedCapacity`, if it is wanted.
    pub fn one(&self) -> Option<Json> {
        self.told().into_iter().next()
    }

    /// As a list of them, if it is wanted.
    pub fn list(&self) -> Option<Json> {
        (self.detail != Detail::None).then(|| self.told().into())
    }

    fn told(&self) -> Vec<Json> {
        self.tables.iter().map(|(name, units)| self.tell(name, units)).collect()
    }

    fn tell(&self, name: &str, units: &Units) -> Json {
        let told = |units: f64| {
            let mut told = Map::new();
            told.insert("CapacityUnits".to_owned(), units.into());
            if let Some(also_as) = self.also_as {
                told.insert(also_as.to_owned(), units.into());
            }
            told
        };
        let mut all = told(units.sum());
        all.insert("TableName".to_owned(), name.into());
        if self.detail == Detail::Indexes {
            all.insert("Table".to_owned(), told(units.table).into());
            for (member, indexes) in
                [("LocalSecondaryIndexes", &units.local), ("GlobalSecondaryIndexes", &units.global)]
            {
                if !indexes.is_empty() {
                    let indexes =
                        indexes.iter().map(|(name, units)| (name.clone(), Json::from(told(*units))));
                    all.insert(member.to_owned(), indexes.collect::<Map<_, _>>().into());
                }
            }
        }
        json!(all)
    }
}
