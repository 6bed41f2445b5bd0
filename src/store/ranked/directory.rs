//! How many elements each segment has, and how far its deltas got, in memory: chunks of segments, each with its sum.
//! Finding a segment by separator is two binary searches; what lies before it, a sum over chunks and one within the
//! chunk.
//!
//! A clone shares its chunks with the original until either changes them, and every change of a plane makes one, since the
//! cache keeps the original until it commits. So chunks are few and cheap to copy: what changes often, the tallies, lies
//! together, and the separators, which change when segments come and go, are shared on.

use std::sync::Arc;

const CHUNK_MAX: usize = 512;
/// What a segment takes beside its separator, and a chunk beside its segments, in bytes.
const SEGMENT_BYTES: usize = 20;
const CHUNK_BYTES: usize = 160;

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

/// The separators of a chunk's segments, one behind the other.
#[derive(Clone, Debug, Default)]
struct Separators {
    /// What each begins with, so that most comparisons need not go and look at it.
    heads: Vec<u64>,
    /// Where each ends.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Separators {
    fn span(&self, at: usize) -> std::ops::Range<usize> {
        let end = |at: usize| self.ends.get(at).map_or(0, |&end| end as usize);
        at.checked_sub(1).map_or(0, end)..end(at)
    }

    fn get(&self, at: usize) -> &[u8] {
        self.bytes.get(self.span(at)).unwrap_or_default()
    }

    /// How many are at or before a subkey, whose head is given with it.
    fn begun_by(&self, (head, subkey): (u64, &[u8])) -> usize {
        let below = self.heads.partition_point(|&own| own < head);
        let alike = self.heads.get(below..).unwrap_or_default().partition_point(|&own| own == head);
        let (mut from, mut to) = (below, below + alike);
        while from < to {
            let middle = usize::midpoint(from, to);
            if self.get(middle) <= subkey { from = middle + 1 } else { to = middle }
        }
        from
    }

    fn insert(&mut self, at: usize, separator: &[u8]) {
        let start = self.span(at).start;
        self.heads.insert(at, head(separator));
        self.ends.insert(at, start as u32);
        for end in self.ends.iter_mut().skip(at) {
            *end += separator.len() as u32;
        }
        self.bytes.splice(start..start, separator.iter().copied());
    }

    /// Removes one: how long it was.
    fn remove(&mut self, at: usize) -> usize {
        let span = self.span(at);
        self.heads.remove(at);
        self.ends.remove(at);
        for end in self.ends.iter_mut().skip(at) {
            *end -= span.len() as u32;
        }
        self.bytes.drain(span.clone());
        span.len()
    }

    /// Takes off those from one on.
    fn split_off(&mut self, at: usize) -> Self {
        let start = self.span(at).start;
        let mut ends = self.ends.split_off(at);
        for end in &mut ends {
            *end -= start as u32;
        }
        Self { heads: self.heads.split_off(at), ends, bytes: self.bytes.split_off(start) }
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
    tallies: Vec<Tally>,
    separators: Arc<Separators>,
}

/// The counts. No chunk is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    total: u64,
    chunks: Vec<Arc<Chunk>>,
    segments: usize,
    separator_bytes: usize,
}

