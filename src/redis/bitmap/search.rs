//! Counting bits and finding the first.

use std::ops::{ControlFlow, Range, RangeInclusive};

use super::{bits, wait_if_long};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::keyspace::Contents;
use crate::redis::protocol::reply::Reply;
use crate::redis::string;
use crate::store::Reads;

/// Whether word `at`, if there is one, says BIT, rather than BYTE.
fn counts_bits(call: &Call<'_>, at: usize) -> Result<bool> {
    match () {
        () if call.is(at, "bit") => Ok(true),
        () if call.len() <= at || call.is(at, "byte") => Ok(false),
        () => Err(Error::Syntax),
    }
}

/// The bits between two places, counted from the end where negative, both included; `None` if that is nothing.
fn bit_range(start: i64, end: i64, bytes: u64, by_bit: bool) -> Option<RangeInclusive<u64>> {
    let (total, unit) = if by_bit { (bytes as i64 * 8, 1) } else { (bytes as i64, 8) };
    let from_end = |at: i64| if at < 0 { at.saturating_add(total).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(total - 1));
    (start <= end).then(|| start as u64 * unit..=end as u64 * unit + unit - 1)
}

/// The bytes in which a range of bits lies.
fn bytes_of(reads: &dyn Reads, range: &RangeInclusive<u64>) -> Result<Range<u64>> {
    let bytes = range.start() / 8..range.end() / 8 + 1;
    wait_if_long(reads, bytes.end - bytes.start)?;
    Ok(bytes)
}

/// How many bits are set within a range, which must lie within the contents.
fn count(reads: &dyn Reads, contents: &Contents<'_>, range: &RangeInclusive<u64>) -> Result<u64> {
    let mut sum = 0;
    contents.each(reads, bytes_of(reads, range)?, &mut |at, bytes| {
        sum += bits::within(range, at, bytes.len()).map_or(0, |range| bits::count(bytes, &range));
        ControlFlow::Continue(())
    })?;
    Ok(sum)
}

/// The first bit of this value within a range, which must lie within the contents.
fn find(
    reads: &dyn Reads,
    contents: &Contents<'_>,
    bit: bool,
    range: &RangeInclusive<u64>,
) -> Result<Option<u64>> {
    // All bits before this one have been looked at; what no piece covers is zeros.
    let mut next = *range.start();
    let mut found = None;
    contents.each(reads, bytes_of(reads, range)?, &mut |at, bytes| {
        let first = at * 8;
        found = if !bit && next < first {
            Some(next)
        } else {
            let within = bits::within(range, at, bytes.len());
            within.and_then(|range| bits::find(bytes, bit, &range)).map(|place| first + place)
        };
        next = first + bytes.len() as u64 * 8;
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found.or((!bit && next <= *range.end()).then_some(next)))
}

/// `BITCOUNT key [start end [BYTE | BIT]]`
pub(super) fn bitcount(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Some(contents) = string::open(reads, call, call.get(1))? else {
        reply.int(0);
        return Ok(());
    };
    let bytes = contents.len();
    let range = match call.len() {
        2 => bit_range(0, -1, bytes, false),
        4 | 5 => {
            let (start, end) = (call.int(2)?, call.int(3)?);
            if start < 0 && end < 0 && start > end {
                None
            } else {
                bit_range(start, end, bytes, counts_bits(call, 4)?)
            }
        }
        _ => return Err(Error::Syntax),
    };
    reply.int(range.map_or(Ok(0), |range| count(reads, &contents, &range))? as i64);
    Ok(())
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`
pub(super) fn bitpos(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let bit = match call.int(2)? {
        0 => false,
        1 => true,
        _ => return Err(Error::text("ERR The bit argument must be 1 or 0.")),
    };
    let Some(contents) = string::open(reads, call, call.get(1))? else {
        // Zeros without end.
        reply.int(if bit { -1 } else { 0 });
        return Ok(());
    };
    let bytes = contents.len();
    let is_open = call.len() < 5;
    let range = match call.len() {
        3 => bit_range(0, -1, bytes, false),
        4 => bit_range(call.int(3)?, -1, bytes, false),
        5 | 6 => {
            let start = call.int(3)?;
            let by_bit = counts_bits(call, 5)?;
            bit_range(start, call.int(4)?, bytes, by_bit)
        }
        _ => return Err(Error::Syntax),
    };
    let place = match range {
        Some(range) => {
            let behind = (is_open && !bit).then(|| range.end() + 1);
            find(reads, &contents, bit, &range)?.or(behind)
        }
        None => None,
    };
    reply.int(place.map_or(-1, |place| place as i64));
    Ok(())
}
