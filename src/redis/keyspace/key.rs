//! The key as a whole: reading its meta row, replacing, removing, moving it, and its deadline.

use bytes::Bytes;

use super::{Meta, Result, Space};
use crate::random::Random;
use crate::store::{Reads, Txn};

/// A key's meta row; `None` if the key does not exist or is due.
pub fn load(_reads: &dyn Reads, _space: Space, _name: &[u8]) -> Result<Option<Meta>> {
    unimplemented!()
}

/// Several keys' meta rows, in the order asked; cold ones are fetched together.
pub fn load_many(reads: &dyn Reads, space: Space, names: &[&[u8]]) -> Result<Vec<Option<Meta>>> {
    let rows: Vec<Vec<u8>> = names.iter().map(|name| space.meta_row(name)).collect();
    let rows: Vec<&[u8]> = rows.iter().map(|row| &row[..]).collect();
    let now_ms = reads.now_ms();
    let live = |value: Bytes| Ok(Some(Meta::decode(&value)?).filter(|meta| !meta.is_due(now_ms)));
    reads.multi_get(&rows)?.into_iter().map(|value| value.map_or(Ok(None), live)).collect()
}

/// Stages a string over whatever is there, without reading the disk: what a plain SET does.
pub fn overwrite(
    _txn: &mut Txn,
    _space: Space,
    _name: &[u8],
    _contents: &[u8],
    _deadline_ms: Option<u64>,
) -> Result<()> {
    unimplemented!()
}

/// Stages a key's new meta row; `old` is what [`load`] answered within this transaction.
pub fn replace(_txn: &mut Txn, _space: Space, _name: &[u8], _old: Option<&Meta>, _new: Meta) -> Result<()> {
    unimplemented!()
}

/// Stages a key's removal; whether it existed.
pub fn delete(_txn: &mut Txn, _space: Space, _name: &[u8]) -> Result<bool> {
    unimplemented!()
}

/// Stages a key's deadline, or that it has none. A deadline that has passed removes the key.
pub fn expire(
    _txn: &mut Txn,
    _space: Space,
    _name: &[u8],
    _meta: &Meta,
    _deadline_ms: Option<u64>,
) -> Result<()> {
    unimplemented!()
}

/// Stages that a key moves to another name or database, over whatever is there; whether it existed.
pub fn rename(_txn: &mut Txn, _from: Space, _name: &[u8], _to: Space, _new_name: &[u8]) -> Result<bool> {
    unimplemented!()
}

/// Stages a copy of a key, over whatever is there; whether it existed. What is large is copied in parts beforehand.
pub fn copy(_txn: &mut Txn, _from: Space, _name: &[u8], _to: Space, _new_name: &[u8]) -> Result<bool> {
    unimplemented!()
}

/// Some key; `None` if there is none.
pub fn random(_reads: &dyn Reads, _space: Space, _random: &mut Random) -> Result<Option<Bytes>> {
    unimplemented!()
}
