//! A string's chunks, in rows of their own.
//!
//! ```text
//! chunk row := prefix of the owner ‖ 0 ‖ number of the chunk (ordered) → chunk
//! chunk     := version 1 ‖ at most 1024 bytes, those of the string from number × 1024 on
//! ```
//!
//! The string's length is in the meta row. What is not there up to it is zeros: the end of a chunk that is short, and a
//! chunk without a row.

use std::ops::{Bound, ControlFlow, Range};

use bytes::Bytes;

use crate::store::{Error, Reads, Result, Tier, put_ordered, take_ordered};

/// Bytes of a chunk.
pub(super) const CHUNK_BYTES: u64 = 1024;

/// From this many chunks on, they are walked over where that may take its time.
const CHUNKS_INLINE_MAX: u64 = 512;

const VERSION: u8 = 1;

/// Every owner's first plane; a string has no other.
const PLANE: u8 = 0;

/// Where a chunk lies.
pub(super) fn row(prefix: &[u8], number: u64) -> Vec<u8> {
    let mut row = Vec::with_capacity(prefix.len() + 1 + 9);
    row.extend_from_slice(prefix);
    row.push(PLANE);
    put_ordered(&mut row, number);
    row
}

/// A chunk's value; `None` where it says no more than that there is none.
pub(super) fn encode(bytes: &[u8]) -> Option<Bytes> {
    let last = bytes.iter().rposition(|&byte| byte != 0)?;
    let mut out = Vec::with_capacity(2 + last);
    out.push(VERSION);
    out.extend_from_slice(bytes.get(..=last).unwrap_or_default());
    Some(out.into())
}

/// The bytes of a chunk, from its value.
pub(super) fn decode(value: &Bytes) -> Result<Bytes> {
    if value.first() != Some(&VERSION) || value.len() as u64 > 1 + CHUNK_BYTES {
        return Err(Error::Damaged("a string's chunk"));
    }
    Ok(value.slice(1..))
}

/// A chunk's bytes, without the zeros at its end.
pub(super) fn get(reads: &dyn Reads, prefix: &[u8], number: u64) -> Result<Bytes> {
    reads.get(&row(prefix, number))?.map_or_else(|| Ok(Bytes::new()), |value| decode(&value))
}

/// Visits what is stored of some of the bytes, in order: where it begins, and what it is. Between lie zeros.
pub(super) fn each(
    reads: &dyn Reads,
    prefix: &[u8],
    range: Range<u64>,
    visit: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let (first, last) = (range.start / CHUNK_BYTES, (range.end - 1) / CHUNK_BYTES);
    let mut show = |number: u64, bytes: &[u8]| {
        let at = number * CHUNK_BYTES;
        let skipped = range.start.saturating_sub(at) as usize;
        let end = (range.end - at).min(bytes.len() as u64) as usize;
        match bytes.get(skipped..end) {
            Some(wanted) if !wanted.is_empty() => visit(at + skipped as u64, wanted),
            _ => ControlFlow::Continue(()),
        }
    };
    if first == last {
        let _ = show(first, &get(reads, prefix, first)?);
        return Ok(());
    }
    if reads.tier() == Tier::Cached && last - first >= CHUNKS_INLINE_MAX {
        return Err(Error::WouldWait(None));
    }
    let (from, to) = (row(prefix, first), row(prefix, last));
    let mut scan = reads.scan(Bound::Included(&from), Bound::Included(&to));
    scan.first()?;
    while scan.valid() {
        let number = scan.key().get(prefix.len() + 1..).and_then(|mut rest| take_ordered(&mut rest));
        let number = number.filter(|number| (first..=last).contains(number));
        let number = number.ok_or(Error::Damaged("the place of a string's chunk"))?;
        if show(number, &decode(&scan.value_bytes())?).is_break() {
            break;
        }
        scan.next()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_back_without_the_zeros_at_their_end() {
        assert_eq!(encode(b""), None);
        assert_eq!(encode(&[0; 100]), None);
        let value = encode(b"a\0b\0\0").unwrap();
        assert_eq!(&decode(&value).unwrap()[..], b"a\0b");
        for strange in [&b""[..], b"\x02a", &[1; CHUNK_BYTES as usize + 2]] {
            assert!(decode(&Bytes::copy_from_slice(strange)).is_err());
        }
    }
}
