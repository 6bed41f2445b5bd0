//! Some of a hash's fields: at random, or a part at a time.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::read::wait_if_large;
use super::{FIELDS, load};
use crate::random::Random;
use crate::redis::command::Call;
use crate::redis::cursors::Walked;
use crate::redis::error::{Error, Result};
use crate::redis::glob;
use crate::redis::keys::{ScanOptions, cursor};
use crate::redis::keyspace::{Collection, Element, lock_key};
use crate::redis::protocol::reply::{Protocol, Reply};
use crate::store::Reads;

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`. A small hash is told whole.
pub(super) fn hscan(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let cursor = cursor(call.get(2))?;
    let Some(hash) = load(reads, call)? else {
        reply.array(2);
        reply.bulk(b"0");
        reply.array(0);
        return Ok(());
    };
    let mut values = true;
    let options = ScanOptions::parse(cursor, &mut call.walk(3), |walk| {
        let novalues = walk.accept("novalues");
        values &= !novalues;
        novalues
    })?;
    if options.kind.is_some() {
        return Err(Error::Syntax);
    }
    let mut told: Vec<(Vec<u8>, Bytes)> = Vec::new();
    let mut stopped = None;
    let walked = Walked::Key(lock_key(call.space.database, call.get(1)).0);
    let after = call.instance.cursors.place(walked, options.cursor);
    let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let steps_max = if hash.is_inline() { usize::MAX } else { options.count };
    let mut steps = 0;
    hash.each(reads, FIELDS, from, Bound::Unbounded, false, &mut |field, element| {
        steps += 1;
        if glob::matches(options.pattern, field) {
            told.push((field.to_vec(), element.value.clone()));
        }
        if steps >= steps_max {
            stopped = Some(field.to_vec());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    let cursor = stopped.map_or(0, |field| call.instance.cursors.after(walked, &field));
    reply.array(2);
    reply.bulk(cursor.to_string().as_bytes());
    reply.array(told.len() * if values { 2 } else { 1 });
    for (field, value) in &told {
        reply.bulk(field);
        if values {
            reply.bulk(value);
        }
    }
    Ok(())
}

/// `HRANDFIELD key [count [WITHVALUES]]`: distinct fields, or with a negative count each for itself.
pub(super) fn hrandfield(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut random = Random::seeded(call.instance.random_u64());
    if call.len() == 2 {
        let field = match load(reads, call)? {
            Some(hash) => hash.random(reads, FIELDS, &mut random)?,
            None => None,
        };
        reply.bulk_or_null(field.as_ref().map(|(field, _)| &field[..]));
        return Ok(());
    }
    let count = call.int(2)?;
    let values = call.len() > 3;
    if call.len() > 4 || values && !call.is(3, "withvalues") {
        return Err(Error::Syntax);
    }
    if values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(Error::text("ERR value is out of range"));
    }
    let told = match load(reads, call)? {
        None => Vec::new(),
        Some(hash) if count < 0 => independent(reads, call, &hash, count.unsigned_abs(), &mut random)?,
        Some(hash) => distinct(reads, &hash, count.unsigned_abs(), &mut random)?,
    };
    let pairs = values && reply.protocol() == Protocol::Resp3;
    reply.array(told.len() * if values && !pairs { 2 } else { 1 });
    for (field, element) in &told {
        if pairs {
            reply.array(2);
        }
        reply.bulk(field);
        if values {
            reply.bulk(&element.value);
        }
    }
    Ok(())
}

/// Fields drawn each for itself, up to what a reply may hold.
fn independent(
    reads: &dyn Reads,
    call: &Call<'_>,
    hash: &Collection,
    count: u64,
    random: &mut Random,
) -> Result<Vec<(Bytes, Element)>> {
    let mut told = Vec::new();
    let mut bytes = 0;
    for _ in 0..count {
        let Some((field, element)) = hash.random(reads, FIELDS, random)? else { break };
        bytes += field.len() + element.value.len() + 64;
        if bytes as u64 > call.instance.value_bytes_max() {
            return Err(Error::text(
                "ERR the reply would be larger than the memory for it; ask for fewer fields",
            ));
        }
        told.push((field, element));
    }
    Ok(told)
}

/// Distinct fields, each subset of that size with equal chance: drawn until enough are found where few are
/// wanted, else sampled from a walk over all (reservoir sampling, algorithm R, Vitter 1985).
fn distinct(
    reads: &dyn Reads,
    hash: &Collection,
    count: u64,
    random: &mut Random,
) -> Result<Vec<(Bytes, Element)>> {
    let len = hash.len(reads)?;
    let mut told: Vec<(Bytes, Element)> = Vec::new();
    // Up to a third of the fields, drawing meets the wanted number soon.
    if !hash.is_inline() && count <= 1000 && count.saturating_mul(3) <= len {
        let mut tries = count * 4 + 16;
        while (told.len() as u64) < count && tries > 0 {
            tries -= 1;
            let Some(drawn) = hash.random(reads, FIELDS, random)? else { break };
            if told.iter().all(|(field, _)| *field != drawn.0) {
                told.push(drawn);
            }
        }
        if told.len() as u64 == count {
            return Ok(told);
        }
        told.clear();
    }
    wait_if_large(reads, hash)?;
    let mut seen: u64 = 0;
    hash.each(reads, FIELDS, Bound::Unbounded, Bound::Unbounded, false, &mut |field, element| {
        seen += 1;
        if (told.len() as u64) < count {
            told.push((Bytes::copy_from_slice(field), element.clone()));
        } else if let Some(place) = told.get_mut(random.below(seen) as usize) {
            *place = (Bytes::copy_from_slice(field), element.clone());
        }
        ControlFlow::Continue(())
    })?;
    random.shuffle(&mut told);
    Ok(told)
}
