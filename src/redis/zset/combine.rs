//! Unions, intersections and differences, of sorted sets and of sets, whose members all count 1.
//!
//! Members lie in order, so a union is a merge of its inputs; the others walk through one input and look its members up in
//! the rest. Both read a portion at a time.

use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::range::store;
use super::{MEMBERS, decode_score, open_members, tell_member, wait_if_many};
use crate::redis::args::Walk;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::gathered::Gathered;
use crate::redis::keyspace::{Collection, Type};
use crate::redis::number;
use crate::redis::protocol::reply::Reply;
use crate::redis::tail::tell_gathered;
use crate::store::{Reads, Txn};

/// Members read, or looked up, at once.
const PORTION: usize = 256;

/// How the scores of a member become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // The sum of opposite infinities counts nothing.
            Self::Sum => number_or_zero(a + b),
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }
}

/// What is no number counts nothing; and there is one zero.
fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() || score == 0.0 { 0.0 } else { score }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// An input.
struct Input {
    /// `None` if there is no such key.
    set: Option<Collection>,
    is_sorted: bool,
    len: u64,
    weight: f64,
}

impl Input {
    fn load(reads: &dyn Reads, call: &Call<'_>, name: &[u8]) -> Result<Self> {
        let Some(meta) = call.load(reads, name)? else {
            return Ok(Self { set: None, is_sorted: true, len: 0, weight: 1.0 });
        };
        if !matches!(meta.kind, Type::SortedSet | Type::Set) {
            return Err(Error::WrongType);
        }
        let is_sorted = meta.kind == Type::SortedSet;
        let set = Collection::from_meta(call.space, name, meta)?;
        let len = set.len(reads)?;
        Ok(Self { set: Some(set), is_sorted, len, weight: 1.0 })
    }

    /// What a member's element counts; zero times infinity is no number.
    fn score(&self, value: &[u8]) -> Result<f64> {
        Ok(if self.is_sorted { decode_score(value)? } else { 1.0 } * self.weight)
    }

