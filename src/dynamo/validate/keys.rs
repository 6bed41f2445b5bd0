//! The keys of items: those that name an item, and those that put it into indexes.

use super::table::{IndexDefinition, KeySchema, KeyType, TableDefinition};
use super::{Result, invalid, parameter};
use crate::dynamo::attribute::{Attributes, Value};
use crate::dynamo::limits::Limits;

/// Checks an item that is to be stored: that its key is there, and that what its indexes sort by can be.
pub fn check_item(table: &TableDefinition, item: &Attributes, limits: &Limits) -> Result<()> {
    for name in table.key.names() {
        let Some(value) = item.get(name) else {
            return Err(parameter(format_args!("Missing the key {name} in the item")));
        };
        let Some(of) = table.type_of(name) else { continue };
        if !of.is_of(value) {
            return Err(parameter(format_args!(
                "Type mismatch for key {name} expected: {} actual: {}",
                of.word(),
                value.type_name()
            )));
        }
        check_not_empty(name, value)?;
    }
    check_sizes(&table.key, item, limits)?;
    check_index_keys(table, item, limits)
}

/// Checks a key that names an item: the attributes of the table's key, all and no others.
pub fn check_key(table: &TableDefinition, key: &Attributes, limits: &Limits) -> Result<()> {
    check_key_of(table, &table.key, key, limits)
}

fn check_key_of(
    table: &TableDefinition,
    schema: &KeySchema,
    key: &Attributes,
    limits: &Limits,
) -> Result<()> {
    let is_of_type =
        |name: &str| key.get(name).is_some_and(|value| table.type_of(name).is_none_or(|of| of.is_of(value)));
    if schema.names().count() != key.len() || !schema.names().all(is_of_type) {
        return Err(invalid("The provided key element does not match the schema"));
    }
    for name in schema.names() {
        if let Some(value) = key.get(name) {
            check_not_empty(name, value)?;
        }
    }
    check_sizes(schema, key, limits)
}

fn check_not_empty(name: &str, value: &Value) -> Result<()> {
    match empty(value) {
        None => Ok(()),
        Some(what) => Err(invalid(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty {what} value. Key: {name}"
        ))
        .of_request()),
    }
}

/// What an empty value of a key is called.
fn empty(value: &Value) -> Option<&'static str> {
    match value {
        Value::S(text) if text.is_empty() => Some("string"),
        Value::B(bytes) if bytes.is_empty() => Some("binary"),
        _ => None,
    }
}

fn check_sizes(schema: &KeySchema, item: &Attributes, limits: &Limits) -> Result<()> {
    let (hash_max, range_max) = (limits.partition_key_bytes, limits.sort_key_bytes);
    // The sizes of numbers are bounded by themselves.
    let size = |names: &[String]| -> usize {
        let values = names.iter().filter_map(|name| item.get(name));
        values.map(|value| if matches!(value, Value::N(_)) { 0 } else { value.size() }).sum()
    };
    if size(&schema.hash) > hash_max {
        return Err(parameter(format_args!(
            "Size of hashkey has exceeded the maximum size limit of{hash_max} bytes"
        )));
    }
    if size(&schema.range) > range_max {
        return Err(parameter(format_args!(
            "Aggregated size of all range keys has exceeded the size limit of {range_max} bytes"
        )));
    }
    Ok(())
}

/// Checks the same of an item that an update made.
pub fn check_updated_index_keys(table: &TableDefinition, item: &Attributes, limits: &Limits) -> Result<()> {
    let mut keys = table.indexes().flat_map(|index| index.key.names());
    let emptied = keys.find_map(|name| {
        let value = item.get(name)?;
        table.type_of(name).filter(|of| of.is_of(value)).and_then(|_| empty(value))
    });
    match emptied {
        Some(what) => Err(invalid(format!(
            "One or more parameter values are not valid. The update expression attempted to update a secondary index \
             key to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty \
             {what} value."
        ))
        .of_request()),
        None => check_index_keys(table, item, limits),
    }
}

