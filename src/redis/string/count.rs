//! Strings as numbers.

use super::read::as_int;
use super::{load_number, with_contents};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::keyspace;
use crate::redis::number::{self, FloatSum};
use crate::redis::protocol::reply::Reply;
use crate::store::Txn;

/// `INCR key`
pub(super) fn incr(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    add(txn, call, 1, reply)
}

/// `DECR key`
pub(super) fn decr(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    add(txn, call, -1, reply)
}

/// `INCRBY key increment`
pub(super) fn incrby(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    add(txn, call, call.int(2)?, reply)
}

/// `DECRBY key decrement`
pub(super) fn decrby(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let by = call.int(2)?.checked_neg().ok_or_else(|| Error::text("ERR decrement would overflow"))?;
    add(txn, call, by, reply)
}

fn add(txn: &mut Txn, call: &Call<'_>, by: i64, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let found = load_number(txn, call, name)?;
    let old = found.as_ref().map_or(Ok(0), |found| as_int(&found.contents))?;
    let new = old.checked_add(by).ok_or_else(|| Error::text("ERR increment or decrement would overflow"))?;
    let mut digits = itoa::Buffer::new();
    let meta = with_contents(found.as_ref(), digits.format(new).as_bytes().to_vec());
    keyspace::replace(txn, call.space, name, found.as_ref().map(|found| &found.meta), meta)?;
    call.notify(txn, Events::STRING, "incrby", name);
    reply.int(new);
    Ok(())
}

/// `INCRBYFLOAT key increment`
pub(super) fn incrbyfloat(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let found = load_number(txn, call, name)?;
    let old = found.as_ref().map_or(&b"0"[..], |found| &found.contents[..]);
    let sum = add_floats(old, call.get(2))?;
    let meta = with_contents(found.as_ref(), sum.clone().into_bytes());
    keyspace::replace(txn, call.space, name, found.as_ref().map(|found| &found.meta), meta)?;
    call.notify(txn, Events::STRING, "incrbyfloat", name);
    reply.bulk(sum.as_bytes());
    Ok(())
}

fn add_floats(old: &[u8], by: &[u8]) -> Result<String> {
    match number::add_floats(old, by).ok_or(Error::NotAFloat)? {
        FloatSum::Finite(sum) => Ok(sum),
        FloatSum::NotFinite => Err(Error::text("ERR increment would produce NaN or Infinity")),
    }
}
