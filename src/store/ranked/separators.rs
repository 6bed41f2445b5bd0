//! What the segments of a leaf begin with, one behind the other in one piece of memory.

/// The separators of neighbouring segments.
#[derive(Clone, Debug, Default)]
pub(super) struct Separators {
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

    pub(super) fn get(&self, at: usize) -> &[u8] {
        self.bytes.get(self.span(at)).unwrap_or_default()
    }

    /// How many are at or before a subkey, whose head is given with it.
    pub(super) fn begun_by(&self, (head, subkey): (u64, &[u8])) -> usize {
        let below = self.heads.partition_point(|&own| own < head);
        let alike = self.heads.get(below..).unwrap_or_default().partition_point(|&own| own == head);
        let (mut from, mut to) = (below, below + alike);
        while from < to {
            let middle = usize::midpoint(from, to);
            if self.get(middle) <= subkey { from = middle + 1 } else { to = middle }
        }
        from
    }

    pub(super) fn insert(&mut self, at: usize, separator: &[u8]) {
        let start = self.span(at).start;
        self.heads.insert(at, head(separator));
        self.ends.insert(at, start as u32);
        for end in self.ends.iter_mut().skip(at) {
            *end += separator.len() as u32;
        }
        self.bytes.splice(start..start, separator.iter().copied());
    }

    pub(super) fn remove(&mut self, at: usize) {
        let span = self.span(at);
        self.heads.remove(at);
        self.ends.remove(at);
        for end in self.ends.iter_mut().skip(at) {
            *end -= span.len() as u32;
        }
        self.bytes.drain(span);
    }

    pub(super) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds those of another, which come after.
    pub(super) fn append(&mut self, other: &Self) {
        let start = self.bytes.len() as u32;
        self.heads.extend_from_slice(&other.heads);
        self.ends.extend(other.ends.iter().map(|end| end + start));
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// Takes off those from one on, and keeps no room in their place.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let start = self.span(at).start;
        let mut ends = self.ends.split_off(at);
        for end in &mut ends {
            *end -= start as u32;
        }
        let off = Self { heads: self.heads.split_off(at), ends, bytes: self.bytes.split_off(start) };
        self.heads.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.bytes.shrink_to_fit();
        off
    }
}

/// The first eight bytes, as a number that sorts as they do. Where two are alike, the bytes decide.
pub(super) fn head(subkey: &[u8]) -> u64 {
    let mut head = [0; 8];
    head.iter_mut().zip(subkey).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(head)
}
