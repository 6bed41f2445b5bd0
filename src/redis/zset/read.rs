//! Commands that look at single members, and at all of them a part at a time.

use super::{MEMBERS, decode_score, encode_score, load, score_of};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::keys::{cursor, part_of};
use crate::redis::protocol::reply::{Reply, format_double};
use crate::store::Reads;

/// `ZCARD key`
pub(super) fn zcard(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let len = load(reads, call)?.map_or(Ok(0), |set| set.len(reads))?;
    reply.int(i64::try_from(len).unwrap_or(i64::MAX));
    Ok(())
}

fn tell_score(reply: &mut Reply, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

/// `ZSCORE key member`
pub(super) fn zscore(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let set = load(reads, call)?;
    let score = set.map(|set| score_of(reads, &set, call.get(2))).transpose()?.flatten();
    tell_score(reply, score);
    Ok(())
}

/// `ZMSCORE key member [member ...]`
pub(super) fn zmscore(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let members: Vec<&[u8]> = call.from(2).collect();
    let found = match load(reads, call)? {
        Some(set) => set.get_many(reads, MEMBERS, &members)?,
        None => vec![None; members.len()],
    };
    reply.array(found.len());
    for element in found {
        tell_score(reply, element.map(|element| decode_score(&element.value)).transpose()?);
    }
    Ok(())
}

/// `ZRANK key member [WITHSCORE]`
pub(super) fn zrank(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    rank(reads, call, reply, |before, _| before)
}

/// `ZREVRANK key member [WITHSCORE]`
pub(super) fn zrevrank(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    rank(reads, call, reply, |before, len| len - 1 - before)
}

fn rank(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply, of: fn(u64, u64) -> u64) -> Result {
    if call.len() > 4 {
        return Err(Error::Arity(call.command.name));
    }
    let with_score = call.len() == 4;
    if with_score && !call.is(3, "withscore") {
        return Err(Error::Syntax);
    }
    let set = load(reads, call)?;
    let found = set.map(|set| Ok(score_of(reads, &set, call.get(2))?.map(|score| (set, score)))).transpose();
    let Some((set, score)) = found.map(Option::flatten).map_err(|error: Error| error)? else {
        if with_score {
            reply.null_array();
        } else {
            reply.null();
        }
        return Ok(());
    };
    let place = [&encode_score(score)[..], call.get(2)].concat();
    let before = set.ordered(reads)?.rank(reads, &place)?;
    if with_score {
        reply.array(2);
    }
    reply.int(i64::try_from(of(before, set.len(reads)?)).unwrap_or(i64::MAX));
    if with_score {
        reply.double(score);
    }
    Ok(())
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn zscan(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let cursor = cursor(call.get(2))?;
    let told = part_of(reads, call, cursor, load(reads, call)?.as_ref(), &mut |_| false)?;
    told.head(reply);
    reply.array(2 * told.elements.len());
    for (member, element) in &told.elements {
        reply.bulk(member);
        reply.bulk(format_double(decode_score(&element.value)?).as_bytes());
    }
    Ok(())
}
