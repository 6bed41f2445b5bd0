//! Members at random: by rank, so that each has the same chance.

use std::collections::HashSet;

use super::range::each;
use super::{Window, load, open_members, score_and_member, tell_member, wait_if_many};
use crate::random::Random;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::gathered::Gathered;
use crate::redis::keyspace::Collection;
use crate::redis::protocol::reply::Reply;
use crate::redis::tail::tell_gathered;
use crate::store::{self, Reads};

/// Of a set with more than this many times the members that are wanted, they are looked up one by one.
const SPARSE: u64 = 8;

/// `ZRANDMEMBER key [count [WITHSCORES]]`: distinct members, or with a negative count each for itself.
pub(super) fn zrandmember(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let count = (call.len() > 2).then(|| call.int(2)).transpose()?;
    if call.len() > 4 || (call.len() == 4 && !call.is(3, "withscores")) {
        return Err(Error::Syntax);
    }
    let scores = call.len() == 4;
    if count.is_some_and(
        |count| if scores { count.unsigned_abs() > i64::MAX as u64 / 2 } else { count == i64::MIN },
    ) {
        return Err(Error::text("ERR value is out of range"));
    }
    let Some(set) = load(reads, call)? else {
        if count.is_some() {
            reply.array(0);
        } else {
            reply.null();
        }
        return Ok(());
    };
    let len = set.len(reads)?;
    let mut random = call.random();
    let Some(count) = count else {
        let (member, _) = at(reads, &set, random.below(len))?;
        reply.bulk(&member);
        return Ok(());
    };
    let wanted = if count < 0 { count.unsigned_abs() } else { (count as u64).min(len) };
    wait_if_many(reads, wanted)?;
    let mut told = Gathered::new(call);
    if count < 0 {
        for _ in 0..wanted {
            let (member, score) = at(reads, &set, random.below(len))?;
            let bytes = member.len();
            told.add((member, score), bytes)?;
        }
    } else {
        distinct(reads, &set, wanted, &mut random, &mut told)?;
    }
    open_members(reply, told.rows().len(), scores);
    tell_gathered(call, told, reply, move |reply, (member, score)| {
        tell_member(reply, member, scores.then_some(*score));
    })
}

fn at(reads: &dyn Reads, set: &Collection, rank: u64) -> Result<(Vec<u8>, f64)> {
    let found = set.ordered(reads)?.at(reads, rank)?;
    let (place, _) = found.ok_or(store::Error::Damaged("a sorted set's length"))?;
    let (score, member) = score_and_member(&place)?;
    Ok((member.to_vec(), score))
}

/// So many members, all different, in no order.
fn distinct(
    reads: &dyn Reads,
    set: &Collection,
    wanted: u64,
    random: &mut Random,
    told: &mut Gathered<(Vec<u8>, f64)>,
) -> Result {
    let len = set.len(reads)?;
    if wanted.saturating_mul(SPARSE) < len {
        let mut ranks = HashSet::new();
        while (ranks.len() as u64) < wanted {
            ranks.insert(random.below(len));
        }
        for rank in ranks {
            let (member, score) = at(reads, set, rank)?;
            let bytes = member.len();
            told.add((member, score), bytes)?;
        }
        return Ok(());
    }
    // Each that is met is taken with the chance that there still is of being wanted.
    let (mut left, mut needed) = (len, wanted);
    let mut failed = None;
    if needed == 0 {
        return Ok(());
    }
    each(reads, set, Window { from: 0, to: len }, false, &mut |member, score| {
        if random.below(left) < needed {
            failed = told.add((member.to_vec(), score), member.len()).err();
            needed -= 1;
        }
        left -= 1;
        needed > 0 && failed.is_none()
    })?;
    random.shuffle(told.rows_mut());
    failed.map_or(Ok(()), Err)
}
