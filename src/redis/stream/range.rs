//! Commands that look at ranges of entries.

use super::id::{self, Id};
use super::{load, tell_count};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::protocol::reply::Reply;
use crate::store::Reads;

/// `XLEN key`
pub(super) fn xlen(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell_count(load(reads, call, call.get(1))?.map_or(Ok(0), |stream| stream.len(reads))?, reply);
    Ok(())
}

/// `XRANGE key start end [COUNT count]`
pub(super) fn xrange(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let range = (id::start(call.get(2))?, id::end(call.get(3))?);
    told(reads, call, range, false, reply)
}

/// `XREVRANGE key end start [COUNT count]`
pub(super) fn xrevrange(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let range = (id::start(call.get(3))?, id::end(call.get(2))?);
    told(reads, call, range, true, reply)
}

fn told(reads: &dyn Reads, call: &Call<'_>, range: (Id, Id), descending: bool, reply: &mut Reply) -> Result {
    let mut count = None;
    let mut at = 4;
    while at < call.len() {
        if !call.is(at, "count") || at + 1 == call.len() {
            return Err(Error::Syntax);
        }
        count = Some(call.int(at + 1)?);
        at += 2;
    }
    let max = count.map_or(u64::MAX, |count| u64::try_from(count).unwrap_or(0));
    match load(reads, call, call.get(1))? {
        None => reply.array(0),
        Some(_) if max == 0 => reply.null_array(),
        Some(stream) => stream.tell_range(reads, range, descending, max, reply)?,
    }
    Ok(())
}
