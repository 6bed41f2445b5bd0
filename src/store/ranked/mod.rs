//! Ranked planes: an ordered map on disk that answers by position. ZRANK, ZRANGE with a deep offset, ZCOUNT,
//! ZREMRANGEBYRANK and LINDEX cost O(log n). A prototype: its row format is what lists and sorted sets will use.
//!
//! ```text
//! segment row := prefix of the plane ‖ separator → segment
//! segment     := 0x10 ‖ entry*                             sorted; separator ≤ every subkey < next separator
//! entry       := shared << 4 | rest, each below 15         bytes shared with the subkey before, and bytes that follow
//!              | 15 in either: that varint follows         (first shared, then rest)
//!                ‖ rest ‖ varint length ‖ value
//! ```
//!
//! The first separator is empty, so that every subkey has its segment. A segment over [`SEGMENT_BYTES_MAX`] splits in
//! two, and one below [`SEGMENT_BYTES_MIN`] joins a neighbour if both fit one. A trimmed leaderboard or a queue thus
//! rewrites a few segments over and over, where a row for each element would leave a tombstone for each one gone.
//!
//! Measured beside a row for each element (200,000 of 24 bytes; `measure.rs`): a leaderboard trimmed to 500 after every
//! 50 inserts takes a fiftieth of the time and 0.43 of the log. But one insert a commit logs the whole segment: 515 bytes
//! instead of 33 at random places, 340 at the end, and takes ten times as long; a hundred a commit hardly share
//! segments. Before this format is used, small changes should be rows beside their segment, folded into it after some
//! sixteen.
//!
//! What a segment holds is found by its separator; how many lie before it is kept in memory, by the [`Directory`], which
//! a collection rebuilds from its segments when it is first touched. It belongs to one moment of the rows: it is changed
//! along with a transaction, and given up if that does not commit.

mod directory;
#[cfg(test)]
mod measure;
mod segment;
#[cfg(test)]
mod tests;

use std::ops::{Bound, ControlFlow};

use self::directory::{Directory, Place};
use self::segment::Segment;
use super::error::{Error, Result};
use super::realm::after_prefix;
use super::txn::Txn;
use super::view::Reads;

/// Is shown an element's subkey and value, and says whether to go on.
type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A segment larger than this is split, in bytes.
const SEGMENT_BYTES_MAX: usize = 768;

/// A segment smaller than this joins a neighbour, in bytes.
const SEGMENT_BYTES_MIN: usize = 192;

/// A plane by rank.
pub struct Ranked {
    prefix: Vec<u8>,
    directory: Directory,
}

impl Ranked {
    /// Reads how many elements each segment has.
    pub fn open(reads: &dyn Reads, prefix: &[u8]) -> Result<Self> {
        let end = after_prefix(prefix).ok_or(Error::Damaged("a plane's prefix"))?;
        let mut scan = reads.scan(Bound::Included(prefix), Bound::Excluded(&end));
        let mut directory = Directory::default();
        scan.first()?;
        while scan.valid() {
            let separator = scan.key().get(prefix.len()..).unwrap_or_default();
            directory.push(separator.to_vec(), Segment::count(scan.value())?);
            scan.next()?;
        }
        Ok(Self { prefix: prefix.to_vec(), directory })
    }

