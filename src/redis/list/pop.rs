//! Commands that take elements from the ends of lists, and those that wait for them.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::{End, List, wait_if_many};
use crate::redis::blocking::{Block, parse_timeout};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::gathered::Gathered;
use crate::redis::keyspace::{Type, lock_key};
use crate::redis::protocol::reply::Reply;
use crate::store::{Reads, Txn};

/// `LPOP key [count]`
pub(super) fn lpop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    pop(txn, call, reply, End::Left)
}

/// `RPOP key [count]`
pub(super) fn rpop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    pop(txn, call, reply, End::Right)
}

fn pop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply, end: End) -> Result {
    if call.len() > 3 {
        return Err(Error::Arity(call.command.name));
    }
    let count = (call.len() == 3).then(|| positive(call, 2)).transpose()?;
    let Some(list) = List::load(txn, call.space, call.get(1))? else {
        if count.is_some() {
            reply.null_array();
        } else {
            reply.null();
        }
        return Ok(());
    };
    let popped = if count == Some(0) {
        Gathered::taken(call)
    } else {
        take(txn, call, call.get(1), list, end, count.unwrap_or(1))?
    };
    if count.is_some() {
        reply.array(popped.rows().len());
    }
    tell(&popped, reply);
    Ok(())
}

fn tell(popped: &Gathered<Bytes>, reply: &mut Reply) {
    for element in popped.rows() {
        reply.bulk(element);
    }
}

/// A word that must be a number not below zero.
fn positive(call: &Call<'_>, at: usize) -> Result<u64> {
    let out_of_range = || Error::text("ERR value is out of range, must be positive");
    u64::try_from(call.int(at).map_err(|_| out_of_range())?).map_err(|_| out_of_range())
}

/// Takes up to so many elements from an end, and stages the rest.
fn take(
    txn: &mut Txn,
    call: &Call<'_>,
    name: &[u8],
    mut list: List,
    end: End,
    count: u64,
) -> Result<Gathered<Bytes>> {
    let len = list.len(txn)?;
    let count = count.min(len);
    wait_if_many(txn, count)?;
    let (from, to) = if end == End::Left { (0, count) } else { (len - count, len) };
    let (mut taken, mut failed) = (Gathered::taken(call), None);
    list.elements.take_ranks(txn, from, to, &mut |_, value| {
        failed = taken.add(Bytes::copy_from_slice(value), value.len()).err();
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    failed.map_or(Ok(()), Err)?;
    if end == End::Right {
        taken.rows_mut().reverse();
    }
    call.notify(txn, Events::LIST, end.pop_event(), name);
    list.save(txn)?;
    Ok(taken)
}

/// `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`
pub(super) fn lmove(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (from, to) = (End::parse(call.get(3))?, End::parse(call.get(4))?);
    let moved = move_one(txn, call, from, to)?;
    reply.bulk_or_null(moved.as_deref());
    Ok(())
}

/// `RPOPLPUSH source destination`
pub(super) fn rpoplpush(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let moved = move_one(txn, call, End::Right, End::Left)?;
    reply.bulk_or_null(moved.as_deref());
    Ok(())
}

/// Moves an element from the list at word 1 to the one at word 2, which may be the same.
fn move_one(txn: &mut Txn, call: &Call<'_>, from: End, to: End) -> Result<Option<Bytes>> {
    let (source, target) = (call.get(1), call.get(2));
    let Some(list) = List::load(txn, call.space, source)? else { return Ok(None) };
    // Refused before anything is taken.
    let is_rotation = source == target;
    if !is_rotation {
        List::load(txn, call.space, target)?;
    } else if list.len(txn)? == 1 {
        // It stays as it is, and counts as changed.
        call.notify(txn, Events::LIST, to.push_event(), target);
        call.notify(txn, Events::LIST, from.pop_event(), source);
        txn.touch(lock_key(call.space.database, source), source);
        return Ok(list.at(txn, 0)?.map(|(_, value)| value));
    }
    // Told in Redis's order: what is popped is pushed first.
    call.notify(txn, Events::LIST, to.push_event(), target);
    let Some(element) = take(txn, call, source, list, from, 1)?.rows_mut().pop() else { return Ok(None) };
    let mut list = List::load_or_new(txn, call.space, target)?;
    list.push(txn, to, &element)?;
    list.save(txn)?;
    Ok(Some(element))
}

/// `LMPOP numkeys key [key ...] LEFT | RIGHT [COUNT count]`
pub(super) fn lmpop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let many = Many::parse(call, 1)?;
    if !many.pop(txn, call, reply)? {
        reply.null_array();
    }
    Ok(())
}

/// `BLPOP key [key ...] timeout`
pub(super) fn blpop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    pop_or_wait(txn, call, reply, End::Left)
}

