//! Elements of a collection picked at random, whatever its type: HRANDFIELD, SRANDMEMBER, SPOP.

use std::collections::HashSet;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::command::Call;
use super::error::{Error, Result};
use super::gathered::Gathered;
use super::keyspace::{COUNTED, Collection, Element};
use crate::random::Random;
use crate::store::{self, Reads, Tier};

/// From this many elements on, whatever is asked of all of them runs where it may take its time.
const ELEMENTS_INLINE_MAX: u64 = 512;

/// Sends a command that walks a large collection from the event loop to where it may take its time.
pub(crate) fn wait_if_large(reads: &dyn Reads, collection: &Collection) -> Result {
    wait_if_many(reads, if collection.is_inline() { 0 } else { collection.len(reads)? })
}

/// Sends a command that walks so many elements from the event loop to where it may take its time.
pub(crate) fn wait_if_many(reads: &dyn Reads, elements: u64) -> Result {
    if reads.tier() == Tier::Cached && elements > ELEMENTS_INLINE_MAX {
        return Err(Error::from(store::Error::WouldWait(None)));
    }
    Ok(())
}

/// How many elements SRANDMEMBER and its kin are asked for; negative: each for itself.
pub(crate) fn count(call: &Call<'_>, at: usize) -> Result<i64> {
    let count = call.int(at)?;
    if count == i64::MIN {
        return Err(Error::text(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    Ok(count)
}

/// Elements that were picked: their subkeys and values.
pub(crate) type Picked = Gathered<(Bytes, Bytes)>;

/// So many elements: distinct ones, or with a negative count each for itself.
pub(crate) fn elements(
    reads: &dyn Reads,
    call: &Call<'_>,
    collection: &Collection,
    count: i64,
) -> Result<Picked> {
    let mut random = call.random();
    if count < 0 {
        independent(reads, call, collection, count.unsigned_abs(), &mut random)
    } else {
        distinct(reads, call, collection, count.unsigned_abs(), &mut random)
    }
}

/// A row of what was picked, which holds on to nothing else, and its bytes.
fn row(subkey: &[u8], element: &Element) -> ((Bytes, Bytes), usize) {
    let value = Bytes::copy_from_slice(&element.value);
    ((Bytes::copy_from_slice(subkey), value), subkey.len() + element.value.len())
}

/// Up to so many elements, or this part of them, are told by drawing; more by walking over all.
const DRAWN_PART: u64 = 16;
const DRAWN_MAX: u64 = 1000;
/// A collection of up to so many elements is walked through: that costs no more than a draw.
const WALKED_ELEMENTS: u64 = 2048;
/// From this many draws on they are made where they may take their time.
const DRAWN_INLINE_MAX: u64 = 32;

/// Whether so many elements are better drawn one by one than met on a walk over all of them.
fn are_drawn(reads: &dyn Reads, collection: &Collection, count: u64) -> Result<bool> {
    let len = collection.len(reads)?;
    let drawn = !collection.is_inline()
        && len > WALKED_ELEMENTS
        && count <= DRAWN_MAX
        && count.saturating_mul(DRAWN_PART) <= len;
    if !drawn || count > DRAWN_INLINE_MAX {
        wait_if_large(reads, collection)?;
    }
    Ok(drawn)
}

/// Elements drawn each for itself.
fn independent(
    reads: &dyn Reads,
    call: &Call<'_>,
    collection: &Collection,
    count: u64,
    random: &mut Random,
) -> Result<Picked> {
    let mut told = Gathered::new(call);
    if are_drawn(reads, collection, count)? {
        for _ in 0..count {
            let Some((subkey, element)) = collection.random(reads, COUNTED, random)? else { break };
            let (row, bytes) = row(&subkey, &element);
            told.add(row, bytes)?;
        }
        return Ok(told);
    }
    let len = collection.len(reads)?;
    let mut places = Gathered::new(call);
    for _ in 0..count {
        places.add(random.below(len.max(1)), 0)?;
    }
    places.rows_mut().sort_unstable();
    let mut places = places.rows().iter().peekable();
    let (mut at, mut failed) = (0, None);
    collection.each(reads, COUNTED, Bound::Unbounded, Bound::Unbounded, false, &mut |subkey, element| {
        while failed.is_none() && places.next_if_eq(&&at).is_some() {
            let (row, bytes) = row(subkey, element);
            failed = told.add(row, bytes).err();
        }
        at += 1;
        let goes_on = failed.is_none() && places.peek().is_some();
        if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed.map_or(Ok(()), Err)?;
    random.shuffle(told.rows_mut());
    Ok(told)
}

/// Distinct elements, each subset of that size with equal chance: drawn until enough are found where few are
/// wanted, else sampled from a walk over all (reservoir sampling, algorithm R, Vitter 1985).
fn distinct(
    reads: &dyn Reads,
    call: &Call<'_>,
    collection: &Collection,
    count: u64,
    random: &mut Random,
) -> Result<Picked> {
    let mut told = Gathered::new(call);
    if are_drawn(reads, collection, count)? {
        let mut subkeys = HashSet::new();
        let mut tries = count * 4 + 16;
        while (told.rows().len() as u64) < count && tries > 0 {
            tries -= 1;
            let Some((subkey, element)) = collection.random(reads, COUNTED, random)? else { break };
            if subkeys.insert(subkey.clone()) {
                let (row, bytes) = row(&subkey, &element);
                told.add(row, bytes)?;
            }
        }
        if told.rows().len() as u64 == count {
            return Ok(told);
        }
        told = Gathered::new(call);
        wait_if_large(reads, collection)?;
    }
    let (mut seen, mut failed): (u64, _) = (0, None);
    collection.each(reads, COUNTED, Bound::Unbounded, Bound::Unbounded, false, &mut |subkey, element| {
        seen += 1;
        let place = if (told.rows().len() as u64) < count { None } else { Some(random.below(seen)) };
        let added = match place {
            Some(place) if place >= count => Ok(()),
            place => {
                let (row, bytes) = row(subkey, element);
                match place {
                    None => told.add(row, bytes),
                    Some(place) => {
                        let place = place as usize;
                        let gone = told.rows().get(place).map_or(0, |(key, value)| key.len() + value.len());
                        told.replace(place, row, bytes, gone)
                    }
                }
            }
        };
        failed = added.err();
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    failed.map_or(Ok(()), Err)?;
    random.shuffle(told.rows_mut());
    Ok(told)
}
