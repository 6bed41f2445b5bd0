//! Numbers: decimal, exact, up to 38 significant digits, magnitudes from 1E-130 to 9.99E+125, as the API documents them.
//!
//! ```text
//! number   := coefficient × 10^exponent, where the coefficient does not end in 0; zero is 0 × 10^0
//! encoded  := 1                                                      zero
//!           | 2 ‖ magnitude + 130 ‖ (two digits + 1)* ‖ 0            positive, |number| in [10^magnitude, 10^(magnitude + 1))
//!           | 0 ‖ the same of its opposite, each byte complemented   negative
//! ```
//!
//! Encodings sort as the numbers do, and no encoding begins with another one.

use std::cmp::Ordering;
use std::fmt;

/// The most significant digits.
const DIGITS_MAX: u32 = 38;
/// The exponents of ten of the smallest and the largest leading digit.
const MAGNITUDE_MIN: i32 = -130;
const MAGNITUDE_MAX: i32 = 125;

/// A number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    coefficient: i128,
    exponent: i16,
}

/// How large the exponent of a number may be that a request writes. Numbers are in range or not
/// whatever it says; what is told of those that are not depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exponents {
    /// 64 bits.
    Wide,
    /// 32 bits, as Java's decimals have them, in which the magnitude is reckoned as well. Nothing is told of empty texts.
    Narrow,
}

