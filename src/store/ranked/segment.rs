//! A segment: a few hundred bytes of neighbouring elements.

use super::super::error::{Error, Result};
use crate::codec::varint;

const VERSION: u8 = 0x10;

/// What an entry adds to its subkey and value, as an estimate, in bytes.
const ENTRY_BYTES: usize = 2;

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
        let mut count = 0;
        each(value, |_, _, _| count += 1)?;
        Ok(count)
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
        let mut out = Vec::with_capacity(1 + self.byte_len());
        out.push(VERSION);
        let mut before: &[u8] = &[];
        for (subkey, value) in self.iter() {
            let shared = subkey.iter().zip(before).take_while(|(a, b)| a == b).count();
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

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|&entry| {
            let value = self.bytes.get(entry.1 as usize..entry.2 as usize).unwrap_or_default();
            (self.subkey(entry), value)
        })
    }

    pub(super) fn find(&self, subkey: &[u8]) -> std::result::Result<usize, usize> {
        self.entries.binary_search_by(|&entry| self.subkey(entry).cmp(subkey))
    }

    pub(super) fn is_last(&self, subkey: &[u8]) -> bool {
        self.entries.last().is_some_and(|&entry| self.subkey(entry) == subkey)
    }

    pub(super) fn insert(&mut self, subkey: &[u8], value: &[u8]) -> bool {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(subkey);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        let entry = (start as u32, middle as u32, self.bytes.len() as u32);
        match self.find(subkey) {
            Ok(at) => {
                self.entries[at] = entry;
                false
            }
            Err(at) => {
                self.entries.insert(at, entry);
                true
            }
        }
    }

    pub(super) fn remove(&mut self, subkey: &[u8]) -> bool {
        self.find(subkey).is_ok_and(|at| {
            self.entries.remove(at);
            true
        })
    }

    pub(super) fn remove_range(&mut self, from: usize, to: usize) {
        self.entries.drain(from..to);
    }

    /// The entry in the middle, by bytes; at least 1.
    pub(super) fn middle(&self) -> usize {
        let half = self.byte_len() / 2;
        let mut bytes = 0;
        let at = self.entries.iter().position(|&(start, _, end)| {
            bytes += (end - start) as usize + ENTRY_BYTES;
            bytes > half
        });
        at.unwrap_or(1).clamp(1, self.len().max(2) - 1)
    }

    /// Keeps the entries before `at`; the others, and what separates them.
    pub(super) fn split(&mut self, at: usize) -> (Vec<u8>, Self) {
        let right = Self { bytes: self.bytes.clone(), entries: self.entries.split_off(at) };
        let last = self.entries.last().map_or(&[][..], |&entry| self.subkey(entry));
        let first = right.entries.first().map_or(&[][..], |&entry| right.subkey(entry));
        // The shortest that is above what stays.
        let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
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

/// Visits the entries of an encoded segment: bytes shared with the subkey before, the rest of the subkey, the value.
fn each(value: &[u8], mut visit: impl FnMut(usize, &[u8], &[u8])) -> Result<()> {
    let mut take = || {
        let (&version, mut rest) = value.split_first()?;
        (version == VERSION).then_some(())?;
        while let Some((&lengths, after)) = rest.split_first() {
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
        Some(())
    };
    take().ok_or(Error::Damaged("a segment"))
}
