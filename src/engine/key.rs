//! The order of everything: user keys ascending, versions of one key newest first.
//!
//! ```text
//! internal key = user key ‖ trailer      trailer: u64 = seqno << 8 | kind
//! ```

use std::cmp::Ordering;

/// A commit's number: 1 for the first batch, one more for each. 0 is before everything.
pub type Seqno = u64;

/// The largest sequence number there can be: 56 bits.
pub const SEQNO_MAX: Seqno = (1 << 56) - 1;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 128 * 1024;

/// What a row says of its key. The numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The key has this value.
    Put = 1,
    /// The key has none.
    Delete = 2,
}

impl Kind {
    /// The kind with this number on disk.
    pub fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Put),
            2 => Some(Self::Delete),
            _ => None,
        }
    }
}

/// Sequence number and kind in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Trailer(pub(crate) u64);

impl Trailer {
    /// Before every version of its key.
    pub(crate) const FIRST: Self = Self(u64::MAX);
    /// After every version of its key.
    pub(crate) const LAST: Self = Self(0);

    pub(crate) fn new(seqno: Seqno, kind: Kind) -> Self {
        Self(seqno << 8 | kind as u64)
    }

    /// The first version that a reader at `seqno` may see.
    pub(crate) fn visible_at(seqno: Seqno) -> Self {
        Self(seqno << 8 | 0xFF)
    }

    pub(crate) fn seqno(self) -> Seqno {
        self.0 >> 8
    }

    pub(crate) fn kind(self) -> Option<Kind> {
        Kind::from_u8(self.0 as u8)
    }
}

/// An internal key, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRef<'a> {
    pub(crate) user: &'a [u8],
    pub(crate) trailer: Trailer,
}

impl<'a> KeyRef<'a> {
    pub(crate) fn new(user: &'a [u8], trailer: Trailer) -> Self {
        Self { user, trailer }
    }
}

/// The first 16 bytes of a key as numbers that order as the bytes do: most comparisons end here. Shorter keys are
/// filled with zeros, so that equal prefixes say nothing yet.
pub(crate) fn prefix<const WORDS: usize>(key: &[u8]) -> [u64; WORDS] {
    let word = |from: usize| {
        let bytes = key.get(from..).unwrap_or_default();
        if let Some(&whole) = bytes.first_chunk::<8>() {
            return u64::from_be_bytes(whole);
        }
        let mut filled = [0; 8];
        filled[..bytes.len()].copy_from_slice(bytes);
        u64::from_be_bytes(filled)
    };
    std::array::from_fn(|i| word(8 * i))
}

impl Ord for KeyRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.user.cmp(other.user).then_with(|| other.trailer.cmp(&self.trailer))
    }
}

impl PartialOrd for KeyRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
