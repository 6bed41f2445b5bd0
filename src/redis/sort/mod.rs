//! SORT: the elements of a list, a set or a sorted set, by themselves or by keys that their names lead to.
//!
//! The elements, what they are sorted by and what is told of them lie in memory at once: more than a value may have is
//! refused. Keys that patterns lead to are read as of the moment at which the sorted key was locked.

mod query;

use std::cmp::Ordering;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

pub(crate) use self::query::looks_elsewhere;
use self::query::{Pattern, Query};
use super::command::{Access, Call, Command, Flags, Keys, read, write};
use super::error::{Error, Result};
use super::keyspace::{self, COUNTED, Collection, Meta, Type};
use super::number;
use super::protocol::reply::Reply;
use super::sample::wait_if_large;
use super::string;
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

/// What an element takes in memory beside its bytes.
const ELEMENT_BYTES: u64 = 64;

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE destination]`
fn sort(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let query = Query::parse(call, true)?;
    let rows = run(txn, call, &query)?;
    let Some(target) = query.target else {
        tell(reply, &rows);
        return Ok(());
    };
    let replaced = keyspace::delete(txn, call.space, target)?;
    reply.count(rows.len());
    if !rows.is_empty() {
        call.notify(txn, Events::LIST, "sortstore", target);
    } else if replaced {
        call.notify(txn, Events::GENERIC, "del", target);
    }
    super::list::store(txn, call.space, target, rows.into_iter().map(Option::unwrap_or_default))
}

/// `SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA]`
fn sort_ro(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let query = Query::parse(call, false)?;
    tell(reply, &run(reads, call, &query)?);
    Ok(())
}

fn tell(reply: &mut Reply, rows: &[Option<Bytes>]) {
    reply.array(rows.len());
    for row in rows {
        reply.bulk_or_null(row.as_deref());
    }
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
fn run(reads: &dyn Reads, call: &Call<'_>, query: &Query<'_>) -> Result<Vec<Option<Bytes>>> {
    let Some(meta) = call.load(reads, call.get(1))? else { return Ok(Vec::new()) };
    let most = call.instance.value_bytes_max();
    let elements = elements(reads, call, meta, query, most)?;
    let mut sorted = elements
        .into_iter()
        .map(|element| Ok(Sorted { weight: weight(reads, call, query, &element)?, element }))
        .collect::<Result<Vec<_>>>()?;
    if query.is_sorted() {
        sorted.sort_by(|a, b| {
            let order = compare(a, b);
            if query.descending { order.reverse() } else { order }
        });
    }
    let (from, to) = query.limits(sorted.len());
    let mut rows = Vec::new();
    let mut bytes = 0;
    for Sorted { element, .. } in sorted.drain(from..to) {
        if query.get.is_empty() {
            rows.push(Some(element));
            continue;
        }
        for pattern in &query.get {
            let found = look_up(reads, call, pattern, &element)?;
            bytes += found.as_ref().map_or(0, |found| found.len() as u64) + ELEMENT_BYTES;
            if bytes > most {
                return Err(too_large());
            }
            rows.push(found);
        }
    }
    Ok(rows)
}

fn too_large() -> Error {
    Error::text("ERR what is to be sorted is larger than the memory for it")
}

/// The elements in the order in which they lie; where they stay in it, descending if asked for.
fn elements(
    reads: &dyn Reads,
    call: &Call<'_>,
    meta: Meta,
    query: &Query<'_>,
    most: u64,
) -> Result<Vec<Bytes>> {
    let kind = meta.kind;
    if !matches!(kind, Type::List | Type::Set | Type::SortedSet) {
        return Err(Error::WrongType);
    }
    let collection = Collection::from_meta(call.space, call.get(1), meta)?;
    wait_if_large(reads, &collection)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut add = |element: &[u8]| {
        bytes += element.len() as u64 + ELEMENT_BYTES;
        found.push(Bytes::copy_from_slice(element));
        if bytes > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
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
    if bytes > most { Err(too_large()) } else { Ok(found) }
}

/// What an element is sorted by.
fn weight(reads: &dyn Reads, call: &Call<'_>, query: &Query<'_>, element: &Bytes) -> Result<Weight> {
    if !query.is_sorted() {
        return Ok(Weight::None);
    }
    let text = match &query.by {
        Some(pattern) => look_up(reads, call, pattern, element)?,
        None if query.alpha => return Ok(Weight::None),
        None => Some(element.clone()),
    };
    if query.alpha {
        return Ok(Weight::Text(text));
    }
    let number = text.map_or(Some(0.0), |text| number::parse_f64(&text));
    number.map(Weight::Number).ok_or(Error::text("ERR One or more scores can't be converted into double"))
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
