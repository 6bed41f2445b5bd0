//! Commands about the connection itself.

use super::command::{Call, Command, Flags, session};
use super::error::{Error, Result};
use super::protocol::reply::Reply;
use super::session::Session;

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    session("ping", -1, ping).fast().doc("Returns the server's liveliness response.", "1.0.0", "O(1)"),
    session("echo", 2, echo).fast().doc("Returns the given string.", "1.0.0", "O(1)"),
    session("select", 2, select).fast().doc("Changes the selected database.", "1.0.0", "O(1)"),
    session("quit", -1, quit).fast().flag(Flags::NO_AUTH).flag(Flags::IMMEDIATE).flag(Flags::NO_SCRIPT).doc(
        "Closes the connection.",
        "1.0.0",
        "O(1)",
    ),
];

fn ping(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    match call.len() {
        1 => reply.simple("PONG"),
        2 => reply.bulk(call.get(1)),
        _ => return Err(Error::Arity("ping")),
    }
    Ok(())
}

fn echo(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.bulk(call.get(1));
    Ok(())
}

fn select(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let number = call.int(1).map_err(|_| Error::text("ERR value is not an integer or out of range"))?;
    let count = call.instance.keyspace().databases().count();
    let Some(database) = u16::try_from(number).ok().filter(|&n| n < count) else {
        return Err(Error::text("ERR DB index is out of range"));
    };
    session.select(database);
    // A view outlives a change of database; nothing of it depends on which.
    reply.ok();
    Ok(())
}

fn quit(session: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    session.closing = true;
    reply.ok();
    Ok(())
}
