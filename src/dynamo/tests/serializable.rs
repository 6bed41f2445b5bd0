//! Transactions that run at once are serializable: there is an order, one after the other, in which they would have read
//! and written the same.
//!
//! Each item holds the list of those who wrote it, so that its end state tells the order of its writers, and whoever reads
//! it knows which of them came before. Of all transactions that happened the graph is drawn of who must come before whom
//! (Adya, "Weak Consistency", 1999: write-write, write-read and read-write dependencies): it has no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use crate::dynamo::limits::Limits;
use crate::dynamo::{REALM, Tables};
use crate::random::Random;
use crate::store::{Env, Options, Store, Tier};
use crate::vfs::memory::MemoryVfs;

const ITEMS: u64 = 6;
const THREADS: u64 = 4;
const ROUNDS: u64 = 150;

/// A transaction that happened: who had written what it read, by item, and what it wrote.
#[derive(Default)]
struct Happened {
    read: BTreeMap<String, Vec<i64>>,
    wrote: BTreeSet<String>,
}

fn ask(tables: &Arc<Tables>, operation: &str, request: &Json) -> (u16, Json) {
    let call =
        tables.prepare(&format!("DynamoDB_20120810.{operation}"), request.to_string().as_bytes()).unwrap();
    let answer = call.run(Tier::Cached, 0).or_else(|_| call.run(Tier::Disk, 0)).unwrap();
    tables.store().db().acknowledge(answer.needs).unwrap();
    (answer.status(), serde_json::from_slice(&answer.body).unwrap())
}

fn key(name: &str) -> Json {
    json!({"id": {"S": name}})
}

/// Who wrote an item, in order.
fn writers(item: &Json) -> Vec<i64> {
    let list = item["by"]["L"].as_array().unwrap();
    list.iter().map(|one| one["N"].as_str().unwrap().parse().unwrap()).collect()
}

/// Reads some items, and adds itself to some of them if they still are what was read. `None` if they are not.
fn transact(tables: &Arc<Tables>, id: i64, random: &mut Random) -> Option<Happened> {
    let mut names: Vec<String> = (0..ITEMS).map(|n| format!("item{n}")).collect();
    random.shuffle(&mut names);
    names.truncate(2 + random.below(2) as usize);
    let gets: Vec<Json> =
        names.iter().map(|name| json!({"Get": {"TableName": "list", "Key": key(name)}})).collect();
    let (_, found) = ask(tables, "TransactGetItems", &json!({"TransactItems": gets}));
    let mut happened = Happened::default();
    let mut actions = Vec::new();
    for (place, (name, found)) in names.iter().zip(found["Responses"].as_array().unwrap()).enumerate() {
        let before = writers(&found["Item"]);
        let condition = json!({":size": {"N": before.len().to_string()}});
        happened.read.insert(name.clone(), before);
        if place == 0 || random.below(2) == 0 {
            happened.wrote.insert(name.clone());
            let mut values = condition;
            values[":me"] = json!({"L": [{"N": id.to_string()}]});
            actions.push(json!({"Update": {
                "TableName": "list", "Key": key(name), "UpdateExpression": "SET #by = list_append(#by, :me)",
                "ConditionExpression": "size(#by) = :size", "ExpressionAttributeNames": {"#by": "by"},
                "ExpressionAttributeValues": values,
            }}));
        } else {
            actions.push(json!({"ConditionCheck": {
                "TableName": "list", "Key": key(name), "ConditionExpression": "size(#by) = :size",
                "ExpressionAttributeNames": {"#by": "by"}, "ExpressionAttributeValues": condition,
            }}));
        }
    }
    let (status, told) = ask(tables, "TransactWriteItems", &json!({"TransactItems": actions}));
    if status == 200 {
        return Some(happened);
    }
    assert!(told["__type"].as_str().unwrap().ends_with("TransactionCanceledException"), "{told}");
    None
}

/// Who must come before whom.
fn dependencies(
    all: &BTreeMap<i64, Happened>,
    ends: &BTreeMap<String, Vec<i64>>,
) -> BTreeMap<i64, BTreeSet<i64>> {
    let mut after: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    let mut edge = |from: i64, to: i64| {
        if from != to {
            after.entry(from).or_default().insert(to);
        }
    };
    for order in ends.values() {
        order.windows(2).for_each(|pair| edge(pair[0], pair[1]));
    }
    for (&id, happened) in all {
        for (name, before) in &happened.read {
            let order = &ends[name];
            assert!(order.starts_with(before), "{name} was read as {before:?}, and is {order:?}");
            before.last().into_iter().for_each(|&writer| edge(writer, id));
            order.get(before.len()).into_iter().for_each(|&next| edge(id, next));
        }
    }
    after
}

#[test]
fn transactions_at_once_are_as_if_one_after_the_other() {
    let env = Env::with_vfs(Arc::new(MemoryVfs::new()));
    let options = Options { memory: 16 << 20, ..Options::default() };
    let store = Store::open(env, Path::new("/db"), options, &[REALM]).unwrap();
    let tables = Tables::open(store, Limits::default()).unwrap();
    ask(
        &tables,
        "CreateTable",
        &json!({
            "TableName": "list", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        }),
    );
    for n in 0..ITEMS {
        let item = json!({"id": {"S": format!("item{n}")}, "by": {"L": []}});
        ask(&tables, "PutItem", &json!({"TableName": "list", "Item": item}));
    }
    let all = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (tables, all) = (&tables, &all);
            scope.spawn(move || {
                let mut random = Random::seeded(thread);
                for round in 0..ROUNDS {
                    let id = (thread * ROUNDS + round) as i64;
                    if let Some(happened) = transact(tables, id, &mut random) {
                        all.lock().insert(id, happened);
                    }
                }
            });
        }
    });
    let all = all.into_inner();
    let (_, found) = ask(&tables, "Scan", &json!({"TableName": "list"}));
    let items = found["Items"].as_array().unwrap();
    let ends: BTreeMap<String, Vec<i64>> =
        items.iter().map(|item| (item["id"]["S"].as_str().unwrap().to_owned(), writers(item))).collect();
    // What is in the items is what was said to have happened.
    for (name, order) in &ends {
        let said: BTreeSet<i64> =
            all.iter().filter(|(_, happened)| happened.wrote.contains(name)).map(|(id, _)| *id).collect();
        assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), said, "{name}");
    }
    let mut after = dependencies(&all, &ends);
    // Takes away those that nobody must come before, until there are none left, or only circles.
    let mut left: BTreeSet<i64> = all.keys().copied().collect();
    while !left.is_empty() {
        let later: BTreeSet<i64> = after.values().flatten().copied().collect();
        let first: Vec<i64> = left.iter().copied().filter(|id| !later.contains(id)).collect();
        assert!(!first.is_empty(), "these must each come before another: {left:?}");
        for id in first {
            left.remove(&id);
            after.remove(&id);
        }
    }
    assert!(all.len() > 50, "only {} transactions happened", all.len());
}
