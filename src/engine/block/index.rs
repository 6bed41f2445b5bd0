//! Index blocks: where the blocks that follow each other in a table end, in key order.
//!
//! ```text
//! content := entry*                             at least one
//! entry   := shared suffix_len tag number{N} ‖ suffix           varints, as in a data block
//! ```
//!
//! An entry's key separates: everything in what it stands for is at or before it, everything later is after it.
//! Where the neighbours' user keys differ, it is the shortest user key that does so, with tag 0, after all
//! versions; else the last key itself. So a key's newest visible version, if anywhere, is in the first entry at
//! or after it, even when the versions of a key fill many blocks.

use std::cmp::Ordering;

use super::{common_prefix, put_trailer, trailer};
use crate::codec::varint;
use crate::engine::key::{KeyRef, Trailer};

/// Entries on their way to be an index block.
#[derive(Default)]
pub(crate) struct IndexBuilder {
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl IndexBuilder {
    pub(crate) fn add(&mut self, separator: KeyRef<'_>, numbers: &[u64]) {
        let shared = common_prefix(&self.last, separator.user);
        let suffix = &separator.user[shared..];
        varint::put_u64(&mut self.bytes, shared as u64);
        varint::put_u64(&mut self.bytes, suffix.len() as u64);
        put_trailer(&mut self.bytes, separator.trailer);
        for &number in numbers {
            varint::put_u64(&mut self.bytes, number);
        }
        self.bytes.extend_from_slice(suffix);
        self.last.truncate(shared);
        self.last.extend_from_slice(suffix);
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.last.clear();
    }
}

/// The shortest key at or after `last`, the last of a block, and before `next`, the first of the next.
pub(crate) fn separator<'a>(last: KeyRef<'a>, next: KeyRef<'_>, buffer: &'a mut Vec<u8>) -> KeyRef<'a> {
    if last.user == next.user {
        return last;
    }
    let common = common_prefix(last.user, next.user);
    // A byte of `next` alone makes a key after `last`; it comes before `next` if `next` goes on. If not, a byte
    // between the two does, if there is one.
    buffer.clear();
    if next.user.len() > common + 1 {
        buffer.extend_from_slice(&next.user[..=common]);
    } else if let (Some(&a), Some(&b)) = (last.user.get(common), next.user.get(common)) {
        if b - a < 2 {
            return KeyRef::new(last.user, Trailer::LAST);
        }
        buffer.extend_from_slice(&last.user[..common]);
        buffer.push(b - 1);
    }
    if buffer.is_empty() || buffer.len() >= last.user.len() {
        return KeyRef::new(last.user, Trailer::LAST);
    }
    KeyRef::new(buffer, Trailer::LAST)
}

/// One entry; its key is in the reader.
pub(crate) struct IndexEntry<const N: usize> {
    pub(crate) trailer: Trailer,
    pub(crate) numbers: [u64; N],
}

/// Reads an index block from the first entry to the last.
pub(crate) struct IndexReader<'a, const N: usize> {
    rest: &'a [u8],
    key: Vec<u8>,
}

impl<'a, const N: usize> IndexReader<'a, N> {
    pub(crate) fn new(content: &'a [u8]) -> Self {
        Self { rest: content, key: Vec::new() }
    }

    /// The user key of the entry last read.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The next entry; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<IndexEntry<N>>, &'static str> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.take().map(Some).ok_or("a malformed index entry")
    }

    fn take(&mut self) -> Option<IndexEntry<N>> {
        let rest = &mut self.rest;
        let shared = usize::try_from(varint::take_u64(rest)?).ok()?;
        let suffix_len = usize::try_from(varint::take_u64(rest)?).ok()?;
        let trailer = trailer(varint::take_u64(rest)?)?;
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = varint::take_u64(rest)?;
        }
        let suffix = varint::take_slice(rest, suffix_len)?;
        if shared > self.key.len() {
            return None;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        Some(IndexEntry { trailer, numbers })
    }
}

/// Ascending keys laid out to be searched: beyond what all have in common, the next eight bytes of each as one
/// number, all in a row; only where those are equal do the keys themselves count.
#[derive(Default)]
pub(crate) struct Separators {
    heads: Vec<u64>,
    /// How many bytes all keys have in common.
    skip: usize,
    keys: Vec<u8>,
    /// Where each key ends in `keys`.
    ends: Vec<u32>,
    /// The keys' trailers; empty where each is [`Trailer::LAST`], as they are unless a key's versions fill a block.
    trailers: Vec<Trailer>,
}

