//! DescribeContinuousBackups, UpdateContinuousBackups: noted and told again. Restoring a table to a point in time is not
//! served, so no time is told that it could be restored to.

use serde_json::{Value as Json, json};

use crate::dynamo::backup::table_not_found;
use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::{Request, unexpected};
use crate::dynamo::schema::Schema;
use crate::dynamo::validate::backups::is_recoverable;

/// For how many days past changes are asked to be kept unless something else is said.
const DAYS: u64 = 35;

/// Says whether a table is to be recoverable.
pub struct UpdateContinuousBackups {
    table: String,
    days: Option<u64>,
}

impl Operation for UpdateContinuousBackups {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let is_on = is_recoverable(request.json())?;
        let table = request.table_name()?;
        let mut asked = request.structure("PointInTimeRecoverySpecification")?.ok_or_else(unexpected)?;
        let days = asked.integer("RecoveryPeriodInDays")?.unwrap_or(DAYS);
        Ok(Self { table, days: is_on.then_some(days) })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let txn = context.change(&self.table)?;
        let table = context.find(&self.table).ok_or_else(|| table_not_found(&self.table))?;
        let schema = Schema { recovery_days: self.days, ..(*table).clone() };
        let told = described(&schema);
        context.commit_schema(txn, &self.table, Some(schema))?;
        Ok(told)
    }
}

/// Tells whether it is.
pub struct DescribeContinuousBackups {
    table: String,
}

impl Operation for DescribeContinuousBackups {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        Ok(Self { table: request.table_name()? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let table = context.find(&self.table).ok_or_else(|| table_not_found(&self.table))?;
        Ok(described(&table))
    }
}

fn described(table: &Schema) -> Vec<u8> {
    let recovery: Json = match table.recovery_days {
        Some(days) => json!({"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": days}),
        None => json!({"PointInTimeRecoveryStatus": "DISABLED"}),
    };
    reply(&json!({"ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": recovery,
    }}))
}
