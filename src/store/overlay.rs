//! What a transaction has staged: row → new value, or gone. Nearly all transactions stage one to three rows, so
//! these lie in a vector that is searched from end to end; more go to a tree.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use bytes::Bytes;

/// More rows than this live in the tree.
const FEW: usize = 8;

type Row = Vec<u8>;

/// What a row becomes: a value, or `None` for its deletion.
pub(crate) type Staged = Option<Bytes>;

/// A row, and what was staged for it before, if anything.
pub(crate) type Undo = (Vec<u8>, Option<Staged>);

/// Staged rows.
#[derive(Debug)]
pub(crate) struct Overlay {
    few: Vec<(Row, Staged)>,
    many: BTreeMap<Row, Staged>,
}

impl Overlay {
    pub(crate) const fn new() -> Self {
        Self { few: Vec::new(), many: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.few.is_empty() && self.many.is_empty()
    }

    /// What is staged for a row: `None` nothing, `Some(None)` its deletion.
    pub(crate) fn get(&self, row: &[u8]) -> Option<&Staged> {
        if self.many.is_empty() {
            return self.few.iter().find(|(key, _)| key == row).map(|(_, value)| value);
        }
        self.many.get(row)
    }

    /// Stages a row; returns what was staged before.
    pub(crate) fn set(&mut self, row: Row, value: Staged) -> Option<Staged> {
        if self.many.is_empty() {
            if let Some((_, staged)) = self.few.iter_mut().find(|(key, _)| *key == row) {
                return Some(std::mem::replace(staged, value));
            }
            if self.few.len() < FEW {
                self.few.push((row, value));
                return None;
            }
            self.many.extend(self.few.drain(..));
        }
        self.many.insert(row, value)
    }

    /// Forgets that a row was staged.
    pub(crate) fn unset(&mut self, row: &[u8]) {
        self.few.retain(|(key, _)| key != row);
        self.many.remove(row);
    }

    /// The staged rows, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&Bytes>)> {
        self.few().chain(self.many.iter().map(|(key, value)| (&key[..], value.as_ref())))
    }

    /// The first staged row within the bounds.
    fn first_in(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Option<Entry<'_>> {
        if crossed(from, to) {
            return None;
        }
        if self.many.is_empty() {
            return self.few().filter(|(key, _)| between(key, from, to)).min_by_key(|&(key, _)| key);
        }
        self.many.range::<[u8], _>((from, to)).next().map(|(key, value)| (&key[..], value.as_ref()))
    }

    /// The last staged row within the bounds.
    fn last_in(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Option<Entry<'_>> {
        if crossed(from, to) {
            return None;
        }
        if self.many.is_empty() {
            return self.few().filter(|(key, _)| between(key, from, to)).max_by_key(|&(key, _)| key);
        }
        self.many.range::<[u8], _>((from, to)).next_back().map(|(key, value)| (&key[..], value.as_ref()))
    }

    fn few(&self) -> impl Iterator<Item = Entry<'_>> {
        self.few.iter().map(|(key, value)| (&key[..], value.as_ref()))
    }

    /// A position in the staged rows between two bounds.
    pub(crate) fn cursor(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> OverlayCursor<'_> {
        OverlayCursor { overlay: self, from: from.map(<[u8]>::to_vec), to: to.map(<[u8]>::to_vec), at: None }
    }
}

fn between(key: &[u8], from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    RangeBounds::<[u8]>::contains(&(from, to), key)
}

/// Whether no key can lie between the bounds; `BTreeMap::range` would panic on some of these.
fn crossed(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => a >= b,
        _ => false,
    }
}

type Entry<'a> = (&'a [u8], Option<&'a Bytes>);

/// A position in staged rows.
pub(crate) struct OverlayCursor<'a> {
    overlay: &'a Overlay,
    from: Bound<Row>,
    to: Bound<Row>,
    at: Option<Entry<'a>>,
}

fn borrowed(bound: &Bound<Row>) -> Bound<&[u8]> {
    bound.as_ref().map(|row| &row[..])
}

impl<'a> OverlayCursor<'a> {
    pub(crate) fn entry(&self) -> Option<Entry<'a>> {
        self.at
    }

    pub(crate) fn first(&mut self) {
        self.at = self.overlay.first_in(borrowed(&self.from), borrowed(&self.to));
    }

    pub(crate) fn last(&mut self) {
        self.at = self.overlay.last_in(borrowed(&self.from), borrowed(&self.to));
    }

    pub(crate) fn seek(&mut self, key: &[u8]) {
        let from = borrowed(&self.from);
        let from = if before(from, key) { Bound::Included(key) } else { from };
        self.at = self.overlay.first_in(from, borrowed(&self.to));
    }

    pub(crate) fn seek_back(&mut self, key: &[u8]) {
        let to = borrowed(&self.to);
        let inside = match to {
            Bound::Included(end) | Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        let to = if inside { Bound::Included(key) } else { to };
        self.at = self.overlay.last_in(borrowed(&self.from), to);
    }

    pub(crate) fn next(&mut self) {
        self.at =
            self.at.and_then(|(key, _)| self.overlay.first_in(Bound::Excluded(key), borrowed(&self.to)));
    }

    pub(crate) fn prev(&mut self) {
        self.at =
            self.at.and_then(|(key, _)| self.overlay.last_in(borrowed(&self.from), Bound::Excluded(key)));
    }
}

/// Whether a lower bound lies before a key.
fn before(from: Bound<&[u8]>, key: &[u8]) -> bool {
    match from {
        Bound::Included(start) | Bound::Excluded(start) => start < key,
        Bound::Unbounded => true,
    }
}
