//! Commands that change hashes.

use super::expiry::field_list;
use super::read::values;
use super::{FIELDS, load, load_or_new};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::protocol::reply::Reply;
use crate::store::Txn;

/// `HSET key field value [field value ...]`
pub(super) fn hset(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let added = put_pairs(txn, call, "hset")?;
    reply.int(added);
    Ok(())
}

/// `HMSET key field value [field value ...]`
pub(super) fn hmset(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    put_pairs(txn, call, "hmset")?;
    reply.ok();
    Ok(())
}

/// How many fields are new.
fn put_pairs(txn: &mut Txn, call: &Call<'_>, command: &'static str) -> Result<i64> {
    if !call.len().is_multiple_of(2) {
        return Err(Error::Arity(command));
    }
    let mut hash = load_or_new(txn, call)?;
    let mut added = 0;
    for at in (2..call.len()).step_by(2) {
        added += i64::from(hash.put(txn, FIELDS, call.get(at), call.get(at + 1), None)?.is_none());
    }
    call.notify(txn, Events::HASH, "hset", call.get(1));
    hash.save(txn)?;
    Ok(added)
}

/// `HSETNX key field value`
pub(super) fn hsetnx(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut hash = load_or_new(txn, call)?;
    let absent = hash.get(txn, FIELDS, call.get(2))?.is_none();
    if absent {
        hash.put(txn, FIELDS, call.get(2), call.get(3), None)?;
        call.notify(txn, Events::HASH, "hset", call.get(1));
        hash.save(txn)?;
    }
    reply.int(absent.into());
    Ok(())
}

/// `HDEL key field [field ...]`
pub(super) fn hdel(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut removed = 0;
    if let Some(mut hash) = load(txn, call)? {
        for field in call.from(2) {
            removed += i64::from(hash.remove(txn, FIELDS, field)?.is_some());
        }
        if removed > 0 {
            call.notify(txn, Events::HASH, "hdel", call.get(1));
            hash.save(txn)?;
        }
    }
    reply.int(removed);
    Ok(())
}

/// `HGETDEL key FIELDS numfields field [field ...]`
pub(super) fn hgetdel(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut walk = call.walk(2);
    let fields = field_list(&mut walk)?;
    let hash = load(txn, call)?;
    let found = values(txn, hash.as_ref(), &fields)?;
    reply.array(found.len());
    for element in &found {
        reply.bulk_or_null(element.as_ref().map(|found| &found.value[..]));
    }
    if let Some(mut hash) = hash
        && found.iter().any(Option::is_some)
    {
        for field in fields {
            hash.remove(txn, FIELDS, field)?;
        }
        call.notify(txn, Events::HASH, "hdel", call.get(1));
        hash.save(txn)?;
    }
    Ok(())
}
