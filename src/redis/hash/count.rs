//! Fields as numbers. Their deadlines stay.

use super::{FIELDS, load_or_new};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::number::{self, FloatSum};
use crate::redis::protocol::reply::Reply;
use crate::store::Txn;

/// `HINCRBY key field increment`
pub(super) fn hincrby(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let by = call.int(3)?;
    let mut sum = 0;
    replace(txn, call, "hincrby", |old| {
        let not_an_integer = || Error::text("ERR hash value is not an integer");
        let old = old.map_or(Some(0), number::parse_i64).ok_or_else(not_an_integer)?;
        sum = old.checked_add(by).ok_or_else(|| Error::text("ERR increment or decrement would overflow"))?;
        Ok(itoa::Buffer::new().format(sum).as_bytes().to_vec())
    })?;
    reply.int(sum);
    Ok(())
}

/// `HINCRBYFLOAT key field increment`
pub(super) fn hincrbyfloat(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let by = call.get(3);
    match number::add_floats(b"0", by) {
        None => return Err(Error::NotAFloat),
        Some(FloatSum::NotFinite) => return Err(Error::text("ERR value is NaN or Infinity")),
        Some(FloatSum::Finite(_)) => {}
    }
    let mut told = Vec::new();
    replace(txn, call, "hincrbyfloat", |old| match number::add_floats(old.unwrap_or(b"0"), by) {
        None => Err(Error::text("ERR hash value is not a float")),
        Some(FloatSum::NotFinite) => Err(Error::text("ERR increment would produce NaN or Infinity")),
        Some(FloatSum::Finite(sum)) => {
            told = sum.into_bytes();
            Ok(told.clone())
        }
    })?;
    reply.bulk(&told);
    Ok(())
}

fn replace(
    txn: &mut Txn,
    call: &Call<'_>,
    event: &'static str,
    new: impl FnOnce(Option<&[u8]>) -> Result<Vec<u8>>,
) -> Result {
    let mut hash = load_or_new(txn, call)?;
    let old = hash.get(txn, FIELDS, call.get(2))?;
    let value = new(old.as_ref().map(|old| &old.value[..]))?;
    hash.put(txn, FIELDS, call.get(2), &value, old.and_then(|old| old.deadline_ms))?;
    call.notify(txn, Events::HASH, event, call.get(1));
    hash.save(txn)?;
    Ok(())
}
