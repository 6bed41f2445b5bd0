//! The parameters that were before expressions: `Expected`, `QueryFilter`, `ScanFilter`, `KeyConditions`,
//! `AttributeUpdates` and `AttributesToGet`, read into what expressions are parsed into.

mod conditions;
mod updates;

use std::collections::BTreeSet;

use serde_json::Value as Json;

pub use self::conditions::{expected, filter, key_conditions};
pub use self::updates::attribute_updates;
use super::path::Path;
use super::projection::Projection;
use crate::dynamo::error::{Error, Kind, Result, invalid, refused};

/// Reads `AttributesToGet`.
pub fn attributes_to_get(json: Json) -> Result<Projection> {
    let Json::Array(list) = json else { return Err(unexpected()) };
    let mut names = BTreeSet::new();
    for name in list {
        let Json::String(name) = name else { return Err(unexpected()) };
        if names.contains(&name) {
            return Err(parameter(&format!("Duplicate value in attribute name: {name}")));
        }
        names.insert(name);
    }
    Ok(Projection::of(names.into_iter().map(Path::to).collect()))
}

fn parameter(what: &str) -> Error {
    invalid(format!("One or more parameter values were invalid: {what}"))
}

/// The shape of a request is checked before; this is what a hole in that check ends in.
fn unexpected() -> Error {
    refused(Kind::Serialization, "Unexpected value type in payload")
}
