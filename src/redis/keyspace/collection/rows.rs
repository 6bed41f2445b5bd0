//! A large collection's elements, in rows of their own.
//!
//! ```text
//! element row    := prefix of the owner ‖ plane ‖ short subkey → element
//! deadline row   := prefix of the owner ‖ 255 ‖ deadline (6 bytes, big-endian) ‖ plane ‖ short subkey → empty
//! short subkey   := subkey of up to 1024 bytes | the first 1009 bytes ‖ digest (16 bytes)
//! element        := 0x10 | has a deadline | long subkey << 1
//!                   ‖ [varint deadline, Unix milliseconds] ‖ [varint length ‖ subkey] ‖ value
//! ```
//!
//! A short subkey longer than 1024 bytes stands for a long one, which the element then carries whole. Long subkeys that
//! agree in 1009 bytes sort by their digests.

use std::borrow::Cow;
use std::ops::Bound;

use bytes::Bytes;

use super::{Element, Plane};
use crate::codec::digest::digest;
use crate::codec::varint;
use crate::store::{Error, Reads, Result};

/// The plane of deadlines, in order of time.
pub(super) const DEADLINES: Plane = 255;

const VERSION: u8 = 0x10;
const DEADLINE: u8 = 1;
const LONG: u8 = 2;
const SUBKEY_BYTES_MAX: usize = 1024;
const LONG_HEAD_BYTES: usize = SUBKEY_BYTES_MAX + 1 - 16;

/// What stands for a subkey in a row's key.
pub(super) fn short(subkey: &[u8]) -> Cow<'_, [u8]> {
    match subkey.get(..LONG_HEAD_BYTES) {
        Some(head) if subkey.len() > SUBKEY_BYTES_MAX => Cow::Owned([head, &digest(subkey)].concat()),
        _ => Cow::Borrowed(subkey),
    }
}

/// An element row's key.
pub(super) fn element_row(prefix: &[u8], plane: Plane, subkey: &[u8]) -> Vec<u8> {
    element_row_of(prefix, plane, &short(subkey))
}

/// An element row's key, from a short subkey.
pub(super) fn element_row_of(prefix: &[u8], plane: Plane, short: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(prefix.len() + 1 + short.len());
    row.extend_from_slice(prefix);
    row.push(plane);
    row.extend_from_slice(short);
    row
}

/// A deadline row's key.
pub(super) fn deadline_row(prefix: &[u8], deadline_ms: u64, plane: Plane, subkey: &[u8]) -> Vec<u8> {
    deadline_row_of(prefix, deadline_ms, plane, &short(subkey))
}

/// A deadline row's key, from a short subkey.
pub(super) fn deadline_row_of(prefix: &[u8], deadline_ms: u64, plane: Plane, short: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(prefix.len() + 8 + short.len());
    row.extend_from_slice(prefix);
    row.push(DEADLINES);
    row.extend_from_slice(&deadline_ms.min(crate::store::DUE_MS_MAX).to_be_bytes()[2..]);
    row.push(plane);
    row.extend_from_slice(short);
    row
}

/// The bounds of the rows of a plane between two subkeys.
pub(super) fn bounds(
    prefix: &[u8],
    plane: Plane,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let row = |subkey: &[u8]| element_row(prefix, plane, subkey);
    let from = match from {
        Bound::Unbounded => Bound::Included(row(&[])),
        from => from.map(row),
    };
    let to = match to {
        Bound::Unbounded => {
            let mut end = row(&[]);
            // No plane is above 255, and the rows of 255 end where the owner's do.
            if plane == DEADLINES {
                end.extend_from_slice(&[0xFF; 8]);
            } else if let Some(last) = end.last_mut() {
                *last += 1;
            }
            Bound::Excluded(end)
        }
        to => to.map(row),
    };
    (from, to)
}

/// An element row's value.
pub(super) fn encode(subkey: &[u8], value: &[u8], deadline_ms: Option<u64>) -> Bytes {
    let long = subkey.len() > SUBKEY_BYTES_MAX;
    let mut out = Vec::with_capacity(value.len() + 11 + if long { subkey.len() + 5 } else { 0 });
    out.push(VERSION | if deadline_ms.is_some() { DEADLINE } else { 0 } | if long { LONG } else { 0 });
    if let Some(deadline_ms) = deadline_ms {
        varint::put_u64(&mut out, deadline_ms);
    }
    if long {
        varint::put_bytes(&mut out, subkey);
    }
    out.extend_from_slice(value);
    out.into()
}

/// An element from its row's value, and its subkey, if that is a long one.
pub(super) fn decode(value: &Bytes) -> Result<(Element, Option<Bytes>)> {
    take(value).ok_or(Error::Damaged("an element"))
}

fn take(value: &Bytes) -> Option<(Element, Option<Bytes>)> {
    let (&first, mut rest) = value.split_first()?;
    (first & 0xF0 == VERSION).then_some(())?;
    let deadline_ms = if first & DEADLINE == 0 { None } else { Some(varint::take_u64(&mut rest)?) };
    let subkey = if first & LONG == 0 { None } else { Some(varint::take_bytes(&mut rest)?) };
    let element = Element { value: value.slice_ref(rest), deadline_ms };
    Some((element, subkey.map(|subkey| value.slice_ref(subkey))))
}

/// An element that is due.
pub(super) struct Due {
    pub(super) deadline_ms: u64,
    pub(super) plane: Plane,
    /// As it stands in row keys.
    pub(super) short: Vec<u8>,
}

/// The elements due by then, earliest first, at most `max`.
pub(super) fn due(reads: &dyn Reads, prefix: &[u8], now_ms: u64, max: usize) -> Result<Vec<Due>> {
    let from = element_row(prefix, DEADLINES, &[]);
    let mut to = from.clone();
    to.extend_from_slice(&(now_ms + 1).min(crate::store::DUE_MS_MAX).to_be_bytes()[2..]);
    let mut scan = reads.scan(Bound::Included(&from), Bound::Excluded(&to));
    let mut found = Vec::new();
    scan.first()?;
    while scan.valid() && found.len() < max {
        found.push(parse_deadline_row(&from, scan.key()).ok_or(Error::Damaged("an element's deadline"))?);
        scan.next()?;
    }
    Ok(found)
}

/// The earliest deadline of an element.
pub(super) fn first_deadline_ms(reads: &dyn Reads, prefix: &[u8]) -> Result<Option<u64>> {
    let from = element_row(prefix, DEADLINES, &[]);
    let (_, to) = bounds(prefix, DEADLINES, Bound::Unbounded, Bound::Unbounded);
    let mut scan = reads.scan(Bound::Included(&from), to.as_ref().map(|to| &to[..]));
    scan.first()?;
    Ok(parse_deadline_row(&from, scan.key()).map(|due| due.deadline_ms))
}

fn parse_deadline_row(from: &[u8], row: &[u8]) -> Option<Due> {
    let rest = row.strip_prefix(from)?;
    let (deadline, rest) = rest.split_first_chunk::<6>()?;
    let (&plane, short) = rest.split_first()?;
    let deadline_ms = deadline.iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
    Some(Due { deadline_ms, plane, short: short.to_vec() })
}
