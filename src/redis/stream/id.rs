//! The id of an entry: milliseconds and a sequence number within them, written `ms-seq`, in order on disk.
//!
//! ```text
//! id      := ms (8 bytes, big-endian) ‖ seq (8 bytes, big-endian)
//! written := ms [‘-’ seq]              decimal; what is missing is 0, or the largest where a range ends
//! ```

use crate::redis::error::{Error, Result};
use crate::redis::number;
use crate::redis::protocol::reply::Reply;

/// Bytes of an id on disk.
pub(crate) const ID_BYTES: usize = 16;

/// The longest text that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 127;

/// An entry's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    /// Unix milliseconds, as a rule.
    pub(crate) ms: u64,
    /// Which one within them.
    pub(crate) seq: u64,
}

/// What XADD may be given for an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`
    Auto,
    /// `ms-*`
    AutoSeq(u64),
    /// `ms-seq`
    Given(Id),
}

impl Id {
    pub(crate) const MIN: Self = Self { ms: 0, seq: 0 };
    pub(crate) const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// The id after this one.
    pub(crate) fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id before this one.
    pub(super) fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// As it stands in row keys.
    pub(crate) fn bytes(self) -> [u8; ID_BYTES] {
        let mut bytes = [0; ID_BYTES];
        let (ms, seq) = bytes.split_at_mut(8);
        ms.copy_from_slice(&self.ms.to_be_bytes());
        seq.copy_from_slice(&self.seq.to_be_bytes());
        bytes
    }

    /// The id that ends a row key.
    pub(crate) fn from_bytes(key: &[u8]) -> Option<Self> {
        let (rest, seq) = key.split_last_chunk::<8>()?;
        let (_, ms) = rest.split_last_chunk::<8>()?;
        Some(Self { ms: u64::from_be_bytes(*ms), seq: u64::from_be_bytes(*seq) })
    }

    /// Writes it as a bulk string.
    pub(super) fn tell(self, reply: &mut Reply) {
        reply.bulk(self.text().as_bytes());
    }

    /// As it is written.
    pub(super) fn text(self) -> String {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        [ms.format(self.ms), "-", seq.format(self.seq)].concat()
    }
}

fn invalid() -> Error {
    Error::text("ERR Invalid stream ID specified as stream command argument")
}

/// An id; `-` and `+` are none.
pub(super) fn strict(text: &[u8], missing_seq: u64) -> Result<Id> {
    parse(text, missing_seq).ok_or_else(invalid)
}

/// An id, or `-` or `+` for the least and the greatest.
pub(super) fn lax(text: &[u8], missing_seq: u64) -> Result<Id> {
    match text {
        b"-" => Ok(Id::MIN),
        b"+" => Ok(Id::MAX),
        _ => strict(text, missing_seq),
    }
}

/// An id to be added.
pub(super) fn new(text: &[u8]) -> Result<NewId> {
    if text == b"*" {
        return Ok(NewId::Auto);
    }
    if let Some(ms) = text.strip_suffix(b"-*") {
        let ms = part(ms).filter(|_| text.len() <= TEXT_BYTES_MAX);
        return Ok(NewId::AutoSeq(ms.ok_or_else(invalid)?));
    }
    Ok(NewId::Given(strict(text, 0)?))
}

/// Where a range begins: an id, `-`, `+`, or `(` and an id that does not belong to it.
pub(super) fn start(text: &[u8]) -> Result<Id> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => {
            strict(rest, 0)?.next().ok_or_else(|| Error::text("ERR invalid start ID for the interval"))
        }
        _ => lax(text, 0),
    }
}

/// Where a range ends.
pub(super) fn end(text: &[u8]) -> Result<Id> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => strict(rest, u64::MAX)?
            .previous()
            .ok_or_else(|| Error::text("ERR invalid end ID for the interval")),
        _ => lax(text, u64::MAX),
    }
}

fn parse(text: &[u8], missing_seq: u64) -> Option<Id> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    match text.iter().position(|&c| c == b'-') {
        Some(dash) => {
            let (ms, seq) = text.split_at_checked(dash)?;
            Some(Id { ms: part(ms)?, seq: part(seq.get(1..)?)? })
        }
        None => Some(Id { ms: part(text)?, seq: missing_seq }),
    }
}

/// A number that, unlike elsewhere, may have a plus sign and leading zeros.
fn part(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    let zeros = digits.iter().take_while(|&&c| c == b'0').count();
    number::parse_u64(digits.get(zeros.min(digits.len().saturating_sub(1))..)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_strictly() {
        let id = |ms, seq| Id { ms, seq };
        for (text, wanted) in [("1-2", Some(id(1, 2))), ("7", Some(id(7, 9))), ("00-+0", Some(id(0, 0)))] {
            assert_eq!(strict(text.as_bytes(), 9).ok(), wanted);
        }
        for bad in [
            "",
            "-",
            "+",
            "1-",
            "-1",
            "1-2-3",
            "a",
            "1-a",
            "1--1",
            " 1",
            "+",
            "++1",
            "18446744073709551616",
            "1-*",
        ] {
            assert!(strict(bad.as_bytes(), 0).is_err(), "{bad}");
        }
        assert_eq!(new(b"5-*").ok(), Some(NewId::AutoSeq(5)));
        assert_eq!(start(b"(1-18446744073709551615").ok(), Some(id(2, 0)));
        assert_eq!(end(b"(1-0").ok(), Some(id(0, u64::MAX)));
        assert!(start(format!("({}", Id::MAX.text()).as_bytes()).is_err());
        assert!(end(b"(0-0").is_err());
        assert!(start(b"(-").is_err() && start(b"(").is_err());
    }

    #[test]
    fn bytes_keep_the_order() {
        let mut ids = [(0, 0), (0, 1), (0, u64::MAX), (1, 0), (255, 3), (256, 0), (u64::MAX, u64::MAX)]
            .map(|(ms, seq)| Id { ms, seq });
        ids.reverse();
        ids.sort_by_key(|id| id.bytes());
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| Id::from_bytes(&id.bytes()) == Some(*id)));
        assert!(ids.iter().all(|id| id.next().is_none_or(|next| next.previous() == Some(*id))));
    }
}
