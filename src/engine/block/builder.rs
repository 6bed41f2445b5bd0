//! Building data blocks; the grammar is in [`super::data`].

use super::data::{HEADER_BYTES, RESTART_BYTES, RESTART_ROWS, head};
use super::{common_prefix, put_trailer};
use crate::codec::varint;
use crate::engine::key::KeyRef;

/// Memory that an emptied builder keeps.
const KEPT_BYTES: usize = 1 << 20;

/// Rows on their way to be a data block.
#[derive(Default)]
pub(crate) struct DataBuilder {
    rows: Vec<u8>,
    count: usize,
    /// Where restarts lie in `rows`, and where their keys, one after the other, end in `keys`.
    restarts: Vec<(usize, usize)>,
    keys: Vec<u8>,
    /// The user key of the last row.
    last: Vec<u8>,
}

impl DataBuilder {
    /// Appends a row; the caller sees to the order.
    pub(crate) fn add(&mut self, key: KeyRef<'_>, value: &[u8]) {
        let shared = if self.count.is_multiple_of(RESTART_ROWS) {
            self.keys.extend_from_slice(key.user);
            self.restarts.push((self.rows.len(), self.keys.len()));
            0
        } else {
            common_prefix(&self.last, key.user)
        };
        let suffix = &key.user[shared..];
        self.rows.reserve(suffix.len() + value.len() + 4 * varint::VARINT_BYTES_MAX);
        varint::put_u64(&mut self.rows, shared as u64);
        varint::put_u64(&mut self.rows, suffix.len() as u64);
        varint::put_u64(&mut self.rows, value.len() as u64);
        put_trailer(&mut self.rows, key.trailer);
        self.rows.extend_from_slice(suffix);
        self.rows.extend_from_slice(value);
        self.last.truncate(shared);
        self.last.extend_from_slice(suffix);
        self.count += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the block if it ended here.
    pub(crate) fn byte_len(&self) -> usize {
        HEADER_BYTES + RESTART_BYTES * self.restarts.len() + self.rows.len()
    }

    /// Puts the restarts before the rows and returns the content. Next comes [`DataBuilder::clear`].
    pub(crate) fn finish(&mut self) -> &[u8] {
        // In order, what the first and the last have in common all have.
        let first = self.restarts.first().map_or(0, |&(_, end)| end);
        let skip = common_prefix(&self.keys[..first], &self.last);
        let rows_at = HEADER_BYTES + RESTART_BYTES * self.restarts.len();
        let mut header = Vec::with_capacity(rows_at);
        header.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        header.extend_from_slice(&(skip as u32).to_le_bytes());
        let mut start = 0;
        for &(at, end) in &self.restarts {
            header.extend_from_slice(&((rows_at + at) as u32).to_le_bytes());
            header.extend_from_slice(&head(&self.keys[start..end], skip).to_le_bytes());
            start = end;
        }
        // Moved in place: a second buffer would double what a huge value takes.
        self.rows.splice(0..0, header);
        &self.rows
    }

    /// Forgets the rows, keeping allocations of an everyday size.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.rows.shrink_to(KEPT_BYTES);
        self.restarts.clear();
        self.keys.clear();
        self.count = 0;
        self.last.clear();
    }
}
