//! Conditions in JSON: `{"attribute": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "text"}]}}`, and for
//! `Expected` also `{"attribute": {"Value": {"S": "text"}}}` and `{"attribute": {"Exists": false}}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::{parameter, unexpected};
use crate::dynamo::attribute::Value;
use crate::dynamo::attribute::json::{Reading, parse_value};
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::condition::{Comparator, Condition, Operand};
use crate::dynamo::expression::evaluate::compare;
use crate::dynamo::expression::key_condition::{KeyCondition, SortBound, Test};
use crate::dynamo::expression::path::Path;

/// What a `ComparisonOperator` means, how many values it takes, and of which types.
struct Operator {
    name: &'static str,
    meaning: Meaning,
    values_min: usize,
    values_max: usize,
    types: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Meaning {
    Compare(Comparator),
    Exists,
    NotExists,
    Contains,
    NotContains,
    BeginsWith,
    In,
    Between,
}

const ANY: &[&str] = &["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"];
const SCALAR: &[&str] = &["S", "N", "B"];

const fn operator(
    name: &'static str,
    meaning: Meaning,
    values_min: usize,
    values_max: usize,
    types: &'static [&'static str],
) -> Operator {
    Operator { name, meaning, values_min, values_max, types }
}

/// In the order in which the service lists them.
const OPERATORS: &[Operator] = &[
    operator("IN", Meaning::In, 1, usize::MAX, SCALAR),
    operator("NULL", Meaning::NotExists, 0, 0, ANY),
    operator("BETWEEN", Meaning::Between, 2, 2, SCALAR),
    operator("LT", Meaning::Compare(Comparator::Less), 1, 1, SCALAR),
    operator("NOT_CONTAINS", Meaning::NotContains, 1, 1, SCALAR),
    operator("EQ", Meaning::Compare(Comparator::Equal), 1, 1, ANY),
    operator("GT", Meaning::Compare(Comparator::Greater), 1, 1, SCALAR),
    operator("NOT_NULL", Meaning::Exists, 0, 0, ANY),
    operator("NE", Meaning::Compare(Comparator::NotEqual), 1, 1, ANY),
    operator("LE", Meaning::Compare(Comparator::LessOrEqual), 1, 1, SCALAR),
    operator("BEGINS_WITH", Meaning::BeginsWith, 1, 1, &["S", "B"]),
    operator("GE", Meaning::Compare(Comparator::GreaterOrEqual), 1, 1, SCALAR),
    operator("CONTAINS", Meaning::Contains, 1, 1, SCALAR),
];

/// Reads `Expected` with its `ConditionalOperator`; `None` if nothing is expected.
pub fn expected(
    json: Option<Json>,
    conditional_operator: Option<&str>,
    reading: Reading,
) -> Result<Option<Condition>> {
    let conditions = members(json)?
        .into_iter()
        .map(|(attribute, json)| expected_one(attribute, json, reading))
        .collect::<Result<_>>()?;
    combine(conditions, conditional_operator)
}

/// Reads `QueryFilter` or `ScanFilter` with its `ConditionalOperator`; `None` if all items pass.
pub fn filter(
    json: Option<Json>,
    conditional_operator: Option<&str>,
    reading: Reading,
) -> Result<Option<Condition>> {
    let conditions = members(json)?
        .into_iter()
        .map(|(attribute, json)| {
            let (operator, values) = comparison(&attribute, json, reading)?;
            condition(attribute, operator, values)
        })
        .collect::<Result<_>>()?;
    combine(conditions, conditional_operator)
}

/// Reads `KeyConditions`.
pub fn key_conditions(json: Json, reading: Reading) -> Result<KeyCondition> {
    let mut by_attribute = BTreeMap::new();
    for (attribute, json) in members(Some(json))? {
        let (operator, values) = comparison(&attribute, json, reading)?;
        by_attribute.insert(attribute, key_test(operator, values));
    }
    Ok(KeyCondition::of(by_attribute))
}

