//! How keys and sizes are shown, and how keys are written on a command line.

/// A key as ASCII; other bytes, backslashes and quotes as in `\x00`, `\\`, `\"`.
pub(super) fn key(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// What is wrong with a key that [`parse_key`] does not take.
pub(super) const ESCAPES: &str = "a backslash begins \\xNN, \\n, \\r, \\t, \\0 or \\\\";

/// The inverse of [`key`]; `None` where a backslash begins nothing known.
pub(super) fn parse_key(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let (&escaped, after) = rest.split_first()?;
        rest = after;
        bytes.push(match escaped {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            b'\\' | b'"' | b'\'' => escaped,
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

/// Bytes in the unit that suits.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < units.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{amount:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(parse_key(&key(&all)), Some(all));
        assert_eq!(parse_key("user:42"), Some(b"user:42".to_vec()));
        assert_eq!(parse_key("a\\x00\\xfF"), Some(vec![b'a', 0, 255]));
        for bad in ["\\", "\\x", "\\x1", "\\xzz", "\\q"] {
            assert_eq!(parse_key(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(3 << 19), "1.5 MiB");
    }
}