/// The eight bytes from `at` on as a number that sorts as they do.
#[inline]
fn head(key: &[u8], at: usize) -> u64 {
    let rest = key.get(at..).unwrap_or_default();
    if let Some(chunk) = rest.first_chunk::<8>() {
        return u64::from_be_bytes(*chunk);
    }
    let mut padded = [0; 8];
    padded[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(padded)
}

impl Separators {
    /// Appends a key, which must come after those before it.
    pub(crate) fn push(&mut self, key: KeyRef<'_>) -> Result<(), &'static str> {
        if self.len() > 0 && self.get(self.len() - 1) >= key {
            return Err("index entries out of order");
        }
        self.keys.extend_from_slice(key.user);
        let end = u32::try_from(self.keys.len()).map_err(|_| "an index of impossible size")?;
        if key.trailer != Trailer::LAST || !self.trailers.is_empty() {
            self.trailers.resize(self.ends.len(), Trailer::LAST);
            self.trailers.push(key.trailer);
        }
        self.ends.push(end);
        Ok(())
    }

    /// Ends the building.
    pub(crate) fn seal(&mut self) {
        if let Some(last) = self.len().checked_sub(1) {
            // In order, what the first and the last have in common all have.
            self.skip = common_prefix(self.get(0).user, self.get(last).user);
            self.heads = (0..=last).map(|i| head(self.get(i).user, self.skip)).collect();
        }
        self.keys.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.trailers.shrink_to_fit();
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub(crate) fn get(&self, i: usize) -> KeyRef<'_> {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        let trailer = self.trailers.get(i).copied().unwrap_or(Trailer::LAST);
        KeyRef::new(&self.keys[start..self.ends[i] as usize], trailer)
    }

    /// The first key at or after `target`; `len` if there is none.
    #[inline]
    pub(crate) fn find(&self, target: KeyRef<'_>) -> usize {
        let n = self.len();
        let prefix = &self.keys[..self.skip];
        let begin = &target.user[..self.skip.min(target.user.len())];
        match begin.cmp(prefix) {
            Ordering::Less => return 0,
            Ordering::Greater => return n,
            Ordering::Equal => {}
        }
        let wanted = head(target.user, self.skip);
        let from = self.heads.partition_point(|&head| head < wanted);
        if self.heads.get(from).is_none_or(|&head| head > wanted) {
            return from;
        }
        let (mut low, mut high) = (from, n);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.heads[middle] == wanted && self.get(middle) < target {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Bytes of memory.
    pub(crate) fn byte_len(&self) -> usize {
        self.heads.capacity() * 8
            + self.keys.capacity()
            + self.ends.capacity() * size_of::<u32>()
            + self.trailers.capacity() * size_of::<Trailer>()
            + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::key::Kind;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(0_u8..3, 0..12),
            "user:[0-9]{1,12}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..40),
        ]
    }

    fn versioned() -> impl Strategy<Value = (Vec<u8>, Trailer)> {
        let trailer = prop_oneof![
            Just(Trailer::LAST),
            Just(Trailer::FIRST),
            (0..4_u64).prop_map(|seqno| Trailer::new(seqno, Kind::Put))
        ];
        (key(), trailer)
    }

    #[test]
    fn separators_are_short() {
        let at = |user: &'static [u8]| KeyRef::new(user, Trailer::new(1, Kind::Put));
        let mut buffer = Vec::new();
        assert_eq!(separator(at(b"user:1000"), at(b"user:2000"), &mut buffer).user, b"user:2");
        assert_eq!(separator(at(b"apple pie"), at(b"d"), &mut buffer).user, b"c");
        assert_eq!(separator(at(b"apple"), at(b"apple pie"), &mut buffer).user, b"apple");
        assert_eq!(separator(at(b"ab"), at(b"ac"), &mut buffer).user, b"ab");
    }

    proptest! {
        #[test]
        fn separators_separate(a in versioned(), b in versioned()) {
            let (a, b) = if KeyRef::new(&a.0, a.1) < KeyRef::new(&b.0, b.1) { (a, b) } else { (b, a) };
            let (last, next) = (KeyRef::new(&a.0, a.1), KeyRef::new(&b.0, b.1));
            prop_assume!(last < next);
            let mut buffer = Vec::new();
            let between = separator(last, next, &mut buffer);
            prop_assert!(last <= between);
            prop_assert!(between < next);
            prop_assert!(last.user == next.user || between.user < next.user);
        }

        #[test]
        fn finds_what_a_linear_search_finds(
            keys in prop::collection::btree_set(key(), 1..60),
            trailer in prop_oneof![Just(Trailer::LAST), Just(Trailer::new(2, Kind::Put))],
            targets in prop::collection::vec(versioned(), 20),
        ) {
            let mut builder = IndexBuilder::default();
            for (i, key) in keys.iter().enumerate() {
                builder.add(KeyRef::new(key, trailer), &[i as u64]);
            }
            let mut reader = IndexReader::<1>::new(builder.content());
            let mut separators = Separators::default();
            let mut i = 0;
            while let Some(entry) = reader.next().unwrap() {
                prop_assert_eq!(entry.numbers, [i]);
                separators.push(KeyRef::new(reader.key(), entry.trailer)).unwrap();
                i += 1;
            }
            separators.seal();
            prop_assert_eq!(separators.len(), keys.len());
            let own = keys.iter().map(|key| (key.clone(), trailer));
            for (user, at) in targets.into_iter().chain(own) {
                let target = KeyRef::new(&user, at);
                let expected = keys.iter().position(|key| KeyRef::new(key, trailer) >= target);
                prop_assert_eq!(separators.find(target), expected.unwrap_or(keys.len()));
            }
        }

        #[test]
        fn garbage_is_refused_without_panic(bytes: Vec<u8>) {
            let mut reader = IndexReader::<2>::new(&bytes);
            let mut separators = Separators::default();
            while let Ok(Some(entry)) = reader.next() {
                let _ = separators.push(KeyRef::new(reader.key(), entry.trailer));
            }
            separators.seal();
            prop_assert!(separators.find(KeyRef::new(&bytes, Trailer::FIRST)) <= separators.len());
        }
    }
}
