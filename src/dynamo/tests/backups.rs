//! Backups while the table goes on, and power is lost.

use serde_json::{Value as Json, json};

use super::world::World;

/// So many items that a copy takes several lots.
const ITEMS: usize = 2500;

fn table(world: &mut World) {
    world.must(
        "CreateTable",
        &json!({
            "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "N"}, {"AttributeName": "of", "AttributeType": "S"},
            ],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by_of", "KeySchema": [{"AttributeName": "of", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }],
        }),
    );
    put(world, 0..ITEMS, "before");
}

fn put(world: &mut World, ids: std::ops::Range<usize>, of: &str) {
    let ids: Vec<usize> = ids.collect();
    for some in ids.chunks(25) {
        let puts = some.iter().map(|id| {
            json!({"PutRequest": {"Item": {
                "id": {"N": id.to_string()}, "of": {"S": of}, "more": {"S": "x".repeat(id % 200)},
            }}})
        });
        world.must("BatchWriteItem", &json!({"RequestItems": {"things": puts.collect::<Vec<_>>()}}));
    }
}

fn back_up(world: &mut World) -> String {
    let made = world.must("CreateBackup", &json!({"TableName": "things", "BackupName": "one"}));
    made["BackupDetails"]["BackupArn"].as_str().unwrap().to_owned()
}

fn restore(world: &mut World, arn: &str, name: &str) {
    world.must("RestoreTableFromBackup", &json!({"TargetTableName": name, "BackupArn": arn}));
}

fn status(world: &mut World, name: &str) -> Json {
    let (status, told) = world.ask("DescribeTable", &json!({"TableName": name}));
    if status == 200 { told["Table"]["TableStatus"].clone() } else { Json::Null }
}

fn has_what_was_before(world: &mut World, name: &str) {
    assert_eq!(status(world, name), "ACTIVE");
    let told = world.must("DescribeTable", &json!({"TableName": name}))["Table"].clone();
    assert_eq!(told["ItemCount"], ITEMS);
    assert_eq!(told["GlobalSecondaryIndexes"][0]["ItemCount"], ITEMS);
    for index in [None, Some("by_of")] {
        let (mut found, mut after) = (0, Json::Null);
        loop {
            let mut scan = json!({
                "TableName": name, "ExclusiveStartKey": after, "IndexName": index,
                "FilterExpression": "#of = :before", "ExpressionAttributeNames": {"#of": "of"},
                "ExpressionAttributeValues": {":before": {"S": "before"}},
            });
            scan.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            let page = world.must("Scan", &scan);
            found += page["Count"].as_u64().unwrap();
            after = page["LastEvaluatedKey"].clone();
            if after.is_null() {
                break;
            }
        }
        assert_eq!(found, ITEMS as u64);
    }
}

#[test]
fn a_backup_is_of_one_moment_and_outlives_its_table() {
    let mut world = World::new();
    table(&mut world);
    let arn = back_up(&mut world);
    let bytes =
        world.must("DescribeTable", &json!({"TableName": "things"}))["Table"]["TableSizeBytes"].clone();
    for step in 0..10 {
        world.step();
        put(&mut world, step * 150..step * 150 + 300, "after");
    }
    world.must("DeleteTable", &json!({"TableName": "things"}));
    world.tables.store().db().compact_range(None, None).unwrap();
    world.work();
    let told = world.must("DescribeBackup", &json!({"BackupArn": arn}))["BackupDescription"].clone();
    assert_eq!(told["BackupDetails"]["BackupStatus"], "AVAILABLE");
    assert_eq!(told["BackupDetails"]["BackupSizeBytes"], bytes);
    assert_eq!(told["SourceTableDetails"]["ItemCount"], ITEMS);
    restore(&mut world, &arn, "again");
    world.work();
    has_what_was_before(&mut world, "again");
    let mut world = world.crash(1);
    has_what_was_before(&mut world, "again");
    restore(&mut world, &arn, "things");
    world.work();
    has_what_was_before(&mut world, "things");
}

#[test]
fn a_backup_that_was_cut_short_is_gone_and_leaves_nothing() {
    for steps in 0..8 {
        let mut world = World::new();
        table(&mut world);
        let arn = back_up(&mut world);
        for _ in 0..steps {
            world.step();
        }
        put(&mut world, 0..100, "after");
        let (_, before) = world.ask("DescribeBackup", &json!({"BackupArn": arn}));
        let was = before["BackupDescription"]["BackupDetails"]["BackupStatus"].clone();
        let mut world = world.crash(steps);
        world.work();
        let (status, told) = world.ask("DescribeBackup", &json!({"BackupArn": arn}));
        let is = &told["BackupDescription"]["BackupDetails"]["BackupStatus"];
        // What was told of it was on disk.
        assert_eq!(status, 200);
        assert!(if was == "AVAILABLE" { is == "AVAILABLE" } else { is == "AVAILABLE" || is == "DELETED" });
        if is == "AVAILABLE" {
            restore(&mut world, &arn, "again");
            world.work();
            has_what_was_before(&mut world, "again");
        } else {
            let listed = world.must("ListBackups", &json!({}));
            assert_eq!(listed["BackupSummaries"], json!([]));
            for (operation, request) in [
                ("RestoreTableFromBackup", json!({"BackupArn": arn, "TargetTableName": "again"})),
                ("DeleteBackup", json!({"BackupArn": arn})),
            ] {
                let (_, told) = world.ask(operation, &request);
                assert!(told["__type"].as_str().unwrap().ends_with("BackupNotFoundException"), "{told}");
            }
            let mut world = world.crash(steps);
            let (status, _) = world.ask("DescribeBackup", &json!({"BackupArn": arn}));
            assert_eq!(status, 400, "once is enough");
        }
    }
}

#[test]
fn a_table_that_was_being_restored_becomes_complete_after_crashes() {
    for steps in [0, 1, 2, 5, 9, 14, 20, 26, 30] {
        let mut world = World::new();
        table(&mut world);
        let arn = back_up(&mut world);
        world.work();
        restore(&mut world, &arn, "again");
        for seed in 0..3 {
            for _ in 0..steps {
                world.step();
            }
            world = world.crash(seed);
            let told = status(&mut world, "again");
            assert!(told == "ACTIVE" || told == "CREATING", "{told}");
            if told == "ACTIVE" {
                has_what_was_before(&mut world, "again");
            }
        }
        world.work();
        has_what_was_before(&mut world, "again");
    }
}
