//! What a table is: its keys, its indexes, and what else was said of it. As it stands in the catalog, in JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::changes::KEPT_MS;
use super::validate::table::{KeySchema, KeyType, Projection, StreamView, TableDefinition};

/// An attribute that is a key, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPart {
    /// The attribute's name.
    pub name: String,
    /// Its type.
    pub kind: KeyType,
}

/// What items are found and sorted by: one attribute each for a table, up to four for a global index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The partition key.
    pub hash: Vec<KeyPart>,
    /// The sort key; empty if there is none.
    pub range: Vec<KeyPart>,
}

impl Keys {
    /// Those of these attributes.
    pub fn of(hash: &[(&str, KeyType)], range: &[(&str, KeyType)]) -> Self {
        let parts = |names: &[(&str, KeyType)]| {
            names.iter().map(|(name, kind)| KeyPart { name: (*name).to_owned(), kind: *kind }).collect()
        };
        Self { hash: parts(hash), range: parts(range) }
    }

    /// All attributes, the partition key first.
    pub fn parts(&self) -> impl Iterator<Item = &KeyPart> {
        self.hash.iter().chain(&self.range)
    }

    /// The part that an attribute is.
    pub fn part(&self, name: &str) -> Option<&KeyPart> {
        self.parts().find(|part| part.name == name)
    }
}

/// A secondary index, as items are put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// What its rows begin with.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Whether it shares the table's partition key.
    pub is_local: bool,
    /// Its own keys.
    pub keys: Keys,
    /// What it holds.
    pub projection: Projection,
    /// Whether items that were there before it are being added; until they are it cannot be read.
    pub is_filling: bool,
}

impl Index {
    /// Whether it holds an attribute of the items of a table with these keys.
    pub fn holds(&self, table: &Keys, name: &str) -> bool {
        let is_projected = match &self.projection {
            Projection::All => true,
            Projection::KeysOnly => false,
            Projection::Include(names) => names.iter().any(|one| one == name),
        };
        is_projected || table.part(name).is_some() || self.keys.part(name).is_some()
    }
}

/// What stands in the catalog of an index, besides its definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexState {
    /// What its rows begin with.
    pub id: u64,
    /// Whether it is being filled.
    pub is_filling: bool,
}

/// When provisioned throughput changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "units come last")]
pub struct ThroughputChanges {
    /// When it was last raised, in Unix milliseconds.
    pub increased_ms: Option<u64>,
    /// When it was last lowered, in Unix milliseconds.
    pub decreased_ms: Option<u64>,
    /// When it was last said that use is paid for by the request, in Unix milliseconds.
    pub on_demand_ms: Option<u64>,
}

/// A stream of changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// What its rows begin with.
    pub id: u64,
    /// What its records hold.
    pub view: StreamView,
    /// When it was switched on, in Unix milliseconds: its label.
    pub created_ms: u64,
    /// When it was switched off; its records stay for a day.
    pub closed_ms: Option<u64>,
}

impl Stream {
    /// Whether its records hold the old and the new item.
    pub fn images(&self) -> (bool, bool) {
        match self.view {
            StreamView::Keys => (false, false),
            StreamView::Old => (true, false),
            StreamView::New => (false, true),
            StreamView::Both => (true, true),
        }
    }

    /// Whether it was closed so long ago that nothing of it is left at this time, in Unix milliseconds.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.closed_ms.is_some_and(|closed| closed + KEPT_MS < now_ms)
    }
}

/// How a table came of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The backup's ARN.
    pub backup: String,
    /// The ARN of the table that the backup is of.
    pub table: String,
    /// When it was asked for, in Unix milliseconds.
    pub at_ms: u64,
    /// Whether items are still missing.
    pub is_going_on: bool,
}

/// What a table is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// What its rows begin with.
    pub id: u64,
    /// The id that it is known by outside.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// As it was asked for.
    pub definition: TableDefinition,
    /// Its indexes, by name.
    pub states: BTreeMap<String, IndexState>,
    /// When throughput changed.
    #[serde(default)]
    pub changes: ThroughputChanges,
    /// The attribute that holds an item's deadline, in Unix seconds.
    pub ttl: Option<String>,
    /// Whether the deadlines of items that were there before are still being learnt.
    #[serde(default)]
    pub is_arming: bool,
    /// The newest stream, and those before it that are not yet forgotten.
    pub streams: Vec<Stream>,
    /// For how many days its past is to be recoverable; `None` if it is not.
    #[serde(default)]
    pub recovery_days: Option<u64>,
    /// Which backup it was made of.
    #[serde(default)]
    pub restored: Option<Restored>,
    /// Names and values that were attached.
    pub tags: BTreeMap<String, String>,
    /// Its keys.
    #[serde(skip)]
    pub keys: Keys,
    /// Its indexes, in the order in which they were defined.
    #[serde(skip)]
    pub indexes: Vec<Index>,
}

impl Schema {
    /// The same with keys and indexes as the definition has them; to be called after that was changed.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        let definition = &self.definition;
        let local = definition.local_indexes.iter().map(|index| (index, true));
        let all = local.chain(definition.global_indexes.iter().map(|index| (index, false)));
        let indexes = all.filter_map(|(index, is_local)| {
            let state = self.states.get(&index.name)?;
            Some(Index {
                id: state.id,
                name: index.name.clone(),
                is_local,
                keys: keys(definition, &index.key),
                projection: index.projection.clone(),
                is_filling: state.is_filling,
            })
        });
        self.indexes = indexes.collect();
        self.keys = keys(definition, &definition.key);
        self
    }

    /// Whether its items are not all there yet.
    pub fn is_being_restored(&self) -> bool {
        self.restored.as_ref().is_some_and(|restored| restored.is_going_on)
    }

    /// The API's word for how far it is.
    pub fn status(&self) -> &'static str {
        if self.is_being_restored() { "CREATING" } else { "ACTIVE" }
    }

    /// The index of this name.
    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// The stream that is open.
    pub fn stream(&self) -> Option<&Stream> {
        self.streams.first().filter(|stream| stream.closed_ms.is_none())
    }

    /// Whether what an item was stays in the stream once it is gone.
    pub fn keeps_old_items(&self) -> bool {
        self.stream().is_some_and(|stream| stream.images().0)
    }
}

fn keys(definition: &TableDefinition, key: &KeySchema) -> Keys {
    let parts = |names: &[String]| {
        let part = |name: &String| KeyPart {
            name: name.clone(),
            kind: definition.type_of(name).unwrap_or(KeyType::S),
        };
        names.iter().map(part).collect()
    };
    Keys { hash: parts(&key.hash), range: parts(&key.range) }
}
