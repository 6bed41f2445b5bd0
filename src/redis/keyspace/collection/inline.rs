//! A small collection, whole within its key's meta row.
//!
//! ```text
//! contents := varint length of head ‖ head ‖ entry*
//! entry    := plane << 1 | has a deadline ‖ bytes subkey ‖ bytes value ‖ [varint deadline, Unix milliseconds]
//! bytes    := varint length ‖ bytes
//! ```
//!
//! Entries are sorted by plane and subkey, but for a hash's, which lie in the order in which they came.

use bytes::Bytes;

use super::{Element, Plane};
use crate::codec::varint;
use crate::store::{Error, Result};

/// An element with its place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) plane: Plane,
    pub(super) subkey: Bytes,
    pub(super) element: Element,
}

impl Entry {
    /// What it takes in the row, in bytes.
    pub(super) fn byte_len(&self) -> usize {
        let deadline = if self.element.deadline_ms.is_some() { 6 } else { 0 };
        let length = |bytes: &Bytes| bytes.len() + if bytes.len() < 128 { 1 } else { 3 };
        1 + length(&self.subkey) + length(&self.element.value) + deadline
    }
}

/// Splits contents into head and entries.
pub(super) fn split(contents: &Bytes) -> Result<(Bytes, Bytes)> {
    let mut rest = &contents[..];
    let head = varint::take_bytes(&mut rest).ok_or(Error::Damaged("a collection's head"))?;
    Ok((contents.slice_ref(head), contents.slice_ref(rest)))
}

/// Contents of a head and entries, which are in order.
pub(super) fn join(head: &[u8], entries: &[Entry]) -> Bytes {
    let len: usize = entries.iter().map(Entry::byte_len).sum();
    let mut out = Vec::with_capacity(len + head.len() + 3);
    varint::put_bytes(&mut out, head);
    for Entry { plane, subkey, element } in entries {
        out.push(plane << 1 | u8::from(element.deadline_ms.is_some()));
        varint::put_bytes(&mut out, subkey);
        varint::put_bytes(&mut out, &element.value);
        if let Some(deadline_ms) = element.deadline_ms {
            varint::put_u64(&mut out, deadline_ms);
        }
    }
    out.into()
}

/// An entry, borrowed.
#[derive(Clone, Copy)]
pub(super) struct EntryRef<'a> {
    pub(super) plane: Plane,
    pub(super) subkey: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) deadline_ms: Option<u64>,
}

impl EntryRef<'_> {
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.deadline_ms.is_some_and(|deadline| deadline <= now_ms)
    }

    /// The element, sharing `packed`, which it was read from.
    pub(super) fn element(&self, packed: &Bytes) -> Element {
        Element { value: packed.slice_ref(self.value), deadline_ms: self.deadline_ms }
    }
}

/// The entries in packed bytes. Damage ends it: it was checked when it was written, and the row has a checksum.
pub(super) fn entries(packed: &[u8]) -> impl Iterator<Item = EntryRef<'_>> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        let &[first] = varint::take_slice(&mut rest, 1)?.first_chunk::<1>()?;
        let subkey = varint::take_bytes(&mut rest)?;
        let value = varint::take_bytes(&mut rest)?;
        let deadline_ms = if first & 1 == 0 { None } else { Some(varint::take_u64(&mut rest)?) };
        Some(EntryRef { plane: first >> 1, subkey, value, deadline_ms })
    })
}

/// The entries that are not due, to be changed.
pub(super) fn unpack(packed: &Bytes, now_ms: u64) -> Vec<Entry> {
    entries(packed)
        .filter(|entry| !entry.is_due(now_ms))
        .map(|entry| Entry {
            plane: entry.plane,
            subkey: packed.slice_ref(entry.subkey),
            element: entry.element(packed),
        })
        .collect()
}
