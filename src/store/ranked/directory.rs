//! How many elements each segment has, and how far its deltas got, in memory: chunks of segments, each with its sum.
//! Finding a segment by separator is two binary searches; what lies before it, a sum over chunks and one within the
//! chunk. A clone shares its chunks with the original until either changes them.

use std::sync::Arc;

const CHUNK_MAX: usize = 128;
/// What an entry takes beside its separator, and a chunk beside its entries, in bytes.
const ENTRY_BYTES: usize = 56;
const CHUNK_BYTES: usize = 64;

/// What is known of a segment and its deltas without reading them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Elements, with the deltas' changes.
    pub(super) count: u32,
    /// Of all its deltas.
    pub(super) delta_bytes: u16,
    /// The slots below hold deltas, the others none.
    pub(super) live: u8,
}

/// A segment's place; good until the directory changes its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    chunk: usize,
    at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// What the separator begins with, so that most comparisons need not go and look at it.
    head: u64,
    separator: Arc<[u8]>,
    tally: Tally,
}

impl Entry {
    fn new(separator: &[u8], tally: Tally) -> Self {
        Self { head: head(separator), separator: separator.into(), tally }
    }

    /// Whether its separator is at or before the subkey, whose head is given with it.
    fn begins_by(&self, (head, subkey): (u64, &[u8])) -> bool {
        self.head < head || self.head == head && *self.separator <= *subkey
    }
}

/// The first eight bytes, as a number that sorts as they do. Where two are alike, the bytes decide.
fn head(subkey: &[u8]) -> u64 {
    let mut head = [0; 8];
    head.iter_mut().zip(subkey).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(head)
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    count: u64,
    segments: Vec<Entry>,
}

/// The counts. No chunk is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    total: u64,
    chunks: Vec<Arc<Chunk>>,
    separator_bytes: usize,
}

impl Directory {
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// About how much memory it takes, in bytes, if nothing of it is shared.
    pub(crate) fn memory_bytes(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| CHUNK_BYTES + chunk.segments.len() * ENTRY_BYTES);
        chunks.sum::<usize>() + self.separator_bytes
    }

    fn chunk_mut(&mut self, chunk: usize) -> Option<&mut Chunk> {
        self.chunks.get_mut(chunk).map(Arc::make_mut)
    }

    /// Adds a segment at the end.
    pub(super) fn push(&mut self, separator: &[u8], tally: Tally) {
        if self.chunks.last().is_none_or(|chunk| chunk.segments.len() >= CHUNK_MAX) {
            self.chunks.push(Arc::default());
        }
        self.separator_bytes += separator.len();
        if let Some(chunk) = self.chunks.last_mut().map(Arc::make_mut) {
            chunk.segments.push(Entry::new(separator, tally));
            chunk.count += u64::from(tally.count);
            self.total += u64::from(tally.count);
        }
    }

    /// The segment that a subkey belongs to; `None` if there is no segment at all.
    pub(super) fn find(&self, subkey: &[u8]) -> Option<Place> {
        let sought = (head(subkey), subkey);
        let begun = |chunk: &Arc<Chunk>| chunk.segments.first().is_some_and(|first| first.begins_by(sought));
        let chunk = self.chunks.partition_point(begun).checked_sub(1)?;
        let segments = &self.chunks.get(chunk)?.segments;
        let at = segments.partition_point(|entry| entry.begins_by(sought)).checked_sub(1)?;
        Some(Place { chunk, at })
    }

    /// The segment that holds a rank, and how many of its elements come before.
    pub(super) fn at(&self, rank: u64) -> Option<(Place, u64)> {
        let mut left = rank;
        for (chunk, segments) in self.chunks.iter().enumerate() {
            if left >= segments.count {
                left -= segments.count;
                continue;
            }
            for (at, Entry { tally, .. }) in segments.segments.iter().enumerate() {
                if left < u64::from(tally.count) {
                    return Some((Place { chunk, at }, left));
                }
                left -= u64::from(tally.count);
            }
        }
        None
    }

    /// How many elements lie before a segment.
    pub(super) fn before(&self, place: Place) -> u64 {
        let chunks: u64 = self.chunks.iter().take(place.chunk).map(|chunk| chunk.count).sum();
        let segments = self.chunks.get(place.chunk).map_or(&[][..], |chunk| &chunk.segments);
        chunks + segments.iter().take(place.at).map(|entry| u64::from(entry.tally.count)).sum::<u64>()
    }

    fn get(&self, place: Place) -> Option<&Entry> {
        self.chunks.get(place.chunk)?.segments.get(place.at)
    }

    pub(super) fn separator(&self, place: Place) -> &[u8] {
        self.get(place).map_or(&[], |entry| &entry.separator)
    }

    pub(super) fn tally(&self, place: Place) -> Tally {
        self.get(place).map_or(Tally::default(), |entry| entry.tally)
    }

    pub(super) fn is_first(place: Place) -> bool {
        place == Place { chunk: 0, at: 0 }
    }

    pub(super) fn is_last(&self, place: Place) -> bool {
        self.next(place).is_none()
    }

    pub(super) fn next(&self, place: Place) -> Option<Place> {
        let within = Place { at: place.at + 1, ..place };
        let beyond = Place { chunk: place.chunk + 1, at: 0 };
        [within, beyond].into_iter().find(|&place| self.get(place).is_some())
    }

    pub(super) fn previous(&self, place: Place) -> Option<Place> {
        if let Some(at) = place.at.checked_sub(1) {
            return Some(Place { at, ..place });
        }
        let chunk = place.chunk.checked_sub(1)?;
        Some(Place { chunk, at: self.chunks.get(chunk)?.segments.len() - 1 })
    }

    pub(super) fn set(&mut self, place: Place, tally: Tally) {
        let Some(chunk) = self.chunk_mut(place.chunk) else { return };
        let Some(entry) = chunk.segments.get_mut(place.at) else { return };
        let delta = i64::from(tally.count) - i64::from(entry.tally.count);
        entry.tally = tally;
        chunk.count = chunk.count.wrapping_add_signed(delta);
        self.total = self.total.wrapping_add_signed(delta);
    }

    /// Adds a segment after another, still without elements.
    pub(super) fn insert_after(&mut self, place: Place, separator: &[u8]) -> Place {
        let mut new = Place { at: place.at + 1, ..place };
        self.separator_bytes += separator.len();
        let Some(chunk) = self.chunk_mut(place.chunk) else { return new };
        chunk.segments.insert(new.at, Entry::new(separator, Tally::default()));
        if chunk.segments.len() > CHUNK_MAX {
            let segments = chunk.segments.split_off(CHUNK_MAX / 2);
            let count = segments.iter().map(|entry| u64::from(entry.tally.count)).sum();
            chunk.count -= count;
            self.chunks.insert(place.chunk + 1, Arc::new(Chunk { count, segments }));
            if new.at >= CHUNK_MAX / 2 {
                new = Place { chunk: new.chunk + 1, at: new.at - CHUNK_MAX / 2 };
            }
        }
        new
    }

    /// Removes a segment with what it still counts.
    pub(super) fn remove(&mut self, place: Place) {
        self.set(place, Tally::default());
        let Some(chunk) = self.chunk_mut(place.chunk) else { return };
        let separator = chunk.segments.remove(place.at).separator;
        let is_empty = chunk.segments.is_empty();
        self.separator_bytes -= separator.len();
        if is_empty {
            self.chunks.remove(place.chunk);
        }
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = impl PartialEq + std::fmt::Debug> {
        self.chunks.iter().flat_map(|chunk| &chunk.segments)
    }
}
