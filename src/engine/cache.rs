//! The block cache.

/// Decoded blocks of all tables, within one budget of memory.
pub(crate) struct Cache {}

/// What the cache did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// Entries now.
    pub(crate) entries: u64,
    /// Bytes now, overhead included.
    pub(crate) used: u64,
    /// Bytes allowed.
    pub(crate) capacity: u64,
}

impl Cache {
    pub(crate) fn new(_bytes: u64) -> Self {
        unimplemented!()
    }

    pub(crate) fn set_capacity(&self, _bytes: u64) {
        unimplemented!()
    }

    pub(crate) fn used(&self) -> u64 {
        unimplemented!()
    }

    pub(crate) fn stats(&self) -> CacheStats {
        unimplemented!()
    }
}
