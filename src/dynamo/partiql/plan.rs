//! What a condition means against the keys of a table or an index: which item a statement is about, or which ranges of rows
//! it reads. Decides only; reads nothing.
//!
//! Where all that a condition can hold for has one of a few partition keys, each of those is a range, within it what the
//! condition says of the sort key. Otherwise all rows are read. What the ranges do not say already stays a filter.

use std::ops::Bound;
use std::sync::Arc;

use super::condition_parser::attribute;
use super::no_key;
use super::statement::Select;
use crate::dynamo::attribute::{Attributes, Value};
use crate::dynamo::error::{Error, Result, invalid};
use crate::dynamo::expression::{Comparator, Condition, Operand, SortBound, SortedKeys};
use crate::dynamo::read::page::Range;
use crate::dynamo::read::query::bounds;
use crate::dynamo::rows::put_key_value;
use crate::dynamo::schema::{KeyPart, Keys};

/// The most partitions that a statement reads.
const RANGES_MAX: usize = 50;

/// What is read.
pub struct Plan {
    /// Rows, in this order.
    pub ranges: Vec<Range>,
    /// What must hold for them.
    pub filter: Option<Condition>,
    /// Whether a condition besides others names the partition key's values, so that the read is like a Query, not a Scan.
    pub is_keyed: bool,
}

/// The parts of a condition that must all hold.
fn conjuncts(condition: Option<&Condition>) -> Vec<Condition> {
    let mut all = Vec::new();
    if let Some(condition) = condition {
        flatten(condition, &mut all);
    }
    all
}

fn flatten(condition: &Condition, all: &mut Vec<Condition>) {
    match condition {
        Condition::And(parts) => parts.iter().for_each(|part| flatten(part, all)),
        other => all.push(other.clone()),
    }
}

/// All of these as one; `None` if there are none.
pub fn conjunction(mut all: Vec<Condition>) -> Option<Condition> {
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Condition::And(all)),
    }
}

/// The attribute that a condition says to equal something, and what.
fn equality(condition: &Condition) -> Option<(&str, &Arc<Value>)> {
    match condition {
        Condition::Compare(Comparator::Equal, Operand::Path(path), Operand::Value(value))
        | Condition::Compare(Comparator::Equal, Operand::Value(value), Operand::Path(path)) => {
            Some((attribute(path)?, value))
        }
        Condition::In(Operand::Path(path), values) => match values.as_slice() {
            [Operand::Value(value)] => Some((attribute(path)?, value)),
            _ => None,
        },
        _ => None,
    }
}

/// The key of the one item that a condition can hold for, and what else must hold.
pub fn item_key(keys: &Keys, condition: Option<&Condition>) -> Result<(Attributes, Vec<Condition>)> {
    let (mut key, mut rest) = (Attributes::new(), Vec::new());
    for condition in conjuncts(condition) {
        let Some((part, value)) =
            equality(&condition).and_then(|(name, value)| Some((keys.part(name)?, value)))
        else {
            rest.push(condition);
            continue;
        };
        check_type(part, value)?;
        match key.get(&part.name) {
            Some(other) if *other != **value => {
                return Err(invalid(format!(
                    "Multiple conditions on same key {}. Only single item Update/Insert/Delete are supported",
                    part.name
                )));
            }
            Some(_) => {}
            None => {
                key.insert(part.name.clone(), (**value).clone());
            }
        }
    }
    if keys.parts().all(|part| key.contains_key(&part.name)) { Ok((key, rest)) } else { Err(no_key()) }
}

fn check_type(part: &KeyPart, value: &Value) -> Result<()> {
    if part.kind.is_of(value) { Ok(()) } else { Err(wrong_type(&part.name)) }
}

fn wrong_type(name: &str) -> Error {
    invalid(format!("Key attribute's data type should match its data type in table's schema: Key {name}"))
}