/// `BRPOP key [key ...] timeout`
pub(super) fn brpop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    pop_or_wait(txn, call, reply, End::Right)
}

fn pop_or_wait(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply, end: End) -> Result {
    let timeout_ms = parse_timeout(call.get(call.len() - 1), txn.now_ms())?;
    for at in 1..call.len() - 1 {
        let Some(list) = List::load(txn, call.space, call.get(at))? else { continue };
        let popped = take(txn, call, call.get(at), list, end, 1)?;
        reply.array(2);
        reply.bulk(call.get(at));
        tell(&popped, reply);
        return Ok(());
    }
    Err(Block::on(Type::List, timeout_ms).into())
}

/// `BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout`
pub(super) fn blmove(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (from, to) = (End::parse(call.get(3))?, End::parse(call.get(4))?);
    move_or_wait(txn, call, reply, (from, to), call.get(5))
}

/// `BRPOPLPUSH source destination timeout`
pub(super) fn brpoplpush(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    move_or_wait(txn, call, reply, (End::Right, End::Left), call.get(3))
}

fn move_or_wait(
    txn: &mut Txn,
    call: &Call<'_>,
    reply: &mut Reply,
    (from, to): (End, End),
    timeout: &[u8],
) -> Result {
    let timeout_ms = parse_timeout(timeout, txn.now_ms())?;
    let moved = move_one(txn, call, from, to)?;
    let waits = || Block::on(Type::List, timeout_ms).keys([call.get(1)]).or_null();
    reply.bulk(&moved.ok_or_else(waits)?);
    Ok(())
}

/// `BLMPOP timeout numkeys key [key ...] LEFT | RIGHT [COUNT count]`
pub(super) fn blmpop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let timeout_ms = parse_timeout(call.get(1), txn.now_ms())?;
    let many = Many::parse(call, 2)?;
    if many.pop(txn, call, reply)? { Ok(()) } else { Err(Block::on(Type::List, timeout_ms).into()) }
}

/// What LMPOP and BLMPOP are asked for.
struct Many {
    /// The words that are keys.
    keys: std::ops::Range<usize>,
    end: End,
    count: u64,
}

impl Many {
    /// From the word on that says how many keys there are.
    fn parse(call: &Call<'_>, at: usize) -> Result<Self> {
        let count = call.int(at).ok().filter(|&n| n > 0).and_then(|n| usize::try_from(n).ok());
        let Some(keys) = count else { return Err(Error::text("ERR numkeys should be greater than 0")) };
        let keys = at + 1..(at + 1).saturating_add(keys);
        if keys.end >= call.len() {
            return Err(Error::Syntax);
        }
        let end = End::parse(call.get(keys.end))?;
        let mut options = call.walk(keys.end + 1);
        let mut count = None;
        while !options.is_done() {
            if count.is_some() || !options.accept("count") {
                return Err(Error::Syntax);
            }
            let positive = || Error::text("ERR count should be greater than 0");
            let n =
                crate::redis::number::parse_i64(options.word()?).filter(|&n| n > 0).ok_or_else(positive)?;
            count = Some(n as u64);
        }
        Ok(Self { keys, end, count: count.unwrap_or(1) })
    }

    /// Takes from the first list that there is; whether there was one.
    fn pop(&self, txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result<bool> {
        for at in self.keys.clone() {
            let Some(list) = List::load(txn, call.space, call.get(at))? else { continue };
            let popped = take(txn, call, call.get(at), list, self.end, self.count)?;
            reply.array(2);
            reply.bulk(call.get(at));
            reply.array(popped.rows().len());
            tell(&popped, reply);
            return Ok(true);
        }
        Ok(false)
    }
}
