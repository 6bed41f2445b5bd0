//! Items as bytes, on disk.
//!
//! ```text
//! item   := version(1) ‖ varint(what it counts for, in bytes) ‖ map
//! map    := varint(count) ‖ (bytes(name) ‖ value)*        by name, ascending
//! value  := 0 ‖ bytes          text        | 1 ‖ number     number        | 2 ‖ bytes     binary
//!         | 3 false | 4 true   | 5 null
//!         | 6 ‖ varint(count) ‖ bytes*     | 7 ‖ varint(count) ‖ number*   | 8 ‖ varint(count) ‖ bytes*     sets, ascending
//!         | 9 ‖ varint(count) ‖ value*     list           | 10 ‖ map
//! bytes  := varint(length) ‖ …
//! number := as in number.rs
//! ```

use super::{Attributes, Value};
use crate::codec::varint;
use crate::dynamo::number::Number;
use crate::store::Error;

/// The version of items that this program writes.
const VERSION: u8 = 1;

/// How deep values on disk may lie in each other, lest damage exhaust the stack: the most that the limit on levels can be
/// lifted to, and the item itself.
pub(super) const DEPTH_MAX: usize = 257;

pub(super) mod tag {
    pub(in super::super) const S: u8 = 0;
    pub(in super::super) const N: u8 = 1;
    pub(in super::super) const B: u8 = 2;
    pub(in super::super) const FALSE: u8 = 3;
    pub(in super::super) const TRUE: u8 = 4;
    pub(in super::super) const NULL: u8 = 5;
    pub(in super::super) const SS: u8 = 6;
    pub(in super::super) const NS: u8 = 7;
    pub(in super::super) const BS: u8 = 8;
    pub(in super::super) const L: u8 = 9;
    pub(in super::super) const M: u8 = 10;
}

/// An item's bytes.
pub fn encode(item: &Attributes) -> Vec<u8> {
    let size = super::size(item);
    let mut out = Vec::with_capacity(64 + size * 5 / 4);
    out.push(VERSION);
    varint::put_u64(&mut out, size as u64);
    put_attributes(&mut out, item);
    out
}

const DAMAGED: Error = Error::Damaged("an item");

/// The item that these bytes are.
pub fn decode(bytes: &[u8]) -> Result<Attributes, Error> {
    let (_, mut bytes) = take_size(bytes)?;
    let item = take_attributes(&mut bytes).ok_or(DAMAGED)?;
    if bytes.is_empty() { Ok(item) } else { Err(DAMAGED) }
}

/// What the item that these bytes are counts for, in bytes.
pub fn size_of(bytes: &[u8]) -> Result<usize, Error> {
    Ok(take_size(bytes)?.0)
}

pub(super) fn take_size(mut bytes: &[u8]) -> Result<(usize, &[u8]), Error> {
    if bytes.split_off_first() != Some(&VERSION) {
        return Err(DAMAGED);
    }
    let size = varint::take_u64(&mut bytes).ok_or(DAMAGED)?;
    Ok((usize::try_from(size).map_err(|_| DAMAGED)?, bytes))
}

/// Appends a map of values.
pub fn put_attributes(out: &mut Vec<u8>, map: &Attributes) {
    varint::put_u64(out, map.len() as u64);
    for (name, value) in map {
        varint::put_bytes(out, name.as_bytes());
        put_value(out, value);
    }
}

/// Takes a map of values off the front; `None` if there is none.
pub fn take_attributes(bytes: &mut &[u8]) -> Option<Attributes> {
    take_map(bytes, 0)
}

/// Appends a value.
pub fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::S(text) => {
            out.push(tag::S);
            varint::put_bytes(out, text.as_bytes());
        }
        Value::N(number) => {
            out.push(tag::N);
            number.encode(out);
        }
        Value::B(bytes) => {
            out.push(tag::B);
            varint::put_bytes(out, bytes);
        }
        Value::Bool(is_true) => out.push(if *is_true { tag::TRUE } else { tag::FALSE }),
        Value::Null => out.push(tag::NULL),
        Value::Ss(set) => {
            put_count(out, tag::SS, set.len());
            for text in set {
                varint::put_bytes(out, text.as_bytes());
            }
        }
        Value::Ns(set) => {
            put_count(out, tag::NS, set.len());
            for number in set {
                number.encode(out);
            }
        }
        Value::Bs(set) => {
            put_count(out, tag::BS, set.len());
            for bytes in set {
                varint::put_bytes(out, bytes);
            }
        }
        Value::L(list) => {
            put_count(out, tag::L, list.len());
            for one in list {
                put_value(out, one);
            }
        }
        Value::M(map) => {
            out.push(tag::M);
            put_attributes(out, map);
        }
    }
}

fn put_count(out: &mut Vec<u8>, tag: u8, count: usize) {
    out.push(tag);
    varint::put_u64(out, count as u64);
}

fn take_map(bytes: &mut &[u8], depth: usize) -> Option<Attributes> {
    let count = varint::take_u64(bytes)?;
    (0..count).map(|_| Some((take_text(bytes)?, take_deep(bytes, depth + 1)?))).collect()
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    String::from_utf8(varint::take_bytes(bytes)?.to_vec()).ok()
}

fn take_deep(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    Some(match *bytes.split_off_first()? {
        tag::S => Value::S(take_text(bytes)?),
        tag::N => Value::N(Number::take(bytes)?),
        tag::B => Value::B(varint::take_bytes(bytes)?.to_vec()),
        tag::FALSE => Value::Bool(false),
        tag::TRUE => Value::Bool(true),
        tag::NULL => Value::Null,
        tag::SS => Value::Ss(take_many(bytes, take_text)?),
        tag::NS => Value::Ns(take_many(bytes, Number::take)?),
        tag::BS => Value::Bs(take_many(bytes, |bytes| Some(varint::take_bytes(bytes)?.to_vec()))?),
        tag::L => Value::L(take_many(bytes, |bytes| take_deep(bytes, depth + 1))?),
        tag::M => Value::M(take_map(bytes, depth)?),
        _ => return None,
    })
}

fn take_many<T, C: FromIterator<T>>(
    bytes: &mut &[u8],
    mut one: impl FnMut(&mut &[u8]) -> Option<T>,
) -> Option<C> {
    let count = varint::take_u64(bytes)?;
    (0..count).map(|_| one(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::any_item;
    use super::*;

    proptest! {
        #[test]
        fn items_come_back(item in any_item()) {
            let bytes = encode(&item);
            prop_assert_eq!(size_of(&bytes).unwrap(), super::super::size(&item));
            prop_assert_eq!(decode(&bytes).unwrap(), item);
        }

        #[test]
        fn damage_is_found_or_harmless(item in any_item(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let mut bytes = encode(&item);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let _ = decode(&bytes);
            prop_assert!(decode(&bytes[..at]).is_err());
        }
    }
}
