//! A HyperLogLog as Redis keeps it in a string, byte by byte.
//!
//! ```text
//! sketch   := "HYLL" ‖ 0 dense | 1 sparse ‖ 3 bytes ‖ cardinality ‖ registers
//! cardinality := 8 bytes, little-endian; stale if the highest bit is set
//! dense    := 16384 registers of 6 bits, the lowest bits first
//! sparse   := op*
//! op       := 00llllll                  l + 1 registers are zero
//!           | 01llllll llllllll         l + 1 registers are zero
//!           | 1vvvvvll                  l + 1 registers are v + 1
//! ```
//!
//! An element's hash names a register by its lowest 14 bits; the register keeps the longest run of zeros, plus one, that
//! was met in the other 50.

use std::borrow::Cow;
use std::ops::Range;

use super::estimate::{Histogram, estimate};
use super::hash::hash;
use crate::redis::error::{Error, Result};

/// How many registers there are.
pub(super) const REGISTERS: usize = 1 << INDEX_BITS;
/// How many bits of the hash are searched for zeros.
pub(super) const HASH_BITS: usize = 64 - INDEX_BITS;

const INDEX_BITS: usize = 14;
const MAGIC: &[u8] = b"HYLL";
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const ENCODING_AT: usize = 4;
const CARDINALITY_AT: usize = 8;
const HEAD_BYTES: usize = 16;
const DENSE_BYTES: usize = HEAD_BYTES + REGISTERS * 6 / 8;
/// A sparse sketch that would get larger becomes dense: Redis's `hll-sparse-max-bytes` by default.
const SPARSE_BYTES_MAX: usize = 3000;
const ZERO_LEN_MAX: usize = 64;
const VALUE_LEN_MAX: usize = 4;
const VALUE_MAX: u8 = 32;
const STALE: u8 = 0x80;

/// Every register in a byte of its own.
pub(super) type Registers = [u8; REGISTERS];

/// A sketch, borrowed until it is changed.
pub(super) struct Sketch<'a> {
    bytes: Cow<'a, [u8]>,
}

/// A run of equal registers in a sparse sketch.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Bytes that it takes.
    bytes: usize,
    pub(super) len: usize,
    pub(super) value: u8,
}

impl Run {
    /// The run at a place; `None` if there is none, or it is cut off.
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let first = *bytes.get(at)?;
        let low = usize::from(first & 0x3F);
        Some(match first >> 6 {
            0 => Self { bytes: 1, len: low + 1, value: 0 },
            1 => {
                let second = usize::from(*bytes.get(at + 1)?);
                Self { bytes: 2, len: (low << 8 | second) + 1, value: 0 }
            }
            _ => Self { bytes: 1, len: usize::from(first & 3) + 1, value: (first >> 2 & 0x1F) + 1 },
        })
    }

    /// Whether it is written in the form for many zeros.
    pub(super) fn is_long(&self) -> bool {
        self.bytes == 2
    }

    fn write(out: &mut Vec<u8>, value: u8, len: usize) {
        let less = len.wrapping_sub(1);
        match (value, len) {
            (_, 0) => {}
            (0, ..=ZERO_LEN_MAX) => out.push(less as u8),
            (0, _) => out.extend_from_slice(&[0x40 | (less >> 8) as u8, less as u8]),
            (value, _) => out.push(0x80 | (value - 1) << 2 | less as u8),
        }
    }
}

fn corrupt() -> Error {
    Error::text("INVALIDOBJ Corrupted HLL object detected")
}

/// Bytes at the beginning that say what it is and what was counted last.
pub(super) const HEAD: Range<u64> = 0..HEAD_BYTES as u64;

/// Whether a string of this length that begins with these bytes is a sketch.
pub(super) fn is_head(head: &[u8], len: u64) -> bool {
    let encoding = head.get(..HEAD_BYTES).and_then(|head| head.strip_prefix(MAGIC)?.first());
    encoding == Some(&SPARSE) || encoding == Some(&DENSE) && len == DENSE_BYTES as u64
}

/// Whether a sketch that begins with these bytes has every register in its place.
pub(super) fn is_dense(head: &[u8]) -> bool {
    head.get(ENCODING_AT) == Some(&DENSE)
}

