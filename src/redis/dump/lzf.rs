//! Reading strings that LZF (M. Lehmann's `LibLZF`) made shorter.
//!
//! ```text
//! 000LLLLL ‖ L + 1 bytes                              as they are
//! LLLooooo ‖ [more length, if L is 7] ‖ oooooooo      L + 2 bytes, from so many + 1 bytes back
//! ```

/// What these bytes stand for, if that is exactly so many.
pub(super) fn decompress(mut bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    // The longest reference takes three bytes: more cannot come of so few, whatever is declared.
    const GROWTH_MAX: usize = 264;
    if len > bytes.len().saturating_mul(GROWTH_MAX) {
        return None;
    }
    let mut out: Vec<u8> = Vec::with_capacity(len);
    while let Some((&control, rest)) = bytes.split_first() {
        let control = usize::from(control);
        if control < 32 {
            let (literal, rest) = rest.split_at_checked(control + 1)?;
            out.extend_from_slice(literal);
            bytes = rest;
        } else {
            let (more, rest) = if control >> 5 == 7 { rest.split_first()? } else { (&0, rest) };
            let (&low, rest) = rest.split_first()?;
            bytes = rest;
            let length = (control >> 5) + usize::from(*more) + 2;
            let from = out.len().checked_sub(((control & 31) << 8 | usize::from(low)) + 1)?;
            // It may reach into what it writes.
            for at in from..from + length {
                out.push(*out.get(at)?);
            }
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::decompress;

    #[test]
    fn literals_and_references_that_overlap() {
        assert_eq!(decompress(b"\x02abc\x20\x02", 6).unwrap(), b"abcabc");
        assert_eq!(decompress(b"\x00a\xe0\x0b\x00", 21).unwrap(), b"a".repeat(21));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (bytes, len) in [
            (&b"\x02ab"[..], 3),
            (b"\x00a\x20\x01", 4),
            (b"\x00a\x20", 4),
            (b"\x00a", 2),
            (b"\x01ab", 1),
            (b"\x00a", 1 << 40),
        ] {
            assert_eq!(decompress(bytes, len), None, "{bytes:?}");
        }
    }
}
