//! DEBUG: what tests need.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;

use super::super::command::{Access, Call, Command, Flags, Keys, read, session};
use super::super::error::{Error, Result};
use super::super::keyspace::{self, Meta, Space, lock_key};
use super::super::protocol::reply::{Protocol, Reply};
use super::super::session::Session;
use super::super::{dump, glob, keys, number};
use crate::codec::digest::digest;
use crate::store::{Reads, Tier};

const NO_SUCH_THING: &str = "Accepted: there is no such thing here.";

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    session("debug|change-repl-id", 2, accept).flag(Flags::ADMIN).doc(NO_SUCH_THING, "1.0.0", "O(1)"),
    read("debug|digest", 2, Keys::None, digest_all).slow().flag(Flags::ADMIN).doc(
        "Tells a digest of all keys and values, the same for the same contents.",
        "1.0.0",
        "O(N)",
    ),
    read("debug|digest-value", -2, Keys::Range { first: 2, last: -1, step: 1 }, digest_value)
        .access(Access::LOOK)
        .slow()
        .flag(Flags::ADMIN)
        .doc("Tells a digest of each value, the same for the same contents.", "1.0.0", "O(N)"),
    session("debug|flush", 2, flush).slow().flag(Flags::ADMIN).doc(
        "Writes the memtables to tables.",
        "1.0.0",
        "O(N)",
    ),
    session("debug|jmap", 2, accept).flag(Flags::ADMIN).doc(NO_SUCH_THING, "1.0.0", "O(1)"),
    session("debug|loadaof", 2, sync).slow().flag(Flags::ADMIN).doc(
        "Waits until all writes so far are on disk. There is nothing to load: what is read is what is there.",
        "1.0.0",
        "O(1)",
    ),
    session("debug|log", 3, log).flag(Flags::ADMIN).doc("Writes a line to the log.", "7.0.0", "O(1)"),
    read("debug|object", 3, Keys::SECOND, object).access(Access::LOOK).slow().flag(Flags::ADMIN).doc(
        "Tells about the value of a key, in Redis's words.",
        "1.0.0",
        "O(N)",
    ),
    session("debug|panic", 2, panic).flag(Flags::ADMIN).doc(
        "Panics, which ends this connection and no other.",
        "1.0.0",
        "O(1)",
    ),
    session("debug|pause-cron", 3, accept).flag(Flags::ADMIN).doc(NO_SUCH_THING, "7.0.0", "O(1)"),
    session("debug|protocol", 3, protocol).flag(Flags::ADMIN).doc(
        "Answers with a reply of this type.",
        "6.0.0",
        "O(1)",
    ),
    session("debug|quicklist-packed-threshold", 3, accept).flag(Flags::ADMIN).doc(
        NO_SUCH_THING,
        "7.0.0",
        "O(1)",
    ),
    session("debug|reload", -2, reload).slow().flag(Flags::ADMIN).doc(
        "Waits until all writes so far are on disk, and tells whether they could be loaded over what is there.",
        "1.0.0",
        "O(1)",
    ),
    session("debug|replybuffer", 4, accept).flag(Flags::ADMIN).doc(NO_SUCH_THING, "7.0.0", "O(1)"),
    session("debug|set-active-expire", 3, set_active_expire).flag(Flags::ADMIN).doc(
        "Says whether keys that are due are removed before somebody asks for them. Nobody sees them in any case.",
        "1.0.0",
        "O(1)",
    ),
    session("debug|set-disable-deny-scripts", 3, set_disable_deny_scripts).flag(Flags::ADMIN).doc(
        "Says whether scripts may call all commands.",
        "7.0.0",
        "O(1)",
    ),
    session("debug|sleep", 3, sleep).slow().flag(Flags::ADMIN).doc(
        "Holds up this connection for so many seconds.",
        "1.0.0",
        "O(1)",
    ),
    session("debug|stringmatch-len", 4, stringmatch_len).slow().flag(Flags::ADMIN).doc(
        "Tells whether so many letters match a pattern.",
        "7.0.0",
        "O(N)",
    ),
];

fn sleep(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    const SECONDS_MAX: f64 = 3600.0;
    let seconds = number::parse_f64(call.get(2)).filter(|s| (0.0..=SECONDS_MAX).contains(s));
    let seconds = seconds.ok_or(Error::NotAFloat)?;
    let (lock, condvar) = (parking_lot::Mutex::new(()), parking_lot::Condvar::new());
    // Nobody notifies it.
    condvar.wait_for(&mut lock.lock(), std::time::Duration::from_secs_f64(seconds));
    reply.ok();
    Ok(())
}

fn accept(_: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    reply.ok();
    Ok(())
}

fn set_active_expire(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    call.instance.keyspace().set_active_expiry(call.int(2)? != 0);
    reply.ok();
    Ok(())
}

fn set_disable_deny_scripts(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    call.instance.scripting.denies_nothing.store(call.int(2)? != 0, Relaxed);
    reply.ok();
    Ok(())
}

fn log(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    tracing::info!(text = &*call.text(2), "DEBUG LOG");
    reply.ok();
    Ok(())
}

fn panic(session: &mut Session, _: &Call<'_>, _: &mut Reply) -> Result {
    std::panic::panic_any(format!("asked to by client {}", session.client.id))
}

