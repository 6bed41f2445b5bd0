//! Blocks: the unit in which tables are read, checked and cached.
//!
//! ```text
//! block   := payload ‖ kind u8 ‖ checksum u32 LE
//! kind 0  payload is the content
//! kind 1  payload is  varint content length ‖ content in LZ4's block format
//! checksum = codec::checksum::bound(file number, offset of the block, payload ‖ kind)
//! ```
//!
//! Nothing of a block is looked at before its checksum agrees, and no memory is set aside for more content than
//! its payload could hold.

mod builder;
mod cursor;
mod data;
mod index;

use std::sync::Arc;

use lz4_flex::block::{decompress_into, get_maximum_output_size};

pub(crate) use self::builder::DataBuilder;
pub(crate) use self::cursor::BlockCursor;
pub(crate) use self::data::DataBlock;
pub(crate) use self::index::{IndexBuilder, IndexReader, Separators, separator};
use super::key::{SEQNO_MAX, Trailer};
use super::options::Compression;
use crate::codec::{checksum, varint};

const PLAIN: u8 = 0;
const LZ4: u8 = 1;
const UNKNOWN_KIND: &str = "an unknown kind of block";

/// Bytes after the payload.
pub(crate) const BLOCK_TRAILER_BYTES: usize = 5;

/// LZ4 cannot do better than this.
const LZ4_RATIO_MAX: usize = 255;

/// Appends `content` to `out` as a block that will lie at `offset` of file number `file`, compressed where that
/// saves an eighth or more. Returns the checksum.
pub(crate) fn seal(
    out: &mut Vec<u8>,
    content: &[u8],
    (file, offset): (u64, u64),
    compression: Compression,
) -> u32 {
    let start = out.len();
    let mut kind = PLAIN;
    if compression == Compression::Lz4 && compress(out, content) {
        kind = LZ4;
    } else {
        out.truncate(start);
        out.extend_from_slice(content);
    }
    out.push(kind);
    let sum = checksum::bound(file, offset, &[&out[start..]]);
    out.extend_from_slice(&sum.to_le_bytes());
    sum
}

/// Appends the payload of kind 1; false if it does not pay.
fn compress(out: &mut Vec<u8>, content: &[u8]) -> bool {
    let start = out.len();
    varint::put_u64(out, content.len() as u64);
    let at = out.len();
    out.resize(at + get_maximum_output_size(content.len()), 0);
    match lz4_flex::block::compress_into(content, &mut out[at..]) {
        Ok(n) => {
            out.truncate(at + n);
            out.len() - start <= content.len() - content.len() / 8
        }
        Err(_) => false,
    }
}

/// Checks a block and returns its payload and kind.
fn checked(sealed: &[u8], (file, offset): (u64, u64)) -> Result<(&[u8], u8), &'static str> {
    let (body, sum) = sealed.split_last_chunk::<4>().ok_or("a block shorter than its trailer")?;
    if checksum::bound(file, offset, &[body]) != u32::from_le_bytes(*sum) {
        return Err("the checksum does not match");
    }
    let (&kind, payload) = body.split_last().ok_or("a block shorter than its trailer")?;
    Ok((payload, kind))
}

/// Checks a block and returns its content.
pub(crate) fn unseal(sealed: &[u8], place: (u64, u64)) -> Result<Vec<u8>, &'static str> {
    match checked(sealed, place)? {
        (payload, PLAIN) => Ok(payload.to_vec()),
        (mut payload, LZ4) => {
            let mut content = vec![0; content_len(&mut payload)?];
            decompress(payload, &mut content)?;
            Ok(content)
        }
        _ => Err(UNKNOWN_KIND),
    }
}

/// As [`unseal`], into memory to be shared.
pub(crate) fn unseal_shared(sealed: &[u8], place: (u64, u64)) -> Result<Arc<[u8]>, &'static str> {
    match checked(sealed, place)? {
        (payload, PLAIN) => Ok(payload.into()),
        (mut payload, LZ4) => {
            let len = content_len(&mut payload)?;
            let mut content: Arc<[u8]> = std::iter::repeat_n(0, len).collect();
            let fresh = Arc::get_mut(&mut content).ok_or("nobody else has it yet")?;
            decompress(payload, fresh)?;
            Ok(content)
        }
        _ => Err(UNKNOWN_KIND),
    }
}

