//! Reading: one pinned moment of rows and time. [`Reads`] is what a read command gets, be it outside of a
//! transaction ([`View`]) or within one ([`super::Txn`], which sees its own writes).

use std::ops::Bound;

use bytes::Bytes;

use super::error::Result;
use super::overlay::{Overlay, OverlayCursor};
use super::ranked::Ranked;
use crate::engine::{self, Seqno, Tier};
use crate::random::Random;

/// Reads at one moment.
pub trait Reads {
    /// The pinned `now`, in Unix milliseconds: what is due at it does not exist. Never below an earlier one's.
    fn now_ms(&self) -> u64;
    /// The newest commit seen, not counting own writes.
    fn seqno(&self) -> Seqno;
    /// How far reads go for an answer.
    fn tier(&self) -> Tier;
    /// A row's value.
    fn get(&self, row: &[u8]) -> Result<Option<Bytes>>;
    /// A row's value, but only from memory: [`super::Error::WouldWait`] when it is not there, whatever the tier.
    fn get_cached(&self, row: &[u8]) -> Result<Option<Bytes>>;
    /// Several rows' values, in the order asked; cold ones are fetched together.
    fn multi_get(&self, rows: &[&[u8]]) -> Result<Vec<Option<Bytes>>>;
    /// False if the row does not exist for sure, judged in memory alone.
    fn may_contain(&self, row: &[u8]) -> bool;
    /// What a transaction has staged to be added to a counter of the database.
    fn staged_count(&self, _counter: u64) -> i64 {
        0
    }
    /// The rows between two bounds, in both directions. Unpositioned: seek first.
    fn scan(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> RowScan<'_>;
    /// A row between two bounds, of which there are `len` if that is known, each with about the same chance; `None` if
    /// that is not to be had cheaply, be it that there is none.
    fn draw(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        len: Option<u64>,
        random: &mut Random,
    ) -> Result<Option<(Vec<u8>, Bytes)>>;
    /// A plane by rank, which has so many elements. Quick in a transaction that has its key locked; anywhere else all of it
    /// is read.
    fn ranked(&self, prefix: &[u8], len: u64) -> Result<Ranked>;
    /// What a transaction has staged for a row; `None` outside of one.
    fn staged(&self, _row: &[u8]) -> Option<Bytes> {
        None
    }
}

/// The store at one moment.
#[derive(Clone)]
pub struct View {
    pub(super) rows: engine::View,
    pub(super) now_ms: u64,
}

impl View {
    /// The same moment, read with another tier.
    #[must_use]
    pub fn with_tier(self, tier: Tier) -> Self {
        Self { rows: self.rows.with_tier(tier), now_ms: self.now_ms }
    }

    /// The same moment, read by a transaction, which is about to change what it reads.
    pub(super) fn for_update(self) -> Self {
        Self { rows: self.rows.for_update(), ..self }
    }

    /// As [`Reads::scan`], for rows that nobody will read again soon: reads far ahead and leaves the caches alone.
    pub fn scan_once(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> RowScan<'_> {
        RowScan { stored: self.rows.scan_once(from, to), staged: None, at: At::Nowhere, reverse: false }
    }

    /// The engine's view.
    pub fn engine(&self) -> &engine::View {
        &self.rows
    }
}

/// A moment to come back to, for as long as it is kept.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) rows: engine::Snapshot,
    pub(super) now_ms: u64,
}

impl Snapshot {
    /// Whether a scan begins at once: see [`engine::Snapshot::is_in_order`].
    pub fn is_in_order(&self) -> bool {
        self.rows.is_in_order()
    }

    /// Reads at that moment.
    pub fn view(&self) -> View {
        View { rows: self.rows.view(), now_ms: self.now_ms }
    }
}

impl Reads for View {
    fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn seqno(&self) -> Seqno {
        self.rows.seqno()
    }

    fn tier(&self) -> Tier {
        self.rows.tier()
    }

    fn get(&self, row: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.rows.get(row)?)
    }

    fn get_cached(&self, row: &[u8]) -> Result<Option<Bytes>> {
        if self.tier() == Tier::Cached {
            return self.get(row);
        }
        Ok(self.rows.clone().with_tier(Tier::Cached).get(row)?)
    }

    fn multi_get(&self, rows: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        Ok(self.rows.multi_get(rows)?)
    }

    fn may_contain(&self, row: &[u8]) -> bool {
        self.rows.may_contain(row)
    }

    fn scan(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> RowScan<'_> {
        RowScan { stored: self.rows.scan(from, to), staged: None, at: At::Nowhere, reverse: false }
    }

    fn ranked(&self, prefix: &[u8], _len: u64) -> Result<Ranked> {
        Ranked::open(self, prefix)
    }

    fn draw(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        _len: Option<u64>,
        random: &mut Random,
    ) -> Result<Option<(Vec<u8>, Bytes)>> {
        Ok(self.rows.draw(from, to, random)?)
    }
}

