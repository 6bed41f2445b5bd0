//! The newest rows, in memory: the bytes of the batches, which lie where the log gathered them, and the ways to them.
//!
//! ```text
//! rows   in the order they came, the newest of each key found by hash       point reads, and all that a write pays
//! order  of the active memtable: a skip list, kept up by whoever scans      made when somebody asks for it
//!        of a sealed one: the rows' numbers, sorted once                    for its flush, and for scans meanwhile
//! heads  what the keys begin with, if that is little                        spares scans of other rows the order
//! ```
//!
//! A write costs one place in the hash table instead of a search through a list of hundreds of thousands of nodes; and
//! sorting all of them at once, at the flush, costs a tenth of what inserting them one by one does. A row copies neither
//! key nor value: it holds its chunk alive and points into it.
//!
//! One thread at a time applies (the one that holds the writer lock); any number read meanwhile.

mod chunks;
mod heads;
mod order;
mod rows;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::RwLock;

use self::heads::Heads;
pub(crate) use self::order::MemtableCursor;
use self::order::Order;
pub use self::rows::TOUCHED_MAX;
use self::rows::{Row, Rows, Sought};
use super::batch::{Op, Ops};
use super::cursor::{Cursor, Found};
use super::draw::Drawn;
use super::error::{Error, Result};
use super::key::{KeyRef, Kind, Seqno, Trailer};
use super::marks::{self, Mark};
use super::view::Tier;

const MARK_BYTES: u64 = 64;

/// The rows of the newest commits, all of which lie in one log and later ones.
pub(crate) struct Memtable {
    log: u64,
    rows: Rows,
    heads: Heads,
    order: Order,
    bytes: AtomicU64,
    /// First and last commit applied; 0: none.
    seqno_first: AtomicU64,
    seqno_last: AtomicU64,
    /// Spares readers the lock while there are no marks, which is nearly always.
    marked: AtomicBool,
    marks: RwLock<Vec<Mark>>,
    counters: RwLock<BTreeMap<u64, i64>>,
}

impl Memtable {
    /// An empty one, whose first commit will lie in this log, and that is to grow to about so many bytes.
    pub(crate) fn new(log: u64, bytes: u64) -> Self {
        Self {
            log,
            rows: Rows::new(bytes),
            heads: Heads::default(),
            order: Order::default(),
            bytes: AtomicU64::new(0),
            seqno_first: AtomicU64::new(0),
            seqno_last: AtomicU64::new(0),
            marked: AtomicBool::new(false),
            marks: RwLock::default(),
            counters: RwLock::default(),
        }
    }

    /// Adds a batch. The caller holds the writer lock and publishes `seqno` afterwards; commits come in order.
    /// The batch was checked before it went to the log: malformed bytes are refused, but may be half applied.
    pub(crate) fn apply(&self, seqno: Seqno, payload: &Bytes) -> Result<()> {
        let mut bytes = payload.len() as u64;
        for op in Ops::decode(payload) {
            match op.ok_or_else(|| Error::invalid("malformed batch"))? {
                Op::Put { key, value } => {
                    self.insert(payload, key, value, Trailer::new(seqno, Kind::Put));
                    bytes += rows::ROW_BYTES;
                }
                Op::Delete { key } => {
                    self.insert(payload, key, &key[key.len()..], Trailer::new(seqno, Kind::Delete));
                    bytes += rows::ROW_BYTES;
                }
                Op::DeleteRange { start, end } => {
                    bytes += MARK_BYTES + (start.len() + end.len()) as u64;
                    if start < end {
                        let mark = Mark { start: start.to_vec(), end: end.to_vec(), seqno };
                        self.marks.write().push(mark);
                        self.marked.store(true, Relaxed);
                    }
                }
                Op::Count { counter, delta } => {
                    let mut counters = self.counters.write();
                    let count = counters.entry(counter).or_default();
                    *count = count.saturating_add(delta);
                }
            }
        }
        self.bytes.fetch_add(bytes, Relaxed);
        if self.seqno_first.load(Relaxed) == 0 {
            self.seqno_first.store(seqno, Relaxed);
        }
        self.seqno_last.store(seqno, Relaxed);
        Ok(())
    }

    fn insert(&self, payload: &Bytes, key: &[u8], value: &[u8], trailer: Trailer) {
        // Key and value are slices of the payload, the value behind the key.
        let base = payload.as_ptr() as usize;
        let from = key.as_ptr() as usize - base;
        let value_from = value.as_ptr() as usize - base;
        let bytes = payload.slice(from..value_from + value.len());
        self.heads.add(key);
        self.rows.push(Row::new(bytes, key.len(), value_from - from, trailer));
    }

