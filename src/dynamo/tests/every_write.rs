//! The power goes at each operation of the disk while one request is carried out: what is found afterwards is what was there
//! before or what is there after it, with every index, the counts and the stream; and after it if it was acknowledged.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::world::World;
use crate::clock::ManualClock;
use crate::vfs::memory::MemoryVfs;

/// A request, or what the service does by itself.
enum Act {
    Ask(&'static str, Json),
    Reap,
}

fn item(id: &str, sort: i64, group: &str, until: i64) -> Json {
    json!({
        "p": {"S": id}, "s": {"N": sort.to_string()}, "g": {"S": group}, "until": {"N": until.to_string()},
        "text": {"S": "x".repeat(300)},
    })
}

fn key(id: &str, sort: i64) -> Json {
    json!({"p": {"S": id}, "s": {"N": sort.to_string()}})
}

fn acts() -> Vec<(&'static str, Act)> {
    let move_it = json!({
        "TableName": "scene", "Key": key("a", 1), "UpdateExpression": "SET g = :g ADD n :n",
        "ExpressionAttributeValues": {":g": {"S": "elsewhere"}, ":n": {"N": "1"}},
    });
    let batch = json!({"RequestItems": {"scene": [
        {"PutRequest": {"Item": item("new", 1, "g", 1_800_000_000)}}, {"DeleteRequest": {"Key": key("a", 2)}},
        {"PutRequest": {"Item": item("b", 1, "h", 1_800_000_000)}},
    ]}});
    let transaction = json!({"ClientRequestToken": "once", "TransactItems": [
        {"Put": {"TableName": "scene", "Item": item("new", 1, "g", 1_800_000_000)}},
        {"Update": move_it.clone()},
        {"Delete": {"TableName": "scene", "Key": key("a", 2)}},
        {"ConditionCheck": {"TableName": "scene", "Key": key("b", 1), "ConditionExpression": "attribute_exists(p)"}},
    ]});
    vec![
        (
            "a put",
            Act::Ask("PutItem", json!({"TableName": "scene", "Item": item("new", 1, "g", 1_800_000_000)})),
        ),
        ("an update that moves it in an index", Act::Ask("UpdateItem", move_it)),
        ("a removal", Act::Ask("DeleteItem", json!({"TableName": "scene", "Key": key("a", 1)}))),
        ("a batch", Act::Ask("BatchWriteItem", batch)),
        ("a transaction", Act::Ask("TransactWriteItems", transaction)),
        ("the end of a table", Act::Ask("DeleteTable", json!({"TableName": "scene"}))),
        ("items that expire", Act::Reap),
    ]
}

fn begin() -> World {
    let mut world = World::on(MemoryVfs::new(), Arc::new(ManualClock::default()));
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    let element = |name: &str, role: &str| json!({"AttributeName": name, "KeyType": role});
    world.must(
        "CreateTable",
        &json!({
            "TableName": "scene", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [attribute("p", "S"), attribute("s", "N"), attribute("g", "S")],
            "KeySchema": [element("p", "HASH"), element("s", "RANGE")],
            "LocalSecondaryIndexes": [{
                "IndexName": "local", "Projection": {"ProjectionType": "KEYS_ONLY"},
                "KeySchema": [element("p", "HASH"), element("g", "RANGE")],
            }],
            "GlobalSecondaryIndexes": [{
                "IndexName": "global", "Projection": {"ProjectionType": "ALL"}, "KeySchema": [element("g", "HASH")],
            }],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        }),
    );
    let ttl = json!({"Enabled": true, "AttributeName": "until"});
    world.must("UpdateTimeToLive", &json!({"TableName": "scene", "TimeToLiveSpecification": ttl}));
    for (id, sort, until) in [("a", 1, 1_700_000_010), ("a", 2, 1_700_000_010), ("b", 1, 1_800_000_000)] {
        world.must("PutItem", &json!({"TableName": "scene", "Item": item(id, sort, "g", until)}));
    }
    world.work();
    world
}

/// Whether it was acknowledged.
fn act(world: &mut World, act: &Act) -> bool {
    match act {
        Act::Ask(operation, request) => {
            let (status, _, needs) = world.ask_unacknowledged(operation, request);
            status == 200 && world.tables.store().db().acknowledge(needs).is_ok()
        }
        Act::Reap => {
            world.clock.set_ms(1_700_000_020_000);
            let store = world.tables.store().clone();
            store.reap().is_ok() && store.db().sync().is_ok()
        }
    }
}

/// All that there is to be seen.
fn dump(world: &mut World) -> Json {
    let (status, table) = world.ask("DescribeTable", &json!({"TableName": "scene"}));
    if status != 200 {
        return Json::Null;
    }
    let mut counts = vec![table["Table"]["ItemCount"].clone(), table["Table"]["TableSizeBytes"].clone()];
    for kind in ["LocalSecondaryIndexes", "GlobalSecondaryIndexes"] {
        counts.extend([
            table["Table"][kind][0]["ItemCount"].clone(),
            table["Table"][kind][0]["IndexSizeBytes"].clone(),
        ]);
    }
    let mut rows = Vec::new();
    for index in [None, Some("local"), Some("global")] {
        let mut request = json!({"TableName": "scene"});
        if let Some(index) = index {
            request["IndexName"] = index.into();
        }
        rows.push(world.must("Scan", &request)["Items"].clone());
    }
    let arn = table["Table"]["LatestStreamArn"].clone();
    let stream = world.must("DescribeStream", &json!({"StreamArn": arn}));
    let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
    let begin = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = world.must("GetShardIterator", &begin)["ShardIterator"].clone();
    let records = world.must("GetRecords", &json!({"ShardIterator": iterator}))["Records"].clone();
    let told = records.as_array().unwrap().iter().map(|record| {
        let change = &record["dynamodb"];
        json!([record["eventName"], change["OldImage"], change["NewImage"], record["userIdentity"]])
    });
    json!({"counts": counts, "rows": rows, "stream": told.collect::<Vec<_>>()})
}

#[test]
fn a_request_is_whole_or_not_at_all_wherever_the_power_goes() {
    for (name, scene) in acts() {
        let mut world = begin();
        let before = dump(&mut world);
        let begun = world.faulty.operations();
        assert!(act(&mut world, &scene), "{name}");
        let ended = world.faulty.operations();
        let after = dump(&mut world);
        assert_ne!(before, after, "{name}");
        let (mut found_before, mut found_after) = (0, 0);
        for operation in begun + 1..=ended + 1 {
            let mut world = begin();
            // The same operations as the first time, up to here.
            assert_eq!((dump(&mut world), world.faulty.operations()), (before.clone(), begun), "{name}");
            world.faulty.crash_at(operation);
            let acknowledged = act(&mut world, &scene);
            for seed in 0..2 {
                let memory = world.vfs.crash_clone(seed << 32 | operation);
                let mut opened = World::on(memory, Arc::new(ManualClock::default()));
                let found = dump(&mut opened);
                opened.stop();
                if found == after {
                    found_after += 1;
                } else {
                    assert!(
                        !acknowledged,
                        "{name}: what was acknowledged is gone, at {operation} of {begun}..{ended}"
                    );
                    assert_eq!(found, before, "{name}, at {operation} of {begun}..{ended}");
                    found_before += 1;
                }
            }
            world.stop();
        }
        assert!(found_before > 0 && found_after > 0, "{name}: {found_before} before, {found_after} after");
    }
}
