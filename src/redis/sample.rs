//! Elements of a collection picked at random, whatever its type: HRANDFIELD, SRANDMEMBER, SPOP.

use std::collections::HashSet;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::command::Call;
use super::error::{Error, Result};
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

/// So many elements: distinct ones, or with a negative count each for itself.
pub(crate) fn elements(
    reads: &dyn Reads,
    call: &Call<'_>,
    collection: &Collection,
    count: i64,
) -> Result<Vec<(Bytes, Element)>> {
    let mut random = call.random();
    if count < 0 {
        independent(reads, call, collection, count.unsigned_abs(), &mut random)
    } else {
        distinct(reads, collection, count.unsigned_abs(), &mut random)
    }
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

/// Elements drawn each for itself, up to what a reply may hold.
fn independent(
    reads: &dyn Reads,
    call: &Call<'_>,
    collection: &Collection,
    count: u64,
    random: &mut Random,
) -> Result<Vec<(Bytes, Element)>> {
    const OVERHEAD: u64 = 64;
    let most = call.instance.value_bytes_max();
    let mut bytes = 0;
    let mut told = Vec::new();
    let mut tell = |subkey: Bytes, element: Element| {
        bytes += (subkey.len() + element.value.len()) as u64 + OVERHEAD;
        told.push((subkey, element));
        bytes <= most
    };
    let too_large =
        Error::text("ERR the reply would be larger than the memory for it; ask for fewer elements");
    if count.saturating_mul(OVERHEAD) > most {
        return Err(too_large);
    }
    if are_drawn(reads, collection, count)? {
        for _ in 0..count {
            let Some((subkey, element)) = collection.random(reads, COUNTED, random)? else { break };
            if !tell(subkey, element) {
                return Err(too_large);
            }
        }
        return Ok(told);
    }
    let len = collection.len(reads)?;
    let mut places: Vec<u64> = (0..count).map(|_| random.below(len.max(1))).collect();
    places.sort_unstable();
    let mut places = places.into_iter().peekable();
    let (mut at, mut fits) = (0, true);
    collection.each(reads, COUNTED, Bound::Unbounded, Bound::Unbounded, false, &mut |subkey, element| {
        while places.next_if_eq(&at).is_some() {
            fits = fits && tell(Bytes::copy_from_slice(subkey), element.clone());
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

/// Distinct elements, each subset of that size with equal chance: drawn until enough are found where few are
/// wanted, else sampled from a walk over all (reservoir sampling, algorithm R, Vitter 1985).
fn distinct(
    reads: &dyn Reads,
    collection: &Collection,
    count: u64,
    random: &mut Random,
) -> Result<Vec<(Bytes, Element)>> {
    let mut told: Vec<(Bytes, Element)> = Vec::new();
    if are_drawn(reads, collection, count)? {
        let mut subkeys = HashSet::new();
        let mut tries = count * 4 + 16;
        while (told.len() as u64) < count && tries > 0 {
            tries -= 1;
            let Some((subkey, element)) = collection.random(reads, COUNTED, random)? else { break };
            if subkeys.insert(subkey.clone()) {
                told.push((subkey, element));
            }
        }
        if told.len() as u64 == count {
            return Ok(told);
        }
        told.clear();
        wait_if_large(reads, collection)?;
    }
    let mut seen: u64 = 0;
    collection.each(reads, COUNTED, Bound::Unbounded, Bound::Unbounded, false, &mut |subkey, element| {
        seen += 1;
        if (told.len() as u64) < count {
            told.push((Bytes::copy_from_slice(subkey), element.clone()));
        } else if let Some(place) = told.get_mut(random.below(seen) as usize) {
            *place = (Bytes::copy_from_slice(subkey), element.clone());
        }
        ControlFlow::Continue(())
    })?;
    random.shuffle(&mut told);
    Ok(told)
}
