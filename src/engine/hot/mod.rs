//! Hot rows: the newest committed value of keys that are read often and lie in tables, absent ones included. What lies in
//! a memtable is found there as quickly.
//!
//! ```text
//! row = (key, value or absent, seqno, as_of)
//! ```
//!
//! A row says: the newest version at or before `as_of` is the one of `seqno`, and none came after it. So it answers
//! every view at or above `seqno`. Three rules keep that true, whatever the threads do:
//!
//! 1. A commit drops the rows it changes, if they are here, *before* it is published. Whoever can see the commit finds
//!    no row and looks elsewhere.
//! 2. A reader that read at `view` may fill only if no commit above `view` has touched the key's *slot* (a few
//!    thousand counters that keys share). Both happen under the shard's lock: either the commit finds the filled
//!    row and drops it, or the fill finds the commit and is void.
//! 3. A range deletion raises the *floor*, before it is published: rows read below the floor are void.
//!
//! Rows are copies and pin no block. Cold keys are not admitted at first sight: only when they come again while a
//! fingerprint of the first time is left. Space is reclaimed by CLOCK: a row read since the hand last passed stays.
//!
//! Wrong here would be a lost update, so the races are model-checked in `tests.rs`.

mod primitives;
mod shard;

use bytes::Bytes;
use foldhash::fast::RandomState;
use std::hash::BuildHasher;

use self::primitives::{Lock, Native, Primitives, Word};
use self::shard::Shard;
use super::batch::{Op, Ops};
use super::key::Seqno;

const SHARDS: usize = 64;
/// One fingerprint for so many bytes of capacity.
const BYTES_PER_GHOST: u64 = 128;

/// The rows, in shards by hash.
pub(crate) struct HotRows<P: Primitives = Native> {
    shards: Vec<P::Lock<Shard>>,
    hasher: RandomState,
    /// Bytes for each shard.
    capacity: P::Word,
    floor: P::Word,
}

impl HotRows {
    /// Rows in at most so many bytes, overhead included; 0: none.
    pub(crate) fn new(bytes: u64) -> Self {
        let ghosts = (bytes / BYTES_PER_GHOST / SHARDS as u64).next_power_of_two() as usize;
        Self::with(SHARDS, bytes, if bytes == 0 { 0 } else { ghosts })
    }
}

impl<P: Primitives> HotRows<P> {
    /// Without fingerprints everything is admitted at first sight.
    fn with(shards: usize, bytes: u64, ghosts: usize) -> Self {
        Self {
            shards: (0..shards).map(|_| P::Lock::new(Shard::new(ghosts))).collect(),
            hasher: RandomState::default(),
            capacity: P::Word::new(bytes / shards as u64),
            floor: P::Word::new(0),
        }
    }

    /// Whether it was given any memory.
    fn is_off(&self) -> bool {
        self.capacity.get() == 0
    }

    fn place(&self, key: &[u8]) -> (u64, &P::Lock<Shard>) {
        let hash = self.hasher.hash_one(key);
        (hash, &self.shards[(hash >> 32) as usize % self.shards.len()])
    }

    /// What a view sees of a key: `None` if that is not known here, `Some(None)` if the key is absent.
    #[expect(clippy::option_option, reason = "known or not, and then present or not")]
    pub(crate) fn get(&self, key: &[u8], view: Seqno) -> Option<Option<Bytes>> {
        if self.is_off() {
            return None;
        }
        let (hash, shard) = self.place(key);
        let floor = self.floor.get();
        shard.with(|shard| shard.get(hash, key, view, floor))
    }

    /// Offers what a read at `view` found in tables: the version of `seqno` (`view` itself if there was none, or
    /// a mark hides it). Whether it was
    /// asked for a short while ago, so that it might be here if there were more room.
    pub(crate) fn fill(&self, key: &[u8], view: Seqno, seqno: Seqno, value: Option<&[u8]>) -> bool {
        if self.is_off() {
            return false;
        }
        let (hash, shard) = self.place(key);
        let capacity = self.capacity.get();
        shard.with(|shard| {
            if !shard.may_fill(hash, view) {
                return false;
            }
            let offer = shard.offer(hash);
            if offer.is_admitted() {
                shard.insert(hash, key, seqno, view, value);
                shard.shrink(capacity);
            }
            offer.lacked_room()
        })
    }

    /// Whether rows more would push out others.
    pub(crate) fn is_full(&self) -> bool {
        self.used() > self.capacity.get() * self.shards.len() as u64 / 16 * 15
    }

    /// Drops the rows that a batch changes. The writer lock is held, the batch is in the memtable and not yet published.
    pub(crate) fn forget(&self, seqno: Seqno, payload: &[u8]) {
        if self.is_off() {
            return;
        }
        // Malformed operations cannot come here; the memtable would have refused them.
        for op in Ops::decode(payload).flatten() {
            let key = match op {
                Op::Put { key, .. } | Op::Delete { key } => key,
                Op::DeleteRange { .. } => {
                    self.floor.raise(seqno);
                    continue;
                }
                Op::Count { .. } => continue,
            };
            let (hash, shard) = self.place(key);
            shard.with(|shard| {
                shard.touch(hash, seqno);
                shard.remove(hash, key);
            });
        }
    }

    /// Changes the memory allowed: from none to some only before anything was written, since those who had none forgot
    /// nothing that changed.
    pub(crate) fn set_capacity(&self, bytes: u64) {
        let capacity = bytes / self.shards.len() as u64;
        self.capacity.set(capacity);
        for shard in &self.shards {
            shard.with(|shard| {
                shard.shrink(capacity);
                shard.give_back();
            });
        }
    }

    /// Bytes in use, overhead included.
    fn used(&self) -> u64 {
        self.shards.iter().map(|shard| shard.with(|shard| shard.bytes())).sum()
    }

    /// How many rows there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.with(|shard| shard.len())).sum()
    }
}

#[cfg(test)]
mod tests;
