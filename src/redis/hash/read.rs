//! Commands that look at hashes.

use std::ops::{Bound, ControlFlow};

use super::{FIELDS, load};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::keyspace::{Collection, Element};
use crate::redis::protocol::reply::Reply;
use crate::store::Tier;
use crate::store::{self, Reads};

/// From this many fields on, whatever is asked of all of them runs where it may take its time.
const FIELDS_INLINE_MAX: u64 = 512;

fn element(reads: &dyn Reads, call: &Call<'_>) -> Result<Option<Element>> {
    Ok(match load(reads, call)? {
        Some(hash) => hash.get(reads, FIELDS, call.get(2))?,
        None => None,
    })
}

/// `HGET key field`
pub(super) fn hget(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.bulk_or_null(element(reads, call)?.as_ref().map(|found| &found.value[..]));
    Ok(())
}

/// `HEXISTS key field`
pub(super) fn hexists(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.int(element(reads, call)?.is_some().into());
    Ok(())
}

/// `HSTRLEN key field`
pub(super) fn hstrlen(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.count(element(reads, call)?.map_or(0, |found| found.value.len()));
    Ok(())
}

/// `HLEN key`
pub(super) fn hlen(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let len = load(reads, call)?.map_or(Ok(0), |hash| hash.len(reads))?;
    reply.int(i64::try_from(len).unwrap_or(i64::MAX));
    Ok(())
}

/// `HMGET key field [field ...]`
pub(super) fn hmget(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let fields: Vec<&[u8]> = call.from(2).collect();
    let found = values(reads, load(reads, call)?.as_ref(), &fields)?;
    reply.array(found.len());
    for element in &found {
        reply.bulk_or_null(element.as_ref().map(|found| &found.value[..]));
    }
    Ok(())
}

/// Fields of a hash, which may not be there at all.
pub(super) fn values(
    reads: &dyn Reads,
    hash: Option<&Collection>,
    fields: &[&[u8]],
) -> Result<Vec<Option<Element>>> {
    Ok(match hash {
        Some(hash) => hash.get_many(reads, FIELDS, fields)?,
        None => vec![None; fields.len()],
    })
}

/// `HGETALL key`
pub(super) fn hgetall(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let open = reply.open_map();
    let n = each(reads, call, |field, element| {
        reply.bulk(field);
        reply.bulk(&element.value);
    })?;
    reply.end(open, n);
    Ok(())
}

/// `HKEYS key`
pub(super) fn hkeys(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let open = reply.open_array();
    let n = each(reads, call, |field, _| reply.bulk(field))?;
    reply.end(open, n);
    Ok(())
}

/// `HVALS key`
pub(super) fn hvals(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let open = reply.open_array();
    let n = each(reads, call, |_, element| reply.bulk(&element.value))?;
    reply.end(open, n);
    Ok(())
}

/// Visits all fields; how many there were.
fn each(reads: &dyn Reads, call: &Call<'_>, mut visit: impl FnMut(&[u8], &Element)) -> Result<usize> {
    let mut n = 0;
    if let Some(hash) = load(reads, call)? {
        wait_if_large(reads, &hash)?;
        hash.each(reads, FIELDS, Bound::Unbounded, Bound::Unbounded, false, &mut |field, element| {
            visit(field, element);
            n += 1;
            ControlFlow::Continue(())
        })?;
    }
    Ok(n)
}

/// Sends a command that walks a large hash from the event loop to where it may take its time.
pub(in crate::redis) fn wait_if_large(reads: &dyn Reads, hash: &Collection) -> Result {
    if reads.tier() == Tier::Cached && !hash.is_inline() && hash.len(reads)? > FIELDS_INLINE_MAX {
        return Err(Error::from(store::Error::WouldWait(None)));
    }
    Ok(())
}
