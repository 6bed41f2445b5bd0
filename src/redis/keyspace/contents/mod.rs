//! A string's contents, of which parts can be read and changed. They lie within the key's meta row, however long they
//! are, until a part of more than [`ROW_BYTES_MAX`] is changed: from then on they lie in chunks ([`rows`]), and a change
//! costs the chunks that it concerns. What replaces all of it makes one row of it again.
//!
//! So a value that is written and read whole, as most are, costs one row; and since no change of a part makes a string
//! shorter, none goes back and forth.
//!
//! Measured on two cores, 16 commands at once, in CPU time of the server and bytes of log and tables for each: SETBIT at
//! random in 12 MB takes 3 µs and 0.5 KB (in one row 6800 µs and 6 MB), APPEND of 100 bytes to 10 MB 4 µs and 0.7 KB (7500 µs
//! and 10 MB), PFADD to a dense HyperLogLog 4 µs and 1 KB (19 µs and 12 KB). GET of 4.5 KB is as quick in chunks as in one
//! row, of 12 KB takes 4 µs rather than 3, of 12 MB 10 ms rather than 3. Chunks of 512 bytes halve the log again, but make
//! whole reads slower by a third; those of 2 KiB double it and gain nothing else.

mod build;
mod rows;

use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use self::rows::CHUNK_BYTES;
use super::meta::{Body, Meta, Owner};
use super::{Error, Result, Space, Type, key, lock_key};
use crate::store::{Reads, Txn};

pub use self::build::Build;

/// The longest string, in bytes, that lies within its key's meta row when a part of it is changed.
const ROW_BYTES_MAX: u64 = 4 << 10;

/// Where they are.
enum Place {
    /// In the meta row.
    Row(Bytes),
    /// In rows of their own.
    Chunks { owner: Owner, prefix: Vec<u8>, len: u64 },
}

/// The contents of a string. Changes take effect with [`Contents::save`].
pub struct Contents<'a> {
    space: Space,
    name: &'a [u8],
    old: Option<Meta>,
    place: Place,
}

impl<'a> Contents<'a> {
    /// Those of a new string, for a key that [`key::load`] did not find.
    pub fn new(space: Space, name: &'a [u8]) -> Self {
        Self { space, name, old: None, place: Place::Row(Bytes::new()) }
    }

    /// Those in a loaded meta row, which must be a string's.
    pub fn from_meta(space: Space, name: &'a [u8], meta: Meta) -> Result<Self> {
        let place = match &meta.body {
            _ if meta.kind != Type::String => return Err(Error::WrongType),
            Body::Inline(contents) => Place::Row(contents.clone()),
            &Body::Owned { owner, len, .. } => Place::Chunks { owner, prefix: owner.prefix(), len },
        };
        Ok(Self { space, name, old: Some(meta), place })
    }

    /// Whether the key does not exist yet.
    pub fn is_new(&self) -> bool {
        self.old.is_none()
    }

