//! Deciding what to do next: a pure function of the tree and the moment.
//!
//! Level 0 holds flushed memtables, newest first, which may overlap; every level below is sorted and disjoint.
//! Level targets are *dynamic* (RocksDB's `level_compaction_dynamic_level_bytes`): they follow from the size of the
//! largest level upwards, a tenth for each, and the first level with a target worth its while is the *base*, into
//! which level 0 is merged. So nine tenths of the data lie in the last level, and space stays within a ninth of
//! what must be.
//!
//! Reasons, in the order in which they are considered:
//!
//! 1. *dead*, *expired*: tables in which every row is, and with nothing older beneath, are deleted unread;
//! 2. *manual*: what `compact_range` asks for;
//! 3. *level 0* and *size*: by score; what overlaps nothing below is moved instead of merged;
//! 4. *dead*, *expired*, *tombstones*: tables that a rewrite would shrink well. Every fourth time before 3, so that
//!    a steady load does not keep space from coming back.
//!
//! A table is rewritten for 4 only if that is certain to make progress: all of it is below the horizon.

use std::collections::HashSet;

use super::shape::{Shape, Tree};
use crate::engine::key::Seqno;
use crate::engine::limits::Limits;
use crate::engine::table::TableMeta;
use crate::engine::version::LEVELS;

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    Level0,
    Size,
    Tombstones,
    Expired,
    Dead,
    Manual,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Level0 => "level0",
            Self::Size => "size",
            Self::Tombstones => "tombstones",
            Self::Expired => "expired",
            Self::Dead => "dead",
            Self::Manual => "manual",
        }
    }
}

/// What is done with the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Read, merged and written to the output level.
    Merge,
    /// Put into the output level as they are.
    Move,
    /// Deleted unread.
    Drop,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) reason: Reason,
    pub(crate) work: Work,
    /// The highest level it takes tables from.
    pub(crate) from: usize,
    /// The level it puts tables into.
    pub(crate) to: usize,
    /// Level and number of each table that goes in.
    pub(crate) inputs: Vec<(usize, u64)>,
    /// The keys it spans, both included.
    pub(crate) smallest: Vec<u8>,
    pub(crate) largest: Vec<u8>,
}

/// What a task that is running keeps others from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    from: usize,
    to: usize,
    smallest: Vec<u8>,
    largest: Vec<u8>,
}

impl Task {
    pub(crate) fn claim(&self) -> Claim {
        Claim { from: self.from, to: self.to, smallest: self.smallest.clone(), largest: self.largest.clone() }
    }
}

impl Claim {
    fn conflicts(&self, task: &Task) -> bool {
        self.from <= task.to
            && task.from <= self.to
            && self.smallest <= task.largest
            && task.smallest <= self.largest
    }
}

/// How much of a table is dead by certificates it has not been swept by, or by marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    /// The table's number.
    pub(crate) table: u64,
    /// Its bytes that lie in dead ranges, about.
    pub(crate) bytes: u64,
    /// Every row of it is dead.
    pub(crate) whole: bool,
}

/// A range to be merged down by hand, one level after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manual {
    pub(crate) from: Option<Vec<u8>>,
    pub(crate) to: Option<Vec<u8>>,
    /// The level it has come to.
    pub(crate) level: usize,
    /// The last key of that level that is done.
    pub(crate) done: Option<Vec<u8>>,
    /// Tables numbered higher came later and are left alone.
    pub(crate) upto: u64,
}

/// The moment at which to decide.
pub(crate) struct Moment<'a> {
    pub(crate) limits: &'a Limits,
    /// No version at or below it but the newest is asked for by anybody.
    pub(crate) horizon: Seqno,
    /// The `now` against which expired rows may be dropped; 0: none has expired.
    pub(crate) now_ms: u64,
    /// In the order of the tables' numbers.
    pub(crate) dead: &'a [Dead],
    /// What running tasks read.
    pub(crate) busy: &'a HashSet<u64>,
    /// Where running tasks write.
    pub(crate) claims: &'a [Claim],
    /// Nothing was written for a while: even a small gain is worth it.
    pub(crate) quiet: bool,
    /// Counts the picks.
    pub(crate) turn: u64,
}

