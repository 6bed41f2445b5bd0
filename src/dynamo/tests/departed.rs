//! Streams of tables that were deleted.

use serde_json::{Value as Json, json};

use super::world::World;
use crate::dynamo::changes::KEPT_MS;

fn create(world: &mut World) {
    world.must(
        "CreateTable",
        &json!({
            "TableName": "brief", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
        }),
    );
}

fn streams(world: &mut World, request: &Json) -> Vec<String> {
    let told = world.must("ListStreams", request);
    let streams = told["Streams"].as_array().unwrap().iter();
    streams.map(|stream| stream["StreamArn"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn they_are_read_for_a_day_and_then_leave_nothing() {
    let mut world = World::new();
    create(&mut world);
    world.must("PutItem", &json!({"TableName": "brief", "Item": {"id": {"S": "a"}}}));
    world.clock.advance_ms(10);
    world.must("DeleteTable", &json!({"TableName": "brief"}));
    world.clock.advance_ms(10);
    create(&mut world);
    let mut world = world.crash(1);
    let all = streams(&mut world, &json!({"TableName": "brief"}));
    assert_eq!(all.len(), 2);
    let told = world.must("DescribeStream", &json!({"StreamArn": all[0]}))["StreamDescription"].clone();
    assert_eq!(told["StreamStatus"], "DISABLED");
    let shard = &told["Shards"][0]["ShardId"];
    let begin = json!({"StreamArn": all[0], "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = world.must("GetShardIterator", &begin)["ShardIterator"].clone();
    let records = world.must("GetRecords", &json!({"ShardIterator": iterator}));
    assert_eq!(records["Records"][0]["dynamodb"]["NewImage"], json!({"id": {"S": "a"}}));
    assert_eq!(records["Records"].as_array().unwrap().len(), 1);
    world.clock.advance_ms(KEPT_MS + 1);
    assert_eq!(streams(&mut world, &json!({})), all[1..]);
    assert_eq!(world.ask("DescribeStream", &json!({"StreamArn": all[0]})).0, 400);
    // The next deletion takes away what was kept of it.
    world.must("DeleteTable", &json!({"TableName": "brief"}));
    let mut world = world.crash(2);
    assert_eq!(streams(&mut world, &json!({})), all[1..]);
    assert_eq!(world.must("ListTables", &json!({}))["TableNames"], json!([]));
}
