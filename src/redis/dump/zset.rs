//! Sorted sets.
//!
//! ```text
//!  3 := count ‖ (member ‖ length of a text ‖ score, as text)*       length 253: not a number, 254: inf, 255: -inf
//!  5 := count ‖ (member ‖ score, 8 bytes, LE)*
//! 12 := ziplist, as a string: member, score, …
//! 17 := listpack, as a string: member, score, …
//! ```

use std::ops::ControlFlow;

use super::super::error::Result;
use super::super::keyspace::{Collection, Type};
use super::super::number;
use super::super::protocol::reply::format_double;
use super::super::sample::wait_if_many;
use super::super::zset::{MEMBERS, encode_score, score_and_member};
use super::bytes::{Reader, Writer};
use super::{Format, Source, Target, bad, listpack, ziplist};
use crate::store::{Reads, Txn};

const TEXT: u8 = 3;
const BINARY: u8 = 5;
const ZIPLIST: u8 = 12;
const LISTPACK: u8 = 17;

/// Redis's own bounds for a sorted set that is packed: so many members, of so many bytes.
const PACKED_MEMBERS_MAX: u64 = 128;
const PACKED_BYTES_MAX: usize = 64;

pub(super) const FORMAT: Format = Format {
    kind: Type::SortedSet,
    reads: &[TEXT, BINARY, ZIPLIST, LISTPACK],
    write,
    read,
    #[cfg(feature = "fuzzing")]
    check: |kind, reader| each(kind, reader, 1 << 20, &mut |_, _| Ok(())),
};

fn write(reads: &dyn Reads, source: &Source<'_>, writer: &mut Writer) -> Result {
    let set = Collection::from_meta(source.space, source.name, source.meta.clone())?;
    let count = set.len(reads)?;
    wait_if_many(reads, count)?;
    let ordered = set.ordered(reads)?;
    let mut damaged = None;
    let mut walk = |visit: &mut dyn FnMut(&[u8], f64) -> ControlFlow<()>| -> Result {
        ordered.range(reads, 0, &mut |place, _| match score_and_member(place) {
            Ok((score, member)) => visit(member, score),
            Err(error) => {
                damaged = Some(error);
                ControlFlow::Break(())
            }
        })?;
        damaged.take().map_or(Ok(()), Err)
    };
    let mut packed = count <= PACKED_MEMBERS_MAX;
    if packed {
        walk(&mut |member, _| {
            packed &= member.len() <= PACKED_BYTES_MAX;
            ControlFlow::Continue(())
        })?;
    }
    if packed {
        let mut builder = listpack::Builder::new();
        walk(&mut |member, score| {
            builder.push(member);
            builder.push(format_double(score).as_bytes());
            ControlFlow::Continue(())
        })?;
        let packed = builder.finish();
        writer.byte(LISTPACK);
        writer.length(packed.len() as u64);
        writer.bytes(&packed);
        return Ok(());
    }
    writer.byte(BINARY);
    writer.length(count);
    walk(&mut |member, score| {
        writer.string(member);
        writer.bytes(&score.to_le_bytes());
        if writer.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

fn text_score(reader: &mut Reader<'_>) -> Result<f64> {
    match reader.byte()? {
        253 => Err(bad()),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => number::parse_f64(reader.take(len.into())?).ok_or_else(bad),
    }
}

/// Visits members and scores, none of which is not a number; at least one.
fn each(kind: u8, reader: &mut Reader<'_>, most: u64, visit: &mut dyn FnMut(&[u8], f64) -> Result) -> Result {
    let mut visit =
        |member: &[u8], score: f64| if score.is_nan() { Err(bad()) } else { visit(member, score) };
    if kind == ZIPLIST || kind == LISTPACK {
        let packed = reader.packed(most)?;
        let entries = if kind == LISTPACK { listpack::entries(&packed)? } else { ziplist::entries(&packed)? };
        if entries.is_empty() || !entries.len().is_multiple_of(2) {
            return Err(bad());
        }
        for entry in entries.chunks_exact(2) {
            let [member, score] = entry else { return Err(bad()) };
            visit(member, number::parse_f64(score).ok_or_else(bad)?)?;
        }
        return Ok(());
    }
    let count = reader.length()?;
    if count == 0 {
        return Err(bad());
    }
    for _ in 0..count {
        let member = reader.string(most)?;
        let score = if kind == TEXT { text_score(reader)? } else { f64::from_le_bytes(reader.chunk()?) };
        visit(&member, score)?;
    }
    Ok(())
}

fn read(kind: u8, reader: &mut Reader<'_>, txn: &mut Txn, target: &Target<'_>) -> Result {
    let mut set = Collection::new(target.space, target.name, Type::SortedSet);
    each(kind, reader, target.value_bytes_max, &mut |member, score| match set.put(
        txn,
        MEMBERS,
        member,
        &encode_score(score),
        None,
    )? {
        None => Ok(()),
        Some(_) => Err(bad()),
    })?;
    Ok(set.save(txn)?)
}
