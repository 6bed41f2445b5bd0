//! What a query reads: an equality for each attribute of the partition key, and for the sort key equalities for its first
//! attributes and one more condition for the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::attribute::Value;
use super::super::error::{Error, Result, invalid};
use super::super::schema::{KeyPart, Keys};
use super::super::validate::table::KeyType;
use super::ExpressionKind;
use super::condition::{Comparator, Condition, Operand};
use super::path::Path;
use super::placeholders::Placeholders;

/// Conditions on attributes, one for each: not checked yet against a key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyCondition {
    by_attribute: BTreeMap<String, Test>,
    /// Whether it was a `KeyConditionExpression`, of which too many conditions are refused in other words.
    is_expression: bool,
}

/// A condition on one attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Equal(Arc<Value>),
    Bound(SortBound),
    /// One that no index can answer, of `KeyConditions`.
    Unindexable,
}

/// A condition on a sort key, other than an equality.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "they say it")]
pub enum SortBound {
    Less(Arc<Value>),
    LessOrEqual(Arc<Value>),
    Greater(Arc<Value>),
    GreaterOrEqual(Arc<Value>),
    /// Both ends belong to it.
    Between(Arc<Value>, Arc<Value>),
    BeginsWith(Arc<Value>),
}

/// The items that a query reads, by a key.
#[derive(Clone, Debug, PartialEq)]
pub struct SortedKeys {
    /// The values of all attributes of the partition key.
    pub hash: Vec<Arc<Value>>,
    /// The values of the first attributes of the sort key, of none or more.
    pub range: Vec<Arc<Value>>,
    /// A condition on the attribute of the sort key after them.
    pub bound: Option<SortBound>,
}

impl SortBound {
    /// Whether a value of the key is within it.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Less(bound) => Comparator::Less.holds(value, bound),
            Self::LessOrEqual(bound) => Comparator::LessOrEqual.holds(value, bound),
            Self::Greater(bound) => Comparator::Greater.holds(value, bound),
            Self::GreaterOrEqual(bound) => Comparator::GreaterOrEqual.holds(value, bound),
            Self::Between(low, high) => {
                Comparator::GreaterOrEqual.holds(value, low) && Comparator::LessOrEqual.holds(value, high)
            }
            Self::BeginsWith(prefix) => match (value, &**prefix) {
                (Value::S(text), Value::S(prefix)) => text.starts_with(prefix.as_str()),
                (Value::B(bytes), Value::B(prefix)) => bytes.starts_with(prefix),
                _ => false,
            },
        }
    }

    /// What it compares with.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let (first, second) = match self {
            Self::Less(value)
            | Self::LessOrEqual(value)
            | Self::Greater(value)
            | Self::GreaterOrEqual(value)
            | Self::BeginsWith(value) => (value, None),
            Self::Between(low, high) => (low, Some(high)),
        };
        std::iter::once(first).chain(second).map(|value| &**value)
    }
}

impl Test {
    /// Of a value that a comparison has after the attribute.
    pub(super) fn of(comparator: Comparator, value: Arc<Value>) -> Self {
        match comparator {
            Comparator::Equal => Self::Equal(value),
            Comparator::Less => Self::Bound(SortBound::Less(value)),
            Comparator::LessOrEqual => Self::Bound(SortBound::LessOrEqual(value)),
            Comparator::Greater => Self::Bound(SortBound::Greater(value)),
            Comparator::GreaterOrEqual => Self::Bound(SortBound::GreaterOrEqual(value)),
            Comparator::NotEqual => Self::Unindexable,
        }
    }

    fn has_type(&self, key_type: KeyType) -> bool {
        match self {
            Self::Equal(value) => key_type.is_of(value),
            Self::Bound(bound) => bound.values().all(|value| key_type.is_of(value)),
            Self::Unindexable => false,
        }
    }
}

impl KeyCondition {
    /// Parses a `KeyConditionExpression`.
    pub fn parse(text: &str, placeholders: &mut Placeholders, bytes_max: usize) -> Result<Self> {
        let condition = Condition::parse(text, ExpressionKind::KeyCondition, placeholders, bytes_max)?;
        let mut by_attribute = BTreeMap::new();
        collect(condition, &mut by_attribute)?;
        Ok(Self { by_attribute, is_expression: true })
    }

    pub(super) fn of(by_attribute: BTreeMap<String, Test>) -> Self {
        Self { by_attribute, is_expression: false }
    }

