//! SCRIPT: the cache of scripts, and the end of one that runs.

use super::super::command::{Call, Command, Flags, session};
use super::super::error::{Error, Result};
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::eval::compiled;
use super::interpreter::interpreter;

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    session("script|debug", 3, debug).flag(Flags::NO_SCRIPT).doc(
        "Sets the debug mode of server-side Lua scripts.",
        "3.2.0",
        "O(1)",
    ),
    session("script|exists", -3, exists).flag(Flags::NO_SCRIPT).doc(
        "Determines whether server-side Lua scripts exist in the script cache.",
        "2.6.0",
        "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
    ),
    session("script|flush", -2, flush).flag(Flags::NO_SCRIPT).doc(
        "Removes all server-side Lua scripts from the script cache.",
        "2.6.0",
        "O(N) with N being the number of scripts in cache",
    ),
    session("script|kill", 2, kill).flag(Flags::ALLOW_BUSY).flag(Flags::NO_SCRIPT).doc(
        "Terminates a server-side Lua script during execution.",
        "2.6.0",
        "O(1)",
    ),
    session("script|load", 3, load).flag(Flags::NO_SCRIPT).doc(
        "Loads a server-side Lua script to the script cache.",
        "2.6.0",
        "O(N) with N being the length in bytes of the script body.",
    ),
];

fn debug(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.is(2, "no") {
        reply.ok();
        return Ok(());
    }
    Err(Error::text(if call.is(2, "yes") || call.is(2, "sync") {
        "ERR the debugger of scripts is not supported"
    } else {
        "ERR Use SCRIPT DEBUG YES/SYNC/NO"
    }))
}

fn exists(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.array(call.len() - 2);
    for sha in call.from(2) {
        let sha = String::from_utf8_lossy(sha).to_ascii_lowercase();
        reply.int(i64::from(call.instance.scripting.cache.get(&sha).is_some()));
    }
    Ok(())
}

fn flush(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() > 3 || (call.len() == 3 && !call.is(2, "sync") && !call.is(2, "async")) {
        return Err(Error::text("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    call.instance.scripting.cache.clear();
    reply.ok();
    Ok(())
}

fn kill(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    call.instance.scripting.running.kill(true)?;
    reply.ok();
    Ok(())
}

fn load(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let interpreter = interpreter(call.instance.config().memory)?;
    let compiled = compiled(&interpreter, call, call.get(2))?;
    reply.bulk(compiled.script.sha.as_bytes());
    Ok(())
}
