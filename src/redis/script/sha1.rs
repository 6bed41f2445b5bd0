//! SHA-1 (RFC 3174): the name of a script, and `redis.sha1hex`. No protection against anybody: it is what clients
//! compute too.

/// The digest in 40 lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut state = [0x6745_2301_u32, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    let (blocks, tail) = bytes.as_chunks::<64>();
    for block in blocks {
        mix(&mut state, block);
    }
    let mut last = [[0; 64]; 2];
    let padded = if tail.len() < 56 { &mut last[..1] } else { &mut last[..] };
    let flat = padded.as_flattened_mut();
    flat[..tail.len()].copy_from_slice(tail);
    flat[tail.len()] = 0x80;
    let end = flat.len() - 8;
    flat[end..].copy_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    for block in padded {
        mix(&mut state, block);
    }
    let mut out = String::with_capacity(40);
    for byte in state.iter().flat_map(|word| word.to_be_bytes()) {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    out
}

fn mix(state: &mut [u32; 5], block: &[u8; 64]) {
    let mut words = [0_u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for i in 16..80 {
        words[i] = (words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1);
    }
    let mut now = *state;
    for (round, word) in words.iter().enumerate() {
        let [first, x, y, z, last] = now;
        let (mixed, constant) = match round {
            0..20 => (x & y | !x & z, 0x5A82_7999),
            20..40 => (x ^ y ^ z, 0x6ED9_EBA1),
            40..60 => (x & y | x & z | y & z, 0x8F1B_BCDC),
            _ => (x ^ y ^ z, 0xCA62_C1D6_u32),
        };
        let parts = [mixed, last, constant, *word];
        let next = parts.iter().fold(first.rotate_left(5), |sum, part| sum.wrapping_add(*part));
        now = [next, first, x.rotate_left(30), y, z];
    }
    for (word, more) in state.iter_mut().zip(now) {
        *word = word.wrapping_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_published_ones() {
        assert_eq!(hex(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let long = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(long), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(hex(&[b'a'; 64]), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
    }
}
