//! Positions over internal keys: what the memtable, a table, a level and a merge of them all have in common.

use bytes::Bytes;

use super::error::Result;
use super::key::{KeyRef, Seqno};

/// A position over internal keys in [`KeyRef`] order, or at none of them.
///
/// `next`, `prev`, `key` and `value` only when [`Cursor::valid`]. After an error the cursor is not valid until it is
/// positioned anew, so that no caller can mistake a failure for the end.
pub(crate) trait Cursor {
    /// Goes to the first entry.
    fn first(&mut self) -> Result<()>;
    /// Goes to the last entry.
    fn last(&mut self) -> Result<()>;
    /// Goes to the first entry at or after the target.
    fn seek(&mut self, target: KeyRef<'_>) -> Result<()>;
    /// Goes to the last entry at or before the target.
    fn seek_back(&mut self, target: KeyRef<'_>) -> Result<()>;
    /// Goes one entry on.
    fn next(&mut self) -> Result<()>;
    /// Goes one entry back.
    fn prev(&mut self) -> Result<()>;
    /// Whether there is an entry here.
    fn valid(&self) -> bool;
    /// The entry's key.
    fn key(&self) -> KeyRef<'_>;
    /// The entry's value; empty for a tombstone.
    fn value(&self) -> &[u8];
    /// The entry's value, shared with the block or batch it lies in where that costs no copy.
    fn value_bytes(&self) -> Bytes;
}

/// The newest version of a key that a reader may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) seqno: Seqno,
    /// `None`: a tombstone.
    pub(crate) value: Option<Bytes>,
}
