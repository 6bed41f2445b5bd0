//! From memory to disk: sealed memtables become one table of level 0.
//!
//! 1. Take all sealed memtables.
//! 2. Under `Fsync::Always` sync the log as far as they go: readers are at what is durable, and a table holds of
//!    versions that nobody asks for only the newest. Otherwise readers are at what is published, and the table
//!    makes all commits up to its last durable itself, since flushes go in order.
//! 3. Merge them into a table. Versions that nobody can ask for any more stay behind, and what is dead; tombstones go
//!    along.
//! 4. Make the table durable, then the edit that names it, with the counters and range marks of the memtables and
//!    the log from which on opening must replay.
//! 5. Keep the memtables for those who read, as far as memory allows, wake the writers that waited for memory, see whether
//!    there is something to merge.
//!
//! On an error the memtables stay, and it is tried again when there may be room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::background;
use super::compaction::filter::{Filter, Unknown};
use super::compaction::outputs::{Outputs, Target};
use super::compaction::run::{rewrite, settings};
use super::error::{Error, Result};
use super::event::Event;
use super::memtable::Memtable;
use super::merge::{Merge, Source};
use super::options::Fsync;
use super::shared::Shared;
use super::version::Edit;
use super::view::Tier;
use crate::workers::Lane;

/// How long to wait for readers that still hold a flushed memtable before looking again.
const BURIAL: Duration = Duration::from_millis(50);

/// Queues a flush of what is sealed, unless one is queued.
pub(crate) fn submit(shared: &Arc<Shared>) {
    {
        let mut state = shared.background.lock();
        if state.flushing || state.closing {
            return;
        }
        state.flushing = true;
    }
    let own = shared.clone();
    shared.env.workers.submit(Lane::Flush, move || {
        let ends = Ends(&own);
        let done = run(&own);
        drop(ends);
        match done {
            Ok(true) => {
                own.background.succeeded();
                background::submit_compactions(&own);
                if !own.current.load().sealed.is_empty() {
                    submit(&own);
                }
            }
            Ok(false) => {}
            Err(error) => background::failed(&own, error),
        }
    });
}

/// The end of a flush, also by a panic.
struct Ends<'a>(&'a Shared);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.background.end_flush();
    }
}

/// Writes out what is sealed now. False if nothing was.
fn run(shared: &Arc<Shared>) -> Result<bool> {
    shared.progress.check_poison()?;
    // Not all of it, which would hold on to memtables that are let go of meanwhile.
    let (sealed, counters_before, log) = {
        let current = shared.current.load();
        (current.sealed.clone(), current.counters.clone(), current.memtable.log())
    };
    if sealed.is_empty() {
        return Ok(false);
    }
    let start = shared.env.clock.monotonic_ns();
    let seqno = sealed.iter().filter_map(|m| m.seqnos()).map(|(_, last)| last).max();
    if shared.progress.fsync() == Fsync::Always {
        shared.sync_to(seqno.unwrap_or(0))?;
    }
    let marks: Vec<_> = sealed.iter().flat_map(|m| m.marks()).collect();
    // As of the last survey, whose horizon was no later than ours: what was dead then is dead for ever.
    let dead = shared.background.dead_ranges().to_vec();
    let horizon = shared.snapshots.horizon(|| shared.progress.durable().max(seqno.unwrap_or(0)));
    let sources = sealed.iter().map(|m| Source::Memtable(m.cursor(Tier::Disk).going_through())).collect();
    let mut filter = Filter::new(&horizon, &dead, &marks, &*shared.env.sweep, Unknown);
    let mut outputs = Outputs::new(Target {
        vfs: &shared.env.vfs,
        files: &shared.files,
        settings: settings(shared),
        table: u64::MAX,
        grandparents: Vec::new(),
    });
    rewrite(&mut Merge::new(sources), &mut filter, &mut outputs, 0, |_| shared.progress.check_poison())?;
    let (added, _) = outputs.finish(0)?;
    let flushed = added.first().map(|meta| (meta.id, meta.size));
    let edit = Edit {
        added: added.into_iter().map(|meta| (0, meta)).collect(),
        log: Some(log),
        seqno,
        counters: counters(&counters_before, &sealed),
        marks_added: marks,
        ..Edit::default()
    };
    let applied = shared.apply(edit);
    if !matches!(&applied, Err(error) if error.is_no_space() || matches!(error, Error::DiskFull(_))) {
        outputs.keep();
    }
    applied?;
    let (table, bytes) = flushed.map_or((None, 0), |(id, size)| (Some(id), size));
    shared.stats.flushes.add(1);
    shared.stats.flush_bytes.add(bytes);
    let took_ms = (shared.env.clock.monotonic_ns() - start) / 1_000_000;
    shared.env.listener.event(&Event::Flushed { table, bytes, took_ms });
    Ok(true)
}

/// Lets go of memtables, after every reader has. Freeing hundreds of thousands of rows takes up to a tenth of a second,
/// and whoever held one last would pay for it in the middle of a read or a write.
pub(crate) fn let_go(shared: &Arc<Shared>, memtables: Vec<Arc<Memtable>>) {
    if memtables.is_empty() {
        return;
    }
    let weak = Arc::downgrade(shared);
    shared.env.workers.submit(Lane::Idle, move || {
        if let Some(shared) = weak.upgrade() {
            bury(&shared, memtables);
        }
    });
}

fn bury(shared: &Arc<Shared>, mut memtables: Vec<Arc<Memtable>>) {
    memtables.retain(|memtable| Arc::strong_count(memtable) > 1);
    if memtables.is_empty() {
        return;
    }
    let weak = Arc::downgrade(shared);
    shared.env.workers.after(Lane::Idle, BURIAL, move || {
        if let Some(shared) = weak.upgrade() {
            bury(&shared, memtables);
        }
    });
}

/// The counters' values once these memtables' changes are added.
fn counters(flushed: &BTreeMap<u64, i64>, sealed: &[Arc<Memtable>]) -> Vec<(u64, i64)> {
    let mut sums: BTreeMap<u64, i64> = BTreeMap::new();
    for (counter, delta) in sealed.iter().flat_map(|m| m.counters()) {
        let sum = sums.entry(counter).or_insert_with(|| flushed.get(&counter).copied().unwrap_or(0));
        *sum = sum.saturating_add(delta);
    }
    sums.into_iter().collect()
}
