//! The newest rows, in memory, in order: a skip list over the bytes of the batches, which lie where the log gathered them.
//!
//! An entry copies neither key nor value: it holds its chunk alive and points into it. The first 24 bytes of the key
//! lie in the node itself, so that a search follows a pointer into a chunk only between keys that share them.
//! Most keys that are asked for are not here: a filter of about 10 bits a key answers for them, with one look at one word.
//! One thread at a time applies (the one that holds the writer lock); any number read meanwhile.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use crossbeam_skiplist::SkipMap;
use crossbeam_skiplist::map::Entry as Node;
use foldhash::fast::FixedState;
use parking_lot::RwLock;

use super::batch::{Op, Ops};
use super::cursor::{Cursor, Found};
use super::error::{Error, Result};
use super::key::{KeyRef, Kind, Seqno, Trailer, prefix};
use super::marks::{self, Mark};

/// What a row costs beyond its bytes in the batch: the node with a tower of two, and the allocator's share.
const NODE_BYTES: u64 = size_of::<Row>() as u64 + 40;
const MARK_BYTES: u64 = 64;
/// Eight-byte words of a key that lie in its node.
const PREFIX_WORDS: usize = 3;
/// One byte of filter for so many bytes of memtable: some 10 bits for a row of 300 bytes with its node.
const BYTES_PER_FILTER_BYTE: u64 = 256;
const FILTER_BYTES_MAX: u64 = 1 << 20;

/// The rows of the newest commits, all of which lie in one log and later ones.
pub(crate) struct Memtable {
    log: u64,
    rows: SkipMap<Row, ()>,
    filter: Filter,
    bytes: AtomicU64,
    /// First and last commit applied; 0: none.
    seqno_first: AtomicU64,
    seqno_last: AtomicU64,
    /// Spares readers the lock while there are no marks, which is nearly always.
    marked: AtomicBool,
    marks: RwLock<Vec<Mark>>,
    counters: RwLock<BTreeMap<u64, i64>>,
}

/// One version of a key. Ordered by key and commit alone: the later of two operations of one batch on one key takes
/// the other's place.
///
/// In this order the prefix lies beside the node's tower: a step of a search touches one cache line, not two.
#[repr(C)]
struct Row {
    /// From the first byte of the key to the last of the value.
    bytes: Bytes,
    key_len: u32,
    value_at: u32,
    trailer: Trailer,
    prefix: [u64; PREFIX_WORDS],
}

/// What a search needs to know of a key, whether it lies in a node or with the caller.
trait Sought {
    fn prefix(&self) -> [u64; PREFIX_WORDS];
    fn key(&self) -> KeyRef<'_>;
}

struct Probe<'a> {
    prefix: [u64; PREFIX_WORDS],
    key: KeyRef<'a>,
}

impl<'a> Probe<'a> {
    fn new(key: KeyRef<'a>) -> Self {
        Self { prefix: prefix(key.user), key }
    }
}

impl Sought for Probe<'_> {
    #[inline]
    fn prefix(&self) -> [u64; PREFIX_WORDS] {
        self.prefix
    }

    #[inline]
    fn key(&self) -> KeyRef<'_> {
        self.key
    }
}

impl Sought for Row {
    #[inline]
    fn prefix(&self) -> [u64; PREFIX_WORDS] {
        self.prefix
    }

    #[inline]
    fn key(&self) -> KeyRef<'_> {
        KeyRef::new(&self.bytes[..self.key_len as usize], self.trailer)
    }
}

#[inline]
fn compare(a: &(impl Sought + ?Sized), b: &(impl Sought + ?Sized)) -> Ordering {
    for (a, b) in a.prefix().into_iter().zip(b.prefix()) {
        if a != b {
            return a.cmp(&b);
        }
    }
    let (a, b) = (a.key(), b.key());
    a.user.cmp(b.user).then_with(|| b.trailer.seqno().cmp(&a.trailer.seqno()))
}

impl Ord for dyn Sought + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self, other)
    }
}

impl PartialOrd for dyn Sought + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Sought + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn Sought + '_ {}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self, other)
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Row {}

impl<'a> Borrow<dyn Sought + 'a> for Row {
    fn borrow(&self) -> &(dyn Sought + 'a) {
        self
    }
}

impl Row {
    fn value(&self) -> &[u8] {
        &self.bytes[self.value_at as usize..]
    }

    fn value_bytes(&self) -> Bytes {
        self.bytes.slice(self.value_at as usize..)
    }
}

/// Which keys are not here: a Bloom filter whose two bits for a key lie in one word, set before the row is published.
struct Filter {
    words: Box<[AtomicU64]>,
}

