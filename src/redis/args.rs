//! The words of one command, as slices of the bytes they arrived in.

use super::error::{Error, Result};
use super::number;

/// Where a word lies: offset and length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: u32,
    pub(crate) len: u32,
}

impl Span {
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        // A span is only made for bytes that are there; were one not, an empty word is the harmless answer.
        bytes.get(self.at as usize..self.at as usize + self.len as usize).unwrap_or_default()
    }
}

/// The words of one command; word 0 is its name. A word that is not there reads as empty, but the command table's
/// arity promises the obligatory ones.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    pub(crate) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans }
    }

    /// How many words, the name included.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Word `i`; empty if there is none.
    pub(crate) fn get(&self, i: usize) -> &'a [u8] {
        self.spans.get(i).map_or(&[], |span| span.of(self.bytes))
    }

    /// All words from the `from`-th on.
    pub(crate) fn from(&self, from: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans.get(from..).unwrap_or_default().iter().map(move |span| span.of(bytes))
    }

    /// Whether word `i` is this option, in any case.
    pub(crate) fn is(&self, i: usize, option: &str) -> bool {
        i < self.len() && self.get(i).eq_ignore_ascii_case(option.as_bytes())
    }

    /// Word `i` as an integer.
    pub(crate) fn int(&self, i: usize) -> Result<i64> {
        number::parse_i64(self.get(i)).ok_or(Error::NotAnInteger)
    }

    /// Word `i` as text for a message; what is not UTF-8 is replaced.
    pub(crate) fn text(&self, i: usize) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.get(i))
    }

    /// A walk over the words from the `from`-th on, for options.
    pub(crate) fn walk(&self, from: usize) -> Walk<'a> {
        Walk { args: *self, at: from }
    }

    /// The same words, without those before the `from`-th: a subcommand's view.
    pub(crate) fn skip(&self, from: usize) -> Self {
        Self { bytes: self.bytes, spans: self.spans.get(from..).unwrap_or_default() }
    }

    /// Bytes of all words.
    pub(crate) fn bytes_len(&self) -> usize {
        self.spans.iter().map(|span| span.len as usize).sum()
    }
}

/// Words that are kept, when the bytes that they arrived in are not.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Words {
    /// Copies them.
    pub(crate) fn new<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for word in words {
            spans.push(Span { at: bytes.len() as u32, len: word.len() as u32 });
            bytes.extend_from_slice(word);
        }
        Self { bytes, spans }
    }

    /// The words.
    pub(crate) fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }
}

/// A place in the words, moving right: `while let Some(option) = walk.next() { … }`.
pub(crate) struct Walk<'a> {
    args: Args<'a>,
    at: usize,
}

impl<'a> Walk<'a> {
    /// Whether the next word is this option, in any case; if so, goes past it.
    pub(crate) fn accept(&mut self, option: &str) -> bool {
        let found = self.args.is(self.at, option);
        self.at += usize::from(found);
        found
    }

    /// The next word, which must be there: else a syntax error.
    pub(crate) fn word(&mut self) -> Result<&'a [u8]> {
        self.next().ok_or(Error::Syntax)
    }

    /// The next word as an integer, which must be there: else a syntax error.
    pub(crate) fn int(&mut self) -> Result<i64> {
        number::parse_i64(self.word()?).ok_or(Error::NotAnInteger)
    }

    /// The index of the next word.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether no word is left.
    pub(crate) fn is_done(&self) -> bool {
        self.at >= self.args.len()
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let word = (self.at < self.args.len()).then(|| self.args.get(self.at))?;
        self.at += 1;
        Some(word)
    }
}
