//! Views and snapshots: the store at one moment.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::draw;
use super::error::Result;
use super::key::Seqno;
use super::read::{self, Reading};
use super::scan::Scan;
use super::shared::{Shared, SuperVersion};
use super::snapshots::Registered;
use super::table::Caching;
use crate::random::Random;

/// How far a read may go for its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// Memory and page cache; else [`super::Error::NotCached`].
    Cached,
    /// Wait for the disk.
    #[default]
    Disk,
}

/// The store at one moment. Holds that moment's memtables and tables alive: meant to live as long as a request.
#[derive(Clone)]
pub struct View {
    shared: Arc<Shared>,
    rows: Arc<SuperVersion>,
    seqno: Seqno,
    tier: Tier,
    offers: bool,
}

/// Calls with where the rows are and a moment that all of them are there for: `moment` is read between.
///
/// It needs no registration: merges forget only what no moment from the newest durable commit on sees, and what the
/// tables of `rows` had forgotten, they had forgotten before `moment` was read.
pub(crate) fn pinned<R>(
    shared: &Shared,
    moment: impl Fn() -> Seqno,
    call: impl FnOnce(&arc_swap::Guard<Arc<SuperVersion>>, Seqno) -> R,
) -> R {
    loop {
        let rows = shared.current.load();
        let seqno = moment();
        // Commits later than its last lie in a memtable that `rows` does not have, unless it is the newest still.
        let whole = rows.memtable.seqnos().is_some_and(|(_, last)| seqno <= last);
        if whole || Arc::ptr_eq(&rows, &shared.current.load()) {
            return call(&rows, seqno);
        }
    }
}

impl View {
    /// The moment that `moment` reads; not below the newest durable commit.
    pub(crate) fn take(shared: &Arc<Shared>, moment: impl Fn() -> Seqno) -> Self {
        pinned(shared, moment, |rows, seqno| Self {
            shared: Arc::clone(shared),
            rows: Arc::clone(rows),
            seqno,
            tier: Tier::Disk,
            offers: true,
        })
    }

    pub(crate) fn rows(&self) -> &SuperVersion {
        &self.rows
    }

    /// The newest commit this view sees.
    pub fn seqno(&self) -> Seqno {
        self.seqno
    }

    /// How far its reads go.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// The same moment, read with another tier.
    #[must_use]
    pub fn with_tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// The same moment, read by somebody who is about to change what is read: it is not worth keeping.
    #[must_use]
    pub fn for_update(mut self) -> Self {
        self.offers = false;
        self
    }

    fn reading(&self) -> Reading {
        Reading { seqno: self.seqno, tier: self.tier, offers: self.offers }
    }

    /// A key's value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        read::get(&self.shared, &self.rows, key, self.reading())
    }

    /// Several keys' values, in the order asked; cold ones are fetched together.
    pub fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        read::multi_get(&self.shared, &self.rows, keys, self.reading())
    }

    /// False if the key has no value for sure, judged in memory alone; true if it may have one.
    pub fn may_contain(&self, key: &[u8]) -> bool {
        read::may_contain(&self.shared, &self.rows, key, self.seqno)
    }

    /// A row between two bounds, each with about the same chance. `None` if there is none, or if there are so few among
    /// so many others that it would take long to find one.
    pub fn draw(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        random: &mut Random,
    ) -> Result<Option<(Vec<u8>, Bytes)>> {
        draw::draw(&self.rows, (from, to), self.seqno, self.tier, random)
    }

    /// The rows between two bounds, in both directions. Unpositioned: seek first.
    pub fn scan(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Scan<'_> {
        Scan::new(self, from, to, Caching::Fill)
    }

    /// As [`View::scan`], for rows that nobody will read again soon: reads far ahead and leaves the caches alone.
    pub fn scan_once(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Scan<'_> {
        Scan::new(self, from, to, Caching::Bypass)
    }
}

/// The store at one moment, for as long as it is kept: compaction keeps what it sees.
#[derive(Clone)]
pub struct Snapshot {
    shared: Arc<Shared>,
    registered: Arc<Registered>,
}

impl Snapshot {
    pub(crate) fn take(shared: &Arc<Shared>) -> Self {
        let registered = shared.snapshots.register(|| shared.progress.published());
        Self { shared: Arc::clone(shared), registered: Arc::new(registered) }
    }

    /// The moment.
    pub fn seqno(&self) -> Seqno {
        self.registered.seqno()
    }

    /// Whether a scan begins at once. Else it first puts rows in order that are in memory yet, as their flush does anyway:
    /// who has time waits for that.
    pub fn is_in_order(&self) -> bool {
        let view = self.view();
        view.rows().memtables().all(|memtable| !memtable.is_begun(self.seqno()) || memtable.is_quick())
    }

    /// Reads at that moment, where its rows are now: a snapshot kept for long holds no memtable or table back.
    pub fn view(&self) -> View {
        View::take(&self.shared, || self.seqno())
    }
}
