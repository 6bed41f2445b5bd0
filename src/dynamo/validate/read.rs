//! Query and Scan: what is to be read, and which part of a table.

use serde_json::Value as Json;

use super::{Result, integer, invalid, member, text};

/// What a Query or Scan returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// All attributes of the items.
    All,
    /// All attributes that the index has.
    Projected,
    /// Those that were named.
    Specific,
    /// How many items there are.
    Count,
}

/// What a Scan returns.
pub fn select_of_scan(request: &Json) -> Result<Select> {
    select(request).map_err(invalid)
}

/// What a Query returns. The service tells of the same things in other words.
pub fn select_of_query(request: &Json) -> Result<Select> {
    select(request).map_err(|message| invalid(format!("1 validation error detected: {message}")))
}

fn select(request: &Json) -> std::result::Result<Select, String> {
    let asked = text(request, "Select");
    let named =
        ["ProjectionExpression", "AttributesToGet"].into_iter().find(|name| member(request, name).is_some());
    let has_index = member(request, "IndexName").is_some();
    let select = match asked {
        "ALL_ATTRIBUTES" => Select::All,
        "ALL_PROJECTED_ATTRIBUTES" => Select::Projected,
        "COUNT" => Select::Count,
        "SPECIFIC_ATTRIBUTES" => Select::Specific,
        _ if named.is_some() => Select::Specific,
        _ if has_index => Select::Projected,
        _ => Select::All,
    };
    match (select, named) {
        (Select::Specific, None) => Err(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
                .to_owned(),
        ),
        (Select::Count, Some(named)) => {
            Err(format!("Cannot specify the {named} when choosing to get only the Count"))
        }
        (Select::All | Select::Projected, Some(named)) => {
            Err(format!("Cannot specify the {named} when choosing to get {asked}"))
        }
        (Select::Projected, None) if !has_index => {
            Err("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName".to_owned())
        }
        _ => Ok(select),
    }
}

/// The part of a table that a Scan is for: which one, counted from 0, and of how many.
pub fn segment(request: &Json) -> Result<Option<(u32, u32)>> {
    match (integer(request, "Segment"), integer(request, "TotalSegments")) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is \
             present",
        )),
        (None, Some(_)) => Err(invalid(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is \
             present",
        )),
        (Some(segment), Some(total)) if segment >= total => Err(invalid(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is \
             not less than TotalSegments: {total}"
        ))),
        // Shapes bound both by a million.
        (Some(segment), Some(total)) => Ok(Some((segment as u32, total as u32))),
    }
}
