//! LEB128 integers: seven bits a byte, least significant first, the high bit says that more follow.
//! Signed numbers are zigzag-coded first, so that small negative ones are short.

/// The longest encoding of a `u64`, in bytes.
pub const VARINT_BYTES_MAX: usize = 10;

/// Appends a number.
pub fn put_u64(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a signed number.
pub fn put_i64(out: &mut Vec<u8>, n: i64) {
    put_u64(out, (n << 1 ^ n >> 63) as u64);
}

/// Takes a number off the front; `None` if it is cut short or does not fit 64 bits.
#[inline]
pub fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    // Nearly all of them are lengths of one byte.
    match bytes.split_first() {
        Some((&byte, rest)) if byte < 0x80 => {
            *bytes = rest;
            Some(byte.into())
        }
        _ => take_long(bytes),
    }
}

fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0_u64;
    for (i, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7F);
        if i == 9 && bits > 1 {
            return None;
        }
        n |= bits << (7 * i);
        if byte < 0x80 {
            *bytes = bytes.get(i + 1..)?;
            return Some(n);
        }
    }
    None
}

/// Takes a signed number off the front.
pub fn take_i64(bytes: &mut &[u8]) -> Option<i64> {
    let n = take_u64(bytes)?;
    Some((n >> 1) as i64 ^ -((n & 1) as i64))
}

/// Takes `n` bytes off the front.
pub fn take_slice<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(n)?;
    *bytes = tail;
    Some(head)
}

/// Appends a slice with its length before it.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes a slice with its length before it.
pub fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let n = usize::try_from(take_u64(bytes)?).ok()?;
    take_slice(bytes, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_round_trip() {
        for n in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put_u64(&mut out, n);
            assert_eq!(take_u64(&mut &out[..]), Some(n));
            assert_eq!(take_u64(&mut &out[..out.len() - 1]), None);
        }
        for n in [0, 1, -1, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put_i64(&mut out, n);
            assert_eq!(take_i64(&mut &out[..]), Some(n));
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused() {
        assert_eq!(take_u64(&mut &[0xFF; 10][..]), None);
        assert_eq!(take_u64(&mut &[0x80; 11][..]), None);
    }
}
