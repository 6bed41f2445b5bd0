//! Commands that look at one set.

use super::{MEMBERS, PORTION, load};
use crate::redis::command::Call;
use crate::redis::error::Result;
use crate::redis::keys::{cursor, part_of};
use crate::redis::protocol::reply::Reply;
use crate::redis::sample::wait_if_large;
use crate::redis::tail::tell_places;
use crate::store::Reads;

/// `SCARD key`
pub(super) fn scard(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let len = load(reads, call)?.map_or(Ok(0), |set| set.len(reads))?;
    reply.int(i64::try_from(len).unwrap_or(i64::MAX));
    Ok(())
}

/// `SISMEMBER key member`
pub(super) fn sismember(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let found = match load(reads, call)? {
        Some(set) => set.get(reads, MEMBERS, call.get(2))?,
        None => None,
    };
    reply.int(found.is_some().into());
    Ok(())
}

/// `SMISMEMBER key member [member ...]`
pub(super) fn smismember(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let members: Vec<&[u8]> = call.from(2).collect();
    let set = load(reads, call)?;
    reply.array(members.len());
    for portion in members.chunks(PORTION) {
        let Some(set) = &set else {
            for _ in portion {
                reply.int(0);
            }
            continue;
        };
        for found in set.get_many(reads, MEMBERS, portion)? {
            reply.int(found.is_some().into());
        }
    }
    Ok(())
}

/// `SMEMBERS key`
pub(super) fn smembers(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let open = reply.open_set();
    let load = |reads: &dyn Reads, call: &Call<'_>| {
        let Some(set) = load(reads, call)? else { return Ok(None) };
        wait_if_large(reads, &set)?;
        Ok(Some((set, MEMBERS)))
    };
    tell_places(reads, call, load, (reply, open), (u64::MAX, tell_member))
}

/// Tells a member.
pub(super) fn tell_member(reply: &mut Reply, member: &[u8], _: &[u8]) -> Result {
    reply.bulk(member);
    Ok(())
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn sscan(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let cursor = cursor(call.get(2))?;
    let told = part_of(reads, call, cursor, load(reads, call)?.as_ref(), &mut |_| false)?;
    told.head(reply);
    reply.array(told.elements.len());
    for (member, _) in &told.elements {
        reply.bulk(member);
    }
    Ok(())
}