/// The best thing to do now, if any.
pub(crate) fn pick(tree: &Tree<'_>, moment: &Moment<'_>) -> Option<Task> {
    let picker = Picker { tree, moment, shape: Shape::of(tree, moment.limits) };
    picker.droppable().or_else(|| {
        if moment.turn % 4 == 3 {
            picker.gainful().or_else(|| picker.by_score())
        } else {
            picker.by_score().or_else(|| picker.gainful())
        }
    })
}

/// What a manual compaction does next.
pub(crate) enum Step {
    Do(Task, Manual),
    /// A table it needs is being worked on.
    Wait,
    Done,
}

/// The next step of a manual compaction.
pub(crate) fn pick_manual(tree: &Tree<'_>, moment: &Moment<'_>, manual: &Manual) -> Step {
    let picker = Picker { tree, moment, shape: Shape::of(tree, moment.limits) };
    let mut manual = manual.clone();
    let wanted = |t: &&&TableMeta| {
        manual.from.as_ref().is_none_or(|from| t.largest >= *from)
            && manual.to.as_ref().is_none_or(|to| t.smallest <= *to)
            && t.id <= manual.upto
    };
    if manual.level == 0 {
        let inputs: Vec<_> = tree.levels[0].iter().filter(wanted).copied().collect();
        let task = (!inputs.is_empty()).then(|| {
            let to = picker.shape.base;
            picker.merge(Reason::Manual, 0, to, picker.level0_closure(inputs))
        });
        match task {
            Some(None) => return Step::Wait,
            Some(Some(task)) => return Step::Do(task, manual),
            None => manual.level = 1,
        }
    }
    let last = tree.last_level();
    while manual.level <= last {
        let level = manual.level;
        let next = tree.levels[level]
            .iter()
            .filter(|t| {
                manual.from.as_ref().is_none_or(|from| t.largest >= *from)
                    && manual.to.as_ref().is_none_or(|to| t.smallest <= *to)
                    && manual.done.as_ref().is_none_or(|done| t.smallest > *done)
            })
            // In the last level only what a rewrite shrinks.
            .find(|t| level < last || t.tombstones > 0 || picker.expired_rows(t) > 0 || picker.is_dead(t));
        let Some(table) = next else {
            manual.level += 1;
            manual.done = None;
            continue;
        };
        let to = (level + 1).min(last);
        let task = if level < last {
            picker.down(Reason::Manual, level, table)
        } else {
            picker.merge(Reason::Manual, level, to, vec![(level, *table)])
        };
        let Some(task) = task else { return Step::Wait };
        manual.done = Some(
            task.inputs
                .iter()
                .filter(|(l, _)| *l == level)
                .filter_map(|(_, id)| tree.levels[level].iter().find(|t| t.id == *id))
                .map(|t| t.largest.clone())
                .max()
                .unwrap_or_else(|| table.largest.clone()),
        );
        return Step::Do(task, manual);
    }
    Step::Done
}

struct Picker<'a> {
    tree: &'a Tree<'a>,
    moment: &'a Moment<'a>,
    shape: Shape,
}

type Input<'a> = (usize, &'a TableMeta);

impl<'a> Picker<'a> {
    fn is_busy(&self, table: &TableMeta) -> bool {
        self.moment.busy.contains(&table.id)
    }

    fn dead(&self, table: &TableMeta) -> Option<&Dead> {
        let at = self.moment.dead.binary_search_by_key(&table.id, |dead| dead.table).ok()?;
        self.moment.dead.get(at)
    }

    fn is_dead(&self, table: &TableMeta) -> bool {
        self.dead(table).is_some_and(|d| d.bytes > 0)
    }

    /// About how many rows of a table have expired.
    fn expired_rows(&self, table: &TableMeta) -> u64 {
        let passed = table.deadlines_ms.iter().filter(|&&at| at <= self.moment.now_ms).count() as u64;
        // Of the five points, `passed` lie behind us: that many quarters but one, and a little for the first.
        match passed {
            0 => 0,
            1 => (table.expiring / 16).min(table.expiring),
            _ => table.expiring * (passed - 1) / 4,
        }
    }

