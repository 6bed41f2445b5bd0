//! How a plane changes: deltas while they are few, folded into their segment after that; segments that split and join.

use super::super::error::Result;
use super::super::txn::Txn;
use super::super::view::Reads;
use super::delta::{Change, Kind};
use super::directory::{Directory, Place, Tally};
use super::segment::{Edge, Segment};
use super::{Ranked, slot_row};

/// A segment larger than this is split, in bytes.
pub(super) const SEGMENT_BYTES_MAX: usize = 768;

/// A segment smaller than this joins a neighbour, in bytes.
pub(super) const SEGMENT_BYTES_MIN: usize = 192;

/// Deltas beside a segment. More of them save log, and cost whoever reads the segment a row each.
pub(super) const SLOTS: u8 = 16;

/// Rather than have more than this in its deltas, a segment is written, in bytes.
const DELTA_BYTES_MAX: usize = 512;

impl Ranked {
    /// Sets an element; whether it is new.
    pub fn insert(&mut self, txn: &mut Txn, subkey: &[u8], value: &[u8]) -> Result<bool> {
        let Some(place) = self.directory.find(subkey) else {
            self.insert_new(txn, subkey, value)?;
            return Ok(true);
        };
        let segment = self.take_segment(txn, place)?;
        let kind = match segment.find(subkey) {
            Err(_) => Kind::New,
            Ok(at) if segment.value(at) == value => {
                self.directory.keep_at_hand(place, segment);
                return Ok(false);
            }
            Ok(_) => Kind::Set,
        };
        self.change(txn, place, Some(segment), &Change { kind, subkey, value })?;
        Ok(kind == Kind::New)
    }

    /// Adds an element that the caller knows is not there, mostly without reading anything.
    pub fn insert_new(&mut self, txn: &mut Txn, subkey: &[u8], value: &[u8]) -> Result<()> {
        let change = Change { kind: Kind::New, subkey, value };
        if let Some(place) = self.directory.find(subkey) {
            return self.change(txn, place, None, &change);
        }
        self.directory.push(&[], Tally::default());
        let Some(place) = self.directory.find(subkey) else { return Ok(()) };
        let mut segment = Segment::default();
        segment.apply(&change);
        self.put(txn, place, segment);
        Ok(())
    }

    /// Removes an element; whether it was there.
    pub fn remove(&mut self, txn: &mut Txn, subkey: &[u8]) -> Result<bool> {
        let Some(place) = self.directory.find(subkey) else { return Ok(false) };
        let segment = self.take_segment(txn, place)?;
        if segment.find(subkey).is_err() {
            self.directory.keep_at_hand(place, segment);
            return Ok(false);
        }
        self.change(txn, place, Some(segment), &Change { kind: Kind::Removed, subkey, value: &[] })?;
        Ok(true)
    }

    /// Removes an element that the caller knows is there, mostly without reading anything.
    pub fn remove_known(&mut self, txn: &mut Txn, subkey: &[u8]) -> Result<()> {
        let Some(place) = self.directory.find(subkey) else { return Ok(()) };
        self.change(txn, place, None, &Change { kind: Kind::Removed, subkey, value: &[] })
    }

    /// Stages a change, to a segment that may have been read already.
    fn change(
        &mut self,
        txn: &mut Txn,
        place: Place,
        read: Option<Segment>,
        change: &Change<'_>,
    ) -> Result<()> {
        let read = read.or_else(|| self.directory.take_at_hand(place));
        if self.put_delta(txn, place, change) {
            if let Some(mut segment) = read {
                segment.apply(change);
                self.directory.keep_at_hand(place, segment);
            }
            return Ok(());
        }
        let mut segment = read.map_or_else(|| self.segment(txn, place), Ok)?;
        segment.apply(change);
        if change.kind == Kind::Removed {
            return self.put_shrunk(txn, place, segment);
        }
        // At an end, as lists and time series grow, nothing more will come to what is left behind.
        let edge = if self.directory.is_last(place) && segment.is_last(change.subkey) {
            Edge::End
        } else if Directory::is_first(place) && segment.is_first(change.subkey) {
            Edge::Start
        } else {
            Edge::Neither
        };
        self.put_grown(txn, place, segment, edge);
        Ok(())
    }

