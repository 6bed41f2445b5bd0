//! What stands in expressions for names and values: `#name` and `:value`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::super::attribute::json::{Reading, parse_value};
use super::super::attribute::{Attributes, Value};
use super::super::error::{Error, Kind, Result, invalid, refused};
use super::token;

/// The longest key of a placeholder, and the longest name that one stands for, in bytes.
const KEY_BYTES_MAX: usize = 255;
const NAME_BYTES_MAX: usize = 65_535;

/// The placeholders of a request, for all its expressions.
#[derive(Clone, Debug, Default)]
pub struct Placeholders {
    names: BTreeMap<String, Entry<String>>,
    values: BTreeMap<String, Entry<Arc<Value>>>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    meaning: T,
    is_used: bool,
}

impl Placeholders {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads `ExpressionAttributeNames` and `ExpressionAttributeValues`, where a request has them.
    pub fn read(names: Option<Json>, values: Option<Json>, reading: Reading) -> Result<Self> {
        let given = |json: &Json| !json.is_null();
        let names = names.filter(given).map(parse_names).transpose()?;
        let values = values.filter(given).map(|json| parse_values(json, reading)).transpose()?;
        Self::new(names, values)
    }

    /// From what is read already.
    pub fn new(names: Option<BTreeMap<String, String>>, values: Option<Attributes>) -> Result<Self> {
        let mut placeholders = Self::default();
        if let Some(names) = names {
            check_keys("ExpressionAttributeNames", b'#', &names)?;
            for (key, name) in names {
                check_name(&key, &name)?;
                placeholders.names.insert(key, Entry { meaning: name, is_used: false });
            }
        }
        if let Some(values) = values {
            check_keys("ExpressionAttributeValues", b':', &values)?;
            for (key, value) in values {
                placeholders.values.insert(key, Entry { meaning: Arc::new(value), is_used: false });
            }
        }
        Ok(placeholders)
    }

    /// The name that a key stands for, which is used now.
    pub(super) fn name(&mut self, key: &str) -> Option<&str> {
        let entry = self.names.get_mut(key)?;
        entry.is_used = true;
        Some(&entry.meaning)
    }

    /// The value that a key stands for, which is used now.
    pub(super) fn value(&mut self, key: &str) -> Option<Arc<Value>> {
        let entry = self.values.get_mut(key)?;
        entry.is_used = true;
        Some(entry.meaning.clone())
    }

    /// Refuses placeholders that no expression used, once all of them are parsed.
    pub fn check_all_used(&self) -> Result<()> {
        check_used("ExpressionAttributeNames", &self.names)?;
        check_used("ExpressionAttributeValues", &self.values)
    }
}

fn check_used<T>(parameter: &str, entries: &BTreeMap<String, Entry<T>>) -> Result<()> {
    let unused: Vec<&str> =
        entries.iter().filter(|(_, entry)| !entry.is_used).map(|(key, _)| key.as_str()).collect();
    if unused.is_empty() {
        return Ok(());
    }
    let keys = unused.join(", ");
    Err(invalid(format!("Value provided in {parameter} unused in expressions: keys: {{{keys}}}")))
}

fn check_keys<T>(parameter: &str, mark: u8, entries: &BTreeMap<String, T>) -> Result<()> {
    if entries.is_empty() {
        return Err(invalid(format!("{parameter} must not be empty")));
    }
    entries.keys().try_for_each(|key| check_key(parameter, mark, key))
}

fn check_key(parameter: &str, mark: u8, key: &str) -> Result<()> {
    let what = if key.len() > KEY_BYTES_MAX {
        // How long it is, is told of names alone.
        let told = if mark == b'#' { format!(" size of key: {}", key.len()) } else { String::new() };
        format!("The expression attribute map contains a key that is too long;{told}")
    } else if token::is_placeholder(key, mark) {
        return Ok(());
    } else {
        format!("Syntax error; key: \"{key}\"")
    };
    Err(invalid(format!("{parameter} contains invalid key: {what}")))
}

fn check_name(key: &str, name: &str) -> Result<()> {
    let parameter = "ExpressionAttributeNames";
    let what = match name.len() {
        0 => "Empty attribute name",
        1..=NAME_BYTES_MAX => return Ok(()),
        _ => "Attribute name is too large, must be less than 65536 bytes",
    };
    Err(invalid(format!("{parameter} contains invalid value: {what} for key {key}")))
}

fn parse_names(json: Json) -> Result<BTreeMap<String, String>> {
    let unexpected = || refused(Kind::Serialization, "Unexpected value type in ExpressionAttributeNames");
    let Json::Object(map) = json else { return Err(unexpected()) };
    map.into_iter()
        .map(|(key, name)| match name {
            Json::String(name) => Ok((key, name)),
            _ => Err(unexpected()),
        })
        .collect()
}

fn parse_values(json: Json, reading: Reading) -> Result<Attributes> {
    let parameter = "ExpressionAttributeValues";
    let Json::Object(map) = json else {
        return Err(refused(Kind::Serialization, format!("Unexpected value type in {parameter}")));
    };
    map.into_iter()
        .map(|(key, value)| {
            check_key(parameter, b':', &key)?;
            match parse_value(value, reading) {
                Ok(value) => Ok((key, value)),
                Err(Error::Refused(refusal)) if refusal.kind == Kind::Validation => {
                    let what = &refusal.message;
                    Err(invalid(format!("{parameter} contains invalid value: {what} for key {key}")))
                }
                Err(error) => Err(error),
            }
        })
        .collect()
}
