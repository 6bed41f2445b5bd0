//! Items as bytes, on disk.
//!
//! ```text
//! item   := version(1) ‖ map
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

/// How deep values on disk may lie in each other, lest damage exhaust the stack.
const DEPTH_MAX: usize = 128;

mod tag {
    pub(super) const S: u8 = 0;
    pub(super) const N: u8 = 1;
    pub(super) const B: u8 = 2;
    pub(super) const FALSE: u8 = 3;
    pub(super) const TRUE: u8 = 4;
    pub(super) const NULL: u8 = 5;
    pub(super) const SS: u8 = 6;
    pub(super) const NS: u8 = 7;
    pub(super) const BS: u8 = 8;
    pub(super) const L: u8 = 9;
    pub(super) const M: u8 = 10;
}

/// An item's bytes.
pub fn encode(item: &Attributes) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + super::size(item) * 5 / 4);
    out.push(VERSION);
    put_map(&mut out, item);
    out
}

/// The item that these bytes are.
pub fn decode(mut bytes: &[u8]) -> Result<Attributes, Error> {
    const DAMAGED: Error = Error::Damaged("an item");
    if bytes.split_off_first() != Some(&VERSION) {
        return Err(DAMAGED);
    }
    let item = take_map(&mut bytes, 0).ok_or(DAMAGED)?;
    if bytes.is_empty() { Ok(item) } else { Err(DAMAGED) }
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
            set.iter().for_each(|text| varint::put_bytes(out, text.as_bytes()));
        }
        Value::Ns(set) => {
            put_count(out, tag::NS, set.len());
            set.iter().for_each(|number| number.encode(out));
        }
        Value::Bs(set) => {
            put_count(out, tag::BS, set.len());
            set.iter().for_each(|bytes| varint::put_bytes(out, bytes));
        }
        Value::L(list) => {
            put_count(out, tag::L, list.len());
            list.iter().for_each(|one| put_value(out, one));
        }
        Value::M(map) => {
            out.push(tag::M);
            put_map(out, map);
        }
    }
}

/// Takes a value off the front; `None` if there is none.
pub fn take_value(bytes: &mut &[u8]) -> Option<Value> {
    take_deep(bytes, 0)
}

fn put_count(out: &mut Vec<u8>, tag: u8, count: usize) {
    out.push(tag);
    varint::put_u64(out, count as u64);
}

fn put_map(out: &mut Vec<u8>, map: &Attributes) {
    varint::put_u64(out, map.len() as u64);
    for (name, value) in map {
        varint::put_bytes(out, name.as_bytes());
        put_value(out, value);
    }
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
            prop_assert_eq!(decode(&encode(&item)).unwrap(), item);
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
