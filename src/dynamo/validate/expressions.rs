//! Expressions or the older parameters: one or the other.

use serde_json::Value as Json;

use super::{Result, invalid, member};
use crate::dynamo::error::Refusal;
use crate::dynamo::number::Exponents;

/// Which of an operation's parameters are expressions, and which older ones say the same, in the service's order.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// Expressions.
    pub expressions: &'static [&'static str],
    /// The older ones.
    pub older: &'static [&'static str],
    /// How large the exponents of numbers may be in its values.
    pub exponents: Exponents,
}

/// Those of PutItem and DeleteItem.
pub const PUT_OR_DELETE: Parameters = Parameters {
    expressions: &["ConditionExpression"],
    older: &["Expected", "ConditionalOperator"],
    exponents: Exponents::Wide,
};
/// Those of UpdateItem.
pub const UPDATE: Parameters = Parameters {
    expressions: &["UpdateExpression", "ConditionExpression"],
    older: &["AttributeUpdates", "Expected", "ConditionalOperator"],
    exponents: Exponents::Wide,
};
/// Those of GetItem, and of each table of a BatchGetItem.
pub const GET: Parameters = Parameters {
    expressions: &["ProjectionExpression"],
    older: &["AttributesToGet"],
    exponents: Exponents::Wide,
};
/// Those of Query.
pub const QUERY: Parameters = Parameters {
    expressions: &["ProjectionExpression", "FilterExpression", "KeyConditionExpression"],
    older: &["AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"],
    exponents: Exponents::Wide,
};
/// Those of Scan.
pub const SCAN: Parameters = Parameters {
    expressions: &["ProjectionExpression", "FilterExpression"],
    older: &["AttributesToGet", "ScanFilter", "ConditionalOperator"],
    exponents: Exponents::Narrow,
};

/// A request uses both.
pub fn mixed(older: &[&str], expressions: &[&str]) -> Refusal {
    invalid(format!(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {{{}}} \
         Expression parameters: {{{}}}",
        older.join(", "),
        expressions.join(", ")
    ))
}

/// Checks that a request uses the ones or the others, and placeholders only with expressions.
pub fn check(request: &Json, parameters: Parameters) -> Result<()> {
    let present = |names: &'static [&'static str]| -> Vec<&'static str> {
        names.iter().copied().filter(|name| member(request, name).is_some()).collect()
    };
    let expressions = present(parameters.expressions);
    let mut older = present(parameters.older);
    // A Query may have an old condition on its key beside newer expressions.
    if !expressions.contains(&"KeyConditionExpression") {
        older.retain(|name| *name != "KeyConditions");
    }
    if !expressions.is_empty() && !older.is_empty() {
        return Err(mixed(&older, &expressions));
    }
    if expressions.is_empty() && member(request, "ExpressionAttributeNames").is_some() {
        return Err(invalid("ExpressionAttributeNames can only be specified when using expressions"));
    }
    let with_values: Vec<&str> =
        parameters.expressions.iter().copied().filter(|name| *name != "ProjectionExpression").collect();
    if !with_values.is_empty()
        && with_values.iter().all(|name| !expressions.contains(name))
        && member(request, "ExpressionAttributeValues").is_some()
    {
        return Err(invalid(format!(
            "ExpressionAttributeValues can only be specified when using expressions: {} {} null",
            with_values.join(" and "),
            if with_values.len() > 1 { "are" } else { "is" }
        )));
    }
    Ok(())
}
