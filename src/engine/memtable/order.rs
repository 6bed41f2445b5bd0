//! The order of a memtable's rows, made when somebody asks for it.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::ops::Bound;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use bytes::Bytes;
use crossbeam_skiplist::SkipMap;
use crossbeam_skiplist::map::Entry;
use parking_lot::Mutex;

use super::Memtable;
use super::rows::{Row, Rows};
use crate::engine::cursor::Cursor;
use crate::engine::error::{Error, Result};
use crate::engine::key::{KeyRef, Trailer, prefix};
use crate::engine::view::Tier;

/// Eight-byte words of a key that lie in its node, and beside its row's number while rows are sorted.
const PREFIX_WORDS: usize = 3;
const PREFIX_BYTES: u32 = 8 * PREFIX_WORDS as u32;
/// What a node costs: itself, a tower of two, and the allocator's share.
const NODE_BYTES: u64 = size_of::<Node>() as u64 + 40;
/// So many rows are put in order within a millisecond or two, which an event loop can afford.
const QUICK_ROWS: u32 = 4096;

/// A row in the list. Ordered by key and commit alone: the later of two operations of one batch on one key takes the
/// other's place.
///
/// In this order the prefix lies beside the node's tower: a step of a search touches one cache line, not two.
#[repr(C)]
struct Node {
    key: Bytes,
    trailer: Trailer,
    number: u32,
    prefix: [u64; PREFIX_WORDS],
}

/// What a search needs to know of a key, whether it lies in a node or with the caller.
trait Ordered {
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

impl Ordered for Probe<'_> {
    #[inline]
    fn prefix(&self) -> [u64; PREFIX_WORDS] {
        self.prefix
    }

    #[inline]
    fn key(&self) -> KeyRef<'_> {
        self.key
    }
}

impl Ordered for Node {
    #[inline]
    fn prefix(&self) -> [u64; PREFIX_WORDS] {
        self.prefix
    }

    #[inline]
    fn key(&self) -> KeyRef<'_> {
        KeyRef::new(&self.key, self.trailer)
    }
}

#[inline]
fn compare(a: &(impl Ordered + ?Sized), b: &(impl Ordered + ?Sized)) -> Ordering {
    for (a, b) in a.prefix().into_iter().zip(b.prefix()) {
        if a != b {
            return a.cmp(&b);
        }
    }
    by_commit(a.key(), b.key())
}

/// Keys ascending, the newest commit first.
#[inline]
fn by_commit(a: KeyRef<'_>, b: KeyRef<'_>) -> Ordering {
    a.user.cmp(b.user).then_with(|| b.trailer.seqno().cmp(&a.trailer.seqno()))
}

impl Ord for dyn Ordered + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self, other)
    }
}

impl PartialOrd for dyn Ordered + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Ordered + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn Ordered + '_ {}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self, other)
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Node {}

impl<'a> Borrow<dyn Ordered + 'a> for Node {
    fn borrow(&self) -> &(dyn Ordered + 'a) {
        self
    }
}

/// The order of a memtable's rows.
#[derive(Default)]
pub(super) struct Order {
    /// Of the active memtable: a part of its rows, the oldest ones.
    list: SkipMap<Node, ()>,
    /// How many rows the list has; whoever adds some holds the lock.
    listed: Mutex<u32>,
    /// Of a sealed one: the numbers of all its rows.
    sorted: OnceLock<Box<[u32]>>,
    sealed: AtomicBool,
}

impl Order {
    pub(super) fn seal(&self) {
        self.sealed.store(true, Release);
    }

    /// Puts all rows into the list that it does not have yet.
    fn list_all(&self, memtable: &Memtable) {
        let mut listed = self.listed.lock();
        let count = memtable.rows.count();
        for number in sort(&memtable.rows, *listed, count) {
            let row = memtable.rows.get(number).expect("a row that was sorted");
            let key = row.key_bytes();
            self.list.insert(Node { prefix: prefix(&key), key, trailer: row.trailer(), number }, ());
        }
        memtable.bytes.fetch_add(u64::from(count - *listed) * NODE_BYTES, Relaxed);
        *listed = count;
    }

    fn sorted(&self, rows: &Rows) -> &[u32] {
        self.sorted.get_or_init(|| sort(rows, 0, rows.count()).into())
    }

