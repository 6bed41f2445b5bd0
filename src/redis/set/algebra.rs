//! Unions, differences and intersections, in the order of the members.
//!
//! Where one set decides (the smallest of an intersection, the first of a difference) and is much smaller than the
//! others, its members are looked up in those, a portion at a time. Else all sets are walked through side by side. Either
//! way no more than a portion is in memory, however large the sets are.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::read::tell_member;
use super::{MEMBERS, PORTION, open};
use crate::redis::args::Args;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::keyspace::{Collection, Merge, Type};
use crate::redis::number;
use crate::redis::protocol::reply::Reply;
use crate::redis::sample::wait_if_many;
use crate::redis::tail::{Source, Visit, tell_places};
use crate::store::Reads;

/// Looking a member up costs about as much as so many steps of a walk.
const LOOKUP_STEPS: u64 = 8;

/// What is asked of several sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// What any of them has.
    Union,
    /// What the first has and no other.
    Difference,
    /// What all of them have.
    Intersection,
}

/// Sets, and what is asked of them.
pub(super) struct Algebra {
    operation: Operation,
    /// The set that decides comes first. Those that are not there are left out.
    sets: Vec<Collection>,
    /// How many members each has.
    lens: Vec<u64>,
}

impl Algebra {
    /// Loads the sets. All of them must be sets, whether they matter or not.
    pub(super) fn load(
        reads: &dyn Reads,
        call: &Call<'_>,
        operation: Operation,
        names: &[&[u8]],
    ) -> Result<Self> {
        let metas = call.load_many(reads, names)?;
        let mut sets = Vec::with_capacity(names.len());
        for (name, meta) in names.iter().zip(metas) {
            if let Some(set) = meta.map(|meta| open(call, name, meta)).transpose()? {
                sets.push((set.len(reads)?, set));
            } else {
                sets.push((0, Collection::new(call.space, name, Type::Set)));
            }
        }
        let is_decided = match operation {
            Operation::Union => false,
            Operation::Difference => sets.first().is_none_or(|(len, _)| *len == 0),
            Operation::Intersection => sets.iter().any(|(len, _)| *len == 0),
        };
        if is_decided {
            sets.clear();
        }
        if operation == Operation::Intersection {
            sets.sort_by_key(|(len, _)| *len);
        }
        let (lens, sets) = sets.into_iter().unzip();
        Ok(Self { operation, sets, lens })
    }

    /// Visits the resulting members in order, those after `after`, until told to stop.
    pub(super) fn each(
        &self,
        reads: &dyn Reads,
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result {
        let Some((&first, others)) = self.lens.split_first() else { return Ok(()) };
        let walked = others.iter().sum::<u64>().saturating_add(first);
        let looked_up = first.saturating_mul(1 + LOOKUP_STEPS * others.len() as u64);
        if self.operation != Operation::Union && looked_up < walked {
            wait_if_many(reads, looked_up)?;
            self.look_up(reads, after, visit)
        } else {
            wait_if_many(reads, walked)?;
            self.walk(reads, after, visit)
        }
    }

    fn look_up(
        &self,
        reads: &dyn Reads,
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result {
        let Some((decides, others)) = self.sets.split_first() else { return Ok(()) };
        let must_have = self.operation == Operation::Intersection;
        let mut cursor = decides.cursor(reads, MEMBERS, after.map_or(Bound::Unbounded, Bound::Excluded))?;
        loop {
            let mut portion: Vec<Bytes> = Vec::with_capacity(PORTION);
            while cursor.valid() && portion.len() < PORTION {
                portion.push(Bytes::copy_from_slice(cursor.subkey()));
                cursor.advance()?;
            }
            for other in others {
                let asked: Vec<&[u8]> = portion.iter().map(|member| &member[..]).collect();
                let mut found = other.get_many(reads, MEMBERS, &asked)?.into_iter();
                portion.retain(|_| found.next().flatten().is_some() == must_have);
                if portion.is_empty() {
                    break;
                }
            }
            if portion.iter().try_for_each(|member| visit(member)).is_break() || !cursor.valid() {
                return Ok(());
            }
        }
    }

    fn walk(
        &self,
        reads: &dyn Reads,
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let cursors = self.sets.iter().map(|set| set.cursor(reads, MEMBERS, from));
        let mut merge = Merge::new(cursors.collect::<std::result::Result<_, _>>()?);
        while merge.advance()? {
            let is_wanted = match self.operation {
                Operation::Union => true,
                Operation::Difference => merge.holders() == [0],
                Operation::Intersection => merge.holders().len() == self.sets.len(),
            };
            if is_wanted && visit(merge.subkey()).is_break() {
                break;
            }
            let is_over = match self.operation {
                Operation::Union => false,
                Operation::Difference => !merge.is_going(0),
                Operation::Intersection => merge.going() < self.sets.len(),
            };
            if is_over {
                break;
            }
        }
        Ok(())
    }
}

/// `SUNION key [key ...]`
pub(super) fn sunion(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Operation::Union, reply)
}

/// `SDIFF key [key ...]`
pub(super) fn sdiff(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Operation::Difference, reply)
}

