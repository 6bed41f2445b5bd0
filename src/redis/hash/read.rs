//! Commands that look at hashes.

use super::{FIELDS, load};
use crate::redis::command::Call;
use crate::redis::error::Result;
use crate::redis::keyspace::{Collection, Element};
use crate::redis::portions::Portions;
use crate::redis::protocol::reply::{Open, Reply};
use crate::redis::sample::wait_if_large;
use crate::redis::tail::{Tell, tell_places};
use crate::store::Reads;

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
    let hash = load(reads, call)?;
    reply.array(fields.len());
    let (mut portions, mut bytes) = (Portions::of(&fields), 0);
    while let Some(portion) = portions.next(bytes) {
        let before = reply.len();
        for element in &values(reads, hash.as_ref(), portion)? {
            reply.bulk_or_null(element.as_ref().map(|found| &found.value[..]));
        }
        reply.check()?;
        bytes = reply.len() - before;
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
    tell_all(reads, call, reply, open, |reply, field, value| {
        reply.bulk(field);
        reply.bulk(value);
        Ok(())
    })
}

/// `HKEYS key`
pub(super) fn hkeys(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let open = reply.open_array();
    tell_all(reads, call, reply, open, |reply, field, _| {
        reply.bulk(field);
        Ok(())
    })
}

/// `HVALS key`
pub(super) fn hvals(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let open = reply.open_array();
    tell_all(reads, call, reply, open, |reply, _, value| {
        reply.bulk(value);
        Ok(())
    })
}

/// Tells all fields.
fn tell_all(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply, open: Open, tell: Tell) -> Result {
    let load = |reads: &dyn Reads, call: &Call<'_>| {
        let Some(hash) = load(reads, call)? else { return Ok(None) };
        wait_if_large(reads, &hash)?;
        Ok(Some((hash, FIELDS)))
    };
    tell_places(reads, call, load, (reply, open), (u64::MAX, tell))
}
