//! Backups: which ones, and what of a table they are restored to may be another.

use serde_json::Value as Json;

use super::table::Billing;
use super::{Result, boolean, integer, invalid, member, parameter, text};

const NAME_LENGTH_MIN: usize = 3;
const NAME_LENGTH_MAX: usize = 255;

/// Whether an UpdateContinuousBackups turns recovery on.
pub fn is_recoverable(request: &Json) -> Result<bool> {
    let asked = request.get("PointInTimeRecoverySpecification").unwrap_or(&Json::Null);
    let is_on = boolean(asked, "PointInTimeRecoveryEnabled").unwrap_or(false);
    if !is_on && integer(asked, "RecoveryPeriodInDays").is_some() {
        return Err(invalid(
            "Invalid Request: Cannot specify RecoveryPeriodInDays when disabling point-in-time recovery.",
        ));
    }
    Ok(is_on)
}

/// Checks the times that a ListBackups asks for.
pub fn check_list(request: &Json) -> Result<()> {
    let time = |name: &str| request.get(name).and_then(Json::as_f64);
    match (time("TimeRangeLowerBound"), time("TimeRangeUpperBound")) {
        (Some(lower), Some(upper)) if lower > upper => {
            Err(parameter("Time range lower bound must be less than or equal to upper bound"))
        }
        _ => Ok(()),
    }
}

/// The name of the table that a RestoreTableFromBackup makes, what it overrides being in order.
pub fn target_table(request: &Json) -> Result<&str> {
    let name = text(request, "TargetTableName");
    if !(NAME_LENGTH_MIN..=NAME_LENGTH_MAX).contains(&name.len()) {
        return Err(invalid(format!(
            "TableName must be at least {NAME_LENGTH_MIN} characters long and at most {NAME_LENGTH_MAX} characters long"
        )));
    }
    let is_provisioned = member(request, "ProvisionedThroughputOverride").is_some();
    match Billing::parse(text(request, "BillingModeOverride")) {
        Some(Billing::PerRequest) if is_provisioned => Err(invalid(
            "Invalid Request: Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST",
        )),
        Some(Billing::Provisioned) if !is_provisioned => Err(invalid(
            "Invalid Request: Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED",
        )),
        _ => Ok(name),
    }
}
