//! How many elements each segment has, in memory: chunks of segments, each with its sum. Finding a segment by separator
//! is two binary searches; what lies before it, a sum over chunks and one within the chunk.

const CHUNK_MAX: usize = 256;

/// A segment's place; good until the directory changes its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    chunk: usize,
    at: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    count: u64,
    segments: Vec<(Box<[u8]>, u32)>,
}

/// The counts. No chunk is empty.
#[derive(Debug, Default)]
pub(super) struct Directory {
    total: u64,
    chunks: Vec<Chunk>,
}

impl Directory {
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Adds a segment at the end.
    pub(super) fn push(&mut self, separator: Vec<u8>, count: u32) {
        if self.chunks.last().is_none_or(|chunk| chunk.segments.len() >= CHUNK_MAX) {
            self.chunks.push(Chunk::default());
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.segments.push((separator.into(), count));
            chunk.count += u64::from(count);
            self.total += u64::from(count);
        }
    }

    /// The segment that a subkey belongs to; `None` if there is no segment at all.
    pub(super) fn find(&self, subkey: &[u8]) -> Option<Place> {
        let first =
            |chunk: &Chunk| chunk.segments.first().is_some_and(|(separator, _)| **separator <= *subkey);
        let chunk = self.chunks.partition_point(first).checked_sub(1)?;
        let segments = &self.chunks.get(chunk)?.segments;
        let at = segments.partition_point(|(separator, _)| **separator <= *subkey).checked_sub(1)?;
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
            for (at, &(_, count)) in segments.segments.iter().enumerate() {
                if left < u64::from(count) {
                    return Some((Place { chunk, at }, left));
                }
                left -= u64::from(count);
            }
        }
        None
    }

    /// How many elements lie before a segment.
    pub(super) fn before(&self, place: Place) -> u64 {
        let chunks: u64 = self.chunks.iter().take(place.chunk).map(|chunk| chunk.count).sum();
        let segments = self.chunks.get(place.chunk).map_or(&[][..], |chunk| &chunk.segments);
        chunks + segments.iter().take(place.at).map(|&(_, count)| u64::from(count)).sum::<u64>()
    }

    fn get(&self, place: Place) -> Option<&(Box<[u8]>, u32)> {
        self.chunks.get(place.chunk)?.segments.get(place.at)
    }

    pub(super) fn separator(&self, place: Place) -> &[u8] {
        self.get(place).map_or(&[], |(separator, _)| separator)
    }

    pub(super) fn count(&self, place: Place) -> u32 {
        self.get(place).map_or(0, |&(_, count)| count)
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

    /// Changes a segment's count.
    pub(super) fn add(&mut self, place: Place, delta: i64) {
        let Some(chunk) = self.chunks.get_mut(place.chunk) else { return };
        if let Some((_, count)) = chunk.segments.get_mut(place.at) {
            *count = (i64::from(*count) + delta) as u32;
            chunk.count = chunk.count.wrapping_add_signed(delta);
            self.total = self.total.wrapping_add_signed(delta);
        }
    }

    /// Adds a segment after another.
    pub(super) fn insert_after(&mut self, place: Place, separator: Vec<u8>, count: u32) {
        let Some(chunk) = self.chunks.get_mut(place.chunk) else { return };
        chunk.segments.insert(place.at + 1, (separator.into(), count));
        chunk.count += u64::from(count);
        self.total += u64::from(count);
        if chunk.segments.len() > CHUNK_MAX {
            let segments = chunk.segments.split_off(CHUNK_MAX / 2);
            let count = segments.iter().map(|&(_, count)| u64::from(count)).sum();
            chunk.count -= count;
            self.chunks.insert(place.chunk + 1, Chunk { count, segments });
        }
    }

    /// Removes a segment with what it still counts.
    pub(super) fn remove(&mut self, place: Place) {
        let count = self.count(place);
        self.add(place, -i64::from(count));
        if let Some(chunk) = self.chunks.get_mut(place.chunk) {
            chunk.segments.remove(place.at);
            if chunk.segments.is_empty() {
                self.chunks.remove(place.chunk);
            }
        }
    }
}