/// Why something is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNumber {
    /// It does not read as one.
    Text,
    /// It is empty, and that is told apart.
    Empty,
    /// It has more than 38 significant digits.
    Digits,
    /// It is too large.
    Overflow,
    /// It is too close to zero.
    Underflow,
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self { coefficient: 0, exponent: 0 };

    /// Reads a number with an exponent of any size that can be.
    pub fn parse(text: &str) -> Result<Self, NotNumber> {
        Self::parse_with(text, Exponents::Wide)
    }

    /// Reads a number: an optional sign, digits with at most one point among them, an optional exponent.
    pub fn parse_with(text: &str, exponents: Exponents) -> Result<Self, NotNumber> {
        let is_narrow = exponents == Exponents::Narrow;
        if is_narrow && text.is_empty() {
            return Err(NotNumber::Empty);
        }
        let (negative, rest) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] | rest => (false, rest),
        };
        let (mantissa, exponent) = match rest.iter().position(|&c| c == b'e' || c == b'E') {
            Some(at) => (&rest[..at], parse_exponent(rest.get(at + 1..).unwrap_or_default())?),
            None => (rest, 0),
        };
        let (mut coefficient, mut digits, mut zeros, mut fraction) = (0_i128, 0, 0_i64, 0_i64);
        let (mut seen_point, mut any) = (false, false);
        for &c in mantissa {
            match c {
                b'.' if !seen_point => seen_point = true,
                b'0'..=b'9' => {
                    any = true;
                    fraction += i64::from(seen_point);
                    if c == b'0' {
                        // Zeros count once a digit follows them.
                        zeros += i64::from(digits > 0);
                        continue;
                    }
                    let more = zeros + 1;
                    digits += more;
                    if digits > i64::from(DIGITS_MAX) {
                        return Err(NotNumber::Digits);
                    }
                    coefficient = coefficient * 10_i128.pow(more as u32) + i128::from(c - b'0');
                    zeros = 0;
                }
                _ => return Err(NotNumber::Text),
            }
        }
        if !any {
            return Err(NotNumber::Text);
        }
        let fits = |n: i64| i32::try_from(n).is_ok();
        if is_narrow && !(fits(exponent) && fits(fraction - exponent)) {
            return Err(NotNumber::Text);
        }
        let exponent = exponent - fraction + zeros;
        match Self::new(if negative { -coefficient } else { coefficient }, exponent) {
            // What is reckoned is one more than the magnitude, and that begins anew below once it is too large.
            Err(NotNumber::Overflow) if is_narrow && !fits(exponent + digits) => Err(NotNumber::Underflow),
            number => number,
        }
    }

    /// From parts: brings them into the one form, and checks them.
    fn new(mut coefficient: i128, mut exponent: i64) -> Result<Self, NotNumber> {
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent += 1;
        }
        let digits = digits_of(coefficient);
        if digits > DIGITS_MAX {
            return Err(NotNumber::Digits);
        }
        let magnitude = exponent + i64::from(digits) - 1;
        if magnitude > i64::from(MAGNITUDE_MAX) {
            return Err(NotNumber::Overflow);
        }
        if magnitude < i64::from(MAGNITUDE_MIN) {
            return Err(NotNumber::Underflow);
        }
        Ok(Self { coefficient, exponent: exponent as i16 })
    }

    /// The sum, if it is a number.
    pub fn plus(self, other: Self) -> Result<Self, NotNumber> {
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        if low.coefficient == 0 {
            return Ok(high);
        }
        if high.coefficient == 0 {
            return Ok(low);
        }
        let shift = u32::from(high.exponent.abs_diff(low.exponent));
        // A sum of 39 digits may end in 0, and what is too large to be one may be brought back by its opposite: 128 bits
        // without a sign hold all of them. Whatever is larger still has more than 38 digits, the last of them not 0.
        let raised = 10_u128.checked_pow(shift).and_then(|p| high.coefficient.unsigned_abs().checked_mul(p));
        let raised = raised.ok_or(NotNumber::Digits)?;
        let lowered = low.coefficient.unsigned_abs();
        let (sign, mut size) = if high.coefficient.signum() == low.coefficient.signum() {
            (high.coefficient.signum(), raised.checked_add(lowered).ok_or(NotNumber::Digits)?)
        } else if raised >= lowered {
            (high.coefficient.signum(), raised - lowered)
        } else {
            (low.coefficient.signum(), lowered - raised)
        };
        let mut exponent = i64::from(low.exponent);
        while size != 0 && size.is_multiple_of(10) {
            size /= 10;
            exponent += 1;
        }
        Self::new(sign * i128::try_from(size).map_err(|_| NotNumber::Digits)?, exponent)
    }

    /// The difference, if it is a number.
    pub fn minus(self, other: Self) -> Result<Self, NotNumber> {
        self.plus(Self { coefficient: -other.coefficient, ..other })
    }

    /// The largest integer that is not above it, if that fits.
    pub fn floor_i64(self) -> Option<i64> {
        let power = 10_i128.checked_pow(u32::from(self.exponent.unsigned_abs()));
        let floor = if self.exponent >= 0 {
            self.coefficient.checked_mul(power?)?
        } else {
            // What is divided by more than there is lies between -1 and 1.
            power.map_or(self.coefficient.signum().min(0), |power| self.coefficient.div_euclid(power))
        };
        i64::try_from(floor).ok()
    }

    /// The exponent of ten of its leading digit.
    fn magnitude(self) -> i32 {
        i32::from(self.exponent) + digits_of(self.coefficient) as i32 - 1
    }

    /// How many bytes it counts for in an item: one for each two digits, one more, and one for a sign.
    pub fn size(self) -> usize {
        if self.coefficient == 0 {
            return 1;
        }
        // Pairs of digits begin at the point.
        let low = i32::from(self.exponent).div_euclid(2);
        let high = self.magnitude().div_euclid(2);
        (high - low + 1) as usize + 1 + usize::from(self.coefficient < 0)
    }

    /// Appends its encoding.
    pub fn encode(self, out: &mut Vec<u8>) {
        if self.coefficient == 0 {
            return out.push(1);
        }
        let start = out.len();
        out.push(2);
        out.push((self.magnitude() - MAGNITUDE_MIN) as u8);
        let digits = digits_of(self.coefficient);
        // An even number of digits, the first one leading.
        let mut left = self.coefficient.unsigned_abs() * if digits % 2 == 1 { 10 } else { 1 };
        let mut power = 10_u128.pow((digits + digits % 2) - 2);
        loop {
            out.push((left / power) as u8 + 1);
            left %= power;
            if power == 1 {
                break;
            }
            power /= 100;
        }
        out.push(0);
        if self.coefficient < 0 {
            for byte in &mut out[start..] {
                *byte = !*byte;
            }
            out[start] = 0;
        }
    }

    /// Takes an encoding off the front; `None` if there is none.
    pub fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let mask = match kind {
            0 => 0xFF,
            1 => {
                *bytes = rest;
                return Some(Self::ZERO);
            }
            2 => 0,
            _ => return None,
        };
        let (&magnitude, rest) = rest.split_first()?;
        let magnitude = i32::from(magnitude ^ mask) + MAGNITUDE_MIN;
        let (mut coefficient, mut digits) = (0_i128, 0);
        for (at, &byte) in rest.iter().enumerate() {
            match byte ^ mask {
                0 if digits > 0 => {
                    let number = Self::new(
                        if mask == 0 { coefficient } else { -coefficient },
                        i64::from(magnitude - digits + 1),
                    );
                    *bytes = rest.get(at + 1..)?;
                    // A pair may not begin with 0 where it leads, nor have only zeros at the end.
                    return number.ok().filter(|number| number.magnitude() == magnitude);
                }
                pair @ 1..=100 if digits < DIGITS_MAX as i32 => {
                    coefficient = coefficient * 100 + i128::from(pair - 1);
                    digits += 2;
                }
                _ => return None,
            }
        }
        None
    }
}

