//! RestoreTableFromBackup: makes a table, which [`super::refill`] fills.

use std::collections::BTreeMap;

use serde_json::json;

use super::{asked_arn, name_of};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Kind, Result, invalid, refused};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::dynamo::rows::{backup_lock, table_lock};
use crate::dynamo::schema::{Restored, Schema};
use crate::dynamo::table::create::new_schema;
use crate::dynamo::table::describe::table_arn;
use crate::dynamo::validate::backups::target_table;
use crate::dynamo::validate::restore::{Overrides, overrides};
use crate::dynamo::validate::table::{Billing, IndexDefinition, TableDefinition};
use crate::store::{LockSet, Reads};

/// Makes a table of a backup.
pub struct RestoreTableFromBackup {
    name: String,
    arn: String,
    overrides: Overrides,
}

impl Operation for RestoreTableFromBackup {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let name = target_table(request.json())?.to_owned();
        let overrides = overrides(request.json())?;
        Ok(Self { name, overrides, arn: asked_arn(&mut request)? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let mut locks = LockSet::one(table_lock(&self.name));
        locks.exclusive(backup_lock(name_of(&self.arn)));
        let mut txn = context.txn(locks)?;
        let backup = context.backup(&self.arn)?;
        if !backup.is_complete {
            return Err(refused(Kind::BackupInUse, format!("Backup is in use: {}", self.arn)));
        }
        if let Some(table) = context.find(&self.name) {
            return Err(if table.is_being_restored() {
                refused(Kind::TableInUse, format!("Table is being restored from a backup: {}", self.name))
            } else {
                refused(Kind::TableAlreadyExists, format!("Table already exists: {}", self.name))
            });
        }
        let definition = definition(&backup.table, &self.overrides)?;
        let mut schema = new_schema(&mut txn, &self.name, definition, BTreeMap::new())?;
        schema.restored = Some(Restored {
            backup: self.arn.clone(),
            table: table_arn(&backup.table.name),
            at_ms: txn.now_ms(),
            is_going_on: true,
        });
        let told = reply(&json!({"TableDescription": context.describe(&schema, schema.status())}));
        context.commit_schema(txn, &self.name, Some(schema))?;
        context.tables.restore_soon();
        Ok(told)
    }
}

/// What the new table is. Streams, deadlines, tags and protection are not restored, at AWS neither.
fn definition(table: &Schema, overrides: &Overrides) -> Result<TableDefinition> {
    let mut definition = TableDefinition { stream: None, is_protected: false, ..table.definition.clone() };
    choose(&mut definition.local_indexes, overrides.local.as_deref())?;
    choose(&mut definition.global_indexes, overrides.global.as_deref())?;
    definition.billing = overrides.billing.unwrap_or(definition.billing);
    if definition.billing == Billing::PerRequest {
        if overrides.throughput.is_some() {
            return Err(invalid(
                "Invalid Request: Cannot override ProvisionedThroughput if BillingMode is PAY_PER_REQUEST",
            ));
        }
        definition.throughput = None;
        definition.on_demand = overrides.on_demand.or(definition.on_demand);
        definition.global_indexes.iter_mut().for_each(|index| index.throughput = None);
    } else {
        definition.throughput = overrides.throughput.or(definition.throughput);
        definition.on_demand = None;
        for index in &mut definition.global_indexes {
            index.throughput = index.throughput.or(definition.throughput);
            index.on_demand = None;
        }
    }
    if let Some(encryption) = &overrides.encryption {
        definition.encryption = encryption.on();
    }
    let keys = definition.indexes().map(|index| &index.key).chain([&definition.key]);
    let used: Vec<String> = keys.flat_map(|key| key.names().map(str::to_owned)).collect();
    definition.attributes.retain(|attribute| used.contains(&attribute.name));
    Ok(definition)
}

/// Leaves those indexes that are named; each must be what it was, but for its throughput.
fn choose(indexes: &mut Vec<IndexDefinition>, chosen: Option<&[IndexDefinition]>) -> Result<()> {
    let Some(chosen) = chosen else { return Ok(()) };
    for one in chosen {
        let known = indexes.iter_mut().find(|index| index.name == one.name);
        let same = known.filter(|index| index.key == one.key && index.projection == one.projection);
        let Some(index) = same else {
            return Err(invalid(format!(
                "Invalid Request: Index {} does not match a secondary index that existed in the source table and cannot be created during the restore operation",
                one.name
            )));
        };
        index.throughput = one.throughput.or(index.throughput);
        index.on_demand = one.on_demand.or(index.on_demand);
    }
    indexes.retain(|index| chosen.iter().any(|one| one.name == index.name));
    Ok(())
}
