//! The one state that everything hangs on.
//!
//! ```text
//! lock order   preparing → manifest → output → writer → versions → background
//! ```
//!
//! `current` is read without a lock, and swapped only while `versions` is held. No lock but `manifest` and `output`
//! is held across I/O, and nobody who reads takes those two.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::background::{self, Background};
use super::balance::Balance;
use super::cache::Cache;
use super::compaction::pressure::Pressure;
use super::disk_full::DiskSpace;
use super::files::Files;
use super::flush;
use super::hot::HotRows;
use super::limits::Limits;
use super::marks::Mark;
use super::memtable::Memtable;
use super::options::{Env, Options};
use super::progress::Progress;
use super::snapshots::SnapshotList;
use super::stats::Stats;
use super::version::{Manifest, Version, VersionSet};
use super::write::{Output, Writer};
use crate::vfs::DirLock;

/// Memtables that are kept though tables have their rows: whoever seeks a key that is in none looks into all.
pub(crate) const KEPT_MAX: usize = 3;

/// Where the rows are at one moment. Never changes; what a view sees lives as long as the view.
#[derive(Clone)]
pub(crate) struct SuperVersion {
    /// The one that commits go to.
    pub(crate) memtable: Arc<Memtable>,
    /// On their way to tables, newest first.
    pub(crate) sealed: Vec<Arc<Memtable>>,
    /// In tables already, newest first: while there is memory to spare they answer for their keys, which are the ones
    /// most often asked for, at a fraction of what a table costs.
    pub(crate) kept: Vec<Arc<Memtable>>,
    pub(crate) version: Arc<Version>,
    /// Range marks of memtables that have become tables.
    pub(crate) marks: Arc<[Mark]>,
    /// Counters without what is in the memtables.
    pub(crate) counters: Arc<BTreeMap<u64, i64>>,
}

impl SuperVersion {
    /// The memtables whose rows are in no table, newest first.
    pub(crate) fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        std::iter::once(&self.memtable).chain(&self.sealed)
    }

    /// All memtables, newest first.
    pub(crate) fn readable(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        self.memtables().chain(&self.kept)
    }

    /// Keeps no more than fit into what the others leave; returns the rest, for [`flush::let_go`].
    ///
    /// Nor any from one with range marks on: they hide rows of older memtables too, and are forgotten once they hide none
    /// in a table.
    pub(crate) fn keep_what_fits(&mut self, limits: &Limits) -> Vec<Arc<Memtable>> {
        let active = limits.memtable.max(self.memtable.bytes());
        let mut room = limits.memtables.saturating_sub(active + self.sealed_bytes());
        let mut fits = |memtable: &Memtable| {
            let left = room.checked_sub(memtable.bytes());
            room = left.unwrap_or(0);
            left.is_some() && memtable.marks().is_empty()
        };
        let fitting = self.kept.iter().take(KEPT_MAX).take_while(|memtable| fits(memtable)).count();
        self.kept.split_off(fitting)
    }

    /// A counter's newest value.
    pub(crate) fn counter(&self, counter: u64) -> i64 {
        let flushed = self.counters.get(&counter).copied().unwrap_or(0);
        self.memtables().fold(flushed, |sum, memtable| sum.saturating_add(memtable.counter(counter)))
    }

    /// Bytes of the sealed memtables.
    pub(crate) fn sealed_bytes(&self) -> u64 {
        self.sealed.iter().map(|memtable| memtable.bytes()).sum()
    }
}

/// An open database.
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) limits: Limits,
    pub(crate) env: Env,
    pub(crate) files: Files,
    /// Goes into the checksums of logs and manifests.
    pub(crate) salt: u64,
    pub(crate) current: ArcSwap<SuperVersion>,
    /// The end of the log, and the memtable.
    pub(crate) writer: Mutex<Writer>,
    /// The turn to create the next log.
    pub(crate) preparing: Mutex<()>,
    /// What is on its way from the writer to the log's file.
    pub(crate) output: Mutex<Output>,
    pub(crate) progress: Progress,
    /// `None`: opened for reading only.
    pub(crate) manifest: Mutex<Option<Manifest>>,
    pub(crate) versions: Mutex<VersionSet>,
    pub(crate) snapshots: SnapshotList,
    pub(crate) hot: HotRows,
    pub(crate) balance: Balance,
    pub(crate) cache: Arc<Cache>,
    pub(crate) pressure: Pressure,
    pub(crate) background: Background,
    pub(crate) stats: Stats,
    pub(crate) disk: DiskSpace,
    /// Given back when the database is closed.
    pub(crate) lock: Mutex<Option<Box<dyn DirLock>>>,
}

impl Shared {
    /// A memtable was sealed: it wants to be flushed.
    pub(crate) fn memtable_sealed(self: &Arc<Self>) {
        background::refresh_pressure(self);
        flush::submit(self);
    }

    /// The disk has room again: what failed for want of it is tried again.
    pub(crate) fn disk_has_room(self: &Arc<Self>) {
        background::resume(self);
    }
}
