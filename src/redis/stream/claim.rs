//! XCLAIM and XAUTOCLAIM: what is pending at one consumer goes to another.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::entries::{Stream, tell};
use super::groups::{Delivery, Team};
use super::id::{self, Id};
use super::{find, no_such_group};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::number;
use crate::redis::protocol::reply::Reply;
use crate::store::{Reads, Txn};

/// How many deliveries are looked at before the next are read.
const STEP: u64 = 256;

/// XAUTOCLAIM looks at so many times what it may take.
const TRIES: u64 = 10;

/// The options of XCLAIM.
struct Options {
    delivered_ms: Option<i64>,
    count: Option<u64>,
    is_forced: bool,
    ids_only: bool,
    last: Id,
}

impl Options {
    fn parse(call: &Call<'_>, from: usize, now_ms: i64) -> Result<Self> {
        let mut options =
            Self { delivered_ms: None, count: None, is_forced: false, ids_only: false, last: Id::MIN };
        let mut at = from;
        while at < call.len() {
            let has_more = at + 1 < call.len();
            let number = |name: &str| {
                let text = format!("ERR Invalid {name} option argument for XCLAIM");
                number::parse_i64(call.get(at + 1)).ok_or(Error::text(text))
            };
            if call.is(at, "force") {
                options.is_forced = true;
            } else if call.is(at, "justid") {
                options.ids_only = true;
            } else if has_more && call.is(at, "idle") {
                options.delivered_ms = Some(now_ms.saturating_sub(number("IDLE")?));
                at += 1;
            } else if has_more && call.is(at, "time") {
                options.delivered_ms = Some(number("TIME")?);
                at += 1;
            } else if has_more && call.is(at, "retrycount") {
                options.count = u64::try_from(number("RETRYCOUNT")?).ok();
                at += 1;
            } else if has_more && call.is(at, "lastid") {
                options.last = id::strict(call.get(at + 1), 0)?;
                at += 1;
            } else {
                return Err(Error::text(format!("ERR Unrecognized XCLAIM option '{}'", call.text(at))));
            }
            at += 1;
        }
        Ok(options)
    }
}

fn min_idle_ms(call: &Call<'_>, command: &str) -> Result<u64> {
    let invalid = || Error::text(format!("ERR Invalid min-idle-time argument for {command}"));
    Ok(u64::try_from(number::parse_i64(call.get(4)).ok_or_else(invalid)?).unwrap_or(0))
}

/// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count]
/// [FORCE] [JUSTID] [LASTID id]`
pub(super) fn xclaim(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (mut stream, mut team) = find(txn, call)?.ok_or_else(|| no_such_group(call))?;
    let idle_ms = min_idle_ms(call, "XCLAIM")?;
    let ids: Vec<Id> = call.from(5).map_while(|text| id::strict(text, 0).ok()).collect();
    let now_ms = txn.now_ms();
    let options = Options::parse(call, 5 + ids.len(), now_ms.cast_signed())?;
    // What makes no sense is as good as now: clients may reckon with a clock of their own.
    let given_ms = options.delivered_ms.and_then(|ms| u64::try_from(ms).ok()).filter(|&ms| ms <= now_ms);
    let at_ms = given_ms.unwrap_or(now_ms);
    team.group.last = team.group.last.max(options.last);
    let name = Bytes::copy_from_slice(call.get(3));
    team.see(&mut stream, txn, call, (call.get(1), &name))?;
    let open = reply.open_array();
    let mut told = 0;
    for (&id, fields) in ids.iter().zip(stream.entries(txn, &ids)?) {
        let before = stream.pending(txn, &team.group, id)?;
        let Some(fields) = fields else {
            if let Some(before) = before {
                team.settle(&mut stream, txn, id, &before)?;
            }
            continue;
        };
        let count = match &before {
            None if !options.is_forced => continue,
            Some(before) if before.idle_ms(now_ms) < idle_ms => continue,
            before => before.as_ref().map_or(1, |before| before.count),
        };
        let count = options.count.unwrap_or(count.saturating_add(u64::from(!options.ids_only)));
        let delivery = Delivery { at_ms, count, consumer: name.clone() };
        claim(&mut stream, &mut team, txn, id, before.as_ref(), &delivery)?;
        tell_claimed(id, &fields, options.ids_only, reply);
        told += 1;
    }
    reply.end(open, told);
    team.save(&mut stream, txn)?;
    stream.save_groups(txn)
}