    /// How many elements there are.
    pub fn len(&self) -> u64 {
        self.directory.total()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets an element; whether it is new.
    pub fn insert(&mut self, txn: &mut Txn, subkey: &[u8], value: &[u8]) -> Result<bool> {
        let Some(place) = self.directory.find(subkey) else {
            let mut segment = Segment::default();
            segment.insert(subkey, value);
            self.directory.push(Vec::new(), 1);
            self.put(txn, b"", &segment);
            return Ok(true);
        };
        let mut segment = self.segment(txn, place)?;
        let new = segment.insert(subkey, value);
        self.directory.add(place, i64::from(new));
        if segment.byte_len() > SEGMENT_BYTES_MAX {
            // At the end, as lists and time series grow, nothing more will come to what is left behind.
            let at_end = self.directory.is_last(place) && segment.is_last(subkey);
            let (separator, right) = segment.split(if at_end { segment.len() - 1 } else { segment.middle() });
            self.directory.add(place, -(right.len() as i64));
            self.put(txn, &separator, &right);
            self.put_at(txn, place, &segment);
            self.directory.insert_after(place, separator, right.len() as u32);
        } else {
            self.put_at(txn, place, &segment);
        }
        Ok(new)
    }

    /// Removes an element; whether it was there.
    pub fn remove(&mut self, txn: &mut Txn, subkey: &[u8]) -> Result<bool> {
        let Some(place) = self.directory.find(subkey) else { return Ok(false) };
        let mut segment = self.segment(txn, place)?;
        if !segment.remove(subkey) {
            return Ok(false);
        }
        self.directory.add(place, -1);
        self.settle(txn, place, segment)?;
        Ok(true)
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
        let mut found = None;
        self.range(reads, rank, &mut |subkey, value| {
            found = Some((subkey.to_vec(), value.to_vec()));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Visits the elements from a rank on, until told to stop.
    pub fn range(&self, reads: &dyn Reads, from: u64, visit: &mut Visit<'_>) -> Result<()> {
        let Some((place, mut skip)) = self.directory.at(from) else { return Ok(()) };
        let end = after_prefix(&self.prefix).ok_or(Error::Damaged("a plane's prefix"))?;
        let row = self.row(self.directory.separator(place));
        let mut scan = reads.scan(Bound::Included(&row), Bound::Excluded(&end));
        scan.first()?;
        while scan.valid() {
            let segment = Segment::decode(scan.value())?;
            for (subkey, value) in segment.iter().skip(skip as usize) {
                if visit(subkey, value).is_break() {
                    return Ok(());
                }
            }
            skip = 0;
            scan.next()?;
        }
        Ok(())
    }

    /// Removes the elements of ranks `from` to `to` (excluded). Segments that go whole are not read.
    pub fn remove_range(&mut self, txn: &mut Txn, from: u64, to: u64) -> Result<u64> {
        let mut left = to.min(self.len()).saturating_sub(from);
        let removed = left;
        while left > 0 {
            let Some((place, skip)) = self.directory.at(from) else { break };
            let count = u64::from(self.directory.count(place));
            if skip == 0 && count <= left && !Directory::is_first(place) {
                txn.delete(self.row(self.directory.separator(place)));
                self.directory.remove(place);
                left -= count;
                continue;
            }
            let mut segment = self.segment(txn, place)?;
            let end = (skip + left).min(count);
            segment.remove_range(skip as usize, end as usize);
            self.directory.add(place, -((end - skip) as i64));
            left -= end - skip;
            self.settle(txn, place, segment)?;
        }
        Ok(removed)
    }

    /// Stages a segment that has lost elements, or joins it with a neighbour.
    fn settle(&mut self, txn: &mut Txn, place: Place, mut segment: Segment) -> Result<()> {
        if segment.byte_len() >= SEGMENT_BYTES_MIN
            || (Directory::is_first(place) && self.directory.is_last(place))
        {
            if segment.len() == 0 {
                txn.delete(self.row(self.directory.separator(place)));
                self.directory.remove(place);
            } else {
                self.put_at(txn, place, &segment);
            }
            return Ok(());
        }
        // The left one of the two stays: its separator holds for both.
        let (left, right) = match self.directory.previous(place) {
            Some(previous) => (previous, place),
            None => match self.directory.next(place) {
                Some(next) => (place, next),
                None => return Ok(()),
            },
        };
        let other = self.segment(txn, if left == place { right } else { left })?;
        let joined = if left == place { segment.joined(&other) } else { other.joined(&segment) };
        if joined.byte_len() <= SEGMENT_BYTES_MAX {
            txn.delete(self.row(self.directory.separator(right)));
            self.put_at(txn, left, &joined);
            self.directory.add(left, i64::from(self.directory.count(right)));
            self.directory.remove(right);
        } else if segment.len() == 0 && !Directory::is_first(place) {
            txn.delete(self.row(self.directory.separator(place)));
            self.directory.remove(place);
        } else if segment.len() == 0 {
            // The first one must stay, so it takes over the next one's elements.
            segment = other;
            txn.delete(self.row(self.directory.separator(right)));
            self.put_at(txn, place, &segment);
            self.directory.add(place, i64::from(self.directory.count(right)));
            self.directory.remove(right);
        } else {
            self.put_at(txn, place, &segment);
        }
        Ok(())
    }

    fn row(&self, separator: &[u8]) -> Vec<u8> {
        [&self.prefix[..], separator].concat()
    }

    fn segment(&self, reads: &dyn Reads, place: Place) -> Result<Segment> {
        match reads.get(&self.row(self.directory.separator(place)))? {
            Some(value) => Segment::decode(&value),
            None => Err(Error::Damaged("a segment is missing")),
        }
    }

    fn put_at(&self, txn: &mut Txn, place: Place, segment: &Segment) {
        self.put(txn, self.directory.separator(place), segment);
    }

    fn put(&self, txn: &mut Txn, separator: &[u8], segment: &Segment) {
        txn.put(self.row(separator), segment.encode());
    }
}
