//! Some of a hash's fields: at random, or a part at a time.

use super::{FIELDS, load};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::keys::{cursor, part_of};
use crate::redis::protocol::reply::{Protocol, Reply};
use crate::redis::sample;
use crate::redis::tail::tell_gathered;
use crate::store::Reads;

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`
pub(super) fn hscan(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let cursor = cursor(call.get(2))?;
    let mut values = true;
    let told = part_of(reads, call, cursor, load(reads, call)?.as_ref(), &mut |walk| {
        let novalues = walk.accept("novalues");
        values &= !novalues;
        novalues
    })?;
    told.head(reply);
    reply.array(told.elements.len() * if values { 2 } else { 1 });
    for (field, element) in &told.elements {
        reply.bulk(field);
        if values {
            reply.bulk(&element.value);
        }
    }
    Ok(())
}

/// `HRANDFIELD key [count [WITHVALUES]]`: distinct fields, or with a negative count each for itself.
pub(super) fn hrandfield(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() == 2 {
        let field = match load(reads, call)? {
            Some(hash) => hash.random(reads, FIELDS, &mut call.random())?,
            None => None,
        };
        reply.bulk_or_null(field.as_ref().map(|(field, _)| &field[..]));
        return Ok(());
    }
    let count = sample::count(call, 2)?;
    let values = call.len() > 3;
    if call.len() > 4 || values && !call.is(3, "withvalues") {
        return Err(Error::Syntax);
    }
    if values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(Error::text("ERR value is out of range"));
    }
    let Some(hash) = load(reads, call)? else {
        reply.array(0);
        return Ok(());
    };
    let told = sample::elements(reads, call, &hash, count)?;
    let pairs = values && reply.protocol() == Protocol::Resp3;
    reply.array(told.rows().len() * if values && !pairs { 2 } else { 1 });
    tell_gathered(call, told, reply, move |reply, (field, value)| {
        if pairs {
            reply.array(2);
        }
        reply.bulk(field);
        if values {
            reply.bulk(value);
        }
    })
}