fn members(json: Option<Json>) -> Result<Map<String, Json>> {
    match json {
        None | Some(Json::Null) => Ok(Map::new()),
        Some(Json::Object(map)) => Ok(map),
        Some(_) => Err(unexpected()),
    }
}

fn combine(mut conditions: Vec<Condition>, conditional_operator: Option<&str>) -> Result<Option<Condition>> {
    let is_or = match conditional_operator {
        Some(_) if conditions.is_empty() => {
            return Err(invalid("ConditionalOperator cannot be used without Filter or Expected"));
        }
        Some(_) if conditions.len() == 1 => {
            return Err(invalid(
                "ConditionalOperator can only be used when Filter or Expected has two or more elements",
            ));
        }
        None | Some("AND") => false,
        Some("OR") => true,
        Some(other) => {
            return Err(invalid(format!(
                "1 validation error detected: Value '{other}' at 'conditionalOperator' failed to satisfy constraint: \
                 Member must satisfy enum value set: [OR, AND]"
            )));
        }
    };
    if conditions.len() <= 1 {
        return Ok(conditions.pop());
    }
    Ok(Some(if is_or { Condition::Or(conditions) } else { Condition::And(conditions) }))
}

/// Reads one member of `Expected`.
fn expected_one(attribute: String, json: Json, reading: Reading) -> Result<Condition> {
    let mut map = members(Some(json))?;
    let value = take(&mut map, "Value");
    let list = take(&mut map, "AttributeValueList");
    if value.is_some() && list.is_some() {
        return Err(parameter(&format!(
            "Value and AttributeValueList cannot be used together for Attribute: {attribute}"
        )));
    }
    let exists = match take(&mut map, "Exists") {
        None => None,
        Some(Json::Bool(exists)) => Some(exists),
        Some(_) => return Err(unexpected()),
    };
    if let Some(name) = take(&mut map, "ComparisonOperator") {
        if exists.is_some() {
            return Err(parameter(&format!(
                "Exists and ComparisonOperator cannot be used together for Attribute: {attribute}"
            )));
        }
        let operator = find(&name, &attribute)?;
        if operator.values_min > 0 && value.is_none() && list.is_none() {
            return Err(parameter(&format!(
                "Value or AttributeValueList must be used with ComparisonOperator: {} for Attribute: {attribute}",
                operator.name
            )));
        }
        let values = match (value, list) {
            (Some(value), _) => vec![parse_value(value, reading)?],
            (None, list) => values(list, reading)?,
        };
        check(operator, &values)?;
        return condition(attribute, operator, values);
    }
    if list.is_some() {
        return Err(parameter(&format!(
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: {attribute}"
        )));
    }
    match (value, exists) {
        (Some(_), Some(false)) => {
            Err(parameter(&format!("Value cannot be used when Exists is false for Attribute: {attribute}")))
        }
        (Some(value), _) => {
            let value = parse_value(value, reading)?;
            Ok(compared(attribute, Comparator::Equal, value))
        }
        (None, Some(false)) => Ok(Condition::NotExists(Path::to(attribute))),
        (None, exists) => Err(parameter(&format!(
            "Value must be provided when Exists is {} for Attribute: {attribute}",
            if exists.is_some() { "true" } else { "null" }
        ))),
    }
}

/// Reads `{"ComparisonOperator": …, "AttributeValueList": …}`.
fn comparison(attribute: &str, json: Json, reading: Reading) -> Result<(&'static Operator, Vec<Value>)> {
    let mut map = members(Some(json))?;
    let name = take(&mut map, "ComparisonOperator").ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value null at '{attribute}.member.comparisonOperator' failed to satisfy \
             constraint: Member must not be null"
        ))
    })?;
    let operator = find(&name, attribute)?;
    let values = values(take(&mut map, "AttributeValueList"), reading)?;
    check(operator, &values)?;
    Ok((operator, values))
}

