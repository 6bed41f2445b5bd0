//! Deleting entries together with what groups know of them: commands of Redis 8.

use super::entries::Stream;
use super::groups::Team;
use super::id::{self, Id};
use super::{ENTRIES, load};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::protocol::reply::Reply;
use crate::store::Txn;

/// What becomes of deliveries of an entry that goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum References {
    /// They stay.
    Keep,
    /// They go too.
    Remove,
    /// The entry only goes if there are none, and none to come.
    Respect,
}

/// `[KEEPREF | DELREF | ACKED] IDS numids id [id ...]`, from a word on.
fn parse_references(call: &Call<'_>, from: usize) -> Result<(References, Vec<Id>)> {
    let (mut references, mut ids) = (None, None);
    let mut walk = call.walk(from);
    while !walk.is_done() {
        let said =
            [("keepref", References::Keep), ("delref", References::Remove), ("acked", References::Respect)]
                .into_iter()
                .find(|(word, _)| walk.accept(word));
        if let Some((_, said)) = said.filter(|_| references.is_none()) {
            references = Some(said);
        } else if said.is_none() && ids.is_none() && walk.accept("ids") {
            let positive = || Error::text("ERR Number of IDs must be a positive integer");
            let count = walk.int().ok().and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
            let count = count.ok_or_else(positive)?;
            if count > call.len() - walk.at() {
                return Err(Error::text("ERR The `numids` parameter must match the number of arguments"));
            }
            ids =
                Some(walk.by_ref().take(count).map(|text| id::strict(text, 0)).collect::<Result<Vec<Id>>>()?);
        } else {
            return Err(Error::Syntax);
        }
    }
    Ok((references.unwrap_or(References::Keep), ids.ok_or(Error::Syntax)?))
}

/// `XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]`
pub(super) fn xdelex(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (references, ids) = parse_references(call, 2)?;
    reply.array(ids.len());
    let Some(mut stream) = load(txn, call, call.get(1))? else {
        for _ in ids {
            reply.int(-1);
        }
        return Ok(());
    };
    for id in ids {
        let exists = stream.rows.get(txn, ENTRIES, &id.bytes())?.is_some();
        reply.int(if exists && !release(&mut stream, txn, id, references)? {
            2
        } else if exists {
            stream.delete(txn, id)?;
            1
        } else {
            if references == References::Remove {
                release(&mut stream, txn, id, references)?;
            }
            -1
        });
    }
    stream.save(txn)
}

/// `XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]`
pub(super) fn xackdel(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (references, ids) = parse_references(call, 3)?;
    reply.array(ids.len());
    let name = call.get(2);
    let stream = load(txn, call, call.get(1))?;
    let group = stream.as_ref().map_or(Ok(None), |stream| stream.group(txn, name))?;
    let (Some(mut stream), Some(group)) = (stream, group) else {
        for _ in ids {
            reply.int(-1);
        }
        return Ok(());
    };
    for id in ids {
        let Some(delivery) = stream.pending(txn, &group, id)? else {
            reply.int(-1);
            continue;
        };
        let mut team = Team::of(name, group.clone());
        team.settle(&mut stream, txn, id, &delivery)?;
        team.save(&mut stream, txn)?;
        let goes = release(&mut stream, txn, id, references)?;
        if goes {
            stream.delete(txn, id)?;
        }
        reply.int(if goes { 1 } else { 2 });
    }
    stream.save(txn)
}

/// Deals with what all groups have to do with an entry; whether it may go.
fn release(stream: &mut Stream, txn: &mut Txn, id: Id, references: References) -> Result<bool> {
    if references == References::Keep {
        return Ok(true);
    }
    for (name, group) in stream.groups(txn)? {
        let delivery = stream.pending(txn, &group, id)?;
        if references == References::Respect {
            if delivery.is_some() || group.last < id {
                return Ok(false);
            }
        } else if let Some(delivery) = delivery {
            let mut team = Team::of(&name, group);
            team.settle(stream, txn, id, &delivery)?;
            team.save(stream, txn)?;
        }
    }
    Ok(true)
}
