//! Members picked at random.

use super::{MEMBERS, load};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::keyspace;
use crate::redis::protocol::reply::Reply;
use crate::redis::sample;
use crate::redis::tail::tell_gathered;
use crate::store::{Reads, Txn};

/// `SRANDMEMBER key [count]`: distinct members, or with a negative count each for itself.
pub(super) fn srandmember(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() == 2 {
        let member = match load(reads, call)? {
            Some(set) => set.random(reads, MEMBERS, &mut call.random())?,
            None => None,
        };
        reply.bulk_or_null(member.as_ref().map(|(member, _)| &member[..]));
        return Ok(());
    }
    if call.len() > 3 {
        return Err(Error::Syntax);
    }
    let count = sample::count(call, 2)?;
    let Some(set) = load(reads, call)? else {
        reply.array(0);
        return Ok(());
    };
    let told = sample::elements(reads, call, &set, count)?;
    reply.array(told.rows().len());
    tell_gathered(call, told, reply, |reply, (member, _)| reply.bulk(member))
}

/// `SPOP key [count]`
pub(super) fn spop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() > 3 {
        return Err(Error::Syntax);
    }
    if call.len() == 3 {
        return spop_many(txn, call, reply);
    }
    let Some(mut set) = load(txn, call)? else {
        reply.null();
        return Ok(());
    };
    let picked = set.random(txn, MEMBERS, &mut call.random())?;
    if let Some((member, _)) = &picked {
        set.remove(txn, MEMBERS, member)?;
        call.notify(txn, Events::SET, "spop", call.get(1));
        set.save(txn)?;
    }
    reply.bulk_or_null(picked.as_ref().map(|(member, _)| &member[..]));
    Ok(())
}

fn spop_many(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let count = call.int(2).ok().filter(|count| *count >= 0);
    let count = count.ok_or_else(|| Error::text("ERR value is out of range, must be positive"))?;
    let Some(mut set) = load(txn, call)? else {
        reply.set(0);
        return Ok(());
    };
    let is_all = count as u64 >= set.len(txn)?;
    let picked = sample::elements(txn, call, &set, count)?;
    let picked = picked.rows();
    reply.set(picked.len());
    for (member, _) in picked {
        reply.bulk(member);
    }
    if is_all {
        call.notify(txn, Events::SET, "spop", call.get(1));
        call.notify(txn, Events::GENERIC, "del", call.get(1));
        // Costs a row or two, however many members there were.
        keyspace::delete(txn, call.space, call.get(1))?;
    } else if !picked.is_empty() {
        for (member, _) in picked {
            set.remove(txn, MEMBERS, member)?;
        }
        call.notify(txn, Events::SET, "spop", call.get(1));
        set.save(txn)?;
    }
    Ok(())
}