/// Where a merged scan stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Nowhere,
    Stored,
    Staged,
}

/// A position in the rows between two bounds, a transaction's own writes merged in.
pub struct RowScan<'a> {
    stored: engine::Scan<'a>,
    staged: Option<OverlayCursor<'a>>,
    at: At,
    reverse: bool,
}

impl<'a> RowScan<'a> {
    pub(super) fn merged(
        stored: engine::Scan<'a>,
        overlay: &'a Overlay,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Self {
        let staged = if overlay.is_empty() { None } else { Some(overlay.cursor(from, to)) };
        Self { stored, staged, at: At::Nowhere, reverse: false }
    }

    /// Goes to the first row.
    pub fn first(&mut self) -> Result<()> {
        self.stored.first()?;
        if let Some(staged) = &mut self.staged {
            staged.first();
        }
        self.settle(false)
    }

    /// Goes to the last row.
    pub fn last(&mut self) -> Result<()> {
        self.stored.last()?;
        if let Some(staged) = &mut self.staged {
            staged.last();
        }
        self.settle(true)
    }

    /// Goes to the first row at or after a key.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.stored.seek(key)?;
        if let Some(staged) = &mut self.staged {
            staged.seek(key);
        }
        self.settle(false)
    }

    /// Goes to the last row at or before a key.
    pub fn seek_back(&mut self, key: &[u8]) -> Result<()> {
        self.stored.seek_back(key)?;
        if let Some(staged) = &mut self.staged {
            staged.seek_back(key);
        }
        self.settle(true)
    }

    /// Goes one row on. Only when valid.
    #[expect(clippy::should_implement_trait, reason = "it can fail, and the row is borrowed")]
    pub fn next(&mut self) -> Result<()> {
        if self.staged.is_none() {
            self.stored.next()?;
            return self.settle(false);
        }
        if self.reverse {
            let key = self.key().to_vec();
            self.seek(&key)?;
        }
        self.step()?;
        self.settle(false)
    }

    /// Goes one row back. Only when valid.
    pub fn prev(&mut self) -> Result<()> {
        if self.staged.is_none() {
            self.stored.prev()?;
            return self.settle(true);
        }
        if !self.reverse {
            let key = self.key().to_vec();
            self.seek_back(&key)?;
        }
        self.step()?;
        self.settle(true)
    }

    /// Whether there is a row here.
    pub fn valid(&self) -> bool {
        self.at != At::Nowhere
    }

    /// The row's key; empty when not valid.
    pub fn key(&self) -> &[u8] {
        match (self.at, &self.staged) {
            (At::Stored, _) => self.stored.key(),
            (At::Staged, Some(staged)) => staged.entry().map_or(&[], |(key, _)| key),
            _ => &[],
        }
    }

    /// The row's value; empty when not valid.
    pub fn value(&self) -> &[u8] {
        match (self.at, &self.staged) {
            (At::Stored, _) => self.stored.value(),
            (At::Staged, Some(staged)) => staged.entry().and_then(|(_, v)| v).map_or(&[], |v| &v[..]),
            _ => &[],
        }
    }

    /// The row's value, shared where that costs no copy.
    pub fn value_bytes(&self) -> Bytes {
        match (self.at, &self.staged) {
            (At::Stored, _) => self.stored.value_bytes(),
            (At::Staged, Some(staged)) => staged.entry().and_then(|(_, v)| v).cloned().unwrap_or_default(),
            _ => Bytes::new(),
        }
    }

    /// Moves the side that `at` names one step in the current direction.
    fn step(&mut self) -> Result<()> {
        match self.at {
            At::Stored if self.reverse => Ok(self.stored.prev()?),
            At::Stored => Ok(self.stored.next()?),
            At::Staged => {
                let reverse = self.reverse;
                if let Some(staged) = &mut self.staged {
                    if reverse { staged.prev() } else { staged.next() }
                }
                Ok(())
            }
            At::Nowhere => Ok(()),
        }
    }

    /// Chooses the side whose row comes first in this direction. A staged row hides the stored one of the same
    /// key, and a staged deletion hides itself as well.
    fn settle(&mut self, reverse: bool) -> Result<()> {
        self.reverse = reverse;
        loop {
            let staged = self.staged.as_ref().and_then(OverlayCursor::entry);
            let Some((key, value)) = staged else {
                self.at = if self.stored.valid() { At::Stored } else { At::Nowhere };
                return Ok(());
            };
            if self.stored.valid() {
                let order = self.stored.key().cmp(key);
                if order.is_eq() {
                    if reverse {
                        self.stored.prev()?;
                    } else {
                        self.stored.next()?;
                    }
                    continue;
                }
                if order.is_lt() != reverse {
                    self.at = At::Stored;
                    return Ok(());
                }
            }
            self.at = At::Staged;
            if value.is_some() {
                return Ok(());
            }
            self.step()?;
        }
    }
}
