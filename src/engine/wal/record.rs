//! The framing that the log and the manifest share.
//!
//! ```text
//! record := head_crc u32 ‖ tag u8 ‖ len ‖ claim ‖ body_crc u32 ‖ payload (len bytes)              little endian
//! tag    := kind (3 bits, from the lowest) ‖ form of len (2) ‖ form of claim (2) ‖ parity (1): an odd number of ones
//! len    := nothing: 0, and no body_crc either | u8 | u16 | u32                                   forms 0 to 3
//! claim  := nothing: nothing is claimed
//!         | back u16 | back u32              this file was on disk up to `back` bytes before this record,
//!         | offset u40 ‖ behind u24          or the file numbered `file - behind` up to `offset`, and all files
//!                                            before that one, when this record was written
//! ```
//!
//! Of the forms that can say it the first is used, and no other is read: there is one way only to write a record.
//!
//! `head_crc` covers the database's salt, the file's number, the record's offset and the head from its tag on, filled with
//! zeros to 24 bytes; `body_crc` (itself in the head) covers the payload. So a record that was copied, misdirected, or
//! left over from another file never validates, nor do zeros (kind 0 does not exist), and one that a user stored as a
//! value does not pass for a record, because users do not know the salt. The head has a checksum of its own so that a
//! scan for records behind a damaged one costs one checksum of 32 bytes a position at most: that of salt and number is
//! known.
//!
//! The tag alone says where the fields lie, and has a parity of its own: a flipped bit in it is noticed by that. A flip
//! anywhere else leaves all other fields what they were, and no CRC is the same for two things that differ in one bit.

use std::ops::Deref;

/// The longest head.
pub(crate) const HEAD_MAX: usize = 4 + 1 + 4 + 8 + 4;
/// A head with zeros behind it: what is copied, since that is the quicker copy.
pub(crate) const HEAD_FILLED: usize = 24;
/// The longest payload.
pub(crate) const PAYLOAD_MAX: usize = u32::MAX as usize;
/// No log grows past this, so that an offset fits a claim.
pub(crate) const OFFSET_MAX: u64 = (1 << 40) - 1;

/// Files from this far behind on cannot be told of.
const BEHIND_END: u64 = 1 << 24;

/// What a record is. The numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The first of a file: names the format, the file before, and the commit that it goes on from.
    Open = 1,
    /// A batch: the commit after the one before it.
    Batch = 2,
    /// Nothing but the claim.
    Mark = 3,
    /// A manifest edit.
    Edit = 4,
}

impl Kind {
    fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Open),
            2 => Some(Self::Batch),
            3 => Some(Self::Mark),
            4 => Some(Self::Edit),
            _ => None,
        }
    }
}

/// How far the files are known to be on disk: all files before `file`, and it up to `offset`. No file has the number
/// 0: nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) file: u64,
    pub(crate) offset: u64,
}

/// Which file of which database: what every checksum is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) salt: u64,
    pub(crate) file: u64,
    /// The checksum of the salt and the file's number, for the others to go on from.
    seed: u32,
}

/// A record's head, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) claim: Claim,
    /// Its own length.
    bytes: usize,
    /// The payload's.
    len: usize,
    body_crc: u32,
}

impl Head {
    /// The length of the whole record.
    pub(crate) fn record_len(&self) -> usize {
        self.bytes + self.len
    }
}

/// A record's head, encoded.
pub(crate) struct HeadBytes {
    bytes: [u8; HEAD_FILLED],
    len: usize,
}

impl HeadBytes {
    /// With zeros behind it: a copy whose length is known is the cheaper one.
    pub(crate) fn filled(&self) -> &[u8; HEAD_FILLED] {
        &self.bytes
    }
}

impl Deref for HeadBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Bytes of a length in each of its forms; a claim takes twice as many.
fn width(form: u8) -> usize {
    (1 << form) >> 1
}

impl Place {
    pub(crate) fn new(salt: u64, file: u64) -> Self {
        let seed = crc32fast::hash([salt, file].map(u64::to_le_bytes).as_flattened());
        Self { salt, file, seed }
    }

