//! SORT: the elements of a list, a set or a sorted set, by themselves or by keys that their names lead to.
//!
//! The elements, what they are sorted by and what is told of them lie in memory at once ([`Gathered`]). Keys that patterns
//! lead to are read as of the moment at which the sorted key was locked.

mod query;

use std::cmp::Ordering;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

pub(crate) use self::query::looks_elsewhere;
use self::query::{Pattern, Query};
use super::command::{Access, Call, Command, Flags, Keys, read, write};
use super::error::{Error, Result};
use super::gathered::Gathered;
use super::keyspace::{self, COUNTED, Collection, Meta, Type};
use super::number;
use super::protocol::reply::Reply;
use super::sample::wait_if_large;
use super::string;
use super::tail::tell_gathered;
use super::zset::score_and_member;
use crate::redis::events::Events;
use crate::store::{Reads, Txn};

const SORTED: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).";

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    write("sort", -2, Keys::FirstAndStore, sort).access(Access::QUERY).flag(Flags::DANGEROUS).doc(
        "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.",
        "1.0.0",
        SORTED,
    ),
    read("sort_ro", -2, Keys::FIRST, sort_ro).ranked().flag(Flags::DANGEROUS).doc(
        "Returns the sorted elements of a list, a set, or a sorted set.",
        "7.0.0",
        SORTED,
    ),
];

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE destination]`
fn sort(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let query = Query::parse(call, true)?;
    let rows = run(txn, call, &query)?;
    let Some(target) = query.target else { return tell(call, reply, rows) };
    let replaced = keyspace::delete(txn, call.space, target)?;
    reply.count(rows.rows().len());
    if !rows.rows().is_empty() {
        call.notify(txn, Events::LIST, "sortstore", target);
    } else if replaced {
        call.notify(txn, Events::GENERIC, "del", target);
    }
    let elements = rows.rows().iter().map(|row| row.clone().unwrap_or_default());
    super::list::store(txn, call.space, target, elements)
}

/// `SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA]`
fn sort_ro(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let query = Query::parse(call, false)?;
    tell(call, reply, run(reads, call, &query)?)
}

fn tell(call: &Call<'_>, reply: &mut Reply, rows: Gathered<Option<Bytes>>) -> Result {
    reply.array(rows.rows().len());
    tell_gathered(call, rows, reply, |reply, row| reply.bulk_or_null(row.as_deref()))
}

/// An element with what it is sorted by.
struct Sorted {
    element: Bytes,
    weight: Weight,
}

enum Weight {
    /// Nothing, or the element itself.
    None,
    Number(f64),
    /// What a key holds; `None` if there is no such key.
    Text(Option<Bytes>),
}

/// What SORT answers.
fn run(reads: &dyn Reads, call: &Call<'_>, query: &Query<'_>) -> Result<Gathered<Option<Bytes>>> {
    let mut rows = Gathered::new(call);
    let Some(meta) = call.load(reads, call.get(1))? else { return Ok(rows) };
    let mut sorted = elements(reads, call, meta, query)?;
    if query.is_sorted() {
        sorted.rows_mut().sort_by(|a, b| {
            let order = compare(a, b);
            if query.descending { order.reverse() } else { order }
        });
    }
    let (from, to) = query.limits(sorted.rows().len());
    for Sorted { element, .. } in sorted.rows().get(from..to).unwrap_or_default() {
        if query.get.is_empty() {
            rows.add(Some(element.clone()), 0)?;
            continue;
        }
        for pattern in &query.get {
            let found = look_up(reads, call, pattern, element)?;
            let bytes = found.as_ref().map_or(0, Bytes::len);
            rows.add(found, bytes)?;
        }
    }
    Ok(rows)
}

/// The elements, with what they are sorted by, in the order in which they lie; where they stay in it, descending if asked
/// for.
fn elements(reads: &dyn Reads, call: &Call<'_>, meta: Meta, query: &Query<'_>) -> Result<Gathered<Sorted>> {
    let kind = meta.kind;
    if !matches!(kind, Type::List | Type::Set | Type::SortedSet) {
        return Err(Error::WrongType);
    }
    let collection = Collection::from_meta(call.space, call.get(1), meta)?;
    wait_if_large(reads, &collection)?;
    let (mut found, mut failed) = (Gathered::new(call), None);
    let mut add = |element: &[u8]| {
        let element = Bytes::copy_from_slice(element);
        let added = weight(reads, call, query, &element).and_then(|(weight, bytes)| {
            let bytes = bytes + element.len();
            found.add(Sorted { element, weight }, bytes)
        });
        failed = added.err();
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    if kind == Type::Set {
        let all = (Bound::Unbounded, Bound::Unbounded);
        collection.each(reads, COUNTED, all.0, all.1, false, &mut |member, _| add(member))?;
    } else {
        let ordered = collection.ordered(reads)?;
        let mut add = |place: &[u8], value: &[u8]| match kind {
            Type::List => add(value),
            _ => add(score_and_member(place).map_or(&[][..], |(_, member)| member)),
        };
        if query.by == Some(Pattern::NONE) && query.descending {
            ordered.range_back(reads, ordered.count() - 1, &mut add)?;
        } else {
            ordered.range(reads, 0, &mut add)?;
        }
    }
    failed.map_or(Ok(found), Err)
}

/// What an element is sorted by, and how many bytes that takes beside the element.
fn weight(reads: &dyn Reads, call: &Call<'_>, query: &Query<'_>, element: &Bytes) -> Result<(Weight, usize)> {
    if !query.is_sorted() {
        return Ok((Weight::None, 0));
    }
    let text = match &query.by {
        Some(pattern) => look_up(reads, call, pattern, element)?,
        None if query.alpha => return Ok((Weight::None, 0)),
        None => Some(element.clone()),
    };
    if query.alpha {
        let bytes = text.as_ref().map_or(0, Bytes::len);
        return Ok((Weight::Text(text), bytes));
    }
    let number = text.map_or(Some(0.0), |text| parse_weight(&text));
    let number = number.ok_or(Error::text("ERR One or more scores can't be converted into double"))?;
    Ok((Weight::Number(number), 0))
}

/// As C's `strtod` reads a number: an empty text is 0, blanks may stand before it, and a zero byte ends it.
fn parse_weight(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() { Some(0.0) } else { number::parse_f64(text.trim_ascii_start()) }
}

fn compare(a: &Sorted, b: &Sorted) -> Ordering {
    match (&a.weight, &b.weight) {
        // Where numbers are alike the elements decide, so that the order is always the same.
        (Weight::Number(x), Weight::Number(y)) => {
            x.partial_cmp(y).unwrap_or(Ordering::Equal).then_with(|| a.element.cmp(&b.element))
        }
        (Weight::Text(x), Weight::Text(y)) => x.cmp(y),
        _ => a.element.cmp(&b.element),
    }
}

/// What a pattern leads to from an element; `None` if there is no such key, or it is of another type.
fn look_up(
    reads: &dyn Reads,
    call: &Call<'_>,
    pattern: &Pattern<'_>,
    element: &Bytes,
) -> Result<Option<Bytes>> {
    let (name, field) = match pattern {
        Pattern::Element => return Ok(Some(element.clone())),
        Pattern::Fixed(_) => return Ok(None),
        Pattern::Key { before, after, field } => ([before, &element[..], after].concat(), *field),
    };
    let Some(meta) = keyspace::load(reads, call.space, &name)? else { return Ok(None) };
    match (meta.kind, field) {
        (Type::String, None) => Ok(Some(string::whole(reads, call, meta)?.contents)),
        (Type::Hash, Some(field)) => {
            let hash = Collection::from_meta(call.space, &name, meta)?;
            Ok(hash.get(reads, COUNTED, field)?.map(|element| element.value))
        }
        _ => Ok(None),
    }
}
