//! Doing what was picked.
//!
//! 1. Find the inputs in the current version. A move or a drop is an edit, and that is all.
//! 2. Take the horizon and, at it, the dead ranges among the inputs' keys. It is held as a snapshot meanwhile, so
//!    that what protects a range from being dead is seen as well.
//! 3. Merge the inputs; of every row [`Filter`] says whether it stays; [`Outputs`] cuts tables.
//! 4. Check that every row read was written or dropped, and that as many were read as the inputs said they hold.
//! 5. Make the new tables durable, then the edit that puts them in the inputs' place.
//! 6. Tell. The inputs' files go when the last reader is done.
//!
//! On any error before 5 the new tables are removed, and the inputs stay what they were.

use std::sync::Arc;

use super::filter::{Filter, Under, Verdict};
use super::outputs::{Outputs, Target};
use super::pick::{Task, Work};
use crate::engine::cursor::Cursor;
use crate::engine::error::{Error, Result};
use crate::engine::event::Event;
use crate::engine::key::{KeyRef, Kind, Seqno, Trailer};
use crate::engine::marks::Mark;
use crate::engine::merge::{LevelCursor, Merge, Source};
use crate::engine::shared::Shared;
use crate::engine::snapshots::Horizon;
use crate::engine::sweep::DeadRange;
use crate::engine::table::{Caching, Table, TableMeta, TableSettings};
use crate::engine::version::{Edit, Version};
use crate::engine::view::Tier;

/// How many rows between two looks at the clock, the rate and whether to stop.
const ROWS_PER_LOOK: u64 = 4096;

/// Carries a task out.
pub(crate) fn run(shared: &Arc<Shared>, task: &Task) -> Result<()> {
    let version = shared.current.load().version.clone();
    let mut inputs = Vec::with_capacity(task.inputs.len());
    for &(level, id) in &task.inputs {
        let table = version.levels[level].iter().find(|t| t.meta().id == id);
        // It was busy, for us alone.
        let table =
            table.ok_or_else(|| Error::invalid(format_args!("table {id} is gone from level {level}")))?;
        inputs.push((level, table.clone()));
    }
    match task.work {
        Work::Merge => merge(shared, task, &version, &inputs),
        Work::Move => {
            shared.apply(Edit {
                added: inputs.iter().map(|(_, t)| (task.to, t.meta().clone())).collect(),
                removed: task.inputs.clone(),
                ..Edit::default()
            })?;
            for (_, table) in &inputs {
                shared.stats.trivial_moves.add(1);
                shared.env.listener.event(&Event::TrivialMove { table: table.meta().id, to: task.to });
            }
            Ok(())
        }
        Work::Drop => {
            shared.apply(Edit { removed: task.inputs.clone(), ..Edit::default() })?;
            for (_, table) in &inputs {
                let (table, bytes) = (table.meta().id, table.meta().size);
                shared.stats.tables_dropped.add(1);
                shared.env.listener.event(&Event::TableDropped { table, bytes });
            }
            Ok(())
        }
    }
}

fn merge(shared: &Arc<Shared>, task: &Task, version: &Version, inputs: &[(usize, Arc<Table>)]) -> Result<()> {
    let start = shared.env.clock.monotonic_ns();
    let (horizon, dead) = horizon_and_dead(shared, task)?;
    let marks = marks(shared, task);
    let lower = inputs_of_level(inputs, task.to);
    let upper = if task.from == task.to { Vec::new() } else { inputs_of_level(inputs, task.from) };
    let mut sources = Vec::new();
    if task.from == 0 {
        sources.extend(upper.iter().map(|t| Source::Table(t.cursor(Tier::Disk, Caching::Bypass))));
    } else if !upper.is_empty() {
        sources.push(Source::Level(LevelCursor::new(&upper, Tier::Disk, Caching::Bypass)));
    }
    if !lower.is_empty() {
        sources.push(Source::Level(LevelCursor::new(&lower, Tier::Disk, Caching::Bypass)));
    }
    let mut cursor = Merge::new(sources);
    let under = Below::new(version, task.to);
    let mut filter = Filter::new(&horizon, &dead, &marks, &*shared.env.sweep, under);
    let mut outputs = Outputs::new(target(shared, version, task));
    let rows = rewrite(&mut cursor, &mut filter, &mut outputs, horizon.seqno, |bytes| {
        shared.background.pace(bytes, shared);
        shared.progress.check()
    })?;
    let (added, written) = outputs.finish(horizon.seqno)?;
    let expected: u64 = inputs.iter().map(|(_, t)| t.meta().entries).sum();
    if rows.read != expected || rows.read != written + rows.dropped {
        return Err(Error::corrupt(
            &shared.dir,
            0,
            format_args!(
                "a merge of tables with {expected} rows read {}, wrote {written} and dropped {}",
                rows.read, rows.dropped
            ),
        ));
    }
    let bytes_out: u64 = added.iter().map(|meta| meta.size).sum();
    install(shared, task, added, outputs)?;
    let bytes_in: u64 = inputs.iter().map(|(_, t)| t.meta().size).sum();
    let took_ns = shared.env.clock.monotonic_ns() - start;
    shared.stats.compactions.add(1);
    shared.stats.compaction_read_bytes.add(bytes_in);
    shared.stats.compaction_write_bytes.add(bytes_out);
    shared.stats.compaction_dropped_rows.add(rows.dropped);
    shared.stats.compaction_ns.add(took_ns);
    shared.env.listener.event(&Event::Compacted {
        reason: task.reason.name(),
        from: task.from,
        to: task.to,
        read: bytes_in,
        written: bytes_out,
        dropped: rows.dropped,
        took_ms: took_ns / 1_000_000,
    });
    Ok(())
}

