//! Strings: bytes, which INCR and its kin read as numbers.

mod condition;
mod count;
mod increx;
mod lcs;
mod read;
mod write;

use std::ops::Range;

use bytes::Bytes;

use super::command::{Access, Call, Command, Flags, Keys, read, write};
use super::error::{Error, Result};
use super::keyspace::{self, Body, Contents, Meta, Type};
use crate::store::Reads;

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
        write("append", 3, Keys::FIRST, write::append).access(Access::INSERT)
            .fast()
            .doc("Appends a string to the value of a key. Creates the key if it doesn't exist.", "2.0.0", "O(1)"),
        write("decr", 2, Keys::FIRST, count::decr).access(Access::CHANGE)
            .fast()
            .doc("Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", "1.0.0", "O(1)"),
        write("decrby", 3, Keys::FIRST, count::decrby).access(Access::CHANGE)
            .fast()
            .doc("Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.", "1.0.0", "O(1)"),
        write("delex", -2, Keys::FIRST, write::delex).access(Access::DELETE).flag(Flags::LEAN)
            .fast()
            .doc("Conditionally removes the specified key based on value or digest comparison.", "8.4.0", "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value."),
        read("digest", 2, Keys::FIRST, condition::digest)
            .fast()
            .doc("Returns the hash digest of a string value as a hexadecimal string.", "8.4.0", "O(N) where N is the length of the string value."),
        read("get", 2, Keys::FIRST, read::get).fast().doc("Returns the string value of a key.", "1.0.0", "O(1)"),
        write("getdel", 2, Keys::FIRST, write::getdel).access(Access::TAKE).flag(Flags::LEAN)
            .fast()
            .doc("Returns the string value of a key after deleting the key.", "6.2.0", "O(1)"),
        write("getex", -2, Keys::FIRST, write::getex).access(Access::CHANGE).flag(Flags::LEAN)
            .fast()
            .doc("Returns the string value of a key after setting its expiration time.", "6.2.0", "O(1)"),
        read("getrange", 4, Keys::FIRST, read::getrange)
            .doc("Returns a substring of the string stored at a key.", "2.4.0", "O(N) where N is the length of the returned string"),
        write("getset", 3, Keys::FIRST, write::getset).access(Access::CHANGE)
            .fast()
            .doc("Returns the previous string value of a key after setting it to a new value.", "1.0.0", "O(1)"),
        write("incr", 2, Keys::FIRST, count::incr).access(Access::CHANGE)
            .fast()
            .doc("Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", "1.0.0", "O(1)"),
        write("incrby", 3, Keys::FIRST, count::incrby).access(Access::CHANGE)
            .fast()
            .doc("Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.", "1.0.0", "O(1)"),
        write("incrbyfloat", 3, Keys::FIRST, count::incrbyfloat).access(Access::CHANGE)
            .fast()
            .doc("Increments the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.", "2.6.0", "O(1)"),
        write("increx", -2, Keys::FIRST, increx::increx).access(Access::CHANGE)
            .fast()
            .doc("Increments the numeric value of a key by a number and sets its expiration time. Uses 0 as initial value if the key doesn't exist.", "8.8.0", "O(1)"),
        read("lcs", -3, Keys::PAIR, read::lcs)
            .slow()
            .doc("Finds the longest common substring.", "7.0.0", "O(N*M) where N and M are the lengths of the strings"),
        read("mget", -2, Keys::REST, read::mget)
            .fast()
            .doc("Atomically returns the string values of one or more keys.", "1.0.0", "O(N) where N is the number of keys"),
        write("mset", -3, Keys::EVERY_OTHER, write::mset).access(Access::OVERWRITE)
            .doc("Atomically creates or modifies the string values of one or more keys.", "1.0.1", "O(N) where N is the number of keys"),
        write("msetex", -4, Keys::CountedPairs { at: 1 }, write::msetex).access(Access::OVERWRITE)
            .doc("Atomically sets multiple string keys with a shared expiration in a single operation.", "8.4.0", "O(N) where N is the number of keys to set."),
        write("msetnx", -3, Keys::EVERY_OTHER, write::msetnx).access(Access::CREATE)
            .doc("Atomically modifies the string values of one or more keys only when all keys don't exist.", "1.0.1", "O(N) where N is the number of keys"),
        write("psetex", 4, Keys::FIRST, write::psetex).access(Access::OVERWRITE)
            .doc("Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.", "2.6.0", "O(1)"),
        write("set", -3, Keys::FIRST, write::set).access(Access::SET)
            .doc("Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.", "1.0.0", "O(1)"),
        write("setex", 4, Keys::FIRST, write::setex).access(Access::OVERWRITE)
            .doc("Sets the string value and expiration time of a key. Creates the key if it doesn't exist.", "2.0.0", "O(1)"),
        write("setnx", 3, Keys::FIRST, write::setnx).access(Access::CREATE)
            .fast()
            .doc("Set the string value of a key only when the key doesn't exist.", "1.0.0", "O(1)"),
        write("setrange", 4, Keys::FIRST, write::setrange)
            .doc("Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.", "2.2.0", "O(1), or O(M) where M is the length of the value"),
        read("strlen", 2, Keys::FIRST, read::strlen).access(Access::LOOK)
            .fast()
            .doc("Returns the length of a string value.", "2.2.0", "O(1)"),
        read("substr", 4, Keys::FIRST, read::getrange)
            .doc("Returns a substring from a string value.", "1.0.0", "O(N) where N is the length of the returned string"),
];

