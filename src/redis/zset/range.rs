//! Commands about ranges: by rank, by score, by member.

use std::ops::ControlFlow;

use super::span::{LexBound, ScoreBound, Span, Window};
use super::{load, load_to_change, open_members, score_and_member, set_score, tell_member, wait_if_many};
use crate::redis::args::Walk;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::gathered::Gathered;
use crate::redis::keyspace::{self, Collection, Type};
use crate::redis::protocol::reply::Reply;
use crate::redis::tail::{Tell, tell_ranks};
use crate::store::{Reads, Txn};

/// What bounds a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

impl By {
    /// The range between two words; the higher one comes first where it is given in reverse.
    fn span(self, first: &[u8], second: &[u8], reverse: bool) -> Result<Span> {
        let number = |word| crate::redis::number::parse_i64(word).ok_or(Error::NotAnInteger);
        let (min, max) = if reverse { (second, first) } else { (first, second) };
        Ok(match self {
            Self::Rank => Span::Ranks(number(first)?, number(second)?),
            Self::Score => Span::Scores(ScoreBound::parse(min)?, ScoreBound::parse(max)?),
            Self::Lex => Span::Lex(LexBound::parse(min)?, LexBound::parse(max)?),
        })
    }
}

/// A query for a range.
struct Query {
    span: Span,
    reverse: bool,
    scores: bool,
    limit: Option<(i64, i64)>,
}

/// What the options of a command may say.
#[derive(Clone, Copy)]
struct Form {
    by: By,
    reverse: bool,
    /// BYSCORE, BYLEX and REV may say otherwise.
    open: bool,
    /// WITHSCORES is allowed.
    scores: bool,
}

impl Query {
    /// From the word on that begins the range.
    fn parse(call: &Call<'_>, at: usize, form: Form) -> Result<Self> {
        let Form { mut by, mut reverse, open, .. } = form;
        let (mut scores, mut limit) = (false, None);
        let mut options: Walk<'_> = call.walk(at + 2);
        while !options.is_done() {
            if form.scores && options.accept("withscores") {
                scores = true;
            } else if options.accept("limit") {
                limit = Some((options.int()?, options.int()?));
            } else if open && options.accept("byscore") {
                by = By::Score;
            } else if open && options.accept("bylex") {
                by = By::Lex;
            } else if open && options.accept("rev") {
                reverse = true;
            } else {
                return Err(Error::Syntax);
            }
        }
        if limit.is_some() && by == By::Rank {
            return Err(if open {
                Error::text(
                    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
                )
            } else {
                Error::Syntax
            });
        }
        if scores && by == By::Lex {
            return Err(if open {
                Error::text("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
            } else {
                Error::Syntax
            });
        }
        let span = by.span(call.get(at), call.get(at + 1), reverse)?;
        Ok(Self { span, reverse, scores, limit })
    }

    /// The ranks it comes to.
    fn window(&self, reads: &dyn Reads, set: &Collection) -> Result<Window> {
        let window = self.span.window(reads, &set.ordered(reads)?, self.reverse)?;
        Ok(match self.limit {
            Some((offset, count)) => window.limited(offset, count, self.reverse),
            None => window,
        })
    }
}

/// Visits the members of some ranks, with their scores, until told not to go on.
pub(super) fn each(
    reads: &dyn Reads,
    set: &Collection,
    window: Window,
    reverse: bool,
    visit: &mut dyn FnMut(&[u8], f64) -> bool,
) -> Result {
    let mut left = window.len();
    if left == 0 {
        return Ok(());
    }
    wait_if_many(reads, left)?;
    let mut damaged = None;
    let mut show = |place: &[u8], _: &[u8]| {
        left -= 1;
        match score_and_member(place) {
            Ok((score, member)) if visit(member, score) && left > 0 => return ControlFlow::Continue(()),
            Ok(_) => {}
            Err(error) => damaged = Some(error),
        }
        ControlFlow::Break(())
    };
    let ordered = set.ordered(reads)?;
    if reverse {
        ordered.range_back(reads, window.to - 1, &mut show)?;
    } else {
        ordered.range(reads, window.from, &mut show)?;
    }
    damaged.map_or(Ok(()), Err)
}

/// Visits the members with scores from the start of a range to before its end, until told not to go on.
pub(crate) fn each_scored(
    reads: &dyn Reads,
    set: &Collection,
    scores: std::ops::Range<f64>,
    visit: &mut dyn FnMut(&[u8], f64) -> bool,
) -> Result {
    let span = Span::Scores(ScoreBound::from(scores.start), ScoreBound::below(scores.end));
    let window = span.window(reads, &set.ordered(reads)?, false)?;
    each(reads, set, window, false, visit)
}

fn tell(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply, form: Form) -> Result {
    let query = Query::parse(call, 2, form)?;
    let Some(set) = load(reads, call)? else {
        reply.array(0);
        return Ok(());
    };
    let window = query.window(reads, &set)?;
    open_members(reply, window.len() as usize, query.scores);
    wait_if_many(reads, window.len())?;
    let from = if query.reverse { window.to.saturating_sub(1) } else { window.from };
    let tell: Tell = if query.scores {
        |reply, place, _| {
            let (score, member) = score_and_member(place)?;
            tell_member(reply, member, Some(score));
            Ok(())
        }
    } else {
        |reply, place, _| {
            tell_member(reply, score_and_member(place)?.1, None);
            Ok(())
        }
    };
    tell_ranks(reads, call, &set, (from, window.len(), query.reverse), reply, tell)
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(super) fn zrange(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, reply, Form { by: By::Rank, reverse: false, open: true, scores: true })
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub(super) fn zrevrange(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, reply, Form { by: By::Rank, reverse: true, open: false, scores: true })
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub(super) fn zrangebyscore(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, reply, Form { by: By::Score, reverse: false, open: false, scores: true })
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub(super) fn zrevrangebyscore(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, reply, Form { by: By::Score, reverse: true, open: false, scores: true })
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub(super) fn zrangebylex(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, reply, Form { by: By::Lex, reverse: false, open: false, scores: false })
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub(super) fn zrevrangebylex(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, reply, Form { by: By::Lex, reverse: true, open: false, scores: false })
}

/// `ZCOUNT key min max`
pub(super) fn zcount(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    count(reads, call, reply, By::Score)
}

/// `ZLEXCOUNT key min max`
pub(super) fn zlexcount(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    count(reads, call, reply, By::Lex)
}

fn count(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply, by: By) -> Result {
    let span = by.span(call.get(2), call.get(3), false)?;
    let window = load(reads, call)?.map(|set| span.window(reads, &set.ordered(reads)?, false)).transpose()?;
    reply.int(window.map_or(0, |window| window.len() as i64));
    Ok(())
}

/// `ZREMRANGEBYRANK key start stop`
pub(super) fn zremrangebyrank(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    remove(txn, call, reply, By::Rank)
}

/// `ZREMRANGEBYSCORE key min max`
pub(super) fn zremrangebyscore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    remove(txn, call, reply, By::Score)
}

