//! What ranges of a sorted set may be asked for, and the ranks that they come to.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::redis::error::{Error, Result};
use crate::redis::keyspace::Ordered;
use crate::redis::number;
use crate::store::Reads;

use super::encode_score;
use crate::redis::sample::wait_if_many;

/// A half-open range of ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Window {
    pub(crate) fn len(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// What is left of it after `offset` ranks from one end, at most `count`; all if that is negative.
    pub(super) fn limited(self, offset: i64, count: i64, from_end: bool) -> Self {
        let Ok(offset) = u64::try_from(offset) else { return Self { to: self.from, ..self } };
        let left = self.len().saturating_sub(offset);
        let len = u64::try_from(count).map_or(left, |count| count.min(left));
        if from_end {
            let to = self.to.saturating_sub(offset).max(self.from);
            Self { from: to - len, to }
        } else {
            let from = self.from.saturating_add(offset).min(self.to);
            Self { from, to: from + len }
        }
    }
}

/// A score that bounds a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScoreBound {
    score: f64,
    excluded: bool,
}

impl ScoreBound {
    /// This score, and those above it or below it.
    pub(super) fn from(score: f64) -> Self {
        Self { score, excluded: false }
    }

    /// The scores below this one.
    pub(super) fn below(score: f64) -> Self {
        Self { score, excluded: true }
    }

    /// `1.5`, `(1.5`, `-inf`, …
    pub(super) fn parse(word: &[u8]) -> Result<Self> {
        let (excluded, digits) = match word.strip_prefix(b"(") {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let score = number::parse_f64(digits).ok_or(Error::text("ERR min or max is not a float"))?;
        Ok(Self { score, excluded })
    }

    /// How many members come before the bound: below it, or up to it.
    fn rank(self, reads: &dyn Reads, ordered: &Ordered<'_>, up_to: bool) -> Result<u64> {
        let place = u64::from_be_bytes(encode_score(self.score)).wrapping_add(u64::from(up_to));
        Ok(ordered.rank(reads, &place.to_be_bytes())?)
    }
}

/// A member that bounds a range.
#[derive(Clone, Debug)]
pub(super) enum LexBound {
    Lowest,
    Highest,
    Member { member: Vec<u8>, excluded: bool },
}

impl LexBound {
    /// `-`, `+`, `[member`, `(member`.
    pub(super) fn parse(word: &[u8]) -> Result<Self> {
        match word {
            b"-" => Ok(Self::Lowest),
            b"+" => Ok(Self::Highest),
            [first @ (b'[' | b'('), member @ ..] => {
                Ok(Self::Member { member: member.to_vec(), excluded: *first == b'(' })
            }
            _ => Err(Error::text("ERR min or max not valid string range item")),
        }
    }

    /// Whether a member lies below it, as a lower bound.
    fn is_above(&self, other: &[u8]) -> bool {
        match self {
            Self::Lowest => false,
            Self::Highest => true,
            Self::Member { member, excluded } => other < &member[..] || (*excluded && other == member),
        }
    }

    /// Whether a member lies above it, as an upper bound.
    fn is_below(&self, other: &[u8]) -> bool {
        match self {
            Self::Lowest => true,
            Self::Highest => false,
            Self::Member { member, excluded } => other > &member[..] || (*excluded && other == member),
        }
    }

    /// How many members come before the bound: below it, or up to it. All have the first one's score.
    fn rank(&self, reads: &dyn Reads, ordered: &Ordered<'_>, is_end: bool) -> Result<u64> {
        let (member, excluded) = match self {
            Self::Lowest => return Ok(0),
            Self::Highest => return Ok(ordered.count()),
            Self::Member { member, excluded } => (member, *excluded),
        };
        let Some((first, _)) = ordered.at(reads, 0)? else { return Ok(0) };
        let mut place = [first.get(..8).unwrap_or_default(), member].concat();
        if is_end != excluded {
            // The next place after it.
            place.push(0);
        }
        Ok(ordered.rank(reads, &place)?)
    }
}

/// Whether all members have the same score, so that they are in order.
fn is_of_one_score(reads: &dyn Reads, ordered: &Ordered<'_>) -> Result<bool> {
    let Some(last) = ordered.count().checked_sub(1) else { return Ok(true) };
    let score =
        |rank| Ok::<_, Error>(ordered.at(reads, rank)?.map(|(place, _)| place.slice(..8.min(place.len()))));
    Ok(score(0)? == score(last)?)
}

/// The members between two bounds where scores differ, which are in no order: as Redis finds them, from the first that is
/// not below on until one is above; in reverse from the last before one is above until one is below.
fn walked(
    reads: &dyn Reads,
    ordered: &Ordered<'_>,
    (min, max): (&LexBound, &LexBound),
    reverse: bool,
) -> Result<Window> {
    let len = ordered.count();
    wait_if_many(reads, len)?;
    let member = |rank| {
        Ok::<_, Error>(
            ordered.at(reads, rank)?.map_or(Bytes::new(), |(place, _)| place.slice(8.min(place.len())..)),
        )
    };
    if min.is_above(&member(len - 1)?) || max.is_below(&member(0)?) {
        return Ok(Window { from: 0, to: 0 });
    }
    let (mut at, mut from, mut to) = (0, None, len);
    ordered.range(reads, 0, &mut |place, _| {
        let member = place.get(8..).unwrap_or_default();
        if from.is_none() && !min.is_above(member) {
            from = Some(at);
        }
        if (reverse || from.is_some()) && max.is_below(member) {
            to = at;
            return ControlFlow::Break(());
        }
        at += 1;
        ControlFlow::Continue(())
    })?;
    if !reverse {
        return Ok(Window { from: from.unwrap_or(to), to });
    }
    let mut start = to;
    if to > 0 {
        ordered.range_back(reads, to - 1, &mut |place, _| {
            if min.is_above(place.get(8..).unwrap_or_default()) {
                return ControlFlow::Break(());
            }
            start -= 1;
            ControlFlow::Continue(())
        })?;
    }
    Ok(Window { from: start, to })
}

/// A range.
#[derive(Clone, Debug)]
pub(super) enum Span {
    /// Both may count from the end.
    Ranks(i64, i64),
    Scores(ScoreBound, ScoreBound),
    Lex(LexBound, LexBound),
}

impl Span {
    /// The ranks that it comes to; from the highest one down if `reverse`, which only ranks care about.
    pub(super) fn window(&self, reads: &dyn Reads, ordered: &Ordered<'_>, reverse: bool) -> Result<Window> {
        let len = ordered.count();
        Ok(match self {
            &Self::Ranks(start, stop) => {
                let from_start = |rank: i64| if rank < 0 { rank.saturating_add_unsigned(len) } else { rank };
                let from = (from_start(start).max(0) as u64).min(len);
                let to = u64::try_from(from_start(stop))
                    .map_or(0, |stop| stop.saturating_add(1).min(len))
                    .max(from);
                if reverse { Window { from: len - to, to: len - from } } else { Window { from, to } }
            }
            Self::Scores(min, max) => {
                let from = min.rank(reads, ordered, min.excluded)?;
                Window { from, to: max.rank(reads, ordered, !max.excluded)?.max(from) }
            }
            Self::Lex(min, max) if !is_of_one_score(reads, ordered)? => {
                return walked(reads, ordered, (min, max), reverse);
            }
            Self::Lex(min, max) => {
                let from = min.rank(reads, ordered, false)?;
                Window { from, to: max.rank(reads, ordered, true)?.max(from) }
            }
        })
    }
}
