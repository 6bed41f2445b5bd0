//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! What MULTI queues, EXEC runs as one [`Txn`](crate::store::Txn): all locks first, then one moment to read from, one
//! commit, one log record. Redis's rules hold: a command that is refused while queueing (unknown, wrong arity) spoils
//! the whole; one that fails while running is undone alone and does not stop the others; a watched key that was
//! touched since WATCH makes EXEC answer null.

mod exec;

pub(crate) use exec::{aborted, exec};

use std::sync::atomic::Ordering::Relaxed;

use super::args::{Args, Span};
use super::command::{Action, Call, Command, Flags, Keys, command, session};
use super::error::{Error, Result};
use super::instance::Instance;
use super::keyspace::lock_key;
use super::protocol::reply::Reply;
use super::session::{Session, Watched};
use super::table::Entry;
use crate::store::{Reads, Tier};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    command("exec", 1, Keys::None, Action::Exec).flag(Flags::IMMEDIATE).flag(Flags::NO_SCRIPT).doc(
        "Executes all commands in a transaction.",
        "1.2.0",
        "Depends on commands in the transaction",
    ),
    session("multi", 1, multi)
        .flag(Flags::ALLOW_BUSY)
        .fast()
        .flag(Flags::IMMEDIATE)
        .flag(Flags::NO_SCRIPT)
        .doc("Starts a transaction.", "1.2.0", "O(1)"),
    session("discard", 1, discard)
        .flag(Flags::ALLOW_BUSY)
        .fast()
        .flag(Flags::IMMEDIATE)
        .flag(Flags::NO_SCRIPT)
        .doc("Discards a transaction.", "2.0.0", "O(N), when N is the number of queued commands"),
    session("watch", -2, watch)
        .flag(Flags::ALLOW_BUSY)
        .keys(Keys::REST)
        .fast()
        .flag(Flags::IMMEDIATE)
        .flag(Flags::NO_SCRIPT)
        .doc(
            "Monitors changes to keys to determine the execution of a transaction.",
            "2.2.0",
            "O(1) for every key.",
        ),
    session("unwatch", 1, unwatch).flag(Flags::ALLOW_BUSY).fast().flag(Flags::NO_SCRIPT).doc(
        "Forgets about watched keys of a transaction.",
        "2.2.0",
        "O(1)",
    ),
];

/// What MULTI queued, in one buffer.
#[derive(Default)]
pub(crate) struct Queue {
    commands: Vec<Queued>,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    spoiled: bool,
}

struct Queued {
    entry: &'static Entry,
    first_span: usize,
    spans: usize,
}

impl Queue {
    /// Makes EXEC refuse.
    pub(crate) fn spoil(&mut self) {
        self.spoiled = true;
    }

    fn push(&mut self, entry: &'static Entry, args: Args<'_>) {
        self.commands.push(Queued { entry, first_span: self.spans.len(), spans: args.len() });
        for word in args.from(0) {
            self.spans.push(Span { at: self.bytes.len() as u32, len: word.len() as u32 });
            self.bytes.extend_from_slice(word);
        }
    }

    /// The commands, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Entry, Args<'_>)> {
        self.commands.iter().map(|queued| {
            let spans = &self.spans[queued.first_span..queued.first_span + queued.spans];
            (queued.entry, Args::new(&self.bytes, spans))
        })
    }
}

/// Queues a command.
pub(crate) fn queue(
    instance: &Instance,
    session: &mut Session,
    entry: &'static Entry,
    args: Args<'_>,
) -> Result {
    let Some(queue) = &mut session.queue else { return Ok(()) };
    let most = instance.buffers().most().min(1 << 30);
    if queue.bytes.len() + args.bytes_len() > most {
        return Err(Error::text("ERR the transaction is larger than the memory budget permits"));
    }
    queue.push(entry, args);
    session.client.queued.store(queue.commands.len() as i32, Relaxed);
    Ok(())
}

fn multi(session: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    if session.queue.is_some() {
        return Err(Error::text("ERR MULTI calls can not be nested"));
    }
    session.queue = Some(Queue::default());
    session.client.queued.store(0, Relaxed);
    reply.ok();
    Ok(())
}

fn discard(session: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    if session.queue.is_none() {
        return Err(Error::text("ERR DISCARD without MULTI"));
    }
    session.discard();
    reply.ok();
    Ok(())
}

fn watch(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if session.queue.is_some() {
        return Err(Error::text("ERR WATCH inside MULTI is not allowed"));
    }
    let watch = session.watch.get_or_insert_with(|| call.instance.store().watch());
    let at_ms = call.instance.store().now_ms();
    for name in call.from(1) {
        if !session.watched.iter().any(|one| one.database == session.database && &*one.name == name) {
            session.watched.push(Watched { database: session.database, name: name.into(), at_ms });
        }
        watch.add(lock_key(session.database, name), session.database, name);
    }
    session.client.watched.store(watch.keys().len() as u32, Relaxed);
    // What is read from here on must be no older than the watch, durable or not: else EXEC would act on a value that
    // had changed before, and be told of nothing.
    session.floor = session.floor.max(Reads::seqno(&call.instance.store().view_newest(Tier::Cached)));
    session.view = None;
    reply.ok();
    Ok(())
}

fn unwatch(session: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    session.unwatch();
    reply.ok();
    Ok(())
}
