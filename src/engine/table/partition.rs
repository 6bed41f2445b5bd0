//! A partition: the filter of some 128 data blocks and the index to them, read, cached and evicted as one.
//!
//! ```text
//! on disk   data block* ‖ filter block? ‖ index block          all next to each other
//! index     one entry a data block: N = 1, the block's length, trailer included
//! ```

use std::ops::Range;

use crate::codec::hash::hash;
use crate::engine::block::{IndexReader, Separators, unseal};
use crate::engine::cache::{Cache, Charge};
use crate::engine::filter::Filter;
use crate::engine::key::KeyRef;

/// Data blocks to a partition.
pub(super) const PARTITION_BLOCKS: usize = 128;

/// Where a partition lies in its file, as the top index says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartitionPlace {
    /// Where its first data block begins.
    pub(crate) start: u64,
    pub(crate) data_len: u64,
    /// 0 where there is no filter.
    pub(crate) filter_len: u32,
    pub(crate) index_len: u32,
    /// Rows in it.
    pub(crate) rows: u64,
}

impl PartitionPlace {
    /// Where filter and index lie.
    pub(super) fn head(&self) -> Range<u64> {
        let at = self.start + self.data_len;
        at..at + u64::from(self.filter_len) + u64::from(self.index_len)
    }

    /// The offset under which it is cached.
    #[inline]
    pub(super) fn cached_at(&self) -> u64 {
        self.start + self.data_len
    }

    /// Where it ends.
    pub(super) fn end(&self) -> u64 {
        self.head().end
    }
}

/// A filter and the index to some data blocks.
pub(crate) struct Partition {
    filter: Option<Filter>,
    separators: Separators,
    /// Where each data block begins, and where the last one ends.
    starts: Box<[u64]>,
    charge: Charge,
}

impl Partition {
    /// Reads filter and index from the bytes of [`PartitionPlace::head`]. Errors say which offset is bad.
    pub(super) fn decode(
        bytes: &[u8],
        file: u64,
        place: &PartitionPlace,
        cache: &Cache,
    ) -> Result<Self, (u64, &'static str)> {
        let head = place.head();
        let (filter, index) =
            bytes.split_at_checked(place.filter_len as usize).ok_or((head.start, "a partition cut short"))?;
        let filter = if filter.is_empty() {
            None
        } else {
            let content = unseal(filter, (file, head.start));
            Some(content.and_then(|content| Filter::decode(&content)).map_err(|what| (head.start, what))?)
        };
        let at = head.start + u64::from(place.filter_len);
        let index = unseal(index, (file, at)).map_err(|what| (at, what))?;
        let (separators, starts) = blocks(&index, place).map_err(|what| (at, what))?;
        Ok(Self::new(filter, separators, starts, cache))
    }

    fn new(filter: Option<Filter>, separators: Separators, starts: Vec<u64>, cache: &Cache) -> Self {
        let starts: Box<[u64]> = starts.into();
        let bytes = size_of::<Self>()
            + filter.as_ref().map_or(0, Filter::byte_len)
            + separators.byte_len()
            + starts.len() * 8;
        let charge = cache.charge(bytes as u64);
        Self { filter, separators, starts, charge }
    }

    /// Bytes of memory.
    pub(crate) fn byte_len(&self) -> usize {
        self.charge.bytes() as usize
    }

    /// How many data blocks.
    pub(super) fn len(&self) -> usize {
        self.separators.len()
    }

    /// Whether a key may be in it.
    #[inline]
    pub(super) fn may_contain(&self, key: &[u8]) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.may_contain(hash(key)))
    }

    /// The block where a search for `target` ends; [`Partition::len`] if all rows come before it.
    #[inline]
    pub(super) fn find(&self, target: KeyRef<'_>) -> usize {
        self.separators.find(target)
    }

    /// At or after all rows of a block, before those of the next.
    pub(super) fn separator(&self, block: usize) -> KeyRef<'_> {
        self.separators.get(block)
    }

    /// Where a block lies.
    #[inline]
    pub(super) fn block(&self, i: usize) -> Range<u64> {
        self.starts[i]..self.starts[i + 1]
    }

    /// One of an everyday size, for tests of the cache.
    #[cfg(test)]
    pub(crate) fn for_tests(cache: &Cache) -> std::sync::Arc<Self> {
        let mut separators = Separators::default();
        separators.seal();
        std::sync::Arc::new(Self::new(Some(Filter::build(&[0; 1000], 10)), separators, vec![0], cache))
    }
}

fn blocks(index: &[u8], place: &PartitionPlace) -> Result<(Separators, Vec<u64>), &'static str> {
    const BAD: &str = "an index that does not cover its partition";
    let mut reader = IndexReader::<1>::new(index);
    let mut separators = Separators::default();
    let data_end = place.start + place.data_len;
    let mut starts = vec![place.start];
    let mut at = place.start;
    while let Some(entry) = reader.next()? {
        let [len] = entry.numbers;
        at = at.checked_add(len).filter(|&at| len > 0 && at <= data_end).ok_or(BAD)?;
        separators.push(KeyRef::new(reader.key(), entry.trailer))?;
        starts.push(at);
    }
    if separators.len() == 0 || at != data_end {
        return Err(BAD);
    }
    separators.seal();
    Ok((separators, starts))
}
