//! What a stream remembers beside its entries: which ids there were, and how its entries lie in nodes.
//!
//! ```text
//! head  := version 1 ‖ last ‖ first ‖ deleted ‖ varint added ‖ varint next number ‖ varint closed ‖ [front] ‖ [back]
//! front := 1 ‖ node | 0
//! back  := 1 ‖ node ‖ varint entries, deleted ones included ‖ varint bytes | 0
//! node  := first ‖ last ‖ varint live                                                 an id: varint ms ‖ varint seq
//! ```
//!
//! *Nodes* are what Redis packs entries into: runs of up to 100. Here each entry is a row, but trimming with `~` shows
//! nodes, which go whole. The back one, which grows, and the front one, which is looked at by every trimming, lie in
//! the head, those between in rows.

use super::id::Id;
use crate::codec::varint;

const VERSION: u8 = 1;

/// A run of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// The id of its first entry, be that there still or not.
    pub(super) first: Id,
    /// The id of its last entry, be that there still or not.
    pub(super) last: Id,
    /// How many entries it has, not counting deleted ones. A node without any is none.
    pub(super) live: u64,
}

/// The node that grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Back {
    pub(super) node: Node,
    /// How many entries it ever had.
    pub(super) entries: u64,
    /// About how many bytes they take.
    pub(super) bytes: u64,
}

/// See above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The greatest id that was ever added, or as XSETID says.
    pub(crate) last: Id,
    /// The id of the first entry; 0-0 if there is none.
    pub(crate) first: Id,
    /// The greatest id that was ever deleted, otherwise than by trimming.
    pub(crate) deleted: Id,
    /// How many entries were ever added.
    pub(crate) added: u64,
    /// The next group's or consumer's number.
    pub(super) next_number: u64,
    /// How many nodes lie in rows.
    pub(super) closed: u64,
    /// The first node, unless it is the last one as well.
    pub(super) front: Option<Node>,
    /// The last node.
    pub(super) back: Option<Back>,
}

fn put_id(out: &mut Vec<u8>, id: Id) {
    varint::put_u64(out, id.ms);
    varint::put_u64(out, id.seq);
}

pub(super) fn take_id(bytes: &mut &[u8]) -> Option<Id> {
    Some(Id { ms: varint::take_u64(bytes)?, seq: varint::take_u64(bytes)? })
}

impl Node {
    fn put(self, out: &mut Vec<u8>) {
        put_id(out, self.first);
        put_id(out, self.last);
        varint::put_u64(out, self.live);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { first: take_id(bytes)?, last: take_id(bytes)?, live: varint::take_u64(bytes)? })
    }

    /// A node row's value.
    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    /// Reads a node row's value.
    pub(super) fn decode(mut value: &[u8]) -> Option<Self> {
        Self::take(&mut value)
    }
}

impl Head {
    /// The bytes on disk.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.push(VERSION);
        put_id(&mut out, self.last);
        put_id(&mut out, self.first);
        put_id(&mut out, self.deleted);
        varint::put_u64(&mut out, self.added);
        varint::put_u64(&mut out, self.next_number);
        varint::put_u64(&mut out, self.closed);
        out.push(u8::from(self.front.is_some()));
        if let Some(front) = self.front {
            front.put(&mut out);
        }
        out.push(u8::from(self.back.is_some()));
        if let Some(back) = self.back {
            back.node.put(&mut out);
            varint::put_u64(&mut out, back.entries);
            varint::put_u64(&mut out, back.bytes);
        }
        out
    }

    /// Reads the bytes on disk.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        (varint::take_slice(bytes, 1)? == [VERSION]).then_some(())?;
        let mut head = Self {
            last: take_id(bytes)?,
            first: take_id(bytes)?,
            deleted: take_id(bytes)?,
            added: varint::take_u64(bytes)?,
            next_number: varint::take_u64(bytes)?,
            closed: varint::take_u64(bytes)?,
            front: None,
            back: None,
        };
        if varint::take_slice(bytes, 1)? == [1] {
            head.front = Some(Node::take(bytes)?);
        }
        if varint::take_slice(bytes, 1)? == [1] {
            let node = Node::take(bytes)?;
            head.back =
                Some(Back { node, entries: varint::take_u64(bytes)?, bytes: varint::take_u64(bytes)? });
        }
        Some(head)
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> u64 {
        self.closed + u64::from(self.front.is_some()) + u64::from(self.back.is_some())
    }

    /// Whether entries at or after an id may have been deleted out of the middle of `len` entries.
    pub(super) fn has_holes_from(&self, id: Id, len: u64) -> bool {
        len > 0 && self.deleted != Id::MIN && self.first <= self.deleted && id <= self.deleted
    }

    /// How many entries were ever added up to an id, that included, as far as that can be told; of the entries `len`
    /// are left.
    pub(crate) fn added_until(&self, id: Id, len: u64) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if (len == 0 && id <= self.last) || id == self.last {
            return Some(self.added);
        }
        if id > self.last || (self.deleted != Id::MIN && self.deleted >= self.first) {
            return None;
        }
        match id.cmp(&self.first) {
            std::cmp::Ordering::Less => Some(self.added.saturating_sub(len)),
            std::cmp::Ordering::Equal => Some(self.added.saturating_sub(len) + 1),
            std::cmp::Ordering::Greater => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_come_back() {
        let id = |ms| Id { ms, seq: ms % 3 };
        let node = |ms| Node { first: id(ms), last: id(ms + 99), live: ms % 100 };
        for parts in 0..4 {
            let head = Head {
                last: id(1_700_000_000_123),
                first: id(5),
                deleted: Id::MAX,
                added: 1 << 40,
                next_number: 9,
                closed: 300,
                front: (parts & 1 != 0).then(|| node(12)),
                back: (parts & 2 != 0).then(|| Back { node: node(1 << 50), entries: 77, bytes: 4095 }),
            };
            assert_eq!(Head::decode(&head.encode()), Some(head.clone()));
            let bytes = head.encode();
            assert!((0..bytes.len()).all(|len| Head::decode(&bytes[..len]).is_none()));
        }
        assert_eq!(Head::decode(&Head::default().encode()), Some(Head::default()));
    }
}
