//! Commands about single members.

use super::{Position, position, unit};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::keyspace::{Collection, Type};
use crate::redis::number;
use crate::redis::protocol::reply::Reply;
use crate::redis::zset::{self, Conditions};
use crate::store::{Reads, Txn};

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]`
pub(super) fn geoadd(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (mut conditions, mut changed_too) = (Conditions::default(), false);
    let mut options = call.walk(2);
    loop {
        if options.accept("nx") {
            conditions.new_only = true;
        } else if options.accept("xx") {
            conditions.old_only = true;
        } else if options.accept("ch") {
            changed_too = true;
        } else {
            break;
        }
    }
    let at = options.at();
    if !(call.len() - at).is_multiple_of(3) || (conditions.new_only && conditions.old_only) {
        return Err(Error::Syntax);
    }
    let places = (at..call.len()).step_by(3);
    let scores: Vec<f64> = places
        .clone()
        .map(|at| Ok(position(call.get(at), call.get(at + 1))?.score()))
        .collect::<Result<_>>()?;
    let mut set = Collection::load_or_new(txn, call.space, call.get(1), Type::SortedSet)?;
    let (mut added, mut updated) = (0, 0);
    for (at, score) in places.zip(scores) {
        match zset::set_score(txn, &mut set, conditions, call.get(at + 2), score)? {
            zset::Outcome::Added(_) => added += 1,
            zset::Outcome::Updated(_) => updated += 1,
            zset::Outcome::Left | zset::Outcome::Same(_) => {}
        }
    }
    if added + updated > 0 {
        call.notify(txn, Events::SORTED_SET, "zadd", call.get(1));
        set.save(txn)?;
    }
    reply.int(if changed_too { added + updated } else { added });
    Ok(())
}

/// The position of a member.
pub(super) fn of_member(reads: &dyn Reads, set: &Collection, member: &[u8]) -> Result<Option<Position>> {
    Ok(zset::score_of(reads, set, member)?.map(Position::of_score))
}

/// `GEODIST key member1 member2 [M | KM | FT | MI]`
pub(super) fn geodist(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let metres = match call.len() {
        4 => 1.0,
        5 => unit(call.get(4))?,
        _ => return Err(Error::Syntax),
    };
    let set = zset::load(reads, call)?;
    let at = |word| set.as_ref().map_or(Ok(None), |set| of_member(reads, set, call.get(word)));
    match (at(2)?, at(3)?) {
        (Some(one), Some(other)) => tell_distance(reply, one.distance(other) / metres),
        _ => reply.null(),
    }
    Ok(())
}

/// A distance, to a ten-thousandth.
pub(super) fn tell_distance(reply: &mut Reply, distance: f64) {
    reply.bulk(format!("{distance:.4}").as_bytes());
}

/// Longitude and latitude, in all their digits.
pub(super) fn tell_position(reply: &mut Reply, at: Position) {
    reply.array(2);
    for degrees in [at.longitude, at.latitude] {
        reply.double_text(&number::format_f64_extended(degrees));
    }
}

/// `GEOPOS key [member [member ...]]`
pub(super) fn geopos(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    each(reads, call, reply, |reply, at| match at {
        Some(at) => tell_position(reply, at),
        None => reply.null_array(),
    })
}

/// `GEOHASH key [member [member ...]]`
pub(super) fn geohash(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    each(reads, call, reply, |reply, at| {
        reply.bulk_or_null(at.map(Position::letters).as_ref().map(|l| &l[..]));
    })
}

fn each(
    reads: &dyn Reads,
    call: &Call<'_>,
    reply: &mut Reply,
    tell: impl Fn(&mut Reply, Option<Position>),
) -> Result {
    let set = zset::load(reads, call)?;
    reply.array(call.len() - 2);
    for member in call.from(2) {
        let at = set.as_ref().map_or(Ok(None), |set| of_member(reads, set, member))?;
        tell(reply, at);
    }
    Ok(())
}
