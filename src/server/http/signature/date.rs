//! Moments as signatures name them: `20130524T000000Z`.

use std::fmt;

const DAY_S: u64 = 24 * 3600;

/// A second of the years from 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(u64);

impl Moment {
    /// From Unix seconds.
    pub(super) fn of(unix_s: u64) -> Self {
        Self(unix_s)
    }

    /// In Unix seconds.
    pub(super) fn unix_s(self) -> u64 {
        self.0
    }

    /// Reads one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text: &[u8; 16] = text.as_bytes().try_into().ok()?;
        let [y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = text else { return None };
        let number = |digits: &[&u8]| {
            digits.iter().try_fold(0, |number, digit| {
                digit.is_ascii_digit().then(|| number * 10 + u64::from(**digit - b'0'))
            })
        };
        let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?);
        let (hour, minute, second) = (number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?);
        let days = days_before(year, month, day)?;
        // A leap second is the one after it.
        let is_time = hour < 24 && minute < 60 && second <= 60;
        is_time.then(|| Self(days * DAY_S + hour * 3600 + minute * 60 + second))
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, if it is one. After Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms": years begin in March, so that the odd day comes last.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    days.checked_sub(719_468)
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / DAY_S + 719_468, self.0 % DAY_S);
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year + era * 400 + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (unix_s, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_799, "20000229T235959Z"),
            (951_868_800, "20000301T000000Z"),
            (1_369_353_600, "20130524T000000Z"),
            (4_107_542_400, "21000301T000000Z"),
            (253_402_300_799, "99991231T235959Z"),
        ] {
            assert_eq!(Moment::parse(text), Some(Moment(unix_s)));
            assert_eq!(Moment(unix_s).to_string(), text);
        }
    }

    #[test]
    fn each_day_comes_back() {
        for day in 0..150_000 {
            let moment = Moment(day * DAY_S + day % DAY_S);
            assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
        }
    }

    #[test]
    fn what_is_no_moment() {
        for bad in [
            "",
            "201",
            "20130524T000000",
            "20130524 000000Z",
            "20130524T0000000",
            "20130229T000000Z",
            "21000229T000000Z",
            "20131301T000000Z",
            "20130001T000000Z",
            "20130100T000000Z",
            "19691231T235959Z",
            "20130101T240000Z",
            "20130101T006000Z",
            "20130101T000061Z",
            "2013010éT00000Z",
            "+2130101T000000Z",
        ] {
            assert_eq!(Moment::parse(bad), None, "{bad}");
        }
    }
}
