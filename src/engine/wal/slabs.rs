//! Memory for records that is touched before it is needed.
//!
//! Memory fresh from the system costs most when it is first written to: a huge page of 2 MiB is cleared at once, which
//! may hold a commit up for milliseconds. So slabs are made ahead, by others than those who commit; only who is faster
//! than these makes his own.

use bytes::BytesMut;

/// Room for many records; a value that a reader keeps holds no more than this.
const SLAB: usize = 64 << 10;
/// Slabs are ready for this part of a memtable, or so many.
const READY_PART: u64 = 64;
const READY_MAX: usize = 16;

/// Slabs, empty and ready.
#[derive(Default)]
pub(crate) struct Slabs(Vec<BytesMut>);

impl Slabs {
    /// Makes so many.
    pub(crate) fn make(count: usize) -> Self {
        let touched = |_| {
            let mut slab = BytesMut::with_capacity(SLAB);
            slab.resize(SLAB, 0);
            slab.clear();
            slab
        };
        Self((0..count).map(touched).collect())
    }

    /// One of them, or a new one.
    pub(super) fn take(&mut self) -> BytesMut {
        self.0.pop().unwrap_or_else(|| BytesMut::with_capacity(SLAB))
    }

    pub(super) fn add(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// How many should be made, given how large a memtable grows; `None` while there are enough.
    pub(super) fn wanted(&self, memtable: u64) -> Option<usize> {
        let ready =
            usize::try_from(memtable / READY_PART).map_or(READY_MAX, |bytes| (bytes / SLAB).min(READY_MAX));
        (self.0.len() < ready.div_ceil(2)).then(|| ready - self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_wanted_when_half_of_them_are_gone() {
        let mut slabs = Slabs::default();
        assert_eq!(slabs.wanted(64 << 20), Some(READY_MAX));
        slabs.add(Slabs::make(READY_MAX));
        for _ in 0..READY_MAX / 2 {
            assert_eq!(slabs.wanted(64 << 20), None);
            assert_eq!(slabs.take().capacity(), SLAB);
        }
        assert_eq!(slabs.wanted(64 << 20), None);
        slabs.take();
        assert_eq!(slabs.wanted(64 << 20), Some(READY_MAX / 2 + 1));
    }

    #[test]
    fn a_small_memtable_has_none_and_who_finds_none_makes_one() {
        let mut slabs = Slabs::default();
        assert_eq!(slabs.wanted(1 << 20), None);
        assert_eq!(slabs.take().capacity(), SLAB);
    }
}
