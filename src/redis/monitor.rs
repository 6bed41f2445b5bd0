//! MONITOR: a client that is told every command that anybody runs, as it runs.
//!
//! ```text
//! +1700000000.123456 [0 127.0.0.1:50000] "SET" "key" "value"       the database, and where the client is
//! +1700000000.123460 [0 lua] "get" "key"                           a script's
//! ```
//!
//! A command is shown once it is certain that it does not run again, those of EXEC and of scripts too, in the order of
//! Redis: scripts before what they call, EXEC after what it runs. What only administrators may run is not shown, and
//! neither are passwords. A line tells of no state, and so waits for no commit. Whoever does not read its lines is
//! disconnected, as those who subscribe are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;

use super::args::Args;
use super::clients::Client;
use super::command::{Action, Call, Command, Flags, Lookups, session};
use super::error::{Error, Result};
use super::instance::Instance;
use super::protocol::reply::Reply;
use super::pubsub::{self, Letter};
use super::session::Session;
use super::slow;

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[session("monitor", 1, monitor)
    .flag(Flags::ADMIN)
    .flag(Flags::NO_SCRIPT)
    .doc("Listens for all requests received by the server in real-time.", "1.0.0", "O(1)")];

/// All clients that monitor.
#[derive(Default)]
pub(crate) struct Monitors {
    on: AtomicBool,
    clients: RwLock<BTreeMap<u64, Arc<Client>>>,
}

impl Monitors {
    /// Whether there are any.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    fn add(&self, client: &Arc<Client>) {
        let mut clients = self.clients.write();
        clients.insert(client.id, client.clone());
        self.on.store(true, Relaxed);
    }

    fn remove(&self, id: u64) {
        let mut clients = self.clients.write();
        clients.remove(&id);
        self.on.store(!clients.is_empty(), Relaxed);
    }

    /// Tells all of them some lines.
    pub(crate) fn tell(&self, instance: &Instance, lines: Vec<Vec<u8>>) {
        let clients = self.clients.read();
        for line in lines {
            let line = Letter::new(instance, line);
            for client in clients.values() {
                pubsub::post(client, 0, &line);
            }
        }
    }
}

/// That a connection monitors. Dropping it ends that.
pub(crate) struct Monitor {
    client: Arc<Client>,
    instance: Weak<Instance>,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.client.monitors.store(false, Relaxed);
        if let Some(instance) = self.instance.upgrade() {
            instance.monitors.remove(self.client.id);
        }
    }
}

/// `MONITOR`
fn monitor(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if session.unsent.is_some() {
        return Err(Error::text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if session.monitor.is_some() {
        // As in Redis, there is no reply at all.
        return Ok(());
    }
    call.instance.monitors.add(&session.client);
    session.client.monitors.store(true, Relaxed);
    session.monitor =
        Some(Box::new(Monitor { client: session.client.clone(), instance: call.instance.shared() }));
    reply.ok();
    Ok(())
}

/// Whether a client may run a command: who monitors has nothing to do with keys.
pub(crate) fn may_run(session: &Session, command: &Command) -> Result {
    let is_about_keys = matches!(command.action, Action::Read(_) | Action::Write(_) | Action::Script { .. })
        || matches!(command.name, "publish" | "spublish");
    if session.monitor.is_some() && is_about_keys {
        return Err(Error::text("ERR Replica can't interact with the keyspace"));
    }
    Ok(())
}

/// Notes a command that is about to run, if it is shown before what it calls.
pub(crate) fn before(
    instance: &Instance,
    session: &Session,
    command: &Command,
    args: Args<'_>,
    lookups: &Lookups,
) {
    if instance.monitors.is_on() && matches!(command.action, Action::Script { .. }) {
        note(instance, session, args, lookups);
    }
}

/// Notes a command that ran.
pub(crate) fn after(
    instance: &Instance,
    session: &Session,
    command: &Command,
    args: Args<'_>,
    lookups: &Lookups,
) {
    if instance.monitors.is_on() && !matches!(command.action, Action::Script { .. }) && is_shown(command) {
        note(instance, session, args, lookups);
    }
}

/// What administrators do is too dangerous to be shown, but for the two commands that are only of their category.
pub(crate) fn is_shown(command: &Command) -> bool {
    !command.flags.has(Flags::ADMIN) || matches!(command.name, "lastsave" | "role")
}

fn note(instance: &Instance, session: &Session, args: Args<'_>, lookups: &Lookups) {
    let line = line(instance, session.database, &session.client.address, args);
    lookups.effects().monitored(line, instance.inbox_bytes_max());
}

/// A command's line; `whose` says who ran it.
pub(crate) fn line(instance: &Instance, database: u16, whose: &str, args: Args<'_>) -> Vec<u8> {
    let now_us = instance.now_us();
    let mut head = String::new();
    let _ = write!(head, "+{}.{:06} [{database} {whose}]", now_us / 1_000_000, now_us % 1_000_000);
    let mut line = head.into_bytes();
    for (i, word) in args.from(0).enumerate() {
        line.push(b' ');
        quote(&mut line, if slow::is_secret(&args, i) { b"(redacted)" } else { word });
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// A word as Redis quotes it.
fn quote(line: &mut Vec<u8>, word: &[u8]) {
    line.push(b'"');
    for &c in word {
        match c {
            b'\\' | b'"' => line.extend_from_slice(&[b'\\', c]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            0x07 => line.extend_from_slice(b"\\a"),
            0x08 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(c),
            _ => line.extend_from_slice(format!("\\x{c:02x}").as_bytes()),
        }
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_redis_quotes_them() {
        let mut line = Vec::new();
        quote(&mut line, b"a b\"\\\r\n\t\x07\x08\x01\xff~\x7f");
        assert_eq!(line, br#""a b\"\\\r\n\t\a\b\x01\xff~\x7f""#);
    }
}
