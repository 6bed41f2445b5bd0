//! Deadlines of fields.

use super::read::values;
use super::{FIELDS, load, load_or_new};
use crate::redis::args::Walk;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::expiry::{Asked, Condition, Deadline, Form, told};
use crate::redis::protocol::reply::Reply;
use crate::store::{Reads, Txn};

/// What is told of a field that is not there.
const NO_FIELD: i64 = -2;
/// What is told of a field without a deadline.
const NO_DEADLINE: i64 = -1;

/// Reads `FIELDS numfields field [field ...]`, which must reach to the end.
pub(super) fn field_list<'a>(walk: &mut Walk<'a>) -> Result<Vec<&'a [u8]>> {
    if !walk.accept("fields") {
        return Err(Error::text("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let count = walk.word().ok().and_then(crate::redis::number::parse_i64).unwrap_or(0);
    if count < 1 {
        return Err(Error::text("ERR Parameter `numFields` should be greater than 0"));
    }
    let fields: Vec<&[u8]> = walk.collect();
    if fields.len() as i64 != count {
        return Err(Error::text("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(fields)
}

/// `HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(super) fn hexpire(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    expire(txn, call, Form::EX, "hexpire", reply)
}

/// `HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(super) fn hpexpire(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    expire(txn, call, Form::PX, "hpexpire", reply)
}

/// `HEXPIREAT key unix-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(super) fn hexpireat(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    expire(txn, call, Form::EXAT, "hexpireat", reply)
}

/// `HPEXPIREAT key unix-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(super) fn hpexpireat(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    expire(txn, call, Form::PXAT, "hpexpireat", reply)
}

/// The latest moment: Redis keeps field deadlines in 46 bits, and refuses later ones with the same words.
const MS_MAX: i64 = (1 << 46) - 1;

/// Tells for each field: -2 no such field, 0 the condition was not met, 1 set, 2 removed since the time is past.
fn expire(txn: &mut Txn, call: &Call<'_>, form: Form, command: &'static str, reply: &mut Reply) -> Result {
    let time = call.int(2)?;
    if time < 0 {
        return Err(Error::text("ERR invalid expire time, must be >= 0"));
    }
    let now_ms = txn.now_ms();
    let moment =
        form.moment_ms(time, now_ms).filter(|&ms| ms <= MS_MAX).ok_or(Error::InvalidExpire(command))?;
    let mut condition = Condition::default();
    let mut walk = call.walk(3);
    condition.take(&mut walk);
    let fields = field_list(&mut walk)?;

    let mut hash = load(txn, call)?;
    let (mut changed, mut removed) = (false, false);
    reply.array(fields.len());
    for field in fields {
        let Some(hash) = &mut hash else {
            reply.int(NO_FIELD);
            continue;
        };
        let Some(element) = hash.get(txn, FIELDS, field)? else {
            reply.int(NO_FIELD);
            continue;
        };
        if !condition.allows(element.deadline_ms, moment) {
            reply.int(0);
            continue;
        }
        changed = true;
        if let Some(deadline) = u64::try_from(moment).ok().filter(|&ms| ms > now_ms) {
            hash.put(txn, FIELDS, field, &element.value, Some(deadline))?;
            reply.int(1);
        } else {
            hash.remove(txn, FIELDS, field)?;
            removed = true;
            reply.int(2);
        }
    }
    if let Some(hash) = hash.filter(|_| changed) {
        // All fields are given the same deadline.
        call.notify(txn, Events::HASH, if removed { "hdel" } else { "hexpire" }, call.get(1));
        hash.save(txn)?;
    }
    Ok(())
}

/// `HPERSIST key FIELDS numfields field [field ...]`
pub(super) fn hpersist(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let fields = field_list(&mut call.walk(2))?;
    let mut hash = load(txn, call)?;
    let mut changed = false;
    reply.array(fields.len());
    for field in fields {
        let element = match &hash {
            Some(hash) => hash.get(txn, FIELDS, field)?,
            None => None,
        };
        match (&mut hash, element) {
            (Some(hash), Some(element)) if element.deadline_ms.is_some() => {
                hash.put(txn, FIELDS, field, &element.value, None)?;
                changed = true;
                reply.int(1);
            }
            (_, Some(_)) => reply.int(NO_DEADLINE),
            (_, None) => reply.int(NO_FIELD),
        }
    }
    if let Some(hash) = hash.filter(|_| changed) {
        call.notify(txn, Events::HASH, "hpersist", call.get(1));
        hash.save(txn)?;
    }
    Ok(())
}

/// `HTTL key FIELDS numfields field [field ...]`
pub(super) fn httl(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Form::EX, reply)
}

/// `HPTTL key FIELDS numfields field [field ...]`
pub(super) fn hpttl(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Form::PX, reply)
}

/// `HEXPIRETIME key FIELDS numfields field [field ...]`
pub(super) fn hexpiretime(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Form::EXAT, reply)
}