    // --- 1 ---

    /// Tables with nothing but dead or expired rows.
    fn droppable(&self) -> Option<Task> {
        for (level, table) in self.tree.tables() {
            if self.is_busy(table) || table.seqno_max > self.moment.horizon {
                continue;
            }
            let reason = if self.dead(table).is_some_and(|d| d.whole) {
                Reason::Dead
            } else if table.expiring == table.entries
                && table.entries > 0
                && table.deadlines_ms[4] <= self.moment.now_ms
                && !self.tree.overlaps_below(level, table)
            {
                Reason::Expired
            } else {
                continue;
            };
            if let Some(task) = self.task(reason, Work::Drop, level, level, vec![(level, table)]) {
                return Some(task);
            }
        }
        None
    }

    // --- 3 ---

    fn by_score(&self) -> Option<Task> {
        let mut scored: Vec<(f64, usize)> = (0..LEVELS)
            .map(|level| (self.shape.score(self.tree, level, self.moment), level))
            .filter(|(score, _)| *score >= 1.0)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().find_map(
            |(_, level)| {
                if level == 0 { self.level0(Reason::Level0) } else { self.shrink(level) }
            },
        )
    }

    /// Merges level 0 into the base level, or moves what overlaps nothing there.
    fn level0(&self, reason: Reason) -> Option<Task> {
        let tables = &self.tree.levels[0];
        if tables.iter().any(|t| self.is_busy(t)) {
            return None;
        }
        let to = self.shape.base;
        let mut moved: Vec<Input<'a>> = Vec::new();
        for table in tables.iter().rev() {
            let fits = self.tree.overlapping(to, &table.smallest, &table.largest).is_empty()
                && !moved.iter().any(|(_, m)| overlap(m, table));
            // A small table is better merged with its neighbours: it would stay small for long.
            if !fits || table.size < self.moment.limits.table / 8 {
                break;
            }
            moved.push((0, table));
        }
        if !moved.is_empty() {
            return self.task(reason, Work::Move, 0, to, moved);
        }
        self.merge(reason, 0, to, tables.iter().map(|t| (0, *t)).collect())
    }

