//! Keys and projections, as CreateTable and UpdateTable define them.

use serde_json::Value as Json;

use super::table::{AttributeDefinition, KeySchema, KeyType, Projection};
use super::{Result, duplicate, elements, invalid, member, parameter, text, texts};

/// How many attributes of each kind the key of a global index may have.
const GLOBAL_KEY_MAX: usize = 4;

/// The attributes that a request defines.
pub(super) fn attribute_definitions(request: &Json) -> Result<Vec<AttributeDefinition>> {
    let definitions: Vec<_> = member(request, "AttributeDefinitions")
        .into_iter()
        .flat_map(elements)
        .map(|one| AttributeDefinition {
            name: text(one, "AttributeName").to_owned(),
            of: KeyType::parse(text(one, "AttributeType")).unwrap_or(KeyType::S),
        })
        .collect();
    match duplicate(definitions.iter().map(|one| one.name.as_str())) {
        Some(name) => Err(invalid(format!("Attribute Name is duplicated: {name}"))),
        None => Ok(definitions),
    }
}

/// The names in a key schema, as they were sent.
pub(super) fn key_names(schema: &Json) -> impl Iterator<Item = &str> {
    elements(schema).map(|element| text(element, "AttributeName"))
}

/// Refuses keys whose attributes' types are unknown.
pub(super) fn check_defined(schema: &Json, definitions: &[AttributeDefinition]) -> Result<()> {
    if key_names(schema).all(|name| definitions.iter().any(|definition| definition.name == name)) {
        return Ok(());
    }
    Err(parameter(format_args!(
        "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
        joined(key_names(schema)),
        joined(definitions.iter().map(|definition| definition.name.as_str())),
    )))
}

pub(super) fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn is_hash(element: &Json) -> bool {
    text(element, "KeyType") == "HASH"
}

/// The key of a table or of a local index: shapes let at most two attributes through.
pub(super) fn table_key(schema: &Json) -> Result<KeySchema> {
    let elements: Vec<&Json> = elements(schema).collect();
    if let [first, second] = elements[..]
        && text(first, "AttributeName") == text(second, "AttributeName")
    {
        return Err(invalid(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    if !elements.first().is_some_and(|first| is_hash(first)) {
        return Err(invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    }
    if elements.get(1).is_some_and(|second| is_hash(second)) {
        return Err(invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"));
    }
    Ok(key_of(&elements))
}

/// The key of a global index.
pub(super) fn global_key(schema: &Json) -> Result<KeySchema> {
    let elements: Vec<&Json> = elements(schema).collect();
    if !elements.first().is_some_and(|first| is_hash(first)) {
        return Err(invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    }
    if duplicate(key_names(schema)).is_some() {
        return Err(invalid(match elements[..] {
            [_, second] if !is_hash(second) => {
                "Both the Hash Key and the Range Key element in the KeySchema have the same name"
            }
            _ => "The KeySchema contains multiple key attributes with the same name",
        }));
    }
    if elements.iter().skip_while(|element| is_hash(element)).any(|element| is_hash(element)) {
        return Err(parameter("All HASH key attributes must precede RANGE key attributes in the KeySchema"));
    }
    let key = key_of(&elements);
    for (names, kind) in [(&key.hash, "HASH"), (&key.range, "RANGE")] {
        if names.len() > GLOBAL_KEY_MAX {
            return Err(parameter(format_args!(
                "The KeySchema exceeds the maximum allowed number of {kind} key attributes"
            )));
        }
    }
    Ok(key)
}

fn key_of(elements: &[&Json]) -> KeySchema {
    let names = |of_hash: bool| {
        let chosen = elements.iter().filter(|element| is_hash(element) == of_hash);
        chosen.map(|element| text(element, "AttributeName").to_owned()).collect()
    };
    KeySchema { hash: names(true), range: names(false) }
}

/// What an index's entries are to hold.
pub(super) fn projection(index: &Json) -> Result<Projection> {
    let projection = index.get("Projection").unwrap_or(&Json::Null);
    let names: Option<Vec<&str>> = member(projection, "NonKeyAttributes").map(|list| texts(list).collect());
    let Some(kind) = member(projection, "ProjectionType").and_then(Json::as_str) else {
        return Err(parameter("Unknown ProjectionType: null"));
    };
    match (kind, names) {
        ("INCLUDE", Some(names)) => match duplicate(names.iter().copied()) {
            Some(name) => Err(parameter(format_args!("Duplicate element in NonKeyAttributes: {name}"))),
            None => Ok(Projection::Include(names.into_iter().map(str::to_owned).collect())),
        },
        ("INCLUDE", None) => {
            Err(parameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"))
        }
        (_, Some(_)) => {
            Err(parameter(format_args!("ProjectionType is {kind}, but NonKeyAttributes is specified")))
        }
        ("KEYS_ONLY", None) => Ok(Projection::KeysOnly),
        (_, None) => Ok(Projection::All),
    }
}
