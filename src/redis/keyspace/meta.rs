//! The meta row: what a key is, when it is due, and, while that is small, what it holds.
//!
//! ```text
//! meta   := version 1 ‖ flags << 4 | type ‖ [deadline] ‖ [elements due] ‖ [armed] ‖ body
//! flags  := 1 deadline | 2 elements due | 4 armed | 8 owned              times: varint, Unix milliseconds
//! body   := contents                                              a string; a collection: collection/inline.rs
//!         | varint home ‖ varint id ‖ varint length ‖ head        owned: elements have rows of their own, or
//!                                                                 a string's chunks: contents/rows.rs
//! owner row's value := version 1 ‖ varint home ‖ varint id
//! ```
//!
//! *Elements due* is no later than the earliest deadline of an element. *Due* is the earlier of the two times; an index
//! row lies at it, or at *armed* where that is given, which is then before it.

use bytes::Bytes;

use super::{ELEMENT, space_prefix};
use crate::codec::varint;
use crate::store::{Error, Result, put_ordered};

const VERSION: u8 = 1;
const DEADLINE: u8 = 1;
const ELEMENTS_DUE: u8 = 2;
const ARMED: u8 = 4;
const OWNED: u8 = 8;

/// A key's type. The numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Type {
    /// A string.
    String = 0,
    /// A list.
    List = 1,
    /// A set.
    Set = 2,
    /// A sorted set.
    SortedSet = 3,
    /// A hash.
    Hash = 4,
    /// A stream.
    Stream = 5,
}

impl Type {
    /// What TYPE calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
        }
    }

    /// Whether a key of it lives on when its last element goes.
    pub fn may_be_empty(self) -> bool {
        self == Self::Stream
    }

    fn from_u8(byte: u8) -> Option<Self> {
        [Self::String, Self::List, Self::Set, Self::SortedSet, Self::Hash, Self::Stream]
            .get(usize::from(byte))
            .copied()
    }
}

/// Who owns element rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The keyspace below which they lie.
    pub home: u64,
    /// Never given out twice.
    pub id: u64,
}

impl Owner {
    /// The prefix of all element rows.
    pub(crate) fn prefix(self) -> Vec<u8> {
        let mut prefix = space_prefix(self.home);
        prefix.push(ELEMENT);
        put_ordered(&mut prefix, self.id);
        prefix
    }

    /// The value of an owner row.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = vec![VERSION];
        varint::put_u64(&mut out, self.home);
        varint::put_u64(&mut out, self.id);
        out
    }

    /// Reads an owner row's value.
    pub(crate) fn decode(value: &[u8]) -> Result<Self> {
        let take = |mut rest: &[u8]| {
            (varint::take_slice(&mut rest, 1)? == [VERSION]).then_some(())?;
            Some(Self { home: varint::take_u64(&mut rest)?, id: varint::take_u64(&mut rest)? })
        };
        take(value).ok_or(Error::Damaged("an owner row"))
    }
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A string's contents, or a small collection whole.
    Inline(Bytes),
    /// Elements in rows of their own.
    Owned {
        /// Whose.
        owner: Owner,
        /// How many in the first plane, those due included; of a string, how many bytes.
        len: u64,
        /// What the type keeps beside its elements.
        head: Bytes,
    },
}

/// A meta row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The type.
    pub kind: Type,
    /// When the key ceases to exist.
    pub deadline_ms: Option<u64>,
    /// No later than the first deadline of an element.
    pub elements_due_ms: Option<u64>,
    /// Where the index row lies, if not at [`Meta::due_ms`] but before.
    pub armed_ms: Option<u64>,
    /// The contents.
    pub body: Body,
}

impl Meta {
    /// A string.
    pub fn string(contents: Bytes, deadline_ms: Option<u64>) -> Self {
        let body = Body::Inline(contents);
        Self { kind: Type::String, deadline_ms, elements_due_ms: None, armed_ms: None, body }
    }

