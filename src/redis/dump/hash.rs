//! Hashes.
//!
//! ```text
//!  4 := count ‖ (field ‖ value)*                                                      strings
//! 13 := ziplist, as a string: field, value, …
//! 16 := listpack, as a string: field, value, …
//! 24 := earliest deadline (8 bytes, LE, Unix milliseconds) ‖ count ‖ (due ‖ field ‖ value)*
//! 25 := earliest deadline ‖ listpack, as a string: field, value, deadline (0: none), …
//! due := length: 0 for none, else milliseconds after the earliest + 1
//! ```
//!
//! The last two are of Redis 7.4, which brought deadlines of fields.

use std::ops::{Bound, ControlFlow};

use super::super::error::Result;
use super::super::hash::FIELDS;
use super::super::keyspace::{Collection, Element, Type};
use super::super::number;
use super::super::sample::wait_if_large;
use super::bytes::{Reader, Writer};
use super::{Format, Source, Target, bad, listpack, ziplist};
use crate::store::{Reads, Txn};

const HASH: u8 = 4;
const ZIPLIST: u8 = 13;
const LISTPACK: u8 = 16;
const DUE: u8 = 24;
const LISTPACK_DUE: u8 = 25;
/// The version that brought deadlines.
const DUE_VERSION: u16 = 12;

/// Redis's own bounds for a hash that is packed: so many fields, of so many bytes.
const PACKED_FIELDS_MAX: u64 = 512;
const PACKED_BYTES_MAX: usize = 64;

pub(super) const FORMAT: Format = Format {
    kind: Type::Hash,
    reads: &[HASH, ZIPLIST, LISTPACK, DUE, LISTPACK_DUE],
    write,
    read,
    #[cfg(feature = "fuzzing")]
    check: |kind, reader| each(kind, reader, 1 << 20, &mut |_, _, _| Ok(())),
};

/// Visits a hash's fields.
fn walk(
    reads: &dyn Reads,
    hash: &Collection,
    visit: &mut dyn FnMut(&[u8], &Element) -> ControlFlow<()>,
) -> Result {
    Ok(hash.each(reads, FIELDS, Bound::Unbounded, Bound::Unbounded, false, visit)?)
}

fn write(reads: &dyn Reads, source: &Source<'_>, writer: &mut Writer) -> Result {
    let hash = Collection::from_meta(source.space, source.name, source.meta.clone())?;
    wait_if_large(reads, &hash)?;
    let count = hash.len(reads)?;
    let mut packed = count <= PACKED_FIELDS_MAX;
    let mut earliest_ms: Option<u64> = None;
    // A hash of many fields is read twice only if some of them may have deadlines.
    if packed || source.meta.elements_due_ms.is_some() {
        walk(reads, &hash, &mut |field, element| {
            packed &= field.len() <= PACKED_BYTES_MAX && element.value.len() <= PACKED_BYTES_MAX;
            earliest_ms = earliest_ms.into_iter().chain(element.deadline_ms).min();
            ControlFlow::Continue(())
        })?;
    }
    if let Some(earliest_ms) = earliest_ms {
        writer.needs_version(DUE_VERSION);
        writer.byte(DUE);
        writer.bytes(&earliest_ms.to_le_bytes());
    } else if packed {
        let mut builder = listpack::Builder::new();
        walk(reads, &hash, &mut |field, element| {
            builder.push(field);
            builder.push(&element.value);
            ControlFlow::Continue(())
        })?;
        let packed = builder.finish();
        writer.byte(LISTPACK);
        writer.length(packed.len() as u64);
        writer.bytes(&packed);
        return Ok(());
    } else {
        writer.byte(HASH);
    }
    writer.length(count);
    walk(reads, &hash, &mut |field, element| {
        if let Some(earliest_ms) = earliest_ms {
            writer.length(element.deadline_ms.map_or(0, |ms| ms.saturating_sub(earliest_ms) + 1));
        }
        writer.string(field);
        writer.string(&element.value);
        if writer.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

/// Takes a field, its value and its deadline.
type Visit<'a> = dyn FnMut(&[u8], &[u8], Option<u64>) -> Result + 'a;

/// Visits fields; at least one.
fn each(kind: u8, reader: &mut Reader<'_>, most: u64, visit: &mut Visit<'_>) -> Result {
    let earliest_ms = match kind {
        DUE | LISTPACK_DUE => u64::from_le_bytes(reader.chunk()?),
        _ => 0,
    };
    if kind == ZIPLIST || kind == LISTPACK || kind == LISTPACK_DUE {
        let packed = reader.packed(most)?;
        let entries = if kind == ZIPLIST { ziplist::entries(&packed)? } else { listpack::entries(&packed)? };
        let step = if kind == LISTPACK_DUE { 3 } else { 2 };
        if entries.is_empty() || !entries.len().is_multiple_of(step) {
            return Err(bad());
        }
        for entry in entries.chunks_exact(step) {
            let [field, value, due @ ..] = entry else { return Err(bad()) };
            let due = due.first().map_or(Some(0), |due| number::parse_u64(due)).ok_or_else(bad)?;
            visit(field, value, Some(due).filter(|&due| due > 0))?;
        }
        return Ok(());
    }
    let count = reader.length()?;
    if count == 0 {
        return Err(bad());
    }
    for _ in 0..count {
        let due = if kind == DUE { reader.length()? } else { 0 };
        let deadline_ms = match due {
            0 => None,
            due => Some(earliest_ms.checked_add(due - 1).ok_or_else(bad)?),
        };
        let (field, value) = (reader.string(most)?, reader.string(most)?);
        visit(&field, &value, deadline_ms)?;
    }
    Ok(())
}

fn read(kind: u8, reader: &mut Reader<'_>, txn: &mut Txn, target: &Target<'_>) -> Result {
    let mut hash = Collection::new(target.space, target.name, Type::Hash);
    each(kind, reader, target.value_bytes_max, &mut |field, value, deadline_ms| match hash.put(
        txn,
        FIELDS,
        field,
        value,
        deadline_ms,
    )? {
        None => Ok(()),
        Some(_) => Err(bad()),
    })?;
    Ok(hash.save(txn)?)
}
