//! Item collections, as replies tell of them: the items that share a partition key, where a table has local indexes. How
//! many bytes they take is not counted for each, so that the estimate is the smallest that there is.

use std::collections::BTreeMap;

use serde_json::json;

use super::write::{Aimed, Change};
use crate::dynamo::attribute::Attributes;
use crate::dynamo::attribute::json::put_list;
use crate::dynamo::reply::Object;

/// The collections that were written to, if they are wanted: their keys, by table.
pub struct Metrics {
    is_wanted: bool,
    collections: BTreeMap<String, Vec<Attributes>>,
}

impl Metrics {
    /// None yet.
    pub fn new(is_wanted: bool) -> Self {
        Self { is_wanted, collections: BTreeMap::new() }
    }

    /// Adds that of an item.
    pub fn add(&mut self, aimed: &Aimed) {
        if !self.is_wanted || !aimed.table.indexes.iter().any(|index| index.is_local) {
            return;
        }
        let (Change::Put(item)
        | Change::Insert(item)
        | Change::Update(item, _)
        | Change::Delete(item)
        | Change::Check(item)) = aimed.change();
        let parts = aimed.table.keys.hash.iter();
        let key = parts.filter_map(|part| Some((part.name.clone(), item.get(&part.name)?.clone()))).collect();
        let keys = self.collections.entry(aimed.table.name.clone()).or_default();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }

    /// Tells the one that there is, of a write of one item.
    pub fn tell_one(&self, told: &mut Object) {
        if let Some(key) = self.collections.values().flatten().next() {
            put(told.member("ItemCollectionMetrics"), key);
        }
    }

    /// Tells all, by table.
    pub fn tell_by_table(&self, told: &mut Object) {
        if !self.is_wanted {
            return;
        }
        let mut tables = Object::new();
        for (table, keys) in &self.collections {
            put_list(tables.member(table), keys, put);
        }
        told.raw("ItemCollectionMetrics", &tables.end());
    }
}

fn put(out: &mut Vec<u8>, key: &Attributes) {
    let mut told = Object::new();
    told.attributes("ItemCollectionKey", key);
    told.json("SizeEstimateRangeGB", &json!([0.0, 1.0]));
    out.extend_from_slice(&told.end());
}
