//! CLIENT, but for KILL.

use std::sync::atomic::Ordering::Relaxed;

use super::super::command::{Call, Command, Flags, session};
use super::super::error::{Error, Result};
use super::super::number;
use super::super::protocol::reply::Reply;
use super::super::session::{ReplyMode, Session};
use super::super::tracking;
use super::kill;
use crate::store::LockSet;

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    session("client|caching", 3, tracking::caching).flag(Flags::NO_SCRIPT).doc(
        "Instructs the server whether to track the keys in the next request.",
        "6.0.0",
        "O(1)",
    ),
    session("client|getname", 2, getname).flag(Flags::NO_SCRIPT).doc(
        "Returns the name of the connection.",
        "2.6.9",
        "O(1)",
    ),
    session("client|getredir", 2, tracking::getredir).flag(Flags::NO_SCRIPT).doc(
        "Returns the client ID to which the connection's tracking notifications are redirected.",
        "6.0.0",
        "O(1)",
    ),
    session("client|id", 2, id).flag(Flags::NO_SCRIPT).doc(
        "Returns the unique client ID of the connection.",
        "5.0.0",
        "O(1)",
    ),
    session("client|info", 2, info).flag(Flags::NO_SCRIPT).doc(
        "Returns information about the connection.",
        "6.2.0",
        "O(1)",
    ),
    session("client|kill", -3, kill::kill).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Terminates open connections.",
        "2.4.0",
        "O(N) where N is the number of client connections",
    ),
    session("client|list", -2, list).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Lists open connections.",
        "2.4.0",
        "O(N) where N is the number of client connections",
    ),
    session("client|no-evict", 3, no_evict).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Sets the client eviction mode of the connection.",
        "7.0.0",
        "O(1)",
    ),
    session("client|no-touch", 3, no_touch).flag(Flags::NO_SCRIPT).doc(
        "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
        "7.2.0",
        "O(1)",
    ),
    session("client|pause", -3, pause).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Suspends commands processing.",
        "3.0.0",
        "O(1)",
    ),
    session("client|reply", 3, reply_mode).flag(Flags::NO_SCRIPT).doc(
        "Instructs the server whether to reply to commands.",
        "3.2.0",
        "O(1)",
    ),
    session("client|setinfo", 4, setinfo).flag(Flags::NO_SCRIPT).doc(
        "Sets information specific to the client or connection.",
        "7.2.0",
        "O(1)",
    ),
    session("client|setname", 3, setname).flag(Flags::NO_SCRIPT).doc(
        "Sets the connection name.",
        "2.6.9",
        "O(1)",
    ),
    // It waits for those who have locks; in EXEC it has them all.
    session("client|tracking", -3, tracking::tracking)
        .slow()
        .locks(|_, set| *set = LockSet::all())
        .flag(Flags::NO_SCRIPT)
        .doc(
            "Controls server-assisted client-side caching for the connection.",
            "6.0.0",
            "O(1). Some options may introduce additional complexity.",
        ),
    session("client|trackinginfo", 2, tracking::trackinginfo).flag(Flags::NO_SCRIPT).doc(
        "Returns information about server-assisted client-side caching for the connection.",
        "6.2.0",
        "O(1)",
    ),
    session("client|txn", 4, txn).flag(Flags::NO_SCRIPT).doc(
        "Controls whether an error inside EXEC undoes the whole transaction.",
        "7.2.0",
        "O(1)",
    ),
    session("client|unblock", -3, unblock).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Unblocks a client blocked by a blocking command from a different connection.",
        "5.0.0",
        "O(log N) where N is the number of client connections",
    ),
    session("client|unpause", 2, unpause).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Resumes processing commands from paused clients.",
        "6.2.0",
        "O(N) Where N is the number of paused clients",
    ),
];