    /// The head for a payload at an offset; at most [`PAYLOAD_MAX`] bytes, at most [`OFFSET_MAX`]. What it claims lies
    /// before it.
    pub(crate) fn head(self, offset: u64, kind: Kind, claim: Claim, len: usize, body_crc: u32) -> HeadBytes {
        debug_assert!(offset <= OFFSET_MAX && len <= PAYLOAD_MAX && (len > 0 || body_crc == 0));
        debug_assert!(claim <= Claim { file: self.file, offset });
        let len_form = match len {
            0 => 0,
            1..0x100 => 1,
            0x100..0x1_0000 => 2,
            _ => 3,
        };
        let (claim_form, claim) = self.claim_word(offset, claim);
        let tag = kind as u8 | len_form << 3 | claim_form << 5;
        let parity = !tag.count_ones() as u8 & 1;
        let (len_bytes, claim_bytes) = (width(len_form), 2 * width(claim_form));

        // Put together in registers: bytes stored one by one and loaded as words would be waited for.
        let (claim_at, crc_at) = (8 * len_bytes, 8 * (len_bytes + claim_bytes));
        let fields = len as u128 | u128::from(claim) << claim_at | u128::from(body_crc) << crc_at;
        let low = u64::from(tag | parity << 7) | (fields as u64) << 8;
        let (high, last) = ((fields >> 56) as u64, (fields >> 120) as u64);
        let mut hasher = crc32fast::Hasher::new_with_initial(self.seed);
        hasher.update([offset, low, high, last].map(u64::to_le_bytes).as_flattened());
        let crc = u64::from(hasher.finalize());

        let words = [crc | low << 32, low >> 32 | high << 32, high >> 32 | last << 32];
        let mut bytes = [0; HEAD_FILLED];
        bytes.copy_from_slice(words.map(u64::to_le_bytes).as_flattened());
        let len = 4 + 1 + len_bytes + claim_bytes + if len > 0 { 4 } else { 0 };
        HeadBytes { bytes, len }
    }

    /// The first form that can say it, and what is said.
    fn claim_word(self, offset: u64, claim: Claim) -> (u8, u64) {
        let behind = self.file.wrapping_sub(claim.file);
        let back = offset.wrapping_sub(claim.offset);
        if behind >= BEHIND_END || claim.file == 0 || claim > (Claim { file: self.file, offset }) {
            (0, 0)
        } else if behind > 0 || back >= 1 << 32 {
            (3, claim.offset | behind << 40)
        } else if back >= 1 << 16 {
            (2, back)
        } else {
            (1, back)
        }
    }

    fn claim_said(self, offset: u64, form: u8, word: u64) -> Option<Claim> {
        let claim = match form {
            0 => Claim::default(),
            3 => Claim { file: self.file.checked_sub(word >> 40)?, offset: word & OFFSET_MAX },
            _ => Claim { file: self.file, offset: offset.checked_sub(word)? },
        };
        // Nobody knows of what is yet to be written.
        (claim <= Claim { file: self.file, offset }).then_some(claim)
    }

    /// The head at `offset` of a file's bytes; `None` unless it is whole, valid, and its payload lies within.
    pub(crate) fn read_head(self, bytes: &[u8], offset: usize) -> Option<Head> {
        let record = bytes.get(offset..)?;
        let [_, _, _, _, tag, rest @ ..] = record else { return None };
        let (len_form, claim_form) = (tag >> 3 & 3, tag >> 5 & 3);
        let kind = Kind::from_u8(tag & 7)?;
        let rest = &mut &*rest;
        let len = take_word(rest, width(len_form))? as usize;
        let claim = self.claim_said(offset as u64, claim_form, take_word(rest, 2 * width(claim_form))?)?;
        let body_crc = if len > 0 { take_word(rest, 4)? as u32 } else { 0 };
        if len > rest.len() {
            return None;
        }
        // Checksum, parity, the right forms: there is one way only to write it.
        let right = self.head(offset as u64, kind, claim, len, body_crc);
        record.starts_with(&right).then_some(Head { kind, claim, bytes: right.len(), len, body_crc })
    }

    /// The record at `offset`: its head and payload, if both are valid.
    pub(crate) fn read(self, bytes: &[u8], offset: usize) -> Option<(Head, &[u8])> {
        let head = self.read_head(bytes, offset)?;
        let payload = bytes.get(offset + head.bytes..offset + head.record_len())?;
        (crc32fast::hash(payload) == head.body_crc).then_some((head, payload))
    }

    /// The furthest claim among the valid records that start at `offset` or behind it, wherever they lie.
    pub(crate) fn furthest_claim(self, bytes: &[u8], mut offset: usize) -> Claim {
        let mut furthest = Claim::default();
        while offset < bytes.len() {
            if let Some((head, _)) = self.read(bytes, offset) {
                furthest = furthest.max(head.claim);
                offset += head.record_len();
            } else {
                offset += 1;
            }
        }
        furthest
    }
}

/// Takes a number of so many bytes, at most eight, off the front.
fn take_word(bytes: &mut &[u8], width: usize) -> Option<u64> {
    let (taken, rest) = bytes.split_at_checked(width)?;
    *bytes = rest;
    Some(taken.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests;
