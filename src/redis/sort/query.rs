//! What SORT is asked for.

use crate::redis::args::Args;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};

/// Where to look for something, from an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// Without a `*`: the same for all.
    Fixed(&'a [u8]),
    /// A key, with the element in the place of the `*`; a field of it after `->`.
    Key { before: &'a [u8], after: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    /// Nothing to sort by.
    pub(super) const NONE: Self = Self::Fixed(b"");

    fn parse(word: &'a [u8]) -> Self {
        if word == b"#" {
            return Self::Element;
        }
        let Some(star) = word.iter().position(|&byte| byte == b'*') else { return Self::Fixed(word) };
        let (before, rest) = (&word[..star], &word[star + 1..]);
        let arrow = rest.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < rest.len());
        match arrow {
            Some(at) => Self::Key { before, after: &rest[..at], field: Some(&rest[at + 2..]) },
            None => Self::Key { before, after: rest, field: None },
        }
    }
}

/// A call of SORT.
pub(super) struct Query<'a> {
    /// `None`: by the elements themselves.
    pub(super) by: Option<Pattern<'a>>,
    pub(super) get: Vec<Pattern<'a>>,
    pub(super) descending: bool,
    pub(super) alpha: bool,
    limit: Option<(i64, i64)>,
    /// Where to put the result.
    pub(super) target: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    pub(super) fn parse(call: &Call<'a>, may_store: bool) -> Result<Self> {
        let mut query =
            Self { by: None, get: Vec::new(), descending: false, alpha: false, limit: None, target: None };
        let mut options = call.walk(2);
        while !options.is_done() {
            if options.accept("asc") {
                query.descending = false;
            } else if options.accept("desc") {
                query.descending = true;
            } else if options.accept("alpha") {
                query.alpha = true;
            } else if options.accept("limit") {
                query.limit = Some((options.int()?, options.int()?));
            } else if may_store && options.accept("store") {
                query.target = Some(options.word()?);
            } else if options.accept("by") {
                // Whatever is the same for all is nothing to sort by.
                query.by = Some(match Pattern::parse(options.word()?) {
                    Pattern::Fixed(_) | Pattern::Element => Pattern::NONE,
                    pattern @ Pattern::Key { .. } => pattern,
                });
            } else if options.accept("get") {
                query.get.push(Pattern::parse(options.word()?));
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(query)
    }

    /// Whether there is anything to sort by.
    pub(super) fn is_sorted(&self) -> bool {
        self.by != Some(Pattern::NONE)
    }

    /// Which of so many rows are wanted.
    pub(super) fn limits(&self, len: usize) -> (usize, usize) {
        let Some((offset, count)) = self.limit else { return (0, len) };
        let from = usize::try_from(offset).unwrap_or(0).min(len);
        let to = usize::try_from(count).map_or(len, |count| from.saturating_add(count).min(len));
        (from, to)
    }
}

/// The first option of a call that asks for what other keys hold, if there is one.
pub(crate) fn looks_elsewhere(args: &Args<'_>) -> Option<&'static str> {
    let mut options = args.walk(2);
    while !options.is_done() {
        if options.accept("get") {
            return options.next().map(|_| "GET");
        } else if options.accept("by") {
            if options.next()?.contains(&b'*') {
                return Some("BY");
            }
        } else if options.accept("limit") {
            options.nth(1)?;
        } else if options.accept("store") {
            options.next()?;
        } else if !(options.accept("asc") || options.accept("desc") || options.accept("alpha")) {
            return None;
        }
    }
    None
}
