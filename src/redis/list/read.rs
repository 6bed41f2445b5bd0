//! Commands that look at lists.

use std::ops::ControlFlow;

use super::{from_start, load, span, wait_if_many};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::gathered::Gathered;
use crate::redis::protocol::reply::Reply;
use crate::redis::tail::{tell_gathered, tell_ranks};
use crate::store::Reads;

/// `LLEN key`
pub(super) fn llen(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let len = load(reads, call)?.map_or(Ok(0), |list| list.len(reads))?;
    reply.int(i64::try_from(len).unwrap_or(i64::MAX));
    Ok(())
}

/// `LINDEX key index`
pub(super) fn lindex(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let list = load(reads, call)?;
    let index = call.int(2)?;
    let found = match &list {
        Some(list) => match u64::try_from(from_start(index, list.len(reads)?)) {
            Ok(index) => list.at(reads, index)?,
            Err(_) => None,
        },
        None => None,
    };
    reply.bulk_or_null(found.as_ref().map(|(_, value)| &value[..]));
    Ok(())
}

/// `LRANGE key start stop`
pub(super) fn lrange(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (start, stop) = (call.int(2)?, call.int(3)?);
    let Some(list) = load(reads, call)? else {
        reply.array(0);
        return Ok(());
    };
    let Some((from, to)) = span(start, stop, list.len(reads)?) else {
        reply.array(0);
        return Ok(());
    };
    wait_if_many(reads, to - from)?;
    reply.array((to - from) as usize);
    tell_ranks(reads, call, &list.elements, (from, to - from, false), reply, |reply, _, value| {
        reply.bulk(value);
        Ok(())
    })
}

/// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`
pub(super) fn lpos(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (mut rank, mut count, mut len_max) = (1_i64, None, 0_i64);
    let mut options = call.walk(3);
    while !options.is_done() {
        if options.accept("rank") {
            rank = options.int()?;
            if rank == i64::MIN {
                return Err(Error::text(
                    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
                ));
            }
            if rank == 0 {
                return Err(Error::text(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
                ));
            }
        } else if options.accept("count") {
            let found = options.int()?;
            if found < 0 {
                return Err(Error::text("ERR COUNT can't be negative"));
            }
            count = Some(found as u64);
        } else if options.accept("maxlen") {
            len_max = options.int()?;
            if len_max < 0 {
                return Err(Error::text("ERR MAXLEN can't be negative"));
            }
        } else {
            return Err(Error::Syntax);
        }
    }
    let element = call.get(2);
    let (mut found, mut failed) = (Gathered::new(call), None);
    if let Some(list) = load(reads, call)? {
        let len = list.len(reads)?;
        let walked = if len_max == 0 { len } else { len.min(len_max as u64) };
        wait_if_many(reads, walked)?;
        let most = match count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
        };
        let (mut seen, mut matches) = (0, 0);
        let mut visit = |_: &[u8], value: &[u8]| {
            if value == element {
                matches += 1;
                if matches >= rank.unsigned_abs() {
                    failed = found.add(if rank > 0 { seen } else { len - 1 - seen }, 0).err();
                }
            }
            seen += 1;
            if seen == walked || found.rows().len() == most || failed.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let ordered = list.elements.ordered(reads)?;
        if rank > 0 {
            ordered.range(reads, 0, &mut visit)?;
        } else {
            ordered.range_back(reads, len - 1, &mut visit)?;
        }
    }
    failed.map_or(Ok(()), Err)?;
    if count.is_some() {
        reply.array(found.rows().len());
    } else if found.rows().is_empty() {
        reply.null();
    }
    tell_gathered(call, found, reply, |reply, index| reply.int(i64::try_from(*index).unwrap_or(i64::MAX)))
}
