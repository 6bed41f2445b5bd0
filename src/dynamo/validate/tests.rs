//! Rows of tests/*.txt, in the form of those of the shapes: what a request is answered with before any table is seen.

use serde_json::{Value as Json, json};

use super::*;
use crate::dynamo::limits::Limits;
use crate::dynamo::operations;
use crate::dynamo::request::Request;
use crate::dynamo::shape::{operation, tests::run};

/// As far as a request is judged before any table is seen: by its shape, and by the operation that reads it.
fn check(name: &str, request: &Json) -> Result<()> {
    let shape = operation(name).unwrap_or_else(|| panic!("no operation {name}"));
    shape::check(shape, request, &Limits::default())?;
    let entry = operations::find(name).unwrap_or_else(|| panic!("{name} is not served"));
    let read = Request::new(request.clone()).and_then(|request| (entry.read)(request, &Limits::default()));
    Ok(read.map(drop)?)
}

#[test]
fn tables() {
    run(include_str!("tests/create_table.txt"), check);
    run(include_str!("tests/update_table.txt"), check);
}

#[test]
fn items() {
    run(include_str!("tests/items.txt"), check);
}

#[test]
fn tags_of_tables() {
    run(include_str!("tests/tags.txt"), check);
}

#[test]
fn backups_of_tables() {
    run(include_str!("tests/backups.txt"), check);
}

#[test]
fn a_table_is_what_was_asked_for() {
    let request = json!({
        "TableName": "abc", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "b", "AttributeType": "N"}, {"AttributeName": "a", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"}],
        "GlobalSecondaryIndexes": [{
            "IndexName": "index", "KeySchema": [{"AttributeName": "b", "KeyType": "HASH"}, {"AttributeName": "a", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["c"]},
            "WarmThroughput": {}, "OnDemandThroughput": {"MaxReadRequestUnits": 5},
        }],
        "StreamSpecification": {"StreamEnabled": "true", "StreamViewType": "NEW_IMAGE"},
        "SSESpecification": {"Enabled": true},
        "TableClass": "STANDARD_INFREQUENT_ACCESS", "DeletionProtectionEnabled": true,
    });
    let table = create_table::create_table(&request).unwrap();
    assert_eq!(table.key.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(table.type_of("b"), Some(table::KeyType::N));
    assert_eq!(table.stream, Some(table::StreamView::New));
    assert_eq!(table.encryption, Some(table::Encryption { key: None }));
    assert_eq!(table.class, table::TableClass::Infrequent);
    assert!(table.is_protected);
    let index = table.global_indexes.first().unwrap();
    assert_eq!(index.key.describe(), request["GlobalSecondaryIndexes"][0]["KeySchema"]);
    assert_eq!(index.projection.describe(), request["GlobalSecondaryIndexes"][0]["Projection"]);
    assert_eq!(index.on_demand, Some(table::OnDemandThroughput { reads: Some(5), writes: None }));
    assert_eq!(index.warm, None);
    let definitions: Json = table.attributes.iter().map(table::AttributeDefinition::describe).collect();
    assert_eq!(definitions, request["AttributeDefinitions"]);
}

#[test]
fn what_is_distinct() {
    assert!(batch::check_distinct(["a", "b"]).is_ok());
    let told = |result: Result<()>| result.unwrap_err().message;
    assert_eq!(
        told(batch::check_distinct(["a", "b", "a"])),
        "Provided list of item keys contains duplicates"
    );
    assert_eq!(
        told(transaction::check_distinct(["a", "a"])),
        "Transaction request cannot include multiple operations on one item"
    );
}
