//! Ranges of a plane removed, by rank: what is popped from a queue, and trimmed from a leaderboard.
//!
//! What a segment loses at its start or its end, as a queue's last one does with every pop, is written as a *cut*: a delta
//! that says how many, alone in the first slot, and written over by the next. A pop thus costs a row of a few bytes.

use super::super::error::{Error, Result};
use super::super::txn::Txn;
use super::super::view::Reads;
use super::change::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use super::directory::{Directory, Place, Tally};
use super::segment::{Edge, Segment};
use super::{Ranked, SEGMENTS_AT_ONCE, Visit, slot_row};

/// The elements from one within the first segment up to one within the last.
struct Span {
    first: Place,
    /// Elements of the first that come before.
    skip: usize,
    last: Place,
    /// Elements of the last before the end.
    end: usize,
    /// Whether the first goes whole, and the last; they may be the same.
    is_whole: (bool, bool),
}

/// What stays of a span's first segment and its last, each if it does not go whole.
#[derive(Default)]
struct Kept {
    first: Option<Segment>,
    last: Option<Segment>,
}

impl Ranked {
    /// Removes the elements of ranks `from` to `to` (excluded); how many. Segments that go whole are not read.
    pub fn remove_range(&mut self, txn: &mut Txn, from: u64, to: u64) -> Result<u64> {
        self.remove_span(txn, from, to, None)
    }

    /// The same, and shows them in order; told to stop, it removes none.
    pub fn take_range(&mut self, txn: &mut Txn, from: u64, to: u64, show: &mut Visit<'_>) -> Result<u64> {
        self.remove_span(txn, from, to, Some(show))
    }

    fn remove_span(
        &mut self,
        txn: &mut Txn,
        from: u64,
        to: u64,
        show: Option<&mut Visit<'_>>,
    ) -> Result<u64> {
        let count = to.min(self.len()).saturating_sub(from);
        let Some(span) = self.span(from, count) else { return Ok(0) };
        let kept = match show {
            Some(show) => self.show(txn, &span, show)?,
            None => Some(self.read_ends(txn, &span)?),
        };
        let Some(mut kept) = kept else { return Ok(0) };
        // The first segment of the plane stays, even without elements, as long as there are others.
        if kept.first.is_none() && Directory::is_first(span.first) && count < self.len() {
            kept.first = Some(Segment::default());
        }
        // From the back, so that the places before stay good.
        let mut place = span.last;
        while place > span.first {
            if place < span.last || kept.last.is_none() {
                self.drop_segment(txn, place);
                txn.check_weight()?;
            }
            let Some(previous) = Directory::previous(place) else { break };
            place = previous;
        }
        match (kept.first, kept.last) {
            (Some(first), Some(last)) => self.put_both(txn, span.first, first, last)?,
            (Some(first), None) => self.put_rest(txn, span.first, first)?,
            (None, last) => {
                self.drop_segment(txn, span.first);
                if let Some(last) = last {
                    self.put_rest(txn, span.first, last)?;
                }
            }
        }
        self.drop_emptied(txn);
        Ok(count)
    }

    fn span(&self, from: u64, count: u64) -> Option<Span> {
        let (first, skip) = self.directory.at(from).filter(|_| count > 0)?;
        let (skip, within) = (skip as usize, self.directory.tally(first).count as usize);
        let end = skip.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
        if end <= within {
            let is_whole = skip == 0 && end == within;
            return Some(Span { first, skip, last: first, end, is_whole: (is_whole, is_whole) });
        }
        let (last, before) = self.directory.at(from + count - 1)?;
        let end = before as usize + 1;
        let is_whole = (skip == 0, end == self.directory.tally(last).count as usize);
        Some(Span { first, skip, last, end, is_whole })
    }

    /// Reads what does not go whole.
    fn read_ends(&mut self, txn: &Txn, span: &Span) -> Result<Kept> {
        let mut kept = Kept::default();
        if !span.is_whole.0 {
            kept.keep(span, span.first, self.take_segment(txn, span.first)?)?;
        }
        if span.last != span.first && !span.is_whole.1 {
            kept.keep(span, span.last, self.take_segment(txn, span.last)?)?;
        }
        Ok(kept)
    }

    /// Reads and shows all of a span; `None` if told to stop.
    fn show(&mut self, txn: &Txn, span: &Span, show: &mut Visit<'_>) -> Result<Option<Kept>> {
        let mut kept = Kept::default();
        let mut next = Some(span.first);
        while next.is_some() {
            let following = |&at: &Place| self.directory.next(at).filter(|&next| next <= span.last);
            let places: Vec<Place> = std::iter::successors(next, following).take(SEGMENTS_AT_ONCE).collect();
            next = places.last().and_then(following);
            let segments = match places[..] {
                [place] => vec![self.take_segment(txn, place)?],
                _ => self.segments(txn, &places)?,
            };
            for (&place, segment) in places.iter().zip(segments) {
                let (from, to) = span.within(place, segment.len());
                if segment.iter().take(to).skip(from).any(|(subkey, value)| show(subkey, value).is_break()) {
                    return Ok(None);
                }
                if !span.goes_whole(place) {
                    kept.keep(span, place, segment)?;
                }
            }
        }
        Ok(Some(kept))
    }

    /// Stages what stays of two neighbours, the first of which is at this place.
    fn put_both(&mut self, txn: &mut Txn, place: Place, first: Segment, last: Segment) -> Result<()> {
        let Some(next) = self.directory.next(place) else { return self.put_rest(txn, place, first) };
        if first.len() == 0 || first.byte_len().min(last.byte_len()) >= SEGMENT_BYTES_MIN {
            self.put_rest(txn, place, first)?;
            return self.put_rest(txn, next, last);
        }
        let joined = first.joined(&last);
        self.drop_segment(txn, next);
        if joined.byte_len() <= SEGMENT_BYTES_MAX {
            return self.put_shrunk(txn, place, joined);
        }
        self.put_grown(txn, place, joined, Edge::Neither);
        Ok(())
    }

    /// Stages what stays of a segment: as a cut where that can say it.
    fn put_rest(&mut self, txn: &mut Txn, place: Place, segment: Segment) -> Result<()> {
        let (tally, separator) = self.directory.look(place);
        let row = self.row_of(separator);
        let cut = segment.cut().filter(|_| tally.live <= 1 && txn.staged(&row).is_none());
        let Some(cut) = cut.filter(|_| self.may_stand_alone(place, &segment)) else {
            return self.put_shrunk(txn, place, segment);
        };
        let delta = cut.encode();
        let tally = Tally { count: segment.len() as u32, delta_bytes: delta.len() as u16, live: 1 };
        txn.put(slot_row(&row, 0), delta);
        self.directory.set(place, tally);
        self.directory.keep_at_hand(place, segment);
        Ok(())
    }
}

impl Span {
    fn goes_whole(&self, place: Place) -> bool {
        (place != self.first || self.is_whole.0) && (place != self.last || self.is_whole.1)
    }

    /// The elements of one of its segments, which has so many.
    fn within(&self, place: Place, len: usize) -> (usize, usize) {
        let from = if place == self.first { self.skip } else { 0 };
        (from, if place == self.last { self.end } else { len })
    }
}

impl Kept {
    fn keep(&mut self, span: &Span, place: Place, mut segment: Segment) -> Result<()> {
        let (from, to) = span.within(place, segment.len());
        if from > to || to > segment.len() {
            return Err(Error::Damaged("a segment's count"));
        }
        segment.remove_range(from, to);
        *(if place == span.first { &mut self.first } else { &mut self.last }) = Some(segment);
        Ok(())
    }
}
