//! UpdateTable: indexes that are added and filled while everybody goes on, or removed at once; streams; what is noted.

use serde_json::json;

use super::delete::bury;
use super::indexes::{Updates, check_warm, unchanged};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Kind, Result, invalid, refused};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::dynamo::schema::{Schema, Stream};
use crate::dynamo::validate::table::{Billing, Encryption, StreamView, Throughput};
use crate::dynamo::validate::update_table::{TableUpdate, Turn, update_table};
use crate::store::{Reads, Txn};

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
        if self.update.wins_space() {
            txn.frees();
        }
        forget_streams(context, &mut txn, &mut schema);
        Updates::of(&self.update).apply(context, &mut txn, &mut schema)?;
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
            Updates::of(update).check_switch(definition, billing)?;
            if billing == Billing::PerRequest && definition.billing != billing {
                schema.changes.on_demand_ms = Some(now_ms);
                definition.throughput = None;
                definition.global_indexes.iter_mut().for_each(|index| index.throughput = None);
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
                return Err(unchanged(("the table", "the table"), old, new));
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
            definition.encryption = encrypted(definition.encryption.as_ref(), encryption)?;
        }
        if let Some(bounds) = update.on_demand.filter(|_| definition.billing == Billing::Provisioned) {
            let name = if bounds.reads.is_some() { "MaxReadRequestUnits" } else { "MaxWriteRequestUnits" };
            return Err(invalid(format!(
                "One or more parameter values were invalid: {name} for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"
            )));
        }
        check_warm("table", definition.warm, update.warm)?;
        definition.class = update.class.unwrap_or(definition.class);
        definition.is_protected = update.is_protected.unwrap_or(definition.is_protected);
        definition.on_demand = update.on_demand.or(definition.on_demand);
        definition.warm = update.warm.or(definition.warm);
        Ok(())
    }
}

/// What a table is encrypted with from now on.
fn encrypted(now: Option<&Encryption>, asked: &Turn<Encryption>) -> Result<Option<Encryption>> {
    let asked = asked.on();
    if now != asked.as_ref() {
        return Ok(asked);
    }
    Err(invalid(if now.is_none() {
        "One or more parameter values were invalid: Table is already encrypted by default"
    } else {
        "One or more parameter values were invalid: Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to change Master Key"
    }))
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
            return Err(invalid(format!("Table has no stream to disable: TableName: {}", schema.name)));
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
