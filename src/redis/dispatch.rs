//! From words to a reply: finds the row, checks what must be checked, opens the [`View`] or [`Txn`] that the row asks
//! for, runs it, commits, and notes what the reply depends on.

use std::sync::atomic::Ordering::Relaxed;

use super::args::Args;
use super::command::{Action, Call, Command, Flags, Keys, Lookups, NAME_BYTES_MAX};
use super::error::{Error, Result};
use super::instance::Instance;
use super::protocol::reply::Reply;
use super::session::{ReplyMode, Session};
use super::stats::{SLOW_WORD_BYTES, SLOW_WORDS, Slow};
use super::table::{Entry, table};
use super::{keyspace, transaction};
use crate::store::{self, Miss, Tier, Txn};

/// What became of a command.
#[derive(Clone, Debug)]
pub(crate) enum Flow {
    /// It ran, or was refused; the reply is written.
    Done,
    /// It would have to wait for the disk or a lock: nothing happened; run it again once what it misses has been
    /// fetched, or in [`Tier::Disk`].
    Wait(Option<Miss>),
    /// CLIENT PAUSE holds it up: nothing happened; run it again later.
    Paused,
}

/// Runs one command.
pub(crate) fn run(
    instance: &Instance,
    session: &mut Session,
    args: Args<'_>,
    reply: &mut Reply,
    tier: Tier,
    start_ns: &mut u64,
) -> Flow {
    let mark = reply.len();
    if session.reply_mode == ReplyMode::SkipNext {
        session.reply_mode = ReplyMode::Skip;
    }
    let entry = match find(args) {
        Ok(entry) => entry,
        Err(error) => {
            refuse(instance, session, &error, reply);
            return Flow::Done;
        }
    };
    let command = entry.command;
    let immediate = command.flags.has(Flags::IMMEDIATE);
    match admit(session, instance, command, args) {
        Ok(()) => {}
        Err(error) => {
            session.stats.commands[entry.id].rejected.increment();
            refuse(instance, session, &error, reply);
            return Flow::Done;
        }
    }
    session.client.command.store(entry.id + 1, Relaxed);
    if session.queue.is_some() && !immediate {
        if let Err(error) = transaction::queue(instance, session, entry, args) {
            refuse(instance, session, &error, reply);
        } else {
            reply.simple("QUEUED");
        }
        return Flow::Done;
    }
    if instance.is_paused(command.writes()) && command.keys != Keys::None {
        return Flow::Paused;
    }
    if command.flags.has(Flags::SLOW) && tier == Tier::Cached {
        return Flow::Wait(None);
    }
    let errors = reply.errors();
    let lookups = Lookups::default();
    let result = match command.action {
        Action::Exec => transaction::exec(instance, session, reply, tier, &lookups),
        _ => perform(instance, session, command, args, reply, tier, &lookups),
    };
    if let Err(error) = result {
        reply.truncate(mark);
        if error.would_wait() && tier == Tier::Cached {
            // A transaction would be run from its start for each of its blocks.
            return Flow::Wait(if matches!(command.action, Action::Exec) { None } else { error.miss() });
        }
        instance.stats.error(&error.wire());
        reply.error(&error);
    }
    let now_ns = instance.clock().monotonic_ns();
    let spent_ns = now_ns.saturating_sub(*start_ns);
    *start_ns = now_ns;
    session.stats.commands[entry.id].ran(spent_ns, reply.errors() != errors);
    session.stats.looked_up(&lookups);
    if instance.slow_ns().is_some_and(|limit| spent_ns >= limit) && command.name != "exec" {
        remember_slow(instance, session, args, spent_ns);
    }
    match session.reply_mode {
        ReplyMode::On | ReplyMode::SkipNext => {}
        ReplyMode::Off => reply.truncate(mark),
        ReplyMode::Skip => {
            reply.truncate(mark);
            session.reply_mode = ReplyMode::On;
        }
    }
    Flow::Done
}

/// The row that these words call.
pub(crate) fn find(args: Args<'_>) -> Result<&'static Entry> {
    let Some(entry) = table().find(args.get(0)) else { return Err(unknown(args)) };
    if !entry.subcommands.is_empty() && args.len() > 1 {
        return find_sub(entry, args);
    }
    if entry.command.takes(args.len()) { Ok(entry) } else { Err(Error::Arity(entry.command.name)) }
}

fn find_sub(entry: &'static Entry, args: Args<'_>) -> Result<&'static Entry> {
    match entry.find(args.get(1)) {
        Some(sub) if sub.command.takes(args.len()) => Ok(sub),
        Some(sub) => Err(Error::Arity(sub.command.name)),
        None if args.is(1, "help") && args.len() == 2 => Ok(entry),
        None => {
            let text = String::from_utf8_lossy(&args.get(1)[..args.get(1).len().min(128)]).into_owned();
            let name = entry.command.name.to_ascii_uppercase();
            Err(Error::text(format!("ERR unknown subcommand '{text}'. Try {name} HELP.")))
        }
    }
}

