//! The rows of a range and the counters, as the newest commit left them.

use std::collections::BTreeMap;

use super::{Inspection, Row};
use crate::engine::batch::{Op, Ops};
use crate::engine::cursor::Cursor;
use crate::engine::error::Result;
use crate::engine::key::{KeyRef, SEQNO_MAX, Seqno, Trailer};
use crate::engine::marks::{Mark, hidden_below};
use crate::engine::table::Caching;
use crate::engine::view::Tier;

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The rows of the range.
    pub rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// All counters.
    pub counters: BTreeMap<u64, i64>,
}

/// The newest version of each key that was met so far.
#[derive(Default)]
struct Newest(BTreeMap<Vec<u8>, (Seqno, Option<Vec<u8>>)>);

impl Newest {
    fn meet(&mut self, key: &[u8], seqno: Seqno, value: Option<&[u8]>) {
        if self.0.get(key).is_none_or(|(known, _)| *known <= seqno) {
            self.0.insert(key.to_vec(), (seqno, value.map(<[u8]>::to_vec)));
        }
    }
}

impl Inspection {
    /// Reads the rows from a key on and before another, which must fit in memory, and all counters.
    pub fn content(&self, from: &[u8], end: &[u8]) -> Result<Content> {
        let mut newest = Newest::default();
        for (_, table) in self.version.tables() {
            let mut cursor = table.cursor(Tier::Disk, Caching::Bypass);
            cursor.seek(KeyRef::new(from, Trailer::FIRST))?;
            while cursor.valid() && cursor.key().user < end {
                let row = Row::of(cursor.key(), cursor.value());
                newest.meet(&row.key, row.seqno, row.value.as_deref());
                cursor.next()?;
            }
        }
        let (mut marks, mut counters) = (self.state.marks.clone(), self.state.counters.clone());
        self.replay().run(&mut |_, seqno, payload| {
            for op in Ops::decode(&payload).flatten() {
                match op {
                    Op::Put { key, value } if from <= key && key < end => {
                        newest.meet(key, seqno, Some(value));
                    }
                    Op::Delete { key } if from <= key && key < end => newest.meet(key, seqno, None),
                    Op::DeleteRange { start, end } => {
                        marks.push(Mark { start: start.to_vec(), end: end.to_vec(), seqno });
                    }
                    Op::Count { counter, delta } => {
                        let count = counters.entry(counter).or_default();
                        *count = count.saturating_add(delta);
                    }
                    Op::Put { .. } | Op::Delete { .. } => {}
                }
            }
            Ok(())
        })?;
        let rows = newest.0.into_iter().filter_map(|(key, (seqno, value))| {
            let value = value.filter(|_| hidden_below(&marks, &key, SEQNO_MAX) <= seqno)?;
            Some((key, value))
        });
        Ok(Content { rows: rows.collect(), counters })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::engine::{Batch, Db, Env, Options};
    use crate::vfs::memory::MemoryVfs;

    #[test]
    fn it_is_what_the_database_has() {
        let vfs = MemoryVfs::new();
        let db = Db::open_with(Env::with_vfs(Arc::new(vfs.clone())), Path::new("/db"), Options::default())
            .unwrap();
        for round in 0..3_u8 {
            let mut batch = Batch::new();
            for key in 0..20_u8 {
                if (key + round) % 5 == 0 {
                    batch.delete(&[key]);
                } else {
                    batch.put(&[key], &[key, round]);
                }
            }
            batch.count(7, 5);
            if round == 1 {
                batch.delete_range(&[3], &[6]);
            }
            db.commit(&batch).unwrap();
            if round == 0 {
                db.compact_range(None, None).unwrap();
            }
        }
        db.sync().unwrap();
        let inspection = Inspection::open(Arc::new(vfs), Path::new("/db")).unwrap();
        let content = inspection.content(&[2], &[15]).unwrap();
        let expected = (2..15_u8).filter_map(|key| Some((vec![key], db.get(&[key]).unwrap()?.to_vec())));
        assert_eq!(content.rows, expected.collect());
        assert_eq!(content.counters.get(&7), Some(&15));
    }
}
