//! UpdateTable: indexes that are added and filled while everybody goes on, or removed at once; streams; what is noted.

use serde_json::json;

use super::delete::bury;
use crate::dynamo::context::Context;
use crate::dynamo::error::{Kind, Result, invalid, refused};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::dynamo::schema::{IndexState, Schema, Stream};
use crate::dynamo::validate::table::{AttributeDefinition, Billing, IndexDefinition, StreamView, Throughput};
use crate::dynamo::validate::update_table::{IndexUpdate, TableUpdate, update_table};
use crate::store::{Reads, Txn};

/// The most global indexes of a table.
const GLOBAL_INDEXES_MAX: usize = 20;

/// Changes what a table is.
pub struct UpdateTable {
    name: String,
    update: TableUpdate,
}

impl Operation for UpdateTable {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let update = update_table(request.json())?;
        Ok(Self { name: request.table_name()?, update })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let mut txn = context.change(&self.name)?;
        let mut schema = (*context.table_to_change(&self.name)?).clone();
        self.note(&mut schema, txn.now_ms())?;
        if let Some(turn) = &self.update.stream {
            set_stream(&mut txn, &mut schema, turn.on())?;
        }
        forget_streams(context, &mut txn, &mut schema);
        for index in &self.update.indexes {
            update_index(context, &mut txn, &mut schema, (index, &self.update.attributes))?;
        }
        let schema = schema.resolved();
        let told = reply(&json!({"TableDescription": context.describe(&schema, schema.status())}));
        context.commit_schema(txn, &self.name, Some(schema))?;
        context.tables.fill_soon();
        Ok(told)
    }
}

impl UpdateTable {
    /// Notes what is only told again.
    fn note(&self, schema: &mut Schema, now_ms: u64) -> Result<()> {
        let update = &self.update;
        let definition = &mut schema.definition;
        if let Some(billing) = update.billing {
            if billing == Billing::PerRequest && definition.billing != billing {
                schema.changes.on_demand_ms = Some(now_ms);
                definition.throughput = None;
            }
            definition.billing = billing;
        }
        if let Some(new) = update.throughput {
            if definition.billing == Billing::PerRequest {
                return Err(invalid(
                    "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
                ));
            }
            let old = definition.throughput.unwrap_or(Throughput { reads: 0, writes: 0 });
            if definition.throughput == Some(new) && update.billing.is_none() {
                return Err(invalid(format!(
                    "The provisioned throughput for the table will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for the table: {}. Requested ReadCapacityUnits: {}. Current WriteCapacityUnits provisioned for the table: {}. Requested WriteCapacityUnits: {}. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
                    old.reads, new.reads, old.writes, new.writes
                )));
            }
            if new.reads > old.reads || new.writes > old.writes {
                schema.changes.increased_ms = Some(now_ms);
            }
            if new.reads < old.reads || new.writes < old.writes {
                schema.changes.decreased_ms = Some(now_ms);
            }
            definition.throughput = Some(new);
        }
        if let Some(encryption) = &update.encryption {
            definition.encryption = encryption.on();
        }
        definition.class = update.class.unwrap_or(definition.class);
        definition.is_protected = update.is_protected.unwrap_or(definition.is_protected);
        definition.on_demand = update.on_demand.or(definition.on_demand);
        definition.warm = update.warm.or(definition.warm);
        Ok(())
    }
}

fn set_stream(txn: &mut Txn, schema: &mut Schema, view: Option<StreamView>) -> Result<()> {
    let now_ms = txn.now_ms();
    match (schema.streams.first_mut().filter(|stream| stream.closed_ms.is_none()), view) {
        (Some(_), Some(_)) => {
            return Err(refused(
                Kind::ResourceInUse,
                format!("Table already has an enabled stream: TableName: {}", schema.name),
            ));
        }
        (None, None) => {
            return Err(invalid(format!("Table is already disabled for stream: TableName: {}", schema.name)));
        }
        (Some(open), None) => open.closed_ms = Some(now_ms),
        (None, Some(view)) => {
            // A label is a millisecond: two streams of a table do not share one.
            let created_ms = schema.streams.first().map_or(now_ms, |last| now_ms.max(last.created_ms + 1));
            schema.streams.insert(0, Stream { id: txn.new_id()?, view, created_ms, closed_ms: None });
        }
    }
    schema.definition.stream = view;
    Ok(())
}

/// Lets go of streams that were switched off more than a day ago.
fn forget_streams(context: &Context, txn: &mut Txn, schema: &mut Schema) {
    let now_ms = txn.now_ms();
    let over = schema.streams.iter().filter(|stream| stream.is_over(now_ms));
    over.for_each(|stream| bury(context, txn, stream.id));
    schema.streams.retain(|stream| !stream.is_over(now_ms));
}

fn update_index(
    context: &Context,
    txn: &mut Txn,
    schema: &mut Schema,
    (update, attributes): (&IndexUpdate, &[AttributeDefinition]),
) -> Result<()> {
    let name = update.name();
    let is_there = schema.definition.indexes().any(|index| index.name == name);
    let globals = &mut schema.definition.global_indexes;
    let place = globals.iter().position(|index| index.name == name);
    match (update, place) {
        (IndexUpdate::Create(_), _) if is_there => {
            Err(invalid(format!("Attempting to create an index which already exists: {name}")))
        }
        (IndexUpdate::Create(_), _) if globals.len() >= GLOBAL_INDEXES_MAX => Err(refused(
            Kind::LimitExceeded,
            format!(
                "Subscriber limit exceeded: Number of global secondary indexes of a table exceeds {GLOBAL_INDEXES_MAX}"
            ),
        )),
        (IndexUpdate::Create(index), _) => create_index(txn, schema, (index, attributes)),
        (_, None) => Err(refused(
            Kind::ResourceNotFound,
            format!("Requested resource not found: Index: {name} of table {} not found", schema.name),
        )),
        (IndexUpdate::Change { throughput, on_demand, warm, .. }, Some(place)) => {
            if let Some(index) = globals.get_mut(place) {
                index.throughput = throughput.or(index.throughput);
                index.on_demand = on_demand.or(index.on_demand);
                index.warm = warm.or(index.warm);
            }
            Ok(())
        }
        (IndexUpdate::Delete(_), Some(place)) => {
            globals.remove(place);
            if let Some(state) = schema.states.remove(name) {
                bury(context, txn, state.id);
            }
            let definition = &mut schema.definition;
            let still: Vec<String> = definition
                .indexes()
                .map(|index| &index.key)
                .chain([&definition.key])
                .flat_map(|key| key.names().map(str::to_owned))
                .collect();
            definition.attributes.retain(|attribute| still.contains(&attribute.name));
            Ok(())
        }
    }
}

fn create_index(
    txn: &mut Txn,
    schema: &mut Schema,
    (index, attributes): (&IndexDefinition, &[AttributeDefinition]),
) -> Result<()> {
    for name in index.key.names() {
        let given = attributes.iter().find(|attribute| attribute.name == name);
        match (schema.definition.type_of(name), given) {
            (Some(known), Some(given)) if known != given.of => {
                return Err(invalid(format!(
                    "One or more parameter values were invalid: Attribute {name} is of type {} already",
                    known.word()
                )));
            }
            (None, Some(given)) => schema.definition.attributes.push(given.clone()),
            _ => {}
        }
    }
    schema.states.insert(index.name.clone(), IndexState { id: txn.new_id()?, is_filling: true });
    schema.definition.global_indexes.push(index.clone());
    Ok(())
}
