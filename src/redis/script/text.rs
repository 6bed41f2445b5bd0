//! Numbers and words as C's library writes and reads them, which scripts and their libraries lean on.

/// Appends a number as `printf("%.*g")` does.
pub(super) fn put_general(out: &mut Vec<u8>, n: f64, precision: usize) {
    let precision = precision.max(1);
    if n.is_nan() || n.is_infinite() {
        let text: &[u8] = if n.is_nan() { b"nan" } else { b"inf" };
        if n.is_sign_negative() {
            out.push(b'-');
        }
        out.extend_from_slice(text);
        return;
    }
    let limit = 10_f64.powi(precision.min(15) as i32);
    if n.trunc().to_bits() == n.to_bits() && n.abs() < limit && (n != 0.0 || n.is_sign_positive()) {
        out.extend_from_slice(itoa::Buffer::new().format(n as i64).as_bytes());
        return;
    }
    let scientific = format!("{n:.*e}", precision - 1);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= precision as i32 {
        out.extend_from_slice(without_zeros(digits).as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
    } else {
        let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
        out.extend_from_slice(without_zeros(&format!("{n:.decimals$}")).as_bytes());
    }
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Reads the longest number that `strtod` would at the front: decimal, hexadecimal, infinite or none. Says how long
/// it is; `None` if there is none.
pub(super) fn number(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let negative = text.first() == Some(&b'-');
    let signed = |n: f64| if negative { -n } else { n };
    let rest = text.get(sign..)?;
    let starts = |word: &[u8]| rest.get(..word.len()).is_some_and(|front| front.eq_ignore_ascii_case(word));
    if starts(b"infinity") {
        return Some((signed(f64::INFINITY), sign + 8));
    }
    if starts(b"inf") {
        return Some((signed(f64::INFINITY), sign + 3));
    }
    if starts(b"nan") {
        return Some((signed(f64::NAN), sign + 3));
    }
    if starts(b"0x")
        && let Some((n, len)) = hexadecimal(&rest[2..])
    {
        return Some((signed(n), sign + 2 + len));
    }
    let digits = |from: usize| rest.iter().skip(from).take_while(|c| c.is_ascii_digit()).count();
    let whole = digits(0);
    let mut len = whole;
    let mut fraction = 0;
    if rest.get(len) == Some(&b'.') {
        fraction = digits(len + 1);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(rest.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
        let exponent = digits(len + 1 + sign);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    let n: f64 = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    Some((signed(n), sign + len))
}

/// What follows `0x`.
fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let (mut n, mut len, mut scale) = (0.0_f64, 0, 0_i32);
    let (mut seen, mut point) = (false, false);
    while let Some(&c) = text.get(len) {
        if let Some(digit) = (c as char).to_digit(16) {
            n = n * 16.0 + f64::from(digit);
            scale -= if point { 4 } else { 0 };
            seen = true;
        } else if c == b'.' && !point {
            point = true;
        } else {
            break;
        }
        len += 1;
    }
    if !seen {
        return None;
    }
    if matches!(text.get(len), Some(b'p' | b'P')) {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        let digits = text.iter().skip(len + 1 + sign).take_while(|c| c.is_ascii_digit()).count();
        if digits > 0 {
            let words = &text[len + 1..len + 1 + sign + digits];
            let exponent: i32 =
                std::str::from_utf8(words).ok().and_then(|word| word.parse().ok()).unwrap_or(i32::MAX / 2);
            scale = scale.saturating_add(exponent);
            len += 1 + sign + digits;
        }
    }
    Some((n * 2_f64.powi(scale), len))
}

/// Splits a line into words as Redis's `sdssplitargs` does: by spaces, with quotes of both kinds. `None` where a quote
/// is not closed, or something follows it at once.
pub(crate) fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|c| c.is_ascii_whitespace() || *c == 0x0B) {
            at += 1;
        }
        if matches!(line.get(at), None | Some(0)) {
            return Some(words);
        }
        let (word, next) = word(line, at)?;
        words.push(word);
        at = next;
    }
}

