//! The lock and the counter that hot rows are built on, so that a model checker can put its own in their place.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// A lock around a value.
pub(crate) trait Lock<T> {
    fn new(value: T) -> Self;
    fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> R;
}

/// A number.
pub(crate) trait Word {
    fn new(n: u64) -> Self;
    fn get(&self) -> u64;
    fn set(&self, n: u64);
    /// Sets it if that is more.
    fn raise(&self, n: u64);
}

/// A set of both.
pub(crate) trait Primitives {
    type Lock<T>: Lock<T>;
    type Word: Word;
}

/// Those of every day.
pub(crate) struct Native;

impl Primitives for Native {
    type Lock<T> = Mutex<T>;
    type Word = AtomicU64;
}

impl<T> Lock<T> for Mutex<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }

    #[inline]
    fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> R {
        call(&mut self.lock())
    }
}

impl Word for AtomicU64 {
    fn new(n: u64) -> Self {
        Self::new(n)
    }

    #[inline]
    fn get(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn set(&self, n: u64) {
        self.store(n, Ordering::Release);
    }

    fn raise(&self, n: u64) {
        self.fetch_max(n, Ordering::AcqRel);
    }
}