impl Directory {
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// About how much memory it takes, in bytes, if nothing of it is shared.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.chunks.len() * CHUNK_BYTES + self.segments * SEGMENT_BYTES + self.separator_bytes
    }

    fn chunk_mut(&mut self, chunk: usize) -> Option<&mut Chunk> {
        self.chunks.get_mut(chunk).map(Arc::make_mut)
    }

    /// Adds a segment at the end.
    pub(super) fn push(&mut self, separator: &[u8], tally: Tally) {
        if self.chunks.last().is_none_or(|chunk| chunk.tallies.len() >= CHUNK_MAX) {
            self.chunks.push(Arc::default());
        }
        self.segments += 1;
        self.separator_bytes += separator.len();
        if let Some(chunk) = self.chunks.last_mut().map(Arc::make_mut) {
            Arc::make_mut(&mut chunk.separators).insert(chunk.tallies.len(), separator);
            chunk.tallies.push(tally);
            chunk.count += u64::from(tally.count);
            self.total += u64::from(tally.count);
        }
    }

    /// The segment that a subkey belongs to; `None` if there is no segment at all.
    pub(super) fn find(&self, subkey: &[u8]) -> Option<Place> {
        let sought = (head(subkey), subkey);
        let begun = |chunk: &Arc<Chunk>| {
            let first = chunk.separators.heads.first().copied().unwrap_or_default();
            first < sought.0 || first == sought.0 && chunk.separators.get(0) <= subkey
        };
        let chunk = self.chunks.partition_point(begun).checked_sub(1)?;
        let at = self.chunks.get(chunk)?.separators.begun_by(sought).checked_sub(1)?;
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
            for (at, tally) in segments.tallies.iter().enumerate() {
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
        let tallies = self.chunks.get(place.chunk).map_or(&[][..], |chunk| &chunk.tallies);
        chunks + tallies.iter().take(place.at).map(|tally| u64::from(tally.count)).sum::<u64>()
    }

    fn get(&self, place: Place) -> Option<Tally> {
        self.chunks.get(place.chunk)?.tallies.get(place.at).copied()
    }

    pub(super) fn separator(&self, place: Place) -> &[u8] {
        self.chunks.get(place.chunk).map_or(&[], |chunk| chunk.separators.get(place.at))
    }

    pub(super) fn tally(&self, place: Place) -> Tally {
        self.get(place).unwrap_or_default()
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
        Some(Place { chunk, at: self.chunks.get(chunk)?.tallies.len() - 1 })
    }

    pub(super) fn set(&mut self, place: Place, tally: Tally) {
        let Some(chunk) = self.chunk_mut(place.chunk) else { return };
        let Some(own) = chunk.tallies.get_mut(place.at) else { return };
        let delta = i64::from(tally.count) - i64::from(own.count);
        *own = tally;
        chunk.count = chunk.count.wrapping_add_signed(delta);
        self.total = self.total.wrapping_add_signed(delta);
    }

    /// Adds a segment after another, still without elements.
    pub(super) fn insert_after(&mut self, place: Place, separator: &[u8]) -> Place {
        let mut new = Place { at: place.at + 1, ..place };
        self.segments += 1;
        self.separator_bytes += separator.len();
        let Some(chunk) = self.chunk_mut(place.chunk) else { return new };
        chunk.tallies.insert(new.at, Tally::default());
        let separators = Arc::make_mut(&mut chunk.separators);
        separators.insert(new.at, separator);
        if chunk.tallies.len() > CHUNK_MAX {
            let separators = Arc::new(separators.split_off(CHUNK_MAX / 2));
            let tallies = chunk.tallies.split_off(CHUNK_MAX / 2);
            let count = tallies.iter().map(|tally| u64::from(tally.count)).sum();
            chunk.count -= count;
            self.chunks.insert(place.chunk + 1, Arc::new(Chunk { count, tallies, separators }));
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
        chunk.tallies.remove(place.at);
        let len = Arc::make_mut(&mut chunk.separators).remove(place.at);
        let is_empty = chunk.tallies.is_empty();
        self.segments -= 1;
        self.separator_bytes -= len;
        if is_empty {
            self.chunks.remove(place.chunk);
        }
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (Vec<u8>, Tally)> {
        let names = |chunk: &Arc<Chunk>| {
            (0..chunk.tallies.len()).map(|at| chunk.separators.get(at).to_vec()).collect::<Vec<_>>()
        };
        self.chunks.iter().flat_map(move |chunk| names(chunk).into_iter().zip(chunk.tallies.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn it_is_a_sorted_list_of_segments_and_a_clone_stays_what_it_was() {
        let mut random = Random::seeded(7);
        let mut directory = Directory::default();
        let mut model: Vec<(Vec<u8>, Tally)> = vec![(Vec::new(), Tally::default())];
        directory.push(&[], Tally::default());
        for step in 0..6000_u32 {
            let before = (directory.clone(), model.clone());
            // Heads that are often alike.
            let name =
                format!("{:0width$}", random.below(5000), width = 4 + 8 * (step as usize % 2)).into_bytes();
            let place = directory.find(&name).unwrap();
            let at = model.partition_point(|(separator, _)| *separator <= name) - 1;
            assert_eq!(directory.separator(place), model[at].0);
            if random.below(5) < 3 {
                if model[at].0 != name {
                    let new = directory.insert_after(place, &name);
                    let tally = Tally { count: random.below(50) as u32, ..Tally::default() };
                    directory.set(new, tally);
                    model.insert(at + 1, (name, tally));
                }
            } else if at > 0 {
                directory.remove(place);
                model.remove(at);
            }
            if step % 50 != 0 {
                continue;
            }
            for (directory, model) in [&before, &(directory.clone(), model.clone())] {
                assert!(directory.iter().eq(model.iter().cloned()), "step {step}");
                assert_eq!(
                    directory.total(),
                    model.iter().map(|(_, tally)| u64::from(tally.count)).sum::<u64>()
                );
                assert_eq!(directory.segments, model.len());
                assert_eq!(
                    directory.separator_bytes,
                    model.iter().map(|(name, _)| name.len()).sum::<usize>()
                );
                let mut rank = 0;
                for (name, tally) in model {
                    let place = directory.find(name).unwrap();
                    assert_eq!((directory.before(place), directory.tally(place)), (rank, *tally));
                    if tally.count > 0 {
                        assert_eq!(
                            directory.at(rank + u64::from(tally.count) - 1),
                            Some((place, u64::from(tally.count) - 1))
                        );
                    }
                    rank += u64::from(tally.count);
                }
            }
        }
        assert!(directory.chunks.len() > 1, "{}", model.len());
    }
}
