//! DUMP and RESTORE: a key's value in the format in which Redis saves it, so that it can go to and come from there.
//!
//! ```text
//! payload := kind (1 byte) ‖ value ‖ version (2 bytes, LE) ‖ CRC-64 of all before (8 bytes, LE)
//! ```
//!
//! Each type's values, in the forms that Redis gave them over time, are one file with one [`Format`]; what they are made
//! of, lengths and strings, is [`bytes`], and small collections packed into one string are [`listpack`], once [`ziplist`]. Payloads are
//! strangers' bytes: no length in them is believed before as many bytes are there.
//!
//! What is written is of version 10, that of Redis 7.0, unless it holds what only later versions know.

mod bytes;
mod checksum;
mod hash;
mod list;
mod listpack;
mod lzf;
mod set;
mod stream;
mod string;
mod ziplist;
mod zset;

use self::bytes::{Reader, Writer};
use super::command::{Access, Call, Command, Keys, read, write};
use super::error::{Error, Result};
use super::events::Events;
use super::keyspace::{self, Meta, Space, Type};
use super::protocol::reply::Reply;
use crate::store::{Reads, Txn};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    read("dump", 2, Keys::FIRST, dump).doc(
        "Returns a serialized representation of the value stored at a key.",
        "2.6.0",
        "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects \
         composing the value and M their average size. For small string values the time complexity is thus \
         O(1)+O(1*M) where M is small, so simply O(1).",
    ),
    write("restore", -4, Keys::FIRST, restore).access(Access::OVERWRITE).flag(super::command::Flags::DANGEROUS).doc(
        "Creates a key from the serialized representation of a value.",
        "2.6.0",
        "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the \
         number of Redis objects composing the value and M their average size.",
    ),
];

/// How values of one type are written and read.
struct Format {
    kind: Type,
    /// The kinds of payload that it reads.
    reads: &'static [u8],
    /// Writes a value, its kind first.
    write: fn(&dyn Reads, &Source<'_>, &mut Writer) -> Result,
    /// Reads a value of this kind into a key that does not exist.
    read: fn(u8, &mut Reader<'_>, &mut Txn, &Target<'_>) -> Result,
    /// Reads a value to see whether it is well formed.
    #[cfg(feature = "fuzzing")]
    check: fn(u8, &mut Reader<'_>) -> Result,
}

const FORMATS: &[Format] =
    &[string::FORMAT, list::FORMAT, set::FORMAT, zset::FORMAT, hash::FORMAT, stream::FORMAT];

/// The key to be written.
struct Source<'a> {
    space: Space,
    name: &'a [u8],
    meta: Meta,
}

/// The key to be made.
struct Target<'a> {
    space: Space,
    name: &'a [u8],
    /// The longest string that it may hold, in bytes.
    value_bytes_max: u64,
}

/// The newest version that is read: that of Redis 7.4.
const VERSION_MAX: u16 = 12;
/// Version and checksum.
const FOOTER_BYTES: usize = 10;

/// What is no value.
fn bad() -> Error {
    Error::text("ERR Bad data format")
}

/// `DUMP key`
fn dump(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let Some(meta) = call.load(reads, name)? else {
        reply.null();
        return Ok(());
    };
    let most = usize::try_from(call.instance.value_bytes_max()).unwrap_or(usize::MAX);
    reply.bulk(&payload(reads, call.space, name, meta, most)?);
    Ok(())
}

/// A loaded key's value as a payload, which may have so many bytes. The same contents give the same payload.
pub(crate) fn payload(
    reads: &dyn Reads,
    space: Space,
    name: &[u8],
    meta: Meta,
    most: usize,
) -> Result<Vec<u8>> {
    let format = FORMATS.iter().find(|format| format.kind == meta.kind);
    let format = format.ok_or_else(|| Error::text("ERR values of this type cannot be dumped"))?;
    let mut writer = Writer::new(most);
    (format.write)(reads, &Source { space, name, meta }, &mut writer)?;
    writer.finish()
}

/// What RESTORE's options say.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_s: Option<i64>,
    frequency: Option<i64>,
}