impl Plan {
    /// The plan of a read, by the keys of a table or an index, of at most so many rows.
    pub fn new(keys: &Keys, is_index: bool, select: &Select, rows_max: usize) -> Result<Self> {
        let ([hash], range @ ([] | [_])) = (keys.hash.as_slice(), keys.range.as_slice()) else {
            return Err(invalid(
                "PartiQL statements cannot be executed on tables with multi-attribute HASH keys or multi-attribute \
                 RANGE keys.",
            ));
        };
        let mut rest = conjuncts(select.condition.as_ref());
        let is_keyed = rest.iter().any(|condition| {
            !matches!(condition, Condition::Or(_)) && values_of(condition, &hash.name).is_some()
        });
        let mut partitions = take_partitions(&mut rest, hash)?;
        check_order(select, keys, partitions.as_ref().map_or(0, Vec::len))?;
        let Some(partitions) = &mut partitions else {
            let (from, to) = (Bound::Unbounded, Bound::Unbounded);
            let whole = Range { from, to, is_reverse: false, rows_max, segment: None };
            return Ok(Self { ranges: vec![whole], filter: conjunction(rest), is_keyed });
        };
        let direction = |part: &KeyPart| select.order.iter().find(|(name, _)| *name == part.name);
        if let Some((_, is_descending)) = direction(hash) {
            sort(partitions, hash, *is_descending);
        }
        let is_reverse = match range.first().and_then(direction) {
            Some((_, is_descending)) => *is_descending,
            // An order that does not name the sort key is descending in it.
            None => !select.order.is_empty(),
        };
        let sorted = range.first().map(|part| take_sort_key(&mut rest, part)).transpose()?.flatten();
        let is_item = !is_index && (range.is_empty() || matches!(sorted, Some(Sorted::Equal(_))));
        // Of one item there is no next page.
        let rows_max = if is_item && partitions.len() == 1 { usize::MAX } else { rows_max };
        let range_of = |partition: &Arc<Value>| {
            let mut read = SortedKeys { hash: vec![partition.clone()], range: Vec::new(), bound: None };
            match &sorted {
                Some(Sorted::Equal(value)) => read.range.push(value.clone()),
                Some(Sorted::Bound(bound)) => read.bound = Some(bound.clone()),
                None => {}
            }
            let (from, to) = bounds(keys, &read)?;
            Ok(Range { from, to, is_reverse, rows_max, segment: None })
        };
        let ranges = partitions.iter().map(range_of).collect::<Result<_>>()?;
        Ok(Self { ranges, filter: conjunction(rest), is_keyed })
    }
}

/// Takes what conditions say of the partition key: the values that it can have; `None` if it can have any.
fn take_partitions(rest: &mut Vec<Condition>, hash: &KeyPart) -> Result<Option<Vec<Arc<Value>>>> {
    let found = rest
        .iter()
        .enumerate()
        .filter_map(|(at, condition)| Some((at, values_of(condition, &hash.name)?)))
        .min_by_key(|(_, values)| values.len());
    let Some((at, values)) = found else { return Ok(None) };
    // What an `OR` says besides stays to be tested.
    if rest.get(at).is_some_and(|condition| !matches!(condition, Condition::Or(_))) {
        rest.remove(at);
    }
    let mut partitions: Vec<Arc<Value>> = Vec::new();
    for value in values {
        check_type(hash, &value)?;
        if !partitions.contains(&value) {
            partitions.push(value);
        }
        if partitions.len() > RANGES_MAX {
            return Err(invalid("Too many decomposed read operations for a given query."));
        }
    }
    Ok(Some(partitions))
}

/// The values that an attribute can have where a condition holds; `None` if it can have any.
fn values_of(condition: &Condition, name: &str) -> Option<Vec<Arc<Value>>> {
    if let Some((attribute, value)) = equality(condition) {
        return (attribute == name).then(|| vec![value.clone()]);
    }
    match condition {
        Condition::In(Operand::Path(path), values) if attribute(path) == Some(name) => {
            let value = |operand: &Operand| match operand {
                Operand::Value(value) => Some(value.clone()),
                _ => None,
            };
            values.iter().map(value).collect()
        }
        Condition::And(all) => {
            let found = all.iter().filter_map(|one| values_of(one, name));
            found.min_by_key(Vec::len)
        }
        Condition::Or(all) => {
            let found = all.iter().map(|one| values_of(one, name)).collect::<Option<Vec<_>>>()?;
            Some(found.concat())
        }
        _ => None,
    }
}

