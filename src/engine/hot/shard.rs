//! One shard of the hot rows: a map from hash to row, a ring for CLOCK, the slots, and fingerprints of what was
//! offered lately. Everything here happens under the shard's lock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use bytes::Bytes;

use crate::engine::key::Seqno;

/// Few, so that the slots of all shards stay in the nearest cache: every commit writes to one.
const SLOTS: usize = 32;
/// Room that is kept for rows to come.
const FEW: usize = 64;
/// What a row costs beyond its bytes: itself, its place in the map, and two small allocations.
const ROW_BYTES: u64 = size_of::<Row>() as u64 + 80;

struct Row {
    hash: u64,
    /// Key and value in one piece.
    bytes: Bytes,
    key_len: u32,
    present: bool,
    /// Read since the hand passed.
    visited: bool,
    seqno: Seqno,
    as_of: Seqno,
}

impl Row {
    fn cost(&self) -> u64 {
        self.bytes.len() as u64 + ROW_BYTES
    }

    fn is(&self, key: &[u8]) -> bool {
        &self.bytes[..self.key_len as usize] == key
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("only whole numbers are hashed here")
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

pub(super) struct Shard {
    places: HashMap<u64, u32, BuildHasherDefault<Ready>>,
    /// The ring, in no order: whoever leaves gives his place to the last.
    rows: Vec<Row>,
    hand: usize,
    bytes: u64,
    /// The newest commit to any of the keys that share a slot.
    slots: Box<[Seqno; SLOTS]>,
    /// Fingerprints of keys that were offered once, or let go; empty: everything is admitted.
    ghosts: Box<[u32]>,
}

/// What becomes of a row that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// The key was not heard of lately.
    Strange,
    /// It had a row a short while ago, and there was no room. Should it come once more, it is admitted.
    LetGo,
    /// It was offered a short while ago: admitted.
    Again,
    /// It has a row that does not serve, or had one until it changed: admitted.
    Changed,
}

impl Offer {
    pub(super) fn is_admitted(self) -> bool {
        matches!(self, Self::Again | Self::Changed)
    }

    /// Whether there would be a row if there were more room.
    pub(super) fn lacked_room(self) -> bool {
        matches!(self, Self::Again | Self::LetGo)
    }
}

fn slot(hash: u64) -> usize {
    (hash >> 48) as usize % SLOTS
}

/// What a fingerprint says of its key, in its last bits, so that none is 0.
const OFFERED: u32 = 0b11;
const LET_GO: u32 = 0b10;
const CHANGED: u32 = 0b01;

/// A key's fingerprint. Taken from other bits than the place.
fn fingerprint(hash: u64, says: u32) -> u32 {
    (hash >> 32) as u32 & !0b11 | says
}

impl Shard {
    pub(super) fn new(ghosts: usize) -> Self {
        Self {
            places: HashMap::default(),
            rows: Vec::new(),
            hand: 0,
            bytes: 0,
            slots: Box::new([0; SLOTS]),
            ghosts: vec![0; ghosts].into(),
        }
    }

    fn row(&self, hash: u64) -> Option<usize> {
        if self.rows.is_empty() { None } else { self.places.get(&hash).map(|&place| place as usize) }
    }

    #[expect(clippy::option_option, reason = "known or not, and then present or not")]
    pub(super) fn get(&mut self, hash: u64, key: &[u8], view: Seqno, floor: Seqno) -> Option<Option<Bytes>> {
        let place = self.row(hash)?;
        let row = &mut self.rows[place];
        if row.seqno > view || row.as_of < floor || !row.is(key) {
            return None;
        }
        row.visited = true;
        Some(row.present.then(|| row.bytes.slice(row.key_len as usize..)))
    }

    /// Drops a key's row. Should the key be offered again soon, it is admitted.
    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) {
        let Some(place) = self.row(hash).filter(|&place| self.rows[place].is(key)) else { return };
        self.drop_row(place);
        if !self.ghosts.is_empty() {
            *self.ghost(hash) = fingerprint(hash, CHANGED);
        }
    }

    /// Takes a row out of the ring; the last one takes its place.
    fn drop_row(&mut self, place: usize) {
        let row = self.rows.swap_remove(place);
        self.bytes -= row.cost();
        self.places.remove(&row.hash);
        if let Some(moved) = self.rows.get(place) {
            self.places.insert(moved.hash, place as u32);
        }
    }

    fn ghost(&mut self, hash: u64) -> &mut u32 {
        let at = hash as usize & (self.ghosts.len() - 1);
        &mut self.ghosts[at]
    }

    /// A commit changes a key of this hash.
    pub(super) fn touch(&mut self, hash: u64, seqno: Seqno) {
        self.slots[slot(hash)] = seqno;
    }

    /// Whether what a view saw of a key of this hash is still the newest.
    pub(super) fn may_fill(&self, hash: u64, view: Seqno) -> bool {
        self.slots[slot(hash)] <= view
    }

    /// Whether a key is worth a place: it has one, or was offered before.
    pub(super) fn offer(&mut self, hash: u64) -> Offer {
        if self.ghosts.is_empty() || self.row(hash).is_some() {
            return Offer::Changed;
        }
        let ghost = self.ghost(hash);
        let found = std::mem::replace(ghost, fingerprint(hash, OFFERED));
        let offer = match found ^ fingerprint(hash, 0) {
            OFFERED => Offer::Again,
            LET_GO => Offer::LetGo,
            CHANGED => Offer::Changed,
            _ => Offer::Strange,
        };
        if offer.is_admitted() {
            *ghost = 0;
        }
        offer
    }

    /// Sets a row, in the place of whoever has its hash.
    pub(super) fn insert(&mut self, hash: u64, key: &[u8], seqno: Seqno, as_of: Seqno, value: Option<&[u8]>) {
        let mut bytes = Vec::with_capacity(key.len() + value.map_or(0, <[u8]>::len));
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value.unwrap_or_default());
        let mut row = Row {
            hash,
            bytes: bytes.into(),
            key_len: key.len() as u32,
            present: value.is_some(),
            visited: false,
            seqno,
            as_of,
        };
        self.bytes += row.cost();
        if let Some(place) = self.row(hash) {
            let old = &mut self.rows[place];
            self.bytes -= old.cost();
            row.visited = old.visited;
            *old = row;
        } else {
            self.places.insert(hash, self.rows.len() as u32);
            self.rows.push(row);
        }
    }

    /// Lets rows go until the rest fits.
    pub(super) fn shrink(&mut self, capacity: u64) {
        while self.bytes > capacity && !self.rows.is_empty() {
            if self.hand >= self.rows.len() {
                self.hand = 0;
            }
            let row = &mut self.rows[self.hand];
            if row.visited {
                row.visited = false;
                self.hand += 1;
                continue;
            }
            let hash = row.hash;
            self.drop_row(self.hand);
            if !self.ghosts.is_empty() {
                *self.ghost(hash) = fingerprint(hash, LET_GO);
            }
            // The row moved here came last: its turn is later.
            self.hand += 1;
        }
    }

    /// Gives back what rows that are gone took, after there were many more.
    pub(super) fn give_back(&mut self) {
        if self.rows.capacity() > 2 * self.rows.len() + FEW {
            self.rows.shrink_to(self.rows.len() + FEW);
            self.places.shrink_to(self.rows.len() + FEW);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many rows there is room for without asking for memory.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.rows.capacity().max(self.places.capacity())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}