    /// What it reads by a key.
    pub fn resolve(mut self, schema: &Keys) -> Result<SortedKeys> {
        let unsupported = || invalid("Query key condition not supported");
        let (keys, conditions) = (schema.hash.len() + schema.range.len(), self.by_attribute.len());
        if self.is_expression && conditions > keys.max(2) {
            return Err(invalid(format!(
                "The number of query conditions ({conditions}) exceeds the number of key attributes defined in the \
                 schema ({keys})"
            )));
        }
        if conditions == 0 || conditions > 2 && keys <= 2 {
            return Err(invalid("Conditions can be of length 1 or 2 only"));
        }
        if conditions > keys {
            return Err(unsupported());
        }
        let mut found = SortedKeys { hash: Vec::new(), range: Vec::new(), bound: None };
        for attribute in &schema.hash {
            let test = self.take(attribute)?.ok_or_else(|| missed(attribute))?;
            let Test::Equal(value) = test else { return Err(unsupported()) };
            check_not_empty(attribute, &value)?;
            found.hash.push(value);
        }
        for attribute in &schema.range {
            match self.take(attribute)? {
                // The attributes of a sort key have conditions in order, without a gap; no other attribute has one.
                None if !self.by_attribute.is_empty() => return Err(missed(attribute)),
                None => break,
                Some(_) if found.bound.is_some() => return Err(unsupported()),
                Some(Test::Equal(value)) => {
                    check_not_empty(attribute, &value)?;
                    found.range.push(value);
                }
                Some(Test::Bound(bound)) => found.bound = Some(bound),
                Some(Test::Unindexable) => return Err(unsupported()),
            }
        }
        if self.by_attribute.is_empty() { Ok(found) } else { Err(unsupported()) }
    }

    /// The condition on an attribute, of its type.
    fn take(&mut self, attribute: &KeyPart) -> Result<Option<Test>> {
        match self.by_attribute.remove(&attribute.name) {
            Some(Test::Unindexable) => {
                Err(invalid("Attempted conditional constraint is not an indexable operation"))
            }
            Some(test) if !test.has_type(attribute.kind) => Err(invalid(
                "One or more parameter values were invalid: Condition parameter type does not match schema type",
            )),
            test => Ok(test),
        }
    }
}

fn missed(attribute: &KeyPart) -> Error {
    invalid(format!("Query condition missed key schema element: {}", attribute.name))
}

fn check_not_empty(attribute: &KeyPart, value: &Value) -> Result<()> {
    if !value.is_empty() {
        return Ok(());
    }
    let what = if matches!(value, Value::B(_)) { "binary" } else { "string" };
    Err(invalid(format!(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
         {what} value. Key: {}",
        attribute.name
    )))
}

/// Takes a condition apart, in its order.
fn collect(condition: Condition, by_attribute: &mut BTreeMap<String, Test>) -> Result<()> {
    let operator = |name: &str| invalid(format!("Invalid operator used in KeyConditionExpression: {name}"));
    let (name, test) = match condition {
        Condition::And(all) => return all.into_iter().try_for_each(|one| collect(one, by_attribute)),
        Condition::Or(_) => return Err(operator("OR")),
        Condition::Not(_) => return Err(operator("NOT")),
        Condition::In(..) => return Err(operator("IN")),
        Condition::Compare(Comparator::NotEqual, ..) => return Err(operator("<>")),
        Condition::Exists(_) => return Err(operator("attribute_exists")),
        Condition::NotExists(_) => return Err(operator("attribute_not_exists")),
        Condition::HasType(..) => return Err(operator("attribute_type")),
        Condition::Contains(..) => return Err(operator("contains")),
        Condition::Compare(comparator, left, right) => {
            let is_first = matches!(left, Operand::Path(_));
            let (name, [value]) = split([left, right])?;
            let comparator = if is_first { comparator } else { comparator.reversed() };
            (name, Test::of(comparator, value))
        }
        Condition::Between(attribute, low, high) => {
            check_first("BETWEEN", &attribute)?;
            let (name, [low, high]) = split([attribute, low, high])?;
            (name, Test::Bound(SortBound::Between(low, high)))
        }
        Condition::BeginsWith(attribute, prefix) => {
            check_first("begins_with", &attribute)?;
            let (name, [prefix]) = split([attribute, prefix])?;
            (name, Test::Bound(SortBound::BeginsWith(prefix)))
        }
    };
    match by_attribute.insert(name, test) {
        Some(_) => Err(invalid(
            "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key",
        )),
        None => Ok(()),
    }
}

fn check_first(operator: &str, operand: &Operand) -> Result<()> {
    if matches!(operand, Operand::Path(_)) {
        return Ok(());
    }
    Err(invalid(format!(
        "Invalid KeyConditionExpression: Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first operand"
    )))
}

/// The attribute among some operands, and the values.
fn split<const N: usize, const VALUES: usize>(
    operands: [Operand; N],
) -> Result<(String, [Arc<Value>; VALUES])> {
    let condition = |what: &str| {
        invalid(format!(
            "Invalid KeyConditionExpression: Invalid condition in KeyConditionExpression: {what}"
        ))
    };
    let mut attribute = None;
    let mut values = Vec::new();
    for operand in operands {
        match operand {
            Operand::Path(_) if attribute.is_some() => {
                return Err(condition("Multiple attribute names used in one condition"));
            }
            Operand::Path(Path { head, steps }) if steps.is_empty() => attribute = Some(head),
            Operand::Path(_) => {
                return Err(invalid(
                    "Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes",
                ));
            }
            Operand::Value(value) => values.push(value),
            Operand::Size(_) => {
                return Err(invalid("KeyConditionExpressions cannot contain nested operations"));
            }
        }
    }
    match (attribute, values.try_into()) {
        (Some(attribute), Ok(values)) => Ok((attribute, values)),
        _ => Err(condition("No key attribute specified")),
    }
}
