//! How a script is given its transaction: the locks of the keys that it declared, or all of them; and what becomes of what
//! it wrote.

use super::super::args::Args;
use super::super::command::{Action, Call, Command, Lookups, ScriptFn};
use super::super::dispatch;
use super::super::error::{Error, Result};
use super::super::instance::Instance;
use super::super::monitor;
use super::super::protocol::reply::Reply;
use super::super::session::Session;
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
    let mut locks = command.lock_set(session.database, &args);
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
                locks = LockSet::all();
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
