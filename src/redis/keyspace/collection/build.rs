//! A new collection of any size, built without anything of it being seen ([`Parts`]).

use bytes::Bytes;

use super::inline::{self, Entry};
use super::{COUNTED, Element, INLINE_BYTES_MAX, Plane, Result, rows};
use crate::redis::keyspace::meta::{Body, Meta, Owner};
use crate::redis::keyspace::parts::Parts;
use crate::redis::keyspace::{Space, Type, key};
use crate::store::Txn;

/// A collection that is being built.
pub struct Build {
    space: Space,
    kind: Type,
    /// While it may still lie within its meta row.
    entries: Vec<Entry>,
    inline_bytes: usize,
    /// Once it does not.
    owner: Option<(Owner, Parts)>,
    len: u64,
}

impl Build {
    /// An empty one, for a key of this database.
    pub fn new(space: Space, kind: Type) -> Self {
        Self { space, kind, entries: Vec::new(), inline_bytes: 0, owner: None, len: 0 }
    }

    /// How many elements the first plane has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the first plane has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an element, whose subkey must be new to its plane.
    pub fn add(&mut self, txn: &mut Txn, plane: Plane, subkey: &[u8], value: &[u8]) -> Result<()> {
        self.len += u64::from(plane == COUNTED);
        if self.owner.is_some() {
            return self.add_row(txn, plane, subkey, value);
        }
        let element = Element { value: Bytes::copy_from_slice(value), deadline_ms: None };
        let entry = Entry { plane, subkey: Bytes::copy_from_slice(subkey), element };
        self.inline_bytes += entry.byte_len();
        self.entries.push(entry);
        if self.inline_bytes > INLINE_BYTES_MAX {
            let owner = Owner { home: self.space.id, id: txn.new_id()? };
            self.owner = Some((owner, Parts::new(owner.prefix())));
            for entry in std::mem::take(&mut self.entries) {
                self.add_row(txn, entry.plane, &entry.subkey, &entry.element.value)?;
            }
        }
        Ok(())
    }

    fn add_row(&mut self, txn: &mut Txn, plane: Plane, subkey: &[u8], value: &[u8]) -> Result<()> {
        let Some((_, parts)) = &mut self.owner else { return Ok(()) };
        parts.put(txn, rows::element_row(parts.prefix(), plane, subkey), rows::encode(subkey, value, None))
    }

    /// Stages it as a key's, over whatever is there. Empty, it stages that there is no such key.
    pub fn link(mut self, txn: &mut Txn, name: &[u8]) -> Result<()> {
        if self.is_empty() {
            key::delete(txn, self.space, name)?;
            return Ok(());
        }
        let body = match self.owner {
            None => {
                self.entries.sort_unstable_by(|a, b| (a.plane, &a.subkey).cmp(&(b.plane, &b.subkey)));
                Body::Inline(inline::join(&[], &self.entries))
            }
            Some((owner, parts)) => {
                parts.finish(txn);
                Body::Owned { owner, len: self.len, head: Bytes::new() }
            }
        };
        let new = Meta { kind: self.kind, deadline_ms: None, elements_due_ms: None, armed_ms: None, body };
        key::overwrite_with(txn, self.space, name, new, &[])
    }
}
