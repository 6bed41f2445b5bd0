//! CreateBackup.

use serde_json::json;

use super::copy::Copying;
use super::{Backup, table_not_found};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Kind, Result, refused};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::store::Reads;

/// Begins a backup.
pub struct CreateBackup {
    table: String,
    title: String,
}

impl Operation for CreateBackup {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        Ok(Self { table: request.table_name()?, title: request.needed_text("BackupName")? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        // Nobody changes an item meanwhile: the moment is one between two changes, and the counts are of it.
        let mut txn = context.change(&self.table)?;
        let Some(table) = context.find(&self.table) else {
            return Err(table_not_found(&self.table));
        };
        if table.is_being_restored() {
            return Err(refused(
                Kind::TableInUse,
                format!("Table is being restored from a backup: {}", self.table),
            ));
        }
        let moment = context.tables.store().snapshot();
        let (items, bytes) = context.counted(table.id);
        let backup = Backup {
            id: txn.new_id()?,
            title: self.title.clone(),
            created_ms: txn.now_ms(),
            is_complete: false,
            items,
            bytes,
            table: (*table).clone(),
        };
        context.stage_backup(&mut txn, &backup, true)?;
        let told = reply(&json!({"BackupDetails": backup.describe(backup.status())}));
        context.commit(txn)?;
        context.tables.copy_soon(Copying::new(backup, moment));
        Ok(told)
    }
}