/// What is said of the sort key.
enum Sorted {
    Equal(Arc<Value>),
    Bound(SortBound),
}

/// Takes the first thing that conditions say of the sort key and a range of rows can.
fn take_sort_key(rest: &mut Vec<Condition>, part: &KeyPart) -> Result<Option<Sorted>> {
    let mut found =
        rest.iter().enumerate().filter_map(|(at, condition)| Some((at, sorted(condition, part)?)));
    let is_equal = |(_, sorted): &(usize, Sorted)| matches!(sorted, Sorted::Equal(_));
    let first = found.next();
    let best = match first {
        Some(first) if is_equal(&first) => Some(first),
        first => found.find(is_equal).or(first),
    };
    let Some((at, sorted)) = best else { return Ok(None) };
    match &sorted {
        Sorted::Equal(value) => check_type(part, value)?,
        Sorted::Bound(bound) => {
            if !bound.values().all(|value| part.kind.is_of(value)) {
                return Err(wrong_type(&part.name));
            }
        }
    }
    rest.remove(at);
    Ok(Some(sorted))
}

/// What a condition says of the sort key, if a range of rows can.
fn sorted(condition: &Condition, part: &KeyPart) -> Option<Sorted> {
    let is_part =
        |operand: &Operand| matches!(operand, Operand::Path(path) if attribute(path) == Some(&part.name));
    let value = |operand: &Operand| match operand {
        Operand::Value(value) => Some(value.clone()),
        _ => None,
    };
    if let Some((name, value)) = equality(condition) {
        return (name == part.name).then(|| Sorted::Equal(value.clone()));
    }
    Some(Sorted::Bound(match condition {
        Condition::Compare(comparator, a, b) => {
            let (comparator, operand) = if is_part(a) {
                (*comparator, b)
            } else if is_part(b) {
                (comparator.reversed(), a)
            } else {
                return None;
            };
            let value = value(operand)?;
            match comparator {
                Comparator::Less => SortBound::Less(value),
                Comparator::LessOrEqual => SortBound::LessOrEqual(value),
                Comparator::Greater => SortBound::Greater(value),
                Comparator::GreaterOrEqual => SortBound::GreaterOrEqual(value),
                Comparator::Equal | Comparator::NotEqual => return None,
            }
        }
        Condition::Between(a, low, high) if is_part(a) => SortBound::Between(value(low)?, value(high)?),
        Condition::BeginsWith(a, prefix) if is_part(a) => SortBound::BeginsWith(value(prefix)?),
        _ => return None,
    }))
}

/// Refuses an order that no reading of ranges has.
fn check_order(select: &Select, keys: &Keys, partitions: usize) -> Result<()> {
    if select.order.is_empty() {
        return Ok(());
    }
    if select.condition.is_none() {
        return Err(invalid("Must have WHERE clause in the statement when using ORDER BY clause."));
    }
    if let Some((name, _)) = select.order.iter().find(|(name, _)| keys.part(name).is_none()) {
        return Err(invalid(format!("Attribute {name} in ORDER BY clause must be part of the primary key")));
    }
    if partitions == 0 {
        return Err(invalid(
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ));
    }
    let names_hash = select.order.iter().any(|(name, _)| keys.hash.iter().any(|part| part.name == *name));
    if partitions > 1 && !names_hash {
        return Err(invalid(
            "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.",
        ));
    }
    Ok(())
}

/// Sorts values of a key as their rows sort.
fn sort(values: &mut [Arc<Value>], part: &KeyPart, is_descending: bool) {
    values.sort_by_cached_key(|value| {
        let mut key = Vec::new();
        put_key_value(&mut key, part.kind, value).map(|()| key)
    });
    if is_descending {
        values.reverse();
    }
}
