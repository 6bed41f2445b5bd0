//! Commands that search an area.

use super::hash::{Position, Shape};
use super::point::{tell_distance, tell_position};
use super::position;
use super::query::{Form, Query, Sort, centre_of_member, circle};
use crate::redis::command::Call;
use crate::redis::error::Result;
use crate::redis::gathered::Gathered;
use crate::redis::keyspace::{Collection, Type};
use crate::redis::protocol::reply::Reply;
use crate::redis::tail::tell_gathered;
use crate::redis::zset;
use crate::store::{Reads, Txn};

/// A member that was found.
struct Found {
    member: Vec<u8>,
    score: f64,
    at: Position,
    /// From the centre, in metres.
    distance: f64,
}

/// `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit …`
pub(super) fn geosearch(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let set = zset::load(reads, call)?;
    let query = Query::parse(reads, set.as_ref(), &mut call.walk(2), Form::Search, None, &call.text(0))?;
    tell(reads, call, reply, set.as_ref(), &query)
}

/// `GEOSEARCHSTORE destination source …`
pub(super) fn geosearchstore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let set = Collection::load(txn, call.space, call.get(2), Type::SortedSet)?;
    let form = Form::SearchStore;
    let mut query = Query::parse(txn, set.as_ref(), &mut call.walk(3), form, None, &call.text(0))?;
    query.target = Some(call.get(1));
    store(txn, call, reply, set.as_ref(), &query)
}

/// `GEORADIUS key longitude latitude radius unit … [STORE key | STOREDIST key]`
pub(super) fn georadius(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let set = zset::load(txn, call)?;
    let query = around_place(txn, call, set.as_ref(), Form::Radius)?;
    tell_or_store(txn, call, reply, set.as_ref(), &query)
}

/// `GEORADIUS_RO key longitude latitude radius unit …`
pub(super) fn georadius_ro(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let set = zset::load(reads, call)?;
    let query = around_place(reads, call, set.as_ref(), Form::RadiusOnly)?;
    tell(reads, call, reply, set.as_ref(), &query)
}

/// `GEORADIUSBYMEMBER key member radius unit … [STORE key | STOREDIST key]`
pub(super) fn georadiusbymember(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let set = zset::load(txn, call)?;
    let query = around_member(txn, call, set.as_ref(), Form::Radius)?;
    tell_or_store(txn, call, reply, set.as_ref(), &query)
}

/// `GEORADIUSBYMEMBER_RO key member radius unit …`
pub(super) fn georadiusbymember_ro(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let set = zset::load(reads, call)?;
    let query = around_member(reads, call, set.as_ref(), Form::RadiusOnly)?;
    tell(reads, call, reply, set.as_ref(), &query)
}

fn around_place<'a>(
    reads: &dyn Reads,
    call: &Call<'a>,
    set: Option<&Collection>,
    form: Form,
) -> Result<Query<'a>> {
    let centre = position(call.get(2), call.get(3))?;
    let (shape, metres) = circle(call.get(4), call.get(5))?;
    Query::parse(reads, set, &mut call.walk(6), form, Some((Some(centre), shape, metres)), &call.text(0))
}

fn around_member<'a>(
    reads: &dyn Reads,
    call: &Call<'a>,
    set: Option<&Collection>,
    form: Form,
) -> Result<Query<'a>> {
    let centre = set.map(|set| centre_of_member(reads, set, call.get(2))).transpose()?;
    let (shape, metres) = circle(call.get(3), call.get(4))?;
    Query::parse(reads, set, &mut call.walk(5), form, Some((centre, shape, metres)), &call.text(0))
}

/// What is in the area, sorted and cut as asked for.
fn search(
    reads: &dyn Reads,
    call: &Call<'_>,
    set: Option<&Collection>,
    query: &Query<'_>,
) -> Result<Gathered<Found>> {
    let (mut found, mut failed) = (Gathered::new(call), None);
    let (Some(set), Some(centre)) = (set, query.centre) else { return Ok(found) };
    let enough = if query.any { usize::try_from(query.count).unwrap_or(usize::MAX) } else { usize::MAX };
    for scores in query.shape.ranges(centre) {
        if found.rows().len() >= enough {
            break;
        }
        zset::each_scored(reads, set, scores, &mut |member, score| {
            if found.rows().len() < enough
                && let Some(new) = met(centre, query.shape, member, score)
            {
                failed = found.add(new, member.len()).err();
            }
            failed.is_none() && found.rows().len() < enough
        })?;
        failed.take().map_or(Ok(()), Err)?;
    }
    let rows = found.rows_mut();
    match query.sort {
        Sort::None => {}
        Sort::Nearest => rows.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Sort::Farthest => rows.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
    }
    if query.count > 0 {
        rows.truncate(usize::try_from(query.count).unwrap_or(usize::MAX));
    }
    Ok(found)
}

fn met(centre: Position, shape: Shape, member: &[u8], score: f64) -> Option<Found> {
    let at = Position::of_score(score);
    let distance = shape.distance(centre, at)?;
    Some(Found { member: member.to_vec(), score, at, distance })
}

fn tell(
    reads: &dyn Reads,
    call: &Call<'_>,
    reply: &mut Reply,
    set: Option<&Collection>,
    query: &Query<'_>,
) -> Result {
    let found = search(reads, call, set, query)?;
    let Query { with_distance, with_hash, with_position, metres, .. } = *query;
    let more = [with_distance, with_hash, with_position].into_iter().filter(|&with| with).count();
    reply.array(found.rows().len());
    tell_gathered(call, found, reply, move |reply, found| {
        if more > 0 {
            reply.array(1 + more);
        }
        reply.bulk(&found.member);
        if with_distance {
            tell_distance(reply, found.distance / metres);
        }
        if with_hash {
            reply.int(found.score as i64);
        }
        if with_position {
            tell_position(reply, found.at);
        }
    })
}

fn tell_or_store(
    txn: &mut Txn,
    call: &Call<'_>,
    reply: &mut Reply,
    set: Option<&Collection>,
    query: &Query<'_>,
) -> Result {
    if query.target.is_some() {
        store(txn, call, reply, set, query)
    } else {
        tell(txn, call, reply, set, query)
    }
}

fn store(
    txn: &mut Txn,
    call: &Call<'_>,
    reply: &mut Reply,
    set: Option<&Collection>,
    query: &Query<'_>,
) -> Result {
    let found = search(txn, call, set, query)?;
    let mut scored = Gathered::new(call);
    for found in found.rows() {
        let score = if query.store_distances { found.distance / query.metres } else { found.score };
        scored.add((found.member.clone(), score), found.member.len())?;
    }
    let event = if call.command.name == "geosearchstore" { "geosearchstore" } else { "georadiusstore" };
    zset::store(txn, call, query.target.unwrap_or_default(), &scored, event, reply)
}
