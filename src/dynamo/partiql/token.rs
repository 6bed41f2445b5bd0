//! Statements as tokens.
//!
//! ```text
//! token  := (letter | '_' | '$') (letter | digit | '_' | '$')*      a keyword, a function or a name
//!         | '"' … '"'                                               a name; `""` in it stands for `"`
//!         | "'" … "'"                                               text; `''` in it stands for `'`
//!         | (digits ('.' digits?)? | '.' digits) ('e' sign? digits)?
//!         | one of [`SYMBOLS`]
//! ```
//!
//! Letters and digits are those of ASCII. Between tokens lie blanks and comments: `-- …` to the end of the line, and
//! `/* … */`. Whatever else there is, no statement can have it.

use std::sync::LazyLock;

use super::malformed;
use crate::dynamo::error::Result;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    Quoted,
    Text,
    Number,
    Symbol,
    End,
}

/// A token: what it is, and where in the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The longer ones first.
const SYMBOLS: &[&str] = &[
    "<<", ">>", "<>", "<=", ">=", "!=", "||", "(", ")", "[", "]", "{", "}", "<", ">", "=", ",", ".", ":",
    ";", "?", "*", "+", "-", "/", "%",
];

/// In lower case, ascending.
static KEYWORDS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("keywords.txt").lines().collect());

/// Whether a word is one that cannot be a name unless it is quoted.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.binary_search(&word.to_ascii_lowercase().as_str()).is_ok()
}

/// All tokens of a statement, the last one of them its end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at = blanks_end(text, at)?;
        let rest = text.get(at..).unwrap_or_default();
        let Some((kind, length)) = first(rest) else { return Err(malformed("")) };
        tokens.push(Token { kind, start: at, end: at + length });
        if kind == TokenKind::End {
            return Ok(tokens);
        }
        at += length;
    }
}

/// Where blanks and comments end that begin here.
fn blanks_end(text: &str, mut at: usize) -> Result<usize> {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let after = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        at += rest.len() - after.len();
        if after.starts_with("--") {
            at += after.find('\n').unwrap_or(after.len());
        } else if let Some(comment) = after.strip_prefix("/*") {
            let length = comment.find("*/").ok_or_else(|| malformed(""))?;
            at += length + 4;
        } else {
            return Ok(at);
        }
    }
}

/// The token that a text begins with, and its length; `None` if none can.
fn first(text: &str) -> Option<(TokenKind, usize)> {
    let bytes = text.as_bytes();
    Some(match *bytes {
        [] => (TokenKind::End, 0),
        [c, ..] if is_letter(c) => {
            (TokenKind::Word, length_of(bytes, |c| is_letter(c) || c.is_ascii_digit()))
        }
        [quote @ (b'"' | b'\''), ref rest @ ..] => {
            let kind = if quote == b'"' { TokenKind::Quoted } else { TokenKind::Text };
            (kind, 1 + quoted_length(rest, quote)?)
        }
        [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..] => (TokenKind::Number, number_length(bytes)?),
        _ => {
            let symbol = SYMBOLS.iter().find(|symbol| text.starts_with(**symbol))?;
            (TokenKind::Symbol, symbol.len())
        }
    })
}

fn is_letter(c: u8) -> bool {
    c.is_ascii_alphabetic() || c == b'_' || c == b'$'
}

fn length_of(bytes: &[u8], is_in: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|&&c| is_in(c)).count()
}

/// The length up to the closing quote and with it; two in a row close nothing.
fn quoted_length(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|&c| c == quote)? + 1;
        if bytes.get(at) != Some(&quote) {
            return Some(at);
        }
        at += 1;
    }
}

fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| length_of(bytes.get(from..).unwrap_or_default(), |c| c.is_ascii_digit());
    let mut at = digits(0);
    if bytes.get(at) == Some(&b'.') {
        at += 1 + digits(at + 1);
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    if bytes.get(at).is_some_and(|&c| is_letter(c)) { None } else { Some(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Option<String> {
        let tokens = tokens(text).ok()?;
        let cut: Vec<&str> = tokens.iter().map(|token| &text[token.start..token.end]).collect();
        Some(cut.join(" ").trim_end().to_owned())
    }

    #[test]
    fn statements_are_cut_into_tokens() {
        for (text, expected) in [
            ("", Some("")),
            (" \t\r\n", Some("")),
            ("a.b[0]<=?", Some("a . b [ 0 ] <= ?")),
            ("'it''s' \"a\"\"b\"''", Some("'it''s' \"a\"\"b\" ''")),
            ("1.5e-3 .5 1. -2E+6", Some("1.5e-3 .5 1. - 2E+6")),
            ("<<1>><>!=||", Some("<< 1 >> <> != ||")),
            ("a--b\nc/* ' */d--", Some("a c d")),
            ("'open", None),
            ("'open''", None),
            ("/* open", None),
            ("a # b", None),
            ("`ion`", None),
            ("1e", None),
            ("1x", None),
            ("é", None),
            ("'é'", Some("'é'")),
        ] {
            assert_eq!(cut(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn keywords_are_known_in_any_case() {
        assert!(KEYWORDS.is_sorted());
        assert!(is_keyword("SELECT") && is_keyword("size") && is_keyword("Inner"));
        assert!(!is_keyword("year") && !is_keyword("data") && !is_keyword(""));
    }
}
