//! What the operations that write one item return of it.

use serde_json::Value as Json;

use super::{Result, invalid, text};

/// Which attributes are returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnValues {
    /// None.
    None,
    /// All that the item had.
    AllOld,
    /// What the item had of those that change.
    UpdatedOld,
    /// All that the item has now.
    AllNew,
    /// What the item has now of those that change.
    UpdatedNew,
}

/// What an UpdateItem returns.
pub fn return_values(request: &Json) -> ReturnValues {
    match text(request, "ReturnValues") {
        "ALL_OLD" => ReturnValues::AllOld,
        "UPDATED_OLD" => ReturnValues::UpdatedOld,
        "ALL_NEW" => ReturnValues::AllNew,
        "UPDATED_NEW" => ReturnValues::UpdatedNew,
        _ => ReturnValues::None,
    }
}

/// What a PutItem or DeleteItem returns.
pub fn return_old_values(request: &Json) -> Result<ReturnValues> {
    match return_values(request) {
        values @ (ReturnValues::None | ReturnValues::AllOld) => Ok(values),
        _ => Err(invalid("ReturnValues can only be ALL_OLD or NONE")),
    }
}

/// Whether the item that a condition was not met by is wanted: of an operation, or of one action of a transaction.
pub fn returns_item_on_failure(request: &Json) -> bool {
    text(request, "ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
}