/// Takes the length off the front of a compressed payload.
fn content_len(payload: &mut &[u8]) -> Result<usize, &'static str> {
    varint::take_u64(payload)
        .and_then(|n| usize::try_from(n).ok())
        .filter(|&n| n <= payload.len().saturating_mul(LZ4_RATIO_MAX))
        .ok_or("a compressed block that claims an impossible length")
}

/// Fills `content`, which must come out exactly.
fn decompress(payload: &[u8], content: &mut [u8]) -> Result<(), &'static str> {
    match decompress_into(payload, content) {
        Ok(n) if n == content.len() => Ok(()),
        _ => Err("a compressed block that does not unfold to its length"),
    }
}

/// Appends a version's number and kind: `varint seqno << 2 | kind`, 0 for the end of a key's versions.
fn put_trailer(out: &mut Vec<u8>, trailer: Trailer) {
    varint::put_u64(out, trailer.0 >> 6 & !3 | trailer.0 & 3);
}

/// The inverse of [`put_trailer`].
#[inline]
fn trailer(tag: u64) -> Option<Trailer> {
    let seqno = tag >> 2;
    (seqno <= SEQNO_MAX).then_some(Trailer(seqno << 8 | tag & 3))
}

/// How many bytes two keys have in common at their beginning.
#[inline]
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let mut n = 0;
    for (x, y) in words {
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            return n + (differ.trailing_zeros() / 8) as usize;
        }
        n += 8;
    }
    n + a[n..].iter().zip(&b[n..]).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::key::Kind;

    fn sealed(content: &[u8], compression: Compression) -> Vec<u8> {
        let mut out = b"before".to_vec();
        seal(&mut out, content, (7, 6), compression);
        out.split_off(6)
    }

    #[test]
    fn compression_must_pay() {
        let zeros = [0; 1000];
        assert!(sealed(&zeros, Compression::Lz4).len() < 100);
        assert_eq!(sealed(&zeros, Compression::None).len(), 1005);
        let noise: Vec<u8> = (0..1000_u32).flat_map(|n| n.wrapping_mul(0x9E37_79B9).to_be_bytes()).collect();
        assert_eq!(sealed(&noise, Compression::Lz4).len(), 4005);
    }

    #[test]
    fn another_place_is_another_block() {
        let block = sealed(b"content", Compression::None);
        assert!(unseal(&block, (7, 6)).is_ok());
        assert!(unseal(&block, (7, 7)).is_err());
        assert!(unseal(&block, (8, 6)).is_err());
    }

    #[test]
    fn a_length_beyond_what_lz4_can_do_is_refused_before_memory_is_set_aside() {
        let mut payload = Vec::new();
        varint::put_u64(&mut payload, u64::MAX / 2);
        payload.extend_from_slice(&[0; 10]);
        assert!(content_len(&mut &payload[..]).is_err());
    }

    #[test]
    fn trailers_return() {
        for of in [Trailer::new(0, Kind::Put), Trailer::new(SEQNO_MAX, Kind::Delete), Trailer::LAST] {
            let mut out = Vec::new();
            put_trailer(&mut out, of);
            assert_eq!(varint::take_u64(&mut &out[..]).and_then(trailer), Some(of));
        }
        assert_eq!(trailer(u64::MAX), None);
    }

    proptest! {
        #[test]
        fn every_flip_and_cut_is_noticed(content: Vec<u8>, flip: prop::sample::Index, lz4: bool) {
            let compression = if lz4 { Compression::Lz4 } else { Compression::None };
            let mut block = sealed(&content, compression);
            prop_assert_eq!(&unseal(&block, (7, 6)).unwrap(), &content);
            prop_assert_eq!(&unseal_shared(&block, (7, 6)).unwrap()[..], &content[..]);
            for cut in 0..block.len() {
                prop_assert!(unseal(&block[..cut], (7, 6)).is_err());
            }
            let bit = flip.index(block.len() * 8);
            block[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(unseal(&block, (7, 6)).is_err());
            prop_assert!(unseal_shared(&block, (7, 6)).is_err());
        }

        #[test]
        fn prefixes_are_measured(a: Vec<u8>, tail_a: Vec<u8>, tail_b: Vec<u8>) {
            let x = [&a[..], &tail_a].concat();
            let y = [&a[..], &tail_b].concat();
            prop_assert_eq!(common_prefix(&x, &y), x.iter().zip(&y).take_while(|(x, y)| x == y).count());
        }
    }
}
