//! Keys under other names, and in other databases.

use crate::redis::args::Args;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::keyspace::{self, Space, load, lock_key};
use crate::redis::protocol::reply::Reply;
use crate::store::{LockSet, Txn};

/// `RENAME key newkey`
pub(super) fn rename(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (from, to) = (call.get(1), call.get(2));
    let exists = if from == to {
        load(txn, call.space, from)?.is_some()
    } else {
        keyspace::rename(txn, call.space, from, call.space, to)?
    };
    if !exists {
        return Err(Error::NoSuchKey);
    }
    if from != to {
        renamed(txn, call);
    }
    reply.ok();
    Ok(())
}

/// `RENAMENX key newkey`
pub(super) fn renamenx(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (from, to) = (call.get(1), call.get(2));
    if load(txn, call.space, from)?.is_none() {
        return Err(Error::NoSuchKey);
    }
    let free = load(txn, call.space, to)?.is_none();
    if free {
        keyspace::rename(txn, call.space, from, call.space, to)?;
        renamed(txn, call);
    }
    reply.int(free.into());
    Ok(())
}

fn renamed(txn: &mut Txn, call: &Call<'_>) {
    call.notify(txn, Events::GENERIC, "rename_from", call.get(1));
    call.notify(txn, Events::GENERIC, "rename_to", call.get(2));
}

/// A database number that exists.
fn database(call: &Call<'_>, number: i64) -> Result<u16> {
    u16::try_from(number)
        .ok()
        .filter(|&number| number < call.instance.keyspace().databases().count())
        .ok_or_else(|| Error::text("ERR DB index is out of range"))
}

fn space(txn: &Txn, call: &Call<'_>, database: u16) -> Result<Space> {
    Ok(call.instance.keyspace().databases().space(txn, database)?)
}

fn same_object() -> Error {
    Error::text("ERR source and destination objects are the same")
}

/// `MOVE key db`
pub(super) fn move_key(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let database = database(call, call.int(2)?)?;
    if database == call.space.database {
        return Err(same_object());
    }
    let to = space(txn, call, database)?;
    let moves = load(txn, to, name)?.is_none() && keyspace::rename(txn, call.space, name, to, name)?;
    if moves {
        call.notify(txn, Events::GENERIC, "move_from", name);
        txn.note(Events::GENERIC.bits(), "move_to", database, name);
    }
    reply.int(moves.into());
    Ok(())
}

/// The key's place in the other database.
pub(super) fn move_locks(args: &Args<'_>, locks: &mut LockSet) {
    if let Some(database) = args.int(2).ok().and_then(|n| u16::try_from(n).ok()) {
        locks.exclusive(lock_key(database, args.get(1)));
    }
}

/// What COPY's options say: another database, and whether to overwrite.
fn copy_options(args: &Args<'_>) -> Result<(Option<i64>, bool)> {
    let (mut database, mut replace) = (None, false);
    let mut walk = args.walk(3);
    while !walk.is_done() {
        if walk.accept("replace") {
            replace = true;
        } else if walk.accept("db") {
            database = Some(walk.int()?);
        } else {
            return Err(Error::Syntax);
        }
    }
    Ok((database, replace))
}

/// `COPY source destination [DB destination-db] [REPLACE]`
pub(super) fn copy(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (from, to) = (call.get(1), call.get(2));
    let (number, replace) = copy_options(call)?;
    let database = number.map_or(Ok(call.space.database), |number| database(call, number))?;
    if database == call.space.database && from == to {
        return Err(same_object());
    }
    let space = space(txn, call, database)?;
    let exists = load(txn, call.space, from)?.is_some();
    call.looked_up(exists);
    let copies = exists
        && (replace || load(txn, space, to)?.is_none())
        && keyspace::copy(txn, call.space, from, space, to)?;
    if copies {
        txn.note(Events::GENERIC.bits(), "copy_to", database, to);
    }
    reply.int(copies.into());
    Ok(())
}

/// The destination in the other database.
pub(super) fn copy_locks(args: &Args<'_>, locks: &mut LockSet) {
    if let Ok((Some(number), _)) = copy_options(args)
        && let Ok(database) = u16::try_from(number)
    {
        locks.exclusive(lock_key(database, args.get(2)));
    }
}
