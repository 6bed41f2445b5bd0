//! Commands about the connection itself: who it is, which database it uses, how it is answered.

mod client;
mod hello;
mod kill;

pub(crate) use hello::REDIS_VERSION;

use super::command::{Call, Command, Flags, container, session};
use super::error::{Error, Result};
use super::protocol::reply::{Protocol, Reply};
use super::session::Session;

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    session("auth", -2, hello::auth)
        .flag(Flags::ALLOW_BUSY)
        .fast()
        .flag(Flags::NO_AUTH)
        .flag(Flags::NO_SCRIPT)
        .doc(
            "Authenticates the connection.",
            "1.0.0",
            "O(N) where N is the number of passwords defined for the user",
        ),
    session("hello", -1, hello::hello)
        .flag(Flags::ALLOW_BUSY)
        .fast()
        .flag(Flags::NO_AUTH)
        .flag(Flags::NO_SCRIPT)
        .flag(Flags::NO_MULTI)
        .doc("Handshakes with the Redis server.", "6.0.0", "O(1)"),
    session("ping", -1, ping).fast().doc("Returns the server's liveliness response.", "1.0.0", "O(1)"),
    session("echo", 2, echo).fast().doc("Returns the given string.", "1.0.0", "O(1)"),
    session("select", 2, select).fast().doc("Changes the selected database.", "1.0.0", "O(1)"),
    session("quit", -1, quit)
        .flag(Flags::ALLOW_BUSY)
        .fast()
        .flag(Flags::NO_AUTH)
        .flag(Flags::IMMEDIATE)
        .flag(Flags::NO_SCRIPT)
        .doc("Closes the connection.", "1.0.0", "O(1)"),
    session("reset", 1, reset)
        .flag(Flags::ALLOW_BUSY)
        .fast()
        .flag(Flags::NO_AUTH)
        .flag(Flags::IMMEDIATE)
        .flag(Flags::NO_SCRIPT)
        .doc("Resets the connection.", "6.2.0", "O(1)"),
    container("client", client::COMMANDS).doc(
        "A container for client connection commands.",
        "2.4.0",
        "Depends on subcommand.",
    ),
];

fn ping(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    match call.len() {
        1 | 2 if session.subscriptions.is_some() && reply.protocol() == Protocol::Resp2 => {
            // In the shape of a message.
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(call.get(1));
        }
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
    let number = call.int(1)?;
    let count = call.instance.keyspace().databases().count();
    let Some(database) = u16::try_from(number).ok().filter(|&n| n < count) else {
        return Err(Error::text("ERR DB index is out of range"));
    };
    session.select(database);
    reply.ok();
    Ok(())
}

fn quit(session: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    session.closing = true;
    reply.ok();
    Ok(())
}

fn reset(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    session.reset(call.instance.acl.default_account(), !call.instance.needs_password());
    // What came before is heard before the reply, in the old protocol; nothing comes any more.
    let needs = session.client.inbox.move_all_to(reply);
    session.heard(needs);
    reply.set_protocol(Protocol::Resp2);
    reply.simple("RESET");
    Ok(())
}
