//! An edit: what changes from one version to the next, as one checksummed record of the manifest.
//!
//! ```text
//! edit  := field*                                      numbers are varints, byte strings have their length before
//! field := 1 level meta      a table joins             | 7 counter value    a counter's value, all of it (zigzag)
//!        | 2 level table     a table leaves            | 8 start end seqno  a range mark joins
//!        | 3 log             logs below are done with  | 9 start end seqno  a range mark leaves
//!        | 4 seqno           in tables up to here      | 10 log             a log exists
//!        | 5 seqno           durable up to here        | 11 log length      a log is this long, and whole
//!        | 6 number          file numbers below are    | 12 log             a log never was (a torn tail's)
//!                            taken
//! meta  := byte string, see the table
//! ```

use std::collections::BTreeMap;

use crate::codec::varint::{put_bytes, put_i64, put_u64, take_bytes, take_i64, take_u64};
use crate::engine::key::Seqno;
use crate::engine::marks::Mark;
use crate::engine::table::TableMeta;

/// What changes. Fields that are filled in by [`super::Shared::apply`] say so.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Edit {
    /// Tables that join, with their levels.
    pub(crate) added: Vec<(usize, TableMeta)>,
    /// Tables that leave, with their levels. A table that leaves one level and joins another moves.
    pub(crate) removed: Vec<(usize, u64)>,
    /// Logs with smaller numbers are done with: their commits are in tables. Their memtables go too.
    pub(crate) log: Option<u64>,
    /// The newest commit in those logs: with `log`, always.
    pub(crate) seqno: Option<Seqno>,
    /// The newest durable commit. Filled in.
    pub(crate) durable: Option<Seqno>,
    /// A bound above all file numbers. Filled in.
    pub(crate) next_file: Option<u64>,
    /// Values (not changes) of counters as of `seqno`.
    pub(crate) counters: Vec<(u64, i64)>,
    /// Range marks of the memtables that were flushed.
    pub(crate) marks_added: Vec<Mark>,
    /// Range marks that no table needs any more.
    pub(crate) marks_removed: Vec<Mark>,
    /// Logs that exist from now on: opening requires them.
    pub(crate) logs_started: Vec<u64>,
    /// Logs whose length is final, and that are on disk up to there.
    pub(crate) logs_ended: Vec<(u64, u64)>,
    /// Logs behind a torn tail: what is in them never happened.
    pub(crate) logs_dropped: Vec<u64>,
}

impl Edit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (level, meta) in &self.added {
            out.push(1);
            put_u64(&mut out, *level as u64);
            let mut bytes = Vec::new();
            meta.encode(&mut bytes);
            put_bytes(&mut out, &bytes);
        }
        for (level, table) in &self.removed {
            put_numbers(&mut out, 2, &[*level as u64, *table]);
        }
        let singles = [(3, self.log), (4, self.seqno), (5, self.durable), (6, self.next_file)];
        for (tag, value) in singles {
            if let Some(value) = value {
                put_numbers(&mut out, tag, &[value]);
            }
        }
        for &(counter, value) in &self.counters {
            put_numbers(&mut out, 7, &[counter]);
            put_i64(&mut out, value);
        }
        for (tag, marks) in [(8, &self.marks_added), (9, &self.marks_removed)] {
            for mark in marks {
                out.push(tag);
                put_bytes(&mut out, &mark.start);
                put_bytes(&mut out, &mark.end);
                put_u64(&mut out, mark.seqno);
            }
        }
        for &log in &self.logs_started {
            put_numbers(&mut out, 10, &[log]);
        }
        for &(log, len) in &self.logs_ended {
            put_numbers(&mut out, 11, &[log, len]);
        }
        for &log in &self.logs_dropped {
            put_numbers(&mut out, 12, &[log]);
        }
        out
    }

    /// `None` where the bytes are not an edit.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut edit = Self::default();
        let rest = &mut bytes;
        while let Some((&tag, tail)) = rest.split_first() {
            *rest = tail;
            match tag {
                1 => {
                    let level = take_level(rest)?;
                    let mut meta = take_bytes(rest)?;
                    edit.added.push((level, TableMeta::decode(&mut meta)?));
                    if !meta.is_empty() {
                        return None;
                    }
                }
                2 => edit.removed.push((take_level(rest)?, take_u64(rest)?)),
                3 => edit.log = Some(take_u64(rest)?),
                4 => edit.seqno = Some(take_u64(rest)?),
                5 => edit.durable = Some(take_u64(rest)?),
                6 => edit.next_file = Some(take_u64(rest)?),
                7 => edit.counters.push((take_u64(rest)?, take_i64(rest)?)),
                8 => edit.marks_added.push(take_mark(rest)?),
                9 => edit.marks_removed.push(take_mark(rest)?),
                10 => edit.logs_started.push(take_u64(rest)?),
                11 => edit.logs_ended.push((take_u64(rest)?, take_u64(rest)?)),
                12 => edit.logs_dropped.push(take_u64(rest)?),
                _ => return None,
            }
        }
        Some(edit)
    }
}

fn put_numbers(out: &mut Vec<u8>, tag: u8, numbers: &[u64]) {
    out.push(tag);
    for &number in numbers {
        put_u64(out, number);
    }
}

fn take_level(bytes: &mut &[u8]) -> Option<usize> {
    take_u64(bytes).map(|level| level as usize).filter(|&level| level < super::LEVELS)
}

fn take_mark(bytes: &mut &[u8]) -> Option<Mark> {
    let (start, end) = (take_bytes(bytes)?.to_vec(), take_bytes(bytes)?.to_vec());
    Some(Mark { start, end, seqno: take_u64(bytes)? })
}

