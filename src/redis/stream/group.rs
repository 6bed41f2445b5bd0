//! XGROUP, and XACK.

use super::entries::Stream;
use super::groups::{Group, Team};
use super::id::{self, Id};
use super::{find, load, tell_count};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::keyspace::lock_key;
use crate::redis::protocol::reply::Reply;
use crate::redis::session::Session;
use crate::store::Txn;

/// What Redis says of words that a subcommand does not know.
pub(super) fn unknown_words(call: &Call<'_>, container: &str) -> Error {
    let name = String::from_utf8_lossy(&call.get(1)[..call.get(1).len().min(128)]).into_owned();
    Error::text(format!(
        "ERR unknown subcommand or wrong number of arguments for '{name}'. Try {container} HELP."
    ))
}

fn no_key() -> Error {
    Error::text(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
         option to create an empty stream automatically.",
    )
}

fn no_group(call: &Call<'_>) -> Error {
    Error::text(format!("NOGROUP No such consumer group '{}' for key name '{}'", call.text(3), call.text(2)))
}

/// The options of CREATE and SETID: whether MKSTREAM was said, and how many entries were read.
fn options(call: &Call<'_>, is_create: bool) -> Result<(bool, Option<u64>)> {
    let (mut makes_stream, mut read) = (false, None);
    let mut at = 5;
    while at < call.len() {
        if is_create && call.is(at, "mkstream") {
            makes_stream = true;
            at += 1;
        } else if at + 1 < call.len() && call.is(at, "entriesread") {
            read = match call.int(at + 1)? {
                -1 => None,
                n => Some(
                    u64::try_from(n)
                        .map_err(|_| Error::text("ERR value for ENTRIESREAD must be positive or -1"))?,
                ),
            };
            at += 2;
        } else {
            return Err(unknown_words(call, "XGROUP"));
        }
    }
    Ok((makes_stream, read))
}

/// `XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD entries-read]`
pub(super) fn create(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (makes_stream, read) = options(call, true)?;
    let stream = load(txn, call, call.get(2))?;
    if stream.is_none() && !makes_stream {
        return Err(no_key());
    }
    if call.len() > 8 {
        return Err(unknown_words(call, "XGROUP"));
    }
    let last = match (call.get(4), &stream) {
        (b"$", Some(stream)) => stream.head.last,
        (b"$", None) => Id::MIN,
        (text, _) => id::strict(text, 0)?,
    };
    let mut stream = stream.unwrap_or_else(|| Stream::new(call.space, call.get(2)));
    if stream.group(txn, call.get(3))?.is_some() {
        return Err(Error::text("BUSYGROUP Consumer Group name already exists"));
    }
    let group = Group { number: stream.number(), last, read };
    stream.put_group(txn, call.get(3), &group)?;
    call.notify(txn, Events::STREAM, "xgroup-create", call.get(2));
    stream.save_groups(txn)?;
    reply.ok();
    Ok(())
}

/// The stream and group that a subcommand needs.
fn both(txn: &Txn, call: &Call<'_>) -> Result<(Stream, Group)> {
    let stream = load(txn, call, call.get(2))?.ok_or_else(no_key)?;
    let group = stream.group(txn, call.get(3))?.ok_or_else(|| no_group(call))?;
    Ok((stream, group))
}

/// `XGROUP SETID key group id|$ [ENTRIESREAD entries-read]`
pub(super) fn setid(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (_, read) = options(call, false)?;
    let (mut stream, mut group) = both(txn, call)?;
    if call.len() > 7 {
        return Err(unknown_words(call, "XGROUP"));
    }
    group.last = match call.get(4) {
        b"$" => stream.head.last,
        text => id::lax(text, 0)?,
    };
    group.read = read;
    stream.put_group(txn, call.get(3), &group)?;
    call.notify(txn, Events::STREAM, "xgroup-setid", call.get(2));
    stream.save_groups(txn)?;
    reply.ok();
    Ok(())
}

/// `XGROUP DESTROY key group`
pub(super) fn destroy(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut stream = load(txn, call, call.get(2))?.ok_or_else(no_key)?;
    let group = stream.group(txn, call.get(3))?;
    if let Some(group) = &group {
        stream.remove_group(txn, call.get(3), group)?;
        call.notify(txn, Events::STREAM, "xgroup-destroy", call.get(2));
        stream.save_groups(txn)?;
        // Who waits in the group is told that it has gone.
        txn.stir(lock_key(call.space.database, call.get(2)));
    }
    reply.int(group.is_some().into());
    Ok(())
}

/// `XGROUP CREATECONSUMER key group consumer`
pub(super) fn createconsumer(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (mut stream, group) = both(txn, call)?;
    let mut team = Team::of(call.get(3), group);
    let is_new = team.join(&mut stream, txn, call.get(4))?;
    if is_new {
        team.save(&mut stream, txn)?;
        call.notify(txn, Events::STREAM, "xgroup-createconsumer", call.get(2));
        stream.save_groups(txn)?;
    }
    reply.int(is_new.into());
    Ok(())
}

/// `XGROUP DELCONSUMER key group consumer`
pub(super) fn delconsumer(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (mut stream, group) = both(txn, call)?;
    let pending = Team::of(call.get(3), group).dismiss(&mut stream, txn, call.get(4))?;
    if pending.is_some() {
        call.notify(txn, Events::STREAM, "xgroup-delconsumer", call.get(2));
        stream.save_groups(txn)?;
    }
    tell_count(pending.unwrap_or(0), reply);
    Ok(())
}

/// `XGROUP HELP`
pub(super) fn help(_: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    let lines = [
        "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a new consumer group. Options are:",
        "    * MKSTREAM",
        "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the specified consumer.",
        "DESTROY <key> <groupname>",
        "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
        "HELP",
        "    Prints this help.",
    ];
    reply.array(lines.len());
    for line in lines {
        reply.simple(line);
    }
    Ok(())
}

/// `XACK key group id [id ...]`
pub(super) fn xack(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut settled = 0;
    if let Some((mut stream, mut team)) = find(txn, call)? {
        let ids = call.from(3).map(|text| id::strict(text, 0)).collect::<Result<Vec<Id>>>()?;
        for id in ids {
            if let Some(delivery) = stream.pending(txn, &team.group, id)? {
                team.settle(&mut stream, txn, id, &delivery)?;
                settled += 1;
            }
        }
        if settled > 0 {
            team.save(&mut stream, txn)?;
            stream.save_groups(txn)?;
        }
    }
    tell_count(settled, reply);
    Ok(())
}