fn claim(
    stream: &mut Stream,
    team: &mut Team,
    txn: &mut Txn,
    id: Id,
    before: Option<&Delivery>,
    delivery: &Delivery,
) -> Result {
    team.deliver(stream, txn, id, before, delivery)?;
    team.activate(&delivery.consumer, txn.now_ms());
    Ok(())
}

fn tell_claimed(id: Id, fields: &[u8], ids_only: bool, reply: &mut Reply) {
    if ids_only {
        id.tell(reply);
    } else {
        tell((id, fields), reply);
    }
}

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`
pub(super) fn xautoclaim(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    const COUNT_MAX: i64 = i64::MAX / 16;
    let idle_ms = min_idle_ms(call, "XAUTOCLAIM")?;
    let start = id::start(call.get(5))?;
    let (mut left, mut ids_only) = (100, false);
    let mut at = 6;
    while at < call.len() {
        if at + 1 < call.len() && call.is(at, "count") {
            let count = number::parse_i64(call.get(at + 1)).filter(|n| (1..=COUNT_MAX).contains(n));
            left = count.ok_or(Error::text("ERR COUNT must be > 0"))?.cast_unsigned();
            at += 1;
        } else if call.is(at, "justid") {
            ids_only = true;
        } else {
            return Err(Error::Syntax);
        }
        at += 1;
    }
    let (mut stream, mut team) = find(txn, call)?.ok_or_else(|| no_such_group(call))?;
    let name = Bytes::copy_from_slice(call.get(3));
    let now_ms = txn.now_ms();
    team.see(&mut stream, txn, call, (call.get(1), &name))?;
    let (mut tries, mut from) = (left.saturating_mul(TRIES), Some(start));
    let (mut claimed, mut gone) = (Vec::new(), Vec::new());
    while let Some(first) = from
        && tries > 0
        && left > 0
    {
        // What is not old enough counts as a try, so there may be more to look at than is left to be told.
        let step = STEP.min(tries).min(left.max(TRIES));
        let found = pending_from(&stream, txn, &team, first, step)?;
        let ids: Vec<Id> = found.iter().map(|&(id, _)| id).collect();
        from = None;
        for ((id, before), fields) in found.into_iter().zip(stream.entries(txn, &ids)?) {
            from = id.next();
            tries -= 1;
            let Some(fields) = fields else {
                team.settle(&mut stream, txn, id, &before)?;
                gone.push(id);
                left -= 1;
                if left == 0 {
                    break;
                }
                continue;
            };
            if before.idle_ms(now_ms) < idle_ms {
                continue;
            }
            let count = before.count.saturating_add(u64::from(!ids_only));
            let delivery = Delivery { at_ms: now_ms, count, consumer: name.clone() };
            claim(&mut stream, &mut team, txn, id, Some(&before), &delivery)?;
            claimed.push((id, fields));
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    let next = match from {
        Some(first) => pending_from(&stream, txn, &team, first, 1)?.first().map(|&(id, _)| id),
        None => None,
    };
    team.save(&mut stream, txn)?;
    stream.save_groups(txn)?;
    reply.array(3);
    next.unwrap_or(Id::MIN).tell(reply);
    reply.array(claimed.len());
    for (id, fields) in claimed {
        tell_claimed(id, &fields, ids_only, reply);
    }
    reply.array(gone.len());
    for id in gone {
        id.tell(reply);
    }
    Ok(())
}

/// What is pending in the group from an id on, at most so much.
fn pending_from(
    stream: &Stream,
    reads: &dyn Reads,
    team: &Team,
    from: Id,
    max: u64,
) -> Result<Vec<(Id, Delivery)>> {
    let mut found = Vec::new();
    stream.each_pending(reads, &team.group, (from, Id::MAX), false, &mut |id, delivery| {
        found.push((id, delivery));
        if (found.len() as u64) < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}
