//! Items. Every change of one goes through [`replace`]: its row, its rows in the indexes, its deadline, the counts and
//! the stream's record are one transaction.

pub mod metrics;
pub mod operations;
pub mod returned;
pub mod write;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::attribute::encoding::{decode, encode, size_of};
use super::attribute::{Attributes, Value, size};
use super::changes::{self, Sequences};
use super::error::Result;
use super::rows::{counters, index_key, item_row, space_prefix};
use super::schema::{Index, Schema};
use super::validate::table::Projection;
use crate::store::{Reads, Txn};

/// What a change cost, in units of 1 KB written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// In the table.
    pub table: u64,
    /// In indexes, by their place in the schema.
    pub indexes: Vec<(usize, u64)>,
}

/// The item under a key.
pub fn load(reads: &impl Reads, table: &Schema, key: &[u8]) -> Result<Option<Attributes>> {
    let row = reads.get(&item_row(table.id, key))?;
    Ok(row.map(|row| decode(&row)).transpose()?)
}

/// Stages what has become of the item under a key; `None` stands for no item. `has_expired`: the service removes it.
pub fn replace(
    txn: &mut Txn,
    sequences: &Arc<Sequences>,
    (table, key): (&Schema, &[u8]),
    (old, new): (Option<&Attributes>, Option<&Attributes>),
    has_expired: bool,
) -> Result<Written> {
    let (old_bytes, new_bytes) = (old.map_or(0, size), new.map_or(0, size));
    let mut written = Written { table: units(old_bytes.max(new_bytes)), indexes: Vec::new() };
    if old == new {
        return Ok(written);
    }
    count(txn, table.id, (old.is_some(), old_bytes), (new.is_some(), new_bytes));
    let encoded = new.map(|new| Bytes::from(encode(new)));
    for (place, index) in table.indexes.iter().enumerate() {
        let units = replace_in_index(txn, table, index, (old, new), encoded.as_ref())?;
        if units > 0 {
            written.indexes.push((place, units));
        }
    }
    rearm(txn, (table, key), (old, new));
    changes::record(txn, sequences, table, (old, new), has_expired)?;
    let row = item_row(table.id, key);
    match encoded {
        Some(encoded) => txn.put(row, encoded),
        None => txn.delete(row),
    }
    Ok(written)
}

/// Stages an item of a table that has nothing besides items, where no more is known of the old one than its row.
pub fn overwrite(txn: &mut Txn, (table, key): (&Schema, &[u8]), new: Option<&Attributes>) -> Result<Written> {
    let row = item_row(table.id, key);
    let old = txn.get(&row)?;
    let old_bytes = old.as_deref().map_or(Ok(0), size_of)?;
    let new_bytes = new.map_or(0, size);
    count(txn, table.id, (old.is_some(), old_bytes), (new.is_some(), new_bytes));
    match new {
        Some(new) => txn.put(row, encode(new)),
        None if old.is_some() => txn.delete(row),
        None => {}
    }
    Ok(Written { table: units(old_bytes.max(new_bytes)), indexes: Vec::new() })
}

/// Whether a change of an item changes nothing but the item.
pub fn is_plain(table: &Schema) -> bool {
    table.indexes.is_empty() && table.ttl.is_none() && table.stream().is_none()
}

/// What an index holds of an item.
pub fn projected<'a>(table: &Schema, index: &Index, item: &'a Attributes) -> Cow<'a, Attributes> {
    let Some(names) = held_names(table, index) else { return Cow::Borrowed(item) };
    Cow::Owned(names.filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect())
}

/// The names of what an index holds of items; `None` if it is all.
fn held_names<'a>(table: &'a Schema, index: &'a Index) -> Option<impl Iterator<Item = &'a String>> {
    let more = match &index.projection {
        Projection::All => return None,
        Projection::KeysOnly => &[][..],
        Projection::Include(names) => names,
    };
    let keys = table.keys.parts().chain(index.keys.parts()).map(|part| &part.name);
    Some(keys.chain(more))
}

/// Whether an index that knows of an item holds the same of it before and after. Of two items that differ, one that holds
/// all of them never does.
fn is_same_in(table: &Schema, index: &Index, old: &Attributes, new: &Attributes) -> bool {
    held_names(table, index).is_some_and(|mut names| names.all(|name| old.get(name) == new.get(name)))
}

