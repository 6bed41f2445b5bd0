//! What is too large or too many for one request, in the service's words. What fits a line is in `transcripts/`.

use serde_json::{Value as Json, json};

use super::world::World;

const KB: usize = 1 << 10;

fn begin() -> World {
    let mut world = World::new();
    world.must(
        "CreateTable",
        &json!({
            "TableName": "sizes", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "a", "AttributeType": "S"}, {"AttributeName": "b", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"},
            ],
        }),
    );
    world
}

fn key(a: &str, b: &str) -> Json {
    json!({"a": {"S": a}, "b": {"S": b}})
}

/// An item of about so many bytes.
fn item(a: &str, bytes: usize) -> Json {
    let mut item = key(a, "b");
    item["text"] = json!({"S": "x".repeat(bytes)});
    item
}

/// The exception and its message; a transaction's first reason instead, if it was cancelled.
fn refusal(world: &mut World, operation: &str, request: &Json) -> String {
    let (status, body) = world.ask(operation, request);
    assert_ne!(status, 200, "{operation}");
    if let Some(reason) = body["CancellationReasons"].get(0) {
        return format!("cancelled: {}", reason["Message"].as_str().unwrap());
    }
    let kind = body["__type"].as_str().unwrap().rsplit('#').next().unwrap();
    format!("{kind}: {}", body["message"].as_str().unwrap())
}

/// The end of what is said to a list that is too long.
fn at_most(place: &str, count: usize) -> String {
    format!(
        " at '{place}' failed to satisfy constraint: Member must have length less than or equal to {count}"
    )
}

#[test]
fn items_and_keys_that_are_too_large() {
    let mut world = begin();
    let mut told = |operation: &str, mut request: Json| {
        request["TableName"] = "sizes".into();
        refusal(&mut world, operation, &request)
    };
    let large = "Item size has exceeded the maximum allowed size";
    assert_eq!(
        told("PutItem", json!({"Item": item("a", 400 * KB)})),
        format!("ValidationException: {large}")
    );
    let grow = json!({
        "Key": key("a", "b"), "UpdateExpression": "SET t = :t", "ExpressionAttributeValues": {":t": {"S": "x".repeat(400 * KB)}},
    });
    assert_eq!(
        told("UpdateItem", grow),
        "ValidationException: Item size to update has exceeded the maximum allowed size"
    );
    let hash = "ValidationException: One or more parameter values were invalid: Size of hashkey has exceeded the \
                maximum size limit of2048 bytes";
    let range = "ValidationException: One or more parameter values were invalid: Aggregated size of all range keys \
                 has exceeded the size limit of 1024 bytes";
    for (a, b, why) in [(2049, 1, hash), (1, 1025, range)] {
        let key = key(&"x".repeat(a), &"x".repeat(b));
        assert_eq!(told("PutItem", json!({"Item": key.clone()})), why);
        for operation in ["GetItem", "DeleteItem", "UpdateItem"] {
            assert_eq!(told(operation, json!({"Key": key.clone()})), why, "{operation}");
        }
    }
    let long = format!("attribute_exists({})", "x".repeat(4096));
    assert_eq!(
        told("PutItem", json!({"Item": key("a", "b"), "ConditionExpression": long})),
        "ValidationException: Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4114"
    );
}

#[test]
fn what_an_update_sets_counts_by_itself_unless_it_is_one_of_a_statement_or_of_a_transaction() {
    let mut world = World::new();
    world.must(
        "CreateTable",
        &json!({
            "TableName": "short", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        }),
    );
    let refused = "ValidationException: Item size to update has exceeded the maximum allowed size";
    let update = |expression: &str, bytes: usize| {
        json!({
            "TableName": "short", "Key": {"pk": {"S": "k"}}, "UpdateExpression": expression,
            "ExpressionAttributeValues": {":b": {"S": "x".repeat(bytes)}},
        })
    };
    // The name of the attribute, 3 bytes for the update and 19 for the one that it sets.
    let most = 400 * KB - 1 - 3 - 19;
    world.must("UpdateItem", &update("SET b = :b", most));
    assert_eq!(refusal(&mut world, "UpdateItem", &update("SET b = :b", most + 1)), refused);
    world.must("UpdateItem", &update("SET b = :b REMOVE c", most - 2));
    assert_eq!(refusal(&mut world, "UpdateItem", &update("SET b = :b REMOVE c", most - 1)), refused);
    // All but the key.
    let most = 400 * KB - 3 - 1;
    world.must("TransactWriteItems", &json!({"TransactItems": [{"Update": update("SET b = :b", most)}]}));
    let statement = |bytes: usize| json!({"Statement": "UPDATE short SET b = ? WHERE pk = 'k'", "Parameters": [{"S": "x".repeat(bytes)}]});
    world.must("ExecuteStatement", &statement(most));
    assert_eq!(refusal(&mut world, "ExecuteStatement", &statement(most + 1)), refused);
}