    /// Stages a change as a delta. False, and nothing done, where the segment itself should be written: as it is
    /// written anyway, by this transaction, as it would lose its last element, or as there are enough deltas.
    fn put_delta(&mut self, txn: &mut Txn, place: Place, change: &Change<'_>) -> bool {
        let (mut tally, separator) = self.directory.look(place);
        let bytes = usize::from(tally.delta_bytes) + change.byte_len_max();
        let count = i64::from(tally.count) + change.kind.weight();
        if bytes > DELTA_BYTES_MAX || count <= 0 {
            return false;
        }
        let row = self.row_of(separator);
        if txn.staged(&row).is_some() {
            return false;
        }
        // A transaction needs but one slot.
        let own = tally.live.checked_sub(1).filter(|_| !txn.is_empty());
        let own = own.and_then(|slot| Some((slot, txn.staged(&slot_row(&row, slot))?)));
        let (slot, mut delta) = match own {
            Some((slot, staged)) => (slot, staged.to_vec()),
            None if tally.live == SLOTS => return false,
            None => (tally.live, Vec::with_capacity(change.byte_len_max())),
        };
        let len = delta.len();
        change.put(separator, &mut delta);
        tally.delta_bytes += (delta.len() - len) as u16;
        tally.count = count as u32;
        tally.live = slot + 1;
        txn.put(slot_row(&row, slot), delta);
        self.directory.set(place, tally);
        true
    }

    /// Stages a segment that has gained elements, in as many parts as it takes; returns the last one's place.
    pub(super) fn put_grown(
        &mut self,
        txn: &mut Txn,
        place: Place,
        mut segment: Segment,
        edge: Edge,
    ) -> Place {
        if segment.byte_len() <= SEGMENT_BYTES_MAX || segment.len() < 2 {
            self.put(txn, place, segment);
            return place;
        }
        let (separator, right) = segment.split(segment.split_point(edge, SEGMENT_BYTES_MAX));
        let place = self.put_grown(txn, place, segment, edge);
        let place = self.directory.insert_after(place, &separator);
        self.put_grown(txn, place, right, edge)
    }

    /// Whether it is large enough not to be joined to a neighbour. What is left at an end is soon popped or added to, and
    /// looking at its neighbour each time would cost more than two small segments do.
    pub(super) fn may_stand_alone(&self, place: Place, segment: &Segment) -> bool {
        let is_end = Directory::is_first(place) || self.directory.is_last(place);
        segment.byte_len() >= if is_end { 1 } else { SEGMENT_BYTES_MIN }
    }

    /// Stages a segment that has lost elements, or joins it to the one before.
    pub(super) fn put_shrunk(&mut self, txn: &mut Txn, place: Place, segment: Segment) -> Result<()> {
        if segment.len() == 0 {
            // The first one stays as long as there are others, without elements: with those of its neighbour a queue's pops
            // would write what stays.
            if Directory::is_first(place) && !self.directory.is_last(place) {
                self.put(txn, place, segment);
            } else {
                self.drop_segment(txn, place);
                self.drop_emptied(txn);
            }
            return Ok(());
        }
        // The left one of two stays: its separator holds for both.
        let left = Directory::previous(place).filter(|_| !self.may_stand_alone(place, &segment));
        let Some(left) = left else {
            self.put(txn, place, segment);
            return Ok(());
        };
        let joined = self.segment(txn, left)?.joined(&segment);
        if joined.byte_len() <= SEGMENT_BYTES_MAX {
            self.put(txn, left, joined);
            self.drop_segment(txn, place);
        } else {
            self.put(txn, place, segment);
        }
        Ok(())
    }

    /// Stages a segment with all changes made to it, and the removal of its deltas.
    fn put(&mut self, txn: &mut Txn, place: Place, segment: Segment) {
        let (tally, separator) = self.directory.look(place);
        let row = self.row_of(separator);
        for slot in 0..tally.live {
            txn.delete(slot_row(&row, slot));
        }
        txn.put(row, segment.encode());
        // Counted anew: a caller who was wrong about what was there has done no lasting harm.
        self.directory.set(place, Tally { count: segment.len() as u32, ..Tally::default() });
        self.directory.keep_at_hand(place, segment.written());
    }

    /// Stages the removal of a segment.
    pub(super) fn drop_segment(&mut self, txn: &mut Txn, place: Place) {
        let (tally, separator) = self.directory.look(place);
        let row = self.row_of(separator);
        for slot in 0..tally.live {
            txn.delete(slot_row(&row, slot));
        }
        txn.delete(row);
        self.directory.remove(place);
    }

    /// Stages the removal of the first segment, should it be all that is left of a plane without elements.
    pub(super) fn drop_emptied(&mut self, txn: &mut Txn) {
        if self.is_empty()
            && let Some(first) = self.directory.find(&[])
        {
            self.drop_segment(txn, first);
        }
    }
}
