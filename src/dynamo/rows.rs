//! Tables as rows.
//!
//! ```text
//! row    := 2 (dynamo) ‖ …
//!   0 ‖ name                                           → schema                   the catalog
//!   0 ‖ name ‖ "/" ‖ uuid                               → schema                   of a deleted table, for its streams
//!   1 ‖ space ‖ 0 ‖ key                                → item                     attribute/encoding.rs
//!   1 ‖ space ‖ 3 ‖ due ‖ key                          → empty                    deadlines: `store::deadline`
//!   1 ‖ space ‖ 4 ‖ sequence (8 bytes)                 → record                   a stream: changes/
//!   2 ‖ token (16 bytes)                               → outcome                  of a transaction: transact/
//!   3 ‖ name                                           → backup                   backup/
//! space  := ordered(id of a table, an index or a stream)
//! key    := bucket ‖ part of the partition key ‖ part of the sort key             of a table
//!         | bucket ‖ parts ‖ parts ‖ the table's parts                            of an index
//! bucket := 2 bytes: the low bits of the hash of the partition key's parts
//! part   := order::bytes(text or bytes) | number
//! ```
//!
//! A table's items lie in the order of a hash of their partition key, as its users expect: a scan begins anywhere, and a
//! segment of a parallel scan is a range of buckets. Within a partition they lie in the order of the sort key.

use std::hash::{BuildHasher, Hasher};

use super::attribute::{Attributes, Value};
use super::number::Number;
use super::schema::{Index, KeyPart, Keys};
use super::validate::table::KeyType;
use crate::codec::{hash::hash, order};
use crate::store::{DYNAMO, LockKey, put_ordered, take_ordered};

const CATALOG: u8 = 0;
const SPACE: u8 = 1;
const TOKEN: u8 = 2;
const BACKUP: u8 = 3;

const ITEMS: u8 = 0;
const RECORDS: u8 = 4;

/// How many bytes a bucket takes.
pub const BUCKET_BYTES: usize = 2;

/// The row of a table in the catalog.
pub fn catalog_row(name: &str) -> Vec<u8> {
    [&[DYNAMO, CATALOG], name.as_bytes()].concat()
}

/// The row of a table that is no more and whose streams can still be read. No table's name has a slash.
pub fn departed_row(name: &str, uuid: &str) -> Vec<u8> {
    catalog_row(&format!("{name}/{uuid}"))
}

/// Whether a row of the catalog is of a table that is no more.
pub fn is_departed(row: &[u8]) -> bool {
    row.starts_with(&[DYNAMO, CATALOG]) && row.contains(&b'/')
}

/// The row of a transaction's token.
pub fn token_row(digest: [u8; 16]) -> Vec<u8> {
    [&[DYNAMO, TOKEN], &digest[..]].concat()
}

/// The row of a backup.
pub fn backup_row(name: &str) -> Vec<u8> {
    [&[DYNAMO, BACKUP], name.as_bytes()].concat()
}

/// The prefix of all rows of a table, an index or a stream.
pub fn space_prefix(id: u64) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(64);
    prefix.extend_from_slice(&[DYNAMO, SPACE]);
    put_ordered(&mut prefix, id);
    prefix
}

/// The prefix of the items of a table or an index.
pub fn items_prefix(id: u64) -> Vec<u8> {
    let mut prefix = space_prefix(id);
    prefix.push(ITEMS);
    prefix
}

/// The row of an item.
pub fn item_row(id: u64, key: &[u8]) -> Vec<u8> {
    let mut row = items_prefix(id);
    row.extend_from_slice(key);
    row
}

/// The prefix of a stream's records.
pub fn records_prefix(id: u64) -> Vec<u8> {
    let mut prefix = space_prefix(id);
    prefix.push(RECORDS);
    prefix
}

/// What follows the prefix of a stream's records in a row; `None` for any other row.
pub fn records_row(row: &[u8]) -> Option<&[u8]> {
    let mut rest = row.strip_prefix(&[DYNAMO, SPACE])?;
    take_ordered(&mut rest)?;
    rest.strip_prefix(&[RECORDS])
}

/// Whether a row is a transaction's token.
pub fn is_token(row: &[u8]) -> bool {
    row.starts_with(&[DYNAMO, TOKEN])
}

/// What counts a space's items, and their bytes.
pub fn counters(id: u64) -> (u64, u64) {
    (id << 2, id << 2 | 1)
}

/// What a table is locked by: shared by those who read or change its items, exclusively by who changes what it is.
pub fn table_lock(name: &str) -> LockKey {
    lock_key(0, name.as_bytes())
}

/// What an item is locked by.
pub fn item_lock(table: u64, key: &[u8]) -> LockKey {
    lock_key(table, key)
}

/// What a transaction's token is locked by.
pub fn token_lock(digest: [u8; 16]) -> LockKey {
    lock_key(1, &digest)
}

/// What a backup is locked by.
pub fn backup_lock(name: &str) -> LockKey {
    lock_key(2, name.as_bytes())
}

fn lock_key(space: u64, name: &[u8]) -> LockKey {
    let mut hasher = foldhash::fast::FixedState::with_seed(0xD1_4A).build_hasher();
    hasher.write_u64(space);
    hasher.write(name);
    LockKey(hasher.finish())
}