/// All edits so far, summed up: what the next manifest begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    /// Tables by number: their levels and what is known of them.
    pub(crate) tables: BTreeMap<u64, (usize, TableMeta)>,
    /// Logs below are done with.
    pub(crate) log: u64,
    pub(crate) seqno: Seqno,
    pub(crate) durable: Seqno,
    pub(crate) next_file: u64,
    pub(crate) counters: BTreeMap<u64, i64>,
    pub(crate) marks: Vec<Mark>,
    /// Logs that must exist, and the lengths of those that have ended.
    pub(crate) logs: BTreeMap<u64, Option<u64>>,
}

impl State {
    /// Adds an edit, whole or not at all; the error says what does not fit.
    pub(crate) fn add(&mut self, edit: &Edit) -> Result<(), String> {
        self.check(edit)?;
        self.change(edit);
        Ok(())
    }

    /// Adds an edit that was checked.
    pub(crate) fn change(&mut self, edit: &Edit) {
        for (_, id) in &edit.removed {
            self.tables.remove(id);
        }
        self.tables.extend(edit.added.iter().map(|(level, meta)| (meta.id, (*level, meta.clone()))));
        self.marks.retain(|mark| !edit.marks_removed.contains(mark));
        self.marks.extend(edit.marks_added.iter().cloned());
        self.counters.extend(edit.counters.iter().copied());
        self.seqno = self.seqno.max(edit.seqno.unwrap_or(0));
        self.durable = self.durable.max(edit.durable.unwrap_or(0));
        self.next_file = self.next_file.max(edit.next_file.unwrap_or(0));
        self.logs.extend(edit.logs_started.iter().map(|&log| (log, None)));
        self.logs.extend(edit.logs_ended.iter().map(|&(log, len)| (log, Some(len))));
        for log in &edit.logs_dropped {
            self.logs.remove(log);
        }
        self.log = self.log.max(edit.log.unwrap_or(0));
        self.logs = self.logs.split_off(&self.log);
    }

    /// Whether an edit fits; the error says what does not.
    pub(crate) fn check(&self, edit: &Edit) -> Result<(), String> {
        for (level, id) in &edit.removed {
            if self.tables.get(id).is_none_or(|(at, _)| at != level) {
                return Err(format!("table {id} leaves level {level}, but is not there"));
            }
        }
        for (at, (level, meta)) in edit.added.iter().enumerate() {
            let leaves = edit.removed.iter().any(|&(_, id)| id == meta.id);
            let twice = edit.added.iter().take(at).any(|(_, other)| other.id == meta.id);
            if twice || (self.tables.contains_key(&meta.id) && !leaves) {
                return Err(format!("table {} joins level {level}, but is there already", meta.id));
            }
        }
        match edit.marks_removed.iter().find(|mark| !self.marks.contains(mark)) {
            Some(mark) => Err(format!("the range mark of commit {} leaves, but is not there", mark.seqno)),
            None => Ok(()),
        }
    }

    /// One edit that makes this state out of nothing.
    pub(crate) fn to_edit(&self) -> Edit {
        Edit {
            added: self.tables.values().cloned().collect(),
            log: Some(self.log),
            seqno: Some(self.seqno),
            durable: Some(self.durable),
            next_file: Some(self.next_file),
            counters: self.counters.iter().map(|(&c, &v)| (c, v)).collect(),
            marks_added: self.marks.clone(),
            logs_started: self.logs.iter().filter(|(_, len)| len.is_none()).map(|(&log, _)| log).collect(),
            logs_ended: self.logs.iter().filter_map(|(&log, &len)| Some((log, len?))).collect(),
            ..Edit::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meta(id: u64) -> TableMeta {
        TableMeta {
            id,
            size: id * 1000,
            checksum: 7,
            smallest: vec![1, 2],
            largest: vec![3; 300],
            seqno_min: 4,
            seqno_max: 1 << 50,
            entries: 9,
            tombstones: 1,
            raw_bytes: 5000,
            expiring: 2,
            deadlines_ms: [1, 2, 3, 4, 5],
            swept: 6,
        }
    }

    #[test]
    fn an_edit_survives_the_round_trip_and_no_cut() {
        let mark = |seqno| Mark { start: b"from".to_vec(), end: Vec::new(), seqno };
        let edit = Edit {
            added: vec![(0, meta(8)), (6, meta(9))],
            removed: vec![(1, 3)],
            log: Some(12),
            seqno: Some(1 << 55),
            durable: Some(0),
            next_file: Some(300),
            counters: vec![(1, i64::MIN), (u64::MAX, 1)],
            marks_added: vec![mark(5)],
            marks_removed: vec![mark(4)],
            logs_started: vec![13],
            logs_ended: vec![(12, 1 << 39)],
            logs_dropped: vec![14],
        };
        let bytes = edit.encode();
        assert_eq!(Edit::decode(&bytes), Some(edit.clone()));
        for len in 0..bytes.len() {
            assert_ne!(Edit::decode(&bytes[..len]), Some(edit.clone()));
        }
        let mut state = State::default();
        state.tables.insert(3, (1, meta(3)));
        state.marks.push(mark(4));
        state.add(&edit).unwrap();
        let mut again = State::default();
        again.add(&state.to_edit()).unwrap();
        assert_eq!(again, state);
    }

    proptest! {
        #[test]
        fn garbage_is_no_edit_or_one_of_its_size(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(edit) = Edit::decode(&bytes) {
                prop_assert_eq!(Edit::decode(&edit.encode()), Some(edit));
            }
        }
    }
}
