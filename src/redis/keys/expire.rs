//! Deadlines of keys.

use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::expiry::{Condition, Form, told};
use crate::redis::keyspace::{self, load};
use crate::redis::protocol::reply::Reply;
use crate::store::{Reads, Txn};

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(super) fn expire(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    set(txn, call, Form::EX, "expire", reply)
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpire(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    set(txn, call, Form::PX, "pexpire", reply)
}

/// `EXPIREAT key unix-seconds [NX | XX | GT | LT]`
pub(super) fn expireat(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    set(txn, call, Form::EXAT, "expireat", reply)
}

/// `PEXPIREAT key unix-milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpireat(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    set(txn, call, Form::PXAT, "pexpireat", reply)
}

fn set(txn: &mut Txn, call: &Call<'_>, form: Form, command: &'static str, reply: &mut Reply) -> Result {
    let condition = Condition::parse(call, 3)?;
    let moment = form.moment_ms(call.int(2)?, txn.now_ms()).ok_or(Error::InvalidExpire(command))?;
    let name = call.get(1);
    let found = load(txn, call.space, name)?.filter(|meta| condition.allows(meta.deadline_ms, moment));
    if let Some(meta) = &found {
        // A moment before 1970 is as past as 1970.
        let deadline_ms = u64::try_from(moment).unwrap_or(0);
        keyspace::expire(txn, call.space, name, meta, Some(deadline_ms))?;
        let event = if deadline_ms <= txn.now_ms() { "del" } else { "expire" };
        call.notify(txn, Events::GENERIC, event, name);
    }
    reply.int(found.is_some().into());
    Ok(())
}

/// `PERSIST key`
pub(super) fn persist(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let found = load(txn, call.space, name)?.filter(|meta| meta.deadline_ms.is_some());
    if let Some(meta) = &found {
        keyspace::expire(txn, call.space, name, meta, None)?;
        call.notify(txn, Events::GENERIC, "persist", name);
    }
    reply.int(found.is_some().into());
    Ok(())
}

/// `TTL key`
pub(super) fn ttl(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Form::EX, reply)
}

/// `PTTL key`
pub(super) fn pttl(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Form::PX, reply)
}

/// `EXPIRETIME key`
pub(super) fn expiretime(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Form::EXAT, reply)
}

/// `PEXPIRETIME key`
pub(super) fn pexpiretime(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Form::PXAT, reply)
}

/// -2: no such key; -1: it never expires.
fn tell(reads: &dyn Reads, call: &Call<'_>, form: Form, reply: &mut Reply) -> Result {
    reply.int(match call.load(reads, call.get(1))? {
        None => -2,
        Some(meta) => meta.deadline_ms.map_or(-1, |deadline| told(deadline, form, reads.now_ms())),
    });
    Ok(())
}
