//! Commands that change strings.

use super::condition::Condition;
use super::{Found, check_length, load, open_or_new, whole};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::expiry::{Asked, Deadline, Form, positive_ms};
use crate::redis::keyspace;
use crate::redis::protocol::reply::Reply;
use crate::store::{Reads, Txn};

/// When SET sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Existence {
    #[default]
    Any,
    Absent,
    Present,
}

#[derive(Default)]
struct SetOptions<'a> {
    existence: Existence,
    condition: Option<Condition<'a>>,
    deadline: Deadline,
    get: bool,
}

fn set_options<'a>(call: &Call<'a>, now_ms: u64) -> Result<SetOptions<'a>> {
    let mut options = SetOptions::default();
    let mut asked = Asked::Nothing;
    let mut walk = call.walk(3);
    while !walk.is_done() {
        if walk.accept("nx") && options.existence != Existence::Present {
            options.existence = Existence::Absent;
        } else if walk.accept("xx") && options.existence != Existence::Absent {
            options.existence = Existence::Present;
        } else if let Some(condition) = Condition::take(&mut walk)? {
            if options.condition.is_some_and(|other| !condition.is_like(other)) {
                return Err(Error::Syntax);
            }
            options.condition = Some(condition);
        } else if walk.accept("get") {
            options.get = true;
        } else if !asked.take_word(&mut walk, "keepttl", Deadline::Keep)? && !asked.take(&mut walk)? {
            return Err(Error::Syntax);
        }
    }
    if options.condition.is_some() && options.existence != Existence::Any {
        return Err(Error::Syntax);
    }
    options.deadline = asked.settle(now_ms, "set")?;
    Ok(options)
}

/// `SET key value [NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest] [GET]
/// [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
pub(super) fn set(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (name, value) = (call.get(1), call.get(2));
    if call.len() == 3 {
        keyspace::overwrite(txn, call.space, name, value, None)?;
        call.notify(txn, Events::STRING, "set", name);
        reply.ok();
        return Ok(());
    }
    let options = set_options(call, txn.now_ms())?;
    let is_plain = !options.get && options.condition.is_none() && options.existence == Existence::Any;
    if is_plain && options.deadline != Deadline::Keep {
        put(txn, call, name, value, options.deadline.resolve(None, None))?;
        told_deadline(txn, call, name, options.deadline);
        reply.ok();
        return Ok(());
    }
    let old = keyspace::load(txn, call.space, name)?;
    if options.get {
        call.looked_up(old.is_some());
        let found = old.clone().map(|old| whole(txn, call, old)).transpose()?;
        reply.bulk_or_null(found.as_ref().map(|found| &found.contents[..]));
    }
    let sets = match (options.existence, options.condition) {
        (Existence::Any, None) => true,
        (Existence::Any, Some(condition)) => {
            let found = old.clone().map(|old| whole(txn, call, old)).transpose()?;
            condition.holds(found.as_ref().map(|found| &found.contents[..]))?
        }
        (Existence::Absent, _) => old.is_none(),
        (Existence::Present, _) => old.is_some(),
    };
    if sets {
        let deadline = options.deadline.resolve(old.as_ref().and_then(|old| old.deadline_ms), None);
        put(txn, call, name, value, deadline)?;
        told_deadline(txn, call, name, options.deadline);
    }
    match (options.get, sets) {
        (true, _) => {}
        (false, true) => reply.ok(),
        (false, false) => reply.null(),
    }
    Ok(())
}

/// Stages a string over whatever is there; a deadline that has passed removes the key.
fn put(txn: &mut Txn, call: &Call<'_>, name: &[u8], value: &[u8], deadline_ms: Option<u64>) -> Result {
    if deadline_ms.is_some_and(|deadline| deadline <= txn.now_ms()) {
        keyspace::delete(txn, call.space, name)?;
    } else {
        keyspace::overwrite(txn, call.space, name, value, deadline_ms)?;
    }
    call.notify(txn, Events::STRING, "set", name);
    Ok(())
}