/// Redis's words for a name that is no command's, with what follows it, cut short.
fn unknown(args: Args<'_>) -> Error {
    const SHOWN: usize = 128;
    let show = |word: &[u8], len: usize| String::from_utf8_lossy(&word[..word.len().min(len)]).into_owned();
    let mut shown = String::new();
    for word in args.from(1) {
        if shown.len() >= SHOWN {
            break;
        }
        let word = show(word, SHOWN - shown.len());
        shown.extend(["'", word.as_str(), "' "]);
    }
    Error::text(format!(
        "ERR unknown command '{}', with args beginning with: {shown}",
        show(args.get(0), SHOWN)
    ))
}

/// Whether the client may run this now.
fn admit(session: &Session, instance: &Instance, command: &Command, args: Args<'_>) -> Result {
    if !session.authenticated && !command.flags.has(Flags::NO_AUTH) && instance.needs_password() {
        return Err(Error::text("NOAUTH Authentication required."));
    }
    if session.queue.is_some() && command.flags.has(Flags::NO_MULTI) {
        return Err(Error::text("ERR Command not allowed inside a transaction"));
    }
    for place in command.keys.places(&args) {
        if args.get(place).len() > NAME_BYTES_MAX {
            return Err(Error::text("ERR key is longer than 65536 bytes"));
        }
    }
    Ok(())
}

/// Answers that a command does not run at all; within MULTI, EXEC will refuse too.
fn refuse(instance: &Instance, session: &mut Session, error: &Error, reply: &mut Reply) {
    if let Some(queue) = &mut session.queue {
        queue.spoil();
    }
    instance.stats.error(&error.wire());
    if !matches!(session.reply_mode, ReplyMode::Off | ReplyMode::Skip) {
        reply.error(error);
    }
    if session.reply_mode == ReplyMode::Skip {
        session.reply_mode = ReplyMode::On;
    }
}

/// Runs a command in a view or transaction of its own.
fn perform(
    instance: &Instance,
    session: &mut Session,
    command: &'static Command,
    args: Args<'_>,
    reply: &mut Reply,
    tier: Tier,
    lookups: &Lookups,
) -> Result {
    let databases = instance.keyspace().databases();
    match command.action {
        Action::Read(run) if command.flags.has(Flags::RANKED) => {
            let txn = instance.store().reading(command.lock_set(session.database, &args), tier)?;
            session.needs = session.needs.max(store::Reads::seqno(&txn));
            // What it reads after this is no older.
            session.floor = session.floor.max(store::Reads::seqno(&txn));
            session.view = None;
            let space = databases.space(&txn, session.database)?;
            run(&txn, &Call { args, space, command, instance, lookups }, reply)
        }
        Action::Read(run) => {
            let view = match session.view.take() {
                Some(view) if view_serves(&view, tier) => view,
                _ => instance.store().view(session.floor, tier),
            };
            session.needs = session.needs.max(store::Reads::seqno(&view));
            let space = databases.space(&view, session.database)?;
            let result = run(&view, &Call { args, space, command, instance, lookups }, reply);
            session.view = Some(view);
            result
        }
        Action::Write(run) => {
            let locks = command.lock_set(session.database, &args);
            let mut txn = instance.store().txn(locks, tier)?;
            // Whatever is answered, an error too, may tell of commits that are visible but not durable yet.
            session.needs = session.needs.max(store::Reads::seqno(&txn));
            let space = databases.space(&txn, session.database)?;
            run(&mut txn, &Call { args, space, command, instance, lookups }, reply)?;
            commit(session, txn)
        }
        Action::Session(run) => {
            let space = keyspace::Space::unresolved(session.database);
            run(session, &Call { args, space, command, instance, lookups }, reply)
        }
        Action::Container => {
            super::admin::command::help(command, reply);
            Ok(())
        }
        Action::Exec => Ok(()),
    }
}

fn view_serves(view: &store::View, tier: Tier) -> bool {
    store::Reads::tier(view) == tier
}

/// Commits, and notes that the reply waits for it.
pub(crate) fn commit(session: &mut Session, txn: Txn) -> Result {
    let seqno = txn.commit()?;
    session.needs = session.needs.max(seqno);
    session.floor = session.floor.max(seqno);
    session.view = None;
    Ok(())
}

fn remember_slow(instance: &Instance, session: &Session, args: Args<'_>, spent_ns: u64) {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let secret = args.is(0, "auth") || args.is(0, "hello") || (args.is(0, "config") && args.is(1, "set"));
    for (i, word) in args.from(0).enumerate() {
        if i + 1 == SLOW_WORDS && args.len() > SLOW_WORDS {
            words.push(format!("... ({} more arguments)", args.len() - SLOW_WORDS + 1).into_bytes());
            break;
        }
        words.push(if secret && i > 0 {
            b"(redacted)".to_vec()
        } else if word.len() > SLOW_WORD_BYTES {
            let more = format!("... ({} more bytes)", word.len() - SLOW_WORD_BYTES);
            [&word[..SLOW_WORD_BYTES], more.as_bytes()].concat()
        } else {
            word.to_vec()
        });
    }
    instance.stats.latency_event("command", instance.clock().now_ms() / 1000, spent_ns / 1_000_000);
    instance.stats.remember_slow(Slow {
        id: 0,
        at_ms: instance.clock().now_ms(),
        spent_us: spent_ns / 1000,
        words,
        client: session.client.address.clone(),
        name: session.client.names.lock().name.clone(),
    });
}
