//! What is provisioned, bounded or warmed: none of it is enforced, all of it is checked and told again.

use serde_json::Value as Json;

use super::table::{Billing, OnDemandThroughput, Throughput, WarmThroughput};
use super::{Result, integer, invalid, member, parameter, text};

/// The most that may be asked for.
const UNITS_MAX: i64 = 1_000_000_000_000;

/// How use is to be paid for, if the request says.
pub(super) fn billing(request: &Json) -> Option<Billing> {
    Billing::parse(text(request, "BillingMode"))
}

/// What a request provisions, of a table or index.
pub(super) fn provisioned(value: &Json) -> Result<Option<Throughput>> {
    let Some(asked) = member(value, "ProvisionedThroughput") else { return Ok(None) };
    let units = |name: &str| match integer(asked, name).unwrap_or_default() {
        units if units > UNITS_MAX => {
            Err(invalid(format!("Given value {units} for {name} is out of bounds")))
        }
        units => Ok(units),
    };
    Ok(Some(Throughput { reads: units("ReadCapacityUnits")?, writes: units("WriteCapacityUnits")? }))
}

/// Of what an [`on_demand`] bound is told.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    Table,
    Index(&'a str),
}

/// The bounds of use on demand. `billing` is known unless the table's own counts; -1, which takes a bound away, may be said
/// only where there may be one.
pub(super) fn on_demand(
    value: &Json,
    billing: Option<Billing>,
    of: Of<'_>,
    may_clear: bool,
) -> Result<Option<OnDemandThroughput>> {
    let Some(asked) = member(value, "OnDemandThroughput") else { return Ok(None) };
    for name in ["MaxReadRequestUnits", "MaxWriteRequestUnits"] {
        let Some(units) = integer(asked, name) else { continue };
        if billing == Some(Billing::Provisioned) {
            let of = match of {
                Of::Table => String::new(),
                Of::Index(index) => format!(" for index: {index}"),
            };
            return Err(parameter(format_args!(
                "{name} for OnDemandThroughput{of} cannot be specified when table BillingMode is PROVISIONED."
            )));
        }
        if units < 1 && !(may_clear && units == -1) {
            let of = match of {
                Of::Table => "table".to_owned(),
                Of::Index(index) => format!("index : {index}"),
            };
            return Err(parameter(format_args!(
                "Requested {name} for OnDemandThroughput for {of} is outside of valid range"
            )));
        }
    }
    let bounds = OnDemandThroughput {
        reads: integer(asked, "MaxReadRequestUnits"),
        writes: integer(asked, "MaxWriteRequestUnits"),
    };
    Ok((bounds.reads.is_some() || bounds.writes.is_some()).then_some(bounds))
}

/// What is to be kept warm; nothing if it says neither.
pub(super) fn warm(value: &Json) -> Option<WarmThroughput> {
    let asked = member(value, "WarmThroughput")?;
    let warm = WarmThroughput {
        reads: integer(asked, "ReadUnitsPerSecond"),
        writes: integer(asked, "WriteUnitsPerSecond"),
    };
    (warm.reads.is_some() || warm.writes.is_some()).then_some(warm)
}