fn digits_of(coefficient: i128) -> u32 {
    coefficient.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1)
}

/// An exponent; one that is far out of range whatever stands before it is brought nearer, so that it can be reckoned with.
fn parse_exponent(text: &[u8]) -> Result<i64, NotNumber> {
    let exponent = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    exponent.map(|exponent| exponent.clamp(-(1 << 40), 1 << 40)).ok_or(NotNumber::Text)
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.coefficient.signum().cmp(&other.coefficient.signum());
        if signs.is_ne() || self.coefficient == 0 {
            return signs;
        }
        let full =
            |n: &Self| n.coefficient.unsigned_abs() * 10_u128.pow(DIGITS_MAX - digits_of(n.coefficient));
        let sizes = self.magnitude().cmp(&other.magnitude()).then_with(|| full(self).cmp(&full(other)));
        if self.coefficient < 0 { sizes.reverse() } else { sizes }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Plain digits, without an exponent, however many zeros it takes.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exponent >= 0 {
            write!(f, "{}", self.coefficient)?;
            return (0..self.exponent).try_for_each(|_| f.write_str("0"));
        }
        if self.coefficient < 0 {
            f.write_str("-")?;
        }
        let digits = self.coefficient.unsigned_abs().to_string();
        let after = usize::from(self.exponent.unsigned_abs());
        match digits.len().checked_sub(after) {
            Some(before) if before > 0 => {
                let (before, after) = digits.split_at(before);
                write!(f, "{before}.{after}")
            }
            _ => write!(f, "0.{digits:0>after$}"),
        }
    }
}

