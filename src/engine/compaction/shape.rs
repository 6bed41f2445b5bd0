//! The tree as compaction sees it, and how large each level ought to be.

use super::pick::Moment;
use super::pressure::Debt;
use crate::engine::limits::Limits;
use crate::engine::table::TableMeta;
use crate::engine::version::LEVELS;

/// This many times the wanted number of tables in level 0 are merged even if they are small. When it is quiet, the
/// wanted number is enough.
const LEVEL0_FACTOR: usize = 3;

/// The tables of every level: level 0 newest first, the others by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree<'a> {
    pub(crate) levels: [Vec<&'a TableMeta>; LEVELS],
}

impl<'a> Tree<'a> {
    /// Every table, with its level.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (usize, &'a TableMeta)> {
        self.levels.iter().enumerate().flat_map(|(level, tables)| tables.iter().map(move |t| (level, *t)))
    }

    /// The tables of a sorted level that hold any key from `smallest` to `largest`, both included.
    pub(crate) fn overlapping(&self, level: usize, smallest: &[u8], largest: &[u8]) -> &[&'a TableMeta] {
        debug_assert!(level > 0, "level 0 is not sorted");
        let Some(tables) = self.levels.get(level) else { return &[] };
        let start = tables.partition_point(|t| t.largest.as_slice() < smallest);
        let len = tables[start..].partition_point(|t| t.smallest.as_slice() <= largest);
        &tables[start..start + len]
    }

    /// Whether anything older may lie under a table's keys.
    pub(crate) fn overlaps_below(&self, level: usize, table: &TableMeta) -> bool {
        let older = |t: &&TableMeta| {
            t.smallest <= table.largest && table.smallest <= t.largest && t.seqno_min < table.seqno_max
        };
        let beside = level == 0 && self.levels[0].iter().filter(|t| t.id != table.id).any(older);
        beside
            || (level + 1..LEVELS).any(|l| !self.overlapping(l, &table.smallest, &table.largest).is_empty())
    }

    /// The last level with tables; 0 if there are none.
    pub(crate) fn last_level(&self) -> usize {
        (0..LEVELS).rev().find(|&l| !self.levels[l].is_empty()).unwrap_or(0)
    }

    pub(crate) fn bytes(&self, level: usize) -> u64 {
        self.levels[level].iter().map(|t| t.size).sum()
    }

    /// What has yet to be done to bring every level to its target; memtables are not counted.
    pub(crate) fn debt(&self, limits: &Limits) -> Debt {
        let shape = Shape::of(self, limits);
        let mut pending_bytes = 0;
        let mut coming = if self.bytes(0) >= limits.level_base { self.bytes(0) } else { 0 };
        for level in shape.base..LEVELS {
            let bytes = self.bytes(level);
            if coming > 0 {
                pending_bytes += coming + (bytes * coming / shape.targets[level].max(1)).min(bytes);
            }
            coming = (bytes + coming).saturating_sub(shape.targets[level]);
        }
        Debt {
            level0_tables: self.levels[0].len(),
            pending_bytes,
            total_bytes: (0..LEVELS).map(|l| self.bytes(l)).sum(),
            memtable_bytes: 0,
        }
    }
}

/// The sizes that levels ought to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Where level 0 is merged to.
    pub(crate) base: usize,
    /// Bytes that each level should not exceed. `u64::MAX` for the last.
    pub(crate) targets: [u64; LEVELS],
}

impl Shape {
    pub(crate) fn of(tree: &Tree<'_>, limits: &Limits) -> Self {
        let last = LEVELS - 1;
        let largest = (1..LEVELS).map(|l| tree.bytes(l)).max().unwrap_or(0);
        let mut wanted = last;
        let mut size = largest;
        while size > limits.level_base && wanted > 1 {
            wanted -= 1;
            size /= limits.level_multiplier;
        }
        // What lies above the wanted base is older than level 0 and must not be jumped over. It is emptied first.
        let base =
            (1..LEVELS).find(|&l| !tree.levels[l].is_empty()).map_or(wanted, |first| first.min(wanted));
        let mut targets = [0; LEVELS];
        let mut target = size.max(limits.level_base / limits.level_multiplier).max(1);
        for (level, slot) in targets.iter_mut().enumerate().skip(wanted) {
            // No level is meant to be smaller than the base may be: a waist costs and gains nothing.
            *slot = if level == last { u64::MAX } else { target.max(limits.level_base) };
            target = target.saturating_mul(limits.level_multiplier);
        }
        Self { base, targets }
    }

