//! What the layer above tells compaction: which key ranges are dead, and when rows expire.
//!
//! The contract that makes it safe: a range is reported only if it is dead at the given view and stays dead for
//! ever (owner ids are never reused), so that dropping its rows can at worst be forgotten, never wrong.

use super::error::Result;
use super::key::Seqno;
use super::view::View;

/// The layer above, as compaction sees it.
pub trait Sweep: Send + Sync + 'static {
    /// The dead ranges that overlap `from..to` (both included) at this view, in key order, disjoint.
    fn dead_ranges(&self, view: &View, from: &[u8], to: &[u8]) -> Result<Vec<DeadRange>>;
    /// The moment, in Unix milliseconds, from which a row no longer exists; `None` if it never expires.
    fn deadline_ms(&self, key: &[u8], value: &[u8]) -> Option<u64>;
    /// The `now` against which deadlines are judged, in Unix milliseconds; 0: nothing has expired. Commits up to `horizon`
    /// are durable: what the layer above does about rows that expire must be among them before such rows may go, since
    /// the row's going is durable at once.
    fn now_ms(&self, horizon: Seqno) -> u64;
    /// Told after a compaction: no table holds rows of this range any more. The certificate may go.
    fn swept(&self, range: &DeadRange);
}

/// Rows from `start` (included) to `end` (excluded), all dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRange {
    /// The first dead key.
    pub start: Vec<u8>,
    /// The first key after them.
    pub end: Vec<u8>,
}

/// For engines without a layer above: nothing is dead, nothing expires.
pub struct NoSweep;

impl Sweep for NoSweep {
    fn dead_ranges(&self, _view: &View, _from: &[u8], _to: &[u8]) -> Result<Vec<DeadRange>> {
        Ok(Vec::new())
    }

    fn deadline_ms(&self, _key: &[u8], _value: &[u8]) -> Option<u64> {
        None
    }

    fn now_ms(&self, _horizon: Seqno) -> u64 {
        0
    }

    fn swept(&self, _range: &DeadRange) {}
}
