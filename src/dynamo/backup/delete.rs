//! DeleteBackup: at the price of a few rows.

use serde_json::json;

use super::{Backup, asked_arn, name_of};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Kind, Result, refused};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::dynamo::rows::backup_lock;
use crate::store::LockSet;

/// A backup's end.
pub struct DeleteBackup {
    arn: String,
}

impl Operation for DeleteBackup {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        Ok(Self { arn: asked_arn(&mut request)? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let mut txn = context.txn(LockSet::one(backup_lock(name_of(&self.arn))))?;
        let backup = context.backup(&self.arn)?;
        if !backup.is_complete || is_needed(context, &backup) {
            return Err(refused(Kind::BackupInUse, format!("Backup is in use: {}", self.arn)));
        }
        let told = reply(&json!({"BackupDescription": backup.describe_whole("DELETED")}));
        context.stage_backup(&mut txn, &backup, false)?;
        context.commit(txn)?;
        Ok(told)
    }
}

/// Whether a table is being restored from it.
fn is_needed(context: &Context, backup: &Backup) -> bool {
    let arn = backup.arn();
    context.tables.catalog.all().0.iter().any(|table| {
        table.restored.as_ref().is_some_and(|restored| restored.is_going_on && restored.backup == arn)
    })
}
