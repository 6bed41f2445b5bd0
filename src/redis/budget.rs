//! Memory that is shared out among all who hold some of it for clients, and is never exceeded by them together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// So many bytes, of which so many are taken.
pub(crate) struct Budget {
    taken: AtomicUsize,
    most: usize,
}

impl Budget {
    /// Of which nothing is taken.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), most })
    }

    /// Bytes that may be taken in all.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Bytes that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Notes that what somebody took went from so many bytes to so many. False if that is more than there is: then
    /// nothing was noted. Less is always possible.
    pub(crate) fn change(&self, from: usize, to: usize) -> bool {
        if to <= from {
            self.taken.fetch_sub(from - to, Relaxed);
            return true;
        }
        let more = to - from;
        if self.taken.fetch_add(more, Relaxed).saturating_add(more) > self.most {
            self.taken.fetch_sub(more, Relaxed);
            return false;
        }
        true
    }
}

/// A part of a budget, given back when this is dropped.
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// Nothing yet.
    pub(crate) fn of(budget: &Arc<Budget>) -> Self {
        Self { budget: budget.clone(), bytes: 0 }
    }

    /// Becomes so many bytes; false if there are not that many left: then it stays as it is.
    pub(crate) fn become_bytes(&mut self, bytes: usize) -> bool {
        let changed = self.bytes == bytes || self.budget.change(self.bytes, bytes);
        if changed {
            self.bytes = bytes;
        }
        changed
    }

    /// Becomes so many bytes, be there that many left or not: for who has to take some to give back more.
    pub(crate) fn overdraw(&mut self, bytes: usize) {
        if !self.become_bytes(bytes) {
            self.budget.taken.fetch_add(bytes - self.bytes, Relaxed);
            self.bytes = bytes;
        }
    }

    /// Bytes that it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.change(self.bytes, 0);
    }
}

/// So many bytes are charged to nobody, so that who takes little is never refused.
const FREE_BYTES: usize = 64 << 10;

/// What grows bit by bit.
pub(crate) struct Tab {
    charge: Charge,
    bytes: usize,
}

impl Tab {
    /// Nothing yet.
    pub(crate) fn of(budget: &Arc<Budget>) -> Self {
        Self { charge: Charge::of(budget), bytes: 0 }
    }

    /// Adds so many bytes; false if there are not that many left: then it stays as it is.
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        let all = self.bytes.saturating_add(bytes);
        let fits = self.charge.become_bytes(all.saturating_sub(FREE_BYTES));
        if fits {
            self.bytes = all;
        }
        fits
    }

    /// Whether it takes more than what is charged to nobody.
    pub(crate) fn is_charged(&self) -> bool {
        self.charge.bytes() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_never_exceeds_what_there_is_and_comes_back() {
        let budget = Budget::new(100);
        let (mut one, mut other) = (Charge::of(&budget), Charge::of(&budget));
        assert!(one.become_bytes(70));
        assert!(!other.become_bytes(31));
        assert_eq!((budget.taken(), other.bytes()), (70, 0));
        assert!(other.become_bytes(30) && one.become_bytes(60));
        assert!(!one.become_bytes(usize::MAX));
        assert_eq!(budget.taken(), 90);
        one.overdraw(200);
        assert_eq!((budget.taken(), one.bytes()), (230, 200));
        assert!(!other.become_bytes(31) && other.become_bytes(20));
        drop(one);
        assert_eq!(budget.taken(), 20);
    }
}
