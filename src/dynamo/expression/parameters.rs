//! Which parameters of a request go together: those with expressions do not with those that were before them.

use super::super::error::{Result, invalid};

/// The parameters of an operation, in the order in which the service lists them.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    expressions: &'static [&'static str],
    legacy: &'static [&'static str],
}

/// Those that only name things: values are of no use to it.
const PROJECTION: &str = "ProjectionExpression";

impl Parameters {
    /// Of GetItem, and of each table in BatchGetItem.
    pub const GET: Self = Self { expressions: &[PROJECTION], legacy: &["AttributesToGet"] };
    /// Of PutItem and DeleteItem.
    pub const PUT: Self = Self { expressions: &["ConditionExpression"], legacy: &["Expected"] };
    /// Of UpdateItem.
    pub const UPDATE: Self = Self {
        expressions: &["UpdateExpression", "ConditionExpression"],
        legacy: &["AttributeUpdates", "Expected"],
    };
    /// Of Query.
    pub const QUERY: Self = Self {
        expressions: &[PROJECTION, "FilterExpression", "KeyConditionExpression"],
        legacy: &["AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"],
    };
    /// Of Scan.
    pub const SCAN: Self = Self {
        expressions: &[PROJECTION, "FilterExpression"],
        legacy: &["AttributesToGet", "ScanFilter", "ConditionalOperator"],
    };

    /// Refuses a request that has parameters of both sorts, or placeholders without an expression for them.
    /// `is_given` tells which parameters it has, by name.
    pub fn check(&self, is_given: impl Fn(&str) -> bool) -> Result<()> {
        let given = |names: &'static [&'static str]| -> Vec<&str> {
            names.iter().copied().filter(|name| is_given(name)).collect()
        };
        let expressions = given(self.expressions);
        if !expressions.is_empty() {
            let mut legacy = given(self.legacy);
            // The key may be the older way where the rest is the newer one.
            if !is_given("KeyConditionExpression") {
                legacy.retain(|name| *name != "KeyConditions");
            }
            if !legacy.is_empty() {
                return Err(invalid(format!(
                    "Can not use both expression and non-expression parameters in the same request: \
                     Non-expression parameters: {{{}}} Expression parameters: {{{}}}",
                    legacy.join(", "),
                    expressions.join(", ")
                )));
            }
        }
        if is_given("ExpressionAttributeNames") && expressions.is_empty() {
            return Err(invalid("ExpressionAttributeNames can only be specified when using expressions"));
        }
        let with_values: Vec<&str> =
            self.expressions.iter().copied().filter(|name| *name != PROJECTION).collect();
        if is_given("ExpressionAttributeValues") && !with_values.iter().any(|name| is_given(name)) {
            let (names, verb) = (with_values.join(" and "), if with_values.len() > 1 { "are" } else { "is" });
            return Err(invalid(format!(
                "ExpressionAttributeValues can only be specified when using expressions: {names} {verb} null"
            )));
        }
        Ok(())
    }
}
