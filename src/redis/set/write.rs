//! Commands that add members to a set and take them away.

use super::{MEMBERS, PORTION, load, load_or_new};
use crate::redis::command::Call;
use crate::redis::error::Result;
use crate::redis::events::Events;
use crate::redis::protocol::reply::Reply;
use crate::store::Txn;

/// `SADD key member [member ...]`
pub(super) fn sadd(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut set = load_or_new(txn, call, call.get(1))?;
    let members: Vec<&[u8]> = call.from(2).collect();
    let mut added = 0;
    for portion in members.chunks(PORTION) {
        // A member that is there already costs no row.
        let found = set.get_many(txn, MEMBERS, portion)?;
        for (member, _) in portion.iter().zip(found).filter(|(_, found)| found.is_none()) {
            added += i64::from(set.put(txn, MEMBERS, member, b"", None)?.is_none());
        }
    }
    if added > 0 {
        call.notify(txn, Events::SET, "sadd", call.get(1));
        set.save(txn)?;
    }
    reply.int(added);
    Ok(())
}

/// `SREM key member [member ...]`
pub(super) fn srem(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut removed = 0;
    if let Some(mut set) = load(txn, call)? {
        for member in call.from(2) {
            removed += i64::from(set.remove(txn, MEMBERS, member)?.is_some());
        }
        if removed > 0 {
            call.notify(txn, Events::SET, "srem", call.get(1));
            set.save(txn)?;
        }
    }
    reply.int(removed);
    Ok(())
}

/// `SMOVE source destination member`
pub(super) fn smove(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (from, to, member) = (call.get(1), call.get(2), call.get(3));
    let Some(mut source) = load(txn, call)? else {
        reply.int(0);
        return Ok(());
    };
    // Also checks its type, whether the member is there or not.
    let mut destination = load_or_new(txn, call, to)?;
    let found = source.get(txn, MEMBERS, member)?.is_some();
    if found && from != to {
        source.remove(txn, MEMBERS, member)?;
        call.notify(txn, Events::SET, "srem", from);
        source.save(txn)?;
        if destination.put(txn, MEMBERS, member, b"", None)?.is_none() {
            call.notify(txn, Events::SET, "sadd", to);
            destination.save(txn)?;
        }
    }
    reply.int(found.into());
    Ok(())
}