    /// Given tables of level 0, adds the older ones they overlap, which may not stay above them.
    fn level0_closure(&self, newest: Vec<&'a TableMeta>) -> Vec<Input<'a>> {
        let mut taken: Vec<&TableMeta> = Vec::new();
        for &table in &self.tree.levels[0] {
            if newest.iter().any(|t| t.id == table.id) || taken.iter().any(|t| overlap(t, table)) {
                taken.push(table);
            }
        }
        taken.into_iter().map(|t| (0, t)).collect()
    }

    /// Takes something from a level that is over its target: what costs least to merge for its size.
    fn shrink(&self, level: usize) -> Option<Task> {
        let mut tables: Vec<(u64, &TableMeta)> = self.tree.levels[level]
            .iter()
            .filter(|t| !self.is_busy(t))
            .map(|t| {
                let below = self.tree.overlapping(level + 1, &t.smallest, &t.largest);
                let below: u64 = below.iter().map(|t| t.size).sum();
                // Tombstones count as the data they will take with them.
                let gain = t.size + t.size * t.tombstones / t.entries.max(1);
                ((below << 10) / gain.max(1), *t)
            })
            .collect();
        tables.sort_by_key(|(cost, t)| (*cost, t.id));
        tables.into_iter().find_map(|(_, table)| self.down(Reason::Size, level, table))
    }

    /// Merges a table into the level below it, or moves it there.
    fn down(&self, reason: Reason, level: usize, table: &'a TableMeta) -> Option<Task> {
        let to = level + 1;
        let below = self.tree.overlapping(to, &table.smallest, &table.largest);
        if below.is_empty() {
            let grandparents = self.tree.overlapping(to + 1, &table.smallest, &table.largest);
            if grandparents.iter().map(|t| t.size).sum::<u64>() <= 10 * self.moment.limits.table {
                return self.task(reason, Work::Move, level, to, vec![(level, table)]);
            }
        }
        // Its neighbours that fall within what is rewritten anyway come along for nothing.
        let smallest =
            below.iter().map(|t| &t.smallest).min().unwrap_or(&table.smallest).min(&table.smallest);
        let largest = below.iter().map(|t| &t.largest).max().unwrap_or(&table.largest).max(&table.largest);
        let mut bytes: u64 = below.iter().map(|t| t.size).sum::<u64>() + table.size;
        let mut inputs = vec![(level, table)];
        for &other in self.tree.overlapping(level, smallest, largest) {
            bytes += other.size;
            if other.id != table.id
                && other.smallest >= *smallest
                && other.largest <= *largest
                && !self.is_busy(other)
                && bytes <= 10 * self.moment.limits.table
            {
                inputs.push((level, other));
            }
        }
        self.merge(reason, level, to, inputs)
    }

    // --- 4 ---

    /// Tables that a rewrite would shrink well.
    fn gainful(&self) -> Option<Task> {
        // When nothing else is going on, a sixteenth is worth it.
        let share = if self.moment.quiet { 16 } else { 4 };
        let last = self.tree.last_level();
        for (level, table) in self.tree.tables() {
            if self.is_busy(table) {
                continue;
            }
            let settled = table.seqno_max <= self.moment.horizon;
            let reason = if self.dead(table).is_some_and(|d| d.bytes * share >= table.size) && settled {
                Reason::Dead
            } else if self.expired_rows(table) * share >= table.entries.max(1) && settled {
                Reason::Expired
            } else if table.tombstones * share.min(8) >= table.entries.max(1)
                && (level == last && settled || level < last && (level > 0 || self.moment.quiet))
            {
                Reason::Tombstones
            } else {
                continue;
            };
            let task = match (reason, level) {
                (_, 0) => self.level0_gain(reason, table),
                (Reason::Tombstones, _) if level < last => self.down(reason, level, table),
                _ => self.merge(reason, level, level, vec![(level, table)]),
            };
            if task.is_some() {
                return task;
            }
        }
        None
    }

    /// Level 0 is in the order of time and cannot be rewritten in place: it goes down with what is older.
    fn level0_gain(&self, reason: Reason, table: &'a TableMeta) -> Option<Task> {
        let inputs = self.level0_closure(vec![table]);
        self.merge(reason, 0, self.shape.base, inputs)
    }

    // --- all ---

    /// A merge of these and of what they overlap in the output level; `None` if another task is in the way.
    fn merge(&self, reason: Reason, from: usize, to: usize, mut inputs: Vec<Input<'a>>) -> Option<Task> {
        if to > from {
            let smallest = inputs.iter().map(|(_, t)| &t.smallest).min()?;
            let largest = inputs.iter().map(|(_, t)| &t.largest).max()?;
            let below = self.tree.overlapping(to, smallest, largest);
            inputs.extend(below.iter().map(|t| (to, *t)));
        }
        self.task(reason, Work::Merge, from, to, inputs)
    }

    fn task(
        &self,
        reason: Reason,
        work: Work,
        from: usize,
        to: usize,
        inputs: Vec<Input<'_>>,
    ) -> Option<Task> {
        if inputs.iter().any(|(_, t)| self.is_busy(t)) {
            return None;
        }
        let task = Task {
            reason,
            work,
            from,
            to,
            smallest: inputs.iter().map(|(_, t)| &t.smallest).min()?.clone(),
            largest: inputs.iter().map(|(_, t)| &t.largest).max()?.clone(),
            inputs: inputs.iter().map(|(level, t)| (*level, t.id)).collect(),
        };
        (!self.moment.claims.iter().any(|claim| claim.conflicts(&task))).then_some(task)
    }
}

fn overlap(a: &TableMeta, b: &TableMeta) -> bool {
    a.smallest <= b.largest && b.smallest <= a.largest
}

#[cfg(test)]
mod tests;
