//! Functions: libraries of them, kept on disk, and FCALL.

mod dump;
mod libraries;
mod library;
mod load;

pub(crate) use libraries::Libraries;
pub(super) use load::register;

use std::sync::Arc;

use super::super::command::{Call, Command, Flags, Keys, read, session, write};
use super::super::error::{Error, Result};
use super::super::glob;
use super::super::keyspace::lock_key;
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::eval::{Ran, What, count_function_keys};
use super::interpreter::interpreter;
use crate::store::{LockSet, Reads, Txn};
use libraries::Set;

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    write("function|delete", 3, Keys::None, delete).flag(Flags::NO_SCRIPT).flag(Flags::LEAN).locks(lock).doc(
        "Deletes a library and its functions.",
        "7.0.0",
        "O(1)",
    ),
    read("function|dump", 2, Keys::None, dump::dump).flag(Flags::NO_SCRIPT).doc(
        "Dumps all libraries into a serialized binary payload.",
        "7.0.0",
        "O(N) where N is the number of functions",
    ),
    write("function|flush", -2, Keys::None, flush).flag(Flags::NO_SCRIPT).flag(Flags::LEAN).locks(lock).doc(
        "Deletes all libraries and functions.",
        "7.0.0",
        "O(N) where N is the number of functions deleted",
    ),
    session("function|kill", 2, kill).flag(Flags::ALLOW_BUSY).flag(Flags::NO_SCRIPT).doc(
        "Terminates a function during execution.",
        "7.0.0",
        "O(1)",
    ),
    read("function|list", -2, Keys::None, list).flag(Flags::NO_SCRIPT).doc(
        "Returns information about all libraries.",
        "7.0.0",
        "O(N) where N is the number of functions",
    ),
    write("function|load", -3, Keys::None, load::load).flag(Flags::NO_SCRIPT).locks(lock).slow().doc(
        "Creates a library.",
        "7.0.0",
        "O(1) (considering compilation time is redundant)",
    ),
    write("function|restore", -3, Keys::None, dump::restore).flag(Flags::NO_SCRIPT).locks(lock).slow().doc(
        "Restores all libraries from a payload.",
        "7.0.0",
        "O(N) where N is the number of functions on the payload",
    ),
    read("function|stats", 2, Keys::None, stats).flag(Flags::ALLOW_BUSY).flag(Flags::NO_SCRIPT).doc(
        "Returns information about a function during execution.",
        "7.0.0",
        "O(1)",
    ),
];

/// Whoever changes libraries does so alone.
fn lock(_: &super::super::args::Args<'_>, set: &mut LockSet) {
    set.exclusive(lock_key(u16::MAX, b"functions"));
}

/// What Redis says to more words than a subcommand takes.
fn too_many(call: &Call<'_>) -> Error {
    Error::text(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try FUNCTION HELP.",
        call.text(1)
    ))
}

/// FCALL and FCALL_RO.
pub(super) fn fcall(session: &mut Session, txn: Txn, call: &Call<'_>, reply: &mut Reply) -> Ran {
    let prepare = || {
        let set = call.instance.scripting.libraries.seen(&txn)?;
        let Some((library, at)) = set.function(call.get(1)) else {
            return Err(Error::text("ERR Function not found"));
        };
        let keys = count_function_keys(call)?;
        let interpreter = interpreter(call.instance.config().memory)?;
        let functions = load::loaded(&interpreter, call.instance, &library, &set)?;
        Ok((library, at, keys, interpreter, functions))
    };
    let (library, at, keys, interpreter, functions) = match prepare() {
        Ok(prepared) => prepared,
        Err(error) => return (Some(txn), Err(error)),
    };
    let info = &library.functions[at];
    let Some(callback) = functions.get(&info.name) else {
        return (Some(txn), Err(Error::text("ERR Function not found")));
    };
    let name = String::from_utf8_lossy(&info.name);
    let what = What { name: &name, flags: Some(info.flags), habits: &info.habits, is_eval: false };
    what.run(session, &interpreter, txn, call, reply, |run, settle| {
        interpreter.call(run, callback, call.args, keys, settle)
    })
}

fn delete(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let libraries = &call.instance.scripting.libraries;
    let mut set = Set::clone(&*libraries.seen(txn)?);
    if set.remove(call.get(2)).is_none() {
        return Err(Error::text("ERR Library not found"));
    }
    libraries.stage(txn, set)?;
    reply.ok();
    Ok(())
}

fn flush(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() > 3 {
        return Err(too_many(call));
    }
    if call.len() == 3 && !call.is(2, "sync") && !call.is(2, "async") {
        return Err(Error::text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    call.instance.scripting.libraries.stage(txn, Set::default())?;
    reply.ok();
    Ok(())
}

fn kill(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    call.instance.scripting.running.kill(false)?;
    reply.ok();
    Ok(())
}

fn list(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (mut pattern, mut with_code) = (None, false);
    let mut walk = call.walk(2);
    while !walk.is_done() {
        if !with_code && walk.accept("WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && walk.accept("LIBRARYNAME") {
            let given = walk.next();
            pattern = Some(given.ok_or_else(|| Error::text("ERR library name argument was not given"))?);
        } else {
            let unknown = String::from_utf8_lossy(walk.word()?).into_owned();
            return Err(Error::text(format!("ERR Unknown argument {unknown}")));
        }
    }
    let pattern = pattern.map(<[u8]>::to_ascii_lowercase);
    let fits = |name: &[u8]| {
        pattern.as_ref().is_none_or(|pattern| glob::matches(pattern, &name.to_ascii_lowercase()))
    };
    let set = call.instance.scripting.libraries.seen(reads)?;
    let found: Vec<_> = set.all().filter(|library| fits(&library.name)).collect();
    reply.array(found.len());
    for library in found {
        reply.map(3 + usize::from(with_code));
        reply.bulk(b"library_name");
        reply.bulk(&library.name);
        reply.bulk(b"engine");
        reply.bulk(b"LUA");
        reply.bulk(b"functions");
        reply.array(library.functions.len());
        for function in &library.functions {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(&function.name);
            reply.bulk(b"description");
            reply.bulk_or_null(function.description.as_deref());
            reply.bulk(b"flags");
            reply.set(function.flags.names().count());
            for flag in function.flags.names() {
                reply.simple(flag);
            }
        }
        if with_code {
            reply.bulk(b"library_code");
            reply.bulk(&library.code);
        }
    }
    Ok(())
}

fn stats(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let set = call.instance.scripting.libraries.seen(reads)?;
    reply.map(2);
    reply.bulk(b"running_script");
    match call.instance.scripting.running.function() {
        None => reply.null(),
        Some(running) => {
            let ns = call.instance.clock().monotonic_ns().saturating_sub(running.since_ns);
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(running.name.as_bytes());
            reply.bulk(b"command");
            reply.array(running.words.len());
            for word in &running.words {
                reply.bulk(word);
            }
            reply.bulk(b"duration_ms");
            reply.int((ns / 1_000_000) as i64);
        }
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.count(set.all().count());
    reply.bulk(b"functions_count");
    reply.count(set.all().map(|library: &Arc<_>| library.functions.len()).sum());
    Ok(())
}
