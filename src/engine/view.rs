//! STAND-IN (in memory) for the view; the signatures are final.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::error::Result;
use super::key::Seqno;
use super::scan::Scan;

pub(crate) type Rows = Arc<RwLock<BTreeMap<Vec<u8>, Vec<(Seqno, Option<Bytes>)>>>>;

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
    pub(crate) rows: Rows,
    pub(crate) seqno: Seqno,
    pub(crate) tier: Tier,
}

impl View {
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

    /// A key's value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self
            .rows
            .read()
            .get(key)
            .and_then(|v| v.iter().rev().find(|(s, _)| *s <= self.seqno).and_then(|(_, b)| b.clone())))
    }

    /// Several keys' values, in the order asked; cold ones are fetched together.
    pub fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        keys.iter().map(|k| self.get(k)).collect()
    }

    /// False if the key has no value for sure, judged in memory alone; true if it may have one.
    pub fn may_contain(&self, key: &[u8]) -> bool {
        self.get(key).is_ok_and(|v| v.is_some())
    }

    /// The rows between two bounds, in both directions. Unpositioned: seek first.
    pub fn scan(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Scan<'_> {
        let empty = match (from, to) {
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
                a > b || (a == b && !matches!((from, to), (Bound::Included(_), Bound::Included(_))))
            }
            _ => false,
        };
        let rows = if empty {
            Vec::new()
        } else {
            self.rows
                .read()
                .range::<[u8], _>((from, to))
                .filter_map(|(k, v)| {
                    let (_, b) = v.iter().rev().find(|(s, _)| *s <= self.seqno)?;
                    Some((k.clone(), b.clone()?))
                })
                .collect()
        };
        Scan::over(rows)
    }
}

/// The store at one moment, for as long as it is kept: compaction keeps what it sees.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) view: View,
}

impl Snapshot {
    /// The moment.
    pub fn seqno(&self) -> Seqno {
        self.view.seqno
    }

    /// Reads at that moment.
    pub fn view(&self) -> View {
        self.view.clone()
    }
}
