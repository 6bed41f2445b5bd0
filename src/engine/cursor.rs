//! Positions over versioned rows, in the order of [`KeyRef`]: what memtables, tables and merges have in common.
//!
//! A cursor starts out invalid. After an error it is invalid too, and is best dropped: an error ends a scan, so
//! that nothing partial passes for the whole.

use bytes::Bytes;

use super::error::Result;
use super::key::{KeyRef, Seqno};

/// A position over rows in internal order; `next` ascends, `prev` descends.
pub(crate) trait Cursor {
    /// Goes to the first row.
    fn first(&mut self) -> Result<()>;
    /// Goes to the last row.
    fn last(&mut self) -> Result<()>;
    /// Goes to the first row at or after `target`.
    fn seek(&mut self, target: KeyRef<'_>) -> Result<()>;
    /// Goes to the last row at or before `target`.
    fn seek_back(&mut self, target: KeyRef<'_>) -> Result<()>;
    /// Goes one row on. Only where [`Cursor::valid`].
    fn next(&mut self) -> Result<()>;
    /// Goes one row back. Only where [`Cursor::valid`].
    fn prev(&mut self) -> Result<()>;
    /// Whether there is a row here.
    fn valid(&self) -> bool;
    /// The row's key. Only where [`Cursor::valid`].
    fn key(&self) -> KeyRef<'_>;
    /// The row's value, empty for a tombstone. Only where [`Cursor::valid`].
    fn value(&self) -> &[u8];
    /// The row's value, shared with where it lies. Only where [`Cursor::valid`].
    fn value_bytes(&self) -> Bytes;
}

/// The newest version of a key that a reader may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) seqno: Seqno,
    /// `None`: the key was deleted.
    pub(crate) value: Option<Bytes>,
}
