//! Random operations on a table with indexes, a stream and items that expire, against a map in memory: after each the items,
//! every index, the counts and what the stream tells agree with it, also after the power was lost.
//!
//! `SILTSTONE_TABLES=N SILTSTONE_SEED=N cargo test --lib dynamo::tests::model` runs N operations from a seed.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::world::World;
use crate::clock::Clock;
use crate::random::Random;

/// An item's keys, and the item.
type Items = BTreeMap<(String, i64), BTreeMap<String, Json>>;

/// An index: its name, its own keys, and which attributes it holds if not all.
type Held = (&'static str, &'static [&'static str], Option<&'static [&'static str]>);

const PARTITIONS: u64 = 4;
const SORTS: u64 = 6;

struct Model {
    world: World,
    random: Random,
    items: Items,
    /// What a crash may go back to: the last acknowledged state, and those after it.
    moments: Vec<Items>,
    /// What somebody who reads the stream knows, and where that reader is.
    replica: Items,
    iterator: Option<String>,
    indexed: bool,
}

fn number(n: i64) -> Json {
    json!({"N": n.to_string()})
}

fn key(partition: &str, sort: i64) -> Json {
    json!({"p": {"S": partition}, "s": number(sort)})
}

fn key_of(item: &Json) -> (String, i64) {
    (item["p"]["S"].as_str().unwrap().to_owned(), integer(&item["s"]))
}

fn integer(value: &Json) -> i64 {
    value["N"].as_str().unwrap().parse().unwrap()
}

fn as_item(json: &Json) -> BTreeMap<String, Json> {
    json.as_object().unwrap().clone().into_iter().collect()
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut world = World::new();
        world.must(
            "CreateTable",
            &json!({
                "TableName": "model", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "N"},
                    {"AttributeName": "g", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"},
                ],
                "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
                "LocalSecondaryIndexes": [{
                    "IndexName": "local", "Projection": {"ProjectionType": "KEYS_ONLY"},
                    "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
                }],
                "GlobalSecondaryIndexes": [{
                    "IndexName": "global", "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]},
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
                }],
                "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            }),
        );
        let ttl = json!({"Enabled": true, "AttributeName": "t"});
        world.must("UpdateTimeToLive", &json!({"TableName": "model", "TimeToLiveSpecification": ttl}));
        world.work();
        let mut model = Self {
            world,
            random: Random::seeded(seed),
            items: Items::new(),
            moments: Vec::new(),
            replica: Items::new(),
            iterator: None,
            indexed: false,
        };
        model.settle();
        model
    }

    /// Everything so far is acknowledged.
    fn settle(&mut self) {
        self.world.tables.store().db().sync().unwrap();
        self.moments = vec![self.items.clone()];
    }

    /// Asks for what must succeed, and does not wait for the disk.
    fn must(&mut self, operation: &str, request: &Json) -> Json {
        let (status, body, _) = self.world.ask_unacknowledged(operation, request);
        assert_eq!(status, 200, "{operation} {request}: {body}");
        body
    }

    /// Lets the background do its work; what has expired is gone afterwards.
    fn work(&mut self) {
        self.world.reap();
        self.world.work();
        let now = self.world.clock.now_ms() as i64;
        self.items.retain(|_, item| item.get("t").is_none_or(|t| integer(t) * 1000 > now));
        self.settle();
    }

    fn some_key(&mut self) -> (String, i64) {
        (format!("p{}", self.random.below(PARTITIONS)), self.random.below(SORTS) as i64 - 2)
    }

    fn some_item(&mut self) -> ((String, i64), Json) {
        let (partition, sort) = self.some_key();
        let mut item = key(&partition, sort);
        if self.random.below(4) > 0 {
            item["n"] = number(self.random.below(5) as i64);
        }
        if self.random.below(3) > 0 {
            item["g"] = json!({"S": format!("g{}", self.random.below(3))});
        }
        if self.random.below(2) > 0 {
            item["x"] = json!({"S": "x".repeat(1 + self.random.below(300) as usize)});
        }
        if self.random.below(4) == 0 {
            let now = self.world.clock.now_ms() as i64 / 1000;
            item["t"] = number(now + self.random.below(40) as i64 - 5);
        }
        ((partition, sort), item)
    }

    /// Asks; the state that comes of it if that is not refused.
    fn ask(&mut self, operation: &str, request: &Json, after: Items, is_allowed: bool) {
        let (status, body, _) = self.world.ask_unacknowledged(operation, request);
        assert_eq!(status == 200, is_allowed, "{operation} {request}: {body}");
        if is_allowed {
            self.items = after;
            self.moments.push(self.items.clone());
        }
        if self.random.below(3) == 0 {
            self.settle();
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..6 => self.put(),
            6..10 => self.update(),
            10..12 => self.delete(),
            12..14 => self.transact(),
            14..16 => self.batch(),
            16 => self.wait(),
            17 => self.reindex(),
            18 if self.random.below(3) == 0 => self.crash(),
            _ => self.work(),
        }
        self.check();
    }

    fn put(&mut self) {
        let (at, item) = self.some_item();
        let mut request = json!({"TableName": "model", "Item": item});
        let mut is_allowed = true;
        if self.random.below(3) == 0 {
            request["ConditionExpression"] = "attribute_not_exists(p)".into();
            is_allowed = !self.items.contains_key(&at);
        }
        let mut after = self.items.clone();
        after.insert(at, as_item(&item));
        self.ask("PutItem", &request, after, is_allowed);
    }

    fn update(&mut self) {
        let (partition, sort) = self.some_key();
        let mut after = self.items.clone();
        let at = (partition.clone(), sort);
        let item = after.entry(at).or_insert_with(|| as_item(&key(&partition, sort)));
        let by = self.random.below(5) as i64 - 2;
        let n = item.get("n").map_or(0, integer) + by;
        item.insert("n".to_owned(), number(n));
        item.remove("g");
        let request = json!({
            "TableName": "model", "Key": key(&partition, sort), "UpdateExpression": "ADD n :by REMOVE g",
            "ExpressionAttributeValues": {":by": number(by)},
        });
        self.ask("UpdateItem", &request, after, true);
    }

    fn delete(&mut self) {
        let (partition, sort) = self.some_key();
        let mut after = self.items.clone();
        let old = after.remove(&(partition.clone(), sort));
        let is_allowed = old.is_some_and(|item| item.contains_key("n"));
        let request = json!({
            "TableName": "model", "Key": key(&partition, sort), "ConditionExpression": "attribute_exists(n)",
        });
        self.ask("DeleteItem", &request, after, is_allowed);
    }

    fn transact(&mut self) {
        let (at, item) = self.some_item();
        let gone = self.some_key();
        let checked = self.some_key();
        if at == gone || at == checked || gone == checked {
            return;
        }
        let is_allowed = self.items.contains_key(&checked);
        let mut after = self.items.clone();
        after.insert(at, as_item(&item));
        after.remove(&gone);
        let request = json!({"TransactItems": [
            {"Put": {"TableName": "model", "Item": item}},
            {"Delete": {"TableName": "model", "Key": key(&gone.0, gone.1)}},
            {"ConditionCheck": {
                "TableName": "model", "Key": key(&checked.0, checked.1), "ConditionExpression": "attribute_exists(p)",
            }},
        ]});
        self.ask("TransactWriteItems", &request, after, is_allowed);
    }

    fn batch(&mut self) {
        let (at, item) = self.some_item();
        let gone = self.some_key();
        if at == gone {
            return;
        }
        let mut after = self.items.clone();
        after.insert(at, as_item(&item));
        after.remove(&gone);
        let request = json!({"RequestItems": {"model": [
            {"PutRequest": {"Item": item}}, {"DeleteRequest": {"Key": key(&gone.0, gone.1)}},
        ]}});
        self.ask("BatchWriteItem", &request, after, true);
    }

    fn wait(&mut self) {
        self.world.clock.advance_ms(self.random.below(20_000));
        self.work();
    }

    /// Adds an index to what is there, or removes it.
    fn reindex(&mut self) {
        let change = if self.indexed {
            json!({"Delete": {"IndexName": "late"}})
        } else {
            json!({"Create": {
                "IndexName": "late", "Projection": {"ProjectionType": "ALL"},
                "KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}],
            }})
        };
        let request = json!({
            "TableName": "model", "GlobalSecondaryIndexUpdates": [change],
            "AttributeDefinitions": [{"AttributeName": "x", "AttributeType": "S"}],
        });
        self.must("UpdateTable", &request);
        self.indexed = !self.indexed;
        self.settle();
    }

    fn crash(&mut self) {
        let seed = self.random.next_u64();
        let world = std::mem::replace(&mut self.world, World::new());
        self.world = world.crash(seed);
        let found = self.scan(&json!({"TableName": "model"}));
        let found: Items = found.iter().map(|item| (key_of(item), as_item(item))).collect();
        assert!(self.moments.contains(&found), "{found:?} is none of {:?}", self.moments);
        self.items = found;
        self.settle();
        // The reader of the stream may know of what was undone only if that was acknowledged: it begins anew.
        self.iterator = None;
        self.replica.clear();
    }

    /// All items of a table or an index, page by page.
    fn scan(&mut self, request: &Json) -> Vec<Json> {
        let mut request = request.clone();
        request["Limit"] = (1 + self.random.below(7)).into();
        let mut items = Vec::new();
        loop {
            let page = self.must("Scan", &request);
            items.extend(page["Items"].as_array().unwrap().iter().cloned());
            match page.get("LastEvaluatedKey") {
                Some(last) => request["ExclusiveStartKey"] = last.clone(),
                None => return items,
            }
        }
    }

    fn check(&mut self) {
        if self.indexed {
            // It can be read once it is filled.
            self.work();
        }
        let found = self.scan(&json!({"TableName": "model"}));
        let found: Items = found.iter().map(|item| (key_of(item), as_item(item))).collect();
        assert_eq!(found, self.items);
        let mut counts = BTreeMap::from([("model", self.items.len())]);
        let mut indexes: Vec<Held> = vec![
            ("local", &["p", "n"], Some(&["p", "s", "n"])),
            ("global", &["g", "n"], Some(&["p", "s", "g", "n", "x"])),
        ];
        if self.indexed {
            indexes.push(("late", &["x"], None));
        }
        for (name, keys, held) in indexes {
            let mut found = self.scan(&json!({"TableName": "model", "IndexName": name}));
            found.sort_by_key(key_of);
            let is_in = |item: &&BTreeMap<String, Json>| keys.iter().all(|key| item.contains_key(*key));
            let hold = |item: &BTreeMap<String, Json>| {
                let attributes =
                    item.iter().filter(|(name, _)| held.is_none_or(|held| held.contains(&&name[..])));
                Json::Object(attributes.map(|(name, value)| (name.clone(), value.clone())).collect())
            };
            let wanted: Vec<Json> = self.items.values().filter(is_in).map(hold).collect();
            assert_eq!(found, wanted, "{name}");
            counts.insert(name, wanted.len());
        }
        let table = self.must("DescribeTable", &json!({"TableName": "model"}))["Table"].clone();
        let mut told = BTreeMap::from([("model".to_owned(), table["ItemCount"].clone())]);
        for kind in ["LocalSecondaryIndexes", "GlobalSecondaryIndexes"] {
            for index in table[kind].as_array().unwrap() {
                told.insert(index["IndexName"].as_str().unwrap().to_owned(), index["ItemCount"].clone());
            }
        }
        let counts: BTreeMap<String, Json> =
            counts.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
        assert_eq!(told, counts);
        self.follow();
    }

    /// Reads what is new in the stream, and does the same with what is known from it.
    fn follow(&mut self) {
        let iterator = self.iterator.take().unwrap_or_else(|| {
            let streams = self.must("ListStreams", &json!({"TableName": "model"}));
            let arn = &streams["Streams"][0]["StreamArn"];
            let stream = self.must("DescribeStream", &json!({"StreamArn": arn}));
            let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
            let begin = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
            self.must("GetShardIterator", &begin)["ShardIterator"].as_str().unwrap().to_owned()
        });
        let mut iterator = iterator;
        loop {
            let page = self.must("GetRecords", &json!({"ShardIterator": iterator, "Limit": 10}));
            page["NextShardIterator"].as_str().unwrap().clone_into(&mut iterator);
            let records = page["Records"].as_array().unwrap();
            for record in records {
                let change = &record["dynamodb"];
                let at = key_of(&change["Keys"]);
                let image = |name: &str| change.get(name).map(as_item);
                let event = match (image("OldImage"), image("NewImage")) {
                    (None, Some(_)) => "INSERT",
                    (Some(_), Some(_)) => "MODIFY",
                    (Some(_), None) => "REMOVE",
                    (None, None) => panic!("{record}"),
                };
                assert_eq!(record["eventName"], event);
                assert_eq!(self.replica.remove(&at), image("OldImage"), "{record}");
                if let Some(new) = image("NewImage") {
                    self.replica.insert(at, new);
                }
            }
            if records.is_empty() {
                break;
            }
        }
        self.iterator = Some(iterator);
        assert_eq!(self.replica, self.items);
    }
}

#[test]
fn tables_indexes_counts_and_streams_agree_with_a_map() {
    let asked = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let (steps, seed) = (asked("SILTSTONE_TABLES").unwrap_or(1500), asked("SILTSTONE_SEED").unwrap_or(1));
    // A stream's records are kept for a day: a run of its own for each few hundred operations.
    for run in 0..steps.div_ceil(300) {
        let mut model = Model::new(seed.wrapping_mul(1_000_003) + run);
        for _ in 0..300.min(steps) {
            model.step();
        }
    }
}
