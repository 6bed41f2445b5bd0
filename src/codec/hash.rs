//! A 64-bit hash that is the same for ever and everywhere, since filters on disk depend on it. (Maps in memory
//! hash with `foldhash`, which may change from one release to the next.)
//!
//! In the manner of wyhash and rapidhash (Wang Yi, public domain): sixteen bytes at a time go through a
//! 64 × 64 → 128-bit multiplication whose halves are folded together. Not meant to withstand an adversary.

const K0: u64 = 0x2D35_8DCC_AA6C_78A5;
const K1: u64 = 0x8BB8_4B93_962E_ACC9;
const K2: u64 = 0x4B33_A62E_D433_D4A3;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[inline]
fn half(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<4>().map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)))
}

/// The hash of a byte string.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    let mut state = fold(len as u64 ^ K0, K1);
    // The last sixteen bytes, or what there is of them, may overlap those before: every byte counts.
    let (a, b) = match len {
        0 => (0, 0),
        1..=3 => {
            let middle = u64::from(bytes[len / 2]) << 8;
            (u64::from(bytes[0]) << 16 | middle | u64::from(bytes[len - 1]), 0)
        }
        4..=7 => (half(bytes), half(&bytes[len - 4..])),
        8..=16 => (word(bytes), word(&bytes[len - 8..])),
        _ => {
            let mut rest = bytes;
            while rest.len() > 16 {
                state = fold(word(rest) ^ K1, word(&rest[8..]) ^ state);
                rest = &rest[16..];
            }
            (word(&bytes[len - 16..]), word(&bytes[len - 8..]))
        }
    };
    fold(fold(a ^ K1, b ^ state), state ^ K2)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn stays_what_it_is() {
        let bytes: Vec<u8> = (0..=255).collect();
        let hashes: Vec<u64> = [0, 1, 3, 4, 7, 8, 16, 17, 100].map(|n| hash(&bytes[..n])).to_vec();
        assert_eq!(hashes, PINNED);
    }

    const PINNED: [u64; 9] = [
        16_949_892_981_353_303_628,
        6_048_691_198_586_819_037,
        17_208_277_667_721_779_817,
        18_007_453_957_613_981_866,
        12_178_814_998_764_751_818,
        7_340_993_306_746_588_120,
        493_079_959_284_951_608,
        7_397_658_688_525_201_810,
        1_885_510_453_434_139_634,
    ];

    #[test]
    fn every_byte_and_the_length_count() {
        let mut seen = HashSet::new();
        for len in 0..70 {
            let mut bytes = vec![0_u8; len];
            assert!(seen.insert(hash(&bytes)));
            for at in 0..len {
                for bit in 0..8 {
                    bytes[at] ^= 1 << bit;
                    assert!(seen.insert(hash(&bytes)), "{len} {at} {bit}");
                    bytes[at] ^= 1 << bit;
                }
            }
        }
    }

    #[test]
    fn counters_spread_over_all_bits() {
        let mut ones = [0_u32; 64];
        for n in 0..4096_u32 {
            let h = hash(format!("user:{n:08}").as_bytes());
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += (h >> bit & 1) as u32;
            }
        }
        assert!(ones.iter().all(|&n| (1850..2250).contains(&n)), "{ones:?}");
    }
}
