//! Which files hold a key, and which of its versions counts.

use super::{Inspection, Row};
use crate::engine::batch::{Op, Ops};
use crate::engine::error::Result;
use crate::engine::key::Seqno;
use crate::engine::marks::Mark;
use crate::engine::version::LEVELS;

/// A key, everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// Where a read would look, in its order.
    pub places: Vec<KeyPlace>,
    /// The place, by its index, and the version that counts; `None` if the key was never written.
    pub newest: Option<(usize, Row)>,
    /// The range deletion that hides it, if one does: from, to, of which commit.
    pub hidden_by: Option<(Vec<u8>, Vec<u8>, Seqno)>,
}

impl KeyReport {
    /// The key's value, if it has one.
    pub fn value(&self) -> Option<&[u8]> {
        let (_, row) = self.newest.as_ref().filter(|_| self.hidden_by.is_none())?;
        row.value.as_deref()
    }
}

/// A place where a key could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a log, and so in a memtable when the database is open.
    Log {
        /// The log's number.
        number: u64,
        /// Versions, newest first.
        versions: Vec<Row>,
    },
    /// In a table whose keys go from before it to behind it.
    Table {
        /// The level.
        level: usize,
        /// The table's number.
        number: u64,
        /// What the filter says; if it says no, a read looks no further here.
        may_contain: bool,
        /// Versions, newest first.
        versions: Vec<Row>,
    },
    /// In none of a level's tables, since none has such keys.
    NoTable {
        /// The level.
        level: usize,
        /// How many tables it has.
        tables: usize,
    },
}

impl KeyPlace {
    /// The versions found here, newest first.
    pub fn versions(&self) -> &[Row] {
        match self {
            Self::Log { versions, .. } | Self::Table { versions, .. } => versions,
            Self::NoTable { .. } => &[],
        }
    }
}

impl Inspection {
    /// Looks for a key in all logs and tables.
    pub fn key(&self, key: &[u8]) -> Result<KeyReport> {
        let mut marks = self.state.marks.clone();
        let mut places = self.logs_with(key, &mut marks)?;
        for level in 0..LEVELS {
            let tables = &self.version.levels[level];
            let mut covered = false;
            for table in tables {
                let meta = table.meta();
                if meta.smallest[..] <= *key && *key <= meta.largest[..] {
                    covered = true;
                    let (may_contain, versions) = table.versions(key)?;
                    places.push(KeyPlace::Table { level, number: meta.id, may_contain, versions });
                }
            }
            if !covered {
                places.push(KeyPlace::NoTable { level, tables: tables.len() });
            }
        }
        let newest = places
            .iter()
            .enumerate()
            .flat_map(|(at, place)| place.versions().iter().map(move |row| (at, row)))
            .max_by_key(|(_, row)| row.seqno)
            .map(|(at, row)| (at, row.clone()));
        let hidden_by = newest.as_ref().and_then(|(_, row)| {
            let hides = |mark: &&Mark| mark.covers(key) && row.seqno < mark.seqno;
            marks.iter().filter(hides).max_by_key(|mark| mark.seqno)
        });
        let hidden_by = hidden_by.map(|mark| (mark.start.clone(), mark.end.clone(), mark.seqno));
        Ok(KeyReport { places, newest, hidden_by })
    }

    /// The logs that hold the key, newest first; adds the range deletions in them to `marks`.
    fn logs_with(&self, key: &[u8], marks: &mut Vec<Mark>) -> Result<Vec<KeyPlace>> {
        let mut logs: Vec<(u64, Vec<Row>)> = Vec::new();
        self.replay().run(&mut |number, seqno, payload| {
            // Of several operations of a batch on one key the last one counts.
            let mut last = None;
            for op in Ops::decode(&payload).flatten() {
                let row = |value| Row { key: key.to_vec(), seqno, value };
                match op {
                    Op::Put { key: put, value } if put == key => last = Some(row(Some(value.to_vec()))),
                    Op::Delete { key: deleted } if deleted == key => last = Some(row(None)),
                    Op::DeleteRange { start, end } => {
                        marks.push(Mark { start: start.to_vec(), end: end.to_vec(), seqno });
                    }
                    _ => {}
                }
            }
            if let Some(row) = last {
                match logs.last_mut().filter(|(log, _)| *log == number) {
                    Some((_, versions)) => versions.insert(0, row),
                    None => logs.push((number, vec![row])),
                }
            }
            Ok(())
        })?;
        Ok(logs.into_iter().rev().map(|(number, versions)| KeyPlace::Log { number, versions }).collect())
    }
}
