//! A segment: a few hundred bytes of neighbouring elements.

use super::super::error::{Error, Result};
use super::delta::{self, Change, Kind};
use crate::codec::varint;

const VERSION: u8 = 0x10;

/// What an entry adds to its subkey and value, as an estimate, in bytes.
const ENTRY_BYTES: usize = 2;

/// Where in its plane a segment grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Start,
    Neither,
    End,
}

/// A segment, taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    /// All subkeys and values, one after the other.
    bytes: Vec<u8>,
    /// Where each entry begins, where its value begins, and where it ends.
    entries: Vec<(u32, u32, u32)>,
}

impl Segment {
    /// How many elements an encoded segment holds.
    pub(super) fn count(value: &[u8]) -> Result<u32> {
        head(value).map(|(count, _)| count).ok_or(Error::Damaged("a segment"))
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self> {
        let mut segment = Self::default();
        each(value, |shared, rest, value| {
            let start = segment.bytes.len();
            if let Some(&(before, end, _)) = segment.entries.last() {
                let end = (before as usize + shared).min(end as usize);
                segment.bytes.extend_from_within(before as usize..end);
            }
            segment.bytes.extend_from_slice(rest);
            let middle = segment.bytes.len();
            segment.bytes.extend_from_slice(value);
            segment.entries.push((start as u32, middle as u32, segment.bytes.len() as u32));
        })?;
        Ok(segment)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.byte_len());
        out.push(VERSION);
        varint::put_u64(&mut out, self.len() as u64);
        let mut before: &[u8] = &[];
        for (subkey, value) in self.iter() {
            let shared = shared(subkey, before);
            let rest = &subkey[shared..];
            out.push((shared.min(15) << 4 | rest.len().min(15)) as u8);
            for length in [shared, rest.len()] {
                if length >= 15 {
                    varint::put_u64(&mut out, length as u64);
                }
            }
            out.extend_from_slice(rest);
            varint::put_bytes(&mut out, value);
            before = subkey;
        }
        out
    }

    /// Makes the changes of a delta.
    pub(super) fn apply_delta(&mut self, separator: &[u8], delta: &[u8]) -> Result<()> {
        let mut subkey = Vec::new();
        delta::each(delta, |kind, shared, rest, value| {
            subkey.clear();
            subkey.extend_from_slice(separator.get(..shared)?);
            subkey.extend_from_slice(rest);
            self.apply(&Change { kind, subkey: &subkey, value });
            Some(())
        })
    }

    pub(super) fn apply(&mut self, change: &Change<'_>) {
        if change.kind == Kind::Removed {
            self.remove(change.subkey);
        } else {
            self.insert(change.subkey, change.value);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// About how long it is on disk, before neighbours share what they begin with.
    pub(super) fn byte_len(&self) -> usize {
        let used: usize = self.entries.iter().map(|&(start, _, end)| (end - start) as usize).sum();
        used + self.entries.len() * ENTRY_BYTES
    }

    fn subkey(&self, (start, middle, _): (u32, u32, u32)) -> &[u8] {
        self.bytes.get(start as usize..middle as usize).unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> + ExactSizeIterator {
        self.entries.iter().map(|&entry| {
            let value = self.bytes.get(entry.1 as usize..entry.2 as usize).unwrap_or_default();
            (self.subkey(entry), value)
        })
    }

    pub(super) fn find(&self, subkey: &[u8]) -> std::result::Result<usize, usize> {
        self.entries.binary_search_by(|&entry| self.subkey(entry).cmp(subkey))
    }

    pub(super) fn value(&self, at: usize) -> &[u8] {
        self.iter().nth(at).map_or(&[], |(_, value)| value)
    }

    pub(super) fn is_first(&self, subkey: &[u8]) -> bool {
        self.entries.first().is_some_and(|&entry| self.subkey(entry) == subkey)
    }

    pub(super) fn is_last(&self, subkey: &[u8]) -> bool {
        self.entries.last().is_some_and(|&entry| self.subkey(entry) == subkey)
    }

    fn insert(&mut self, subkey: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(subkey);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        let entry = (start as u32, middle as u32, self.bytes.len() as u32);
        match self.find(subkey) {
            Ok(at) => self.entries[at] = entry,
            Err(at) => self.entries.insert(at, entry),
        }
    }

    fn remove(&mut self, subkey: &[u8]) {
        if let Ok(at) = self.find(subkey) {
            self.entries.remove(at);
        }
    }

    pub(super) fn remove_range(&mut self, from: usize, to: usize) {
        self.entries.drain(from..to);
    }

    /// Before which entry to split, so that one part is as large as it may be: the left one if at the end, the right
    /// one if at the start; else both alike. Neither is empty. There must be two entries.
    pub(super) fn split_point(&self, edge: Edge, bytes_max: usize) -> usize {
        let left_max = match edge {
            Edge::Start => self.byte_len().saturating_sub(bytes_max),
            Edge::Neither => self.byte_len() / 2,
            Edge::End => bytes_max,
        };
        let mut bytes = 0;
        let at = self.entries.iter().position(|&(start, _, end)| {
            let before = bytes;
            bytes += (end - start) as usize + ENTRY_BYTES;
            if edge == Edge::Start { before >= left_max } else { bytes > left_max }
        });
        at.unwrap_or(1).clamp(1, self.len().max(2) - 1)
    }

    /// Keeps the entries before `at`; the others, and what separates them.
    pub(super) fn split(&mut self, at: usize) -> (Vec<u8>, Self) {
        let right = Self { bytes: self.bytes.clone(), entries: self.entries.split_off(at) };
        let last = self.entries.last().map_or(&[][..], |&entry| self.subkey(entry));
        let first = right.entries.first().map_or(&[][..], |&entry| right.subkey(entry));
        // The shortest that is above what stays.
        let shared = shared(first, last);
        let separator = first.get(..=shared).unwrap_or(first).to_vec();
        (separator, right)
    }

    /// This one's entries, then the other's.
    pub(super) fn joined(&self, other: &Self) -> Self {
        let shift = self.bytes.len() as u32;
        let moved = other.entries.iter().map(|&(a, b, c)| (a + shift, b + shift, c + shift));
        Self {
            bytes: [&self.bytes[..], &other.bytes].concat(),
            entries: self.entries.iter().copied().chain(moved).collect(),
        }
    }
}

/// How many bytes two subkeys begin with alike.
pub(super) fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The count, and the bytes of the entries.
fn head(value: &[u8]) -> Option<(u32, &[u8])> {
    let (&version, mut rest) = value.split_first()?;
    (version == VERSION).then_some(())?;
    let count = u32::try_from(varint::take_u64(&mut rest)?).ok()?;
    Some((count, rest))
}

/// Visits the entries of an encoded segment: bytes shared with the subkey before, the rest of the subkey, the value.
fn each(value: &[u8], mut visit: impl FnMut(usize, &[u8], &[u8])) -> Result<()> {
    let mut take = || {
        let (count, mut rest) = head(value)?;
        for _ in 0..count {
            let (&lengths, after) = rest.split_first()?;
            rest = after;
            let mut length = |short: u8| {
                if short < 15 {
                    Some(usize::from(short))
                } else {
                    usize::try_from(varint::take_u64(&mut rest)?).ok()
                }
            };
            let (shared, own) = (length(lengths >> 4)?, length(lengths & 15)?);
            let own = varint::take_slice(&mut rest, own)?;
            visit(shared, own, varint::take_bytes(&mut rest)?);
        }
        rest.is_empty().then_some(())
    };
    take().ok_or(Error::Damaged("a segment"))
}
