//! How a script is given its transaction: the locks of the keys that it declared, or all of them; and what becomes of what
//! it wrote.

use parking_lot::MutexGuard;

use super::super::args::Args;
use super::super::command::{Action, Call, Command, Lookups, ScriptFn};
use super::super::dispatch;
use super::super::error::{Error, Result};
use super::super::instance::Instance;
use super::super::monitor;
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::run::must_wait;
use crate::store::{LockSet, Reads, Tier, Txn};

/// Runs a script in a transaction of its own.
pub(crate) fn perform(
    instance: &Instance,
    session: &mut Session,
    command: &'static Command,
    args: Args<'_>,
    reply: &mut Reply,
    tier: Tier,
    (lookups, seed): (&Lookups, u64),
) -> Result {
    let Action::Script { run, .. } = command.action else { return Ok(()) };
    let databases = instance.keyspace().databases();
    let database = session.database;
    let (mut locks, mut roams) = (command.lock_set(database, &args), false);
    let mut turn = None;
    let mark = reply.len();
    monitor::before(instance, session, command, args, lookups);
    loop {
        let store = instance.store();
        let txn = if command.writes() { store.txn(locks, tier)? } else { store.reading(locks, tier)? };
        // Whatever is answered, an error too, may tell of commits that are visible but not durable yet; and what is read
        // after this is no older.
        session.needs = session.needs.max(txn.seqno());
        session.floor = session.floor.max(txn.seqno());
        session.view = None;
        let space = databases.space(&txn, session.database)?;
        let call = Call { args, space, command, instance, lookups, seed };
        session.unsent = Some(Vec::new());
        session.begin_reads();
        let (txn, result) = run(session, txn, &call, reply);
        let unsent = session.unsent.take().unwrap_or_default();
        match result {
            Err(Error::Undeclared) => {
                reply.truncate(mark);
                roams = true;
                locks = LockSet::all();
            }
            Err(Error::Large) if turn.is_none() => {
                drop(txn);
                reply.truncate(mark);
                turn = Some(large_turn(instance, tier, lookups)?);
                locks = if roams { LockSet::all() } else { command.lock_set(database, &args) };
            }
            result => {
                settle(instance, session, txn, result)?;
                for message in &unsent {
                    instance.hub.publish(instance, message, session.needs);
                }
                return Ok(());
            }
        }
    }
}

/// The turn of a script that needs much memory, if nobody has it; else it is asked for again in a while. Not on an event
/// loop, where such a script would take long.
pub(crate) fn large_turn<'a>(
    instance: &'a Instance,
    tier: Tier,
    lookups: &Lookups,
) -> Result<MutexGuard<'a, ()>> {
    if tier == Tier::Cached {
        return Err(must_wait());
    }
    let turn = instance.scripting.large.try_lock().ok_or(Error::Large)?;
    lookups.may_be_large.set(true);
    Ok(turn)
}

/// What becomes of what a script wrote. As in Redis, what it wrote before an error of its own stays; what was ended from
/// outside, or could not begin, has written nothing. (An error of its own is a reply, not a failure.)
fn settle(instance: &Instance, session: &mut Session, txn: Option<Txn>, result: Result) -> Result {
    result?;
    match txn {
        Some(txn) => dispatch::commit(instance, session, txn, None),
        None => Ok(()),
    }
}

/// Runs a script as a part of a transaction.
pub(crate) fn within(
    session: &mut Session,
    txn: &mut Txn,
    run: ScriptFn,
    call: &Call<'_>,
    reply: &mut Reply,
) -> Result {
    // The run owns what it reads and writes; until it gives that back, an empty transaction keeps the place.
    monitor::before(call.instance, session, call.command, call.args, call.lookups);
    let empty = call.instance.store().reading(LockSet::new(), txn.tier())?;
    let (given_back, result) = run(session, std::mem::replace(txn, empty), call, reply);
    if let Some(given_back) = given_back {
        *txn = given_back;
        return result;
    }
    Err(result.err().unwrap_or_else(|| Error::text("ERR the transaction is lost")))
}