/// Checks what indexes sort an item by, as far as it is there: without some of it, the item is not in the index. Of
/// several indexes it is the first by name that is told of.
pub fn check_index_keys(table: &TableDefinition, item: &Attributes, limits: &Limits) -> Result<()> {
    let mut wrong: Option<(&IndexDefinition, &str, &Value, KeyType)> = None;
    for index in table.indexes() {
        for name in index.key.names() {
            let (Some(value), Some(of)) = (item.get(name), table.type_of(name)) else { continue };
            if (!of.is_of(value) || empty(value).is_some())
                && wrong.is_none_or(|(other, ..)| index.name < other.name)
            {
                wrong = Some((index, name, value, of));
            }
        }
    }
    if let Some((index, name, value, of)) = wrong {
        let index = &index.name;
        return Err(match empty(value) {
            Some(what) if of.is_of(value) => invalid(format!(
                "One or more parameter values are not valid. A value specified for a secondary index key is not \
                 supported. The AttributeValue for a key attribute cannot contain an empty {what} value. IndexName: \
                 {index}, IndexKey: {name}"
            ))
            .of_request(),
            _ => parameter(format_args!(
                "Type mismatch for Index Key {name} Expected: {} Actual: {} IndexName: {index}",
                of.word(),
                value.type_name()
            )),
        });
    }
    table.indexes().try_for_each(|index| check_sizes(&index.key, item, limits))
}

/// Checks that an update leaves the key alone: `changed` are the attributes that it changes, whole or in part.
pub fn check_key_unchanged<'a>(
    table: &TableDefinition,
    changed: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    match changed.into_iter().find(|changed| table.key.names().any(|name| name == *changed)) {
        Some(name) => {
            Err(parameter(format_args!("Cannot update attribute {name}. This attribute is part of the key")))
        }
        None => Ok(()),
    }
}

/// Checks where a Query or Scan is to go on: the keys of the table and of the index, all and no others.
pub fn check_start_key(
    table: &TableDefinition,
    index: Option<&IndexDefinition>,
    key: &Attributes,
    limits: &Limits,
) -> Result<()> {
    let Some(index) = index else {
        return check_key(table, key, limits).map_err(|refusal| {
            invalid(format!("The provided starting key is invalid: {}", refusal.message))
        });
    };
    let mut schema = KeySchema { hash: table.key.hash.clone(), range: table.key.range.clone() };
    for name in index.key.names().filter(|name| !table.key.names().any(|other| other == *name)) {
        schema.range.push(name.to_owned());
    }
    let has_all = schema.names().count() == key.len() && schema.names().all(|name| key.contains_key(name));
    if !has_all {
        return Err(invalid("The provided starting key is invalid"));
    }
    let of_index: Attributes = part(key, &index.key);
    check_key_of(table, &index.key, &of_index, limits)?;
    check_key(table, &part(key, &table.key), limits)
        .map_err(|refusal| invalid(format!("The provided starting key is invalid: {}", refusal.message)))
}