fn word(line: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut word = Vec::new();
    let mut quote = None;
    loop {
        let c = line.get(at).copied().filter(|&c| c != 0);
        match (quote, c) {
            (Some(_), None) => return None,
            (None, None | Some(b' ' | b'\n' | b'\r' | b'\t')) => return Some((word, at)),
            (Some(b'"'), Some(b'\\')) => {
                let hex = |i: usize| line.get(at + i).and_then(|&c| (c as char).to_digit(16));
                if line.get(at + 1) == Some(&b'x')
                    && let (Some(high), Some(low)) = (hex(2), hex(3))
                {
                    word.push((high * 16 + low) as u8);
                    at += 3;
                } else if let Some(&escaped) = line.get(at + 1) {
                    word.push(match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 8,
                        b'a' => 7,
                        other => other,
                    });
                    at += 1;
                }
            }
            (Some(b'\''), Some(b'\\')) if line.get(at + 1) == Some(&b'\'') => {
                word.push(b'\'');
                at += 1;
            }
            (Some(open), Some(c)) if open == c => {
                let follows = line.get(at + 1).copied().unwrap_or(0);
                let ends = follows == 0 || follows.is_ascii_whitespace();
                return ends.then_some((word, at + 1));
            }
            (None, Some(c @ (b'"' | b'\''))) => quote = Some(c),
            (_, Some(c)) => word.push(c),
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_printf_writes_them() {
        let show = |n, precision| {
            let mut out = Vec::new();
            put_general(&mut out, n, precision);
            String::from_utf8(out).unwrap()
        };
        for (n, precision, text) in [
            (0.1, 14, "0.1"),
            (0.1, 17, "0.10000000000000001"),
            (1e15, 14, "1e+15"),
            (123_456_789_012_345.0, 14, "1.2345678901234e+14"),
            (9_007_199_254_740_991.0, 17, "9007199254740991"),
            (-0.0, 14, "-0"),
            (1e-5, 14, "1e-05"),
            (0.0001, 14, "0.0001"),
            (100.0, 2, "1e+02"),
            (-5000.0, 14, "-5000"),
            (1023.2, 14, "1023.2"),
            (f64::INFINITY, 14, "inf"),
            (1e300, 17, "1.0000000000000001e+300"),
        ] {
            assert_eq!(show(n, precision), text);
        }
    }

    #[test]
    fn numbers_are_read_as_strtod_reads_them() {
        for (text, n, len) in [
            ("12", 12.0, 2),
            ("-5e3,", -5000.0, 4),
            ("0x1F]", 31.0, 4),
            ("0x.8p1", 1.0, 6),
            ("1e+", 1.0, 1),
            (".5", 0.5, 2),
            ("5.", 5.0, 2),
            ("+7", 7.0, 2),
            ("-Infinity!", f64::NEG_INFINITY, 9),
        ] {
            assert_eq!(number(text.as_bytes()), Some((n, len)), "{text}");
        }
        assert!(number(b"nan").is_some_and(|(n, len)| n.is_nan() && len == 3));
        assert_eq!(number(b"."), None);
        assert_eq!(number(b"-x"), None);
    }

    #[test]
    fn words_may_be_quoted() {
        let split = |line: &str| split_words(line.as_bytes());
        let words = |words: &[&str]| Some(words.iter().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(split("#!lua  name=x"), words(&["#!lua", "name=x"]));
        assert_eq!(split("#!lua name=\"fo\\x6f\\n\""), words(&["#!lua", "name=foo\n"]));
        assert_eq!(split("a='b c'"), words(&["a=b c"]));
        assert_eq!(split("a=\"b"), None);
        assert_eq!(split("\"a\"b"), None);
        assert_eq!(split("  "), words(&[]));
    }
}
