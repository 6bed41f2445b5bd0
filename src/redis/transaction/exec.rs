//! EXEC.

use super::super::acl;
use super::super::command::{Action, Call, Flags, Keys, Lookups};
use super::super::dispatch;
use super::super::error::{Error, Result};
use super::super::instance::Instance;
use super::super::keyspace::{self, Space};
use super::super::number;
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::super::table::Entry;
use super::super::{monitor, script, slow, tracking};
use super::{Args, Queue};
use crate::random::Random;
use crate::store::{LockSet, Reads, Tier, Txn};

/// Runs what was queued. In the cached tier it may answer that it would wait; then nothing happened and everything is
/// still queued.
pub(crate) fn exec(
    instance: &Instance,
    session: &mut Session,
    reply: &mut Reply,
    tier: Tier,
    lookups: &Lookups,
) -> Result {
    let Some(queue) = session.queue.take() else { return Err(Error::text("ERR EXEC without MULTI")) };
    if queue.spoiled {
        session.discard();
        return Err(Error::text("EXECABORT Transaction discarded because of previous errors."));
    }
    if instance.is_over_maxmemory() && queue.iter().any(|(entry, _)| entry.command.needs_room()) {
        session.discard();
        return Err(aborted(&Error::OverMaxmemory));
    }
    let mark = reply.len();
    // What commands of it may change: the selected database and the user.
    let account = session.account.clone();
    let before = (session.database, &account);
    session.unsent = Some(Vec::new());
    let declared = locks(session, &queue);
    let mut result = attempt(instance, session, &queue, declared, reply, tier, lookups);
    if matches!(result, Err(Error::Undeclared)) {
        reply.truncate(mark);
        session.return_to(before);
        session.unsent = Some(Vec::new());
        drop(lookups.effects.take());
        result = attempt(instance, session, &queue, LockSet::all(), reply, tier, lookups);
    }
    let mut turn = None;
    if matches!(result, Err(Error::Large)) {
        reply.truncate(mark);
        session.return_to(before);
        session.unsent = Some(Vec::new());
        drop(lookups.effects.take());
        result = script::large_turn(instance, tier, lookups).and_then(|large| {
            turn = Some(large);
            attempt(instance, session, &queue, LockSet::all(), reply, tier, lookups)
        });
    }
    drop(turn);
    let unsent = session.unsent.take().unwrap_or_default();
    if result.is_ok() {
        for message in &unsent {
            instance.hub.publish(instance, message, session.needs);
        }
    }
    match result {
        Err(error) if (error.would_wait() && tier == Tier::Cached) || matches!(error, Error::Large) => {
            reply.truncate(mark);
            session.return_to(before);
            session.queue = Some(queue);
            Err(error)
        }
        result => {
            if result.is_err() {
                session.return_to(before);
            }
            session.discard();
            result
        }
    }
}

/// What EXEC says when all of it is refused.
pub(crate) fn aborted(why: &Error) -> Error {
    Error::text(format!("EXECABORT Transaction discarded because of: {}", why.wire()))
}