/// The cardinality that was worked out last, if nothing has changed since.
pub(super) fn known_cardinality(head: &[u8]) -> Option<u64> {
    let bytes = head.get(CARDINALITY_AT..)?.first_chunk::<8>()?;
    (bytes[7] & STALE == 0).then(|| u64::from_le_bytes(*bytes))
}

/// Where a dense sketch says that its cardinality must be worked out again, and what to write there, unless it does.
pub(super) fn stale(head: &[u8]) -> Option<(u64, u8)> {
    let last = head.get(HEAD_BYTES - 1)?;
    (last & STALE == 0).then_some((HEAD_BYTES as u64 - 1, last | STALE))
}

/// The register of an element in a dense sketch.
pub(super) struct Register {
    at: usize,
    shift: usize,
    value: u8,
}

impl Register {
    /// That of an element.
    pub(super) fn of(element: &[u8]) -> Self {
        let (index, value) = place(element);
        Self::new(index, value)
    }

    fn new(index: usize, value: u8) -> Self {
        Self { at: HEAD_BYTES + index * 6 / 8, shift: index * 6 % 8, value }
    }

    /// The bytes that it lies in. The last register's second byte is not there.
    pub(super) fn bytes(&self) -> Range<u64> {
        self.at as u64..self.at as u64 + 2
    }

    /// What these bytes become; `None` if the register has as much.
    pub(super) fn raise(&self, bytes: &[u8]) -> Option<[u8; 2]> {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let old = u16::from_le_bytes([byte(0), byte(1)]);
        let (shift, value) = (self.shift, u16::from(self.value & 63));
        (u16::from(self.value) > old >> shift & 63)
            .then(|| (old & !(63 << shift) | value << shift).to_le_bytes())
    }
}

/// The register of an element, and what it asks it to be at least.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = hash(element);
    let run = (hash >> INDEX_BITS | 1 << HASH_BITS).trailing_zeros();
    (hash as usize % REGISTERS, run as u8 + 1)
}

impl<'a> Sketch<'a> {
    /// One that has met nothing.
    pub(super) fn new() -> Self {
        let mut bytes = [MAGIC, &[SPARSE], &[0; HEAD_BYTES - ENCODING_AT - 1]].concat();
        Run::write(&mut bytes, 0, REGISTERS);
        Self { bytes: bytes.into() }
    }

    /// The sketch in a string; `None` if that holds something else.
    pub(super) fn read(contents: &'a [u8]) -> Option<Self> {
        is_head(contents, contents.len() as u64).then_some(Self { bytes: contents.into() })
    }

    /// Whether every register has its place.
    pub(super) fn is_dense(&self) -> bool {
        is_dense(&self.bytes)
    }

    /// Whether it is no longer as it was read.
    pub(super) fn is_changed(&self) -> bool {
        matches!(self.bytes, Cow::Owned(_))
    }

