//! Ranked planes: an ordered map on disk that answers by position. ZRANK, ZRANGE with a deep offset, ZCOUNT,
//! ZREMRANGEBYRANK and LINDEX cost O(log n).
//!
//! ```text
//! segment row := prefix of the plane ‖ separator ‖ 0 ‖ 1         → segment
//! delta row   := prefix of the plane ‖ separator ‖ 0 ‖ 2 + slot  → delta      slot < 16; format: delta.rs
//!                0x00 in a separator is written 0x00 0xFF, as in codec::order
//! segment     := 0x10 ‖ varint count ‖ entry*              sorted; separator ≤ every subkey < next separator
//! entry       := shared << 4 | rest, each below 15         bytes shared with the subkey before, and bytes that follow
//!              | 15 in either: that varint follows         (first shared, then rest)
//!                ‖ rest ‖ varint length ‖ value
//! ```
//!
//! The first separator is empty, so that every subkey has its segment. A segment over 768 bytes splits in two, and one
//! below 192 joins a neighbour if both fit one. A trimmed leaderboard or a queue thus rewrites a few segments over and
//! over, where a row for each element would leave a tombstone for each one gone.
//!
//! A change becomes a delta in its segment's next free slot, and one transaction's changes to a segment share theirs.
//! A segment's rows lie side by side: one range read finds them in the order in which the changes were made. With all
//! slots full, or 512 bytes in them, the segment is written as it has become and its deltas deleted, by one
//! transaction; from then on that transaction changes the segment itself. The sixteen keys of a segment's deltas are
//! used again and again, so tombstones do not pile up beside it: there are never more than sixteen in any table.
//!
//! Not deleting but ignoring them, by a generation in segment and delta, would save a seventh of the log, and was
//! given up: it takes a quarter more on disk, loaded in order twice as much; reading it all takes longer; and whoever
//! removes a segment must still delete them.
//!
//! Measured beside a row for each element (23 bytes and no value, 200,000 of them; `measure.rs`, best of three). What
//! is known to be new is written without reading ([`Ranked::insert_new`]): a sorted set knows it from its other plane.
//!
//! | each | µs: row | packed | asking first: row | packed | log bytes: row | packed | before deltas | disk: row | packed |
//! |---|---|---|---|---|---|---|---|---|---|
//! | insert at random, 1 a commit | 1.55 | 4.18 | 2.27 | 11.2 | 60 | 113 | 542 | 3.92 MB | 3.38 MB |
//! | insert in order, 1 a commit | 1.13 | 2.86 | 1.27 | 5.0 | 60 | 130 | 367 | 2.55 MB | 1.57 MB |
//! | insert at random, 100 a commit | 0.65 | 2.49 | 1.21 | 10.8 | 33 | 86 | 499 | 3.69 MB | 3.32 MB |
//! | insert in order, 100 a commit | 0.82 | 2.18 | 1.05 | 2.7 | 33 | 24 | 24 | 2.02 MB | 1.56 MB |
//! | change one of 10,000, 1 a commit | 3.20 | 8.71 | 3.84 | 20.8 | 89 | 185 | | 0.18 MB | 0.24 MB |
//! | 50 inserts, trim to 500 | 6639 | 59 | | | 1539 | 525 | 657 | 9.5 kB | 8.6 kB |
//!
//! What is left: asking first reads a row for each delta, eight on average. Removing a few elements by rank writes their
//! segment, unless they are its first or its last and it has no deltas: that is one, of a few bytes (`remove.rs`), so that
//! a pop from a long queue does not write what stays. The first segment stays when all its elements are gone, for what may
//! come before the second. A large value added at an end writes its neighbour, too, before it
//! gets a segment of its own.
//!
//! What a segment holds is found by its separator; how many lie before it is kept in memory, by the [`Directory`] (23
//! bytes a segment, and its separator), which is made from the rows when a plane is first touched: in 0.1 s for
//! a million elements loaded at random, on a disk in memory; an element by rank takes 10 µs afterwards. It belongs to
//! one moment of the rows: a transaction changes one of its own, which shares what has not changed, and puts it in the
//! place of the other when it commits ([`cache`]). With it go one or two segments as they are at that moment, taken
//! apart: those that were changed last. Where a queue is popped, nothing is read so and nothing decoded.

