//! A vector that grows while others read it, a chunk at a time: nothing is moved, and no push pays for more than one
//! chunk, where doubling what is there would hold a commit up for milliseconds.
//!
//! ```text
//! chunk 0      64 places            chunk i, 1 ..= 4     64 << (i - 1)            each one after that    1024
//! ```

use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

const FIRST_BITS: u32 = 6;
/// Of rows that makes some 70 KiB: of chunks four times as large an allocator keeps a dozen together, and gives none back as
/// long as a row of one of them lives.
const FULL_BITS: u32 = 10;
/// Chunks that share a leaf of the directory.
const LEAF: usize = 1 << 12;
/// With as many leaves as it takes for every number that a `u32` can be.
const LEAVES: usize = (1 << (32 - FULL_BITS)) / LEAF + 1;

type Chunk<T> = Box<[OnceLock<T>]>;
type Leaf<T> = Box<[OnceLock<Chunk<T>>]>;

/// The vector. One thread at a time pushes; any number read meanwhile.
pub(super) struct Chunks<T> {
    leaves: Box<[OnceLock<Leaf<T>>]>,
    len: AtomicU32,
}

/// Where a number lies: its chunk, how large that is, and the place in it.
fn locate(number: u32) -> (usize, usize, usize) {
    let full = number >> FULL_BITS;
    if full > 0 {
        let chunk = full + FULL_BITS - FIRST_BITS;
        return (chunk as usize, 1 << FULL_BITS, (number & ((1 << FULL_BITS) - 1)) as usize);
    }
    let chunk = u32::BITS - (number >> FIRST_BITS).leading_zeros();
    let start = if chunk == 0 { 0 } else { 1 << (FIRST_BITS + chunk - 1) };
    (chunk as usize, start.max(1 << FIRST_BITS) as usize, (number - start) as usize)
}

fn empty<T>(len: usize) -> Box<[OnceLock<T>]> {
    (0..len).map(|_| OnceLock::new()).collect()
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { leaves: empty(LEAVES), len: AtomicU32::new(0) }
    }
}

impl<T> Chunks<T> {
    /// Adds one at the end: its number.
    ///
    /// # Panics
    /// At four billion, from which the limits of batches and memtables are far.
    pub(super) fn push(&self, value: T) -> u32 {
        let number = self.len.load(Acquire);
        let (chunk, size, at) = locate(number);
        assert!(self.chunk(chunk, size)[at].set(value).is_ok(), "two threads push at once");
        self.len.store(number.checked_add(1).expect("less than four billion"), Release);
        number
    }

    /// Makes the chunks that the next `count` values need, so that no push has to. Any thread may, beside one that pushes.
    pub(super) fn make_room(&self, count: u32) {
        let len = self.len.load(Acquire);
        // No chunk is smaller than a step.
        let end = len.saturating_add(count);
        for number in (len..end).step_by(1 << FIRST_BITS).chain(end.checked_sub(1)) {
            let (chunk, size, _) = locate(number);
            self.chunk(chunk, size);
        }
    }

    /// Whether there is a chunk for the value that comes so many after the next.
    pub(super) fn has_room(&self, count: u32) -> bool {
        let (chunk, ..) = locate(self.len.load(Acquire).saturating_add(count));
        self.leaves[chunk / LEAF].get().is_some_and(|leaf| leaf[chunk % LEAF].get().is_some())
    }

    fn chunk(&self, chunk: usize, size: usize) -> &Chunk<T> {
        let leaf = self.leaves[chunk / LEAF].get_or_init(|| empty(LEAF));
        leaf[chunk % LEAF].get_or_init(|| empty(size))
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.len.load(Acquire)
    }

    /// One by its number.
    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (chunk, _, at) = locate(number);
        self.leaves.get(chunk / LEAF)?.get()?.get(chunk % LEAF)?.get()?.get(at)?.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_each_other_without_a_gap() {
        let mut expected = (0, 0);
        for number in 0..100_000 {
            let (chunk, size, at) = locate(number);
            assert_eq!((chunk, at), expected, "{number}");
            expected = if at + 1 == size { (chunk + 1, 0) } else { (chunk, at + 1) };
        }
        assert!(locate(u32::MAX).0 / LEAF < LEAVES);
    }

    #[test]
    fn what_is_pushed_stays_where_it_is_for_readers_at_any_moment() {
        let chunks = Chunks::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while chunks.len() < 20_000 {
                    let len = chunks.len();
                    assert!(chunks.get(len + 1).is_none_or(|&value| value > len));
                    if let Some(last) = len.checked_sub(1) {
                        assert_eq!(chunks.get(last), Some(&last));
                    }
                }
            });
            scope.spawn(|| (0..20).for_each(|_| chunks.make_room(2_000)));
            for number in 0..20_000 {
                assert_eq!(chunks.push(number), number);
            }
        });
        assert!((0..20_000).all(|number| chunks.get(number) == Some(&number)));
        assert_eq!(chunks.get(20_000), None);
    }

    #[test]
    fn room_that_was_made_is_there_when_it_is_wanted() {
        let chunks = Chunks::default();
        assert!(!chunks.has_room(0));
        for number in 0..10_000_u32 {
            if !chunks.has_room(1_000) {
                chunks.make_room(2_000);
                assert!(chunks.has_room(1_999) && !chunks.has_room(4_000), "{number}");
            }
            chunks.push(number);
        }
    }
}