    /// Whether the rows can be put in order without anybody noticing.
    pub(super) fn is_quick(&self, rows: &Rows) -> bool {
        if self.sealed.load(Acquire) {
            return self.sorted.get().is_some() || rows.count() <= QUICK_ROWS;
        }
        self.listed.try_lock().is_some_and(|listed| rows.count() - *listed <= QUICK_ROWS)
    }
}

/// The rows from one number up to another in order; of two operations of one batch on one key the later alone.
///
/// What all keys begin with tells none apart: rows are sorted by the words that follow it, which lie beside the number.
/// Those whose keys are alike in that much, too, are sorted among themselves in the same way, further on.
fn sort(rows: &Rows, from: u32, to: u32) -> Vec<u32> {
    let row = |number: u32| rows.get(number).expect("rows below the count are there");
    let mut sorted: Vec<Keyed> = (from..to).map(|number| Keyed { number, ..Keyed::default() }).collect();
    // Which are alike, and in how many bytes at least.
    let mut alike = vec![(0..sorted.len(), 0)];
    while let Some((range, known)) = alike.pop() {
        let start = range.start;
        let rows_alike = &mut sorted[range];
        let Some(first) = rows_alike.first().map(|first| row(first.number).key().user) else { break };
        let mut shared = first.len();
        for keyed in &*rows_alike {
            let key = row(keyed.number).key().user;
            if key.get(known..shared) != Some(&first[known..shared]) {
                let same = first[known..shared].iter().zip(&key[known..]).take_while(|(a, b)| a == b);
                shared = known + same.count();
            }
        }
        for keyed in &mut *rows_alike {
            keyed.look(&row(keyed.number).key().user[shared..]);
        }
        // Rows are numbered in the order of their commits, and within one in the order of its operations.
        rows_alike.sort_unstable_by_key(|keyed| (keyed.prefix, keyed.left, Reverse(keyed.number)));
        let mut at = start;
        for group in rows_alike.chunk_by(Keyed::is_alike) {
            if group.len() > 1 && group[0].left > PREFIX_BYTES {
                alike.push((at..at + group.len(), shared + PREFIX_BYTES as usize));
            }
            at += group.len();
        }
    }
    sorted.dedup_by(|b, a| {
        let same =
            |a: &Row, b: &Row| a.trailer().seqno() == b.trailer().seqno() && a.key().user == b.key().user;
        a.is_alike(b) && same(row(a.number), row(b.number))
    });
    sorted.into_iter().map(|keyed| keyed.number).collect()
}

/// What sorting needs to know of a row, without looking at it where it lies.
#[derive(Default)]
struct Keyed {
    /// Of the part of the key that is looked at.
    prefix: [u64; PREFIX_WORDS],
    /// How many bytes that part has: one more than the prefix, if more.
    left: u32,
    number: u32,
}

impl Keyed {
    /// Looks at a part of the key.
    fn look(&mut self, part: &[u8]) {
        self.prefix = prefix(part);
        self.left = (part.len() as u32).min(PREFIX_BYTES + 1);
    }

    fn is_alike(&self, other: &Self) -> bool {
        (self.prefix, self.left) == (other.prefix, other.left)
    }
}

/// How many rows are fetched at once.
const FETCHED: usize = 16;

/// A position in a memtable.
pub(crate) struct MemtableCursor<'a> {
    memtable: &'a Memtable,
    tier: Tier,
    at: At<'a>,
    goes_through: bool,
}