fn flush(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    call.instance.store().db().flush()?;
    reply.ok();
    Ok(())
}

fn sync(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    call.instance.store().db().sync()?;
    reply.ok();
    Ok(())
}

/// `DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]`
///
/// What would be loaded is what is there already, so that only this depends on the options: NOFLUSH leaves all in its
/// place, on top of which nothing can be loaded again, unless MERGE lets it replace itself.
fn reload(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (mut merges, mut flushes) = (false, true);
    for option in call.from(2) {
        match &option.to_ascii_lowercase()[..] {
            b"merge" => merges = true,
            b"noflush" => flushes = false,
            b"nosave" => {}
            _ => {
                return Err(Error::text(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    call.instance.store().db().sync()?;
    if !flushes && !merges && is_anything_there(call)? {
        return Err(Error::text("ERR Error trying to load the RDB dump, check server logs."));
    }
    reply.ok();
    Ok(())
}

/// Whether there is a key or a library.
fn is_anything_there(call: &Call<'_>) -> Result<bool> {
    let (libraries, ..) = call.instance.scripting.libraries.size();
    let databases = call.instance.keyspace().databases();
    let view = call.instance.store().view_newest(Tier::Disk);
    for database in 0..databases.count() {
        if keyspace::Databases::size(call.instance.store(), databases.space(&view, database)?).keys > 0 {
            return Ok(true);
        }
    }
    Ok(libraries > 0)
}

fn stringmatch_len(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    const LETTERS_MAX: i64 = 1 << 20;
    let len = call.int(2)?.clamp(0, LETTERS_MAX);
    let text = vec![b'a'; usize::try_from(len).unwrap_or_default()];
    reply.int(glob::matches(call.get(3), &text).into());
    Ok(())
}

/// `DEBUG OBJECT key`
fn object(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(2);
    let Some(meta) = keyspace::load_even_due(reads, call.space, name)? else { return Err(Error::NoSuchKey) };
    // Addresses are compared, to see whether a value was changed in its place: here it is, always.
    let place = lock_key(call.space.database, name).0;
    let encoding = keys::encoding(reads, call, &meta)?;
    let refcount = keys::refcount(&meta);
    let idle_s = keys::idle_s(call, name);
    let most = usize::try_from(call.instance.value_bytes_max()).unwrap_or(usize::MAX);
    let serialized = dump::payload(reads, call.space, name, meta, most)?.len();
    reply.simple(&format!(
        "Value at:{place:#x} refcount:{refcount} encoding:{encoding} serializedlength:{serialized} lru:0 \
         lru_seconds_idle:{idle_s}"
    ));
    Ok(())
}

/// 40 digits.
fn show(sum: u128) -> String {
    format!("{sum:040x}")
}

fn digest_of(reads: &dyn Reads, call: &Call<'_>, space: Space, name: &[u8], meta: Meta) -> Result<u128> {
    let most = usize::try_from(call.instance.value_bytes_max()).unwrap_or(usize::MAX);
    Ok(u128::from_le_bytes(digest(&dump::payload(reads, space, name, meta, most)?)))
}

/// `DEBUG DIGEST-VALUE key [key ...]`
fn digest_value(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.array(call.len() - 2);
    for name in call.from(2) {
        let meta = keyspace::load(reads, call.space, name)?;
        let sum = meta.map_or(Ok(0), |meta| digest_of(reads, call, call.space, name, meta))?;
        reply.simple(&show(sum));
    }
    Ok(())
}

/// `DEBUG DIGEST`: of the keys of all databases, in whatever order.
fn digest_all(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    const KEYS_AT_ONCE: usize = 256;
    let databases = call.instance.keyspace().databases();
    let mut sum = 0;
    for database in 0..databases.count() {
        let space = databases.space(reads, database)?;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let mut names: Vec<Vec<u8>> = Vec::new();
            after = keyspace::walk(reads, space, b"", after.as_deref(), KEYS_AT_ONCE, &mut |met| {
                names.push(met.name.to_vec());
                ControlFlow::Continue(())
            })?;
            for name in names {
                let Some(meta) = keyspace::load(reads, space, &name)? else { continue };
                let expires = u8::from(meta.deadline_ms.is_some());
                let value = digest_of(reads, call, space, &name, meta)?;
                let key = [&database.to_le_bytes()[..], &[expires], &value.to_le_bytes(), &name].concat();
                sum ^= u128::from_le_bytes(digest(&key));
            }
            if after.is_none() {
                break;
            }
        }
    }
    reply.simple(&show(sum));
    Ok(())
}

/// `DEBUG PROTOCOL type`
#[expect(clippy::approx_constant, reason = "the double that Redis answers")]
fn protocol(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let resp3 = reply.protocol() == Protocol::Resp3;
    match &call.get(2).to_ascii_lowercase()[..] {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double(3.141),
        b"bignum" => reply.big_number(b"1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"map" => {
            reply.map(3);
            for n in 0..3 {
                reply.int(n);
                reply.boolean(n == 1);
            }
        }
        b"attrib" => {
            if resp3 {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if resp3 => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"push" => return Err(Error::text("ERR RESP2 is not supported by this command")),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"verbatim" => reply.verbatim("This is a verbatim\nstring"),
        _ => {
            return Err(Error::text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
