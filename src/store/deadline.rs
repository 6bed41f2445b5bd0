//! Deadlines: when a key is due, without looking at all keys.
//!
//! ```text
//! index row := space ‖ KIND ‖ due_ms (6 bytes, big-endian, Unix milliseconds) ‖ name → empty
//! ```
//!
//! The truth about a key is the deadline in its own row. The index only promises that a row lies at or before it;
//! a key whose deadline moved to later keeps its old index row, and whoever finds that one early re-arms it. `space` is
//! the prefix of all rows of one keyspace, so that the index dies with it.

use std::sync::Arc;

use super::Store;
use super::error::Result;

/// The kind byte of index rows, the same in every realm.
pub const KIND: u8 = 3;

/// The largest deadline an index row can carry: some 8,900 years.
pub const DUE_MS_MAX: u64 = (1 << 48) - 1;

/// An index row's key.
pub fn index_row(space: &[u8], due_ms: u64, name: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(space.len() + 7 + name.len());
    row.extend_from_slice(space);
    row.push(KIND);
    row.extend_from_slice(&due_ms.min(DUE_MS_MAX).to_be_bytes()[2..]);
    row.extend_from_slice(name);
    row
}

/// Due time and name of an index row of this space.
pub fn parse_index_row<'a>(space: &[u8], row: &'a [u8]) -> Option<(u64, &'a [u8])> {
    let rest = row.strip_prefix(space)?.strip_prefix(&[KIND])?;
    let (due, name) = rest.split_first_chunk::<6>()?;
    Some((due.iter().fold(0, |n, &byte| n << 8 | u64::from(byte)), name))
}

/// What a round of reaping found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Keys (or parts of keys) removed.
    pub removed: u64,
    /// When there is something to do again, in Unix milliseconds; `None` when no deadline is known.
    pub next_ms: Option<u64>,
    /// Everything due by then is dealt with, in Unix milliseconds: compaction may drop rows that expired by then.
    pub settled_ms: u64,
}

/// Removes what is due: a realm's part of the reaper.
pub trait Reap: Send + Sync + 'static {
    /// Removes what is due now, in small transactions, at most about `budget` index rows in one go. No index row lies
    /// before `from_ms`.
    fn reap(&self, store: &Arc<Store>, from_ms: u64, budget: usize) -> Result<Reaped>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_rows_sort_by_time_and_come_back() {
        let early = index_row(b"\x01\x05", 1_700_000_000_000, b"zz");
        let late = index_row(b"\x01\x05", 1_700_000_000_001, b"a");
        assert!(early < late);
        assert_eq!(parse_index_row(b"\x01\x05", &early), Some((1_700_000_000_000, &b"zz"[..])));
        assert_eq!(parse_index_row(b"\x01\x06", &early), None);
        let forever = index_row(b"\x01\x05", u64::MAX, b"a");
        assert_eq!(parse_index_row(b"\x01\x05", &forever), Some((DUE_MS_MAX, &b"a"[..])));
    }
}
