//! A delta: changes beside their segment, not yet folded into it.
//!
//! ```text
//! delta  := change*                                      in the order they were made
//! change := kind << 6 | shared ‖ varint length ‖ rest    the subkey: bytes shared with the separator, the others
//!           ‖ varint length ‖ value                      not of a removal
//!         | 0xC0 ‖ varint first ‖ varint last            a cut: so many elements removed at the start, and at the end
//! kind   := 0 new | 1 set, was there | 2 removed, was there
//! ```
//!
//! Kinds say what a change does to the count, so that counting takes no comparing.

use super::super::error::{Error, Result};
use super::segment::shared;
use crate::codec::varint;

const SHARED_MAX: usize = 63;
const CUT: u8 = 0xC0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    New,
    Set,
    Removed,
}

/// A change to one element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) kind: Kind,
    pub(super) subkey: &'a [u8],
    /// Empty if removed.
    pub(super) value: &'a [u8],
}

/// How many elements a segment has lost at its start, and at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) first: u32,
    pub(super) last: u32,
}

impl Cut {
    /// A delta of its own.
    pub(super) fn encode(self) -> Vec<u8> {
        let mut delta = Vec::with_capacity(1 + 2 * varint::VARINT_BYTES_MAX);
        delta.push(CUT);
        varint::put_u64(&mut delta, self.first.into());
        varint::put_u64(&mut delta, self.last.into());
        delta
    }
}

/// What a delta says.
pub(super) enum Step<'a> {
    /// Of an element whose subkey begins with so many bytes of the separator, and goes on with the rest.
    Change {
        kind: Kind,
        shared: usize,
        rest: &'a [u8],
        value: &'a [u8],
    },
    Cut(Cut),
}

impl Change<'_> {
    /// An upper bound of what it takes in a delta.
    pub(super) fn byte_len_max(&self) -> usize {
        1 + 2 * varint::VARINT_BYTES_MAX + self.subkey.len() + self.value.len()
    }

    /// Appends it to a delta.
    pub(super) fn put(&self, separator: &[u8], delta: &mut Vec<u8>) {
        let shared = shared(self.subkey, separator).min(SHARED_MAX);
        delta.push((self.kind as u8) << 6 | shared as u8);
        varint::put_bytes(delta, &self.subkey[shared..]);
        if self.kind != Kind::Removed {
            varint::put_bytes(delta, self.value);
        }
    }
}

impl Kind {
    fn of(head: u8) -> Option<Self> {
        [Self::New, Self::Set, Self::Removed].get(usize::from(head >> 6)).copied()
    }

    /// What it adds to the count.
    pub(super) fn weight(self) -> i64 {
        match self {
            Self::New => 1,
            Self::Set => 0,
            Self::Removed => -1,
        }
    }
}

/// What a delta adds to the count.
pub(super) fn weight(delta: &[u8]) -> Result<i64> {
    let mut weight = 0_i64;
    each(delta, |step| {
        let gained = match step {
            Step::Change { kind, .. } => kind.weight(),
            Step::Cut(Cut { first, last }) => -(i64::from(first) + i64::from(last)),
        };
        weight = weight.checked_add(gained)?;
        Some(())
    })?;
    Ok(weight)
}

/// Visits what a delta says.
pub(super) fn each<'a>(delta: &'a [u8], mut visit: impl FnMut(Step<'a>) -> Option<()>) -> Result<()> {
    let mut rest = delta;
    let mut take = || {
        while let Some((&head, after)) = rest.split_first() {
            rest = after;
            let step = if head == CUT {
                let mut count = || u32::try_from(varint::take_u64(&mut rest)?).ok();
                Step::Cut(Cut { first: count()?, last: count()? })
            } else {
                let kind = Kind::of(head)?;
                let own = varint::take_bytes(&mut rest)?;
                let value = if kind == Kind::Removed { &[][..] } else { varint::take_bytes(&mut rest)? };
                Step::Change { kind, shared: usize::from(head) & SHARED_MAX, rest: own, value }
            };
            visit(step)?;
        }
        Some(())
    };
    take().ok_or(Error::Damaged("a delta"))
}
