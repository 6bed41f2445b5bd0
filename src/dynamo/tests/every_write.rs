//! The power goes at each operation of the disk while one request is carried out, and what it leaves to the background: what
//! is found afterwards is what was there before or what is there after it, with every index, the counts, the deadlines, the
//! stream and the backups; and after it if it was acknowledged.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::world::World;
use crate::clock::ManualClock;
use crate::vfs::memory::MemoryVfs;

/// What is done while the power goes.
enum Act {
    Ask(&'static str, Json),
    /// What the service does by itself.
    Reap,
}

struct Scene {
    name: &'static str,
    /// What is asked for before, all of which is on disk.
    before: Vec<(&'static str, Json)>,
    act: Act,
}

fn asked(name: &'static str, operation: &'static str, request: Json) -> Scene {
    Scene { name, before: Vec::new(), act: Act::Ask(operation, request) }
}

impl Scene {
    fn after(mut self, operation: &'static str, request: Json) -> Self {
        self.before.push((operation, request));
        self
    }

    fn begin(&self) -> World {
        let mut world = begin();
        for (operation, request) in &self.before {
            world.must(operation, request);
            world.work();
        }
        world.tables.store().db().sync().unwrap();
        world
    }
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

fn requests() -> Vec<Scene> {
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
    let put = json!({"TableName": "scene", "Item": item("new", 1, "g", 1_800_000_000)});
    vec![
        asked("a put", "PutItem", put),
        asked("an update that moves it in an index", "UpdateItem", move_it),
        asked("a removal", "DeleteItem", json!({"TableName": "scene", "Key": key("a", 1)})),
        asked("a batch", "BatchWriteItem", batch),
        asked("a transaction", "TransactWriteItems", transaction),
        Scene { name: "items that expire", before: Vec::new(), act: Act::Reap },
    ]
}

fn changes_of_tables() -> Vec<Scene> {
    let new_index = json!({"TableName": "scene", "GlobalSecondaryIndexUpdates": [{"Create": {
        "IndexName": "added", "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["text"]},
        "KeySchema": [{"AttributeName": "s", "KeyType": "HASH"}, {"AttributeName": "p", "KeyType": "RANGE"}],
    }}], "AttributeDefinitions": [
        {"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "N"},
    ]});
    let no_index =
        json!({"TableName": "scene", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "global"}}]});
    let ttl = |enabled: bool| {
        let ttl = json!({"Enabled": enabled, "AttributeName": "until"});
        json!({"TableName": "scene", "TimeToLiveSpecification": ttl})
    };
    let backup = || json!({"TableName": "scene", "BackupName": "one"});
    vec![
        asked("the end of a table", "DeleteTable", json!({"TableName": "scene"})),
        asked("an index that is added", "UpdateTable", new_index),
        asked("an index that is removed", "UpdateTable", no_index),
        asked("time to live, off", "UpdateTimeToLive", ttl(false)),
        asked("time to live, on", "UpdateTimeToLive", ttl(true)).after("UpdateTimeToLive", ttl(false)),
        asked("a backup", "CreateBackup", backup()),
        asked("the end of a backup", "DeleteBackup", json!({})).after("CreateBackup", backup()),
        asked("a backup that is restored", "RestoreTableFromBackup", json!({"TargetTableName": "again"}))
            .after("CreateBackup", backup())
            .after("DeleteItem", json!({"TableName": "scene", "Key": key("a", 1)})),
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

/// Whether it was acknowledged. The background goes on.
fn act(world: &mut World, act: &Act) -> bool {
    match act {
        Act::Ask(operation, request) => {
            let mut request = request.clone();
            if operation.ends_with("Backup") && *operation != "CreateBackup" {
                request["BackupArn"] = only_backup(world);
            }
            let (status, _, needs) = world.ask_unacknowledged(operation, &request);
            let acknowledged = status == 200 && world.tables.store().db().acknowledge(needs).is_ok();
            world.work();
            acknowledged && world.tables.store().db().sync().is_ok()
        }
        Act::Reap => {
            expire(world);
            world.tables.store().db().sync().is_ok()
        }
    }
}

/// Removes what is due by a later time.
fn expire(world: &mut World) {
    world.clock.set_ms(1_700_000_020_000);
    // After it failed nothing is acknowledged either.
    let _ = world.tables.store().reap();
}

fn only_backup(world: &mut World) -> Json {
    world.must("ListBackups", &json!({}))["BackupSummaries"][0]["BackupArn"].clone()
}

/// All that there is to be seen: now, and once what is due has been removed.
fn dump(mut world: World) -> [Json; 2] {
    world.work();
    let now = seen(&mut world);
    expire(&mut world);
    world.tables.store().db().sync().unwrap();
    let later = seen(&mut world);
    world.stop();
    [now, later]
}

fn seen(world: &mut World) -> Json {
    let tables = world.must("ListTables", &json!({}))["TableNames"].clone();
    let tables: Vec<Json> =
        tables.as_array().unwrap().iter().map(|name| table(world, name.as_str().unwrap())).collect();
    let streams = world.must("ListStreams", &json!({}))["Streams"].clone();
    let streams: Vec<Json> =
        streams.as_array().unwrap().iter().map(|stream| records(world, &stream["StreamArn"])).collect();
    let backups = world.must("ListBackups", &json!({}))["BackupSummaries"].clone();
    json!({"tables": tables, "streams": streams, "backups": backups})
}

/// A table, with its counts, and the rows of its indexes.
fn table(world: &mut World, name: &str) -> Json {
    let told = world.must("DescribeTable", &json!({"TableName": name}))["Table"].clone();
    let ttl = world.must("DescribeTimeToLive", &json!({"TableName": name}));
    let mut rows = vec![world.must("Scan", &json!({"TableName": name}))["Items"].clone()];
    for kind in ["LocalSecondaryIndexes", "GlobalSecondaryIndexes"] {
        for index in told[kind].as_array().into_iter().flatten() {
            let scan = json!({"TableName": name, "IndexName": index["IndexName"]});
            rows.push(world.must("Scan", &scan)["Items"].clone());
        }
    }
    json!({"table": told, "ttl": ttl, "rows": rows})
}

/// What a stream tells.
fn records(world: &mut World, arn: &Json) -> Json {
    let stream = world.must("DescribeStream", &json!({"StreamArn": arn}));
    let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
    let begin = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = world.must("GetShardIterator", &begin)["ShardIterator"].clone();
    let records = world.must("GetRecords", &json!({"ShardIterator": iterator}))["Records"].clone();
    let told = records.as_array().unwrap().iter().map(|record| {
        let change = &record["dynamodb"];
        json!([record["eventName"], change["OldImage"], change["NewImage"], record["userIdentity"]])
    });
    told.collect()
}

/// Whether a backup was acknowledged, and whoever asks for it is told that it was not completed.
fn is_cut_short(world: &mut World, after: &Json) -> bool {
    let arn = &after["backups"][0]["BackupArn"];
    let (_, told) = world.ask("DescribeBackup", &json!({"BackupArn": arn}));
    told["BackupDescription"]["BackupDetails"]["BackupStatus"] == "DELETED"
}

fn is_whole_or_not_at_all(scene: &Scene) {
    let name = scene.name;
    let before = dump(scene.begin());
    let mut world = scene.begin();
    let begun = world.faulty.operations();
    assert!(act(&mut world, &scene.act), "{name}");
    let ended = world.faulty.operations();
    let expired = if matches!(scene.act, Act::Reap) { 2 } else { 0 };
    assert_eq!(world.tables.totals().expired, expired, "{name}");
    let after = dump(world);
    assert_ne!(before, after, "{name}");
    let (mut found_before, mut found_after) = (0, 0);
    for operation in begun + 1..=ended + 1 {
        let mut world = scene.begin();
        // The same operations as the first time, up to here.
        assert_eq!(world.faulty.operations(), begun, "{name}");
        world.faulty.crash_at(operation);
        let acknowledged = act(&mut world, &scene.act);
        for seed in 0..2 {
            let memory = world.vfs.crash_clone(seed << 32 | operation);
            let mut opened = World::on(memory, Arc::new(ManualClock::default()));
            let at = format!("{name}, at {operation} of {begun}..{ended}");
            let is_cut_short = is_cut_short(&mut opened, &after[0]);
            let found = dump(opened);
            if found == after {
                found_after += 1;
            } else {
                assert!(!acknowledged || is_cut_short, "{at}: what was acknowledged is gone");
                assert_eq!(found, before, "{at}");
                found_before += 1;
            }
        }
        world.stop();
    }
    assert!(found_before > 0 && found_after > 0, "{name}: {found_before} before, {found_after} after");
}

#[test]
fn a_request_is_whole_or_not_at_all_wherever_the_power_goes() {
    requests().iter().for_each(is_whole_or_not_at_all);
}

#[test]
fn a_change_of_a_table_is_whole_or_not_at_all_wherever_the_power_goes() {
    changes_of_tables().iter().for_each(is_whole_or_not_at_all);
}
