//! What happens between two steps of somebody else.

use serde_json::{Value as Json, json};

use super::world::World;
use crate::dynamo::attribute::encoding::{decode, encode};
use crate::dynamo::attribute::{Attributes, Value};
use crate::dynamo::changes;
use crate::dynamo::context::Context;
use crate::dynamo::rows::table_lock;
use crate::store::{LockSet, Tier};

fn create(world: &mut World, stream: bool) -> (u64, Json) {
    let mut table = json!({
        "TableName": "the", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    });
    if stream {
        table["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
    }
    let (status, told, needs) = world.ask_unacknowledged("CreateTable", &table);
    assert_eq!(status, 200, "{told}");
    (needs, told)
}

fn put(world: &mut World, id: usize, more: &Json) {
    let mut item = json!({"id": {"S": format!("{id:03}")}});
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.must("PutItem", &json!({"TableName": "the", "Item": item}));
}

/// The same from somebody who has seen nothing yet.
fn ask_as_stranger(world: &World, operation: &str, request: &Json) -> (Json, u64) {
    let target = format!("DynamoDB_20120810.{operation}");
    let call = world.tables.prepare(&target, request.to_string().as_bytes()).unwrap();
    let answer = call.run(Tier::Disk, 0).unwrap();
    (serde_json::from_slice(&answer.body).unwrap(), answer.needs)
}

#[test]
fn who_hears_of_a_table_hears_it_once_it_is_on_disk() {
    let mut world = World::new();
    let get = json!({"TableName": "the", "Key": {"id": {"S": "1"}}});
    let (made, _) = create(&mut world, false);
    assert!(ask_as_stranger(&world, "GetItem", &get).1 >= made);
    world.tables.store().db().acknowledge(made).unwrap();
    let (_, _, gone) = world.ask_unacknowledged("DeleteTable", &json!({"TableName": "the"}));
    for operation in ["GetItem", "DeleteItem", "TransactGetItems", "BatchGetItem"] {
        let request = match operation {
            "TransactGetItems" => json!({"TransactItems": [{"Get": get}]}),
            "BatchGetItem" => json!({"RequestItems": {"the": {"Keys": [get["Key"]]}}}),
            _ => get.clone(),
        };
        let (told, needs) = ask_as_stranger(&world, operation, &request);
        assert!(told["__type"].as_str().unwrap().ends_with("ResourceNotFoundException"), "{told}");
        assert!(needs >= gone, "{operation}");
    }
}

#[test]
fn an_index_that_was_just_filled_is_read_whole() {
    let mut world = World::new();
    create(&mut world, false);
    (0..10).for_each(|id| put(&mut world, id, &json!({"color": {"S": "red"}})));
    world.must(
        "UpdateTable",
        &json!({
            "TableName": "the", "AttributeDefinitions": [{"AttributeName": "color", "AttributeType": "S"}],
            "GlobalSecondaryIndexUpdates": [{"Create": {
                "IndexName": "index", "KeySchema": [{"AttributeName": "color", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }}],
        }),
    );
    world.work();
    let query = json!({
        "TableName": "the", "IndexName": "index", "KeyConditionExpression": "color = :c",
        "ExpressionAttributeValues": {":c": {"S": "red"}}, "Select": "COUNT",
    });
    assert_eq!(ask_as_stranger(&world, "Query", &query).0["Count"], 10);
}

#[test]
fn no_record_is_passed_by_while_an_earlier_one_is_on_its_way() {
    let mut world = World::new();
    create(&mut world, true);
    for known in [false, true] {
        let context = Context::new(&world.tables, Tier::Disk, 0);
        let table = context.table("the").unwrap();
        let stream = table.stream().unwrap().id;
        let item = Attributes::from([("id".to_owned(), Value::S(format!("{known}")))]);
        let record = || {
            let mut locks = LockSet::new();
            locks.shared(table_lock("the"));
            let mut txn = context.txn(locks).unwrap();
            changes::record(&mut txn, &world.tables.sequences, &table, (None, Some(&item)), false).unwrap();
            txn
        };
        let first = std::cell::Cell::new(None);
        // Both begin after the reader did, and only the second one is in its view.
        let (view, end) = world.tables.sequences.pin(stream, || {
            if let Some(txn) = first.take() {
                first.set(Some(txn));
            } else {
                first.set(Some(record()));
                context.commit(record()).unwrap();
            }
            context.view_newest()
        });
        let (before, next) = changes::read(&view, stream, (0, end), |_, _| true).unwrap();
        assert_eq!(before.len(), if known { 2 } else { 0 });
        context.commit(first.take().unwrap()).unwrap();
        let (view, end) = world.tables.sequences.pin(stream, || context.view_newest());
        let (after, _) = changes::read(&view, stream, (next, end), |_, _| true).unwrap();
        assert_eq!(after.len(), 2, "{known}");
    }
}

#[test]
fn what_is_due_in_a_table_that_becomes_another_one_is_not_forgotten() {
    let mut world = World::new();
    create(&mut world, false);
    let ttl = json!({"Enabled": true, "AttributeName": "until"});
    world.must("UpdateTimeToLive", &json!({"TableName": "the", "TimeToLiveSpecification": ttl}));
    world.work();
    for id in 0..150 {
        put(&mut world, id, &json!({"until": {"N": (1_700_000_001 + id).to_string()}}));
    }
    world.clock.advance_ms(200_000);
    let before = Context::new(&world.tables, Tier::Disk, 0).table("the").unwrap();
    world.must("TagResource", &json!({
        "ResourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/the", "Tags": [{"Key": "a", "Value": "b"}],
    }));
    let now_ms = world.tables.store().now_ms();
    let reaped = world.tables.reap(&before, 0, now_ms, 2000).unwrap();
    assert_eq!(reaped, (0, Some(1_700_000_001_000)));
}

#[test]
fn what_the_limit_on_levels_can_be_lifted_to_comes_back_from_disk() {
    let mut value = Value::Null;
    (0..256).for_each(|_| value = Value::L(vec![std::mem::replace(&mut value, Value::Null)]));
    let item = Attributes::from([("a".to_owned(), value)]);
    assert_eq!(decode(&encode(&item)).unwrap(), item);
}

#[test]
fn a_page_ends_by_what_is_fetched_for_an_index_too() {
    let mut world = World::new();
    let keys = |sort: &str| json!([{"AttributeName": "h", "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]);
    world.must("CreateTable", &json!({
        "TableName": "the", "BillingMode": "PAY_PER_REQUEST", "KeySchema": keys("r"),
        "AttributeDefinitions": (["h", "r", "s"].map(|name| json!({"AttributeName": name, "AttributeType": "S"}))),
        "LocalSecondaryIndexes": [{
            "IndexName": "index", "KeySchema": keys("s"), "Projection": {"ProjectionType": "KEYS_ONLY"},
        }],
    }));
    for n in 0..5 {
        let text = |text: &str| json!({"S": text});
        let item = json!({"h": text("h"), "r": text(&n.to_string()), "s": text("s"), "x": text(&"x".repeat(300 << 10))});
        world.must("PutItem", &json!({"TableName": "the", "Item": item}));
    }
    let mut query = json!({
        "TableName": "the", "IndexName": "index", "KeyConditionExpression": "h = :h", "Select": "ALL_ATTRIBUTES",
        "ExpressionAttributeValues": {":h": {"S": "h"}},
    });
    let first = world.must("Query", &query);
    assert_eq!((&first["Count"], &first["LastEvaluatedKey"]["r"]["S"]), (&json!(4), &json!("3")));
    query["ExclusiveStartKey"] = first["LastEvaluatedKey"].clone();
    let second = world.must("Query", &query);
    assert_eq!((&second["Count"], second.get("LastEvaluatedKey")), (&json!(1), None));
}
