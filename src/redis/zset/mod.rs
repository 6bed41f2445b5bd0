//! Sorted sets: members with a score each, found by member, by score, by rank.
//!
//! ```text
//! plane 0   member → score              8 bytes: codec::order's f64
//! plane 1   in order of scores          keyspace::Collection keeps it
//! ```

mod add;
mod combine;
mod pop;
mod random;
mod range;
mod read;
mod span;

use super::command::{Access, Call, Command, Flags, Keys, read, write};
use super::error::{Error, Result};
use super::keyspace::{Collection, Plane, Type};
use super::number;
use super::protocol::reply::{Protocol, Reply};
use crate::codec::order;
use crate::store::{self, Reads, Tier, Txn};

pub(crate) use self::add::{Conditions, Outcome, set_score};
pub(crate) use self::range::{each_scored, store};
use self::span::Window;

/// The members.
pub(crate) const MEMBERS: Plane = 0;

const LOG_N: &str = "O(log(N)) where N is the number of elements in the sorted set.";
const LOG_N_M: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.";
const LOG_N_REMOVED: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.";
const COMBINED: &str = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.";
const INTERSECTED: &str = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.";

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
        write("bzmpop", -5, Keys::Counted { at: 2 }, pop::bzmpop).access(Access::TAKE).flag(Flags::LEAN).flag(Flags::BLOCKING)
            .doc("Removes and returns a member by score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.", "7.0.0", "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped."),
        write("bzpopmax", -3, Keys::BEFORE_LAST, pop::bzpopmax).access(Access::TAKE).flag(Flags::LEAN).flag(Flags::BLOCKING).flag(Flags::NO_SCRIPT)
            .fast()
            .doc("Removes and returns the member with the highest score from one or more sorted sets. Blocks until a member available otherwise.  Deletes the sorted set if the last element was popped.", "5.0.0", LOG_N),
        write("bzpopmin", -3, Keys::BEFORE_LAST, pop::bzpopmin).access(Access::TAKE).flag(Flags::LEAN).flag(Flags::BLOCKING).flag(Flags::NO_SCRIPT)
            .fast()
            .doc("Removes and returns the member with the lowest score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.", "5.0.0", LOG_N),
        write("zadd", -4, Keys::FIRST, add::zadd)
            .fast()
            .doc("Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't exist.", "1.2.0", "O(log(N)) for each item added, where N is the number of elements in the sorted set."),
        read("zcard", 2, Keys::FIRST, read::zcard).access(Access::LOOK)
            .fast()
            .doc("Returns the number of members in a sorted set.", "1.2.0", "O(1)"),
        read("zcount", 4, Keys::FIRST, range::zcount).ranked()
            .fast()
            .doc("Returns the count of members in a sorted set that have scores within a range.", "2.0.0", LOG_N),
        read("zdiff", -3, Keys::Counted { at: 1 }, combine::zdiff)
            .doc("Returns the difference between multiple sorted sets.", "6.2.0", COMBINED),
        write("zdiffstore", -4, Keys::StoreCounted, combine::zdiffstore).access(Access::STORE)
            .doc("Stores the difference of multiple sorted sets in a key.", "6.2.0", COMBINED),
        write("zincrby", 4, Keys::FIRST, add::zincrby).access(Access::CHANGE)
            .fast()
            .doc("Increments the score of a member in a sorted set.", "1.2.0", LOG_N),
        read("zinter", -3, Keys::Counted { at: 1 }, combine::zinter)
            .doc("Returns the intersect of multiple sorted sets.", "6.2.0", INTERSECTED),
        read("zintercard", -3, Keys::Counted { at: 1 }, combine::zintercard)
            .doc("Returns the number of members of the intersect of multiple sorted sets.", "7.0.0", "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets."),
        write("zinterstore", -4, Keys::StoreCounted, combine::zinterstore).access(Access::STORE)
            .doc("Stores the intersect of multiple sorted sets in a key.", "2.0.0", INTERSECTED),
        read("zlexcount", 4, Keys::FIRST, range::zlexcount).ranked()
            .fast()
            .doc("Returns the number of members in a sorted set within a lexicographical range.", "2.8.9", LOG_N),
        write("zmpop", -4, Keys::Counted { at: 1 }, pop::zmpop).access(Access::TAKE).flag(Flags::LEAN)
            .doc("Returns the highest- or lowest-scoring members from one or more sorted sets after removing them. Deletes the sorted set if the last member was popped.", "7.0.0", "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped."),
        read("zmscore", -3, Keys::FIRST, read::zmscore)
            .fast()
            .doc("Returns the score of one or more members in a sorted set.", "6.2.0", "O(N) where N is the number of members being requested."),
        write("zpopmax", -2, Keys::FIRST, pop::zpopmax).access(Access::TAKE).flag(Flags::LEAN)
            .fast()
            .doc("Returns the highest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.", "5.0.0", "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped."),
        write("zpopmin", -2, Keys::FIRST, pop::zpopmin).access(Access::TAKE).flag(Flags::LEAN)
            .fast()
            .doc("Returns the lowest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.", "5.0.0", "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped."),
        read("zrandmember", -2, Keys::FIRST, random::zrandmember).ranked()
            .doc("Returns one or more random members from a sorted set.", "6.2.0", "O(N) where N is the number of members returned"),
        read("zrange", -4, Keys::FIRST, range::zrange).ranked()
            .doc("Returns members in a sorted set within a range of indexes.", "1.2.0", LOG_N_M),
        read("zrangebylex", -4, Keys::FIRST, range::zrangebylex).ranked()
            .doc("Returns members in a sorted set within a lexicographical range.", "2.8.9", LOG_N_M),
        read("zrangebyscore", -4, Keys::FIRST, range::zrangebyscore).ranked()
            .doc("Returns members in a sorted set within a range of scores.", "1.0.5", LOG_N_M),
        write("zrangestore", -5, Keys::PAIR, range::zrangestore).access(Access::STORE)
            .doc("Stores a range of members from sorted set in a key.", "6.2.0", "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key."),
        read("zrank", -3, Keys::FIRST, read::zrank).ranked()
            .fast()
            .doc("Returns the index of a member in a sorted set ordered by ascending scores.", "2.0.0", "O(log(N))"),
        write("zrem", -3, Keys::FIRST, add::zrem).access(Access::DELETE).flag(Flags::LEAN)
            .fast()
            .doc("Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.", "1.2.0", "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed."),
        write("zremrangebylex", 4, Keys::FIRST, range::zremrangebylex).access(Access::DELETE).flag(Flags::LEAN)
            .doc("Removes members in a sorted set within a lexicographical range. Deletes the sorted set if all members were removed.", "2.8.9", LOG_N_REMOVED),
        write("zremrangebyrank", 4, Keys::FIRST, range::zremrangebyrank).access(Access::DELETE).flag(Flags::LEAN)
            .doc("Removes members in a sorted set within a range of indexes. Deletes the sorted set if all members were removed.", "2.0.0", LOG_N_REMOVED),
        write("zremrangebyscore", 4, Keys::FIRST, range::zremrangebyscore).access(Access::DELETE).flag(Flags::LEAN)
            .doc("Removes members in a sorted set within a range of scores. Deletes the sorted set if all members were removed.", "1.2.0", LOG_N_REMOVED),
        read("zrevrange", -4, Keys::FIRST, range::zrevrange).ranked()
            .doc("Returns members in a sorted set within a range of indexes in reverse order.", "1.2.0", LOG_N_M),
        read("zrevrangebylex", -4, Keys::FIRST, range::zrevrangebylex).ranked()
            .doc("Returns members in a sorted set within a lexicographical range in reverse order.", "2.8.9", LOG_N_M),
        read("zrevrangebyscore", -4, Keys::FIRST, range::zrevrangebyscore).ranked()
            .doc("Returns members in a sorted set within a range of scores in reverse order.", "2.2.0", LOG_N_M),
        read("zrevrank", -3, Keys::FIRST, read::zrevrank).ranked()
            .fast()
            .doc("Returns the index of a member in a sorted set ordered by descending scores.", "2.0.0", "O(log(N))"),
        read("zscan", -3, Keys::FIRST, read::zscan)
            .doc("Iterates over members and scores of a sorted set.", "2.8.0", "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection."),
        read("zscore", 3, Keys::FIRST, read::zscore)
            .fast()
            .doc("Returns the score of a member in a sorted set.", "1.2.0", "O(1)"),
        read("zunion", -3, Keys::Counted { at: 1 }, combine::zunion)
            .doc("Returns the union of multiple sorted sets.", "6.2.0", COMBINED),
        write("zunionstore", -4, Keys::StoreCounted, combine::zunionstore).access(Access::STORE)
            .doc("Stores the union of multiple sorted sets in a key.", "2.0.0", COMBINED),
];

