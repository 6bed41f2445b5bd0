//! Which tables hold dead rows, as far as is known without reading them.
//!
//! The dead ranges come from the layer above, as of a horizon. Each part of them is remembered with the horizon at
//! which it was first seen: a table that was rewritten since (its `swept` is not older) holds none of its rows, and
//! is not rewritten again for it.

use std::sync::Arc;

use super::pick::Dead;
use crate::engine::key::Seqno;
use crate::engine::marks::Mark;
use crate::engine::memtable::Memtable;
use crate::engine::sweep::DeadRange;
use crate::engine::table::Table;
use crate::engine::version::Version;

/// Rows of a memtable that are looked at, to learn how many are dead.
const SAMPLED_ROWS: u32 = 256;

/// Dead ranges, each with the horizon at which it was first seen. Sorted and disjoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    parts: Arc<[Part]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    start: Vec<u8>,
    end: Vec<u8>,
    seen: Seqno,
}

impl Ranges {
    /// The ranges are these now, as of a horizon. Sorted and disjoint.
    pub(crate) fn update(&mut self, now: &[DeadRange], horizon: Seqno) {
        let mut parts: Vec<Part> = Vec::with_capacity(now.len());
        let mut push = |start: &[u8], end: &[u8], seen| match parts.last_mut() {
            _ if start >= end => {}
            Some(last) if last.seen == seen && last.end == start => last.end = end.to_vec(),
            _ => parts.push(Part { start: start.to_vec(), end: end.to_vec(), seen }),
        };
        let mut old = self.parts.iter().peekable();
        for range in now {
            let mut at = range.start.as_slice();
            while old.next_if(|part| part.end.as_slice() <= at).is_some() {}
            while let Some(part) = old.peek().filter(|part| part.start < range.end) {
                push(at, part.start.as_slice(), horizon);
                let end = part.end.as_slice().min(range.end.as_slice());
                push(at.max(part.start.as_slice()), end, part.seen);
                at = at.max(end);
                if part.end > range.end {
                    break;
                }
                old.next();
            }
            push(at, range.end.as_slice(), horizon);
        }
        self.parts = parts.into();
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The parts that hold any key from `smallest` to `largest`, both included.
    fn overlapping(&self, smallest: &[u8], largest: &[u8]) -> &[Part] {
        let start = self.parts.partition_point(|part| part.end.as_slice() <= smallest);
        let len = self.parts[start..].partition_point(|part| part.start.as_slice() <= largest);
        &self.parts[start..start + len]
    }

    /// What is dead of a table.
    fn dead(&self, table: &Table) -> Dead {
        let meta = table.meta();
        let mut dead = Dead { table: meta.id, bytes: 0, whole: false };
        let parts = self.overlapping(&meta.smallest, &meta.largest);
        // Adjoining parts that were seen at different times may cover the table together.
        let adjoin = parts.windows(2).all(|pair| pair[0].end == pair[1].start);
        if let (Some(first), Some(last)) = (parts.first(), parts.last()) {
            dead.whole = adjoin && first.start <= meta.smallest && meta.largest < last.end;
        }
        if dead.whole {
            dead.bytes = meta.size;
        } else {
            let fresh = parts.iter().filter(|part| part.seen > meta.swept);
            dead.bytes = fresh.map(|part| table.approximate_bytes(&part.start, &part.end)).sum();
        }
        dead
    }

    /// What is dead of every table of a version, in the order of their numbers, by these ranges and by range marks at or below the horizon.
    pub(crate) fn survey(&self, version: &Version, marks: &[Mark], horizon: Seqno) -> Vec<Dead> {
        let mut found = Vec::new();
        for (_, table) in version.tables() {
            let mut dead = self.dead(table);
            mark_dead(&mut dead, table, marks, horizon);
            if dead.bytes > 0 || dead.whole {
                found.push(dead);
            }
        }
        found.sort_unstable_by_key(|dead| dead.table);
        found
    }

    /// The ranges of which no table seems to hold anything worth rewriting it for: their certificates may go, if a
    /// look confirms it. At most `count`, from the `skip`-th range on.
    pub(crate) fn spent(&self, version: &Version, skip: usize, count: usize) -> Vec<DeadRange> {
        let mut spent: Vec<DeadRange> = Vec::new();
        for part in self.parts.iter().skip(skip).take(count) {
            let holds = |table: &Arc<Table>| {
                let meta = table.meta();
                let inside = part.start <= meta.smallest && meta.largest < part.end;
                inside || (meta.swept < part.seen && table.approximate_bytes(&part.start, &part.end) > 0)
            };
            let last = part.end.as_slice();
            let held = version.levels[0].iter().any(&holds)
                || (1..version.levels.len())
                    .any(|l| version.overlapping(l, &part.start, last).iter().any(&holds));
            match spent.last_mut() {
                _ if held => {}
                Some(before) if before.end == part.start => before.end.clone_from(&part.end),
                _ => spent.push(DeadRange { start: part.start.clone(), end: part.end.clone() }),
            }
        }
        spent
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// The ranges alone.
    pub(crate) fn to_vec(&self) -> Vec<DeadRange> {
        let range = |part: &Part| DeadRange { start: part.start.clone(), end: part.end.clone() };
        self.parts.iter().map(range).collect()
    }

    /// Whether most rows of a memtable lie in them, as far as a sample tells.
    pub(crate) fn hold_most_of(&self, memtable: &Memtable) -> bool {
        if self.parts.is_empty() {
            return false;
        }
        let (mut rows, mut dead) = (0, 0);
        for key in memtable.sample(SAMPLED_ROWS) {
            rows += 1;
            dead += usize::from(!self.overlapping(key, key).is_empty());
        }
        dead > rows / 2
    }
}

fn mark_dead(dead: &mut Dead, table: &Table, marks: &[Mark], horizon: Seqno) {
    let meta = table.meta();
    for mark in marks.iter().filter(|m| m.seqno <= horizon && meta.seqno_min < m.seqno) {
        if !mark.overlaps(&meta.smallest, &meta.largest) {
            continue;
        }
        if mark.covers(&meta.smallest) && mark.covers(&meta.largest) && meta.seqno_max < mark.seqno {
            dead.whole = true;
            dead.bytes = meta.size;
        } else if meta.swept < mark.seqno {
            // A rewrite drops what the mark hides; that `swept` is not older than the mark says that one was.
            dead.bytes = meta.size.min(dead.bytes + table.approximate_bytes(&mark.start, &mark.end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(list: &[(u8, u8)]) -> Vec<DeadRange> {
        list.iter().map(|&(a, b)| DeadRange { start: vec![a], end: vec![b] }).collect()
    }

    fn parts(ranges: &Ranges) -> Vec<(u8, u8, Seqno)> {
        ranges.parts.iter().map(|p| (p.start[0], p.end[0], p.seen)).collect()
    }

    #[test]
    fn what_is_new_is_told_from_what_was_known() {
        let mut known = Ranges::default();
        known.update(&ranges(&[(2, 4), (6, 8)]), 10);
        assert_eq!(parts(&known), [(2, 4, 10), (6, 8, 10)]);
        known.update(&ranges(&[(1, 9)]), 20);
        assert_eq!(parts(&known), [(1, 2, 20), (2, 4, 10), (4, 6, 20), (6, 8, 10), (8, 9, 20)]);
        known.update(&ranges(&[(3, 5), (7, 9)]), 30);
        assert_eq!(parts(&known), [(3, 4, 10), (4, 5, 20), (7, 8, 10), (8, 9, 20)]);
        known.update(&ranges(&[(0, 1), (3, 9)]), 40);
        assert_eq!(parts(&known), [(0, 1, 40), (3, 4, 10), (4, 5, 20), (5, 7, 40), (7, 8, 10), (8, 9, 20)]);
        known.update(&[], 50);
        assert!(known.is_empty());
    }
}
