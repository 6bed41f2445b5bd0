//! Range deletions: marks that hide older versions, kept in memory and few.
//!
//! A mark hides from a reader at `seqno` every version of `start..end` older than the mark, if the reader may see
//! the mark. It lives in its memtable, and from the flush on with the version, until compaction has dropped
//! everything it hides.

use super::key::Seqno;

/// One deleted range: hides the versions below `seqno` of the keys from `start` (included) to `end` (excluded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
    pub(crate) seqno: Seqno,
}

impl Mark {
    pub(crate) fn covers(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && key < self.end.as_slice()
    }

    /// Whether it covers any key from `from` to `to`, both included.
    pub(crate) fn overlaps(&self, from: &[u8], to: &[u8]) -> bool {
        self.start.as_slice() <= to && from < self.end.as_slice()
    }
}

/// The newest mark over a key that a reader at `seqno` sees: versions below it are hidden. 0: none.
pub(crate) fn hidden_below(marks: &[Mark], key: &[u8], seqno: Seqno) -> Seqno {
    marks.iter().filter(|m| m.seqno <= seqno && m.covers(key)).map(|m| m.seqno).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_hides_what_is_older_from_who_may_see_it() {
        let mark = |start: &[u8], end: &[u8], seqno| Mark { start: start.into(), end: end.into(), seqno };
        let marks = [mark(b"b", b"d", 5), mark(b"c", b"e", 9)];
        assert_eq!(hidden_below(&marks, b"a", 99), 0);
        assert_eq!(hidden_below(&marks, b"b", 99), 5);
        assert_eq!(hidden_below(&marks, b"c", 99), 9);
        assert_eq!(hidden_below(&marks, b"c", 8), 5);
        assert_eq!(hidden_below(&marks, b"c", 4), 0);
        assert_eq!(hidden_below(&marks, b"e", 99), 0);
        assert!(marks[0].overlaps(b"a", b"b") && !marks[0].overlaps(b"d", b"f"));
    }
}