/// `HPEXPIRETIME key FIELDS numfields field [field ...]`
pub(super) fn hpexpiretime(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Form::PXAT, reply)
}

fn tell(reads: &dyn Reads, call: &Call<'_>, form: Form, reply: &mut Reply) -> Result {
    let fields = field_list(&mut call.walk(2))?;
    let found = values(reads, load(reads, call)?.as_ref(), &fields)?;
    reply.array(found.len());
    for element in found {
        reply.int(match element {
            None => NO_FIELD,
            Some(element) => element.deadline_ms.map_or(NO_DEADLINE, |deadline| {
                // Unlike TTL's, a field's seconds are rounded up.
                let up = if form.seconds { deadline.saturating_add(499) } else { deadline };
                told(up, form, reads.now_ms())
            }),
        });
    }
    Ok(())
}

/// `HGETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST] FIELDS numfields field [field ...]`
pub(super) fn hgetex(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut asked = Asked::Nothing;
    let mut walk = call.walk(2);
    while asked.take_word(&mut walk, "persist", Deadline::Never)? || asked.take(&mut walk)? {}
    let fields = field_list(&mut walk)?;
    let deadline = asked.settle(txn.now_ms(), "hgetex")?;
    let mut hash = load(txn, call)?;
    let found = values(txn, hash.as_ref(), &fields)?;
    reply.array(found.len());
    let mut changed = false;
    for (field, element) in fields.into_iter().zip(found) {
        reply.bulk_or_null(element.as_ref().map(|found| &found.value[..]));
        let (Some(hash), Some(element)) = (&mut hash, element) else { continue };
        let new = deadline.resolve(element.deadline_ms, element.deadline_ms);
        if new.is_some_and(|ms| ms <= txn.now_ms()) {
            hash.remove(txn, FIELDS, field)?;
            changed = true;
        } else if new != element.deadline_ms {
            hash.put(txn, FIELDS, field, &element.value, new)?;
            changed = true;
        }
    }
    if let Some(hash) = hash.filter(|_| changed) {
        let event = match deadline {
            Deadline::Never => "hpersist",
            Deadline::At(ms) if ms <= txn.now_ms() => "hdel",
            _ => "hexpire",
        };
        call.notify(txn, Events::HASH, event, call.get(1));
        hash.save(txn)?;
    }
    Ok(())
}

/// Which fields HSETEX asks to find.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existence {
    Any,
    NoneOfThem,
    AllOfThem,
}

/// `HSETEX key [FNX | FXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] FIELDS numfields field value [...]`: all or none.
pub(super) fn hsetex(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let now_ms = txn.now_ms();
    let (mut existence, mut asked) = (Existence::Any, Asked::Nothing);
    let mut walk = call.walk(2);
    loop {
        let wanted = if walk.accept("fnx") {
            Existence::NoneOfThem
        } else if walk.accept("fxx") {
            Existence::AllOfThem
        } else if asked.take_word(&mut walk, "keepttl", Deadline::Keep)? || asked.take(&mut walk)? {
            continue;
        } else {
            break;
        };
        if existence != Existence::Any {
            return Err(Error::Syntax);
        }
        existence = wanted;
    }
    let pairs = pair_list(&mut walk)?;
    let deadline = asked.settle(now_ms, "hsetex")?;
    let mut hash = load_or_new(txn, call)?;
    let fields: Vec<&[u8]> = pairs.iter().map(|pair| pair.0).collect();
    let found = hash.get_many(txn, FIELDS, &fields)?;
    let met = match existence {
        Existence::Any => true,
        Existence::NoneOfThem => found.iter().all(Option::is_none),
        Existence::AllOfThem => found.iter().all(Option::is_some),
    };
    if met {
        for ((field, value), old) in pairs.into_iter().zip(found) {
            let new = deadline.resolve(old.and_then(|old| old.deadline_ms), None);
            if new.is_some_and(|ms| ms <= now_ms) {
                hash.remove(txn, FIELDS, field)?;
            } else {
                hash.put(txn, FIELDS, field, value, new)?;
            }
        }
        call.notify(txn, Events::HASH, "hset", call.get(1));
        if matches!(deadline, Deadline::At(_)) {
            call.notify(txn, Events::HASH, "hexpire", call.get(1));
        }
        hash.save(txn)?;
    }
    reply.int(met.into());
    Ok(())
}

/// Reads `FIELDS numfields field value [field value ...]`, which must reach to the end.
fn pair_list<'a>(walk: &mut Walk<'a>) -> Result<Vec<(&'a [u8], &'a [u8])>> {
    if !walk.accept("fields") {
        return Err(Error::text("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let count = walk.int()?;
    let words: Vec<&[u8]> = walk.collect();
    if count < 1 || words.len() as i64 != count.saturating_mul(2) {
        return Err(Error::text("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
