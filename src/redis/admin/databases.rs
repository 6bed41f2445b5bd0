//! Whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB. Each is a row or two, however many keys there are.

use super::super::command::Call;
use super::super::error::{Error, Result};
use super::super::keyspace::Databases;
use super::super::number;
use super::super::protocol::reply::Reply;
use crate::store::{Reads, Tier, Txn};

pub(super) fn dbsize(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let keyspace = call.instance.keyspace();
    let size = Databases::size(keyspace.store(), call.space);
    // It counts what is newest, not what is in the view.
    let seen = keyspace.store().view_newest(Tier::Cached).seqno();
    call.lookups.needs.set(call.lookups.needs.get().max(seen));
    let staged = Databases::staged_keys(reads, call.space);
    reply.int(i64::try_from(size.keys).unwrap_or(i64::MAX).saturating_add(staged));
    Ok(())
}

/// Both take effect at once; the space comes back by itself.
fn sync_or_async(call: &Call<'_>) -> Result {
    match call.len() {
        1 => Ok(()),
        2 if call.is(1, "sync") || call.is(1, "async") => Ok(()),
        _ => Err(Error::Syntax),
    }
}

pub(super) fn flushdb(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    sync_or_async(call)?;
    call.instance.keyspace().databases().flush(txn, call.space.database)?;
    reply.ok();
    Ok(())
}

pub(super) fn flushall(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    sync_or_async(call)?;
    let databases = call.instance.keyspace().databases();
    for database in 0..databases.count() {
        databases.flush(txn, database)?;
    }
    reply.ok();
    Ok(())
}

pub(super) fn swapdb(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let databases = call.instance.keyspace().databases();
    let number = |i, what: &'static str| {
        let number = number::parse_i64(call.get(i)).ok_or(Error::text(what))?;
        let database = u16::try_from(number).ok().filter(|&n| n < databases.count());
        database.ok_or(Error::text("ERR DB index is out of range"))
    };
    let one = number(1, "ERR invalid first DB index")?;
    let other = number(2, "ERR invalid second DB index")?;
    databases.swap(txn, one, other)?;
    reply.ok();
    Ok(())
}
