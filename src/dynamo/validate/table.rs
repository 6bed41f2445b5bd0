//! What a table is made with, as it is checked and as a catalog keeps it.
//!
//! The JSON of these structures is what a catalog writes: members are only ever added, with a default.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::dynamo::attribute::Value;

/// A table as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableDefinition {
    /// The types of all attributes that are part of a key, in the order in which they were sent.
    pub attributes: Vec<AttributeDefinition>,
    /// The key of its items.
    pub key: KeySchema,
    /// Its local indexes.
    #[serde(default)]
    pub local_indexes: Vec<IndexDefinition>,
    /// Its global indexes.
    #[serde(default)]
    pub global_indexes: Vec<IndexDefinition>,
    /// How its use is paid for.
    pub billing: Billing,
    /// What was provisioned, if that is how it is paid for.
    #[serde(default)]
    pub throughput: Option<Throughput>,
    /// How much it may be used on demand.
    #[serde(default)]
    pub on_demand: Option<OnDemandThroughput>,
    /// How much use it is to be ready for.
    #[serde(default)]
    pub warm: Option<WarmThroughput>,
    /// What its stream holds, if it has one.
    #[serde(default)]
    pub stream: Option<StreamView>,
    /// The key of the user that encrypts it.
    #[serde(default)]
    pub encryption: Option<Encryption>,
    /// Its class.
    #[serde(default)]
    pub class: TableClass,
    /// Whether it may not be deleted.
    #[serde(default)]
    pub is_protected: bool,
}

/// A secondary index as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexDefinition {
    /// Its name.
    pub name: String,
    /// The key of its entries.
    pub key: KeySchema,
    /// Which attributes its entries hold.
    pub projection: Projection,
    /// As that of a table.
    #[serde(default)]
    pub throughput: Option<Throughput>,
    /// As that of a table.
    #[serde(default)]
    pub on_demand: Option<OnDemandThroughput>,
    /// As that of a table.
    #[serde(default)]
    pub warm: Option<WarmThroughput>,
}

/// The attributes that make up a key, in order. Tables and local indexes have one that is hashed and at most one to sort
/// by; global indexes have up to four of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySchema {
    /// Those that are hashed.
    pub hash: Vec<String>,
    /// Those to sort by.
    pub range: Vec<String>,
}

/// The type of an attribute that is part of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeDefinition {
    /// The attribute's name.
    pub name: String,
    /// Its type.
    pub of: KeyType,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $word:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the API's own words")]
        pub enum $name { $($(#[$of])* #[serde(rename = $text)] $word,)* }

        impl $name {
            /// The API's word for it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }

            /// What the API's word means.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($text => Some(Self::$word),)* _ => None }
            }
        }
    };
}

words! {
    /// The types that keys may have.
    KeyType { S "S", N "N", B "B", }
}

words! {
    /// How use is paid for.
    Billing { Provisioned "PROVISIONED", PerRequest "PAY_PER_REQUEST", }
}

words! {
    /// What a stream's records hold besides the keys.
    StreamView {
        Keys "KEYS_ONLY",
        New "NEW_IMAGE",
        Old "OLD_IMAGE",
        Both "NEW_AND_OLD_IMAGES",
    }
}

words! {
    /// What storage a table is to be on.
    #[derive(Default)]
    TableClass { #[default] Standard "STANDARD", Infrequent "STANDARD_INFREQUENT_ACCESS", }
}

/// Which attributes an index's entries hold, besides the keys of the table and its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projection {
    /// All.
    All,
    /// No others.
    KeysOnly,
    /// These.
    Include(Vec<String>),
}

/// What was provisioned, in units per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throughput {
    /// Of reads.
    pub reads: i64,
    /// Of writes.
    pub writes: i64,
}

/// The most that is used on demand, in units per second; -1 for no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDemandThroughput {
    /// Of reads.
    pub reads: Option<i64>,
    /// Of writes.
    pub writes: Option<i64>,
}

/// What it is to be ready for, in units per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmThroughput {
    /// Of reads.
    pub reads: Option<i64>,
    /// Of writes.
    pub writes: Option<i64>,
}

/// Encryption with a key of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// Which key; the service's own for this user if none is named.
    pub key: Option<String>,
}

impl TableDefinition {
    /// The type of an attribute that is part of some key.
    pub fn type_of(&self, attribute: &str) -> Option<KeyType> {
        self.attributes.iter().find(|definition| definition.name == attribute).map(|definition| definition.of)
    }

    /// All of its indexes.
    pub fn indexes(&self) -> impl Iterator<Item = &IndexDefinition> {
        self.local_indexes.iter().chain(&self.global_indexes)
    }
}

impl KeySchema {
    /// All attributes of the key, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.hash.iter().chain(&self.range).map(String::as_str)
    }

    /// As the API describes it.
    pub fn describe(&self) -> Json {
        let hash = self.hash.iter().map(|name| json!({"AttributeName": name, "KeyType": "HASH"}));
        let range = self.range.iter().map(|name| json!({"AttributeName": name, "KeyType": "RANGE"}));
        hash.chain(range).collect()
    }
}

impl AttributeDefinition {
    /// As the API describes it.
    pub fn describe(&self) -> Json {
        json!({"AttributeName": self.name, "AttributeType": self.of.word()})
    }
}

impl Projection {
    /// As the API describes it.
    pub fn describe(&self) -> Json {
        match self {
            Self::All => json!({"ProjectionType": "ALL"}),
            Self::KeysOnly => json!({"ProjectionType": "KEYS_ONLY"}),
            Self::Include(names) => json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": names}),
        }
    }
}

impl KeyType {
    /// Whether a value is of this type.
    pub fn is_of(self, value: &Value) -> bool {
        matches!((self, value), (Self::S, Value::S(_)) | (Self::N, Value::N(_)) | (Self::B, Value::B(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_can_keep_it_and_read_what_older_ones_kept() {
        let kept = json!({
            "attributes": [{"name": "pk", "of": "S"}],
            "key": {"hash": ["pk"], "range": []},
            "billing": "PAY_PER_REQUEST",
        });
        let table: TableDefinition = serde_json::from_value(kept).unwrap();
        assert_eq!(table.class, TableClass::Standard);
        assert_eq!(table.type_of("pk"), Some(KeyType::S));
        let written = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<TableDefinition>(&written).unwrap(), table);
    }
}
