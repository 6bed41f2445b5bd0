//! Values as the API writes them in JSON: `{"S": "text"}`, `{"N": "1.5"}`, `{"M": {"name": {"BOOL": true}}}`.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;

use super::{Attributes, Value};
use crate::dynamo::error::{Error, Kind, Result, invalid, refused};
use crate::dynamo::number::{Exponents, NotNumber, Number};

/// How values are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// How many levels a value may have, itself being one.
    pub levels_max: usize,
    /// How large the exponents of numbers may be.
    pub exponents: Exponents,
}

/// The names of the types.
const TYPES: [&str; 10] = ["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"];

/// The wire's words for what is no number; `text` is what was sent.
pub fn not_number(why: NotNumber, text: &str) -> Error {
    invalid(match why {
        NotNumber::Empty => "The parameter cannot be converted to a numeric value".to_owned(),
        NotNumber::Text => format!("The parameter cannot be converted to a numeric value: {text}"),
        NotNumber::Digits => "Attempting to store more than 38 significant digits in a Number".to_owned(),
        NotNumber::Overflow => {
            "Number overflow. Attempting to store a number with magnitude larger than supported range"
                .to_owned()
        }
        NotNumber::Underflow => {
            "Number underflow. Attempting to store a number with magnitude smaller than supported range"
                .to_owned()
        }
    })
}

/// Reads a map of values: an item or a key.
pub fn parse_attributes(json: Json, reading: Reading) -> Result<Attributes> {
    let Json::Object(map) = json else { return Err(unexpected()) };
    if map.contains_key("") {
        return Err(invalid("Empty attribute name"));
    }
    map.into_iter().map(|(name, value)| Ok((name, parse_value(value, reading)?))).collect()
}

/// Reads a value.
pub fn parse_value(json: Json, reading: Reading) -> Result<Value> {
    let levels_max = reading.levels_max.checked_sub(1).ok_or_else(too_deep)?;
    let below = Reading { levels_max, ..reading };
    let number = |text: &str| parse_number(text, reading.exponents);
    let map = match json {
        Json::Object(map) => map,
        Json::Null => serde_json::Map::new(),
        _ => return Err(unexpected()),
    };
    // What is no type is ignored, as members unknown are everywhere.
    let mut members = map.into_iter().filter(|(name, value)| !value.is_null() && TYPES.contains(&&name[..]));
    let Some((name, content)) = members.next() else {
        return Err(invalid(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ));
    };
    if members.next().is_some() {
        return Err(invalid(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ));
    }
    Ok(match (&name[..], content) {
        ("S", Json::String(text)) => Value::S(text),
        ("N", Json::String(text)) => Value::N(number(&text)?),
        ("B", Json::String(text)) => Value::B(parse_binary(&text)?),
        ("BOOL", Json::Bool(is_true)) => Value::Bool(is_true),
        ("NULL", Json::Bool(true)) => Value::Null,
        ("NULL", Json::Bool(false)) => {
            return Err(parameter("Null attribute value types must have the value of true"));
        }
        ("SS", Json::Array(list)) => Value::Ss(parse_set(&list, &STRINGS, |text| Ok(text.to_owned()))?),
        ("NS", Json::Array(list)) => Value::Ns(parse_set(&list, &NUMBERS, number)?),
        ("BS", Json::Array(list)) => Value::Bs(parse_set(&list, &BINARIES, parse_binary)?),
        ("L", Json::Array(list)) => {
            Value::L(list.into_iter().map(|one| parse_value(one, below)).collect::<Result<_>>()?)
        }
        ("M", map @ Json::Object(_)) => Value::M(parse_attributes(map, below)?),
        _ => return Err(unexpected()),
    })
}

/// Values lie too deep in each other.
pub fn too_deep() -> Error {
    invalid(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
    )
}

fn parse_number(text: &str, exponents: Exponents) -> Result<Number> {
    Number::parse_with(text, exponents).map_err(|why| not_number(why, text))
}

fn parse_binary(text: &str) -> Result<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        let length = text.len();
        return Err(refused(
            Kind::Serialization,
            format!("Base64 encoded length is expected a multiple of 4 bytes but found: {length}"),
        ));
    }
    BASE64
        .decode(text)
        .map_err(|_| refused(Kind::Serialization, "Invalid last non-pad Base64 character dectected"))
}

/// What is wrong about sets, which the service says of each type in its own way.
struct SetTexts {
    empty: &'static str,
    null: &'static str,
    /// What it says of a set's elements, as they were sent, if some are the same.
    duplicates: fn(&str) -> Error,
}

const STRINGS: SetTexts = SetTexts {
    empty: "An string set  may not be empty",
    null: "An string set may not have a null string as a member",
    duplicates: |list| parameter(&format!("Input collection [{list}] contains duplicates.")),
};
const NUMBERS: SetTexts = SetTexts {
    empty: "An number set  may not be empty",
    null: "An number set may not have a null number as a member",
    duplicates: |_| invalid("Input collection contains duplicates"),
};
const BINARIES: SetTexts = SetTexts {
    empty: "Binary sets should not be empty",
    null: "Binary sets may not contain null values",
    duplicates: |list| parameter(&format!("Input collection [{list}]of type BS contains duplicates.")),
};