impl Filter {
    fn new(bytes: u64) -> Self {
        let words = bytes.clamp(8, FILTER_BYTES_MAX).next_power_of_two() / 8;
        Self { words: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    fn place(&self, key: &[u8]) -> (&AtomicU64, u64) {
        let hash = FixedState::default().hash_one(key);
        let word = hash as usize & (self.words.len() - 1);
        (&self.words[word], 1 << (hash >> 58) | 1 << (hash >> 52 & 63))
    }

    fn add(&self, key: &[u8]) {
        let (word, bits) = self.place(key);
        word.fetch_or(bits, Relaxed);
    }

    fn may_contain(&self, key: &[u8]) -> bool {
        let (word, bits) = self.place(key);
        word.load(Relaxed) & bits == bits
    }
}

impl Memtable {
    /// An empty one, whose first commit will lie in this log, and that is to grow to about so many bytes.
    pub(crate) fn new(log: u64, bytes: u64) -> Self {
        Self {
            log,
            filter: Filter::new(bytes / BYTES_PER_FILTER_BYTE),
            rows: SkipMap::new(),
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
                    bytes += NODE_BYTES;
                }
                Op::Delete { key } => {
                    self.insert(payload, key, &key[key.len()..], Trailer::new(seqno, Kind::Delete));
                    bytes += NODE_BYTES;
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
        self.filter.add(key);
        self.rows.insert(
            Row {
                prefix: prefix(key),
                trailer,
                bytes: payload.slice(from..value_from + value.len()),
                key_len: key.len() as u32,
                value_at: (value_from - from) as u32,
            },
            (),
        );
    }

    /// The newest version of a key that a reader at `seqno` may see, whatever marks say.
    pub(crate) fn get(&self, key: &[u8], seqno: Seqno) -> Option<Found> {
        if !self.filter.may_contain(key) {
            return None;
        }
        let probe = Probe::new(KeyRef::new(key, Trailer::visible_at(seqno)));
        let node = self.rows.lower_bound::<dyn Sought>(Bound::Included(&probe))?;
        let row = node.key();
        let found = row.key();
        (found.user == key).then(|| Found {
            seqno: found.trailer.seqno(),
            value: (found.trailer.kind() == Some(Kind::Put)).then(|| row.value_bytes()),
        })
    }

    /// The newest mark over a key that a reader at `seqno` sees: versions below it are hidden. 0: none.
    pub(crate) fn hidden_below(&self, key: &[u8], seqno: Seqno) -> Seqno {
        if self.marked.load(Relaxed) { marks::hidden_below(&self.marks.read(), key, seqno) } else { 0 }
    }

    /// A position over its rows.
    pub(crate) fn cursor(&self) -> MemtableCursor<'_> {
        MemtableCursor { memtable: self, node: None }
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

    /// Whether it holds no rows; it may hold marks and counters.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
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

/// A position in a memtable. Sees rows that are added while it moves.
pub(crate) struct MemtableCursor<'a> {
    memtable: &'a Memtable,
    node: Option<Node<'a, Row, ()>>,
}

impl MemtableCursor<'_> {
    fn row(&self) -> &Row {
        self.node.as_ref().expect("the cursor is valid").key()
    }
}

impl Cursor for MemtableCursor<'_> {
    fn first(&mut self) -> Result<()> {
        self.node = self.memtable.rows.front();
        Ok(())
    }

    fn last(&mut self) -> Result<()> {
        self.node = self.memtable.rows.back();
        Ok(())
    }

    fn seek(&mut self, target: KeyRef<'_>) -> Result<()> {
        self.node = self.memtable.rows.lower_bound::<dyn Sought>(Bound::Included(&Probe::new(target)));
        // The list orders by commit alone; the trailer's kind has the last word.
        if self.valid() && self.key() < target { self.next() } else { Ok(()) }
    }

    fn seek_back(&mut self, target: KeyRef<'_>) -> Result<()> {
        self.node = self.memtable.rows.upper_bound::<dyn Sought>(Bound::Included(&Probe::new(target)));
        if self.valid() && self.key() > target { self.prev() } else { Ok(()) }
    }

    fn next(&mut self) -> Result<()> {
        if !self.node.as_mut().is_some_and(Node::move_next) {
            self.node = None;
        }
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        if !self.node.as_mut().is_some_and(Node::move_prev) {
            self.node = None;
        }
        Ok(())
    }

    fn valid(&self) -> bool {
        self.node.is_some()
    }

    fn key(&self) -> KeyRef<'_> {
        self.row().key()
    }

    fn value(&self) -> &[u8] {
        self.row().value()
    }

    fn value_bytes(&self) -> Bytes {
        self.row().value_bytes()
    }
}

#[cfg(test)]
mod tests;