/// `ZREMRANGEBYLEX key min max`
pub(super) fn zremrangebylex(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    remove(txn, call, reply, By::Lex)
}

fn remove(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply, by: By) -> Result {
    let span = by.span(call.get(2), call.get(3), false)?;
    let mut removed = 0;
    if let Some(mut set) = load_to_change(txn, call)? {
        let window = span.window(txn, &set.ordered(txn)?, false)?;
        if window.len() > 0 {
            wait_if_many(txn, window.len())?;
            removed = set.remove_ranks(txn, window.from, window.to)?;
            // Its own name.
            call.notify(txn, Events::SORTED_SET, call.command.name, call.get(1));
            set.save(txn)?;
        }
    }
    reply.int(i64::try_from(removed).unwrap_or(i64::MAX));
    Ok(())
}

/// `ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub(super) fn zrangestore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let query = Query::parse(call, 3, Form { by: By::Rank, reverse: false, open: true, scores: false })?;
    let source = Collection::load(txn, call.space, call.get(2), Type::SortedSet)?;
    let (mut found, mut failed) = (Gathered::new(call), None);
    if let Some(source) = source {
        let window = query.window(txn, &source)?;
        each(txn, &source, window, query.reverse, &mut |member, score| {
            failed = found.add((member.to_vec(), score), member.len()).err();
            failed.is_none()
        })?;
    }
    failed.map_or(Ok(()), Err)?;
    store(txn, call, call.get(1), &found, "zrangestore", reply)
}

/// Puts a sorted set of these members into the place of whatever a key holds, and tells how many they are.
pub(crate) fn store(
    txn: &mut Txn,
    call: &Call<'_>,
    name: &[u8],
    members: &Gathered<(Vec<u8>, f64)>,
    event: &'static str,
    reply: &mut Reply,
) -> Result {
    let replaced = keyspace::delete(txn, call.space, name)?;
    reply.count(members.rows().len());
    if members.rows().is_empty() {
        if replaced {
            call.notify(txn, Events::GENERIC, "del", name);
        }
        return Ok(());
    }
    call.notify(txn, Events::SORTED_SET, event, name);
    let mut set = Collection::new(call.space, name, Type::SortedSet);
    for (member, score) in members.rows() {
        set_score(txn, &mut set, super::Conditions::default(), member, *score)?;
    }
    Ok(set.save(txn)?)
}