/// More members than this are not walked through on an event loop.
const MEMBERS_INLINE_MAX: u64 = 512;

/// The sorted set at a call's key, for a command that only looks; `None` if there is no such key.
pub(crate) fn load(reads: &dyn Reads, call: &Call<'_>) -> Result<Option<Collection>> {
    let Some(meta) = call.load(reads, call.get(1))? else { return Ok(None) };
    if meta.kind != Type::SortedSet {
        return Err(Error::WrongType);
    }
    Ok(Some(Collection::from_meta(call.space, call.get(1), meta)?))
}

/// The sorted set at the call's first key, to be changed.
fn load_to_change(txn: &Txn, call: &Call<'_>) -> Result<Option<Collection>> {
    Ok(Collection::load(txn, call.space, call.get(1), Type::SortedSet)?)
}

/// Sends a command that walks through many members from the event loop to where it may take its time.
pub(super) fn wait_if_many(reads: &dyn Reads, count: u64) -> Result {
    if reads.tier() == Tier::Cached && count > MEMBERS_INLINE_MAX {
        return Err(store::Error::WouldWait(None).into());
    }
    Ok(())
}

/// A score as it is stored. There is one zero.
pub(crate) fn encode_score(score: f64) -> [u8; 8] {
    let mut out = Vec::with_capacity(8);
    order::put_f64(&mut out, if score == 0.0 { 0.0 } else { score });
    out.try_into().unwrap_or_default()
}