mod cache;
mod change;
mod delta;
mod directory;
#[cfg(test)]
mod measure;
mod planes;
mod remove;
mod segment;
mod separators;
#[cfg(test)]
mod tests;
mod tree;

use std::ops::{Bound, ControlFlow};

pub(crate) use self::cache::Directories;
pub(crate) use self::directory::Directory;
use self::directory::{Place, Tally};
pub(super) use self::planes::Planes;
use self::segment::Segment;
use super::error::{Error, Result};
use super::realm::after_prefix;
use super::view::{Reads, RowScan};
use crate::codec::order;

/// How many segments of a long range are read at once.
const SEGMENTS_AT_ONCE: usize = 32;

/// Is shown an element's subkey and value, and says whether to go on.
type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A plane by rank. Get it from [`Reads::ranked`], and give it back with [`Txn::set_ranked`] if it was changed.
pub struct Ranked {
    prefix: Vec<u8>,
    directory: Directory,
}

impl Ranked {
    /// An empty plane.
    pub fn new(prefix: &[u8]) -> Self {
        Self { prefix: prefix.to_vec(), directory: Directory::default() }
    }

    /// A plane of which is known how many elements each segment has.
    pub(super) fn with(prefix: &[u8], directory: Directory) -> Self {
        Self { prefix: prefix.to_vec(), directory }
    }