    /// How urgent it is to take something from a level: 1 when it is at its target.
    pub(crate) fn score(&self, tree: &Tree<'_>, level: usize, moment: &Moment<'_>) -> f64 {
        let limits = moment.limits;
        let free = tree.levels[level].iter().filter(|t| !moment.busy.contains(&t.id));
        if level == 0 {
            // Merging costs a rewrite of the base: wait until what comes is worth it, whatever number of tables it
            // is in, unless there are so many that reads begin to suffer. Of a memtable some three quarters are rows.
            // Tombstones count as the rows they will take with them.
            let below = row_bytes(tree);
            let bytes: u64 =
                free.clone().map(|t| t.raw_bytes.max(t.size).saturating_add(t.tombstones * below)).sum();
            let worth = (limits.memtable / 4 * 3).saturating_mul(limits.level0_tables as u64);
            let factor = if moment.quiet { 1 } else { LEVEL0_FACTOR };
            let count = free.count() as f64 / (factor * limits.level0_tables) as f64;
            return count.max(bytes as f64 / worth as f64);
        }
        let bytes: u64 = free.map(|t| t.size).sum();
        if level == LEVELS - 1 || bytes == 0 {
            0.0
        } else if self.targets[level] == 0 {
            // Above the base: emptied, but not before level 0 is.
            1.5
        } else {
            bytes as f64 / self.targets[level] as f64
        }
    }
}

/// Bytes of a row below level 0 before compression, on average.
fn row_bytes(tree: &Tree<'_>) -> u64 {
    let below = || tree.levels[1..].iter().flatten();
    let entries: u64 = below().map(|t| t.entries).sum();
    below().map(|t| t.raw_bytes).sum::<u64>() / entries.max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::engine::options::Options;

    const MIB: u64 = 1 << 20;

    fn limits() -> Limits {
        Limits::new(&Options { memory: 1 << 30, ..Options::default() }).unwrap()
    }

    fn tree(tables: &[TableMeta], sizes: [u64; LEVELS]) -> Tree<'_> {
        let mut tree = Tree::default();
        for (level, size) in sizes.into_iter().enumerate() {
            if size > 0 {
                tree.levels[level].push(tables.iter().find(|t| t.size == size).unwrap());
            }
        }
        tree
    }

    fn shape(sizes: [u64; LEVELS]) -> Shape {
        let tables: Vec<_> = sizes.iter().map(|&size| TableMeta { size, ..TableMeta::default() }).collect();
        Shape::of(&tree(&tables, sizes), &limits())
    }

    #[test]
    fn an_empty_tree_begins_at_the_bottom() {
        assert_eq!(shape([0; LEVELS]).base, 6);
        assert_eq!(shape([0, 0, 0, 0, 0, 0, 256 * MIB]).base, 6);
    }

    #[test]
    fn targets_follow_from_the_largest_level() {
        let shape = shape([0, 0, 0, 0, 0, 300 * MIB, 20_000 * MIB]);
        assert_eq!(shape.base, 4);
        assert_eq!(shape.targets, [0, 0, 0, 0, 256 * MIB, 2000 * MIB, u64::MAX]);
    }

    #[test]
    fn tombstones_weigh_what_they_delete() {
        let limits = limits();
        let tables = [
            TableMeta { size: MIB, entries: 500_000, tombstones: 500_000, ..TableMeta::default() },
            TableMeta { size: 999 * MIB, raw_bytes: 2000 * MIB, entries: 20 << 20, ..TableMeta::default() },
        ];
        let tree = tree(&tables, [MIB, 0, 0, 0, 0, 0, 999 * MIB]);
        let (dead, busy) = (Vec::new(), HashSet::new());
        let moment = Moment {
            limits: &limits,
            horizon: 0,
            now_ms: 0,
            dead: &dead,
            busy: &busy,
            claims: &[],
            quiet: false,
            turn: 0,
        };
        let score = Shape::of(&tree, &limits).score(&tree, 0, &moment);
        assert!((0.2..0.3).contains(&score), "a quarter of four memtables, not {score}");
    }

    #[test]
    fn level_0_does_not_jump_over_older_data() {
        let shape = shape([0, 0, 5 * MIB, 0, 0, 0, 1000 * MIB]);
        assert_eq!(shape.base, 2);
        assert_eq!(shape.targets[2], 0);
        assert!(shape.targets[5] > 0);
    }
}
