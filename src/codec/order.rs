//! Keys that sort, byte for byte, as their values do; put one after the other they sort as tuples.
//!
//! ```text
//! u64, u32, u16   big endian
//! i64             big endian, sign bit flipped
//! f64             IEEE 754 big endian; sign bit flipped if it was 0, else all bits flipped (f64::total_cmp)
//! bytes           0x00 becomes 0x00 0xFF, then the end: 0x00 0x01
//! ```
//!
//! The end of a byte string sorts before every byte that could go on, so `("a", x)` comes before `("ab", y)`
//! whatever x and y. The last element of a tuple needs no end: append it as it is.

use super::varint::take_slice;

const ESCAPE: u8 = 0x00;
const ESCAPED: u8 = 0xFF;
const END: u8 = 0x01;

/// Appends a `u64`.
pub fn put_u64(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(&n.to_be_bytes());
}

/// Takes a `u64` off the front.
pub fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(take_slice(bytes, 8)?.try_into().ok()?))
}

/// Appends a `u32`.
pub fn put_u32(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(&n.to_be_bytes());
}

/// Takes a `u32` off the front.
pub fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take_slice(bytes, 4)?.try_into().ok()?))
}

/// Appends a `u16`.
pub fn put_u16(out: &mut Vec<u8>, n: u16) {
    out.extend_from_slice(&n.to_be_bytes());
}

/// Takes a `u16` off the front.
pub fn take_u16(bytes: &mut &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(take_slice(bytes, 2)?.try_into().ok()?))
}

/// Appends an `i64`.
pub fn put_i64(out: &mut Vec<u8>, n: i64) {
    put_u64(out, n as u64 ^ 1 << 63);
}

/// Takes an `i64` off the front.
pub fn take_i64(bytes: &mut &[u8]) -> Option<i64> {
    Some((take_u64(bytes)? ^ 1 << 63) as i64)
}

/// Appends an `f64`. Sorts as [`f64::total_cmp`]: -0.0 before 0.0, NaN at the ends.
pub fn put_f64(out: &mut Vec<u8>, x: f64) {
    let bits = x.to_bits();
    put_u64(out, if bits >> 63 == 0 { bits ^ 1 << 63 } else { !bits });
}

/// Takes an `f64` off the front.
pub fn take_f64(bytes: &mut &[u8]) -> Option<f64> {
    let n = take_u64(bytes)?;
    Some(f64::from_bits(if n >> 63 == 1 { n ^ 1 << 63 } else { !n }))
}

/// Appends a byte string and its end.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    for part in bytes.split_inclusive(|&byte| byte == ESCAPE) {
        out.extend_from_slice(part);
        if part.last() == Some(&ESCAPE) {
            out.push(ESCAPED);
        }
    }
    out.extend_from_slice(&[ESCAPE, END]);
}

/// Appends a byte string without its end: the smallest key of all that begin with it.
pub fn put_prefix(out: &mut Vec<u8>, bytes: &[u8]) {
    put_bytes(out, bytes);
    out.truncate(out.len() - 2);
}

/// Takes a byte string off the front, into `out` (which is cleared). `None` if it is cut short or malformed.
pub fn take_bytes_into(bytes: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    let mut rest = *bytes;
    loop {
        let at = rest.iter().position(|&byte| byte == ESCAPE)?;
        out.extend_from_slice(rest.get(..at)?);
        match *rest.get(at + 1)? {
            END => {
                *bytes = rest.get(at + 2..)?;
                return Some(());
            }
            ESCAPED => out.push(ESCAPE),
            _ => return None,
        }
        rest = rest.get(at + 2..)?;
    }
}

/// Takes a byte string off the front.
pub fn take_bytes(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    take_bytes_into(bytes, &mut out)?;
    Some(out)
}

/// Makes of a prefix the first key after all keys that begin with it, in place; false if there is none, since
/// it is empty or all 0xFF.
pub fn after_prefix(prefix: &mut Vec<u8>) -> bool {
    while let Some(last) = prefix.last_mut() {
        if *last < 0xFF {
            *last += 1;
            return true;
        }
        prefix.pop();
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded<T>(put: impl Fn(&mut Vec<u8>, T), value: T) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, value);
        out
    }

    fn tuple(bytes: &[u8], n: i64) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, bytes);
        put_i64(&mut out, n);
        out
    }

    /// Byte strings in which the special bytes are common.
    fn tricky() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xFF), any::<u8>()], 0..6)
    }

    proptest! {
        #[test]
        fn integers_sort_and_return(a: i64, b: i64) {
            let (x, y) = (encoded(put_i64, a), encoded(put_i64, b));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            prop_assert_eq!(take_i64(&mut &x[..]), Some(a));
        }

        #[test]
        fn floats_sort_and_return(a in any::<u64>().prop_map(f64::from_bits), b in any::<f64>()) {
            let (x, y) = (encoded(put_f64, a), encoded(put_f64, b));
            prop_assert_eq!(a.total_cmp(&b), x.cmp(&y));
            prop_assert_eq!(take_f64(&mut &x[..]).map(f64::to_bits), Some(a.to_bits()));
        }

        #[test]
        fn tuples_sort_and_return(a in (tricky(), any::<i64>()), b in (tricky(), any::<i64>())) {
            let (x, y) = (tuple(&a.0, a.1), tuple(&b.0, b.1));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            let mut rest = &x[..];
            prop_assert_eq!(take_bytes(&mut rest), Some(a.0));
            prop_assert_eq!(take_i64(&mut rest), Some(a.1));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn what_is_cut_short_is_refused(a in tricky()) {
            let x = encoded(|out, a: &Vec<u8>| put_bytes(out, a), &a);
            for cut in 0..x.len() {
                prop_assert_eq!(take_bytes(&mut &x[..cut]), None);
            }
        }

        #[test]
        fn a_prefix_ends_where_it_should(prefix in tricky(), key in tricky()) {
            let mut end = prefix.clone();
            if after_prefix(&mut end) {
                prop_assert_eq!(key.starts_with(&prefix), prefix <= key && key < end);
            } else {
                prop_assert_eq!(key.starts_with(&prefix), prefix <= key);
            }
        }

        #[test]
        fn an_open_prefix_holds_all_that_begin_with_it(a in tricky(), b in tricky()) {
            let (x, y) = (encoded(|o, a: &Vec<u8>| put_prefix(o, a), &a), encoded(|o, b: &Vec<u8>| put_bytes(o, b), &b));
            prop_assert_eq!(b.starts_with(&a), y.starts_with(&x));
        }
    }
}
