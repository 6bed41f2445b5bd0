//! Runs: commands of one pipeline that follow each other and change the same key share a transaction.
//!
//! Each is atomic by itself, but nobody has to be shown the key between two of them: their replies leave together in any
//! case. One commit then stands for all of them, which makes long pipelines on one queue, leaderboard or counter several
//! times cheaper: its rows are written once, not once a command.
//!
//! A run begins with the second such command in a row, and ends before any other command of its connection begins, at the
//! end of what has arrived, or when it is large. Only what is at hand takes part: where a command would wait for the disk
//! the run ends before it. Should the commit fail, all replies of the run say so.
//!
//! There are none while somebody waits for keys, since he is served between two commands, while changed keys have to be
//! named one by one and missed ones told at once, nor while the disk is full, which lets only some commands through.

use super::args::Args;
use super::command::{Action, Command, Flags, Keys};
use super::dispatch;
use super::error::{Error, Result};
use super::events::Events;
use super::instance::Instance;
use super::keyspace::lock_key;
use super::protocol::reply::Reply;
use super::session::{ReplyMode, Session};
use super::slow;
use super::table::Entry;
use crate::store::{self, LockKey, Tier, Txn};

/// Commands in one run, and bytes that it may have staged when another is added.
const COMMANDS_MAX: usize = 128;
const STAGED_BYTES_MAX: usize = 32 << 10;
/// A request that is longer runs alone.
const REQUEST_BYTES_MAX: usize = 16 << 10;
/// A command that has staged so much is undone, and runs alone: it must not fail for what was staged before.
const STAGED_BYTES_TOO_MANY: usize = 128 << 10;

/// What has run and is not committed.
pub(crate) struct Run {
    txn: Txn,
    key: LockKey,
    /// What the key is called.
    name: Box<[u8]>,
    /// Where its replies begin in the output.
    mark: usize,
    /// Its commands, and whether each failed by itself.
    commands: Vec<(&'static Entry, bool)>,
}

impl Run {
    /// Runs its next command, and undoes what that staged if it fails.
    pub(crate) fn step(&mut self, run: impl FnOnce(&mut Txn) -> Result) -> Result {
        self.txn.forget_savepoints();
        let savepoint = self.txn.savepoint();
        let result = run(&mut self.txn);
        let is_too_large = result.is_ok() && self.txn.weight() > STAGED_BYTES_TOO_MANY;
        // Whoever would wait runs again, without others.
        let result = if is_too_large { Err(Error::Store(store::Error::WouldWait(None))) } else { result };
        if result.as_ref().is_err_and(|error| !error.keeps_staged()) {
            self.txn.undo(savepoint);
        }
        result
    }

    fn has_room(&self) -> bool {
        self.commands.len() < COMMANDS_MAX && self.txn.weight() < STAGED_BYTES_MAX
    }
}

/// The run of a connection, if one is open, and what is known of the commands around it.
#[derive(Default)]
pub(crate) struct Runs {
    open: Option<Box<Run>>,
    /// The key of the command that runs and of the one before it, where they may be part of a run.
    key: Option<LockKey>,
    last_key: Option<LockKey>,
    /// Whether its request is short, and whether more has arrived behind it.
    is_short: bool,
    has_more: bool,
}

impl Runs {
    /// A request of so many bytes is next, of so many that have arrived.
    pub(crate) fn arrived(&mut self, request: usize, input: usize) {
        self.is_short = request <= REQUEST_BYTES_MAX;
        self.has_more = input > request;
    }

    /// Whether a run is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the command that is next, which has this key, goes on with the run that is open.
    pub(crate) fn goes_on(&mut self, key: Option<LockKey>) -> bool {
        self.last_key = std::mem::replace(&mut self.key, key);
        self.open.as_ref().is_some_and(|run| Some(run.key) == key && run.has_room())
    }

    /// Whether the command that has just run may begin one.
    pub(crate) fn may_begin(&self) -> bool {
        self.has_more && self.key.is_some() && self.key == self.last_key
    }

    /// Begins a run with the command that has just run, on a key of this name; its reply begins at `mark`.
    pub(crate) fn begin(&mut self, txn: Txn, name: &[u8], mark: usize, command: &'static Entry) {
        if let Some(key) = self.key {
            let commands = vec![(command, false)];
            self.open = Some(Box::new(Run { txn, key, name: name.into(), mark, commands }));
        }
    }

    /// The run, for its next command; to be given back.
    pub(crate) fn take(&mut self) -> Option<Box<Run>> {
        self.open.take()
    }

    /// Gives the run back. The command that came to this end is part of it, unless it is to run again.
    pub(crate) fn put(&mut self, mut run: Box<Run>, command: &'static Entry, result: &Result) {
        if !result.as_ref().is_err_and(Error::would_wait) {
            run.commands.push((command, result.is_err()));
        }
        self.open = Some(run);
    }
}

/// The key of a call that may be part of a run, as things are.
pub(crate) fn key(
    instance: &Instance,
    session: &Session,
    command: &Command,
    args: Args<'_>,
    tier: Tier,
) -> Option<LockKey> {
    let may = matches!(command.action, Action::Write(_))
        && command.keys == Keys::FIRST
        && command.locks.is_none()
        && !command.flags.has(Flags::BLOCKING)
        && !command.flags.has(Flags::SLOW)
        && tier == Tier::Cached
        && session.runs.is_short
        && session.queue.is_none()
        && session.reply_mode == ReplyMode::On
        && session.tracker.is_none()
        && !instance.store().is_named()
        && !instance.store().is_noted(Events::MISSED.bits())
        && !instance.store().db().is_refusing()
        && instance.waiters.len() == 0
        && !instance.keyspace().expires_lazily();
    may.then(|| lock_key(session.database, args.get(1)))
}

/// Runs a command as a part of the run that is open, and gives that back.
pub(crate) fn go_on(
    session: &mut Session,
    mut open: Box<Run>,
    command: &'static Entry,
    run: impl FnOnce(&Session, &mut Txn) -> Result,
) -> Result {
    let result = open.step(|txn| run(session, txn));
    session.runs.put(open, command, &result);
    result
}

/// Commits the run that is open, if there is one, in the time of its last command. To be called before anything else
/// happens, and before anything else is written to the output.
pub(crate) fn end(instance: &Instance, session: &mut Session, reply: &mut Reply) {
    let Some(run) = session.runs.take() else { return };
    let Run { txn, name, mark, commands, .. } = *run;
    let start_ns = instance.clock().monotonic_ns();
    if let Err(error) = dispatch::commit(instance, session, txn, None) {
        unsaid(instance, session, reply, mark, &commands, &error);
    }
    let spent_ns = instance.clock().monotonic_ns().saturating_sub(start_ns);
    if let Some(&(last, _)) = commands.last() {
        session.stats.commands[last.id].spent_ns.add(spent_ns);
        slow::note_commit(instance, session, last.command, &name, commands.len(), spent_ns);
    }
}

/// Nothing of a run happened.
#[cold]
fn unsaid(
    instance: &Instance,
    session: &mut Session,
    reply: &mut Reply,
    mark: usize,
    commands: &[(&'static Entry, bool)],
    error: &Error,
) {
    session.tail = None;
    reply.truncate(mark);
    for &(command, failed) in commands {
        if !failed {
            session.stats.commands[command.id].failed.increment();
            instance.stats.error(&error.wire());
        }
        reply.error(error);
    }
}