    pub(super) fn into_parts(self) -> (Vec<u8>, Directory) {
        (self.prefix, self.directory)
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Reads how many elements each segment has.
    pub(super) fn open(reads: &dyn Reads, prefix: &[u8]) -> Result<Self> {
        let end = after_prefix(prefix).ok_or(Error::Damaged("a plane's prefix"))?;
        let mut scan = reads.scan(Bound::Included(prefix), Bound::Excluded(&end));
        let mut directory = Directory::default();
        scan.first()?;
        while scan.valid() {
            let row = scan.key().to_vec();
            let mut tally = Tally { count: Segment::count(scan.value())?, ..Tally::default() };
            scan.next()?;
            while let Some(slot) = slot_of(&row, &scan) {
                tally.add(slot, scan.value())?;
                scan.next()?;
            }
            directory.push(&separator_of(prefix, &row)?, tally);
        }
        Ok(Self::with(prefix, directory))
    }

    /// How many elements there are.
    pub fn len(&self) -> u64 {
        self.directory.total()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements come before a subkey, and whether it is there itself.
    pub fn rank(&self, reads: &dyn Reads, subkey: &[u8]) -> Result<(u64, bool)> {
        let Some(place) = self.directory.find(subkey) else { return Ok((0, false)) };
        let segment = self.segment(reads, place)?;
        let (within, there) = match segment.find(subkey) {
            Ok(at) => (at, true),
            Err(at) => (at, false),
        };
        Ok((self.directory.before(place) + within as u64, there))
    }

    /// The element of a rank.
    pub fn at(&self, reads: &dyn Reads, rank: u64) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let Some((place, within)) = self.directory.at(rank) else { return Ok(None) };
        let segment = self.segment(reads, place)?;
        let found = segment.iter().nth(within as usize);
        Ok(found.map(|(subkey, value)| (subkey.to_vec(), value.to_vec())))
    }

    /// Visits the elements from a rank on, until told to stop.
    pub fn range(&self, reads: &dyn Reads, from: u64, visit: &mut Visit<'_>) -> Result<()> {
        let Some((place, skip)) = self.directory.at(from) else { return Ok(()) };
        let mut skip = skip as usize;
        self.each_segment(reads, place, |at| self.directory.next(at), &mut |segment| {
            let skipped = std::mem::take(&mut skip);
            segment.iter().skip(skipped).try_for_each(|(subkey, value)| visit(subkey, value))
        })
    }

    /// Visits the elements from a rank back to the first, until told to stop.
    pub fn range_back(&self, reads: &dyn Reads, from: u64, visit: &mut Visit<'_>) -> Result<()> {
        let Some((place, within)) = self.directory.at(from) else { return Ok(()) };
        let mut count = within as usize + 1;
        self.each_segment(reads, place, Directory::previous, &mut |segment| {
            let taken = std::mem::replace(&mut count, usize::MAX);
            segment.iter().take(taken).rev().try_for_each(|(subkey, value)| visit(subkey, value))
        })
    }

    /// Visits segments, by their names: a scan would meet the tombstones of all those that are gone, which at the end of a
    /// queue are many. The more are wanted the more are read at once.
    fn each_segment(
        &self,
        reads: &dyn Reads,
        first: Place,
        following: impl Fn(Place) -> Option<Place>,
        visit: &mut dyn FnMut(&Segment) -> ControlFlow<()>,
    ) -> Result<()> {
        let (mut next, mut count) = (Some(first), 1);
        while next.is_some() {
            let places: Vec<Place> = std::iter::successors(next, |&at| following(at)).take(count).collect();
            for segment in self.segments(reads, &places)? {
                if visit(&segment).is_break() {
                    return Ok(());
                }
            }
            next = places.last().and_then(|&last| following(last));
            count = (2 * count).min(SEGMENTS_AT_ONCE);
        }
        Ok(())
    }

    /// A segment with its deltas' changes.
    fn segment(&self, reads: &dyn Reads, place: Place) -> Result<Segment> {
        let segment = self.segments(reads, &[place])?.pop();
        segment.ok_or(Error::Damaged("a segment is missing"))
    }

    /// The same, to be changed: at hand is only what it becomes.
    fn take_segment(&mut self, reads: &dyn Reads, place: Place) -> Result<Segment> {
        self.directory.take_at_hand(place).map_or_else(|| self.segment(reads, place), Ok)
    }

    /// Segments with their deltas' changes.
    fn segments(&self, reads: &dyn Reads, places: &[Place]) -> Result<Vec<Segment>> {
        if let &[place] = places
            && let Some(segment) = self.directory.at_hand(place)
        {
            return Ok(vec![segment.clone()]);
        }
        let missing = || Error::Damaged("a segment or a delta is missing");
        let mut rows = Vec::with_capacity(places.len());
        for &place in places {
            let (tally, separator) = self.directory.look(place);
            let first = rows.len();
            rows.push(self.row_of(separator));
            for slot in 0..tally.live {
                rows.push(slot_row(&rows[first], slot));
            }
        }
        let mut values = match &rows[..] {
            [row] => vec![reads.get(row)?],
            rows => reads.multi_get(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())?,
        }
        .into_iter();
        let mut segments = Vec::with_capacity(places.len());
        for &place in places {
            let mut segment = Segment::decode(&values.next().flatten().ok_or_else(missing)?)?;
            let (tally, separator) = self.directory.look(place);
            for _ in 0..tally.live {
                let delta = values.next().flatten().ok_or_else(missing)?;
                segment.apply_delta(separator, &delta)?;
            }
            segments.push(segment);
        }
        Ok(segments)
    }

    /// A segment's row, by its separator.
    fn row_of(&self, separator: &[u8]) -> Vec<u8> {
        let mut row = Vec::with_capacity(self.prefix.len() + separator.len() + 8);
        row.extend_from_slice(&self.prefix);
        order::put_bytes(&mut row, separator);
        row
    }
}

impl Tally {
    /// Counts a delta in.
    fn add(&mut self, slot: u8, delta: &[u8]) -> Result<()> {
        let count = u32::try_from(i64::from(self.count) + delta::weight(delta)?);
        let bytes = u16::try_from(usize::from(self.delta_bytes) + delta.len());
        match (count, bytes) {
            (Ok(count), Ok(delta_bytes)) if slot == self.live && slot < change::SLOTS => {
                *self = Self { count, delta_bytes, live: slot + 1 };
                Ok(())
            }
            _ => Err(Error::Damaged("the deltas of a segment")),
        }
    }
}

/// How a segment's row ends, its deltas' rows instead of it.
const SEGMENT: u8 = 1;
const SLOT_0: u8 = 2;

fn slot_row(row: &[u8], slot: u8) -> Vec<u8> {
    let mut row = row.to_vec();
    row.pop();
    row.push(SLOT_0 + slot);
    row
}

/// The slot at which a scan stands, if it is one of this segment's.
fn slot_of(row: &[u8], scan: &RowScan<'_>) -> Option<u8> {
    match scan.key().strip_prefix(row.strip_suffix(&[SEGMENT])?)? {
        &[end] => end.checked_sub(SLOT_0),
        _ => None,
    }
}

fn separator_of(prefix: &[u8], row: &[u8]) -> Result<Vec<u8>> {
    let mut name = row.get(prefix.len()..).unwrap_or_default();
    let separator = order::take_bytes(&mut name).filter(|_| name.is_empty());
    separator.ok_or(Error::Damaged("a segment's row"))
}
