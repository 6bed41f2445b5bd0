//! Commands that add to lists, and change what is in them.

use std::ops::ControlFlow;

use super::{End, List, from_start, place, span, wait_if_many};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::gathered::Gathered;
use crate::redis::keyspace::lock_key;
use crate::redis::protocol::reply::Reply;
use crate::store::Txn;

/// `LPUSH key element [element ...]`
pub(super) fn lpush(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let list = List::load_or_new(txn, call.space, call.get(1))?;
    push(txn, call, reply, list, End::Left)
}

/// `RPUSH key element [element ...]`
pub(super) fn rpush(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let list = List::load_or_new(txn, call.space, call.get(1))?;
    push(txn, call, reply, list, End::Right)
}

/// `LPUSHX key element [element ...]`
pub(super) fn lpushx(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    push_if_there(txn, call, reply, End::Left)
}

/// `RPUSHX key element [element ...]`
pub(super) fn rpushx(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    push_if_there(txn, call, reply, End::Right)
}

fn push_if_there(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply, end: End) -> Result {
    if let Some(list) = List::load(txn, call.space, call.get(1))? {
        return push(txn, call, reply, list, end);
    }
    reply.int(0);
    Ok(())
}

fn push(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply, mut list: List, end: End) -> Result {
    for element in call.from(2) {
        list.push(txn, end, element)?;
    }
    tell_len(txn, reply, &list)?;
    call.notify(txn, Events::LIST, end.push_event(), call.get(1));
    list.save(txn)
}

fn tell_len(txn: &Txn, reply: &mut Reply, list: &List) -> Result {
    reply.int(i64::try_from(list.len(txn)?).unwrap_or(i64::MAX));
    Ok(())
}

/// `LSET key index element`
pub(super) fn lset(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Some(mut list) = List::load(txn, call.space, call.get(1))? else { return Err(Error::NoSuchKey) };
    let index = u64::try_from(from_start(call.int(2)?, list.len(txn)?)).ok();
    let found = index.map(|index| list.at(txn, index)).transpose()?.flatten();
    let Some((place, _)) = found else { return Err(Error::text("ERR index out of range")) };
    list.elements.set_at(txn, &place, call.get(3))?;
    call.notify(txn, Events::LIST, "lset", call.get(1));
    list.save(txn)?;
    reply.ok();
    Ok(())
}

/// `LINSERT key BEFORE | AFTER pivot element`
pub(super) fn linsert(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let after = if call.is(2, "after") {
        true
    } else if call.is(2, "before") {
        false
    } else {
        return Err(Error::Syntax);
    };
    let Some(mut list) = List::load(txn, call.space, call.get(1))? else {
        reply.int(0);
        return Ok(());
    };
    wait_if_many(txn, list.len(txn)?)?;
    let (mut left, mut right, mut found) = (None, None, false);
    list.elements.ordered(txn)?.range(txn, 0, &mut |place, value| {
        if found {
            right = Some(place.to_vec());
            return ControlFlow::Break(());
        }
        if value != call.get(3) {
            left = Some(place.to_vec());
            return ControlFlow::Continue(());
        }
        found = true;
        if after {
            left = Some(place.to_vec());
            return ControlFlow::Continue(());
        }
        right = Some(place.to_vec());
        ControlFlow::Break(())
    })?;
    if !found {
        reply.int(-1);
        return Ok(());
    }
    match (left, right) {
        (Some(left), Some(right)) => {
            list.elements.insert_at(txn, &place::between(&left, &right), call.get(4))?;
        }
        (None, _) => list.push(txn, End::Left, call.get(4))?,
        (_, None) => list.push(txn, End::Right, call.get(4))?,
    }
    tell_len(txn, reply, &list)?;
    call.notify(txn, Events::LIST, "linsert", call.get(1));
    list.save(txn)
}

/// `LREM key count element`: from the start, or with a negative count from the end; all with 0.
pub(super) fn lrem(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let count = call.int(2)?;
    let Some(mut list) = List::load(txn, call.space, call.get(1))? else {
        reply.int(0);
        return Ok(());
    };
    let len = list.len(txn)?;
    wait_if_many(txn, len)?;
    let most = if count == 0 { u64::MAX } else { count.unsigned_abs() };
    let (mut places, mut failed) = (Gathered::taken(call), None);
    let mut visit = |place: &[u8], value: &[u8]| {
        if value == call.get(3) {
            failed = places.add(place.to_vec(), place.len()).err();
        }
        let is_all = failed.is_some() || places.rows().len() as u64 == most;
        if is_all { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let ordered = list.elements.ordered(txn)?;
    if count >= 0 {
        ordered.range(txn, 0, &mut visit)?;
    } else {
        ordered.range_back(txn, len - 1, &mut visit)?;
    }
    drop(ordered);
    failed.map_or(Ok(()), Err)?;
    let places = places.rows();
    for place in places {
        list.elements.remove_at(txn, place)?;
        txn.check_weight()?;
    }
    reply.count(places.len());
    if places.is_empty() {
        return Ok(());
    }
    call.notify(txn, Events::LIST, "lrem", call.get(1));
    list.save(txn)
}

/// `LTRIM key start stop`
pub(super) fn ltrim(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (start, stop) = (call.int(2)?, call.int(3)?);
    if let Some(mut list) = List::load(txn, call.space, call.get(1))? {
        let len = list.len(txn)?;
        let (from, to) = span(start, stop, len).unwrap_or((0, 0));
        call.notify(txn, Events::LIST, "ltrim", call.get(1));
        if to - from < len {
            wait_if_many(txn, len - (to - from))?;
            // With the end first, since what remains keeps its ranks then.
            list.elements.remove_ranks(txn, to, len)?;
            list.elements.remove_ranks(txn, 0, from)?;
            list.save(txn)?;
        } else {
            // It counts as changed even so.
            txn.touch(lock_key(call.space.database, call.get(1)), call.get(1));
        }
    }
    reply.ok();
    Ok(())
}
