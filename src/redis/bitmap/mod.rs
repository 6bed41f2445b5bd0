//! Bitmaps: strings as rows of bits, the first of which is the highest of the first byte.

mod bits;
mod field;
mod operate;
mod search;

use super::command::{Access, Call, Command, Keys, read, write};
use super::error::{Error, Result};
use super::keyspace;
use super::number;
use super::protocol::reply::Reply;
use super::string::{self, Found, STRING_BYTES_MAX};
use crate::store::{self, Reads, Tier, Txn};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    read("bitcount", -2, Keys::FIRST, search::bitcount).doc(
        "Counts the number of set bits (population counting) in a string.",
        "2.6.0",
        "O(N)",
    ),
    write("bitfield", -2, Keys::FIRST, field::bitfield).access(Access::SET).doc(
        "Performs arbitrary bitfield integer operations on strings.",
        "3.2.0",
        "O(1) for each subcommand specified",
    ),
    read("bitfield_ro", -2, Keys::FIRST, field::bitfield_ro).fast().doc(
        "Performs arbitrary read-only bitfield integer operations on strings.",
        "6.0.0",
        "O(1) for each subcommand specified",
    ),
    write("bitop", -4, Keys::Range { first: 2, last: -1, step: 1 }, operate::bitop)
        .access(Access::STORE)
        .doc("Performs bitwise operations on multiple strings, and stores the result.", "2.6.0", "O(N)"),
    read("bitpos", -3, Keys::FIRST, search::bitpos).doc(
        "Finds the first set (1) or clear (0) bit in a string.",
        "2.8.7",
        "O(N)",
    ),
    read("getbit", 3, Keys::FIRST, getbit).fast().doc("Returns a bit value by offset.", "2.2.0", "O(1)"),
    write("setbit", 4, Keys::FIRST, setbit).access(Access::CHANGE).doc(
        "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
        "2.2.0",
        "O(1), or O(N) where N is the length of the value",
    ),
];

/// From this many bytes on, a string is walked through where that may take its time.
const BYTES_INLINE_MAX: usize = 1 << 20;

/// Sends a command that walks through so many bytes from the event loop to where it may take its time.
fn wait_if_long(reads: &dyn Reads, bytes: usize) -> Result {
    if reads.tier() == Tier::Cached && bytes > BYTES_INLINE_MAX {
        return Err(Error::from(store::Error::WouldWait(None)));
    }
    Ok(())
}

/// Reads the offset of a bit, in units of so many.
fn bit_offset(word: &[u8], unit: u64) -> Result<u64> {
    number::parse_i64(word)
        .and_then(|offset| u64::try_from(offset).ok())
        .and_then(|offset| offset.checked_mul(unit))
        .filter(|offset| offset >> 3 < STRING_BYTES_MAX)
        .ok_or_else(|| Error::text("ERR bit offset is not an integer or out of range"))
}

/// A string's contents as they will be, with zeros up to this bit; whether they are longer than before.
fn grown(call: &Call<'_>, found: Option<&Found>, last_bit: u64) -> Result<(Vec<u8>, bool)> {
    let len = last_bit / 8 + 1;
    string::check_length(call, len)?;
    let mut contents = found.map_or_else(Vec::new, |found| found.contents.to_vec());
    let is_short = (contents.len() as u64) < len;
    if is_short {
        contents.resize(len as usize, 0);
    }
    Ok((contents, is_short))
}

/// Stages the new contents of the call's key.
fn save(txn: &mut Txn, call: &Call<'_>, found: Option<&Found>, contents: Vec<u8>) -> Result {
    let meta = string::with_contents(found, contents);
    Ok(keyspace::replace(txn, call.space, call.get(1), found.map(|found| &found.meta), meta)?)
}

/// `SETBIT key offset value`
fn setbit(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let offset = bit_offset(call.get(2), 1)?;
    let bit = number::parse_i64(call.get(3)).filter(|bit| matches!(bit, 0 | 1));
    let bit = bit.ok_or_else(|| Error::text("ERR bit is not an integer or out of range"))? as u64;
    let found = string::load(txn, call, call.get(1))?;
    let old = bits::field(found.as_ref().map_or(&[], |found| &found.contents), offset, 1);
    let is_short = found.as_ref().is_none_or(|found| found.contents.len() as u64 <= offset / 8);
    if is_short || old != bit {
        let (mut contents, _) = grown(call, found.as_ref(), offset)?;
        bits::set_field(&mut contents, offset, 1, bit);
        save(txn, call, found.as_ref(), contents)?;
    }
    reply.int(old as i64);
    Ok(())
}

/// `GETBIT key offset`
fn getbit(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let offset = bit_offset(call.get(2), 1)?;
    let found = string::load(reads, call, call.get(1))?;
    reply.int(found.map_or(0, |found| bits::field(&found.contents, offset, 1)) as i64);
    Ok(())
}
