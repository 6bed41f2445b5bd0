//! DeleteTable: at the price of a few rows, however large the table is. Its streams can be read for another day.

use serde_json::json;

use crate::dynamo::context::Context;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::dynamo::rows::{counters, space_prefix};
use crate::store::Txn;

/// A table's end.
pub struct DeleteTable {
    name: String,
}

impl Operation for DeleteTable {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        Ok(Self { name: request.table_name()? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let mut txn = context.change(&self.name)?;
        let table = context.table_to_tell(&self.name)?;
        // One that cannot be restored can be deleted.
        if context.tables.refilling.is_at(table.id) {
            context.table_to_change(&self.name)?;
        }
        if table.definition.is_protected {
            return Err(invalid(
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
            ));
        }
        let told = reply(&json!({"TableDescription": context.describe_departing(&table)}));
        txn.frees();
        bury(context, &mut txn, table.id);
        table.indexes.iter().for_each(|index| bury(context, &mut txn, index.id));
        context.stage_departure(&mut txn, &table)?;
        context.commit_schema(txn, &self.name, None)?;
        Ok(told)
    }
}

/// Stages the death of all rows of a space. Nobody else changes it meanwhile.
pub fn bury(context: &Context, txn: &mut Txn, space: u64) {
    let (items, bytes) = counters(space);
    for counter in [items, bytes] {
        txn.count(counter, -context.tables.store().counter(counter));
    }
    txn.kill(&space_prefix(space));
    // It may be a stream.
    let sequences = context.tables.sequences.clone();
    txn.after_commit(move |_| sequences.forget(space));
}
