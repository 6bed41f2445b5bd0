//! The end of a table: where to begin reading, and what makes this file this table.
//!
//! ```text
//! footer     := magic "SILTTBL\0" ‖ version u32 ‖ file u64 ‖ top u64 ‖ top length u32 ‖ properties length u32
//!               ‖ entries u64 ‖ seqno min u64 ‖ seqno max u64 ‖ chain u32 ‖ checksum u32       all LE, 68 bytes
//! chain      = crc32 of the checksums of all blocks, as they lie in the file
//! checksum   = codec::checksum::bound(file number, offset of the footer, all before it)
//! properties := meta (see super::meta; size and checksum are 0) ‖ block bytes ‖ filter bits ‖ data blocks
//! ```
//!
//! `top` is the offset of the top index's block; the properties' block follows it, and the footer that, up to
//! the end of the file. The manifest keeps `checksum`, which no other file under the same name has.

use super::TableMeta;
use crate::codec::{checksum, varint};
use crate::engine::key::Seqno;

pub(crate) const FOOTER_BYTES: usize = 68;

const MAGIC: &[u8; 8] = b"SILTTBL\0";
/// The version written.
const VERSION: u32 = 1;

/// The last bytes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) file: u64,
    pub(crate) top: u64,
    pub(crate) top_len: u32,
    pub(crate) properties_len: u32,
    pub(crate) entries: u64,
    pub(crate) seqno_min: Seqno,
    pub(crate) seqno_max: Seqno,
    pub(crate) chain: u32,
}

/// What keeps a footer from being read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadFooter {
    Damaged(&'static str),
    /// Whole, but of a format of this version.
    Newer(u32),
}

impl Footer {
    /// Where the footer begins.
    pub(crate) fn offset(&self) -> u64 {
        self.top + u64::from(self.top_len) + u64::from(self.properties_len)
    }

    /// The bytes and their checksum.
    pub(crate) fn encode(&self) -> ([u8; FOOTER_BYTES], u32) {
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.file.to_le_bytes());
        out.extend_from_slice(&self.top.to_le_bytes());
        out.extend_from_slice(&self.top_len.to_le_bytes());
        out.extend_from_slice(&self.properties_len.to_le_bytes());
        for n in [self.entries, self.seqno_min, self.seqno_max] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&self.chain.to_le_bytes());
        let sum = checksum::bound(self.file, self.offset(), &[&out]);
        out.extend_from_slice(&sum.to_le_bytes());
        let mut bytes = [0; FOOTER_BYTES];
        bytes.copy_from_slice(&out);
        (bytes, sum)
    }

    /// Reads the footer that lies at `offset` of file number `file`, and its checksum.
    pub(crate) fn decode(
        bytes: &[u8; FOOTER_BYTES],
        file: u64,
        offset: u64,
    ) -> Result<(Self, u32), BadFooter> {
        let fields = fields(bytes).ok_or(BadFooter::Damaged("the footer is cut short"))?;
        let (magic, version, footer, sum) = fields;
        if magic != MAGIC {
            return Err(BadFooter::Damaged("this is not a table"));
        }
        if checksum::bound(file, offset, &[&bytes[..FOOTER_BYTES - 4]]) != sum {
            return Err(BadFooter::Damaged("the footer's checksum does not match"));
        }
        if version != VERSION {
            return Err(BadFooter::Newer(version));
        }
        let end = footer.top.checked_add(u64::from(footer.top_len) + u64::from(footer.properties_len));
        if footer.file != file || end != Some(offset) {
            return Err(BadFooter::Damaged("the footer contradicts itself"));
        }
        Ok((footer, sum))
    }
}

fn fields(mut bytes: &[u8]) -> Option<(&[u8], u32, Footer, u32)> {
    fn u64_le(bytes: &mut &[u8]) -> Option<u64> {
        Some(u64::from_le_bytes(varint::take_slice(bytes, 8)?.try_into().ok()?))
    }
    fn u32_le(bytes: &mut &[u8]) -> Option<u32> {
        Some(u32::from_le_bytes(varint::take_slice(bytes, 4)?.try_into().ok()?))
    }
    let bytes = &mut bytes;
    let magic = varint::take_slice(bytes, 8)?;
    let version = u32_le(bytes)?;
    let footer = Footer {
        file: u64_le(bytes)?,
        top: u64_le(bytes)?,
        top_len: u32_le(bytes)?,
        properties_len: u32_le(bytes)?,
        entries: u64_le(bytes)?,
        seqno_min: u64_le(bytes)?,
        seqno_max: u64_le(bytes)?,
        chain: u32_le(bytes)?,
    };
    Some((magic, version, footer, u32_le(bytes)?))
}

/// What a table says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    /// As in the manifest, but for size and checksum, which are 0.
    pub(crate) meta: TableMeta,
    /// Bytes of a data block before compression.
    pub(crate) block: u64,
    /// Bits of filter per key.
    pub(crate) filter_bits: u64,
    /// How many data blocks.
    pub(crate) data_blocks: u64,
}

impl Properties {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.meta.encode(out);
        varint::put_u64(out, self.block);
        varint::put_u64(out, self.filter_bits);
        varint::put_u64(out, self.data_blocks);
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let properties = Self {
            meta: TableMeta::decode(bytes)?,
            block: varint::take_u64(bytes)?,
            filter_bits: varint::take_u64(bytes)?,
            data_blocks: varint::take_u64(bytes)?,
        };
        bytes.is_empty().then_some(properties)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOOTER: Footer = Footer {
        file: 7,
        top: 1000,
        top_len: 50,
        properties_len: 40,
        entries: 3,
        seqno_min: 1,
        seqno_max: 9,
        chain: 0xABCD,
    };

    #[test]
    fn every_flip_is_noticed() {
        let (bytes, sum) = FOOTER.encode();
        assert_eq!(Footer::decode(&bytes, 7, 1090), Ok((FOOTER, sum)));
        assert!(Footer::decode(&bytes, 8, 1090).is_err());
        assert!(Footer::decode(&bytes, 7, 1091).is_err());
        for bit in 0..FOOTER_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::decode(&bytes, 7, 1090).is_err());
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let (mut bytes, _) = FOOTER.encode();
        bytes[8] = 2;
        let sum = checksum::bound(7, 1090, &[&bytes[..FOOTER_BYTES - 4]]);
        bytes[FOOTER_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(Footer::decode(&bytes, 7, 1090), Err(BadFooter::Newer(2)));
    }
}
