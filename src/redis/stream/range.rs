//! Commands that look at ranges of entries.

use super::entries::{Stream, id_of, tell};
use super::id::{self, Id};
use super::{load, tell_count};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::protocol::reply::Reply;
use crate::redis::tail::{Source, Visit, tell_places};
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
    if max == 0 {
        match load(reads, call, call.get(1))? {
            None => reply.array(0),
            Some(_) => reply.null_array(),
        }
        return Ok(());
    }
    let open = reply.open_array();
    let load = |reads: &dyn Reads, call: &Call<'_>| {
        let stream = load(reads, call, call.get(1))?;
        Ok(stream.map(|stream| Entries { stream, range, descending }))
    };
    let tell = |reply: &mut Reply, id: &[u8], packed: &[u8]| {
        tell((id_of(id)?, packed), reply);
        Ok(())
    };
    tell_places(reads, call, load, (reply, open), (max, tell))
}

/// The entries of a range, whose ends belong to it.
struct Entries {
    stream: Stream,
    range: (Id, Id),
    descending: bool,
}

impl Source for Entries {
    fn each(&self, reads: &dyn Reads, beyond: Option<&[u8]>, visit: &mut Visit<'_>) -> Result {
        self.stream.visit_range(reads, self.range, beyond, self.descending, &mut |id, element| {
            visit(id, &element.value)
        })
    }
}
