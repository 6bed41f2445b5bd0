//! Attributes: what items are made of.

pub mod encoding;
pub mod json;
pub mod transcode;

use std::collections::{BTreeMap, BTreeSet};

use super::number::Number;

/// An attribute's value. Two sets are the same whatever order they were written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Vec<u8>),
    /// True or false.
    Bool(bool),
    /// Nothing, said expressly.
    Null,
    /// A set of texts; never empty.
    Ss(BTreeSet<String>),
    /// A set of numbers; never empty.
    Ns(BTreeSet<Number>),
    /// A set of byte strings; never empty.
    Bs(BTreeSet<Vec<u8>>),
    /// Values in order.
    L(Vec<Value>),
    /// Values by name.
    M(Attributes),
}

/// Values by name: a map, or a whole item.
pub type Attributes = BTreeMap<String, Value>;

/// What each element of a list or map counts for besides itself, and a list or map as such, in bytes.
const ELEMENT_BYTES: usize = 1;
const CONTAINER_BYTES: usize = 3;

impl Value {
    /// The name of its type, as the API writes it: `S`, `BOOL`, `NS`, …
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
            Self::L(_) => "L",
            Self::M(_) => "M",
        }
    }

    /// How many levels it has, the value itself being one.
    pub fn levels(&self) -> usize {
        match self {
            Self::L(list) => 1 + list.iter().map(Self::levels).max().unwrap_or(0),
            Self::M(map) => 1 + map.values().map(Self::levels).max().unwrap_or(0),
            _ => 1,
        }
    }

    /// Whether it is a text or bytes, and there are none: a key may not be that.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::S(text) => text.is_empty(),
            Self::B(bytes) => bytes.is_empty(),
            _ => false,
        }
    }

    /// How many bytes it counts for (Developer Guide, "DynamoDB item sizes and formats").
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(|number| number.size()).sum(),
            Self::Bs(set) => set.iter().map(Vec::len).sum(),
            Self::L(list) => {
                CONTAINER_BYTES + list.iter().map(|one| one.size() + ELEMENT_BYTES).sum::<usize>()
            }
            Self::M(map) => CONTAINER_BYTES + size(map) + map.len() * ELEMENT_BYTES,
        }
    }
}

/// How many bytes an item counts for: those of its names, in UTF-8, and of its values.
pub fn size(item: &Attributes) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    /// Values of all types.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let number = (-1000_i64..1000).prop_map(Number::from);
        let leaf = prop_oneof![
            ".{0,8}".prop_map(Value::S),
            number.clone().prop_map(Value::N),
            vec(any::<u8>(), 0..8).prop_map(Value::B),
            any::<bool>().prop_map(Value::Bool),
            Just(Value::Null),
            btree_set(".{0,4}", 1..4).prop_map(Value::Ss),
            btree_set(number, 1..4).prop_map(Value::Ns),
            btree_set(vec(any::<u8>(), 0..4), 1..4).prop_map(Value::Bs),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::L),
                btree_map("[a-d]{1,2}", inner, 0..4).prop_map(Value::M),
            ]
        })
    }

    /// Items of all sorts.
    pub(crate) fn any_item() -> impl Strategy<Value = Attributes> {
        btree_map("[a-f]{1,2}", any_value(), 0..6)
    }

    #[test]
    fn sizes_are_the_documented_ones() {
        let item = |value: Value| size(&Attributes::from([("ab".to_owned(), value)]));
        assert_eq!(item(Value::S("é".into())), 4);
        assert_eq!(item(Value::Null), 3);
        assert_eq!(item(Value::L(Vec::new())), 5);
        assert_eq!(item(Value::L(vec![Value::Bool(true)])), 7);
        assert_eq!(item(Value::M(Attributes::from([("x".to_owned(), Value::Null)]))), 8);
        assert_eq!(item(Value::N(Number::from(27))), 4);
    }
}
