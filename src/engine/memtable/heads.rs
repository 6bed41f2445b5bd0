//! What the keys of a memtable begin with, as long as that is not much. Rows of one kind begin alike: a scan of another
//! kind of rows, which a busy store makes every second to see what is due or dead, need not have all these put in order.

use std::ops::Bound;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// So many different heads are told apart.
const HEADS_MAX: usize = 32;
/// Bytes of a key that count.
const HEAD_BYTES: usize = 3;

/// The first bytes of all keys.
#[derive(Default)]
pub(super) struct Heads {
    seen: [AtomicU32; HEADS_MAX],
    /// How many were seen; one more than there is place for: any.
    count: AtomicU32,
}

/// The first bytes as a number that orders as keys do; shorter keys are filled with zeros.
fn head(key: &[u8]) -> u32 {
    let mut bytes = [0; 4];
    for (byte, &of_key) in bytes[1..].iter_mut().zip(key) {
        *byte = of_key;
    }
    u32::from_be_bytes(bytes)
}

impl Heads {
    /// Notes a key. One thread at a time.
    pub(super) fn add(&self, key: &[u8]) {
        let head = head(key);
        let count = self.count.load(Relaxed) as usize;
        let seen = self.seen.get(..count);
        if seen.is_none_or(|seen| seen.iter().any(|other| other.load(Relaxed) == head)) {
            return;
        }
        if let Some(free) = self.seen.get(count) {
            free.store(head, Relaxed);
        }
        self.count.store(count as u32 + 1, Release);
    }

    /// False if no key lies between these bounds for sure.
    pub(super) fn may_reach(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
        let Some(seen) = self.seen.get(..self.count.load(Acquire) as usize) else { return true };
        let first = match from {
            Bound::Included(from) | Bound::Excluded(from) => head(from),
            Bound::Unbounded => 0,
        };
        let end = match to {
            // Nothing that begins as this bound does lies before it.
            Bound::Excluded(to) if to.len() <= HEAD_BYTES && to.last().is_some_and(|&last| last > 0) => {
                head(to)
            }
            Bound::Included(to) | Bound::Excluded(to) => head(to) + 1,
            Bound::Unbounded => u32::MAX,
        };
        seen.iter().any(|seen| (first..end).contains(&seen.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::scan::{is_after, is_before};

    #[test]
    fn other_kinds_of_rows_are_not_reached() {
        let heads = Heads::default();
        assert!(!heads.may_reach(Bound::Unbounded, Bound::Unbounded));
        heads.add(b"\x01\x04\x01name");
        heads.add(b"\x01\x04\x03name");
        let reaches = |from: &[u8], to: &[u8]| heads.may_reach(Bound::Included(from), Bound::Excluded(to));
        assert!(!reaches(b"\x01\x04\x02\0\0", b"\x01\x04\x03"));
        assert!(!reaches(b"", b"\x01"));
        assert!(reaches(b"\x01", b"\x02"));
        assert!(reaches(b"\x01\x04\x03zzz", b"\x01\x04\x04"));
    }

    proptest! {
        #[test]
        fn what_lies_between_is_reached(
            keys in prop::collection::vec(prop::collection::vec(0_u8..4, 0..5), 1..60),
            bounds: [(u8, [u8; 5], usize); 2],
        ) {
            let heads = Heads::default();
            for key in &keys {
                heads.add(key);
            }
            let [(from_kind, from, from_len), (to_kind, to, to_len)] =
                bounds.map(|(kind, bytes, len)| (kind, bytes.map(|byte| byte % 4), len % 6));
            let bound = |kind, key| match kind % 3 {
                0 => Bound::Included(key),
                1 => Bound::Excluded(key),
                _ => Bound::Unbounded,
            };
            let (from, to) = (bound(from_kind, &from[..from_len]), bound(to_kind, &to[..to_len]));
            if keys.iter().any(|key| is_after(from, key) && is_before(to, key)) {
                prop_assert!(heads.may_reach(from, to));
            }
        }
    }
}
