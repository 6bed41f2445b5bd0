//! CRC-32 (IEEE), bound to the place where the bytes lie, so that the right bytes in the wrong file or at the
//! wrong offset are as wrong as any others.

/// The checksum of `parts`, one after the other, as bytes at `offset` of file number `file`.
///
/// ```text
/// crc32( file u64 LE ‖ offset u64 LE ‖ parts… )
/// ```
pub fn bound(file: u64, offset: u64, parts: &[&[u8]]) -> u32 {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&file.to_le_bytes());
    place[8..].copy_from_slice(&offset.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&place);
    for part in parts {
        crc.update(part);
    }
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_on_place_and_bytes_not_on_how_they_are_cut() {
        let sum = bound(1, 2, &[b"abc"]);
        assert_eq!(sum, bound(1, 2, &[b"a", b"", b"bc"]));
        assert_eq!(sum, crc32fast::hash(b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0abc"));
        for other in [bound(2, 2, &[b"abc"]), bound(1, 3, &[b"abc"]), bound(1, 2, &[b"abd"])] {
            assert_ne!(sum, other);
        }
    }
}
