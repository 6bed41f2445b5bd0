//! Sets.
//!
//! ```text
//!  2 := count ‖ member*                                                    strings
//! 11 := intset, as a string
//! 20 := listpack, as a string                                              of Redis 7.2
//! intset := bytes of an integer: 2, 4 or 8 (u32, LE) ‖ count (u32, LE) ‖ integers, LE, ascending
//! ```

use std::ops::{Bound, ControlFlow};

use super::super::error::Result;
use super::super::keyspace::{Collection, Plane, Type};
use super::super::number;
use super::super::sample::wait_if_many;
use super::bytes::{Reader, Writer};
use super::{Format, Source, Target, bad, listpack};
use crate::store::{Reads, Txn};

const SET: u8 = 2;
const INTSET: u8 = 11;
const LISTPACK: u8 = 20;

/// The members, whose elements hold nothing.
const MEMBERS: Plane = 0;
/// Redis's own bound for a set of integers that is packed.
const INTSET_MEMBERS_MAX: u64 = 512;

pub(super) const FORMAT: Format = Format {
    kind: Type::Set,
    reads: &[SET, INTSET, LISTPACK],
    write,
    read,
    #[cfg(feature = "fuzzing")]
    check: |kind, reader| each(kind, reader, 1 << 20, &mut |_| Ok(())),
};

fn write(reads: &dyn Reads, source: &Source<'_>, writer: &mut Writer) -> Result {
    let set = Collection::from_meta(source.space, source.name, source.meta.clone())?;
    let count = set.len(reads)?;
    wait_if_many(reads, count)?;
    let walk = |visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>| -> Result {
        let mut visit = |member: &[u8], _: &_| visit(member);
        Ok(set.each(reads, MEMBERS, Bound::Unbounded, Bound::Unbounded, false, &mut visit)?)
    };
    if count <= INTSET_MEMBERS_MAX {
        let mut integers = Some(Vec::new());
        walk(&mut |member| {
            let integer = number::parse_i64(member);
            integers = integers.take().zip(integer).map(|(mut integers, integer)| {
                integers.push(integer);
                integers
            });
            if integers.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if let Some(integers) = integers {
            writer.byte(INTSET);
            let packed = intset(integers);
            writer.length(packed.len() as u64);
            writer.bytes(&packed);
            return Ok(());
        }
    }
    writer.byte(SET);
    writer.length(count);
    walk(&mut |member| {
        writer.string(member);
        if writer.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

fn intset(mut integers: Vec<i64>) -> Vec<u8> {
    integers.sort_unstable();
    let all = |fits: fn(i64) -> bool| integers.iter().all(|&n| fits(n));
    let width = match () {
        () if all(|n| i16::try_from(n).is_ok()) => 2,
        () if all(|n| i32::try_from(n).is_ok()) => 4,
        () => 8_u32,
    };
    let mut out = Vec::with_capacity(8 + integers.len() * width as usize);
    out.extend_from_slice(&width.to_le_bytes());
    out.extend_from_slice(&(integers.len() as u32).to_le_bytes());
    for n in integers {
        out.extend(n.to_le_bytes().into_iter().take(width as usize));
    }
    out
}

/// Visits the members; at least one.
fn each(kind: u8, reader: &mut Reader<'_>, most: u64, visit: &mut dyn FnMut(&[u8]) -> Result) -> Result {
    if kind == SET {
        let count = reader.length()?;
        if count == 0 {
            return Err(bad());
        }
        for _ in 0..count {
            visit(&reader.string(most)?)?;
        }
        return Ok(());
    }
    let packed = reader.packed(most)?;
    if kind == LISTPACK {
        let entries = listpack::entries(&packed)?;
        if entries.is_empty() {
            return Err(bad());
        }
        return entries.iter().try_for_each(|member| visit(member));
    }
    let mut reader = Reader::new(&packed);
    let width = u32::from_le_bytes(reader.chunk()?);
    let count = u32::from_le_bytes(reader.chunk()?);
    if count == 0 || u64::from(width) * u64::from(count) != reader.left() as u64 {
        return Err(bad());
    }
    let mut before = None;
    for _ in 0..count {
        let n = match width {
            2 => i16::from_le_bytes(reader.chunk()?).into(),
            4 => i32::from_le_bytes(reader.chunk()?).into(),
            8 => i64::from_le_bytes(reader.chunk()?),
            _ => return Err(bad()),
        };
        if before >= Some(n) {
            return Err(bad());
        }
        before = Some(n);
        visit(n.to_string().as_bytes())?;
    }
    Ok(())
}

fn read(kind: u8, reader: &mut Reader<'_>, txn: &mut Txn, target: &Target<'_>) -> Result {
    let mut set = Collection::new(target.space, target.name, Type::Set);
    each(
        kind,
        reader,
        target.value_bytes_max,
        &mut |member| match set.put(txn, MEMBERS, member, &[], None)? {
            None => Ok(()),
            Some(_) => Err(bad()),
        },
    )?;
    Ok(set.save(txn)?)
}