fn install(shared: &Arc<Shared>, task: &Task, added: Vec<TableMeta>, outputs: Outputs<'_>) -> Result<()> {
    let edit = Edit {
        added: added.into_iter().map(|meta| (task.to, meta)).collect(),
        removed: task.inputs.clone(),
        ..Edit::default()
    };
    let applied = shared.apply(edit);
    // An edit that failed for want of space was taken back; of any other nobody knows whether it is on disk, so its
    // tables stay until the database is opened again.
    if !matches!(&applied, Err(error) if error.is_no_space() || matches!(error, Error::DiskFull(_))) {
        outputs.keep();
    }
    applied
}

/// The horizon, and the ranges that are dead at it among the task's keys.
fn horizon_and_dead(shared: &Arc<Shared>, task: &Task) -> Result<(Horizon, Vec<DeadRange>)> {
    let (horizon, held) = shared.snapshots.pin(|| shared.progress.durable());
    let view = shared.view_at(held.seqno(), Tier::Disk);
    let dead = shared.env.sweep.dead_ranges(&view, &task.smallest, &task.largest)?;
    Ok((horizon, dead))
}

/// The range marks over the task's keys, those of memtables included where no power failure can take them back.
fn marks(shared: &Shared, task: &Task) -> Vec<Mark> {
    let current = shared.current.load();
    let durable = shared.progress.durable();
    let mut marks: Vec<Mark> = current.memtables().flat_map(|m| m.marks()).collect();
    marks.extend(current.marks.iter().cloned());
    marks.retain(|mark| mark.seqno <= durable && mark.overlaps(&task.smallest, &task.largest));
    marks
}

fn inputs_of_level(inputs: &[(usize, Arc<Table>)], level: usize) -> Vec<Arc<Table>> {
    let mut tables: Vec<_> = inputs.iter().filter(|(l, _)| *l == level).map(|(_, t)| t.clone()).collect();
    tables.sort_by(|a, b| a.meta().smallest.cmp(&b.meta().smallest));
    tables
}

fn target<'a>(shared: &'a Shared, version: &Version, task: &Task) -> Target<'a> {
    let grandparents = match version.levels.get(task.to + 1) {
        Some(_) => version
            .overlapping(task.to + 1, &task.smallest, &task.largest)
            .iter()
            .map(|t| (t.meta().largest.clone(), t.meta().size))
            .collect(),
        None => Vec::new(),
    };
    Target {
        vfs: &shared.env.vfs,
        files: &shared.files,
        settings: settings(shared),
        table: shared.limits.table,
        grandparents,
    }
}

/// How tables are written.
pub(crate) fn settings(shared: &Shared) -> TableSettings {
    TableSettings {
        block: shared.options.block,
        filter_bits: shared.options.filter_bits,
        compression: shared.options.compression,
    }
}

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) read: u64,
    pub(crate) dropped: u64,
}

/// Reads everything, writes what stays. Now and then tells `look` the bytes written since.
pub(crate) fn rewrite<U: Under>(
    cursor: &mut Merge<'_>,
    filter: &mut Filter<'_, U>,
    outputs: &mut Outputs<'_>,
    swept: Seqno,
    look: impl Fn(u64) -> Result<()>,
) -> Result<Rows> {
    let mut rows = Rows::default();
    let mut told_bytes = 0;
    cursor.first()?;
    while cursor.valid() {
        let key = cursor.key();
        let value = cursor.value();
        if filter.begins_key(key.user) {
            outputs.key_begins(key.user, swept)?;
        }
        match filter.judge(key, value) {
            Verdict::Keep(deadline_ms) => outputs.add(key, value, deadline_ms)?,
            Verdict::Delete => {
                let trailer = Trailer::new(key.trailer.seqno(), Kind::Delete);
                outputs.add(KeyRef::new(key.user, trailer), &[], None)?;
            }
            Verdict::Drop => rows.dropped += 1,
        }
        rows.read += 1;
        if rows.read % ROWS_PER_LOOK == 0 {
            // Less than before, if the open block was just compressed and nearly all rows since were dropped.
            let bytes = outputs.bytes().max(told_bytes);
            look(bytes - told_bytes)?;
            told_bytes = bytes;
        }
        cursor.next()?;
    }
    Ok(rows)
}

/// The levels below the output, walked along with the merge.
struct Below<'a> {
    levels: Vec<&'a [Arc<Table>]>,
}

impl<'a> Below<'a> {
    fn new(version: &'a Version, to: usize) -> Self {
        let levels = version.levels.iter().skip(to + 1).map(Vec::as_slice).filter(|l| !l.is_empty());
        Self { levels: levels.collect() }
    }
}

impl Under for Below<'_> {
    fn may_hold(&mut self, key: &[u8]) -> bool {
        let mut may = false;
        for level in &mut self.levels {
            while level.first().is_some_and(|t| t.meta().largest.as_slice() < key) {
                *level = &level[1..];
            }
            let here = level.first().filter(|t| t.meta().smallest.as_slice() <= key);
            may |= here.is_some_and(|table| table.may_contain(key));
        }
        may
    }
}
