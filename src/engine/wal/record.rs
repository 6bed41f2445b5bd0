//! The framing that the log and the manifest share.
//!
//! ```text
//! record := head_crc u32 ‖ len u32 ‖ type u8 ‖ seqno u56 ‖ claim u64 ‖ body_crc u32 ‖ payload      little endian
//! claim  := offset u40 ‖ behind u24           everything before `offset` of the file numbered `file - behind`,
//!                                             and all of the files before that one, was on disk when this
//!                                             record was written; behind = 2^24 - 1: nothing is claimed
//! ```
//!
//! `head_crc` covers the database's salt, the file's number, the record's offset and the rest of the head;
//! `body_crc` (itself in the head) covers the payload. So a record that was copied, misdirected, or left over from
//! another file never validates, nor do zeros (type 0 does not exist), and one that a user stored as a value does
//! not pass for a record, because users do not know the salt. The head has a checksum of its own so that a scan
//! for records behind a damaged one costs one checksum of 52 bytes a position at most.

use crate::engine::key::{SEQNO_MAX, Seqno};

/// The bytes before the payload.
pub(crate) const HEAD: usize = 28;
/// The longest payload.
pub(crate) const PAYLOAD_MAX: usize = u32::MAX as usize;
/// No log grows past this, so that an offset fits a claim.
pub(crate) const OFFSET_MAX: u64 = (1 << 40) - 1;

const BEHIND_NONE: u64 = (1 << 24) - 1;

/// What a record is. The numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The first of a file: names the format and the file before.
    Open = 1,
    /// A batch.
    Batch = 2,
    /// Nothing but the claim.
    Mark = 3,
    /// A manifest edit.
    Edit = 4,
}

/// How far the files are known to be on disk: all files before `file`, and it up to `offset`.
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
}

/// A record's head, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) len: usize,
    pub(crate) seqno: Seqno,
    pub(crate) claim: Claim,
    body_crc: u32,
}

impl Place {
    /// The head for a payload at an offset; at most [`PAYLOAD_MAX`] bytes, at most [`OFFSET_MAX`].
    pub(crate) fn head(
        self,
        offset: u64,
        kind: Kind,
        seqno: Seqno,
        claim: Claim,
        len: usize,
        body_crc: u32,
    ) -> [u8; HEAD] {
        debug_assert!(seqno <= SEQNO_MAX && offset <= OFFSET_MAX && len <= PAYLOAD_MAX);
        let behind = self.file.wrapping_sub(claim.file);
        let claim = if behind < BEHIND_NONE { claim.offset | behind << 40 } else { BEHIND_NONE << 40 };
        let mut head = [0; HEAD];
        head[4..8].copy_from_slice(&(len as u32).to_le_bytes());
        head[8..16].copy_from_slice(&(seqno << 8 | kind as u64).to_le_bytes());
        head[16..24].copy_from_slice(&claim.to_le_bytes());
        head[24..28].copy_from_slice(&body_crc.to_le_bytes());
        let crc = self.head_crc(offset, &head);
        head[..4].copy_from_slice(&crc.to_le_bytes());
        head
    }

    fn head_crc(self, offset: u64, head: &[u8; HEAD]) -> u32 {
        let mut bytes = [0; 24 + HEAD - 4];
        bytes[..8].copy_from_slice(&self.salt.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.file.to_le_bytes());
        bytes[16..24].copy_from_slice(&offset.to_le_bytes());
        bytes[24..].copy_from_slice(&head[4..]);
        crc32fast::hash(&bytes)
    }