/// The longest string that has an offset for each of its bits, in bytes.
pub(crate) const STRING_BYTES_MAX: u64 = 512 << 20;

/// A string that is there: its row, for what is to be kept of it, and its contents.
pub(crate) struct Found {
    pub(crate) meta: Meta,
    pub(crate) contents: Bytes,
}

/// The string at a key, whole; `None` if there is no such key.
pub(crate) fn load(reads: &dyn Reads, call: &Call<'_>, name: &[u8]) -> Result<Option<Found>> {
    call.load(reads, name)?.map(|meta| whole(reads, call, meta)).transpose()
}

/// The string at a key that is to be a number. One in chunks is too long for that: it is not read, and nothing is in its
/// place, which is no number either.
pub(crate) fn load_number(reads: &dyn Reads, call: &Call<'_>, name: &[u8]) -> Result<Option<Found>> {
    match call.load(reads, name)? {
        Some(meta) if meta.kind == Type::String && meta.owner().is_some() => {
            Ok(Some(Found { contents: Bytes::new(), meta }))
        }
        found => found.map(|meta| whole(reads, call, meta)).transpose(),
    }
}

/// A loaded key as a string, whole.
pub(crate) fn whole(reads: &dyn Reads, call: &Call<'_>, meta: Meta) -> Result<Found> {
    if let (Type::String, Body::Inline(contents)) = (&meta.kind, &meta.body) {
        return Ok(Found { contents: contents.clone(), meta });
    }
    let contents = Contents::from_meta(call.space, &[], meta.clone())?;
    Ok(Found { contents: read_part(reads, call, &contents, 0..contents.len())?, meta })
}

/// The string at a key, of which parts can be read and changed; `None` if there is no such key.
pub(crate) fn open<'a>(reads: &dyn Reads, call: &Call<'_>, name: &'a [u8]) -> Result<Option<Contents<'a>>> {
    let meta = call.load(reads, name)?;
    Ok(meta.map(|meta| Contents::from_meta(call.space, name, meta)).transpose()?)
}

/// The same, or a new one.
pub(crate) fn open_or_new<'a>(reads: &dyn Reads, call: &Call<'_>, name: &'a [u8]) -> Result<Contents<'a>> {
    Ok(open(reads, call, name)?.unwrap_or_else(|| Contents::new(call.space, name)))
}

/// Several strings, in the order asked; those that are not there are new ones.
pub(crate) fn open_many<'a>(
    reads: &dyn Reads,
    call: &Call<'_>,
    names: &[&'a [u8]],
) -> Result<Vec<Contents<'a>>> {
    let found = call.load_many(reads, names)?.into_iter().zip(names);
    let open = |(meta, &name): (Option<Meta>, &&'a [u8])| match meta {
        Some(meta) => Contents::from_meta(call.space, name, meta),
        None => Ok(Contents::new(call.space, name)),
    };
    Ok(found.map(open).collect::<keyspace::Result<_>>()?)
}

/// A part of a string, if there is memory for so much. A string can be longer than that: it may have grown by parts.
pub(crate) fn read_part(
    reads: &dyn Reads,
    call: &Call<'_>,
    contents: &Contents<'_>,
    range: Range<u64>,
) -> Result<Bytes> {
    let is_at_hand = contents.in_row().is_some();
    if !is_at_hand && range.end.saturating_sub(range.start) > call.instance.value_bytes_max() {
        return Err(Error::OverBudget);
    }
    Ok(contents.read(reads, range)?)
}

/// A row with other contents and the same deadline; a string that never expires where there was none.
pub(crate) fn with_contents(old: Option<&Found>, contents: impl Into<Bytes>) -> Meta {
    let contents = contents.into();
    match old {
        Some(old) => Meta { body: Body::Inline(contents), ..old.meta.clone() },
        None => Meta::string(contents, None),
    }
}

/// Refuses a string that would be too long.
pub(crate) fn check_length(call: &Call<'_>, len: u64) -> Result {
    if len > STRING_BYTES_MAX.min(call.instance.parameters.bulk_bytes_max()) {
        return Err(Error::text("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    Ok(())
}