fn told_deadline(txn: &mut Txn, call: &Call<'_>, name: &[u8], deadline: Deadline) {
    if matches!(deadline, Deadline::At(_)) {
        call.notify(txn, Events::GENERIC, "expire", name);
    }
}

/// `SETEX key seconds value`
pub(super) fn setex(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    set_for(txn, call, Form::EX, "setex", reply)
}

/// `PSETEX key milliseconds value`
pub(super) fn psetex(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    set_for(txn, call, Form::PX, "psetex", reply)
}

fn set_for(txn: &mut Txn, call: &Call<'_>, form: Form, name: &'static str, reply: &mut Reply) -> Result {
    let deadline = positive_ms(call.int(2)?, form, txn.now_ms(), name)?;
    put(txn, call, call.get(1), call.get(3), Some(deadline))?;
    told_deadline(txn, call, call.get(1), Deadline::At(deadline));
    reply.ok();
    Ok(())
}

/// `SETNX key value`
pub(super) fn setnx(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let absent = keyspace::load(txn, call.space, name)?.is_none();
    if absent {
        keyspace::overwrite(txn, call.space, name, call.get(2), None)?;
        call.notify(txn, Events::STRING, "set", name);
    }
    reply.int(absent.into());
    Ok(())
}

/// `GETSET key value`
pub(super) fn getset(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let found = load(txn, call, name)?;
    call.looked_up(found.is_some());
    keyspace::overwrite(txn, call.space, name, call.get(2), None)?;
    call.notify(txn, Events::STRING, "set", name);
    reply.bulk_or_null(found.as_ref().map(|found| &found.contents[..]));
    Ok(())
}

/// `GETDEL key`
pub(super) fn getdel(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let found = load(txn, call, name)?;
    call.looked_up(found.is_some());
    if found.is_some() {
        keyspace::delete(txn, call.space, name)?;
        call.notify(txn, Events::GENERIC, "del", name);
    }
    reply.bulk_or_null(found.as_ref().map(|found| &found.contents[..]));
    Ok(())
}

/// `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`
pub(super) fn getex(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let mut asked = Asked::Nothing;
    let mut walk = call.walk(2);
    while !walk.is_done() {
        if !asked.take_word(&mut walk, "persist", Deadline::Never)? && !asked.take(&mut walk)? {
            return Err(Error::Syntax);
        }
    }
    let found = load(txn, call, name)?;
    call.looked_up(found.is_some());
    if let Some(Found { meta, .. }) = &found {
        let new = asked.settle(txn.now_ms(), "getex")?.resolve(meta.deadline_ms, meta.deadline_ms);
        if new != meta.deadline_ms {
            keyspace::expire(txn, call.space, name, meta, new)?;
            let event = match new {
                None => "persist",
                Some(ms) if ms <= txn.now_ms() => "del",
                Some(_) => "expire",
            };
            call.notify(txn, Events::GENERIC, event, name);
        }
    }
    reply.bulk_or_null(found.as_ref().map(|found| &found.contents[..]));
    Ok(())
}

/// `MSET key value [key value ...]`
pub(super) fn mset(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    put_pairs(txn, call, "mset")?;
    reply.ok();
    Ok(())
}

/// `MSETNX key value [key value ...]`: all or none.
pub(super) fn msetnx(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len().is_multiple_of(2) {
        return Err(Error::Arity("msetnx"));
    }
    let names: Vec<&[u8]> = call.from(1).step_by(2).collect();
    let absent = keyspace::load_many(txn, call.space, &names)?.iter().all(Option::is_none);
    if absent {
        put_pairs(txn, call, "msetnx")?;
    }
    reply.int(absent.into());
    Ok(())
}

