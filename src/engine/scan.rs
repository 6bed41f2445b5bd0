//! Ordered iteration over the rows a view sees, in both directions.
//!
//! Going on, the merge stands on the row itself, and key and value are lent from where they lie. Going back, the
//! versions of a key come oldest first: the merge has passed all of them, and the newest visible one is kept here.

use std::ops::Bound;

use bytes::Bytes;

use super::cursor::Cursor;
use super::error::Result;
use super::key::{KeyRef, Kind, Seqno, Trailer};
use super::marks::{self, Mark};
use super::merge::{LevelCursor, Merge, Source};
use super::shared::SuperVersion;
use super::table::{Caching, Table};
use super::view::View;

/// Versions of one key to step over before seeking past them.
const STEPS_MAX: u32 = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At no row.
    Nowhere,
    /// At the merge's entry.
    Merge,
    /// At the row that is kept; the merge stands before all its versions.
    Kept,
}

/// A position in the rows between two bounds. Borrows the view it reads.
pub struct Scan<'v> {
    merge: Merge<'v>,
    seqno: Seqno,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    /// The range marks between the bounds that the view sees.
    marks: Vec<Mark>,
    place: Place,
    /// `Merge`: scratch for the key being left. `Kept`: the row's key.
    key: Vec<u8>,
    /// `Kept`: the row's value.
    value: Bytes,
}

fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => a >= b,
        _ => false,
    }
}

/// Whether a key is at or after the lower bound.
pub(crate) fn is_after(from: Bound<&[u8]>, key: &[u8]) -> bool {
    match from {
        Bound::Included(from) => key >= from,
        Bound::Excluded(from) => key > from,
        Bound::Unbounded => true,
    }
}

/// Whether a key is at or before the upper bound.
pub(crate) fn is_before(to: Bound<&[u8]>, key: &[u8]) -> bool {
    match to {
        Bound::Included(to) => key <= to,
        Bound::Excluded(to) => key < to,
        Bound::Unbounded => true,
    }
}

fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

impl<'v> Scan<'v> {
    pub(crate) fn new(view: &'v View, from: Bound<&[u8]>, to: Bound<&[u8]>, caching: Caching) -> Self {
        let (sources, marks) = if is_empty(from, to) {
            (Vec::new(), Vec::new())
        } else {
            (sources(view, caching, from, to), visible_marks(view.rows(), view.seqno(), from, to))
        };
        Self {
            merge: Merge::new(sources),
            seqno: view.seqno(),
            from: from.map(<[u8]>::to_vec),
            to: to.map(<[u8]>::to_vec),
            marks,
            place: Place::Nowhere,
            key: Vec::new(),
            value: Bytes::new(),
        }
    }

    /// Goes to the first row.
    pub fn first(&mut self) -> Result<()> {
        self.place = Place::Nowhere;
        match &self.from {
            Bound::Included(from) => self.merge.seek(KeyRef::new(from, Trailer::FIRST))?,
            Bound::Excluded(from) => self.merge.seek(KeyRef::new(from, Trailer::LAST))?,
            Bound::Unbounded => self.merge.first()?,
        }
        self.settle_on(false)
    }

    /// Goes to the last row.
    pub fn last(&mut self) -> Result<()> {
        self.place = Place::Nowhere;
        match &self.to {
            Bound::Included(to) => self.merge.seek_back(KeyRef::new(to, Trailer::LAST))?,
            Bound::Excluded(to) => self.merge.seek_back(KeyRef::new(to, Trailer::FIRST))?,
            Bound::Unbounded => self.merge.last()?,
        }
        self.settle_back()
    }

