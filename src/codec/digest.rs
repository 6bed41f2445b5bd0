//! SipHash-2-4 with 128 bits (Aumasson, Bernstein: SipHash, a fast short-input PRF, 2012, with the reference code's
//! longer output). Stands for byte strings too long to be keys; what it gives is on disk and never changes.

/// The key is no secret: a collision costs 2^64 tries all the same.
const KEY: [u64; 2] = [0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908];

/// The digest of a byte string.
pub fn digest(bytes: &[u8]) -> [u8; 16] {
    let mut v = [
        KEY[0] ^ 0x736F_6D65_7073_6575,
        KEY[1] ^ 0x646F_7261_6E64_6F6D ^ 0xEE,
        KEY[0] ^ 0x6C79_6765_6E65_7261,
        KEY[1] ^ 0x7465_6462_7974_6573,
    ];
    let (words, tail) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    last[7] = bytes.len() as u8;
    for word in words.iter().chain([&last]) {
        let word = u64::from_le_bytes(*word);
        v[3] ^= word;
        rounds(&mut v, 2);
        v[0] ^= word;
    }
    v[2] ^= 0xEE;
    rounds(&mut v, 4);
    let low = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xDD;
    rounds(&mut v, 4);
    let high = v[0] ^ v[1] ^ v[2] ^ v[3];
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

fn rounds(v: &mut [u64; 4], n: usize) {
    for _ in 0..n {
        v[0] = v[0].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first vectors of the reference code, which uses this key.
    #[test]
    fn digests_are_the_published_ones() {
        let hex = |bytes: [u8; 16]| u128::from_be_bytes(bytes);
        assert_eq!(hex(digest(&[])), 0xA381_7F04_BA25_A8E6_6DF6_7214_C755_0293);
        assert_eq!(hex(digest(&[0])), 0xDA87_C1D8_6B99_AF44_3476_5911_9B22_FC45);
    }
}