/// `MSETEX numkeys key value [key value ...] [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`: all or none.
pub(super) fn msetex(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let pairs = call.int(1).ok().and_then(|n| i32::try_from(n).ok()).filter(|n| *n > 0);
    let pairs = pairs.ok_or_else(|| Error::text("ERR invalid numkeys value"))? as usize;
    let end = 2 + 2 * pairs;
    if end > call.len() {
        return Err(Error::text("ERR wrong number of key-value pairs"));
    }
    let (mut existence, mut asked) = (Existence::Any, Asked::Nothing);
    let mut walk = call.walk(end);
    while !walk.is_done() {
        if walk.accept("nx") && existence != Existence::Present {
            existence = Existence::Absent;
        } else if walk.accept("xx") && existence != Existence::Absent {
            existence = Existence::Present;
        } else if !asked.take_word(&mut walk, "keepttl", Deadline::Keep)? && !asked.take(&mut walk)? {
            return Err(Error::Syntax);
        }
    }
    let deadline = asked.settle(txn.now_ms(), "msetex")?;
    let names: Vec<&[u8]> = call.from(2).step_by(2).take(pairs).collect();
    let old = if existence == Existence::Any && deadline != Deadline::Keep {
        vec![None; pairs]
    } else {
        keyspace::load_many(txn, call.space, &names)?
    };
    let sets = match existence {
        Existence::Any => true,
        Existence::Absent => old.iter().all(Option::is_none),
        Existence::Present => old.iter().all(Option::is_some),
    };
    if sets {
        for (n, (name, old)) in names.iter().zip(old).enumerate() {
            let deadline = deadline.resolve(old.and_then(|old| old.deadline_ms), None);
            put(txn, call, name, call.get(3 + 2 * n), deadline)?;
        }
    }
    reply.int(sets.into());
    Ok(())
}

/// `DELEX key [IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]`
pub(super) fn delex(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let mut goes = true;
    if call.len() > 2 {
        let Some(meta) = keyspace::load(txn, call.space, name)? else {
            reply.int(0);
            return Ok(());
        };
        let found = match whole(txn, call, meta) {
            Err(Error::WrongType) => {
                return Err(Error::text("ERR Key should be of string type if conditions are specified"));
            }
            found => found?,
        };
        if call.len() != 4 {
            return Err(Error::Arity("delex"));
        }
        let condition = Condition::take(&mut call.walk(2))?;
        let condition =
            condition.ok_or_else(|| Error::text("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))?;
        goes = condition.holds(Some(&found.contents))?;
    }
    goes = goes && keyspace::delete(txn, call.space, name)?;
    if goes {
        call.notify(txn, Events::GENERIC, "del", name);
    }
    reply.int(goes.into());
    Ok(())
}

fn put_pairs(txn: &mut Txn, call: &Call<'_>, command: &'static str) -> Result {
    if call.len().is_multiple_of(2) {
        return Err(Error::Arity(command));
    }
    for at in (1..call.len()).step_by(2) {
        keyspace::overwrite(txn, call.space, call.get(at), call.get(at + 1), None)?;
        call.notify(txn, Events::STRING, "set", call.get(at));
    }
    Ok(())
}

/// `APPEND key value`
pub(super) fn append(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (name, tail) = (call.get(1), call.get(2));
    let mut contents = open_or_new(txn, call, name)?;
    let len = contents.len();
    check_length(call, len + tail.len() as u64)?;
    contents.write(txn, len, tail)?;
    reply.int(contents.len() as i64);
    call.notify(txn, Events::STRING, "append", name);
    Ok(contents.save(txn)?)
}

/// `SETRANGE key offset value`: what lies between the end and the offset becomes zeros.
pub(super) fn setrange(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (name, patch) = (call.get(1), call.get(3));
    let offset = u64::try_from(call.int(2)?).map_err(|_| Error::text("ERR offset is out of range"))?;
    let mut contents = open_or_new(txn, call, name)?;
    if patch.is_empty() {
        reply.int(contents.len() as i64);
        return Ok(());
    }
    check_length(call, offset.saturating_add(patch.len() as u64))?;
    contents.write(txn, offset, patch)?;
    reply.int(contents.len() as i64);
    call.notify(txn, Events::STRING, "setrange", name);
    Ok(contents.save(txn)?)
}