    /// Whether they lie within the key's meta row, so that they are at hand whole.
    pub fn in_row(&self) -> Option<&Bytes> {
        match &self.place {
            Place::Row(contents) => Some(contents),
            Place::Chunks { .. } => None,
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        match &self.place {
            Place::Row(contents) => contents.len() as u64,
            Place::Chunks { len, .. } => *len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of the bytes, as far as there are any.
    pub fn read(&self, reads: &dyn Reads, range: Range<u64>) -> Result<Bytes> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let prefix = match &self.place {
            Place::Row(contents) => return Ok(contents.slice(start as usize..end as usize)),
            Place::Chunks { prefix, .. } => prefix,
        };
        // The length was checked when they were written, and whoever asks for all has seen to it that there is room.
        let mut out = Vec::with_capacity((end - start) as usize);
        rows::each(reads, prefix, start..end, &mut |at, bytes| {
            out.resize((at - start) as usize, 0);
            out.extend_from_slice(bytes);
            ControlFlow::Continue(())
        })?;
        out.resize((end - start) as usize, 0);
        Ok(out.into())
    }

    /// Visits some of the bytes in order, until told to stop: where a piece begins, and what it is. Between the pieces,
    /// as far as the contents go, lie zeros.
    pub fn each(
        &self,
        reads: &dyn Reads,
        range: Range<u64>,
        visit: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<()> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        match &self.place {
            Place::Row(contents) => {
                let _ = visit(start, contents.get(start as usize..end as usize).unwrap_or_default());
                Ok(())
            }
            Place::Chunks { prefix, .. } => Ok(rows::each(reads, prefix, start..end, visit)?),
        }
    }

    /// Sets bytes from a place on; what lies between the end and that place becomes zeros.
    pub fn write(&mut self, txn: &mut Txn, at: u64, bytes: &[u8]) -> Result<()> {
        if self.is_new() && self.is_empty() && at == 0 {
            self.replace(Bytes::copy_from_slice(bytes));
            return Ok(());
        }
        let end = at + bytes.len() as u64;
        let len = self.len().max(end);
        if let Place::Row(contents) = &mut self.place
            && len <= ROW_BYTES_MAX
        {
            *contents = edited(contents, len as usize, at as usize, bytes);
            return Ok(());
        }
        self.grow(txn, end)?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.divide(txn)?;
        let Place::Chunks { prefix, .. } = &self.place else { return Ok(()) };
        write_chunks(txn, prefix, at, bytes)
    }

    /// Sets all of them.
    pub fn replace(&mut self, contents: impl Into<Bytes>) {
        self.place = Place::Row(contents.into());
    }

    /// Appends zeros up to a length, if they are shorter.
    pub fn grow(&mut self, txn: &mut Txn, to: u64) -> Result<()> {
        if to <= self.len() {
            return Ok(());
        }
        if let Place::Row(contents) = &mut self.place
            && to <= ROW_BYTES_MAX
        {
            *contents = edited(contents, to as usize, 0, &[]);
            return Ok(());
        }
        self.divide(txn)?;
        if let Place::Chunks { len, .. } = &mut self.place {
            *len = to;
        }
        Ok(())
    }

    /// Stages the contents of the meta row, if they lie there, as chunks.
    fn divide(&mut self, txn: &mut Txn) -> Result<()> {
        let Place::Row(contents) = &self.place else { return Ok(()) };
        let mut build = Build::new(txn, self.space)?;
        build.append(txn, contents)?;
        let (owner, len) = build.finish(txn)?;
        self.place = Place::Chunks { owner, prefix: owner.prefix(), len };
        Ok(())
    }

    /// Stages the key's meta row, if it is another one now, and tells those who watch it.
    pub fn save(self, txn: &mut Txn) -> Result<()> {
        let body = match self.place {
            Place::Row(contents) => Body::Inline(contents),
            Place::Chunks { owner, len, .. } => Body::Owned { owner, len, head: Bytes::new() },
        };
        if let (Body::Owned { .. }, Some(old)) = (&body, &self.old)
            && old.body == body
        {
            txn.touch(lock_key(self.space.database, self.name), self.name);
            return Ok(());
        }
        let new = match &self.old {
            Some(old) => Meta { body, ..old.clone() },
            None => {
                Meta { kind: Type::String, deadline_ms: None, elements_due_ms: None, armed_ms: None, body }
            }
        };
        key::replace(txn, self.space, self.name, self.old.as_ref(), new)
    }
}

/// A row's contents as they are with some bytes changed, and with zeros up to a length.
fn edited(contents: &[u8], len: usize, at: usize, bytes: &[u8]) -> Bytes {
    let mut edited = Vec::with_capacity(len);
    edited.extend_from_slice(contents);
    edited.resize(len, 0);
    if let Some(there) = edited.get_mut(at..at + bytes.len()) {
        there.copy_from_slice(bytes);
    }
    edited.into()
}

/// Stages bytes from a place on, each chunk that they touch by itself.
fn write_chunks(txn: &mut Txn, prefix: &[u8], at: u64, bytes: &[u8]) -> Result<()> {
    let (mut at, mut rest) = (at, bytes);
    while !rest.is_empty() {
        let (number, within) = (at / CHUNK_BYTES, (at % CHUNK_BYTES) as usize);
        let (piece, later) = rest.split_at(rest.len().min(CHUNK_BYTES as usize - within));
        let row = rows::row(prefix, number);
        let value = if piece.len() == CHUNK_BYTES as usize {
            rows::encode(piece)
        } else {
            let mut chunk = rows::get(txn, prefix, number)?.to_vec();
            chunk.resize(chunk.len().max(within + piece.len()), 0);
            if let Some(there) = chunk.get_mut(within..within + piece.len()) {
                there.copy_from_slice(piece);
            }
            rows::encode(&chunk)
        };
        match value {
            Some(value) => txn.put(row, value),
            None if txn.may_contain(&row) => txn.delete(row),
            None => {}
        }
        (at, rest) = (at + piece.len() as u64, later);
    }
    Ok(())
}
