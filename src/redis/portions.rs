//! Many keys or fields that a command names, a portion at a time: as many as are worth reading together, and no more than
//! memory has room for, of which nobody knows before how large they are.

/// The smallest portion, and the largest one.
const LEAST: usize = 16;
const MOST: usize = 1024;
/// A portion that was larger than this is followed by a small one, others by a larger one.
const BYTES: usize = 1 << 20;

/// What is left of them.
pub(crate) struct Portions<'a, T> {
    left: &'a [T],
    size: usize,
}

impl<'a, T> Portions<'a, T> {
    /// All of them.
    pub(crate) fn of(all: &'a [T]) -> Self {
        Self { left: all, size: LEAST }
    }

    /// The next portion, if there is one, the last one having had so many bytes.
    pub(crate) fn next(&mut self, last_bytes: usize) -> Option<&'a [T]> {
        self.size = if last_bytes > BYTES { LEAST } else { (self.size * 4).min(MOST) };
        let (portion, left) = self.left.split_at(self.size.min(self.left.len()));
        self.left = left;
        Some(portion).filter(|portion| !portion.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_grow_while_they_are_small_and_leave_nothing_out() {
        let all: Vec<u32> = (0..2000).collect();
        let mut portions = Portions::of(&all);
        let mut met = Vec::new();
        for (bytes, len) in [(0, 64), (10, 256), (BYTES + 1, 16), (0, 64), (0, 256), (0, 1024), (0, 320)] {
            let portion = portions.next(bytes).unwrap();
            assert_eq!(portion.len(), len);
            met.extend_from_slice(portion);
        }
        assert!(portions.next(0).is_none());
        assert_eq!(met, all);
    }
}
