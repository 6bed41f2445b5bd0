//! Values as RESTORE takes them, without the version and the checksum that a fuzzer would not guess.

use crate::redis::dump;

/// A value: is read to its end or refused.
pub fn value(input: &[u8]) {
    dump::check(input);
}

/// Values to begin with: strings plain, as integers and compressed, and hashes of every kind.
pub(super) fn value_seeds() -> Vec<Vec<u8>> {
    let hash: &[u8] = b"\x17\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\xf1\x39\x30\x04\xff";
    let due: &[u8] = b"\x0d\0\0\0\x03\0\x81a\x02\x01\x01\x05\x01\xff";
    let packed = |kind: &[u8], packed: &[u8]| [kind, &[packed.len() as u8], packed].concat();
    let mut seeds = vec![
        b"\x00\x03bar".to_vec(),
        b"\x00\xc0\x80".to_vec(),
        b"\x00\xc2\x00\x00\x01\x00".to_vec(),
        b"\x00\xc3\x05\x40\x64\x01aa\xe0\x58\x00".to_vec(),
        b"\x04\x02\x01a\xc0\x01\x01b\x03two".to_vec(),
        b"\x18\0\x10\x5e\x5f\x90\x01\0\0\x02\x01\x01a\x011\x00\x01b\x012".to_vec(),
        packed(b"\x10", hash),
        packed(b"\x19\0\x10\x5e\x5f\x90\x01\0\0", due),
    ];
    // The first byte of a listpack is its length.
    for seed in seeds.iter_mut().skip(6) {
        let at = if seed.first() == Some(&0x10) { 2 } else { 10 };
        seed[at] = (seed.len() - at) as u8;
    }
    seeds
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_are_values() {
        for seed in super::value_seeds() {
            assert!(crate::redis::dump::check(&seed), "{seed:?}");
        }
    }
}