/// A stored score.
pub(crate) fn decode_score(bytes: &[u8]) -> Result<f64> {
    let mut rest = bytes;
    let score = order::take_f64(&mut rest).filter(|_| rest.is_empty());
    Ok(score.ok_or(store::Error::Damaged("a score"))?)
}

/// The score of a member.
pub(crate) fn score_of(reads: &dyn Reads, set: &Collection, member: &[u8]) -> Result<Option<f64>> {
    set.get(reads, MEMBERS, member)?.map(|element| decode_score(&element.value)).transpose()
}

/// A place in order of scores, taken apart.
pub(crate) fn score_and_member(place: &[u8]) -> Result<(f64, &[u8])> {
    let (score, member) = place.split_at_checked(8).ok_or(store::Error::Damaged("a member's place"))?;
    Ok((decode_score(score)?, member))
}

/// A word as a score.
pub(crate) fn parse_score(word: &[u8]) -> Result<f64> {
    number::parse_f64(word).ok_or(Error::NotAFloat)
}

/// The head of an array of members, with their scores if asked for.
fn open_members(reply: &mut Reply, count: usize, scores: bool) {
    reply.array(if scores && reply.protocol() == Protocol::Resp2 { 2 * count } else { count });
}

/// A member, with its score if asked for: a pair of its own in RESP3.
fn tell_member(reply: &mut Reply, member: &[u8], score: Option<f64>) {
    if score.is_some() && reply.protocol() == Protocol::Resp3 {
        reply.array(2);
    }
    reply.bulk(member);
    if let Some(score) = score {
        reply.double(score);
    }
}