impl From<i64> for Number {
    fn from(n: i64) -> Self {
        Self::new(i128::from(n), 0).unwrap_or(Self::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn n(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn numbers_have_one_form() {
        for (text, plain) in [
            ("0", "0"),
            ("-0.000e77777777777777777", "0"),
            ("007", "7"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("+12e2", "1200"),
            ("-1.25E-3", "-0.00125"),
            (
                "100000000000000000000000000000000000000000000",
                "100000000000000000000000000000000000000000000",
            ),
            (
                "0.00000000000000000000000000000000000000000000001",
                "0.00000000000000000000000000000000000000000000001",
            ),
            ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ] {
            assert_eq!(n(text).to_string(), plain);
        }
        assert_eq!(n("1e125").to_string().len(), 126);
        assert_eq!(n("-9.9999999999999999999999999999999999999E+125").to_string().len(), 127);
        assert_eq!(n("1e-130").to_string().len(), 132);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        use NotNumber::*;
        for (text, why) in [
            ("", Text),
            (".", Text),
            ("-", Text),
            ("1.2.3", Text),
            ("1e", Text),
            ("e1", Text),
            (" 1", Text),
            ("1 ", Text),
            ("0x1", Text),
            ("NaN", Text),
            ("Infinity", Text),
            ("--1", Text),
            ("1e1.5", Text),
            ("123456789012345678901234567890123456789", Digits),
            ("1.00000000000000000000000000000000000001", Digits),
            ("1e126", Overflow),
            ("-1e2147483647", Overflow),
            ("-1e9223372036854775807", Overflow),
            ("1e-9223372036854775808", Underflow),
            ("-1e99999999999999999999999999", Text),
            ("1e-131", Underflow),
            ("0.1e-130", Underflow),
        ] {
            assert_eq!(Number::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn narrow_exponents_are_those_of_javas_decimals() {
        use NotNumber::*;
        for (text, told) in [
            ("", Err(Empty)),
            ("abc", Err(Text)),
            ("1e126", Err(Overflow)),
            ("1e2147483646", Err(Overflow)),
            ("10e2147483646", Err(Underflow)),
            ("-1e2147483647", Err(Underflow)),
            ("1e2147483648", Err(Text)),
            ("1e-2147483647", Err(Underflow)),
            ("1.5e-2147483647", Err(Text)),
            ("1e-2147483648", Err(Text)),
            ("0e99999999999", Err(Text)),
            ("1.50e2", Ok(n("150"))),
        ] {
            assert_eq!(Number::parse_with(text, Exponents::Narrow), told, "{text}");
        }
    }

    #[test]
    fn sums_are_exact_or_refused() {
        assert_eq!(n("0.1").plus(n("0.2")), Ok(n("0.3")));
        assert_eq!(n("5").minus(n("5")), Ok(Number::ZERO));
        assert_eq!(n("1e125").plus(n("9e125")), Err(NotNumber::Overflow));
        assert_eq!(n("1e38").plus(n("1")), Err(NotNumber::Digits));
        assert_eq!(n("1e125").plus(n("1e-130")), Err(NotNumber::Digits));
        assert_eq!(n("99999999999999999999999999999999999999").plus(n("1")), Ok(n("1e38")));
        assert_eq!(n("0").minus(n("7")), Ok(n("-7")));
        let nines = n("99999999999999999999999999999999999999");
        assert_eq!(
            nines.plus(n("99999999999999999999999999999999999991")),
            Ok(n("199999999999999999999999999999999999990"))
        );
        assert_eq!(nines.plus(nines), Err(NotNumber::Digits));
        assert_eq!(nines.minus(n("1.8e38")), Ok(n("-80000000000000000000000000000000000001")));
        assert_eq!(n("3.3e38").minus(nines), Err(NotNumber::Digits));
        assert_eq!(n("3.4e38").plus(nines), Err(NotNumber::Digits));
    }

    #[test]
    fn sizes_are_those_of_pairs_of_digits() {
        for (text, size) in
            [("0", 1), ("1", 2), ("-1", 3), ("12", 2), ("123", 3), ("1e10", 2), ("0.5", 2), ("1.5", 3)]
        {
            assert_eq!(n(text).size(), size, "{text}");
        }
    }

    fn any_number() -> impl Strategy<Value = Number> {
        let digits = prop_oneof![Just(1_i128), Just(10), Just(100_000), Just(10_i128.pow(38) - 1)];
        (digits.prop_flat_map(|most| -most..=most), -170_i64..130)
            .prop_filter_map("out of range", |(coefficient, exponent)| {
                Number::new(coefficient, exponent).ok()
            })
    }

    proptest! {
        #[test]
        fn encodings_sort_and_come_back(a in any_number(), b in any_number()) {
            let encoded = |n: Number| {
                let mut out = Vec::new();
                n.encode(&mut out);
                out
            };
            prop_assert_eq!(encoded(a).cmp(&encoded(b)), a.cmp(&b));
            prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
            let bytes = [encoded(a), vec![7]].concat();
            let mut rest = &bytes[..];
            prop_assert_eq!(Number::take(&mut rest), Some(a));
            prop_assert_eq!(rest, &[7]);
            prop_assert_eq!(Number::parse(&a.to_string()), Ok(a));
        }

        #[test]
        fn strange_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..30), text in "[-+.eE0-9]{0,12}") {
            if let Some(n) = Number::take(&mut &bytes[..]) {
                let mut again = Vec::new();
                n.encode(&mut again);
                prop_assert!(bytes.starts_with(&again));
            }
            if let Ok(n) = Number::parse(&text) {
                prop_assert_eq!(Number::parse(&n.to_string()), Ok(n));
            }
        }
    }
}