    /// The head at `offset` of a file's bytes; `None` unless it is whole, valid, and its payload lies within.
    pub(crate) fn read_head(self, bytes: &[u8], offset: usize) -> Option<Head> {
        let head: &[u8; HEAD] = bytes.get(offset..)?.first_chunk()?;
        let [
            crc @ ..,
            l0,
            l1,
            l2,
            l3,
            word,
            s1,
            s2,
            s3,
            s4,
            s5,
            s6,
            s7,
            c0,
            c1,
            c2,
            c3,
            c4,
            c5,
            c6,
            c7,
            b0,
            b1,
            b2,
            b3,
        ] = *head;
        let kind = match word {
            1 => Kind::Open,
            2 => Kind::Batch,
            3 => Kind::Mark,
            4 => Kind::Edit,
            _ => return None,
        };
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if len > bytes.len() - offset - HEAD {
            return None;
        }
        let claim = u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        let behind = claim >> 40;
        let claim = if behind == BEHIND_NONE {
            Claim::default()
        } else {
            Claim { file: self.file.checked_sub(behind)?, offset: claim & OFFSET_MAX }
        };
        if u32::from_le_bytes(crc) != self.head_crc(offset as u64, head) {
            return None;
        }
        let seqno = u64::from_le_bytes([s1, s2, s3, s4, s5, s6, s7, 0]);
        Some(Head { kind, len, seqno, claim, body_crc: u32::from_le_bytes([b0, b1, b2, b3]) })
    }

    /// The record at `offset`: its head and payload, if both are valid.
    pub(crate) fn read(self, bytes: &[u8], offset: usize) -> Option<(Head, &[u8])> {
        let head = self.read_head(bytes, offset)?;
        let start = offset + HEAD;
        let payload = bytes.get(start..start + head.len)?;
        (crc32fast::hash(payload) == head.body_crc).then_some((head, payload))
    }

    /// The furthest claim among the valid records that start at `offset` or behind it, wherever they lie.
    pub(crate) fn furthest_claim(self, bytes: &[u8], mut offset: usize) -> Claim {
        let mut furthest = Claim::default();
        while offset + HEAD <= bytes.len() {
            if let Some((head, _)) = self.read(bytes, offset) {
                furthest = furthest.max(head.claim);
                offset += HEAD + head.len;
            } else {
                offset += 1;
            }
        }
        furthest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { salt: 0x1234_5678_9ABC_DEF0, file: 9 };

    fn record(offset: u64, claim: Claim, payload: &[u8]) -> Vec<u8> {
        let crc = crc32fast::hash(payload);
        let mut out = PLACE.head(offset, Kind::Batch, 77, claim, payload.len(), crc).to_vec();
        out.extend_from_slice(payload);
        out
    }

    #[test]
    fn a_record_survives_the_round_trip() {
        for claim in [Claim::default(), Claim { file: 9, offset: 5 }, Claim { file: 3, offset: OFFSET_MAX }] {
            let bytes = record(0, claim, b"payload");
            let (head, payload) = PLACE.read(&bytes, 0).unwrap();
            assert_eq!(
                (head.kind, head.seqno, head.claim, payload),
                (Kind::Batch, 77, claim, &b"payload"[..])
            );
        }
        // Too far behind to say: nothing is claimed.
        let far = Place { file: 1 << 30, ..PLACE };
        let head = far.head(0, Kind::Mark, 1, Claim { file: 1, offset: 1 }, 0, 0);
        assert_eq!(far.read_head(&head, 0).unwrap().claim, Claim::default());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = record(0, Claim { file: 9, offset: 0 }, b"some payload");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(PLACE.read(&bad, 0).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_record_out_of_place_does_not_validate() {
        let bytes = record(0, Claim::default(), b"x");
        assert!(Place { file: 8, ..PLACE }.read(&bytes, 0).is_none());
        assert!(Place { salt: 1, ..PLACE }.read(&bytes, 0).is_none());
        let mut moved = vec![0; 3];
        moved.extend_from_slice(&bytes);
        assert!(PLACE.read(&moved, 3).is_none());
        for len in 0..bytes.len() {
            assert!(PLACE.read(&bytes[..len], 0).is_none());
            assert!(PLACE.read(&vec![0; len], 0).is_none());
        }
    }

    #[test]
    fn claims_behind_damage_are_found() {
        let mut bytes = vec![0xA5; 1000];
        bytes.extend(record(1000, Claim { file: 9, offset: 900 }, b"later"));
        bytes.extend([7; 10]);
        assert_eq!(PLACE.furthest_claim(&bytes, 0), Claim { file: 9, offset: 900 });
        assert_eq!(PLACE.furthest_claim(&bytes, 1001), Claim::default());
    }
}
