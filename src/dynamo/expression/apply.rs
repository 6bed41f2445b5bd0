//! Updates applied to items.
//!
//! All that is read, is read in the item as it was; and all paths mean the item as it was. So an element that is set
//! beyond the end of its list is appended, after those set before it in the list's order; and elements are removed last,
//! the last one first, so that none moves before its turn.
//!
//! What an expression sets may be many times what it reads, so its size is watched while it grows.

use std::collections::BTreeSet;

use super::super::attribute::{self, Attributes, Value, json};
use super::super::error::{Error, Result, invalid};
use super::super::number::NotNumber;
use super::path::{Path, Place};
use super::update::{Change, ItemLimits, Source, Update};

impl Update {
    /// The item that comes of it: of `old`, or where there is none, of a new one that has but its `key`.
    pub fn apply(
        &self,
        old: Option<&Attributes>,
        key: &Attributes,
        limits: &ItemLimits,
    ) -> Result<Attributes> {
        let before = old.unwrap_or(key);
        let mut sets = self.values(before, limits)?.into_iter();
        let mut item = before.clone();
        let mut removed = Vec::new();
        for action in &self.actions {
            let path = &action.path;
            let Some(place) = path.place(&mut item) else {
                // Where there is no item there is nothing to take away, wherever in it.
                if old.is_none() && matches!(action.change, Change::Remove) {
                    continue;
                }
                return Err(invalid(
                    "The document path provided in the update expression is invalid for update",
                ));
            };
            match &action.change {
                Change::Set(_) => place.put(sets.next().unwrap_or(Value::Null)),
                Change::Add(value) => self.add(place, value)?,
                Change::Delete(value) => {
                    if self.delete(place, value)? {
                        removed.push(path);
                    }
                }
                // An element appended above does not count.
                Change::Remove if path.get(before).is_some() => removed.push(path),
                Change::Remove => {}
            }
        }
        removed.into_iter().rev().for_each(|path| remove(path, &mut item));
        if attribute::size(&item) > limits.bytes_max { Err(too_large()) } else { Ok(item) }
    }

    /// What is set, in order.
    fn values(&self, item: &Attributes, limits: &ItemLimits) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        let mut bytes = 0;
        for action in &self.actions {
            let Change::Set(source) = &action.change else { continue };
            let value = source.value(item)?;
            // All of it will be in the item, whatever else is.
            bytes += value.size();
            if bytes > limits.bytes_max {
                return Err(too_large());
            }
            // Values of the request were checked by themselves.
            let is_checked = action.path.steps.is_empty() && matches!(source, Source::Value(_));
            if !is_checked && action.path.steps.len() + value.levels() > limits.depth_max {
                return Err(json::too_deep());
            }
            values.push(value);
        }
        Ok(values)
    }

    fn add(&self, place: Place<'_>, more: &Value) -> Result<()> {
        let present = match place {
            Place::Member(map, name) if map.contains_key(name) => map.get_mut(name),
            Place::Element(list, index) if index < list.len() => list.get_mut(index),
            vacant => {
                vacant.put(more.clone());
                return Ok(());
            }
        };
        match (present, more) {
            (Some(Value::N(number)), Value::N(more)) => *number = number.plus(*more).map_err(out_of_range)?,
            (Some(Value::Ss(set)), Value::Ss(more)) => set.extend(more.iter().cloned()),
            (Some(Value::Ns(set)), Value::Ns(more)) => set.extend(more),
            (Some(Value::Bs(set)), Value::Bs(more)) => set.extend(more.iter().cloned()),
            (Some(Value::L(list)), Value::L(more)) if self.is_legacy => list.extend(more.iter().cloned()),
            _ => return Err(self.wrong_type()),
        }
        Ok(())
    }

    /// Whether nothing is left.
    fn delete(&self, place: Place<'_>, less: &Value) -> Result<bool> {
        let present = match place {
            Place::Member(map, name) => map.get_mut(name),
            Place::Element(list, index) => list.get_mut(index),
        };
        match (present, less) {
            (None, _) => Ok(false),
            (Some(Value::Ss(set)), Value::Ss(less)) => Ok(subtract(set, less)),
            (Some(Value::Ns(set)), Value::Ns(less)) => Ok(subtract(set, less)),
            (Some(Value::Bs(set)), Value::Bs(less)) => Ok(subtract(set, less)),
            _ => Err(self.wrong_type()),
        }
    }

    fn wrong_type(&self) -> Error {
        if self.is_legacy { invalid("Type mismatch for attribute to update") } else { incorrect_type() }
    }
}

impl Place<'_> {
    fn put(self, value: Value) {
        match self {
            Self::Member(map, name) => {
                map.insert(name.to_owned(), value);
            }
            Self::Element(list, index) => match list.get_mut(index) {
                Some(element) => *element = value,
                None => list.push(value),
            },
        }
    }
}

impl Source {
    fn value(&self, item: &Attributes) -> Result<Value> {
        match self {
            Self::Value(value) => Ok((**value).clone()),
            Self::Path(path) => path.get(item).cloned().ok_or_else(|| {
                invalid("The provided expression refers to an attribute that does not exist in the item")
            }),
            Self::IfNotExists(path, other) => match path.get(item) {
                Some(value) => Ok(value.clone()),
                None => other.value(item),
            },
            Self::Plus(both) | Self::Minus(both) => match (both.0.value(item)?, both.1.value(item)?) {
                (Value::N(a), Value::N(b)) => {
                    let result = if matches!(self, Self::Plus(_)) { a.plus(b) } else { a.minus(b) };
                    result.map(Value::N).map_err(out_of_range)
                }
                _ => Err(incorrect_type()),
            },
            Self::Append(both) => match (both.0.value(item)?, both.1.value(item)?) {
                (Value::L(mut list), Value::L(more)) => {
                    list.extend(more);
                    Ok(Value::L(list))
                }
                _ => Err(incorrect_type()),
            },
        }
    }
}

/// What is said to an update that makes an item too large.
pub fn too_large() -> Error {
    invalid("Item size to update has exceeded the maximum allowed size")
}

fn incorrect_type() -> Error {
    invalid("An operand in the update expression has an incorrect data type")
}

fn out_of_range(why: NotNumber) -> Error {
    json::not_number(why, "")
}

/// Whether nothing is left.
fn subtract<T: Ord>(set: &mut BTreeSet<T>, less: &BTreeSet<T>) -> bool {
    set.retain(|one| !less.contains(one));
    set.is_empty()
}

fn remove(path: &Path, item: &mut Attributes) {
    match path.place(item) {
        Some(Place::Member(map, name)) => {
            map.remove(name);
        }
        Some(Place::Element(list, index)) if index < list.len() => {
            list.remove(index);
        }
        Some(Place::Element(..)) | None => {}
    }
}
