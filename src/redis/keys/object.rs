//! OBJECT: what Redis tells of a value's place in memory, answered for one on disk.

use std::ops::{Bound, ControlFlow};

use crate::redis::command::{Access, Call, Command, Keys, read, session};
use crate::redis::error::{Error, Result};
use crate::redis::keyspace::{Body, COUNTED, Collection, Meta, Type, lock_key};
use crate::redis::number;
use crate::redis::protocol::reply::Reply;
use crate::redis::recency::{Use, second};
use crate::redis::session::Session;
use crate::store::Reads;

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    read("object|encoding", 3, Keys::SECOND, tell_encoding).access(Access::LOOK).doc(
        "Returns the internal encoding of a value.",
        "2.2.3",
        "O(1)",
    ),
    read("object|freq", 3, Keys::SECOND, freq).access(Access::LOOK).doc(
        "Returns the logarithmic access frequency counter of a key.",
        "4.0.0",
        "O(1)",
    ),
    session("object|help", 2, help).doc(
        "Returns helpful text about the different subcommands.",
        "6.2.0",
        "O(1)",
    ),
    read("object|idletime", 3, Keys::SECOND, idletime).access(Access::LOOK).doc(
        "Returns the time since the last access to a value.",
        "2.2.3",
        "O(1)",
    ),
    read("object|refcount", 3, Keys::SECOND, tell_refcount).access(Access::LOOK).doc(
        "Returns the reference count of a value.",
        "2.2.3",
        "O(1)",
    ),
];

fn found(reads: &dyn Reads, call: &Call<'_>) -> Result<Option<Meta>> {
    call.load(reads, call.get(2))
}

/// The name that Redis has for what a value of this type and size would be there.
pub(crate) fn encoding(reads: &dyn Reads, call: &Call<'_>, meta: &Meta) -> Result<&'static str> {
    // Redis keeps a string of up to so many bytes in one allocation with its object.
    const EMBEDDED_BYTES_MAX: usize = 44;
    Ok(match (meta.kind, &meta.body) {
        (Type::String, Body::Inline(contents)) if number::parse_i64(contents).is_some() => "int",
        (Type::String, Body::Inline(contents)) if contents.len() <= EMBEDDED_BYTES_MAX => "embstr",
        (Type::String, _) => "raw",
        (Type::Stream, _) => "stream",
        (Type::Set, _) => set_encoding(reads, &Collection::from_meta(call.space, &[], meta.clone())?)?,
        (_, Body::Inline(_)) => "listpack",
        (Type::List, _) => "quicklist",
        (Type::SortedSet, _) => "skiplist",
        (Type::Hash, _) => "hashtable",
    })
}

/// By Redis's default limits, from what the set holds now.
fn set_encoding(reads: &dyn Reads, set: &Collection) -> Result<&'static str> {
    const INTEGERS_MAX: u64 = 512;
    const MEMBERS_MAX: u64 = 128;
    const MEMBER_BYTES_MAX: usize = 64;
    let len = set.len(reads)?;
    if len > INTEGERS_MAX {
        return Ok("hashtable");
    }
    let (mut are_integers, mut are_short) = (true, len <= MEMBERS_MAX);
    set.each(reads, COUNTED, Bound::Unbounded, Bound::Unbounded, false, &mut |member, _| {
        are_integers = are_integers && number::parse_i64(member).is_some();
        are_short = are_short && member.len() <= MEMBER_BYTES_MAX;
        if are_integers || are_short { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(match (are_integers, are_short) {
        (true, _) => "intset",
        (false, true) => "listpack",
        (false, false) => "hashtable",
    })
}

/// How many refer to a value: Redis has small integers once for all, and says that they are many.
pub(crate) fn refcount(meta: &Meta) -> i64 {
    const SHARED: i64 = 10_000;
    match (meta.kind, &meta.body) {
        (Type::String, Body::Inline(contents))
            if number::parse_i64(contents).is_some_and(|n| (0..SHARED).contains(&n)) =>
        {
            i32::MAX.into()
        }
        _ => 1,
    }
}

fn now_s(call: &Call<'_>) -> u32 {
    second(call.instance.clock().monotonic_ns())
}

/// For how many seconds a key was not used. One of which nothing is known was not since the start.
pub(crate) fn idle_s(call: &Call<'_>, name: &[u8]) -> u32 {
    match call.instance.recency.of(lock_key(call.space.database, name)) {
        Some(used) => now_s(call).saturating_sub(used.at_s),
        None => (call.instance.clock().now_ms().saturating_sub(call.instance.started_ms) / 1000) as u32,
    }
}

/// Says how a key was used: RESTORE.
pub(crate) fn set_use(call: &Call<'_>, name: &[u8], idle_s: i64, frequency: Option<u8>) {
    let idle_s = u32::try_from(idle_s).unwrap_or(u32::MAX);
    let used = Use { at_s: now_s(call).saturating_sub(idle_s), frequency: frequency.unwrap_or_default() };
    call.instance.recency.set(lock_key(call.space.database, name), used);
}

/// `OBJECT ENCODING key`
fn tell_encoding(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    match found(reads, call)? {
        Some(meta) => reply.bulk(encoding(reads, call, &meta)?.as_bytes()),
        None => reply.null(),
    }
    Ok(())
}

/// `OBJECT FREQ key`
fn freq(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Some(_) = found(reads, call)? else {
        reply.null();
        return Ok(());
    };
    if !call.instance.parameters.counts_uses() {
        return Err(Error::text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    let used = call.instance.recency.of(lock_key(call.space.database, call.get(2)));
    reply.int(used.map_or(0, |used| used.frequency.into()));
    Ok(())
}

/// `OBJECT IDLETIME key`
fn idletime(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Some(_) = found(reads, call)? else {
        reply.null();
        return Ok(());
    };
    if call.instance.parameters.counts_uses() {
        return Err(Error::text(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    reply.int(idle_s(call, call.get(2)).into());
    Ok(())
}

/// `OBJECT REFCOUNT key`
fn tell_refcount(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    match found(reads, call)? {
        Some(meta) => reply.int(refcount(&meta)),
        None => reply.null(),
    }
    Ok(())
}

/// `OBJECT HELP`
#[expect(clippy::unnecessary_wraps, reason = "the signature of a command")]
fn help(_session: &mut Session, _call: &Call<'_>, reply: &mut Reply) -> Result {
    let lines = [
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>.",
        "HELP",
        "    Print this help.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified <key>.",
    ];
    reply.array(lines.len());
    for line in lines {
        reply.simple(line);
    }
    Ok(())
}
