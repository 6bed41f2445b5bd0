//! Counting bits and finding the first.

use std::ops::RangeInclusive;

use super::{bits, wait_if_long};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
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
fn bit_range(start: i64, end: i64, bytes: usize, by_bit: bool) -> Option<RangeInclusive<u64>> {
    let (total, unit) = if by_bit { (bytes as i64 * 8, 1) } else { (bytes as i64, 8) };
    let from_end = |at: i64| if at < 0 { at.saturating_add(total).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(total - 1));
    (start <= end).then(|| start as u64 * unit..=end as u64 * unit + unit - 1)
}

/// `BITCOUNT key [start end [BYTE | BIT]]`
pub(super) fn bitcount(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Some(found) = string::load(reads, call, call.get(1))? else {
        reply.int(0);
        return Ok(());
    };
    let bytes = found.contents.len();
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
    wait_if_long(reads, bytes)?;
    reply.int(range.map_or(0, |range| bits::count(&found.contents, &range)) as i64);
    Ok(())
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`
pub(super) fn bitpos(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let bit = match call.int(2)? {
        0 => false,
        1 => true,
        _ => return Err(Error::text("ERR The bit argument must be 1 or 0.")),
    };
    let Some(found) = string::load(reads, call, call.get(1))? else {
        // Zeros without end.
        reply.int(if bit { -1 } else { 0 });
        return Ok(());
    };
    let bytes = found.contents.len();
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
    wait_if_long(reads, bytes)?;
    let place = range.and_then(|range| {
        let behind = (is_open && !bit).then(|| range.end() + 1);
        bits::find(&found.contents, bit, &range).or(behind)
    });
    reply.int(place.map_or(-1, |place| place as i64));
    Ok(())
}
