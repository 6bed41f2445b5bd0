//! Some of a hash's fields: at random, or a part at a time.

use std::collections::HashSet;
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
    if count == i64::MIN {
        return Err(Error::text(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
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

/// Up to so many fields, or this part of them, are told by drawing; more by walking over all.
const DRAWN_PART: u64 = 16;
const DRAWN_MAX: u64 = 1000;
/// A hash of up to so many fields is walked through: that costs no more than a draw.
const WALKED_FIELDS: u64 = 2048;
/// From this many draws on they are made where they may take their time.
const DRAWN_INLINE_MAX: u64 = 32;

/// Whether so many fields are better drawn one by one than met on a walk over all of them.
fn are_drawn(reads: &dyn Reads, hash: &Collection, count: u64) -> Result<bool> {
    let len = hash.len(reads)?;
    let drawn = !hash.is_inline()
        && len > WALKED_FIELDS
        && count <= DRAWN_MAX
        && count.saturating_mul(DRAWN_PART) <= len;
    if !drawn || count > DRAWN_INLINE_MAX {
        wait_if_large(reads, hash)?;
    }
    Ok(drawn)
}

/// Fields drawn each for itself, up to what a reply may hold.
fn independent(
    reads: &dyn Reads,
    call: &Call<'_>,
    hash: &Collection,
    count: u64,
    random: &mut Random,
) -> Result<Vec<(Bytes, Element)>> {
    const OVERHEAD: u64 = 64;
    let most = call.instance.value_bytes_max();
    let mut bytes = 0;
    let mut told = Vec::new();
    let mut tell = |field: Bytes, element: Element| {
        bytes += (field.len() + element.value.len()) as u64 + OVERHEAD;
        told.push((field, element));
        bytes <= most
    };
    let too_large = Error::text("ERR the reply would be larger than the memory for it; ask for fewer fields");
    if count.saturating_mul(OVERHEAD) > most {
        return Err(too_large);
    }
    if are_drawn(reads, hash, count)? {
        for _ in 0..count {
            let Some((field, element)) = hash.random(reads, FIELDS, random)? else { break };
            if !tell(field, element) {
                return Err(too_large);
            }
        }
        return Ok(told);
    }
    let len = hash.len(reads)?;
    let mut places: Vec<u64> = (0..count).map(|_| random.below(len.max(1))).collect();
    places.sort_unstable();
    let mut places = places.into_iter().peekable();
    let (mut at, mut fits) = (0, true);
    hash.each(reads, FIELDS, Bound::Unbounded, Bound::Unbounded, false, &mut |field, element| {
        while places.next_if_eq(&at).is_some() {
            fits = fits && tell(Bytes::copy_from_slice(field), element.clone());
        }
        at += 1;
        if fits && places.peek().is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if !fits {
        return Err(too_large);
    }
    random.shuffle(&mut told);
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
    let mut told: Vec<(Bytes, Element)> = Vec::new();
    if are_drawn(reads, hash, count)? {
        let mut fields = HashSet::new();
        let mut tries = count * 4 + 16;
        while (told.len() as u64) < count && tries > 0 {
            tries -= 1;
            let Some((field, element)) = hash.random(reads, FIELDS, random)? else { break };
            if fields.insert(field.clone()) {
                told.push((field, element));
            }
        }
        if told.len() as u64 == count {
            return Ok(told);
        }
        told.clear();
        wait_if_large(reads, hash)?;
    }
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