/// `SINTER key [key ...]`
pub(super) fn sinter(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    tell(reads, call, Operation::Intersection, reply)
}

fn tell(reads: &dyn Reads, call: &Call<'_>, operation: Operation, reply: &mut Reply) -> Result {
    let names: Vec<&[u8]> = call.from(1).collect();
    let open = reply.open_set();
    let load = |reads: &dyn Reads, call: &Call<'_>| Algebra::load(reads, call, operation, &names).map(Some);
    tell_places(reads, call, load, (reply, open), (u64::MAX, tell_member))
}

impl Source for Algebra {
    fn each(&self, reads: &dyn Reads, beyond: Option<&[u8]>, visit: &mut Visit<'_>) -> Result {
        self.each(reads, beyond, &mut |member| visit(member, b""))
    }
}

/// `SUNIONCARD numkeys key [key ...] [APPROX] [LIMIT limit]`: exact also where an estimate would do, since counting
/// takes no memory here.
pub(super) fn sunioncard(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    count(reads, call, Operation::Union, reply)
}

/// `SDIFFCARD numkeys key [key ...] [LIMIT limit]`
pub(super) fn sdiffcard(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    count(reads, call, Operation::Difference, reply)
}

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(super) fn sintercard(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    count(reads, call, Operation::Intersection, reply)
}

fn count(reads: &dyn Reads, call: &Call<'_>, operation: Operation, reply: &mut Reply) -> Result {
    let (names, limit) = counted(call, operation == Operation::Union)?;
    let algebra = Algebra::load(reads, call, operation, &names)?;
    let mut n = 0;
    algebra.each(reads, None, &mut |_| {
        n += 1;
        if n == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    reply.int(n);
    Ok(())
}

/// The keys, and at how many members to stop; 0 for never.
fn counted<'a>(args: &Args<'a>, may_approximate: bool) -> Result<(Vec<&'a [u8]>, i64)> {
    let numkeys = args.int(1).ok().filter(|n| *n > 0);
    let numkeys = numkeys.ok_or_else(|| Error::text("ERR numkeys should be greater than 0"))?;
    let numkeys = usize::try_from(numkeys).ok().filter(|n| *n <= args.len() - 2);
    let numkeys =
        numkeys.ok_or_else(|| Error::text("ERR Number of keys can't be greater than number of args"))?;
    let mut limit = 0;
    let mut walk = args.walk(2 + numkeys);
    while !walk.is_done() {
        if may_approximate && walk.accept("approx") {
            continue;
        }
        if !walk.accept("limit") {
            return Err(Error::Syntax);
        }
        let asked = number::parse_i64(walk.word()?).filter(|n| *n >= 0);
        limit = asked.ok_or_else(|| Error::text("ERR LIMIT can't be negative"))?;
    }
    Ok((args.from(2).take(numkeys).collect(), limit))
}
