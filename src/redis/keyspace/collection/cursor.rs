//! Elements of several sets or sorted sets side by side, in the one order that all their planes share: for unions,
//! differences and intersections in the memory of one element each.

use std::ops::Bound;

use super::inline::{self, Entry};
use super::{Collection, Element, Elements, Plane, Result, rows};
use crate::store::{Reads, RowScan};

/// A place among a plane's elements, moving up.
pub struct Cursor<'a> {
    place: Place<'a>,
    now_ms: u64,
}

enum Place<'a> {
    /// What is left, the next one last.
    Inline(Vec<Entry>),
    Rows {
        scan: Box<RowScan<'a>>,
        /// Bytes of the row's key before the subkey.
        head: usize,
        /// A subkey that its row's key does not hold whole.
        current: Option<(Element, Option<bytes::Bytes>)>,
    },
}

impl Collection {
    /// A cursor at the first element of a plane within a bound.
    pub fn cursor<'a>(&self, reads: &'a dyn Reads, plane: Plane, from: Bound<&[u8]>) -> Result<Cursor<'a>> {
        let now_ms = reads.now_ms();
        let is_wanted = |entry: &Entry| {
            let after = match from {
                Bound::Included(from) => entry.subkey >= from,
                Bound::Excluded(from) => entry.subkey > from,
                Bound::Unbounded => true,
            };
            entry.plane == plane && after && !entry.element.is_due(now_ms)
        };
        let place = match &self.elements {
            Elements::Packed(packed) => {
                let mut entries = inline::unpack(packed, now_ms);
                entries.retain(is_wanted);
                entries.reverse();
                Place::Inline(entries)
            }
            Elements::Inline(entries) => {
                Place::Inline(entries.iter().rev().filter(|entry| is_wanted(entry)).cloned().collect())
            }
            Elements::Rows { prefix, .. } => {
                let (from, to) = rows::bounds(prefix, plane, from, Bound::Unbounded);
                let mut scan = reads.scan(from.as_ref().map(|from| &from[..]), to.as_ref().map(|to| &to[..]));
                scan.first()?;
                Place::Rows { scan: Box::new(scan), head: prefix.len() + 1, current: None }
            }
        };
        let mut cursor = Cursor { place, now_ms };
        cursor.settle()?;
        Ok(cursor)
    }
}

impl Cursor<'_> {
    /// Whether there is an element here.
    pub fn valid(&self) -> bool {
        match &self.place {
            Place::Inline(entries) => !entries.is_empty(),
            Place::Rows { scan, .. } => scan.valid(),
        }
    }

    /// What the elements are in order of: the subkey, or what stands for a long one.
    fn order(&self) -> &[u8] {
        match &self.place {
            // None of them is long: they would not fit.
            Place::Inline(entries) => entries.last().map_or(&[], |entry| &entry.subkey[..]),
            Place::Rows { scan, head, .. } => scan.key().get(*head..).unwrap_or_default(),
        }
    }

    /// The element's subkey; empty when not valid.
    pub fn subkey(&self) -> &[u8] {
        match &self.place {
            Place::Rows { current: Some((_, Some(long))), .. } => long,
            _ => self.order(),
        }
    }

    /// Goes one element on.
    pub fn advance(&mut self) -> Result<()> {
        match &mut self.place {
            Place::Inline(entries) => drop(entries.pop()),
            Place::Rows { scan, .. } if scan.valid() => scan.next()?,
            Place::Rows { .. } => {}
        }
        self.settle()
    }

    /// Reads the element here, or the next one that is not due.
    fn settle(&mut self) -> Result<()> {
        let Place::Rows { scan, current, .. } = &mut self.place else { return Ok(()) };
        *current = None;
        while scan.valid() {
            let (element, long) = rows::decode(&scan.value_bytes())?;
            if !element.is_due(self.now_ms) {
                *current = Some((element, long));
                break;
            }
            scan.next()?;
        }
        Ok(())
    }
}

/// The subkeys of several planes, each once, in order, and which of the planes hold it.
pub struct Merge<'a> {
    cursors: Vec<Cursor<'a>>,
    /// The cursors that are valid and not at the current subkey, those with the first subkeys last.
    waiting: Vec<usize>,
    /// The cursors at the current subkey.
    holders: Vec<usize>,
}

impl<'a> Merge<'a> {
    /// A merge before the first subkey.
    pub fn new(cursors: Vec<Cursor<'a>>) -> Self {
        let mut merge = Self { waiting: Vec::with_capacity(cursors.len()), holders: Vec::new(), cursors };
        for at in 0..merge.cursors.len() {
            merge.wait(at);
        }
        merge
    }

    /// Goes to the next subkey; false at the end.
    pub fn advance(&mut self) -> Result<bool> {
        let mut holders = std::mem::take(&mut self.holders);
        for at in holders.drain(..) {
            self.cursors[at].advance()?;
            self.wait(at);
        }
        self.holders = holders;
        let Some(first) = self.waiting.pop() else { return Ok(false) };
        self.holders.push(first);
        while let Some(&at) = self.waiting.last()
            && self.cursors[at].order() == self.cursors[first].order()
        {
            self.waiting.pop();
            self.holders.push(at);
        }
        Ok(true)
    }

    /// The current subkey; empty before the first and after the last.
    pub fn subkey(&self) -> &[u8] {
        self.holders.first().map_or(&[], |&at| self.cursors[at].subkey())
    }

    /// Which planes hold the current subkey, in any order.
    pub fn holders(&self) -> &[usize] {
        &self.holders
    }

    /// Whether this plane has the current subkey or later ones.
    pub fn is_going(&self, at: usize) -> bool {
        self.cursors.get(at).is_some_and(Cursor::valid)
    }

    /// How many planes have the current subkey or later ones.
    pub fn going(&self) -> usize {
        self.holders.len() + self.waiting.len()
    }

    fn wait(&mut self, at: usize) {
        if self.cursors[at].valid() {
            let order = self.cursors[at].order();
            let place = self.waiting.partition_point(|&other| self.cursors[other].order() > order);
            self.waiting.insert(place, at);
        }
    }
}