enum At<'a> {
    /// Not positioned yet.
    Nowhere,
    List(Option<Entry<'a, Node, ()>>),
    /// The number's place; past the last one: at none.
    Sorted(&'a [u32], usize),
}

impl<'a> MemtableCursor<'a> {
    pub(super) fn new(memtable: &'a Memtable, tier: Tier) -> Self {
        Self { memtable, tier, at: At::Nowhere, goes_through: false }
    }

    /// The same for somebody who is to read all rows: they lie far apart, and several are fetched into the CPU's caches in
    /// the time of one (a flush of small rows takes 0.6 of the time).
    pub(crate) fn going_through(self) -> Self {
        Self { goes_through: true, ..self }
    }

    /// Touches the rows from here on. None of these accesses waits for another.
    fn fetch(&self) {
        let At::Sorted(numbers, at) = self.at else { return };
        if !self.goes_through || !at.is_multiple_of(FETCHED) {
            return;
        }
        let soon = numbers.get(at..).unwrap_or_default().iter().take(FETCHED);
        let rows = soon.filter_map(|&number| self.memtable.rows.get(number));
        std::hint::black_box(rows.fold(0, |sum, row| sum ^ row.touch()));
    }

    /// Sees to it that there is an order to move in.
    fn order(&mut self) -> Result<()> {
        if !matches!(self.at, At::Nowhere) {
            return Ok(());
        }
        let Memtable { rows, order, .. } = self.memtable;
        if self.tier == Tier::Cached && !order.is_quick(rows) {
            return Err(Error::NotCached(None));
        }
        self.at = if order.sealed.load(Acquire) {
            At::Sorted(order.sorted(rows), usize::MAX)
        } else {
            order.list_all(self.memtable);
            At::List(None)
        };
        Ok(())
    }

    /// Where it stands. Only when valid.
    pub(super) fn row(&self) -> &'a Row {
        let number = match &self.at {
            At::Nowhere => None,
            At::List(entry) => entry.as_ref().map(|entry| entry.key().number),
            At::Sorted(numbers, at) => numbers.get(*at).copied(),
        };
        number.and_then(|number| self.memtable.rows.get(number)).expect("the cursor is valid")
    }

    fn key_of(&self, number: u32) -> KeyRef<'a> {
        self.memtable.rows.get(number).expect("a row that was sorted").key()
    }
}

impl Cursor for MemtableCursor<'_> {
    fn first(&mut self) -> Result<()> {
        self.order()?;
        match &mut self.at {
            At::List(entry) => *entry = self.memtable.order.list.front(),
            At::Sorted(_, at) => *at = 0,
            At::Nowhere => {}
        }
        self.fetch();
        Ok(())
    }

    fn last(&mut self) -> Result<()> {
        self.order()?;
        match &mut self.at {
            At::List(entry) => *entry = self.memtable.order.list.back(),
            At::Sorted(numbers, at) => *at = numbers.len().wrapping_sub(1),
            At::Nowhere => {}
        }
        Ok(())
    }

    fn seek(&mut self, target: KeyRef<'_>) -> Result<()> {
        self.order()?;
        match self.at {
            At::List(_) => {
                let bound = Bound::Included(&Probe::new(target) as &dyn Ordered);
                self.at = At::List(self.memtable.order.list.lower_bound(bound));
                // The list orders by commit alone; the trailer's kind has the last word.
                if self.valid() && self.key() < target { self.next() } else { Ok(()) }
            }
            At::Sorted(numbers, _) => {
                let at = numbers.partition_point(|&number| self.key_of(number) < target);
                self.at = At::Sorted(numbers, at);
                Ok(())
            }
            At::Nowhere => Ok(()),
        }
    }

    fn seek_back(&mut self, target: KeyRef<'_>) -> Result<()> {
        self.order()?;
        match self.at {
            At::List(_) => {
                let bound = Bound::Included(&Probe::new(target) as &dyn Ordered);
                self.at = At::List(self.memtable.order.list.upper_bound(bound));
                if self.valid() && self.key() > target { self.prev() } else { Ok(()) }
            }
            At::Sorted(numbers, _) => {
                let after = numbers.partition_point(|&number| self.key_of(number) <= target);
                self.at = At::Sorted(numbers, after.wrapping_sub(1));
                Ok(())
            }
            At::Nowhere => Ok(()),
        }
    }

    fn next(&mut self) -> Result<()> {
        match &mut self.at {
            At::List(entry) => {
                if !entry.as_mut().is_some_and(Entry::move_next) {
                    *entry = None;
                }
            }
            At::Sorted(_, at) => *at = at.wrapping_add(1),
            At::Nowhere => {}
        }
        self.fetch();
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        match &mut self.at {
            At::List(entry) => {
                if !entry.as_mut().is_some_and(Entry::move_prev) {
                    *entry = None;
                }
            }
            At::Sorted(_, at) => *at = at.wrapping_sub(1),
            At::Nowhere => {}
        }
        Ok(())
    }

    fn valid(&self) -> bool {
        match &self.at {
            At::Nowhere => false,
            At::List(entry) => entry.is_some(),
            At::Sorted(numbers, at) => *at < numbers.len(),
        }
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