/// An item's key in its table; `None` if it lacks a part, or has one of another type.
pub fn table_key(keys: &Keys, item: &Attributes) -> Option<Vec<u8>> {
    let mut key = partition(&keys.hash, item)?;
    keys.range.iter().try_for_each(|part| put_part(&mut key, part, item))?;
    Some(key)
}

/// An item's key in an index; `None` if the item is not in it.
pub fn index_key(index: &Index, table: &Keys, item: &Attributes) -> Option<Vec<u8>> {
    if index.keys.parts().any(|part| item.get(&part.name).is_some_and(Value::is_empty)) {
        return None;
    }
    let mut key = partition(&index.keys.hash, item)?;
    index.keys.range.iter().chain(table.parts()).try_for_each(|part| put_part(&mut key, part, item))?;
    Some(key)
}

/// What all keys of an item's partition begin with.
fn partition(parts: &[KeyPart], item: &Attributes) -> Option<Vec<u8>> {
    partition_from(parts.iter().map(|part| (part.kind, item.get(&part.name))))
}

/// What all keys of the partition with these values begin with.
pub fn partition_of(parts: &[KeyPart], values: &[&Value]) -> Option<Vec<u8>> {
    let parts = parts.iter().enumerate();
    partition_from(parts.map(|(place, part)| (part.kind, values.get(place).copied())))
}

fn partition_from<'a>(parts: impl Iterator<Item = (KeyType, Option<&'a Value>)>) -> Option<Vec<u8>> {
    let mut key = Vec::with_capacity(64);
    key.extend_from_slice(&[0; BUCKET_BYTES]);
    for (kind, value) in parts {
        put_key_value(&mut key, kind, value?)?;
    }
    let bucket = hash(key.get(BUCKET_BYTES..)?) as u16;
    key.get_mut(..BUCKET_BYTES)?.copy_from_slice(&bucket.to_be_bytes());
    Some(key)
}

fn put_part(out: &mut Vec<u8>, part: &KeyPart, item: &Attributes) -> Option<()> {
    put_key_value(out, part.kind, item.get(&part.name)?)
}

/// Appends a part of a key; `None` if it is of another type.
pub fn put_key_value(out: &mut Vec<u8>, kind: KeyType, value: &Value) -> Option<()> {
    match (kind, value) {
        (KeyType::S, Value::S(text)) => order::put_bytes(out, text.as_bytes()),
        (KeyType::B, Value::B(bytes)) => order::put_bytes(out, bytes),
        (KeyType::N, Value::N(number)) => number.encode(out),
        _ => return None,
    }
    Some(())
}

/// Appends what all parts begin with that begin with this text or these bytes; `None` if it is neither.
pub fn put_key_beginning(out: &mut Vec<u8>, value: &Value) -> Option<()> {
    match value {
        Value::S(text) => order::put_prefix(out, text.as_bytes()),
        Value::B(bytes) => order::put_prefix(out, bytes),
        _ => return None,
    }
    Some(())
}

/// The keys that an item's key in its table is made of; `None` if it reads otherwise.
pub fn parse_table_key(keys: &Keys, key: &[u8]) -> Option<Attributes> {
    let mut rest = key.get(BUCKET_BYTES..)?;
    let parts = keys.parts().map(|part| Some((part.name.clone(), take_key_value(&mut rest, part.kind)?)));
    parts.collect()
}

fn take_key_value(bytes: &mut &[u8], kind: KeyType) -> Option<Value> {
    Some(match kind {
        KeyType::S => Value::S(String::from_utf8(order::take_bytes(bytes)?).ok()?),
        KeyType::B => Value::B(order::take_bytes(bytes)?),
        KeyType::N => Value::N(Number::take(bytes)?),
    })
}

/// The first bucket of a segment of a scan, and the first one after it. A segment of less than a bucket may have none.
pub fn segment(segment: u64, total: u64) -> (u64, u64) {
    let first = |segment: u64| (segment << 16).div_ceil(total.max(1));
    (first(segment), first(segment + 1))
}

/// A key that comes before all of a bucket; `None` if it is one too many.
pub fn bucket_start(bucket: u64) -> Option<[u8; BUCKET_BYTES]> {
    u16::try_from(bucket).ok().map(u16::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_have_every_bucket_once() {
        for total in [1, 2, 3, 7, 1000, 65_536, 1_000_000] {
            let mut next = 0;
            for one in 0..total {
                let (from, to) = segment(one, total);
                assert_eq!(from, next, "{one} of {total}");
                next = to;
            }
            assert_eq!(next, 65_536);
        }
    }

    #[test]
    fn keys_come_back() {
        let part = |name: &str, kind| KeyPart { name: name.to_owned(), kind };
        let keys = Keys { hash: vec![part("h", KeyType::B)], range: vec![part("r", KeyType::N)] };
        let item = Attributes::from([
            ("h".to_owned(), Value::B(vec![0, 255, 0])),
            ("r".to_owned(), Value::N(Number::from(-7))),
            ("x".to_owned(), Value::Null),
        ]);
        let key = table_key(&keys, &item).unwrap();
        let parsed = parse_table_key(&keys, &key).unwrap();
        assert_eq!(parsed.len(), 2);
        assert!(parsed.iter().all(|(name, value)| item.get(name) == Some(value)));
        assert_eq!(table_key(&keys, &Attributes::new()), None);
    }
}