fn parse_set<T: Ord>(
    list: &[Json],
    texts: &SetTexts,
    parse: impl Fn(&str) -> Result<T>,
) -> Result<BTreeSet<T>> {
    if list.is_empty() {
        return Err(parameter(texts.empty));
    }
    let (mut set, mut sent) = (BTreeSet::new(), Vec::with_capacity(list.len()));
    for one in list {
        if one.is_null() {
            return Err(parameter(texts.null));
        }
        let text = one.as_str().ok_or_else(unexpected)?;
        set.insert(parse(text)?);
        sent.push(text);
    }
    if set.len() < sent.len() { Err((texts.duplicates)(&sent.join(", "))) } else { Ok(set) }
}

fn parameter(what: &str) -> Error {
    invalid(format!("One or more parameter values were invalid: {what}"))
}

/// The shape of a request is checked before; this is what a hole in that check ends in.
fn unexpected() -> Error {
    refused(Kind::Serialization, "Unexpected value type in payload")
}

/// Appends a map of values.
pub fn put_attributes(out: &mut Vec<u8>, map: &Attributes) {
    out.push(b'{');
    for (at, (name, value)) in map.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_text(out, name);
        out.push(b':');
        put_value(out, value);
    }
    out.push(b'}');
}

/// Appends a value.
pub fn put_value(out: &mut Vec<u8>, value: &Value) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(value.type_name().as_bytes());
    out.extend_from_slice(b"\":");
    match value {
        Value::S(text) => put_text(out, text),
        Value::N(number) => put_number(out, *number),
        Value::B(bytes) => put_binary(out, bytes),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Bool(true) | Value::Null => out.extend_from_slice(b"true"),
        Value::Ss(set) => put_list(out, set, |out, text| put_text(out, text)),
        Value::Ns(set) => put_list(out, set, |out, number| put_number(out, *number)),
        Value::Bs(set) => put_list(out, set, |out, bytes| put_binary(out, bytes)),
        Value::L(list) => put_list(out, list, put_value),
        Value::M(map) => put_attributes(out, map),
    }
    out.push(b'}');
}

/// Appends values as a JSON array, each as `put` says.
pub fn put_list<T>(
    out: &mut Vec<u8>,
    list: impl IntoIterator<Item = T>,
    mut put: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (at, one) in list.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put(out, one);
    }
    out.push(b']');
}

/// Appends text as a JSON string.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    // A vector takes all that is written, and text can always be written.
    let _ = serde_json::to_writer(out, text);
}

pub(super) fn put_number(out: &mut Vec<u8>, number: Number) {
    use std::io::Write as _;
    let _ = write!(out, "\"{number}\"");
}

pub(super) fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(BASE64.encode(bytes).as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::any_item;
    use super::*;

    const READING: Reading = Reading { levels_max: 32, exponents: Exponents::Wide };

    fn wrong(text: &str) -> String {
        match parse_value(serde_json::from_str(text).unwrap(), READING) {
            Err(Error::Refused(refusal)) => refusal.message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_value_is_refused_as_the_service_does() {
        assert!(wrong("{}").starts_with("Supplied AttributeValue is empty"));
        assert!(wrong("null").starts_with("Supplied AttributeValue is empty"));
        assert!(wrong(r#"{"S":"a","N":"1"}"#).starts_with("Supplied AttributeValue has more than one"));
        assert_eq!(wrong(r#"{"N":"x"}"#), "The parameter cannot be converted to a numeric value: x");
        assert_eq!(
            wrong(r#"{"SS":[]}"#),
            "One or more parameter values were invalid: An string set  may not be empty"
        );
        assert_eq!(wrong(r#"{"NS":["1","1.0"]}"#), "Input collection contains duplicates");
        assert!(wrong(r#"{"SS":["a","a"]}"#).ends_with(": Input collection [a, a] contains duplicates."));
        assert!(wrong(r#"{"BS":["Yg==","Yg=="]}"#).ends_with("[Yg==, Yg==]of type BS contains duplicates."));
        assert!(wrong(r#"{"BS":[]}"#).ends_with(": Binary sets should not be empty"));
        assert!(wrong(r#"{"a":""}"#).starts_with("Supplied AttributeValue is empty"));
        assert!(wrong(r#"{"B":"23456"}"#).ends_with("a multiple of 4 bytes but found: 5"));
        assert_eq!(wrong(r#"{"B":"+/+="}"#), "Invalid last non-pad Base64 character dectected");
        assert!(wrong(r#"{"NULL":false}"#).ends_with("must have the value of true"));
        let deep =
            |levels: usize| format!("{}{{\"S\":\"\"}}{}", "{\"L\":[".repeat(levels), "]}".repeat(levels));
        assert!(parse_value(serde_json::from_str(&deep(31)).unwrap(), READING).is_ok());
        assert!(wrong(&deep(32)).starts_with("Nesting Levels have exceeded"));
    }

    proptest! {
        #[test]
        fn items_come_back(item in any_item()) {
            let mut out = Vec::new();
            put_attributes(&mut out, &item);
            prop_assert_eq!(parse_attributes(serde_json::from_slice(&out).unwrap(), READING).unwrap(), item);
        }
    }
}
