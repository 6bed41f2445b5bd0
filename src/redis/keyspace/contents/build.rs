//! A string of any length, built from its first byte on in the memory of a part.

use super::rows;
use super::rows::CHUNK_BYTES;
use crate::redis::keyspace::meta::{Body, Meta, Owner};
use crate::redis::keyspace::parts::Parts;
use crate::redis::keyspace::{Result, Space, Type, key};
use crate::store::Txn;

/// A string that is being built in chunks.
pub struct Build {
    owner: Owner,
    parts: Parts,
    /// The bytes of the last chunk, as long as it is not full.
    rest: Vec<u8>,
    len: u64,
}

impl Build {
    /// An empty one, for a key of this database.
    pub fn new(txn: &mut Txn, space: Space) -> Result<Self> {
        let owner = Owner { home: space.id, id: txn.new_id()? };
        Ok(Self { owner, parts: Parts::new(owner.prefix()), rest: Vec::new(), len: 0 })
    }

    /// Adds bytes behind those it has.
    pub fn append(&mut self, txn: &mut Txn, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = CHUNK_BYTES as usize - self.rest.len();
            let (more, later) = bytes.split_at(room.min(bytes.len()));
            bytes = later;
            self.len += more.len() as u64;
            if more.len() == CHUNK_BYTES as usize {
                self.put(txn, more)?;
                continue;
            }
            self.rest.extend_from_slice(more);
            if self.rest.len() == CHUNK_BYTES as usize {
                let full = std::mem::take(&mut self.rest);
                self.put(txn, &full)?;
            }
        }
        Ok(())
    }

    /// Adds the last chunk so far.
    fn put(&mut self, txn: &mut Txn, chunk: &[u8]) -> Result<()> {
        let Some(value) = rows::encode(chunk) else { return Ok(()) };
        let number = (self.len - 1) / CHUNK_BYTES;
        self.parts.put(txn, rows::row(self.parts.prefix(), number), value)
    }

    /// Stages its rows. The caller stages the row that links to them.
    pub(super) fn finish(mut self, txn: &mut Txn) -> Result<(Owner, u64)> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.put(txn, &rest)?;
        }
        self.parts.finish(txn);
        Ok((self.owner, self.len))
    }

    /// Stages it as a key's, over whatever is there.
    pub fn link(self, txn: &mut Txn, space: Space, name: &[u8]) -> Result<()> {
        let (owner, len) = self.finish(txn)?;
        let body = Body::Owned { owner, len, head: bytes::Bytes::new() };
        let new = Meta { kind: Type::String, deadline_ms: None, elements_due_ms: None, armed_ms: None, body };
        key::overwrite_with(txn, space, name, new, &[])
    }
}