    /// Goes to the first row at or after a key.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        if !is_after(borrowed(&self.from), key) {
            return self.first();
        }
        self.place = Place::Nowhere;
        // No version is too new for the view from here on: they lie before this one.
        self.merge.seek(KeyRef::new(key, Trailer::visible_at(self.seqno)))?;
        self.settle_on(false)
    }

    /// Goes to the last row at or before a key.
    pub fn seek_back(&mut self, key: &[u8]) -> Result<()> {
        if !is_before(borrowed(&self.to), key) {
            return self.last();
        }
        self.place = Place::Nowhere;
        self.merge.seek_back(KeyRef::new(key, Trailer::LAST))?;
        self.settle_back()
    }

    /// Goes one row on. Only when valid.
    #[expect(clippy::should_implement_trait, reason = "rows are lent, which an iterator cannot do")]
    pub fn next(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.place, Place::Nowhere) {
            Place::Nowhere => return Ok(()),
            Place::Merge => {
                self.key.clear();
                self.key.extend_from_slice(self.merge.key().user);
                self.merge.next()?;
            }
            Place::Kept => self.merge.seek(KeyRef::new(&self.key, Trailer::LAST))?,
        }
        self.settle_on(true)
    }

    /// Goes one row back. Only when valid.
    pub fn prev(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.place, Place::Nowhere) {
            Place::Nowhere => return Ok(()),
            Place::Merge => {
                self.key.clear();
                self.key.extend_from_slice(self.merge.key().user);
                self.merge.seek_back(KeyRef::new(&self.key, Trailer::FIRST))?;
            }
            Place::Kept => {}
        }
        self.settle_back()
    }

    /// Whether there is a row here.
    pub fn valid(&self) -> bool {
        self.place != Place::Nowhere
    }

    /// The row's key; empty when not valid.
    pub fn key(&self) -> &[u8] {
        match self.place {
            Place::Nowhere => &[],
            Place::Merge => self.merge.key().user,
            Place::Kept => &self.key,
        }
    }

    /// The row's value; empty when not valid.
    pub fn value(&self) -> &[u8] {
        match self.place {
            Place::Nowhere => &[],
            Place::Merge => self.merge.value(),
            Place::Kept => &self.value,
        }
    }

    /// The row's value, shared with the block it lies in where that costs no copy.
    pub fn value_bytes(&self) -> Bytes {
        match self.place {
            Place::Nowhere => Bytes::new(),
            Place::Merge => self.merge.value_bytes(),
            Place::Kept => self.value.clone(),
        }
    }

    fn is_hidden(&self, key: &[u8], seqno: Seqno) -> bool {
        !self.marks.is_empty() && seqno < marks::hidden_below(&self.marks, key, self.seqno)
    }

    /// From the merge's entry on, goes to the newest visible version of the next key that has a value.
    /// `leaving`: versions of `self.key` are passed over.
    fn settle_on(&mut self, mut leaving: bool) -> Result<()> {
        let mut steps = 0;
        while self.merge.valid() {
            let KeyRef { user, trailer } = self.merge.key();
            if !is_before(borrowed(&self.to), user) {
                return Ok(());
            }
            let too_new = trailer.seqno() > self.seqno;
            if leaving && user == self.key {
                steps += 1;
                if steps < STEPS_MAX {
                    self.merge.next()?;
                } else {
                    self.merge.seek(KeyRef::new(&self.key, Trailer::LAST))?;
                }
                continue;
            }
            if too_new {
                steps += 1;
                if steps < STEPS_MAX {
                    self.merge.next()?;
                } else {
                    steps = 0;
                    self.key.clear();
                    self.key.extend_from_slice(user);
                    leaving = false;
                    self.merge.seek(KeyRef::new(&self.key, Trailer::visible_at(self.seqno)))?;
                }
                continue;
            }
            if trailer.kind() == Some(Kind::Put) && !self.is_hidden(user, trailer.seqno()) {
                self.place = Place::Merge;
                return Ok(());
            }
            steps = 0;
            leaving = true;
            self.key.clear();
            self.key.extend_from_slice(user);
            self.merge.next()?;
        }
        Ok(())
    }

    /// From the merge's entry back, keeps the newest visible version of the next key that has a value.
    fn settle_back(&mut self) -> Result<()> {
        let mut kept = false;
        let mut pending = false;
        while self.merge.valid() {
            let KeyRef { user, trailer } = self.merge.key();
            if pending && user != self.key {
                if kept {
                    break;
                }
                pending = false;
            }
            if !is_after(borrowed(&self.from), user) {
                break;
            }
            let seqno = trailer.seqno();
            if seqno <= self.seqno {
                if !pending {
                    self.key.clear();
                    self.key.extend_from_slice(user);
                    pending = true;
                }
                // The later, the newer.
                kept = trailer.kind() == Some(Kind::Put)
                    && (self.marks.is_empty() || !self.is_hidden(&self.key, seqno));
                self.value = if kept { self.merge.value_bytes() } else { Bytes::new() };
            }
            self.merge.prev()?;
        }
        if kept {
            self.place = Place::Kept;
        }
        Ok(())
    }
}

/// Cursors over whatever may hold rows between two bounds that the view sees.
fn sources<'v>(view: &'v View, caching: Caching, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Vec<Source<'v>> {
    let (rows, tier) = (view.rows(), view.tier());
    let reaches =
        |table: &Table| is_after(from, &table.meta().largest) && is_before(to, &table.meta().smallest);
    let [level0, below @ ..] = &rows.version.levels;
    let mut sources = Vec::with_capacity(rows.sealed.len() + level0.len() + below.len() + 1);
    // What lies elsewhere, or was begun later than the view's moment, would be put in order for nothing.
    let seen =
        rows.memtables().filter(|memtable| memtable.is_begun(view.seqno()) && memtable.may_reach(from, to));
    sources.extend(seen.map(|memtable| Source::Memtable(memtable.cursor(tier))));
    for table in level0.iter().filter(|table| reaches(table)) {
        sources.push(Source::Level(LevelCursor::new(std::slice::from_ref(table), tier, caching)));
    }
    for tables in below {
        let start = tables.partition_point(|table| !is_after(from, &table.meta().largest));
        let end = tables.partition_point(|table| is_before(to, &table.meta().smallest));
        if start < end {
            sources.push(Source::Level(LevelCursor::new(&tables[start..end], tier, caching)));
        }
    }
    sources
}

fn visible_marks(rows: &SuperVersion, seqno: Seqno, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Vec<Mark> {
    let mut marks: Vec<Mark> = rows.memtables().flat_map(|memtable| memtable.marks()).collect();
    marks.extend_from_slice(&rows.marks);
    marks.retain(|mark| mark.seqno <= seqno && is_after(from, &mark.end) && is_before(to, &mark.start));
    marks
}
