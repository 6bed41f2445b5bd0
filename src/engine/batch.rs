//! A batch: changes that happen together or not at all. Its bytes are the payload of its log record.
//!
//! ```text
//! batch := op*
//! op    := 1 key value            put             key, value := varint length ‖ bytes
//!        | 2 key                  delete
//!        | 3 start end            delete the range start (included) to end (excluded)
//!        | 4 counter delta        add to a counter   counter := varint, delta := zigzag varint
//! ```
//!
//! Every row of a batch gets the batch's sequence number. Of several operations on one key the last one
//! counts; range deletions come first whatever their place, and hide only what older batches wrote.

use super::error::{Error, Result};
use super::key::KEY_BYTES_MAX;
use crate::codec::varint;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const DELETE_RANGE: u8 = 3;
const COUNT: u8 = 4;

/// Changes to be committed together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ops: u32,
    /// Whether all operations are deletions: such a batch is let through when the disk is full.
    grows: bool,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key's value.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.reserve(key.len() + value.len() + 11);
        self.bytes.push(PUT);
        varint::put_bytes(&mut self.bytes, key);
        varint::put_bytes(&mut self.bytes, value);
        self.ops += 1;
        self.grows = true;
    }

    /// Sets a key's value in the course of winning space: the batch is still let through when the disk is full.
    pub fn put_freeing(&mut self, key: &[u8], value: &[u8]) {
        let grows = self.grows;
        self.put(key, value);
        self.grows = grows;
    }

    /// Removes a key.
    pub fn delete(&mut self, key: &[u8]) {
        self.bytes.push(DELETE);
        varint::put_bytes(&mut self.bytes, key);
        self.ops += 1;
    }

    /// Removes the keys from `start` (included) to `end` (excluded). Costs one mark whatever their number.
    pub fn delete_range(&mut self, start: &[u8], end: &[u8]) {
        self.bytes.push(DELETE_RANGE);
        varint::put_bytes(&mut self.bytes, start);
        varint::put_bytes(&mut self.bytes, end);
        self.ops += 1;
    }

    /// Adds to a counter of the database, in the same stroke.
    pub fn count(&mut self, counter: u64, delta: i64) {
        self.bytes.push(COUNT);
        varint::put_u64(&mut self.bytes, counter);
        varint::put_i64(&mut self.bytes, delta);
        self.ops += 1;
    }

    /// How many operations.
    pub fn len(&self) -> usize {
        self.ops as usize
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.ops == 0
    }

    /// How many bytes it takes in the log.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it stores anything; a batch that only deletes is let through when the disk is full.
    pub fn grows(&self) -> bool {
        self.grows
    }

    /// Forgets everything, keeping the allocation.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ops = 0;
        self.grows = false;
    }

    /// The encoded operations.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The operations in order.
    pub(crate) fn ops(&self) -> Ops<'_> {
        Ops { rest: &self.bytes }
    }

    /// Refuses what is over a limit, before anything is written.
    pub(crate) fn check(&self, bytes_max: usize) -> Result<()> {
        if self.bytes.len() > bytes_max {
            return Err(Error::invalid(format_args!(
                "a batch of {} bytes is over the limit of {bytes_max} bytes, an eighth of the memory budget",
                self.bytes.len()
            )));
        }
        for op in self.ops() {
            let key = match op.ok_or_else(|| Error::invalid("malformed batch"))? {
                Op::Put { key, .. } | Op::Delete { key } => key,
                Op::DeleteRange { start, end } => {
                    if start > end {
                        return Err(Error::invalid("a range to delete ends before it starts"));
                    }
                    if end.len() > start.len() { end } else { start }
                }
                Op::Count { .. } => continue,
            };
            if key.len() > KEY_BYTES_MAX {
                return Err(Error::invalid(format_args!(
                    "a key of {} bytes is over the limit of {KEY_BYTES_MAX} bytes",
                    key.len()
                )));
            }
        }
        Ok(())
    }
}

/// One operation, borrowed from the encoded batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    Put { key: &'a [u8], value: &'a [u8] },
    Delete { key: &'a [u8] },
    DeleteRange { start: &'a [u8], end: &'a [u8] },
    Count { counter: u64, delta: i64 },
}

/// The operations of an encoded batch; `None` inside the iterator where the bytes are malformed, after which
/// it ends.
#[derive(Clone, Debug)]
pub(crate) struct Ops<'a> {
    rest: &'a [u8],
}

impl<'a> Ops<'a> {
    /// Over bytes that come from a log record.
    pub(crate) fn decode(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self) -> Option<Op<'a>> {
        let rest = &mut self.rest;
        let kind = varint::take_slice(rest, 1)?;
        Some(match *kind.first()? {
            PUT => Op::Put { key: varint::take_bytes(rest)?, value: varint::take_bytes(rest)? },
            DELETE => Op::Delete { key: varint::take_bytes(rest)? },
            DELETE_RANGE => {
                Op::DeleteRange { start: varint::take_bytes(rest)?, end: varint::take_bytes(rest)? }
            }
            COUNT => Op::Count { counter: varint::take_u64(rest)?, delta: varint::take_i64(rest)? },
            _ => return None,
        })
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Option<Op<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let op = self.take();
        if op.is_none() {
            self.rest = &[];
        }
        Some(op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_come_back_in_order() {
        let mut batch = Batch::new();
        batch.put(b"k", b"v");
        batch.delete(b"d");
        batch.delete_range(b"a", b"c");
        batch.count(7, -3);
        let ops: Option<Vec<_>> = batch.ops().collect();
        assert_eq!(
            ops.unwrap(),
            [
                Op::Put { key: b"k", value: b"v" },
                Op::Delete { key: b"d" },
                Op::DeleteRange { start: b"a", end: b"c" },
                Op::Count { counter: 7, delta: -3 },
            ]
        );
    }

    #[test]
    fn malformed_bytes_end_the_iteration() {
        let mut ops = Ops::decode(&[PUT, 5, b'x']);
        assert_eq!(ops.next(), Some(None));
        assert_eq!(ops.next(), None);
    }
}
