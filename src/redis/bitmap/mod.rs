//! Bitmaps: strings as rows of bits, the first of which is the highest of the first byte.

mod bits;
mod field;
mod operate;
mod search;

use super::command::{Access, Call, Command, Keys, read, write};
use super::error::{Error, Result};
use super::events::Events;
use super::keyspace::Contents;
use super::number;
use super::protocol::reply::Reply;
use super::string::{self, STRING_BYTES_MAX};
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
const BYTES_INLINE_MAX: u64 = 1 << 20;

/// Sends a command that walks through so many bytes from the event loop to where it may take its time.
fn wait_if_long(reads: &dyn Reads, bytes: u64) -> Result {
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

/// The number of `width` bits at an offset. What lies beyond the contents is zero.
fn field(reads: &dyn Reads, contents: &Contents<'_>, offset: u64, width: u32) -> Result<u64> {
    let window = contents.read(reads, bits::bytes_of(offset, width))?;
    Ok(bits::field(&window, offset % 8, width))
}

/// Sets a number of `width` bits at an offset, up to which the contents must go.
fn set_field(txn: &mut Txn, contents: &mut Contents<'_>, offset: u64, width: u32, value: u64) -> Result {
    let bytes = bits::bytes_of(offset, width);
    let mut window = contents.read(txn, bytes.clone())?.to_vec();
    bits::set_field(&mut window, offset % 8, width, value);
    Ok(contents.write(txn, bytes.start, &window)?)
}

/// Makes contents long enough to have this bit; whether they were not.
fn grow(txn: &mut Txn, call: &Call<'_>, contents: &mut Contents<'_>, bit: u64) -> Result<bool> {
    let len = bit / 8 + 1;
    string::check_length(call, len)?;
    let is_short = contents.len() < len;
    contents.grow(txn, len)?;
    Ok(is_short)
}

/// `SETBIT key offset value`
fn setbit(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let offset = bit_offset(call.get(2), 1)?;
    let bit = number::parse_i64(call.get(3)).filter(|bit| matches!(bit, 0 | 1));
    let bit = bit.ok_or_else(|| Error::text("ERR bit is not an integer or out of range"))? as u64;
    let mut contents = string::open_or_new(txn, call, call.get(1))?;
    let old = field(txn, &contents, offset, 1)?;
    let is_longer = grow(txn, call, &mut contents, offset)?;
    if old != bit {
        set_field(txn, &mut contents, offset, 1, bit)?;
    }
    if is_longer || old != bit {
        call.notify(txn, Events::STRING, "setbit", call.get(1));
        contents.save(txn)?;
    }
    reply.int(old as i64);
    Ok(())
}

/// `GETBIT key offset`
fn getbit(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let offset = bit_offset(call.get(2), 1)?;
    let contents = string::open(reads, call, call.get(1))?;
    reply.int(contents.map_or(Ok(0), |contents| field(reads, &contents, offset, 1))? as i64);
    Ok(())
}
