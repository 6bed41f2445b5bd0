//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! What MULTI queues, EXEC runs as one [`Txn`](crate::store::Txn): all locks first, then one moment to read from, one
//! commit, one log record. Redis's rules hold: a command that is refused while queueing (unknown, wrong arity) spoils
//! the whole; one that fails while running is undone alone and does not stop the others; a watched key that was
//! touched since WATCH makes EXEC answer null.

mod exec;

pub(crate) use exec::{aborted, exec};

use std::collections::btree_map::Entry::Vacant;
use std::sync::atomic::Ordering::Relaxed;

use super::args::{Args, Span};
use super::budget::Tab;
use super::command::{Action, Call, Command, Flags, Keys, command, session};
use super::error::{Error, Result};
use super::instance::Instance;
use super::keyspace::lock_key;
use super::protocol::reply::Reply;
use super::session::Session;
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
pub(crate) struct Queue {
    commands: Vec<Queued>,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    spoiled: bool,
    /// What that takes.
    tab: Tab,
}

/// What a watched key costs beyond its name, which is kept twice.
const WATCHED_BYTES: usize = 256;

struct Queued {
    entry: &'static Entry,
    first_span: usize,
    spans: usize,
}

impl Queue {
    fn new(instance: &Instance) -> Self {
        Self {
            commands: Vec::new(),
            bytes: Vec::new(),
            spans: Vec::new(),
            spoiled: false,
            tab: Tab::of(instance.buffers()),
        }
    }

    /// Whether it takes memory of all.
    pub(crate) fn is_charged(&self) -> bool {
        self.tab.is_charged()
    }

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
    let taken = args.bytes_len() + args.len() * size_of::<Span>() + size_of::<Queued>();
    if queue.bytes.len() + args.bytes_len() > most || !queue.tab.add(taken) {
        return Err(Error::text("ERR the transaction is larger than the memory budget permits"));
    }
    queue.push(entry, args);
    session.client.queued.store(queue.commands.len() as i32, Relaxed);
    Ok(())
}

fn multi(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if session.queue.is_some() {
        return Err(Error::text("ERR MULTI calls can not be nested"));
    }
    session.queue = Some(Queue::new(call.instance));
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
    let tab = session.watched_tab.get_or_insert_with(|| Tab::of(call.instance.buffers()));
    let at_ms = call.instance.store().now_ms();
    let mut fits = true;
    for name in call.from(1) {
        if let Vacant(place) = session.watched.entry((session.database, name.into())) {
            fits = tab.add(2 * name.len() + WATCHED_BYTES);
            if !fits {
                break;
            }
            place.insert(at_ms);
        }
        watch.add(lock_key(session.database, name), session.database, name);
    }
    if !fits {
        session.unwatch();
        return Err(Error::text("OOM the watched keys exceed the memory budget"));
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
