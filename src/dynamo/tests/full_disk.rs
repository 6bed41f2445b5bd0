//! The disk is full: writes are refused so that SDKs try again, what gives space back and what reads goes on, and once there
//! is room so do writes, by themselves.

use serde_json::{Value as Json, json};

use super::world::World;

fn table(world: &mut World, name: &str, view: &str) {
    world.must(
        "CreateTable",
        &json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "N"}, {"AttributeName": "of", "AttributeType": "S"},
            ],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by_of", "KeySchema": [{"AttributeName": "of", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": view},
        }),
    );
}

fn put(id: usize) -> Json {
    // Nothing that compresses well.
    let words = (0..40).map(|n| format!("{:x}", (id * 40 + n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let text = words.collect::<Vec<_>>().concat();
    json!({"TableName": "things", "Item": {"id": {"N": id.to_string()}, "of": {"S": "all"}, "text": {"S": text}}})
}

fn key(id: usize) -> Json {
    json!({"TableName": "things", "Key": {"id": {"N": id.to_string()}}})
}

/// As the server answers: what is not acknowledged it answers too.
fn answered(world: &mut World, operation: &str, request: &Json) -> (u16, Json) {
    let (status, body, needs) = world.ask_unacknowledged(operation, request);
    match world.tables.store().db().acknowledge(needs) {
        Ok(()) => (status, body),
        Err(error) => (500, json!({"__type": "#InternalServerError", "message": error.to_string()})),
    }
}

fn kind(body: &Json) -> &str {
    body["__type"].as_str().and_then(|kind| kind.rsplit('#').next()).unwrap_or_default()
}

#[test]
fn a_full_disk_refuses_what_grows_and_recovers_by_itself() {
    for room in (40_000..1_000_000).step_by(97_331) {
        let mut world = World::new();
        table(&mut world, "things", "KEYS_ONLY");
        table(&mut world, "others", "KEYS_ONLY");
        table(&mut world, "kept", "NEW_AND_OLD_IMAGES");
        for id in 0..20 {
            world.must("PutItem", &put(id));
        }
        world.must("PutItem", &json!({"TableName": "kept", "Item": put(0)["Item"]}));
        world.vfs.set_quota(Some(world.vfs.used() + room));
        let mut last = 20;
        let refused = loop {
            let (status, body) = answered(&mut world, "PutItem", &put(last));
            if status != 200 {
                break body;
            }
            last += 1;
            world.step();
        };
        // Whoever was on the way when the space gave out does not learn whether it was written; all others do.
        assert!(
            ["InternalServerError", "ServiceUnavailableException"].contains(&kind(&refused)),
            "{refused}"
        );
        let mut world = world.reconnected();
        let kept = json!({"TableName": "kept", "Key": key(0)["Key"]});
        for (operation, request) in [
            ("PutItem", put(last)),
            (
                "UpdateItem",
                json!({"TableName": "things", "Key": key(1)["Key"], "UpdateExpression": "SET a = id"}),
            ),
            (
                "BatchWriteItem",
                json!({"RequestItems": {"things": [{"PutRequest": {"Item": put(last)["Item"]}}]}}),
            ),
            ("TransactWriteItems", json!({"TransactItems": [{"Put": put(last)}, {"Delete": key(2)}]})),
            // The stream would keep the item.
            ("DeleteItem", kept.clone()),
            (
                "BatchWriteItem",
                json!({"RequestItems": {
                    "things": [{"DeleteRequest": {"Key": key(3)["Key"]}}],
                    "kept": [{"DeleteRequest": {"Key": key(0)["Key"]}}],
                }}),
            ),
            ("CreateBackup", json!({"TableName": "things", "BackupName": "one"})),
        ] {
            let (status, body) = answered(&mut world, operation, &request);
            assert_eq!((status, kind(&body)), (503, "ServiceUnavailableException"), "{operation}: {body}");
            assert!(body["message"].as_str().unwrap().contains("the disk is full"), "{body}");
        }
        let found = world.must("GetItem", &key(last - 1));
        assert_eq!(found["Item"], put(last - 1)["Item"], "what was acknowledged is there");
        let scanned =
            world.must("Scan", &json!({"TableName": "things", "Select": "COUNT", "IndexName": "by_of"}));
        assert!(scanned["Count"].as_u64().unwrap() > 0);
        world.must("DeleteItem", &key(0));
        world.must(
            "BatchWriteItem",
            &json!({"RequestItems": {"things": [
                {"DeleteRequest": {"Key": key(1)["Key"]}}, {"DeleteRequest": {"Key": key(2)["Key"]}},
            ]}}),
        );
        let drop = json!({"TableName": "things", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by_of"}}]});
        world.must("UpdateTable", &drop);
        world.must("DeleteTable", &json!({"TableName": "others"}));
        let end = json!({"TableName": "kept", "StreamSpecification": {"StreamEnabled": false}});
        world.must("UpdateTable", &end);
        world.must("DeleteItem", &kept);
        world.vfs.set_quota(None);
        for _ in 0..20 {
            world.clock.advance_ms(1000);
            world.work();
        }
        world.must("PutItem", &put(last));
        let told = world.must("DescribeTable", &json!({"TableName": "things"}));
        let scanned = world.must("Scan", &json!({"TableName": "things", "Select": "COUNT"}));
        assert_eq!(told["Table"]["ItemCount"], scanned["Count"]);
        let mut world = world.crash(room);
        assert_eq!(world.must("GetItem", &key(last))["Item"], put(last)["Item"]);
        assert_eq!(world.must("GetItem", &key(0)), json!({}));
    }
}