    /// See [`Rows::room_wanted`].
    pub(crate) fn room_wanted(&self, memtable: u64) -> Option<u32> {
        self.rows.room_wanted(memtable)
    }

    /// Makes room for so many more rows. Any thread may.
    pub(crate) fn make_room(&self, rows: u32) {
        self.rows.make_room(rows);
    }

    /// No more will be applied: whoever needs the order sorts it once for all.
    pub(crate) fn seal(&self) {
        self.order.seal();
    }

    /// The newest version of a key that a reader at `seqno` may see, whatever marks say.
    pub(crate) fn get(&self, key: &[u8], seqno: Seqno, tier: Tier) -> Result<Option<Found>> {
        let found = |row: &Row| Found { seqno: row.trailer().seqno(), value: row.value_if_put() };
        Ok(match self.rows.find(key, seqno) {
            Sought::Found(row) => Some(found(row)),
            Sought::Absent => None,
            // Somebody looks far back into the past of a busy key: the order knows a shorter way.
            Sought::FarBack => {
                let mut cursor = self.cursor(tier);
                cursor.seek(KeyRef::new(key, Trailer::visible_at(seqno)))?;
                (cursor.valid() && cursor.key().user == key).then(|| found(cursor.row()))
            }
        })
    }

    /// Has what looking for these keys would wait for come into the CPU's caches.
    pub(crate) fn touch<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        self.rows.touch(keys);
    }

    /// How many rows it has, of all versions.
    pub(crate) fn row_count(&self) -> u32 {
        self.rows.count()
    }

    /// The keys of about so many rows, of all its age.
    pub(crate) fn sample(&self, count: u32) -> impl Iterator<Item = &[u8]> {
        let rows = self.rows.count();
        let every = rows.div_ceil(count.max(1)).max(1);
        (0..rows).step_by(every as usize).filter_map(|number| Some(self.rows.get(number)?.key().user))
    }

    /// A row by its number, if its key is wanted and a reader at `seqno` sees no newer one in here.
    pub(crate) fn row(&self, number: u32, seqno: Seqno, wanted: impl Fn(&[u8]) -> bool) -> Option<Drawn> {
        let row = self.rows.get(number)?;
        let KeyRef { user, trailer } = row.key();
        if !wanted(user) {
            return None;
        }
        // Of two rows of one commit the later counts, so it must be this very row.
        match self.rows.find(user, seqno) {
            Sought::Found(found) if std::ptr::eq(found, row) => {
                Some(Drawn { key: user.to_vec(), seqno: trailer.seqno() })
            }
            _ => None,
        }
    }

    /// The newest mark over a key that a reader at `seqno` sees: versions below it are hidden. 0: none.
    pub(crate) fn hidden_below(&self, key: &[u8], seqno: Seqno) -> Seqno {
        if self.marked.load(Relaxed) { marks::hidden_below(&self.marks.read(), key, seqno) } else { 0 }
    }

    /// A position over its rows: all that are committed when it is first positioned. Where that takes long,
    /// [`Tier::Cached`] is refused.
    pub(crate) fn cursor(&self, tier: Tier) -> MemtableCursor<'_> {
        MemtableCursor::new(self, tier)
    }

    /// Memory it takes, overhead included.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// The log in which its first commit lies.
    pub(crate) fn log(&self) -> u64 {
        self.log
    }

    /// Its first and last commit; `None` if it is empty.
    pub(crate) fn seqnos(&self) -> Option<(Seqno, Seqno)> {
        let first = self.seqno_first.load(Relaxed);
        (first > 0).then(|| (first, self.seqno_last.load(Relaxed)))
    }

    /// Whether it holds any commit that a reader at `seqno` sees.
    pub(crate) fn is_begun(&self, seqno: Seqno) -> bool {
        self.seqnos().is_some_and(|(first, _)| first <= seqno)
    }

    /// False if no row lies between these bounds for sure.
    pub(crate) fn may_reach(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
        self.heads.may_reach(from, to)
    }

    /// Whether a position over its rows is to be had within a millisecond or two.
    pub(crate) fn is_quick(&self) -> bool {
        self.order.is_quick(&self.rows)
    }

    /// Whether it holds no rows; it may hold marks and counters.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.count() == 0
    }

    /// What its batches added to counters.
    pub(crate) fn counters(&self) -> Vec<(u64, i64)> {
        self.counters.read().iter().map(|(&counter, &delta)| (counter, delta)).collect()
    }

    /// What its batches added to one counter.
    pub(crate) fn counter(&self, counter: u64) -> i64 {
        self.counters.read().get(&counter).copied().unwrap_or(0)
    }

    /// Its range deletions, in commit order.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        if self.marked.load(Relaxed) { self.marks.read().clone() } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests;
