//! What an UpdateTable does to global indexes: they are made, dropped, or what is noted of them changes. One at a time is
//! made or dropped; one that is made is filled in the background ([`super::fill`]).

use super::delete::bury;
use crate::dynamo::context::Context;
use crate::dynamo::error::{Error, Kind, Result, invalid, refused};
use crate::dynamo::schema::{IndexState, Schema};
use crate::dynamo::validate::table::{
    AttributeDefinition, Billing, IndexDefinition, TableDefinition, Throughput, WarmThroughput,
};
use crate::dynamo::validate::update_table::{IndexUpdate, ONE_AT_A_TIME, TableUpdate};
use crate::store::Txn;

/// The most global indexes of a table.
const GLOBAL_INDEXES_MAX: usize = 20;

/// What becomes of indexes.
pub struct Updates<'a> {
    updates: &'a [IndexUpdate],
    attributes: &'a [AttributeDefinition],
}

impl<'a> Updates<'a> {
    /// What a request asks for.
    pub fn of(update: &'a TableUpdate) -> Self {
        Self { updates: &update.indexes, attributes: &update.attributes }
    }

    /// Refuses to have indexes paid for by what is provisioned for them, if nothing is.
    pub fn check_switch(&self, table: &TableDefinition, billing: Billing) -> Result<()> {
        if billing != Billing::Provisioned || table.billing == billing {
            return Ok(());
        }
        let is_given = |name: &str| {
            self.updates.iter().any(|update| {
                matches!(update, IndexUpdate::Delete(_) | IndexUpdate::Change { throughput: Some(_), .. })
                    && update.name() == name
            })
        };
        let names = table.global_indexes.iter().map(|index| &index.name[..]);
        let lacking: Vec<&str> = names.filter(|name| !is_given(name)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        Err(wrong(format_args!("ProvisionedThroughput must be specified for index: {}", lacking.join(","))))
    }

    /// Carries them out.
    pub fn apply(&self, context: &Context, txn: &mut Txn, schema: &mut Schema) -> Result<()> {
        for update in self.updates {
            let name = update.name();
            let place = schema.definition.global_indexes.iter().position(|index| index.name == name);
            let is_there = schema.definition.indexes().any(|index| index.name == name);
            let is_filling = schema.states.iter().any(|(other, state)| state.is_filling && other != name);
            match (update, place) {
                (IndexUpdate::Create(_), _) if is_there => {
                    return Err(invalid("Attempting to create an index which already exists"));
                }
                (IndexUpdate::Create(index), _) => {
                    one_at_a_time(is_filling)?;
                    create(txn, schema, (index, self.attributes))?;
                }
                (IndexUpdate::Delete(_) | IndexUpdate::Change { .. }, None) => {
                    return Err(not_there(update, &schema.name, is_there));
                }
                (IndexUpdate::Change { .. }, Some(place)) => {
                    let billing = schema.definition.billing;
                    if let Some(index) = schema.definition.global_indexes.get_mut(place) {
                        change(index, update, billing)?;
                    }
                }
                (IndexUpdate::Delete(_), Some(place)) => {
                    one_at_a_time(is_filling)?;
                    drop_index(context, txn, schema, place);
                }
            }
        }
        Ok(())
    }
}

fn one_at_a_time(is_filling: bool) -> Result<()> {
    if is_filling { Err(refused(Kind::LimitExceeded, ONE_AT_A_TIME)) } else { Ok(()) }
}

fn wrong(what: std::fmt::Arguments<'_>) -> Error {
    invalid(format!("One or more parameter values were invalid: {what}"))
}

fn not_there(update: &IndexUpdate, table: &str, is_local: bool) -> Error {
    let (name, what) =
        (update.name(), if matches!(update, IndexUpdate::Delete(_)) { "delete" } else { "update" });
    if is_local {
        return invalid(format!("Cannot {what} an index that is not a GlobalSecondaryIndex: {name}"));
    }
    let why = format!("Requested resource not found: Index {name} for table {table}");
    refused(Kind::ResourceNotFound, why)
}

fn create(
    txn: &mut Txn,
    schema: &mut Schema,
    (index, attributes): (&IndexDefinition, &[AttributeDefinition]),
) -> Result<()> {
    let name = &index.name;
    match (schema.definition.billing, index.throughput) {
        (Billing::PerRequest, Some(_)) => {
            return Err(wrong(format_args!(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
            )));
        }
        (Billing::Provisioned, None) => {
            return Err(wrong(format_args!(
                "Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: {name}"
            )));
        }
        _ => {}
    }
    if schema.definition.global_indexes.len() >= GLOBAL_INDEXES_MAX {
        let why = format!(
            "Subscriber limit exceeded: GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_INDEXES_MAX}"
        );
        return Err(refused(Kind::LimitExceeded, why));
    }
    for name in index.key.names() {
        let given = attributes.iter().find(|attribute| attribute.name == name);
        match (schema.definition.type_of(name), given) {
            (Some(known), Some(given)) if known != given.of => {
                return Err(wrong(format_args!("Attribute {name} is of type {} already", known.word())));
            }
            (None, Some(given)) => schema.definition.attributes.push(given.clone()),
            _ => {}
        }
    }
    schema.states.insert(name.clone(), IndexState { id: txn.new_id()?, is_filling: true });
    schema.definition.global_indexes.push(index.clone());
    Ok(())
}

fn drop_index(context: &Context, txn: &mut Txn, schema: &mut Schema, place: usize) {
    let name = schema.definition.global_indexes.remove(place).name;
    if let Some(state) = schema.states.remove(&name) {
        bury(context, txn, state.id);
    }
    let definition = &mut schema.definition;
    let keys = definition.indexes().map(|index| &index.key).chain([&definition.key]);
    let still: Vec<String> = keys.flat_map(|key| key.names().map(str::to_owned)).collect();
    definition.attributes.retain(|attribute| still.contains(&attribute.name));
}

fn change(index: &mut IndexDefinition, update: &IndexUpdate, billing: Billing) -> Result<()> {
    let IndexUpdate::Change { name, throughput, on_demand, warm } = update else { return Ok(()) };
    let is_nothing = on_demand.is_none() && warm.is_none();
    if billing == Billing::PerRequest && (throughput.is_some() || is_nothing) {
        return Err(wrong(format_args!(
            "The only Updates for index: {name} when TableThroughputMode is PAY_PER_REQUEST can be to OnDemandThroughput, WarmThroughput"
        )));
    }
    if let (Some(old), Some(new)) = (index.throughput, *throughput)
        && old == new
    {
        return Err(unchanged((&format!("the index {name}"), &format!("index {name}")), old, new));
    }
    check_warm(&format!("index {name}"), index.warm, *warm)?;
    index.throughput = throughput.or(index.throughput);
    index.on_demand = on_demand.or(index.on_demand);
    index.warm = warm.or(index.warm);
    Ok(())
}

/// What is said to a throughput that is what it was, of something that is called one thing and then another.
pub fn unchanged((of, again): (&str, &str), old: Throughput, new: Throughput) -> Error {
    invalid(format!(
        "The provisioned throughput for {of} will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for {again}: {}. Requested ReadCapacityUnits: {}. Current WriteCapacityUnits provisioned for {again}: {}. Requested WriteCapacityUnits: {}. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
        old.reads, new.reads, old.writes, new.writes
    ))
}

/// Refuses to be ready for less.
pub fn check_warm(of: &str, old: Option<WarmThroughput>, new: Option<WarmThroughput>) -> Result<()> {
    let (Some(old), Some(new)) = (old, new) else { return Ok(()) };
    for (name, old, new) in
        [("ReadUnitsPerSecond", old.reads, new.reads), ("WriteUnitsPerSecond", old.writes, new.writes)]
    {
        if new.is_some_and(|new| old.is_some_and(|old| new < old)) {
            return Err(wrong(format_args!(
                "Requested {name} for WarmThroughput for {of} is lower than current WarmThroughput, decreasing WarmThroughput is not supported"
            )));
        }
    }
    Ok(())
}
