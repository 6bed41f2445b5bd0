//! What the manifest keeps of a table.
//!
//! ```text
//! meta := id size checksum(u32 LE) smallest largest seqno_min seqno_max entries tombstones raw_bytes expiring
//!         deadline{5} swept             numbers: varint; smallest, largest: varint length ‖ bytes
//! ```

use crate::codec::varint;
use crate::engine::key::Seqno;

/// A table: where it is, that it is the right one, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableMeta {
    /// The file's number.
    pub(crate) id: u64,
    /// The file's length in bytes.
    pub(crate) size: u64,
    /// The footer's checksum, which covers everything else through a chain: no other file has it.
    pub(crate) checksum: u32,
    /// The first user key.
    pub(crate) smallest: Vec<u8>,
    /// The last user key.
    pub(crate) largest: Vec<u8>,
    pub(crate) seqno_min: Seqno,
    pub(crate) seqno_max: Seqno,
    /// Rows, tombstones included.
    pub(crate) entries: u64,
    pub(crate) tombstones: u64,
    /// Bytes of keys and values before compression.
    pub(crate) raw_bytes: u64,
    /// Rows that have a deadline.
    pub(crate) expiring: u64,
    /// Of the rows with a deadline, in Unix milliseconds: the first, the quartiles, the last. Zeros if none.
    pub(crate) deadlines_ms: [u64; 5],
    /// Rows certified dead at or below this are not in here.
    pub(crate) swept: Seqno,
}

impl TableMeta {
    /// Appends the encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        varint::put_u64(out, self.id);
        varint::put_u64(out, self.size);
        out.extend_from_slice(&self.checksum.to_le_bytes());
        varint::put_bytes(out, &self.smallest);
        varint::put_bytes(out, &self.largest);
        for n in
            [self.seqno_min, self.seqno_max, self.entries, self.tombstones, self.raw_bytes, self.expiring]
        {
            varint::put_u64(out, n);
        }
        for n in self.deadlines_ms {
            varint::put_u64(out, n);
        }
        varint::put_u64(out, self.swept);
    }

    /// Takes one off the front; `None` if the bytes are malformed.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            id: varint::take_u64(bytes)?,
            size: varint::take_u64(bytes)?,
            checksum: u32::from_le_bytes(varint::take_slice(bytes, 4)?.try_into().ok()?),
            smallest: varint::take_bytes(bytes)?.to_vec(),
            largest: varint::take_bytes(bytes)?.to_vec(),
            seqno_min: varint::take_u64(bytes)?,
            seqno_max: varint::take_u64(bytes)?,
            entries: varint::take_u64(bytes)?,
            tombstones: varint::take_u64(bytes)?,
            raw_bytes: varint::take_u64(bytes)?,
            expiring: varint::take_u64(bytes)?,
            deadlines_ms: {
                let mut deadlines = [0; 5];
                for deadline in &mut deadlines {
                    *deadline = varint::take_u64(bytes)?;
                }
                deadlines
            },
            swept: varint::take_u64(bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_round_trip_and_no_cut() {
        let meta = TableMeta {
            id: 7,
            size: 4096,
            checksum: 0xDEAD_BEEF,
            smallest: Vec::new(),
            largest: b"zz".to_vec(),
            seqno_min: 1,
            seqno_max: 1 << 55,
            entries: 300,
            tombstones: 3,
            raw_bytes: 10_000,
            expiring: 5,
            deadlines_ms: [1, 2, 3, 4, u64::MAX],
            swept: 12,
        };
        let mut out = Vec::new();
        meta.encode(&mut out);
        let mut rest = &out[..];
        assert_eq!(TableMeta::decode(&mut rest), Some(meta));
        assert!(rest.is_empty());
        for cut in 0..out.len() {
            assert_eq!(TableMeta::decode(&mut &out[..cut]), None);
        }
    }
}
