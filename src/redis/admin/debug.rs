//! DEBUG: what tests need.

use super::super::command::{Call, Command, Flags, session};
use super::super::error::{Error, Result};
use super::super::number;
use super::super::protocol::reply::Reply;
use super::super::session::Session;

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    session("debug|sleep", 3, sleep).slow().flag(Flags::ADMIN).doc(
        "Holds up this connection for so many seconds.",
        "1.0.0",
        "O(1)",
    ),
    session("debug|set-active-expire", 3, accept).flag(Flags::ADMIN).doc(
        "Accepted: what is due is never seen, reaped or not.",
        "1.0.0",
        "O(1)",
    ),
    session("debug|jmap", 2, accept).flag(Flags::ADMIN).doc("Accepted.", "1.0.0", "O(1)"),
    session("debug|panic", 2, panic).flag(Flags::ADMIN).doc(
        "Panics, which ends this connection and no other.",
        "1.0.0",
        "O(1)",
    ),
    session("debug|flush", 2, flush).slow().flag(Flags::ADMIN).doc(
        "Writes the memtables to tables.",
        "1.0.0",
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

fn panic(session: &mut Session, _: &Call<'_>, _: &mut Reply) -> Result {
    std::panic::panic_any(format!("asked to by client {}", session.client.id))
}

fn flush(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    call.instance.store().db().flush()?;
    reply.ok();
    Ok(())
}
