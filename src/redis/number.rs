//! Numbers as Redis reads and writes them.
//!
//! Integers are strict: no sign but `-`, no leading zeros, no spaces, 64 bits. Floats of INCRBYFLOAT and
//! HINCRBYFLOAT are computed in x87 extended precision and printed with at most 17 decimals, trailing zeros cut,
//! as Redis does on x86-64, so that `0.1 + 0.2` is `0.3` and replies agree digit by digit.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::str::FromStr;

use rustc_apfloat::Float;
use rustc_apfloat::ieee::X87DoubleExtended;

/// Reads a 64-bit integer; `None` unless writing it again gives the same bytes.
pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] => return (!negative).then_some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut n: i64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(digit - b'0');
        n = n.checked_mul(10)?;
        n = if negative { n.checked_sub(digit)? } else { n.checked_add(digit)? };
    }
    Some(n)
}

/// Reads an unsigned 64-bit integer, strictly.
pub(crate) fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if text.len() <= 20 => text.iter().try_fold(0_u64, |n, &digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            n.checked_mul(10)?.checked_add(digit)
        }),
        _ => None,
    }
}

/// A number in x87 extended precision.
pub(crate) type Extended = X87DoubleExtended;

/// Extended-precision addition of two decimal texts. `None` where a text is no number.
pub(crate) fn add_floats(a: &[u8], b: &[u8]) -> Option<FloatSum> {
    let sum = (parse_extended(a)? + parse_extended(b)?).value;
    Some(if sum.is_finite() { FloatSum::Finite(format_extended(sum)) } else { FloatSum::NotFinite })
}

/// What an addition gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FloatSum {
    /// The sum, printed.
    Finite(String),
    /// NaN or infinite: refused by the commands.
    NotFinite,
}

/// Reads a number of extended precision: finite, or `inf` in any spelling of it.
pub(crate) fn parse_extended(text: &[u8]) -> Option<Extended> {
    // Redis's buffer for the text; also bounds the work of reading it.
    const TEXT_BYTES_MAX: usize = 5119;
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned.to_ascii_lowercase().as_str(), "inf" | "infinity") {
        let infinity = X87DoubleExtended::INFINITY;
        return Some(if text.starts_with('-') { -infinity } else { infinity });
    }
    // The standard library's grammar; apfloat's own is laxer.
    if unsigned.parse::<f64>().ok()?.is_nan() {
        return None;
    }
    // An exponent beyond any number is infinite or zero, and would cost much to raise.
    if let Some((_, exponent)) = unsigned.split_once(['e', 'E'])
        && exponent.parse::<i32>().is_ok_and(|e| e.abs() > 5000)
    {
        return None;
    }
    let value = X87DoubleExtended::from_str(text.strip_prefix('+').unwrap_or(text)).ok()?;
    (value.is_finite()).then_some(value)
}

/// A double with at most 17 decimals, as if in extended precision.
pub(crate) fn format_f64_extended(n: f64) -> String {
    X87DoubleExtended::from_str(&format!("{n:.60}")).map_or_else(|_| n.to_string(), format_extended)
}

/// `%.17Lf` with trailing zeros cut.
pub(crate) fn format_extended(value: Extended) -> String {
    const DECIMALS: i32 = 17;
    // The library cuts off after some digits where it should round: these are more than it takes to round by.
    const SPARE: i32 = 30;
    if value.is_zero() {
        return "0".to_owned();
    }
    // The decimal exponent, from a scientific print (a padding of 0 zeros forces it).
    let scientific = format!("{value:0$.21}", 0);
    let exponent = scientific.split_once('E').and_then(|(_, e)| e.parse::<i32>().ok()).unwrap_or(0);
    let Ok(digits @ 1..) = usize::try_from(exponent + 1 + DECIMALS + SPARE) else { return "0".to_owned() };
    let mut fixed = String::new();
    let padding = 20_000;
    // Writing to a String cannot fail.
    let _ = write!(fixed, "{value:padding$.digits$}");
    round(&fixed, DECIMALS as usize)
}

