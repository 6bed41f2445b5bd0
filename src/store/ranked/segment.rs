//! A segment: a few hundred bytes of neighbouring elements.

use super::super::error::{Error, Result};
use super::delta::{self, Change, Cut, Kind, Step};
use crate::codec::varint;

const VERSION: u8 = 0x10;

/// What an entry adds to its subkey and value, as an estimate, in bytes.
const ENTRY_BYTES: usize = 2;

/// Room for subkeys when a segment is read, at most, in bytes; where that is too little, more is made.
const SUBKEY_BYTES: usize = 1024;

/// Where in its plane a segment grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Start,
    Neither,
    End,
}

/// Where in a segment's bytes an element's subkey and value lie.
#[derive(Clone, Copy, Debug)]
struct Entry {
    subkey: (u32, u32),
    value: (u32, u32),
}

impl Entry {
    /// About how long it is on disk.
    fn byte_len(self) -> usize {
        (self.subkey.1 - self.subkey.0 + self.value.1 - self.value.0) as usize + ENTRY_BYTES
    }
}

/// A segment, taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    /// Its row as it was read, in which the values lie; then subkeys, and what came later.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// What is gone of the row it was read from; `None` if it differs in any other way.
    cut: Option<Cut>,
}

impl Segment {
    /// How many elements an encoded segment holds.
    pub(super) fn count(value: &[u8]) -> Result<u32> {
        head(value).map(|(count, _)| count).ok_or(Error::Damaged("a segment"))
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self> {
        // An entry takes two bytes at least, whatever is said of how many there are.
        let count = (Self::count(value)? as usize).min(value.len() / ENTRY_BYTES);
        let mut bytes = Vec::with_capacity(value.len() + value.len().min(SUBKEY_BYTES));
        bytes.extend_from_slice(value);
        let mut entries: Vec<Entry> = Vec::with_capacity(count);
        let mut before = (0, 0);
        each(value, |shared, rest, value| {
            let start = bytes.len() as u32;
            bytes.extend_from_within(
                before.0 as usize..(before.0 as usize).saturating_add(shared).min(before.1 as usize),
            );
            bytes.extend_from_slice(rest);
            before = (start, bytes.len() as u32);
            entries.push(Entry { subkey: before, value });
        })?;
        Ok(Self { bytes, entries, cut: Some(Cut::default()) })
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
        delta::each(delta, |step| {
            match step {
                Step::Change { kind, shared, rest, value } => {
                    subkey.clear();
                    subkey.extend_from_slice(separator.get(..shared)?);
                    subkey.extend_from_slice(rest);
                    self.apply(&Change { kind, subkey: &subkey, value });
                }
                Step::Cut(Cut { first, last }) => {
                    let (first, last) = (first as usize, last as usize);
                    let kept = self.len().checked_sub(first.checked_add(last)?)?;
                    self.remove_range(first + kept, self.len());
                    self.remove_range(0, first);
                }
            }
            Some(())
        })
    }

    /// It is what its row holds from now on.
    pub(super) fn written(mut self) -> Self {
        self.cut = Some(Cut::default());
        self
    }

    /// How much memory it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// What is gone of the row it was read from, if nothing else has changed.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.cut
    }

    pub(super) fn apply(&mut self, change: &Change<'_>) {
        self.cut = None;
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
        self.entries.iter().map(|entry| entry.byte_len()).sum()
    }

    fn slice(&self, (start, end): (u32, u32)) -> &[u8] {
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    fn subkey(&self, entry: Entry) -> &[u8] {
        self.slice(entry.subkey)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> + ExactSizeIterator {
        self.entries.iter().map(|entry| (self.slice(entry.subkey), self.slice(entry.value)))
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
        let (start, middle, end) = (start as u32, middle as u32, self.bytes.len() as u32);
        let entry = Entry { subkey: (start, middle), value: (middle, end) };
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
        let (gone, is_end) = ((to - from) as u32, to == self.len());
        self.cut = self.cut.filter(|_| from == 0 || is_end);
        if let Some(cut) = &mut self.cut {
            *(if is_end { &mut cut.last } else { &mut cut.first }) += gone;
        }
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
        let at = self.entries.iter().position(|entry| {
            let before = bytes;
            bytes += entry.byte_len();
            if edge == Edge::Start { before >= left_max } else { bytes > left_max }
        });
        at.unwrap_or(1).clamp(1, self.len().max(2) - 1)
    }

    /// Keeps the entries before `at`; the others, and what separates them.
    pub(super) fn split(&mut self, at: usize) -> (Vec<u8>, Self) {
        self.cut = None;
        let right = Self { bytes: self.bytes.clone(), entries: self.entries.split_off(at), cut: None };
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
        let shifted = |(start, end)| (start + shift, end + shift);
        let moved = other
            .entries
            .iter()
            .map(|entry| Entry { subkey: shifted(entry.subkey), value: shifted(entry.value) });
        Self {
            bytes: [&self.bytes[..], &other.bytes].concat(),
            entries: self.entries.iter().copied().chain(moved).collect(),
            cut: None,
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

/// Visits the entries of an encoded segment: bytes shared with the subkey before, the rest of the subkey, and where in
/// the encoding the value lies.
fn each(encoded: &[u8], mut visit: impl FnMut(usize, &[u8], (u32, u32))) -> Result<()> {
    let mut take = || {
        let len = u32::try_from(encoded.len()).ok()?;
        let (count, mut rest) = head(encoded)?;
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
            let value = varint::take_bytes(&mut rest)?;
            let end = len - rest.len() as u32;
            visit(shared, own, (end - value.len() as u32, end));
        }
        rest.is_empty().then_some(())
    };
    take().ok_or(Error::Damaged("a segment"))
}
