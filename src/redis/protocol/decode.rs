//! From bytes to words, as they come in.
//!
//! ```text
//! request  = "*" count CRLF { "$" length CRLF byte{length} CRLF }      multibulk
//!          | word { space word } [CR] LF                               inline: telnet, health checks
//! ```
//!
//! The decoder remembers how far it got in a request, so that bytes are looked at once however they are cut, and
//! words stay where they arrived: it hands out spans. It allocates for words that have arrived, never for what a
//! length declares. What Redis is lax about (the byte after CR, what stands where a bulk's CRLF should) is lax here
//! too: clients exist that depend on it.

use crate::redis::args::{Args, Span};
use crate::redis::number;

/// Longest line: an inline request, or a header.
const LINE_BYTES_MAX: usize = 64 << 10;
/// What a client that must still authenticate may send.
const UNAUTHENTICATED_WORDS_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_BYTES_MAX: i64 = 16 << 10;

/// How much a client may send in one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Words of one request.
    pub(crate) words_max: i64,
    /// Bytes of one word.
    pub(crate) bulk_bytes_max: i64,
    /// Bytes of one request, framing included. At most 4 GiB, since spans are that wide.
    pub(crate) request_bytes_max: u32,
    /// Whether the client has shown who it is; until then it may send little.
    pub(crate) authenticated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            words_max: 1 << 20,
            bulk_bytes_max: 512 << 20,
            request_bytes_max: 1 << 30,
            authenticated: true,
        }
    }
}

/// Why a stream cannot be understood any further. Displays as the line that the client is told before it is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("ERR Protocol error: too big mbulk count string")]
    LongCount,
    #[error("ERR Protocol error: invalid multibulk length")]
    Count,
    #[error("ERR Protocol error: unauthenticated multibulk length")]
    UnauthenticatedCount,
    #[error("ERR Protocol error: too big bulk count string")]
    LongLength,
    #[error("ERR Protocol error: expected '$', got '{}'", *.0 as char)]
    NotABulk(u8),
    #[error("ERR Protocol error: invalid bulk length")]
    Length,
    #[error("ERR Protocol error: unauthenticated bulk length")]
    UnauthenticatedLength,
    #[error("ERR Protocol error: too big inline request")]
    LongInline,
    #[error("ERR Protocol error: unbalanced quotes in request")]
    Quotes,
    #[error("ERR Protocol error: the request is larger than the memory budget permits")]
    Large,
}

/// What [`Decoder::decode`] found at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A whole request of so many bytes; [`Decoder::args`] has its words until the next call.
    Request(usize),
    /// So many bytes that ask for nothing: an empty line, a multibulk of no words.
    Nothing(usize),
    /// The rest has not arrived.
    More,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// At the first byte of a request.
    #[default]
    Start,
    /// In a multibulk, so many bulks short of the whole.
    Bulks(u32),
    /// In a bulk of this length, whose first byte is at the decoder's position.
    Bulk { left: u32, length: u32 },
}

/// The state of one connection's decoding.
#[derive(Default)]
pub(crate) struct Decoder {
    state: State,
    /// How far the request at the front of the input is understood.
    at: usize,
    /// How far beyond `at` there is no line end.
    searched: usize,
    spans: Vec<Span>,
    /// The words of an inline request, whose quotes and escapes are taken out.
    unquoted: Option<Vec<u8>>,
}

impl Decoder {
    /// Looks for a request at the front of the input, which must begin with the bytes that the last call, if it
    /// answered [`Step::More`], saw.
    pub(crate) fn decode(&mut self, input: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        if matches!(self.state, State::Start) {
            self.unquoted = None;
            self.spans.clear();
            match input.first() {
                None => return Ok(Step::More),
                Some(b'*') => {
                    let Some(count) = self.header(input, ProtocolError::LongCount)? else {
                        return Ok(Step::More);
                    };
                    let count = count.filter(|&n| n <= limits.words_max).ok_or(ProtocolError::Count)?;
                    if !limits.authenticated && count > UNAUTHENTICATED_WORDS_MAX {
                        return Err(ProtocolError::UnauthenticatedCount);
                    }
                    if count <= 0 {
                        return Ok(Step::Nothing(self.finish()));
                    }
                    self.state = State::Bulks(count as u32);
                }
                Some(_) => return self.inline(input),
            }
        }
        self.bulks(input, limits)
    }