/// A decimal text with at most so many decimals: the nearest, and of two the even one. Trailing zeros are cut.
fn round(text: &str, decimals: usize) -> String {
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |unsigned| ("-", unsigned));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let (kept, rest) = fraction.split_at_checked(decimals).unwrap_or((fraction, ""));
    let mut digits: Vec<u8> = [b"0", whole.as_bytes(), kept.as_bytes()].concat();
    let is_odd = digits.last().is_some_and(|digit| digit % 2 == 1);
    let goes_up = match rest.trim_end_matches('0').cmp("5") {
        Ordering::Greater => true,
        Ordering::Equal => is_odd,
        Ordering::Less => false,
    };
    for digit in digits.iter_mut().rev().take_while(|_| goes_up) {
        *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
        if *digit != b'0' {
            break;
        }
    }
    let rounded = String::from_utf8(digits).unwrap_or_default();
    let (whole, fraction) = rounded.split_at(rounded.len() - kept.len());
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

/// Reads a double as Redis's `getDoubleFromObject` does: decimal or hexadecimal text, `inf` allowed, no NaN.
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        let n = parse_hexadecimal(digits)?;
        return Some(if text.starts_with('-') { -n } else { n });
    }
    text.parse::<f64>().ok().filter(|n| !n.is_nan())
}

/// `ff`, `1.8p-2`: what `strtod` takes after `0x`.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = match text.split_once(['p', 'P']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut n = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        n = n * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = exponent.saturating_sub(i32::try_from(fraction.len()).ok()?.saturating_mul(4));
    Some(n * 2.0_f64.powi(shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_strict() {
        for good in ["0", "1", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(parse_i64(good.as_bytes()), good.parse().ok(), "{good}");
        }
        for bad in
            ["", "-", "+1", "01", "-0", " 1", "1 ", "9223372036854775808", "1.0", "a", "99999999999999999999"]
        {
            assert_eq!(parse_i64(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"-1"), None);
    }

    #[test]
    fn doubles_are_read_as_c_reads_them() {
        for (text, n) in [
            ("1.5", 1.5),
            ("-0x10", -16.0),
            ("0x1.8p1", 3.0),
            ("0X.8", 0.5),
            ("+1e3", 1000.0),
            ("inf", f64::INFINITY),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(n), "{text}");
        }
        for bad in ["", "0x", "0x.", "0xg", "0x1p", "nan", " 1", "1 "] {
            assert_eq!(parse_f64(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn floats_add_as_in_redis() {
        let cases = [
            ("3.0", "1.1", "4.1"),
            ("0.1", "0.2", "0.3"),
            ("1", "-1.1", "-0.1"),
            ("1", "0.25", "1.25"),
            ("1.23", "0", "1.23"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("17179869184", "1.5", "17179869185.5"),
            ("1", "-1", "0"),
            ("5", "0", "5"),
            ("3.0e-5", "0", "0.00003"),
            ("1e20", "0", "100000000000000000000"),
            ("-5", "2.5", "-2.5"),
            // Rounded to 17 decimals, and not cut off; what is halfway goes to the even one.
            ("9", "0.2", "9.2"),
            ("-9", "5e-3", "-8.995"),
            ("9.999999999999999999", "0", "10"),
            ("0.000003814697265625", "0", "0.00000381469726562"),
            ("6e-18", "0", "0.00000000000000001"),
            ("-1e-20", "0", "0"),
        ];
        for (a, b, sum) in cases {
            assert_eq!(
                add_floats(a.as_bytes(), b.as_bytes()),
                Some(FloatSum::Finite(sum.to_owned())),
                "{a} + {b}"
            );
        }
        assert_eq!(add_floats(b"1", b"inf"), Some(FloatSum::NotFinite));
        assert_eq!(add_floats(b"inf", b"-inf"), Some(FloatSum::NotFinite));
        for bad in ["", " 1", "1 ", "abc", "1e", "1x", ".", "1.2.3", "nan", "--1", "1e999999"] {
            assert_eq!(add_floats(b"1", bad.as_bytes()), None, "{bad}");
        }
    }
}