    /// Its bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes.into_owned()
    }

    /// Meets an element; whether a register changed.
    pub(super) fn add(&mut self, element: &[u8]) -> Result<bool> {
        let (index, value) = place(element);
        self.raise(index, value)
    }

    /// Sets a register to a value that is greater than what it has; whether it is.
    pub(super) fn raise(&mut self, index: usize, value: u8) -> Result<bool> {
        if self.is_dense() { Ok(self.raise_dense(index, value)) } else { self.raise_sparse(index, value) }
    }

    /// Notes the cardinality.
    pub(super) fn set_cardinality(&mut self, cardinality: u64) {
        if let Some(bytes) = self.bytes.to_mut().get_mut(CARDINALITY_AT..HEAD_BYTES) {
            bytes.copy_from_slice(&cardinality.to_le_bytes());
        }
    }

    /// Notes that the cardinality must be worked out again.
    pub(super) fn set_stale(&mut self) {
        if let Some(last) = self.bytes.to_mut().get_mut(HEAD_BYTES - 1) {
            *last |= STALE;
        }
    }

    /// Works out how many different elements it met.
    pub(super) fn cardinality(&self) -> Result<u64> {
        let mut histogram: Histogram = [0; 64];
        self.each_run(|_, len, value| histogram[usize::from(value & 63)] += len as u32)?;
        Ok(estimate(&histogram))
    }

    /// Raises registers to what they are here.
    pub(super) fn merge_into(&self, registers: &mut Registers) -> Result {
        self.each_run(|index, len, value| {
            if value > 0 {
                registers[index..index + len]
                    .iter_mut()
                    .for_each(|register| *register = value.max(*register));
            }
        })
    }

    /// Gives every register its place.
    pub(super) fn make_dense(&mut self) -> Result {
        if self.is_dense() {
            return Ok(());
        }
        let mut dense = vec![0; DENSE_BYTES];
        dense[..HEAD_BYTES].copy_from_slice(self.bytes.get(..HEAD_BYTES).ok_or_else(corrupt)?);
        dense[ENCODING_AT] = DENSE;
        let mut dense = Sketch { bytes: dense.into() };
        self.each_run(|index, len, value| {
            for index in if value > 0 { index..index + len } else { 0..0 } {
                dense.raise_dense(index, value);
            }
        })?;
        self.bytes = dense.bytes;
        Ok(())
    }

    /// The runs of a sparse sketch, as far as they go.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> {
        let mut at = HEAD_BYTES;
        std::iter::from_fn(move || {
            let run = Run::at(&self.bytes, at)?;
            at += run.bytes;
            Some(run)
        })
    }

    /// Visits all registers as (first, how many, value).
    fn each_run(&self, mut visit: impl FnMut(usize, usize, u8)) -> Result {
        let mut index = 0;
        if self.is_dense() {
            let (triples, _) = self.bytes.get(HEAD_BYTES..).unwrap_or_default().as_chunks::<3>();
            for &[a, b, c] in triples {
                let four = u32::from_le_bytes([a, b, c, 0]);
                for shift in [0, 6, 12, 18] {
                    visit(index, 1, (four >> shift) as u8 & 63);
                    index += 1;
                }
            }
            return Ok(());
        }
        for run in self.runs() {
            if index + run.len > REGISTERS {
                return Err(corrupt());
            }
            visit(index, run.len, run.value);
            index += run.len;
        }
        if index == REGISTERS { Ok(()) } else { Err(corrupt()) }
    }

    fn raise_dense(&mut self, index: usize, value: u8) -> bool {
        let place = Register::new(index, value);
        let Some(new) = place.raise(self.bytes.get(place.at..).unwrap_or_default()) else { return false };
        for (byte, new) in self.bytes.to_mut().iter_mut().skip(place.at).zip(new) {
            *byte = new;
        }
        true
    }

    fn raise_sparse(&mut self, index: usize, value: u8) -> Result<bool> {
        let (mut at, mut first, mut before) = (HEAD_BYTES, 0, None);
        let run = loop {
            let run = Run::at(&self.bytes, at).ok_or_else(corrupt)?;
            if index < first + run.len {
                break run;
            }
            before = Some(at);
            at += run.bytes;
            first += run.len;
        };
        if run.value >= value {
            return Ok(false);
        }
        let mut runs = Vec::with_capacity(5);
        if value <= VALUE_MAX {
            Run::write(&mut runs, run.value, index - first);
            Run::write(&mut runs, value, 1);
            Run::write(&mut runs, run.value, first + run.len - 1 - index);
        }
        let grows = runs.len() > run.bytes;
        if value > VALUE_MAX || grows && self.bytes.len() + runs.len() - run.bytes > SPARSE_BYTES_MAX {
            self.make_dense()?;
            return Ok(self.raise_dense(index, value));
        }
        let bytes = self.bytes.to_mut();
        bytes.splice(at..at + run.bytes, runs);
        join_runs(bytes, before.unwrap_or(HEAD_BYTES));
        Ok(true)
    }
}

/// Joins neighbouring runs of one value, where five are looked at: as many as one change can concern.
fn join_runs(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = Run::at(bytes, at) else { break };
        let next = Run::at(bytes, at + run.bytes).filter(|next| next.value > 0 && next.value == run.value);
        match next {
            Some(next) if run.len + next.len <= VALUE_LEN_MAX => {
                let mut joined = Vec::new();
                Run::write(&mut joined, run.value, run.len + next.len);
                bytes.splice(at..at + 2, joined);
            }
            _ => at += run.bytes,
        }
    }
}

/// How many different elements registers speak of.
pub(super) fn cardinality_of(registers: &Registers) -> u64 {
    let mut histogram: Histogram = [0; 64];
    for &register in registers {
        histogram[usize::from(register & 63)] += 1;
    }
    estimate(&histogram)
}