fn part(key: &Attributes, schema: &KeySchema) -> Attributes {
    schema.names().filter_map(|name| key.get_key_value(name)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamo::attribute::json::{Reading, parse_attributes};
    use crate::dynamo::number::Exponents;

    fn table() -> TableDefinition {
        let request = serde_json::json!({
            "TableName": "abc", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "B"},
                {"AttributeName": "x", "AttributeType": "N"}, {"AttributeName": "y", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "GlobalSecondaryIndexes": [
                {"IndexName": "zzz", "KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}],
                 "Projection": {"ProjectionType": "ALL"}},
                {"IndexName": "aaa", "KeySchema": [{"AttributeName": "x", "KeyType": "HASH"},
                 {"AttributeName": "y", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}},
            ],
        });
        super::super::create_table::create_table(&request).unwrap()
    }

    fn attributes(text: &str) -> Attributes {
        parse_attributes(
            serde_json::from_str(text).unwrap(),
            Reading { levels_max: 1, exponents: Exponents::Wide },
        )
        .unwrap()
    }

    #[test]
    fn items_have_their_key_and_index_keys_of_the_right_type() {
        let told = |item: &str| {
            check_item(&table(), &attributes(item), &Limits::default())
                .map_or_else(|refusal| refusal.message, |()| "ok".into())
        };
        let invalid = "One or more parameter values were invalid: ";
        let odd = "One or more parameter values are not valid. ";
        assert_eq!(told(r#"{"pk":{"S":"a"},"sk":{"B":"AA=="}}"#), "ok");
        assert_eq!(told(r#"{"pk":{"S":"a"}}"#), format!("{invalid}Missing the key sk in the item"));
        assert_eq!(
            told(r#"{"pk":{"N":"1"},"sk":{"B":"AA=="}}"#),
            format!("{invalid}Type mismatch for key pk expected: S actual: N")
        );
        let empty = "The AttributeValue for a key attribute cannot contain an empty";
        assert_eq!(
            told(r#"{"pk":{"S":""},"sk":{"B":"AA=="}}"#),
            format!("{odd}{empty} string value. Key: pk")
        );
        assert_eq!(told(r#"{"pk":{"S":"a"},"sk":{"B":""}}"#), format!("{odd}{empty} binary value. Key: sk"));
        let large = |size: usize| format!(r#"{{"pk":{{"S":"{}"}},"sk":{{"B":"AA=="}}}}"#, "a".repeat(size));
        assert_eq!(told(&large(2048)), "ok");
        assert_eq!(
            told(&large(2049)),
            format!("{invalid}Size of hashkey has exceeded the maximum size limit of2048 bytes")
        );
        assert_eq!(
            told(r#"{"pk":{"S":"a"},"sk":{"B":"AA=="},"x":{"S":"5"}}"#),
            format!("{invalid}Type mismatch for Index Key x Expected: N Actual: S IndexName: aaa")
        );
        assert_eq!(
            told(r#"{"pk":{"S":"a"},"sk":{"B":"AA=="},"y":{"S":""}}"#),
            format!(
                "{odd}A value specified for a secondary index key is not supported. {empty} string value. \
                 IndexName: aaa, IndexKey: y"
            )
        );
    }

    #[test]
    fn keys_are_the_whole_key_and_nothing_else() {
        let told = |key: &str| {
            check_key(&table(), &attributes(key), &Limits::default())
                .map_or_else(|refusal| refusal.message, |()| "ok".into())
        };
        assert_eq!(told(r#"{"pk":{"S":"a"},"sk":{"B":"AA=="}}"#), "ok");
        for odd in [
            r"{}",
            r#"{"pk":{"S":"a"}}"#,
            r#"{"pk":{"S":"a"},"sk":{"S":"a"}}"#,
            r#"{"pk":{"S":"a"},"sk":{"B":"AA=="},"x":{"N":"1"}}"#,
        ] {
            assert_eq!(told(odd), "The provided key element does not match the schema");
        }
    }

    #[test]
    fn reads_go_on_at_the_keys_of_table_and_index() {
        let table = table();
        let index = table.global_indexes.first();
        let told = |key: &str| {
            check_start_key(&table, index, &attributes(key), &Limits::default())
                .map_or_else(|refusal| refusal.message, |()| "ok".into())
        };
        assert_eq!(told(r#"{"pk":{"S":"a"},"sk":{"B":"AA=="},"x":{"N":"1"}}"#), "ok");
        assert_eq!(told(r#"{"pk":{"S":"a"},"sk":{"B":"AA=="}}"#), "The provided starting key is invalid");
        assert_eq!(
            told(r#"{"pk":{"S":"a"},"sk":{"S":"a"},"x":{"N":"1"}}"#),
            "The provided starting key is invalid: The provided key element does not match the schema"
        );
    }
}
