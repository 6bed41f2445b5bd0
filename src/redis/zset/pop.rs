//! Commands that take members from the ends of sorted sets, and those that wait for them.

use std::ops::ControlFlow;

use super::{Window, load_to_change, score_and_member, wait_if_many};
use crate::redis::blocking::{Block, parse_timeout};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::gathered::Gathered;
use crate::redis::keyspace::{Collection, Type};
use crate::redis::number;
use crate::redis::protocol::reply::{Protocol, Reply};
use crate::store::{Reads, Txn};

/// `ZPOPMIN key [count]`
pub(super) fn zpopmin(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    pop(txn, call, reply, false)
}

/// `ZPOPMAX key [count]`
pub(super) fn zpopmax(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    pop(txn, call, reply, true)
}

fn pop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply, highest: bool) -> Result {
    if call.len() > 3 {
        return Err(Error::Syntax);
    }
    let positive = || Error::text("ERR value is out of range, must be positive");
    let count = match call.len() {
        3 => Some(number::parse_i64(call.get(2)).and_then(|n| u64::try_from(n).ok()).ok_or_else(positive)?),
        _ => None,
    };
    let popped = match load_to_change(txn, call)? {
        Some(set) => take(txn, call, call.get(1), set, highest, count.unwrap_or(1))?,
        None => Gathered::taken(call),
    };
    let popped = popped.rows();
    // In RESP3, and only if a count was given, a pair for each.
    let pairs = count.is_some() && reply.protocol() == Protocol::Resp3;
    reply.array(if pairs { popped.len() } else { 2 * popped.len() });
    for (member, score) in popped {
        if pairs {
            reply.array(2);
        }
        reply.bulk(member);
        reply.double(*score);
    }
    Ok(())
}

/// Takes up to so many members from an end, and stages the rest.
fn take(
    txn: &mut Txn,
    call: &Call<'_>,
    name: &[u8],
    mut set: Collection,
    highest: bool,
    count: u64,
) -> Result<Gathered<(Vec<u8>, f64)>> {
    let len = set.len(txn)?;
    let count = count.min(len);
    wait_if_many(txn, count)?;
    let window = if highest { Window { from: len - count, to: len } } else { Window { from: 0, to: count } };
    let mut taken = Gathered::taken(call);
    if count > 0 {
        let mut failed = None;
        set.take_ranks(txn, window.from, window.to, &mut |place, _| {
            let added = score_and_member(place)
                .and_then(|(score, member)| taken.add((member.to_vec(), score), member.len()));
            failed = added.err();
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        failed.map_or(Ok(()), Err)?;
        if highest {
            taken.rows_mut().reverse();
        }
        call.notify(txn, Events::SORTED_SET, if highest { "zpopmax" } else { "zpopmin" }, name);
        set.save(txn)?;
    }
    Ok(taken)
}

/// `ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]`
pub(super) fn zmpop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let many = Many::parse(call, 1)?;
    if !many.pop(txn, call, reply)? {
        reply.null_array();
    }
    Ok(())
}

/// `BZPOPMIN key [key ...] timeout`
pub(super) fn bzpopmin(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    pop_or_wait(txn, call, reply, false)
}

/// `BZPOPMAX key [key ...] timeout`
pub(super) fn bzpopmax(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    pop_or_wait(txn, call, reply, true)
}

fn pop_or_wait(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply, highest: bool) -> Result {
    let timeout_ms = parse_timeout(call.get(call.len() - 1), txn.now_ms())?;
    for at in 1..call.len() - 1 {
        let Some(set) = Collection::load(txn, call.space, call.get(at), Type::SortedSet)? else { continue };
        for (member, score) in take(txn, call, call.get(at), set, highest, 1)?.rows() {
            reply.array(3);
            reply.bulk(call.get(at));
            reply.bulk(member);
            reply.double(*score);
        }
        return Ok(());
    }
    Err(Block::on(Type::SortedSet, timeout_ms).into())
}

/// `BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]`
pub(super) fn bzmpop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let timeout_ms = parse_timeout(call.get(1), txn.now_ms())?;
    let many = Many::parse(call, 2)?;
    if many.pop(txn, call, reply)? { Ok(()) } else { Err(Block::on(Type::SortedSet, timeout_ms).into()) }
}

/// What ZMPOP and BZMPOP are asked for.
struct Many {
    /// The words that are keys.
    keys: std::ops::Range<usize>,
    highest: bool,
    count: u64,
}

impl Many {
    /// From the word on that says how many keys there are.
    fn parse(call: &Call<'_>, at: usize) -> Result<Self> {
        let keys = call.int(at).ok().filter(|&n| n > 0).and_then(|n| usize::try_from(n).ok());
        let keys = keys.ok_or(Error::text("ERR numkeys should be greater than 0"))?;
        let keys = at + 1..(at + 1).saturating_add(keys);
        let mut options = call.walk(keys.end);
        let highest = if options.accept("max") {
            true
        } else if options.accept("min") {
            false
        } else {
            return Err(Error::Syntax);
        };
        let mut count = None;
        while !options.is_done() {
            if count.is_some() || !options.accept("count") {
                return Err(Error::Syntax);
            }
            let positive = || Error::text("ERR count should be greater than 0");
            let n = number::parse_i64(options.word()?).filter(|&n| n > 0).ok_or_else(positive)?;
            count = Some(n as u64);
        }
        Ok(Self { keys, highest, count: count.unwrap_or(1) })
    }

    /// Takes from the first sorted set that there is; whether there was one.
    fn pop(&self, txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result<bool> {
        for at in self.keys.clone() {
            let Some(set) = Collection::load(txn, call.space, call.get(at), Type::SortedSet)? else {
                continue;
            };
            let popped = take(txn, call, call.get(at), set, self.highest, self.count)?;
            reply.array(2);
            reply.bulk(call.get(at));
            reply.array(popped.rows().len());
            for (member, score) in popped.rows() {
                reply.array(2);
                reply.bulk(member);
                reply.double(*score);
            }
            return Ok(true);
        }
        Ok(false)
    }
}