    /// Whether the key no longer exists.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.deadline_ms.is_some_and(|deadline| deadline <= now_ms)
    }

    /// When the reaper must look at it.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.deadline_ms.into_iter().chain(self.elements_due_ms).min()
    }

    /// Where its index row lies.
    pub(crate) fn index_ms(&self) -> Option<u64> {
        self.due_ms().map(|due| self.armed_ms.unwrap_or(due))
    }

    /// Who owns its elements, if they have rows.
    pub fn owner(&self) -> Option<Owner> {
        match self.body {
            Body::Inline(_) => None,
            Body::Owned { owner, .. } => Some(owner),
        }
    }

    /// The bytes on disk.
    #[cfg(test)]
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.encode_with(&[])
    }

    /// The bytes on disk, with more contents behind those it has: so that a string need not be copied into a body.
    pub(crate) fn encode_with(&self, more: &[u8]) -> Vec<u8> {
        let body = match &self.body {
            Body::Inline(contents) => contents.len(),
            Body::Owned { head, .. } => 30 + head.len(),
        };
        let mut out = Vec::with_capacity(32 + body + more.len());
        out.extend_from_slice(&[VERSION, 0]);
        let mut flags = 0;
        let times =
            [(DEADLINE, self.deadline_ms), (ELEMENTS_DUE, self.elements_due_ms), (ARMED, self.armed_ms)];
        for (flag, time) in times {
            if let Some(time) = time {
                flags |= flag;
                varint::put_u64(&mut out, time);
            }
        }
        match &self.body {
            Body::Inline(contents) => out.extend_from_slice(contents),
            Body::Owned { owner, len, head } => {
                flags |= OWNED;
                varint::put_u64(&mut out, owner.home);
                varint::put_u64(&mut out, owner.id);
                varint::put_u64(&mut out, *len);
                out.extend_from_slice(head);
            }
        }
        out.extend_from_slice(more);
        out[1] = flags << 4 | self.kind as u8;
        out
    }

    /// Reads a meta row's value; contents are shared with it.
    pub(crate) fn decode(value: &Bytes) -> Result<Self> {
        Self::take(value).ok_or(Error::Damaged("a key's meta row"))
    }

    fn take(value: &Bytes) -> Option<Self> {
        let mut rest = &value[..];
        let (&[version, second], body) = rest.split_first_chunk::<2>()?;
        rest = body;
        (version == VERSION).then_some(())?;
        let kind = Type::from_u8(second & 0x0F)?;
        let flags = second >> 4;
        let mut time = |flag: u8| {
            if flags & flag == 0 { Some(None) } else { varint::take_u64(&mut rest).map(Some) }
        };
        let (deadline_ms, elements_due_ms, armed_ms) = (time(DEADLINE)?, time(ELEMENTS_DUE)?, time(ARMED)?);
        let body = if flags & OWNED == 0 {
            Body::Inline(value.slice(value.len() - rest.len()..))
        } else {
            let owner = Owner { home: varint::take_u64(&mut rest)?, id: varint::take_u64(&mut rest)? };
            let len = varint::take_u64(&mut rest)?;
            Body::Owned { owner, len, head: value.slice(value.len() - rest.len()..) }
        };
        Some(Self { kind, deadline_ms, elements_due_ms, armed_ms, body })
    }

    /// A meta row's type alone, from its bytes.
    pub(crate) fn peek_type(value: &[u8]) -> Option<Type> {
        value.get(1).and_then(|second| Type::from_u8(second & 0x0F))
    }

    /// Whether elements may be due, from a meta row's bytes.
    pub(crate) fn peek_has_due_elements(value: &[u8]) -> bool {
        value.get(1).is_some_and(|second| second >> 4 & ELEMENTS_DUE != 0)
    }

    /// A meta row's deadline alone, from its bytes.
    pub(crate) fn peek_deadline_ms(value: &[u8]) -> Option<u64> {
        let (&[version, second], mut rest) = value.split_first_chunk::<2>()?;
        (version == VERSION && second >> 4 & DEADLINE != 0).then_some(())?;
        varint::take_u64(&mut rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_rows_come_back() {
        let owned = Body::Owned {
            owner: Owner { home: 3, id: 70_000 },
            len: 5_000_000,
            head: Bytes::from_static(b"head"),
        };
        for body in [Body::Inline(Bytes::new()), Body::Inline(Bytes::from_static(b"contents")), owned] {
            for times in 0..8_u64 {
                let time = |bit: u64| (times & bit != 0).then_some(1_700_000_000_000 + bit);
                let meta = Meta {
                    kind: Type::Hash,
                    deadline_ms: time(1),
                    elements_due_ms: time(2),
                    armed_ms: time(4),
                    body: body.clone(),
                };
                let value = Bytes::from(meta.encode());
                assert_eq!(Meta::decode(&value).unwrap(), meta);
                assert_eq!(Meta::peek_deadline_ms(&value), meta.deadline_ms);
            }
        }
    }

    #[test]
    fn strange_bytes_are_refused() {
        for bytes in [&b""[..], b"\x01", b"\x02\x00", b"\x01\x0F", b"\x01\x10", b"\x01\x84\x01"] {
            assert!(Meta::decode(&Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
    }
}
