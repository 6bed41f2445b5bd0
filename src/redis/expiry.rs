//! Times as commands give them (`EX 10`, `PXAT 1700000000000`, EXPIRE's conditions), and how they are told again.

use super::args::{Args, Walk};
use super::error::{Error, Result};
use super::number::parse_i64;

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// In seconds rather than milliseconds.
    pub(crate) seconds: bool,
    /// Since the Unix epoch rather than from now.
    pub(crate) absolute: bool,
}

impl Form {
    /// Seconds from now.
    pub(crate) const EX: Self = Self { seconds: true, absolute: false };
    /// Milliseconds from now.
    pub(crate) const PX: Self = Self { seconds: false, absolute: false };
    /// Unix seconds.
    pub(crate) const EXAT: Self = Self { seconds: true, absolute: true };
    /// Unix milliseconds.
    pub(crate) const PXAT: Self = Self { seconds: false, absolute: true };

    /// The moment meant, in Unix milliseconds, which may lie in the past or before 1970; `None` if it does not fit.
    pub(crate) fn moment_ms(self, time: i64, now_ms: u64) -> Option<i64> {
        let ms = if self.seconds { time.checked_mul(1000)? } else { time };
        if self.absolute { Some(ms) } else { ms.checked_add(i64::try_from(now_ms).ok()?) }
    }
}

/// A deadline that an option asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// No option was given.
    #[default]
    Unsaid,
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Never,
    /// At this Unix millisecond.
    At(u64),
}

impl Deadline {
    /// The deadline, where one that stands is `old`, and without an option it would be `unsaid`.
    pub(crate) fn resolve(self, old: Option<u64>, unsaid: Option<u64>) -> Option<u64> {
        match self {
            Self::Unsaid => unsaid,
            Self::Keep => old,
            Self::Never => None,
            Self::At(ms) => Some(ms),
        }
    }
}

/// A deadline as the options word it: read whole before the time in it is judged, as Redis does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    /// No option was given.
    #[default]
    Nothing,
    /// A word that stands for a deadline.
    Word(Deadline),
    /// A time, unread.
    Time(Form, &'a [u8]),
}

impl<'a> Asked<'a> {
    /// Takes `EX n`, `PX n`, `EXAT n` or `PXAT n` off the walk; false if none is there. Only one may be given.
    pub(crate) fn take(&mut self, walk: &mut Walk<'a>) -> Result<bool> {
        let forms = [("ex", Form::EX), ("px", Form::PX), ("exat", Form::EXAT), ("pxat", Form::PXAT)];
        for (word, form) in forms {
            if walk.accept(word) {
                self.set(Self::Time(form, walk.word()?))?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes a word that stands for a deadline off the walk; false if it is not there.
    pub(crate) fn take_word(&mut self, walk: &mut Walk<'a>, word: &str, meaning: Deadline) -> Result<bool> {
        let there = walk.accept(word);
        if there {
            self.set(Self::Word(meaning))?;
        }
        Ok(there)
    }

    /// An option may be repeated, and the last one counts, but two different ones exclude each other.
    fn set(&mut self, to: Self) -> Result {
        let same = match (&self, &to) {
            (Self::Nothing, _) => true,
            (Self::Time(old, _), Self::Time(new, _)) => old == new,
            (old, new) => **old == *new,
        };
        if !same {
            return Err(Error::Syntax);
        }
        *self = to;
        Ok(())
    }

    /// Reads the time.
    pub(crate) fn settle(self, now_ms: u64, command: &'static str) -> Result<Deadline> {
        Ok(match self {
            Self::Nothing => Deadline::Unsaid,
            Self::Word(meaning) => meaning,
            Self::Time(form, time) => {
                let time = parse_i64(time).ok_or(Error::NotAnInteger)?;
                Deadline::At(positive_ms(time, form, now_ms, command)?)
            }
        })
    }
}

/// A time that must be above zero, as in SET and GETEX.
pub(crate) fn positive_ms(time: i64, form: Form, now_ms: u64, command: &'static str) -> Result<u64> {
    let moment = if time > 0 { form.moment_ms(time, now_ms) } else { None };
    moment.and_then(|ms| u64::try_from(ms).ok()).ok_or(Error::InvalidExpire(command))
}

/// When a new deadline replaces the one that stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    only_without: bool,
    only_with: bool,
    only_later: bool,
    only_earlier: bool,
}

impl Condition {
    /// Takes NX, XX, GT or LT off the walk; false if none is there.
    pub(crate) fn take(&mut self, walk: &mut Walk<'_>) -> bool {
        let words = [
            ("nx", &mut self.only_without),
            ("xx", &mut self.only_with),
            ("gt", &mut self.only_later),
            ("lt", &mut self.only_earlier),
        ];
        for (word, flag) in words {
            if walk.accept(word) {
                *flag = true;
                return true;
            }
        }
        false
    }

    /// Reads the options of EXPIRE and its kin, from word `from` on.
    pub(crate) fn parse(args: &Args<'_>, from: usize) -> Result<Self> {
        let mut condition = Self::default();
        let mut walk = args.walk(from);
        while !walk.is_done() {
            if !condition.take(&mut walk) {
                return Err(Error::text(format!("ERR Unsupported option {}", args.text(walk.at()))));
            }
        }
        condition.check()?;
        Ok(condition)
    }

    /// Refuses what excludes each other.
    pub(crate) fn check(self) -> Result {
        if self.only_without && (self.only_with || self.only_later || self.only_earlier) {
            return Err(Error::text("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if self.only_later && self.only_earlier {
            return Err(Error::text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(())
    }

    /// Whether `new` may replace `old`. No deadline counts as one that never comes.
    pub(crate) fn allows(self, old: Option<u64>, new: i64) -> bool {
        let old_ms = old.map_or(i64::MAX, |ms| i64::try_from(ms).unwrap_or(i64::MAX));
        !(self.only_without && old.is_some()
            || self.only_with && old.is_none()
            || self.only_later && (old.is_none() || new <= old_ms)
            || self.only_earlier && new >= old_ms)
    }
}

/// What TTL and its kin tell of a deadline: from now or since the epoch, in milliseconds or in seconds (rounded).
pub(crate) fn told(deadline_ms: u64, form: Form, now_ms: u64) -> i64 {
    let ms = if form.absolute { deadline_ms } else { deadline_ms.saturating_sub(now_ms) };
    i64::try_from(if form.seconds { ms.saturating_add(500) / 1000 } else { ms }).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_do_not_fit_are_refused() {
        assert_eq!(Form::EX.moment_ms(10, 5), Some(10_005));
        assert_eq!(Form::EX.moment_ms(i64::MAX, 5), None);
        assert_eq!(Form::PX.moment_ms(i64::MAX, 5), None);
        assert_eq!(Form::PXAT.moment_ms(i64::MAX, 5), Some(i64::MAX));
        assert!(positive_ms(0, Form::EX, 5, "set").is_err());
        assert!(positive_ms(-1, Form::PXAT, 5, "set").is_err());
    }

    #[test]
    fn no_deadline_is_later_than_any() {
        let later = Condition { only_later: true, ..Condition::default() };
        let earlier = Condition { only_earlier: true, ..Condition::default() };
        assert!(!later.allows(None, 100));
        assert!(earlier.allows(None, 100));
        assert!(later.allows(Some(99), 100) && !later.allows(Some(100), 100));
        assert!(earlier.allows(Some(101), 100) && !earlier.allows(Some(100), 100));
    }
}