impl Options {
    fn parse(call: &Call<'_>) -> Result<Self> {
        let mut options = Self::default();
        let mut walk = call.walk(4);
        while !walk.is_done() {
            let more = call.len() - walk.at() > 1;
            if walk.accept("replace") {
                options.replace = true;
            } else if walk.accept("absttl") {
                options.absolute = true;
            } else if more && options.frequency.is_none() && walk.accept("idletime") {
                options.idle_s = Some(walk.int()?);
                if options.idle_s < Some(0) {
                    return Err(Error::text("ERR Invalid IDLETIME value, must be >= 0"));
                }
            } else if more && options.idle_s.is_none() && walk.accept("freq") {
                options.frequency = Some(walk.int()?);
                if !options.frequency.is_some_and(|n| (0..=255).contains(&n)) {
                    return Err(Error::text("ERR Invalid FREQ value, must be >= 0 and <= 255"));
                }
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(options)
    }
}

/// `RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`
fn restore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let options = Options::parse(call)?;
    let name = call.get(1);
    let old = keyspace::load(txn, call.space, name)?;
    if old.is_some() && !options.replace {
        return Err(Error::text("BUSYKEY Target key name already exists."));
    }
    let Ok(time) = u64::try_from(call.int(2)?) else {
        return Err(Error::text("ERR Invalid TTL value, must be >= 0"));
    };
    let value =
        opened(call.get(3)).ok_or_else(|| Error::text("ERR DUMP payload version or checksum are wrong"))?;
    let now_ms = txn.now_ms();
    let deadline_ms = match time {
        0 => None,
        _ if options.absolute => Some(time),
        _ => Some(time.saturating_add(now_ms)),
    };
    if let Some(old) = &old {
        keyspace::remove(txn, call.space, name, old);
    }
    let value_bytes_max = call.instance.value_bytes_max();
    let mut reader = Reader::unpacking(value, value_bytes_max);
    let kind = reader.byte()?;
    let format = FORMATS.iter().find(|format| format.reads.contains(&kind)).ok_or_else(bad)?;
    (format.read)(kind, &mut reader, txn, &Target { space: call.space, name, value_bytes_max })?;
    if deadline_ms.is_some() {
        // It is gone already if all its elements are due. A deadline that has passed removes it again.
        if let Some(meta) = keyspace::load(txn, call.space, name)? {
            keyspace::expire(txn, call.space, name, &meta, deadline_ms)?;
        }
    }
    if options.idle_s.is_some() || options.frequency.is_some() {
        let idle_s = options.idle_s.unwrap_or(0);
        let frequency = options.frequency.and_then(|n| u8::try_from(n).ok());
        super::keys::set_use(call, name, idle_s, frequency);
    }
    let is_gone = deadline_ms.is_some_and(|deadline| deadline <= now_ms);
    if !is_gone {
        call.notify(txn, Events::GENERIC, "restore", name);
    } else if old.is_some() {
        call.notify(txn, Events::GENERIC, "del", name);
    }
    reply.ok();
    Ok(())
}

/// A payload without its footer, if that fits the rest.
fn opened(payload: &[u8]) -> Option<&[u8]> {
    let (value, footer) = payload.split_at_checked(payload.len().checked_sub(FOOTER_BYTES)?)?;
    let (version, sum) = footer.split_first_chunk::<2>()?;
    let summed = payload.get(..value.len() + version.len())?;
    let fits = u16::from_le_bytes(*version) <= VERSION_MAX
        && checksum::crc64(summed).to_le_bytes().as_slice() == sum
        && !value.is_empty();
    fits.then_some(value)
}

/// Any bytes as a value, without version and checksum.
#[cfg(feature = "fuzzing")]
pub(crate) fn check(value: &[u8]) -> bool {
    let mut reader = Reader::new(value);
    let Ok(kind) = reader.byte() else { return false };
    let format = FORMATS.iter().find(|format| format.reads.contains(&kind));
    format.is_some_and(|format| (format.check)(kind, &mut reader).is_ok())
}
