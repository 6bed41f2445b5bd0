//! CreateTable.

use std::collections::BTreeMap;

use serde_json::json;

use crate::dynamo::context::Context;
use crate::dynamo::error::{Kind, Result, refused};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::dynamo::schema::{IndexState, Keys, Schema, Stream, ThroughputChanges};
use crate::dynamo::validate::create_table::create_table;
use crate::dynamo::validate::table::{Billing, TableDefinition};
use crate::dynamo::validate::tags;
use crate::store::{Reads, Txn};

/// Makes a table.
pub struct CreateTable {
    name: String,
    definition: TableDefinition,
    tags: BTreeMap<String, String>,
}

impl Operation for CreateTable {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let definition = create_table(request.json())?;
        let tags = tags::of_request(request.json())?
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        Ok(Self { definition, tags: tags.collect(), name: request.table_name()? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let mut txn = context.change(&self.name)?;
        if context.find(&self.name).is_some() {
            return Err(refused(Kind::ResourceInUse, format!("Table already exists: {}", self.name)));
        }
        let schema = new_schema(&mut txn, &self.name, self.definition.clone(), self.tags.clone())?;
        let told = reply(&json!({"TableDescription": context.describe(&schema, schema.status())}));
        context.commit_schema(txn, &self.name, Some(schema))?;
        Ok(told)
    }
}

/// A new table, with ids of its own.
pub fn new_schema(
    txn: &mut Txn,
    name: &str,
    definition: TableDefinition,
    tags: BTreeMap<String, String>,
) -> Result<Schema> {
    let now_ms = txn.now_ms();
    let id = txn.new_id()?;
    let mut states = BTreeMap::new();
    for index in definition.indexes() {
        states.insert(index.name.clone(), IndexState { id: txn.new_id()?, is_filling: false });
    }
    let mut streams = Vec::new();
    if let Some(view) = definition.stream {
        streams.push(Stream { id: txn.new_id()?, view, created_ms: now_ms, closed_ms: None });
    }
    let on_demand_ms = (definition.billing == Billing::PerRequest).then_some(now_ms);
    let schema = Schema {
        id,
        uuid: uuid(id, now_ms),
        name: name.to_owned(),
        created_ms: now_ms,
        definition,
        states,
        changes: ThroughputChanges { on_demand_ms, ..ThroughputChanges::default() },
        ttl: None,
        is_arming: false,
        streams,
        recovery_days: None,
        restored: None,
        tags,
        keys: Keys::default(),
        indexes: Vec::new(),
    };
    Ok(schema.resolved())
}

/// What the table is known by outside, in the form of a UUID: no other table of this store has the same.
fn uuid(id: u64, now_ms: u64) -> String {
    let digest =
        u128::from_be_bytes(crate::codec::digest::digest(&[id.to_be_bytes(), now_ms.to_be_bytes()].concat()));
    let digits = format!("{digest:032x}");
    let group = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", group(0, 8), group(8, 12), group(13, 16), group(17, 20), group(20, 32))
}
