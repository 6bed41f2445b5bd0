//! Rows in the order they came, and a hash table that finds the newest of each key.
//!
//! ```text
//! bucket = signs of its keys (32 bits) ‖ its newest row      a row names the next older one of its bucket
//! ```
//!
//! Rows of a bucket follow each other from the newest to the oldest, so that the first of a key that a reader may see
//! is the one it wants. The signs, two bits a key, are a small Bloom filter: a key that is not here costs one look at
//! one word. Rows are never moved or changed; a row is complete before its bucket says that it is there.

use std::hash::BuildHasher;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::chunks::Chunks;
use crate::engine::key::{KeyRef, Kind, Seqno, Trailer};

/// What a row costs beyond its bytes in the batch: itself, its share of the buckets, and what sorting it takes.
pub(super) const ROW_BYTES: u64 = size_of::<Row>() as u64 + 8 + 8 + 32;
/// One bucket for so many bytes of memtable, which is about one for a row of a short value.
const BYTES_PER_BUCKET: u64 = 256;
const BUCKETS_MAX: u64 = 1 << 22;
/// So many keys are fetched into the CPU's caches at once.
pub const TOUCHED_MAX: usize = 16;
/// Room for rows is made ahead in this part of a memtable, or so much, in bytes.
const ROOM_PART: u64 = 64;
const ROOM_MAX: u64 = 1 << 20;
/// Versions that are too new for a reader, of which a search steps over so many.
const STEPS_MAX: u32 = 4096;

/// One version of a key.
pub(super) struct Row {
    /// From the first byte of the key to the last of the value.
    bytes: Bytes,
    trailer: Trailer,
    key_len: u32,
    value_at: u32,
    /// A part of the key's hash.
    digest: u32,
    /// The next older row of the bucket; 0: none.
    older: u32,
}

impl Row {
    pub(super) fn new(bytes: Bytes, key_len: usize, value_at: usize, trailer: Trailer) -> Self {
        Self { bytes, trailer, key_len: key_len as u32, value_at: value_at as u32, digest: 0, older: 0 }
    }

    pub(super) fn trailer(&self) -> Trailer {
        self.trailer
    }

    pub(super) fn key(&self) -> KeyRef<'_> {
        KeyRef::new(&self.bytes[..self.key_len as usize], self.trailer)
    }

    pub(super) fn key_bytes(&self) -> Bytes {
        self.bytes.slice(..self.key_len as usize)
    }

    pub(super) fn value(&self) -> &[u8] {
        &self.bytes[self.value_at as usize..]
    }

    pub(super) fn value_bytes(&self) -> Bytes {
        self.bytes.slice(self.value_at as usize..)
    }

    /// Reads a little of it from both ends.
    pub(super) fn touch(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default() ^ self.bytes.last().copied().unwrap_or_default()
    }

    /// `None`: a tombstone.
    pub(super) fn value_if_put(&self) -> Option<Bytes> {
        (self.trailer.kind() == Some(Kind::Put)).then(|| self.value_bytes())
    }
}

/// What a search came to.
pub(super) enum Sought<'a> {
    Found(&'a Row),
    Absent,
    /// The key has so many versions that are too new that another way is shorter.
    FarBack,
}

/// All rows.
pub(super) struct Rows {
    all: Chunks<Row>,
    buckets: Box<[AtomicU64]>,
    /// Unlike any other's, so that nobody can choose keys that all fall into one bucket.
    hasher: RandomState,
}

/// A key's place: its bucket, its signs and its digest.
struct Place<'a> {
    bucket: &'a AtomicU64,
    signs: u64,
    digest: u32,
}

impl Rows {
    /// None yet, of a memtable that is to grow to about so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let buckets = (bytes / BYTES_PER_BUCKET).clamp(16, BUCKETS_MAX).next_power_of_two();
        Self {
            all: Chunks::default(),
            buckets: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::default(),
        }
    }

    fn place(&self, key: &[u8]) -> Place<'_> {
        let hash = self.hasher.hash_one(key);
        let bucket = &self.buckets[hash as usize & (self.buckets.len() - 1)];
        Place {
            bucket,
            signs: 1 << (32 + (hash >> 59)) | 1 << (32 + (hash >> 54 & 31)),
            digest: (hash >> 22) as u32,
        }
    }

    /// Adds a row. One thread at a time.
    pub(super) fn push(&self, mut row: Row) {
        let place = self.place(row.key().user);
        let before = place.bucket.load(Acquire);
        row.digest = place.digest;
        row.older = before as u32;
        let newest = self.all.push(row) + 1;
        place.bucket.store(before >> 32 << 32 | place.signs | u64::from(newest), Release);
    }

    /// The newest version of a key that a reader at `seqno` may see.
    pub(super) fn find(&self, key: &[u8], seqno: Seqno) -> Sought<'_> {
        let place = self.place(key);
        let bucket = place.bucket.load(Acquire);
        if bucket & place.signs != place.signs {
            return Sought::Absent;
        }
        let mut next = bucket as u32;
        for _ in 0..STEPS_MAX {
            let Some(row) = next.checked_sub(1).and_then(|number| self.get(number)) else {
                return Sought::Absent;
            };
            if row.digest == place.digest && row.trailer.seqno() <= seqno && row.key().user == key {
                return Sought::Found(row);
            }
            next = row.older;
        }
        Sought::FarBack
    }

    /// Has what looking for these keys would wait for come into the CPU's caches. None of the accesses waits for that of
    /// another key. At most [`TOUCHED_MAX`] keys; what is beyond is left out.
    pub(super) fn touch<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        let mut newest = [0_u32; TOUCHED_MAX];
        for (newest, key) in newest.iter_mut().zip(keys) {
            let place = self.place(key);
            let bucket = place.bucket.load(Acquire);
            *newest = if bucket & place.signs == place.signs { bucket as u32 } else { 0 };
        }
        let rows = newest.iter().filter_map(|newest| self.get(newest.checked_sub(1)?));
        std::hint::black_box(rows.fold(0, |sum, row| sum ^ row.touch()));
    }

    /// How many more there should be room for, made by somebody else, so that no push pays for touching fresh memory;
    /// `None` while there is enough, given how large the memtable grows.
    pub(super) fn room_wanted(&self, memtable: u64) -> Option<u32> {
        let rows = (memtable / ROOM_PART).min(ROOM_MAX) / size_of::<Row>() as u64;
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        (!self.all.has_room(rows / 2)).then_some(rows)
    }

    /// Makes room for so many more.
    pub(super) fn make_room(&self, rows: u32) {
        self.all.make_room(rows);
    }

    /// How many there are; fewer than this are all complete.
    pub(super) fn count(&self) -> u32 {
        self.all.len()
    }

    /// A row by its number.
    pub(super) fn get(&self, number: u32) -> Option<&Row> {
        self.all.get(number)
    }
}
