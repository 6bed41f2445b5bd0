//! Requests of the table API, carried out on tables that are made for each input.

use std::path::Path;
use std::sync::Arc;

use crate::dynamo::limits::Limits;
use crate::dynamo::operations::OPERATIONS;
use crate::dynamo::{REALM, Tables};
use crate::engine::{Env, Options};
use crate::store::{Store, Tier};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

/// What every input finds.
const BEFORE: &[(&str, &str)] = &[
    (
        "CreateTable",
        r#"{"TableName":"abc","BillingMode":"PAY_PER_REQUEST","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"},
            "AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"},{"AttributeName":"b","AttributeType":"N"},{"AttributeName":"c","AttributeType":"B"}],
            "KeySchema":[{"AttributeName":"a","KeyType":"HASH"},{"AttributeName":"b","KeyType":"RANGE"}],
            "GlobalSecondaryIndexes":[{"IndexName":"idx","KeySchema":[{"AttributeName":"c","KeyType":"HASH"}],"Projection":{"ProjectionType":"KEYS_ONLY"}}]}"#,
    ),
    (
        "PutItem",
        r#"{"TableName":"abc","Item":{"a":{"S":"x"},"b":{"N":"1"},"c":{"B":"AAEC"},"d":{"L":[{"M":{"e":{"NS":["1","2"]}}}]}}}"#,
    ),
];

/// Requests, one a line: the first byte says which operation, the rest is the body. Each is answered, and the answer is JSON.
pub fn tables(input: &[u8]) {
    let mut env = Env::with_vfs(Arc::new(MemoryVfs::new()));
    env.workers = Workers::manual();
    let workers = env.workers.clone();
    let options = Options { memory: 16 << 20, ..Options::default() };
    let Ok(store) = Store::open(env, Path::new("/db"), options, &[REALM]) else { return };
    let Ok(tables) = Tables::open(store, Limits::default()) else { return };
    for (operation, body) in BEFORE {
        ask(&tables, operation, body.as_bytes());
    }
    for line in input.split(|&byte| byte == b'\n') {
        let Some((&first, body)) = line.split_first() else { continue };
        let Some(entry) = OPERATIONS.get(usize::from(first) % OPERATIONS.len()) else { continue };
        ask(&tables, entry.name, body);
    }
    workers.discard();
}

fn ask(tables: &Arc<Tables>, operation: &str, body: &[u8]) {
    let targets = ["DynamoDB_20120810", "DynamoDBStreams_20120810"];
    for target in targets {
        let answer = match tables.prepare(&format!("{target}.{operation}"), body) {
            Ok(call) => call.run(Tier::Disk, 0).unwrap_or_else(|error| panic!("{operation}: {error}")),
            Err(refusal) => refusal.answer(0),
        };
        let is_json =
            answer.body.is_empty() || serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok();
        assert!(is_json, "{operation} answers {:?}", String::from_utf8_lossy(&answer.body));
        assert!(answer.status() < 500, "{operation} failed: {:?}", String::from_utf8_lossy(&answer.body));
    }
}

/// The requests of the conversations that tests hold.
pub(super) fn request_seeds() -> Vec<Vec<u8>> {
    let conversations = [
        include_str!("../dynamo/tests/transcripts/items.txt"),
        include_str!("../dynamo/tests/transcripts/indexes.txt"),
        include_str!("../dynamo/tests/transcripts/transactions.txt"),
        include_str!("../dynamo/tests/transcripts/streams.txt"),
    ];
    conversations.iter().map(|text| seed(text)).collect()
}

fn seed(conversation: &str) -> Vec<u8> {
    let mut seed = Vec::new();
    let text = conversation.replace("\n ", " ");
    for request in text.lines().filter_map(|line| line.strip_prefix("> ")) {
        let (name, body) = request.split_once(' ').unwrap_or((request, "{}"));
        let place = OPERATIONS.iter().position(|entry| entry.name == name).unwrap_or(0);
        seed.push(place as u8);
        seed.extend_from_slice(body.replace("games", "abc").replace("music", "abc").as_bytes());
        seed.push(b'\n');
    }
    seed
}