    /// The words of the request that was just found at the front of `input`.
    pub(crate) fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        Args::new(self.unquoted.as_deref().unwrap_or(input), &self.spans)
    }

    /// How many bytes, beyond those seen, the word that is arriving still wants: a hint for the size of a read, not
    /// to be believed beyond reason.
    pub(crate) fn wanted(&self, seen: usize) -> usize {
        match self.state {
            State::Bulk { length, .. } => (self.at + length as usize + 2).saturating_sub(seen),
            _ => 0,
        }
    }

    /// Gives back memory that an unusual request took.
    pub(crate) fn shrink(&mut self) {
        if matches!(self.state, State::Start) && self.spans.capacity() > 256 {
            self.spans = Vec::new();
        }
    }

    fn bulks(&mut self, input: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        loop {
            match self.state {
                State::Start | State::Bulks(0) => return Ok(Step::Request(self.finish())),
                State::Bulks(left) => {
                    match input.get(self.at) {
                        None => return Ok(Step::More),
                        Some(b'$') => {}
                        Some(&other) => return Err(ProtocolError::NotABulk(other)),
                    }
                    let Some(length) = self.header(input, ProtocolError::LongLength)? else {
                        return Ok(Step::More);
                    };
                    let length = length
                        .filter(|n| (0..=limits.bulk_bytes_max).contains(n))
                        .ok_or(ProtocolError::Length)?;
                    if !limits.authenticated && length > UNAUTHENTICATED_BULK_BYTES_MAX {
                        return Err(ProtocolError::UnauthenticatedLength);
                    }
                    if self.at as u64 + length as u64 + 2 > u64::from(limits.request_bytes_max) {
                        return Err(ProtocolError::Large);
                    }
                    self.state = State::Bulk { left: left - 1, length: length as u32 };
                }
                State::Bulk { left, length } => {
                    let end = self.at + length as usize + 2;
                    if input.len() < end {
                        return Ok(Step::More);
                    }
                    self.spans.push(Span { at: self.at as u32, len: length });
                    self.at = end;
                    self.state = State::Bulks(left);
                }
            }
        }
    }

    /// Reads the number between the marker at the position and the next CRLF, and goes past it. `None` until the line
    /// is whole; `Some(None)` if it is no number.
    #[expect(clippy::option_option, reason = "not yet, no number, or a number")]
    fn header(
        &mut self,
        input: &[u8],
        too_long: ProtocolError,
    ) -> Result<Option<Option<i64>>, ProtocolError> {
        let start = self.at + 1;
        let from = start.max(self.at + self.searched);
        let Some(length) = input.get(from..).and_then(|rest| rest.iter().position(|&c| c == b'\r')) else {
            self.searched = input.len().saturating_sub(self.at);
            return if self.searched > LINE_BYTES_MAX { Err(too_long) } else { Ok(None) };
        };
        let end = from + length;
        if input.len() < end + 2 {
            self.searched = end - self.at;
            return Ok(None);
        }
        self.searched = 0;
        self.at = end + 2;
        Ok(Some(input.get(start..end).and_then(number::parse_i64)))
    }

    fn inline(&mut self, input: &[u8]) -> Result<Step, ProtocolError> {
        let Some(end) = input.get(self.searched..).and_then(|rest| rest.iter().position(|&c| c == b'\n'))
        else {
            self.searched = input.len();
            return if input.len() > LINE_BYTES_MAX {
                Err(ProtocolError::LongInline)
            } else {
                Ok(Step::More)
            };
        };
        let end = self.searched + end;
        let line = input.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut unquoted = Vec::new();
        unquote(line, &mut unquoted, &mut self.spans).ok_or(ProtocolError::Quotes)?;
        self.unquoted = Some(unquoted);
        self.at = end + 1;
        let consumed = self.finish();
        Ok(if self.spans.is_empty() { Step::Nothing(consumed) } else { Step::Request(consumed) })
    }

    /// The request is over: its length, and back to the start.
    fn finish(&mut self) -> usize {
        self.state = State::Start;
        self.searched = 0;
        std::mem::take(&mut self.at)
    }
}

/// Splits a line into words as Redis's `sdssplitargs`: `"…"` with escapes, `'…'` with `\'` only. `None` if quotes are
/// not closed, or closed in the middle of a word.
fn unquote(line: &[u8], out: &mut Vec<u8>, spans: &mut Vec<Span>) -> Option<()> {
    let is_space = |c: u8| c.is_ascii_whitespace() || c == 0x0b;
    let mut rest = line;
    loop {
        while let Some((&c, tail)) = rest.split_first()
            && is_space(c)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Some(());
        }
        let start = out.len();
        while let Some((&c, tail)) = rest.split_first() {
            rest = match c {
                b'"' => end_of_word(double_quoted(tail, out)?, is_space)?,
                b'\'' => end_of_word(single_quoted(tail, out)?, is_space)?,
                // A string of bytes ends at a NUL for Redis; here too, as the rest of the line would be lost anyway.
                c if is_space(c) || c == 0 => break,
                c => {
                    out.push(c);
                    tail
                }
            };
        }
        if rest.first() == Some(&0) {
            rest = &[];
        }
        spans.push(Span { at: start as u32, len: (out.len() - start) as u32 });
    }
}

/// A closing quote must be followed by a space or nothing.
fn end_of_word(rest: &[u8], is_space: impl Fn(u8) -> bool) -> Option<&[u8]> {
    rest.first().is_none_or(|&c| is_space(c)).then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [b'"', ref tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, ref tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digit = |c: u8| (c as char).to_digit(16).unwrap_or(0) as u8;
                out.push(digit(high) << 4 | digit(low));
                tail
            }
            [b'\\', escaped, ref tail @ ..] => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                tail
            }
            [c, ref tail @ ..] => {
                out.push(c);
                tail
            }
            [] => return None,
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [b'\'', ref tail @ ..] => return Some(tail),
            [b'\\', b'\'', ref tail @ ..] => {
                out.push(b'\'');
                tail
            }
            [c, ref tail @ ..] => {
                out.push(c);
                tail
            }
            [] => return None,
        };
    }
}

#[cfg(test)]
mod tests;
