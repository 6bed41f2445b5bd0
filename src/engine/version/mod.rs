//! Versions: which tables make up the database at one moment, and how one becomes the next.
//!
//! A [`Version`] never changes. An [`Edit`] makes the next one: it is written to the manifest and synced, and only
//! then is the new version installed and what it no longer needs removed. So the manifest always names a whole
//! database, and no crash leaves a table or log missing that it names.

mod apply;
mod edit;
mod manifest;

use std::sync::Arc;

pub(crate) use self::edit::{Edit, State};
pub(crate) use self::manifest::{Current, Manifest, ManifestError, read_edits, read_state};
use super::marks::Mark;
use super::table::Table;

/// How many levels there are.
pub(crate) const LEVELS: usize = 7;

/// The tables at one moment.
#[derive(Clone, Default)]
pub(crate) struct Version {
    /// Level 0: newest first, may overlap. The others: by key, disjoint.
    pub(crate) levels: [Vec<Arc<Table>>; LEVELS],
}

impl Version {
    pub(crate) fn tables(&self) -> impl Iterator<Item = (usize, &Arc<Table>)> {
        self.levels
            .iter()
            .enumerate()
            .flat_map(|(level, tables)| tables.iter().map(move |table| (level, table)))
    }

    /// The tables of a level (not 0) that hold keys from `from` to `to`, both included.
    pub(crate) fn overlapping(&self, level: usize, from: &[u8], to: &[u8]) -> &[Arc<Table>] {
        let tables = &self.levels[level];
        let start = tables.partition_point(|table| &table.meta().largest[..] < from);
        let end = tables.partition_point(|table| &table.meta().smallest[..] <= to);
        &tables[start..end.max(start)]
    }

    /// Whether a range mark has nothing left to hide in any table.
    pub(crate) fn has_outlived(&self, mark: &Mark) -> bool {
        self.tables().all(|(_, table)| {
            let meta = table.meta();
            meta.seqno_min >= mark.seqno || !mark.overlaps(&meta.smallest, &meta.largest)
        })
    }

    /// The next version. `opened` are the tables that `edit` adds and that are not here already.
    pub(crate) fn edited(&self, edit: &Edit, opened: &[Arc<Table>]) -> Self {
        let mut levels = self.levels.clone();
        let here: Vec<Arc<Table>> = edit
            .added
            .iter()
            .filter_map(|(_, meta)| {
                let same = |table: &&Arc<Table>| table.meta().id == meta.id;
                opened.iter().find(same).or_else(|| self.tables().map(|(_, table)| table).find(same)).cloned()
            })
            .collect();
        for (level, id) in &edit.removed {
            levels[*level].retain(|table| table.meta().id != *id);
        }
        for ((level, _), table) in edit.added.iter().zip(here) {
            levels[*level].push(table);
        }
        let mut touched: Vec<usize> = edit.added.iter().map(|(level, _)| *level).collect();
        touched.sort_unstable();
        touched.dedup();
        for level in touched {
            if level == 0 {
                levels[0].sort_by_key(|table| std::cmp::Reverse((table.meta().seqno_max, table.meta().id)));
            } else {
                levels[level].sort_by(|a, b| a.meta().smallest.cmp(&b.meta().smallest));
            }
        }
        Self { levels }
    }
}

/// The newest version, and the sum of all edits that led to it.
pub(crate) struct VersionSet {
    pub(crate) current: Arc<Version>,
    pub(crate) state: State,
}