fn take(map: &mut Map<String, Json>, member: &str) -> Option<Json> {
    map.remove(member).filter(|json| !json.is_null())
}

fn find(name: &Json, attribute: &str) -> Result<&'static Operator> {
    let Json::String(name) = name else { return Err(unexpected()) };
    OPERATORS.iter().find(|operator| operator.name == name).ok_or_else(|| {
        let names: Vec<&str> = OPERATORS.iter().map(|operator| operator.name).collect();
        invalid(format!(
            "1 validation error detected: Value '{name}' at '{attribute}.member.comparisonOperator' failed to satisfy \
             constraint: Member must satisfy enum value set: [{}]",
            names.join(", ")
        ))
    })
}

fn values(list: Option<Json>, reading: Reading) -> Result<Vec<Value>> {
    match list {
        None => Ok(Vec::new()),
        Some(Json::Array(list)) => list.into_iter().map(|json| parse_value(json, reading)).collect(),
        Some(_) => Err(unexpected()),
    }
}

fn check(operator: &Operator, values: &[Value]) -> Result<()> {
    let name = operator.name;
    if values.len() < operator.values_min || values.len() > operator.values_max {
        return Err(parameter(&format!("Invalid number of argument(s) for the {name} ComparisonOperator")));
    }
    if values.windows(2).any(|pair| matches!(pair, [a, b] if a.type_name() != b.type_name())) {
        return Err(parameter("AttributeValues inside AttributeValueList must be of same type"));
    }
    let type_name = values.first().map(Value::type_name).filter(|name| !operator.types.contains(name));
    if let Some(type_name) = type_name {
        return Err(parameter(&format!(
            "ComparisonOperator {name} is not valid for {type_name} AttributeValue type"
        )));
    }
    if let (Meaning::Between, [low, high]) = (operator.meaning, values)
        && compare(low, high).is_some_and(std::cmp::Ordering::is_gt)
    {
        return Err(invalid(
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
        ));
    }
    Ok(())
}

fn compared(attribute: String, comparator: Comparator, value: Value) -> Condition {
    Condition::Compare(comparator, Operand::Path(Path::to(attribute)), Operand::constant(value))
}

/// The condition on an attribute that an operator and its values say; their count was checked.
fn condition(attribute: String, operator: &Operator, values: Vec<Value>) -> Result<Condition> {
    let path = Path::to(attribute);
    let mut values = values.into_iter().map(Operand::constant);
    let mut next = || values.next().ok_or_else(unexpected);
    Ok(match operator.meaning {
        Meaning::Compare(comparator) => Condition::Compare(comparator, Operand::Path(path), next()?),
        Meaning::Exists => Condition::Exists(path),
        Meaning::NotExists => Condition::NotExists(path),
        Meaning::Contains => Condition::Contains(Operand::Path(path), next()?),
        // Of an attribute that is not there nothing is said.
        Meaning::NotContains => Condition::And(vec![
            Condition::Exists(path.clone()),
            Condition::Not(Box::new(Condition::Contains(Operand::Path(path), next()?))),
        ]),
        Meaning::BeginsWith => Condition::BeginsWith(Operand::Path(path), next()?),
        Meaning::In => Condition::In(Operand::Path(path), values.collect()),
        Meaning::Between => Condition::Between(Operand::Path(path), next()?, next()?),
    })
}

fn key_test(operator: &Operator, values: Vec<Value>) -> Test {
    let mut values = values.into_iter().map(std::sync::Arc::new);
    match (operator.meaning, values.next(), values.next()) {
        (Meaning::Compare(comparator), Some(value), _) => Test::of(comparator, value),
        (Meaning::BeginsWith, Some(prefix), _) => Test::Bound(SortBound::BeginsWith(prefix)),
        (Meaning::Between, Some(low), Some(high)) => Test::Bound(SortBound::Between(low, high)),
        _ => Test::Unindexable,
    }
}