/// Stages what an index holds of an item from now on; what that costs, in units of 1 KB. `encoded`: the new item's bytes,
/// where they are known already.
pub fn replace_in_index(
    txn: &mut Txn,
    table: &Schema,
    index: &Index,
    (old, new): (Option<&Attributes>, Option<&Attributes>),
    encoded: Option<&Bytes>,
) -> Result<u64> {
    if let (Some(old), Some(new)) = (old, new)
        && !index.is_filling
        && is_same_in(table, index, old, new)
    {
        return Ok(0);
    }
    let (mut old, new) = (Held::of(table, index, old), Held::of(table, index, new));
    if let Some(held) = &old
        && index.is_filling
        && txn.get(&held.row)?.is_none()
    {
        // Nobody has told the index of it yet.
        old = None;
    }
    if old == new {
        return Ok(0);
    }
    let bytes = |held: &Option<Held>| held.as_ref().map_or(0, |held| size(&held.item));
    count(txn, index.id, (old.is_some(), bytes(&old)), (new.is_some(), bytes(&new)));
    let (old_bytes, new_bytes) = (bytes(&old), bytes(&new));
    Ok(match (old, new) {
        (Some(old), Some(new)) => {
            let moves = old.row != new.row;
            if moves {
                txn.delete(old.row);
            }
            let value = new.encoded(encoded);
            txn.put(new.row, value);
            if moves { units(old_bytes) + units(new_bytes) } else { units(old_bytes.max(new_bytes)) }
        }
        (None, Some(new)) => {
            let value = new.encoded(encoded);
            txn.put(new.row, value);
            units(new_bytes)
        }
        (Some(old), None) => {
            txn.delete(old.row);
            units(old_bytes)
        }
        (None, None) => 0,
    })
}

/// What an index holds of an item, and where.
#[derive(PartialEq)]
struct Held<'a> {
    row: Vec<u8>,
    item: Cow<'a, Attributes>,
}

impl<'a> Held<'a> {
    fn of(table: &Schema, index: &Index, item: Option<&'a Attributes>) -> Option<Self> {
        let item = item?;
        let key = index_key(index, &table.keys, item)?;
        Some(Self { row: item_row(index.id, &key), item: projected(table, index, item) })
    }

    /// Its bytes; `whole` are those of the item, which are its own if it holds all of it.
    fn encoded(&self, whole: Option<&Bytes>) -> Bytes {
        match (&self.item, whole) {
            (Cow::Borrowed(_), Some(whole)) => whole.clone(),
            _ => encode(&self.item).into(),
        }
    }
}

fn count(txn: &mut Txn, space: u64, (was, old_bytes): (bool, usize), (is, new_bytes): (bool, usize)) {
    let (items, bytes) = counters(space);
    txn.count(items, i64::from(is) - i64::from(was));
    txn.count(bytes, new_bytes as i64 - old_bytes as i64);
}

/// How many units of 1 KB so many bytes are; one at least.
pub fn units(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(1024).max(1)
}

/// How long past an item may say that it expired and still be believed, in seconds.
const EXPIRED_SINCE_MAX_S: i64 = 5 * 366 * 24 * 60 * 60;

/// When an item expires, in Unix milliseconds, as far as its attribute says so. One that lies more than five years back
/// is taken for a mistake (Developer Guide, "Using time to live").
pub fn due_ms(attribute: &str, item: &Attributes, now_ms: u64) -> Option<u64> {
    let Some(Value::N(number)) = item.get(attribute) else { return None };
    let seconds = number.floor_i64()?;
    let is_mistake = seconds < now_ms as i64 / 1000 - EXPIRED_SINCE_MAX_S;
    if is_mistake { None } else { u64::try_from(seconds).ok()?.checked_mul(1000) }
}

/// Stages the deadline that an item has now.
fn rearm(
    txn: &mut Txn,
    (table, key): (&Schema, &[u8]),
    (old, new): (Option<&Attributes>, Option<&Attributes>),
) {
    let Some(attribute) = &table.ttl else { return };
    let now_ms = txn.now_ms();
    let due = |item: Option<&Attributes>| due_ms(attribute, item?, now_ms);
    let (old, new) = (due(old), due(new));
    if old == new {
        return;
    }
    let space = space_prefix(table.id);
    if let Some(old) = old {
        txn.disarm(&space, old, key);
    }
    if let Some(new) = new {
        txn.arm(&space, new, key);
    }
}