    /// The next members after one, with what they count.
    fn portion(&self, reads: &dyn Reads, after: Option<&[u8]>) -> Result<VecDeque<(Bytes, f64)>> {
        let mut found = VecDeque::new();
        let mut damaged = None;
        if let Some(set) = &self.set {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            set.each(reads, MEMBERS, from, Bound::Unbounded, false, &mut |member, element| {
                match self.score(&element.value) {
                    Ok(score) => found.push_back((Bytes::copy_from_slice(member), score)),
                    Err(error) => damaged = Some(error),
                }
                let full = found.len() == PORTION || damaged.is_some();
                if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        damaged.map_or(Ok(found), Err)
    }

    /// What members count in it; `None` for those it has not.
    fn look_up(&self, reads: &dyn Reads, members: &[&[u8]]) -> Result<Vec<Option<f64>>> {
        let Some(set) = &self.set else { return Ok(vec![None; members.len()]) };
        let found = set.get_many(reads, MEMBERS, members)?.into_iter();
        found.map(|element| element.map(|element| self.score(&element.value)).transpose()).collect()
    }
}

/// What is to be combined, and how.
struct Query {
    operation: Operation,
    inputs: Vec<Input>,
    aggregate: Aggregate,
    scores: bool,
}

impl Query {
    /// From the word on that says how many keys there are.
    fn parse(reads: &dyn Reads, call: &Call<'_>, at: usize, operation: Operation) -> Result<Self> {
        let (inputs, mut options) = inputs(reads, call, at)?;
        let mut query = Self { operation, inputs, aggregate: Aggregate::Sum, scores: false };
        let is_difference = operation == Operation::Difference;
        while !options.is_done() {
            if !is_difference && options.accept("weights") {
                for input in &mut query.inputs {
                    let weight = number::parse_f64(options.word()?);
                    input.weight = weight.ok_or(Error::text("ERR weight value is not a float"))?;
                }
            } else if !is_difference && options.accept("aggregate") {
                query.aggregate = if options.accept("sum") {
                    Aggregate::Sum
                } else if options.accept("min") {
                    Aggregate::Min
                } else if options.accept("max") {
                    Aggregate::Max
                } else {
                    return Err(Error::Syntax);
                };
            } else if at == 1 && options.accept("withscores") {
                query.scores = true;
            } else {
                return Err(Error::Syntax);
            }
        }
        if !is_difference {
            // The order in which scores are added up, too.
            query.inputs.sort_by_key(|input| input.len);
        }
        Ok(query)
    }

    /// The members of the result, with their scores, in the order of members.
    fn run(&self, reads: &dyn Reads, visit: &mut dyn FnMut(Bytes, f64) -> Result<ControlFlow<()>>) -> Result {
        wait_if_many(reads, self.inputs.iter().map(|input| input.len).sum())?;
        match self.operation {
            Operation::Union => self.unite(reads, visit),
            Operation::Intersection | Operation::Difference => self.walk(reads, visit),
        }
    }

    fn unite(
        &self,
        reads: &dyn Reads,
        visit: &mut dyn FnMut(Bytes, f64) -> Result<ControlFlow<()>>,
    ) -> Result {
        let mut heads: Vec<VecDeque<(Bytes, f64)>> =
            self.inputs.iter().map(|input| input.portion(reads, None)).collect::<Result<_>>()?;
        while let Some(member) = heads.iter().filter_map(|head| head.front()).map(|(member, _)| member).min()
        {
            let member = member.clone();
            let mut score = None;
            for (input, head) in self.inputs.iter().zip(&mut heads) {
                if head.front().is_none_or(|(other, _)| *other != member) {
                    continue;
                }
                let Some((_, own)) = head.pop_front() else { continue };
                let own = number_or_zero(own);
                score = Some(score.map_or(own, |score| self.aggregate.of(score, own)));
                if head.is_empty() {
                    *head = input.portion(reads, Some(&member))?;
                }
            }
            if visit(member, score.unwrap_or_default())?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Walks through the first input and looks its members up in the others.
    fn walk(
        &self,
        reads: &dyn Reads,
        visit: &mut dyn FnMut(Bytes, f64) -> Result<ControlFlow<()>>,
    ) -> Result {
        let Some((first, others)) = self.inputs.split_first() else { return Ok(()) };
        let mut after: Option<Bytes> = None;
        loop {
            let portion = first.portion(reads, after.as_deref())?;
            let Some((last, _)) = portion.back() else { return Ok(()) };
            after = Some(last.clone());
            let members: Vec<&[u8]> = portion.iter().map(|(member, _)| &member[..]).collect();
            let found: Vec<Vec<Option<f64>>> =
                others.iter().map(|input| input.look_up(reads, &members)).collect::<Result<_>>()?;
            for (i, (member, own)) in portion.iter().enumerate() {
                let mut scores = found.iter().map(|column| column.get(i).copied().flatten());
                let own = number_or_zero(*own);
                let score = if self.operation == Operation::Difference {
                    scores.all(|score| score.is_none()).then_some(own)
                } else {
                    scores.try_fold(own, |sum, score| Some(self.aggregate.of(sum, score?)))
                };
                if let Some(score) = score
                    && visit(member.clone(), score)?.is_break()
                {
                    return Ok(());
                }
            }
        }
    }

    /// All of the result, if memory has room for it.
    fn collect(&self, reads: &dyn Reads, call: &Call<'_>) -> Result<Gathered<(Vec<u8>, f64)>> {
        let mut found = Gathered::new(call);
        self.run(reads, &mut |member, score| {
            found.add((member.to_vec(), score), member.len())?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

/// The inputs, and the options that follow them.
fn inputs<'a>(reads: &dyn Reads, call: &Call<'a>, at: usize) -> Result<(Vec<Input>, Walk<'a>)> {
    let count = call.int(at)?;
    if count < 1 {
        let name = call.command.name;
        return Err(Error::text(format!("ERR at least 1 input key is needed for '{name}' command")));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > call.len() - at - 1 {
        return Err(Error::Syntax);
    }
    let inputs =
        call.from(at + 1).take(count).map(|name| Input::load(reads, call, name)).collect::<Result<_>>()?;
    Ok((inputs, call.walk(at + 1 + count)))
}

fn tell(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply, operation: Operation) -> Result {
    let query = Query::parse(reads, call, 1, operation)?;
    let mut found = query.collect(reads, call)?;
    found.rows_mut().sort_by(|(a, x), (b, y)| x.total_cmp(y).then_with(|| a.cmp(b)));
    let scores = query.scores;
    open_members(reply, found.rows().len(), scores);
    tell_gathered(call, found, reply, move |reply, (member, score)| {
        tell_member(reply, member, scores.then_some(*score));
    })
}

/// `ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(super) fn zunion(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, reply, Operation::Union)
}

/// `ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(super) fn zinter(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, reply, Operation::Intersection)
}

/// `ZDIFF numkeys key [key ...] [WITHSCORES]`
pub(super) fn zdiff(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, reply, Operation::Difference)
}

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(super) fn zintercard(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (mut inputs, mut options) = inputs(reads, call, 1)?;
    let mut limit = 0;
    while !options.is_done() {
        if !options.accept("limit") {
            return Err(Error::Syntax);
        }
        let negative = || Error::text("ERR LIMIT can't be negative");
        limit = number::parse_i64(options.word()?).filter(|&n| n >= 0).ok_or_else(negative)?;
    }
    inputs.sort_by_key(|input| input.len);
    let query =
        Query { operation: Operation::Intersection, inputs, aggregate: Aggregate::Sum, scores: false };
    let mut count = 0;
    query.run(reads, &mut |_, _| {
        count += 1;
        Ok(if count == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    reply.int(count);
    Ok(())
}

fn put(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply, operation: Operation) -> Result {
    let found = Query::parse(txn, call, 2, operation)?.collect(txn, call)?;
    store(txn, call, call.get(1), &found, call.command.name, reply)
}

/// `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]`
pub(super) fn zunionstore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    put(txn, call, reply, Operation::Union)
}

/// `ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]`
pub(super) fn zinterstore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    put(txn, call, reply, Operation::Intersection)
}

/// `ZDIFFSTORE destination numkeys key [key ...]`
pub(super) fn zdiffstore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    put(txn, call, reply, Operation::Difference)
}