/// A name that breaks neither CLIENT LIST's lines nor its fields.
pub(super) fn valid_name(name: &[u8]) -> Result<String> {
    if name.iter().all(|c| (b'!'..=b'~').contains(c)) {
        return Ok(String::from_utf8_lossy(name).into_owned());
    }
    Err(Error::text("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn id(session: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    reply.int(session.client.id as i64);
    Ok(())
}

fn getname(session: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    let name = session.client.names.lock().name.clone();
    reply.bulk_or_null(Some(name.as_bytes()).filter(|name| !name.is_empty()));
    Ok(())
}

fn setname(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    session.client.names.lock().name = valid_name(call.get(2))?;
    reply.ok();
    Ok(())
}

fn setinfo(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let value = call.get(3);
    let valid = value.iter().all(|c| (b'!'..=b'~').contains(c));
    let refused = |what: &str| {
        Err(Error::text(format!("ERR {what} cannot contain spaces, newlines or special characters.")))
    };
    let text = String::from_utf8_lossy(value).into_owned();
    if call.is(2, "lib-name") {
        if !valid {
            return refused("lib-name");
        }
        session.client.names.lock().library = text;
    } else if call.is(2, "lib-ver") {
        if !valid {
            return refused("lib-ver");
        }
        session.client.names.lock().library_version = text;
    } else {
        return Err(Error::text(format!("ERR Unrecognized option '{}'", call.text(2))));
    }
    reply.ok();
    Ok(())
}

fn info(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.verbatim(&format!("{}\n", session.client.line(call.instance.store().now_ms())));
    Ok(())
}

fn list(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut ids: Option<Vec<i64>> = None;
    let mut wanted = None;
    let mut walk = call.walk(2);
    if walk.accept("TYPE") {
        wanted = Some(kill::kind(walk.word()?)?);
        if !walk.is_done() {
            return Err(Error::Syntax);
        }
    } else if walk.accept("ID") {
        let wanted = walk
            .map(|word| number::parse_i64(word).ok_or_else(|| Error::text("ERR Invalid client ID")))
            .collect::<Result<Vec<_>>>()?;
        if wanted.is_empty() {
            return Err(Error::Syntax);
        }
        ids = Some(wanted);
    } else if !walk.is_done() {
        return Err(Error::Syntax);
    }
    let now_ms = call.instance.store().now_ms();
    let mut lines = String::new();
    for client in call.instance.clients.all() {
        let fits = wanted.is_none_or(|kind| kind.fits(&client));
        if fits && ids.as_ref().is_none_or(|ids| ids.contains(&(client.id as i64))) {
            lines.push_str(&client.line(now_ms));
            lines.push('\n');
        }
    }
    reply.verbatim(&lines);
    Ok(())
}

fn on_off(call: &Call<'_>) -> Result<bool> {
    match () {
        () if call.is(2, "on") => Ok(true),
        () if call.is(2, "off") => Ok(false),
        () => Err(Error::Syntax),
    }
}

/// `CLIENT TXN ROLLBACK ON | OFF`
fn txn(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let is_on = call.is(3, "on");
    if !call.is(2, "rollback") || !(is_on || call.is(3, "off")) {
        return Err(Error::Syntax);
    }
    session.rollback = Some(is_on);
    reply.ok();
    Ok(())
}

fn no_evict(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    session.client.no_evict.store(on_off(call)?, Relaxed);
    reply.ok();
    Ok(())
}

fn no_touch(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    session.client.no_touch.store(on_off(call)?, Relaxed);
    reply.ok();
    Ok(())
}

fn reply_mode(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    session.reply_mode = if call.is(2, "on") {
        reply.ok();
        ReplyMode::On
    } else if call.is(2, "off") {
        ReplyMode::Off
    } else if call.is(2, "skip") {
        if session.reply_mode == ReplyMode::Off { ReplyMode::Off } else { ReplyMode::SkipNext }
    } else {
        return Err(Error::Syntax);
    };
    Ok(())
}

fn pause(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let all = match call.len() {
        3 => true,
        4 if call.is(3, "all") => true,
        4 if call.is(3, "write") => false,
        4 => return Err(Error::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(Error::Syntax),
    };
    let ms = number::parse_i64(call.get(2))
        .ok_or_else(|| Error::text("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| Error::text("ERR timeout is negative"))?;
    call.instance.pause(call.instance.clock().now_ms().saturating_add(ms), all);
    reply.ok();
    Ok(())
}

fn unpause(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    call.instance.unpause();
    reply.ok();
    Ok(())
}

fn unblock(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() > 4 {
        return Err(Error::text(
            "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
        ));
    }
    if call.len() == 4 && !call.is(3, "timeout") && !call.is(3, "error") {
        return Err(Error::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
    }
    let id = call.int(2)?;
    let found = u64::try_from(id).is_ok_and(|id| call.instance.waiters.unblock(id, call.is(3, "error")));
    reply.int(found.into());
    Ok(())
}
