//! Tables of expressions: what they are refused for, and what they do.

mod conditions;
mod keys;
mod legacy;
mod placeholders;
mod projections;
mod properties;
mod updates;

use super::*;
use crate::dynamo::attribute::json::{self, Reading};
use crate::dynamo::attribute::{Attributes, Value};
use crate::dynamo::error::Error;
use crate::dynamo::number::Exponents;

const LIMITS: ItemLimits = ItemLimits { bytes_max: 400 << 10, depth_max: 32 };
const READING: Reading = Reading { levels_max: 32, exponents: Exponents::Wide };

/// An item or other values, from the API's JSON.
fn attributes(text: &str) -> Attributes {
    json::parse_attributes(serde_json::from_str(text).unwrap(), READING).unwrap()
}

/// `#n` is `name`, `#o` `other.name`, `#p` `pk`; the values are of all types, two of some.
fn placeholders() -> Placeholders {
    let names = [("#n", "name"), ("#o", "other.name"), ("#p", "pk")];
    let names = names.map(|(key, name)| (key.to_owned(), name.to_owned()));
    let values = attributes(
        r#"{":s": {"S": "b"}, ":t": {"S": "a"}, ":n": {"N": "2"}, ":m": {"N": "1"}, ":b": {"B": "YWI="},
            ":true": {"BOOL": true}, ":null": {"NULL": true}, ":ss": {"SS": ["a", "b"]}, ":ns": {"NS": ["1", "2"]},
            ":bs": {"BS": ["YQ=="]}, ":l": {"L": [{"S": "x"}]}, ":map": {"M": {"x": {"N": "1"}}}, ":type": {"S": "SS"},
            ":empty": {"S": ""}}"#,
    );
    Placeholders::new(Some(names.into()), Some(values)).unwrap()
}

/// The words of a refusal.
fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Refused(refusal)) => refusal.message,
        other => panic!("{other:?}"),
    }
}
