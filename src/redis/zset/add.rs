//! Commands that set and remove single members.

use super::{MEMBERS, decode_score, encode_score, load_to_change, parse_score};
use crate::redis::args::Walk;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::keyspace::{Collection, Type};
use crate::redis::protocol::reply::Reply;
use crate::store::Txn;

/// When a member is added or changed: NX, XX, GT, LT; and whether its score is added to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) new_only: bool,
    pub(crate) old_only: bool,
    greater: bool,
    less: bool,
    add: bool,
}

impl Conditions {
    /// Takes one of them off the options; whether there was one.
    pub(crate) fn accept(&mut self, options: &mut Walk<'_>) -> bool {
        let flags = [
            ("nx", &mut self.new_only),
            ("xx", &mut self.old_only),
            ("gt", &mut self.greater),
            ("lt", &mut self.less),
        ];
        flags.into_iter().any(|(name, flag)| {
            let found = options.accept(name);
            *flag |= found;
            found
        })
    }

    /// Refuses those that contradict each other.
    pub(crate) fn check(self) -> Result {
        if self.new_only && self.old_only {
            return Err(Error::text("ERR XX and NX options at the same time are not compatible"));
        }
        if (self.greater && self.less) || (self.new_only && (self.greater || self.less)) {
            return Err(Error::text("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        Ok(())
    }
}

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// A condition did not hold.
    Left,
    Same(f64),
    Added(f64),
    Updated(f64),
}

impl Outcome {
    /// The score that it has now; `None` if a condition did not hold.
    fn score(self) -> Option<f64> {
        match self {
            Self::Left => None,
            Self::Same(score) | Self::Added(score) | Self::Updated(score) => Some(score),
        }
    }
}

/// Sets a member's score, if the conditions hold.
pub(crate) fn set_score(
    txn: &mut Txn,
    set: &mut Collection,
    conditions: Conditions,
    member: &[u8],
    score: f64,
) -> Result<Outcome> {
    let Some(old) = set.get(txn, MEMBERS, member)? else {
        if conditions.old_only {
            return Ok(Outcome::Left);
        }
        set.put(txn, MEMBERS, member, &encode_score(score), None)?;
        return Ok(Outcome::Added(score));
    };
    if conditions.new_only {
        return Ok(Outcome::Left);
    }
    let old = decode_score(&old.value)?;
    let score = if conditions.add { old + score } else { score };
    if score.is_nan() {
        return Err(Error::text("ERR resulting score is not a number (NaN)"));
    }
    if (conditions.greater && score <= old) || (conditions.less && score >= old) {
        return Ok(Outcome::Left);
    }
    #[expect(clippy::float_cmp, reason = "whether anything changes")]
    if score == old {
        return Ok(Outcome::Same(score));
    }
    set.put(txn, MEMBERS, member, &encode_score(score), None)?;
    Ok(Outcome::Updated(score))
}

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`
pub(super) fn zadd(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (mut conditions, mut changed_too, mut add) = (Conditions::default(), false, false);
    let mut options = call.walk(2);
    loop {
        if options.accept("ch") {
            changed_too = true;
        } else if options.accept("incr") {
            add = true;
        } else if !conditions.accept(&mut options) {
            break;
        }
    }
    let pairs = call.len().saturating_sub(options.at());
    if pairs == 0 || !pairs.is_multiple_of(2) {
        return Err(Error::Syntax);
    }
    conditions.check()?;
    if add && pairs > 2 {
        return Err(Error::text("ERR INCR option supports a single increment-element pair"));
    }
    conditions.add = add;
    let scores: Vec<f64> = call.from(options.at()).step_by(2).map(parse_score).collect::<Result<_>>()?;
    let members = call.from(options.at() + 1).step_by(2);
    let mut set = Collection::load_or_new(txn, call.space, call.get(1), Type::SortedSet)?;
    let (mut added, mut updated, mut last) = (0, 0, None);
    for (&score, member) in scores.iter().zip(members) {
        let outcome = set_score(txn, &mut set, conditions, member, score)?;
        added += i64::from(matches!(outcome, Outcome::Added(_)));
        updated += i64::from(matches!(outcome, Outcome::Updated(_)));
        last = outcome.score();
    }
    if added + updated > 0 {
        call.notify(txn, Events::SORTED_SET, if add { "zincr" } else { "zadd" }, call.get(1));
        set.save(txn)?;
    }
    match (add, last) {
        (false, _) => reply.int(if changed_too { added + updated } else { added }),
        (true, Some(score)) => reply.double(score),
        (true, None) => reply.null(),
    }
    Ok(())
}

/// `ZINCRBY key increment member`
pub(super) fn zincrby(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let score = parse_score(call.get(2))?;
    let mut set = Collection::load_or_new(txn, call.space, call.get(1), Type::SortedSet)?;
    let conditions = Conditions { add: true, ..Conditions::default() };
    let outcome = set_score(txn, &mut set, conditions, call.get(3), score)?;
    if matches!(outcome, Outcome::Added(_) | Outcome::Updated(_)) {
        call.notify(txn, Events::SORTED_SET, "zincr", call.get(1));
        set.save(txn)?;
    }
    reply.double(outcome.score().unwrap_or(score));
    Ok(())
}

/// `ZREM key member [member ...]`
pub(super) fn zrem(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut removed = 0;
    if let Some(mut set) = load_to_change(txn, call)? {
        for member in call.from(2) {
            removed += i64::from(set.remove(txn, MEMBERS, member)?.is_some());
        }
        if removed > 0 {
            call.notify(txn, Events::SORTED_SET, "zrem", call.get(1));
            set.save(txn)?;
        }
    }
    reply.int(removed);
    Ok(())
}
