//! XPENDING: what was delivered and not acknowledged.

use std::ops::ControlFlow;

use super::entries::Stream;
use super::groups::{Delivery, Group};
use super::id::{self, Id};
use super::{find, no_such_group, tell_count};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::protocol::reply::Reply;
use crate::store::Reads;

/// How many deliveries to one consumer are read at a time.
const STEP: usize = 256;

/// `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`
pub(super) fn xpending(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() != 3 && !(6..=9).contains(&call.len()) {
        return Err(Error::Syntax);
    }
    if call.len() == 3 {
        let (stream, team) = find(reads, call)?.ok_or_else(|| no_such_group(call))?;
        return summary(reads, &stream, &team.group, reply);
    }
    let (mut at, mut idle_ms) = (3, 0);
    if call.is(3, "idle") {
        // A negative one is a condition that nothing fails.
        idle_ms = u64::try_from(call.int(4)?).unwrap_or(0);
        if call.len() < 8 {
            return Err(Error::Syntax);
        }
        at = 5;
    }
    let count = usize::try_from(call.int(at + 2)?).unwrap_or(0);
    let range = (id::start(call.get(at))?, id::end(call.get(at + 1))?);
    let consumer = (at + 3 < call.len()).then(|| call.get(at + 3));
    let (stream, team) = find(reads, call)?.ok_or_else(|| no_such_group(call))?;
    let mut told = 0;
    let open = reply.open_array();
    let mut tell = |id: Id, delivery: &Delivery| {
        let idle = delivery.idle_ms(reads.now_ms());
        if told < count && idle >= idle_ms {
            told += 1;
            reply.array(4);
            id.tell(reply);
            reply.bulk(&delivery.consumer);
            tell_count(idle, reply);
            tell_count(delivery.count, reply);
        }
        told < count
    };
    match consumer {
        None if count == 0 => {}
        None => stream.each_pending(reads, &team.group, range, false, &mut |id, delivery| {
            if tell(id, &delivery) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?,
        Some(name) => {
            let consumer = stream.consumer(reads, &team.group, name)?;
            let mut from = Some(range.0);
            while let (Some(consumer), Some(first)) = (&consumer, from) {
                let step = STEP.min(count);
                let held = stream.held(reads, &team.group, consumer, (first, range.1), step)?;
                from = held.last().filter(|_| held.len() == step).and_then(|(id, _)| id.next());
                if !held.iter().all(|(id, delivery)| tell(*id, delivery)) {
                    break;
                }
            }
        }
    }
    reply.end(open, told);
    Ok(())
}

/// How much is pending, from where to where, and at whom.
fn summary(reads: &dyn Reads, stream: &Stream, group: &Group, reply: &mut Reply) -> Result {
    let mut consumers = stream.consumers(reads, group)?;
    consumers.retain(|(_, consumer)| consumer.pending > 0);
    let total = consumers.iter().map(|(_, consumer)| consumer.pending).sum();
    reply.array(4);
    tell_count(total, reply);
    if total == 0 {
        reply.null();
        reply.null();
        reply.null_array();
        return Ok(());
    }
    for descending in [false, true] {
        let mut edge = Id::MIN;
        stream.each_pending(reads, group, (Id::MIN, Id::MAX), descending, &mut |id, _| {
            edge = id;
            ControlFlow::Break(())
        })?;
        edge.tell(reply);
    }
    reply.array(consumers.len());
    for (name, consumer) in &consumers {
        reply.array(2);
        reply.bulk(name);
        reply.bulk(consumer.pending.to_string().as_bytes());
    }
    Ok(())
}