fn attempt(
    instance: &Instance,
    session: &mut Session,
    queue: &Queue,
    locks: LockSet,
    reply: &mut Reply,
    tier: Tier,
    lookups: &Lookups,
) -> Result {
    // What has effects beside the transaction's must not run twice.
    if tier == Tier::Cached && queue.iter().any(|(entry, _)| !repeatable(entry)) {
        return Err(Error::Store(crate::store::Error::WouldWait(None)));
    }
    session.begin_reads();
    let mut txn = instance.store().txn(locks, tier)?;
    session.needs = session.needs.max(txn.seqno());
    if session.watch.as_ref().is_some_and(crate::store::Watch::changed) {
        reply.null_array();
        return Ok(());
    }
    for ((database, name), at_ms) in &session.watched {
        let space = instance.keyspace().databases().space(&txn, *database)?;
        if keyspace::expired_since(&txn, space, name, *at_ms)? {
            reply.null_array();
            return Ok(());
        }
    }
    reply.array(queue.commands.len());
    // Counted at the end, since all of it may run again.
    let mut ran = Vec::with_capacity(queue.commands.len());
    let mut seeds = Random::seeded(session.random.clone().next_u64());
    let rolls_back = session.rollback.unwrap_or_else(|| instance.parameters.text("txn-rollback") == "yes");
    for (at, (entry, args)) in queue.iter().enumerate() {
        let (mark, errors) = (reply.len(), reply.errors());
        let start_ns = instance.clock().monotonic_ns();
        if let Err((refused, error)) = acl::recheck(session, entry, args) {
            lookups.effects().refused(entry.id, &error.wire(), refused);
            if rolls_back {
                return Err(undone(entry, at, &error.wire()));
            }
            reply.error(&error);
            continue;
        }
        let savepoint = txn.savepoint();
        let stepped = step(instance, session, &mut txn, entry, args, reply, (lookups, seeds.next_u64()))
            .and_then(|()| reply.check());
        if let Err(error) = stepped {
            if (error.would_wait() && tier == Tier::Cached)
                || matches!(error, Error::Undeclared | Error::Large)
            {
                return Err(error);
            }
            if rolls_back && !matches!(error, Error::Block(_)) {
                return Err(undone(entry, at, &error.wire()));
            }
            if !error.keeps_staged() {
                txn.undo(savepoint);
            }
            reply.truncate(mark);
            if let Error::Block(block) = error {
                block.refuse(reply);
            } else {
                instance.stats.error(&error.wire());
                reply.error(&error);
            }
        }
        if rolls_back && reply.errors() != errors {
            // A script that ends with an error answers itself.
            return Err(undone(entry, at, "it answered with an error"));
        }
        monitor::after(instance, session, entry.command, args, lookups);
        let spent_ns = instance.clock().monotonic_ns().saturating_sub(start_ns);
        ran.push((entry, args, spent_ns, reply.errors() != errors));
    }
    for (entry, args, spent_ns, failed) in ran {
        session.stats.commands[entry.id].ran(spent_ns, failed);
        slow::note(instance, session, entry.command, args, spent_ns);
        if entry.uses_keys {
            dispatch::note_use(instance, session, entry.command, args, instance.clock().monotonic_ns());
        }
    }
    dispatch::commit(instance, session, txn, None)
}

/// Nothing has happened, since a command failed.
fn undone(entry: &Entry, at: usize, why: &str) -> Error {
    let name = entry.command.name;
    Error::text(format!("EXECABORT Transaction undone because of command {} ({name}): {why}", at + 1))
}

/// Whether running it again does no harm: it acts through the transaction, or on nothing that EXEC does not restore.
fn repeatable(entry: &Entry) -> bool {
    match entry.command.action {
        Action::Read(_) | Action::Write(_) | Action::Script { .. } => !entry.command.flags.has(Flags::SLOW),
        _ => matches!(entry.command.name, "select" | "ping" | "echo"),
    }
}

/// The locks of everything queued, in the databases that SELECTs among it choose, and of what is watched.
fn locks(session: &Session, queue: &Queue) -> LockSet {
    let mut locks = LockSet::new();
    let mut database = session.database;
    for (entry, args) in queue.iter() {
        if entry.command.name == "select" {
            let selected = number::parse_i64(args.get(1)).and_then(|n| u16::try_from(n).ok());
            database = selected.unwrap_or(database);
        } else if entry.command.keys != Keys::None || entry.command.locks.is_some() {
            locks.join(&entry.command.lock_set(database, &args));
        }
    }
    for key in session.watch.iter().flat_map(crate::store::Watch::keys) {
        locks.shared(key);
    }
    locks
}

fn step(
    instance: &Instance,
    session: &mut Session,
    txn: &mut Txn,
    entry: &'static Entry,
    args: Args<'_>,
    reply: &mut Reply,
    (lookups, seed): (&Lookups, u64),
) -> Result {
    let command = entry.command;
    tracking::before_step(instance, session, txn, command, args);
    let space = |txn: &Txn, session: &Session| instance.keyspace().databases().space(txn, session.database);
    match command.action {
        Action::Read(run) => {
            let space = space(txn, session)?;
            run(txn, &Call { args, space, command, instance, lookups, seed }, reply)
        }
        Action::Write(run) => {
            let space = space(txn, session)?;
            run(txn, &Call { args, space, command, instance, lookups, seed }, reply)
        }
        Action::Session(run) => {
            let space = Space::unresolved(session.database);
            run(session, &Call { args, space, command, instance, lookups, seed }, reply)
        }
        Action::Script { run, .. } => {
            let space = space(txn, session)?;
            script::within(session, txn, run, &Call { args, space, command, instance, lookups, seed }, reply)
        }
        Action::Container => Ok(()),
        Action::Exec => Err(Error::text("ERR EXEC inside EXEC is not allowed")),
    }
}
