//! Building data blocks; the grammar is in [`super::data`].

use super::data::RESTART_ROWS;
use super::{common_prefix, put_trailer};
use crate::codec::varint;
use crate::engine::key::KeyRef;

/// Rows on their way to be a data block.
#[derive(Default)]
pub(crate) struct DataBuilder {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    rows: usize,
    /// The user key of the last row.
    last: Vec<u8>,
}

impl DataBuilder {
    /// Appends a row; the caller sees to the order.
    pub(crate) fn add(&mut self, key: KeyRef<'_>, value: &[u8]) {
        let shared = if self.rows.is_multiple_of(RESTART_ROWS) {
            self.restarts.push(self.bytes.len() as u32);
            0
        } else {
            common_prefix(&self.last, key.user)
        };
        let suffix = &key.user[shared..];
        self.bytes.reserve(suffix.len() + value.len() + 4 * varint::VARINT_BYTES_MAX);
        varint::put_u64(&mut self.bytes, shared as u64);
        varint::put_u64(&mut self.bytes, suffix.len() as u64);
        varint::put_u64(&mut self.bytes, value.len() as u64);
        put_trailer(&mut self.bytes, key.trailer);
        self.bytes.extend_from_slice(suffix);
        self.bytes.extend_from_slice(value);
        self.last.truncate(shared);
        self.last.extend_from_slice(suffix);
        self.rows += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of the block if it ended here.
    pub(crate) fn byte_len(&self) -> usize {
        self.bytes.len() + 4 * self.restarts.len() + 4
    }

    /// Appends the restarts and returns the content.
    pub(crate) fn finish(&mut self) -> &[u8] {
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        self.bytes.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        &self.bytes
    }

    /// Forgets the rows, keeping the allocations.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.restarts.clear();
        self.rows = 0;
        self.last.clear();
    }
}