#[test]
fn transactions_and_batches_that_are_too_large() {
    let mut world = begin();
    let put =
        |n: usize, bytes: usize| json!({"Put": {"TableName": "sizes", "Item": item(&n.to_string(), bytes)}});
    let get = |n: usize| json!({"Get": {"TableName": "sizes", "Key": key(&n.to_string(), "b")}});
    let puts = |count: usize, bytes: usize| json!({"TransactItems": (0..count).map(|n| put(n, bytes)).collect::<Json>()});
    let gets = |count: usize| json!({"TransactItems": (0..count).map(get).collect::<Json>()});
    let told = refusal(&mut world, "TransactWriteItems", &puts(101, 1));
    assert!(
        told.starts_with("ValidationException: 1 validation error detected: Value '[TransactWriteItem("),
        "{told}"
    );
    assert!(told.ends_with(&at_most("transactItems", 100)), "{told}");
    let told = refusal(&mut world, "TransactGetItems", &gets(101));
    assert!(told.ends_with(&at_most("transactItems", 100)), "{told}");
    world.must("TransactWriteItems", &puts(100, 1));
    world.must("TransactGetItems", &gets(100));
    // What can be told of the request alone is told of it; the rest cancels the transaction.
    assert_eq!(
        refusal(&mut world, "TransactWriteItems", &puts(1, 400 * KB)),
        "ValidationException: Item size has exceeded the maximum allowed size"
    );
    let grow = json!({"TransactItems": [{"Update": {
        "TableName": "sizes", "Key": key("0", "b"), "UpdateExpression": "SET t = :t",
        "ExpressionAttributeValues": {":t": {"S": "x".repeat(400 * KB)}},
    }}]});
    assert_eq!(
        refusal(&mut world, "TransactWriteItems", &grow),
        "cancelled: Item size to update has exceeded the maximum allowed size"
    );
    let large = "ValidationException: Transaction payload size cannot exceed 4 MB";
    assert_eq!(refusal(&mut world, "TransactWriteItems", &puts(11, 390 * KB)), large);
    for n in 0..11 {
        world.must("PutItem", &json!({"TableName": "sizes", "Item": item(&n.to_string(), 390 * KB)}));
    }
    let large = "ValidationException: Collection size of items in transaction exceeds the limit of 4 MB";
    assert_eq!(refusal(&mut world, "TransactGetItems", &gets(11)), large);
    world.must("TransactGetItems", &gets(10));
    // What a transaction takes away does not count (measured at AWS by scylladb's tests of its own table API).
    let take = |n: usize| json!({"Delete": {"TableName": "sizes", "Key": key(&n.to_string(), "b")}});
    world.must("TransactWriteItems", &json!({"TransactItems": (0..11).map(take).collect::<Json>()}));
    let keys = |count: usize| (0..count).map(|n| key(&n.to_string(), "b")).collect::<Json>();
    // Measured at AWS by nubo-db/dynamodb-conformance, and by moto for what is too many of two tables together.
    let batch = |tables: Json| json!({"RequestItems": tables});
    assert_eq!(
        refusal(&mut world, "BatchGetItem", &batch(json!({"sizes": {"Keys": keys(101)}}))),
        format!(
            "ValidationException: 1 validation error detected: Value{}",
            at_most("RequestItems.sizes.member.Keys", 100)
        )
    );
    let two = json!({"sizes": {"Keys": keys(75)}, "others": {"Keys": keys(26)}});
    assert_eq!(
        refusal(&mut world, "BatchGetItem", &batch(two)),
        "ValidationException: Too many items requested for the BatchGetItem call"
    );
    world.must("BatchGetItem", &batch(json!({"sizes": {"Keys": keys(100)}})));
    let deletes = |count: usize| {
        let all = (0..count).map(|n| json!({"DeleteRequest": {"Key": key(&n.to_string(), "b")}}));
        json!({"RequestItems": {"sizes": all.collect::<Json>()}})
    };
    world.must("BatchWriteItem", &deletes(25));
    let told = refusal(&mut world, "BatchWriteItem", &deletes(26));
    assert!(told.contains("[Member must have length less than or equal to 25, "), "{told}");
}

/// A value of so many maps in each other.
fn deep(levels: usize) -> Json {
    (0..levels).fold(json!({"S": "x"}), |value, _| json!({"M": {"m": value}}))
}

#[test]
fn values_that_lie_too_deep_for_any_parser() {
    let mut world = begin();
    let too_deep = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond \
                    supported limit";
    for levels in [32, 63, 64, 100, 400] {
        let mut item = key("deep", "b");
        item["m"] = deep(levels);
        let put = json!({"TableName": "sizes", "Item": item});
        assert_eq!(refusal(&mut world, "PutItem", &put), format!("ValidationException: {too_deep}"));
        // Of several parameters that are wrong, the first is told.
        let statement = |parameters: Json| {
            json!({"Statement": "SELECT * FROM sizes WHERE a = 'a' AND b = 'b' AND x = ? AND y = ?",
                "Parameters": parameters})
        };
        let statements = json!([
            statement(json!([deep(levels), {"N": "x"}])),
            statement(json!([{"N": "x"}, deep(levels)]))
        ]);
        let told = world.must("BatchExecuteStatement", &json!({"Statements": statements}));
        assert_eq!(told["Responses"][0]["Error"]["Message"], too_deep);
        let no_number = "The parameter cannot be converted to a numeric value: x";
        assert_eq!(told["Responses"][1]["Error"]["Message"], no_number);
        // Nobody looks at what nobody knows.
        world.must(
            "PutItem",
            &json!({"TableName": "sizes", "Item": key("deep", "b"), "Unknown": deep(levels)}),
        );
    }
}
