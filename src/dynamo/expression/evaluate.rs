//! Whether a condition holds for an item.
//!
//! Values of different types are never equal, and compare in no way; so does a value that is not there.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::super::attribute::{Attributes, Value};
use super::super::number::Number;
use super::condition::{Comparator, Condition, Operand};

impl Condition {
    /// Whether it holds for an item. Where there is none, an empty one stands for it.
    pub fn holds(&self, item: &Attributes) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.holds(item)),
            Self::Or(all) => all.iter().any(|one| one.holds(item)),
            Self::Not(one) => !one.holds(item),
            Self::Compare(Comparator::NotEqual, a, b) => !both(a, b, item, |a, b| a == b),
            Self::Compare(comparator, a, b) => both(a, b, item, |a, b| comparator.holds(a, b)),
            Self::Between(a, low, high) => a.value(item).is_some_and(|a| {
                let is = |comparator: Comparator, bound: &Operand| {
                    bound.value(item).is_some_and(|bound| comparator.holds(&a, &bound))
                };
                is(Comparator::GreaterOrEqual, low) && is(Comparator::LessOrEqual, high)
            }),
            Self::In(a, others) => a.value(item).is_some_and(|a| {
                others.iter().any(|other| other.value(item).is_some_and(|other| a == other))
            }),
            Self::Exists(path) => path.get(item).is_some(),
            Self::NotExists(path) => path.get(item).is_none(),
            Self::HasType(a, name) => a.value(item).is_some_and(|a| a.type_name() == name),
            Self::BeginsWith(a, b) => both(a, b, item, begins_with),
            Self::Contains(a, b) => both(a, b, item, contains),
        }
    }
}

fn both(a: &Operand, b: &Operand, item: &Attributes, holds: impl FnOnce(&Value, &Value) -> bool) -> bool {
    match (a.value(item), b.value(item)) {
        (Some(a), Some(b)) => holds(&a, &b),
        _ => false,
    }
}

impl Comparator {
    /// Whether two values compare so.
    pub fn holds(self, a: &Value, b: &Value) -> bool {
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Less => compare(a, b).is_some_and(Ordering::is_lt),
            Self::LessOrEqual => compare(a, b).is_some_and(Ordering::is_le),
            Self::Greater => compare(a, b).is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual => compare(a, b).is_some_and(Ordering::is_ge),
        }
    }
}

/// How two values sort, if they are of one type that does.
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::S(a), Value::S(b)) => Some(a.cmp(b)),
        (Value::N(a), Value::N(b)) => Some(a.cmp(b)),
        (Value::B(a), Value::B(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

impl Operand {
    /// What it is for an item.
    fn value<'a>(&'a self, item: &'a Attributes) -> Option<Cow<'a, Value>> {
        match self {
            Self::Path(path) => path.get(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(of) => {
                let size = size(&*of.value(item)?)?;
                Some(Cow::Owned(Value::N(Number::from(size as i64))))
            }
        }
    }
}

fn size(value: &Value) -> Option<usize> {
    match value {
        Value::S(text) => Some(text.len()),
        Value::B(bytes) => Some(bytes.len()),
        Value::Ss(set) => Some(set.len()),
        Value::Ns(set) => Some(set.len()),
        Value::Bs(set) => Some(set.len()),
        Value::L(list) => Some(list.len()),
        Value::M(map) => Some(map.len()),
        Value::N(_) | Value::Bool(_) | Value::Null => None,
    }
}

fn begins_with(value: &Value, prefix: &Value) -> bool {
    match (value, prefix) {
        (Value::S(text), Value::S(prefix)) => text.starts_with(prefix.as_str()),
        (Value::B(bytes), Value::B(prefix)) => bytes.starts_with(prefix),
        _ => false,
    }
}

fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::S(text), Value::S(part)) => text.contains(part.as_str()),
        (Value::B(bytes), Value::B(part)) => contains_bytes(bytes, part),
        (Value::Ss(set), Value::S(one)) => set.contains(one),
        (Value::Ns(set), Value::N(one)) => set.contains(one),
        (Value::Bs(set), Value::B(one)) => set.contains(one),
        (Value::L(list), one) => list.contains(one),
        _ => false,
    }
}

fn contains_bytes(bytes: &[u8], part: &[u8]) -> bool {
    match part.len() {
        0 => true,
        length @ 1..=16 => bytes.windows(length).any(|window| window == part),
        // In time that grows with the sum of the lengths, as the search in texts does: each byte for a character.
        _ => {
            let text = |bytes: &[u8]| bytes.iter().map(|&byte| char::from(byte)).collect::<String>();
            text(bytes).contains(&text(part))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::contains_bytes;

    proptest! {
        #[test]
        fn parts_of_binaries_are_found(
            bytes in prop::collection::vec(0xBF_u8..0xC4, 0..60),
            part in prop::collection::vec(0xBF_u8..0xC4, 0..4),
            from in 0..60_usize,
            length in 0..60_usize,
        ) {
            let naive = |part: &[u8]| part.is_empty() || bytes.windows(part.len()).any(|window| window == part);
            let own = &bytes[from.min(bytes.len())..(from + length).min(bytes.len()).max(from.min(bytes.len()))];
            prop_assert!(contains_bytes(&bytes, own));
            let other = [own, &part].concat();
            prop_assert_eq!(contains_bytes(&bytes, &other), naive(&other));
        }
    }
}
