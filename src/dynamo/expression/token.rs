//! Expressions as tokens.
//!
//! ```text
//! token := letter (letter | digit | '_')*                 a word: a keyword, a function or an attribute's name
//!        | '#' (letter | digit | '_')+                    stands for an attribute's name
//!        | ':' (letter | digit | '_')+                    stands for a value
//!        | digit+ | '=' | '<>' | '<' | '<=' | '>' | '>=' | '(' | ')' | '[' | ']' | ',' | '.' | '+' | '-'
//! ```
//!
//! Letters and digits are those of ASCII. Between tokens lie blanks. Anything else is a token of one character that no
//! rule takes, so that the parser finds it and reports it as it reports any token out of place.

use super::condition::Comparator;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    Name,
    Value,
    Digits,
    Comparator(Comparator),
    OpenParenthesis,
    CloseParenthesis,
    OpenBracket,
    CloseBracket,
    Comma,
    Dot,
    Plus,
    Minus,
    Unknown,
    End,
}

/// A token: what it is, and where in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The first token at `from` or after it.
pub(super) fn next(text: &str, from: usize) -> Token {
    let bytes = text.as_bytes().get(from..).unwrap_or_default();
    let blanks = length_of(bytes, |c| matches!(c, b' ' | b'\t' | b'\r' | b'\n'));
    let (kind, length) = first(bytes.get(blanks..).unwrap_or_default());
    let start = from + blanks;
    Token { kind, start, end: start + length }
}

fn first(bytes: &[u8]) -> (TokenKind, usize) {
    let one = |kind| (kind, 1);
    match *bytes {
        [] => (TokenKind::End, 0),
        [b'a'..=b'z' | b'A'..=b'Z', ..] => (TokenKind::Word, length_of(bytes, is_part)),
        [b'0'..=b'9', ..] => (TokenKind::Digits, length_of(bytes, |c| c.is_ascii_digit())),
        [b'#', c, ref rest @ ..] if is_part(c) => (TokenKind::Name, 2 + length_of(rest, is_part)),
        [b':', c, ref rest @ ..] if is_part(c) => (TokenKind::Value, 2 + length_of(rest, is_part)),
        [b'<', b'>', ..] => (TokenKind::Comparator(Comparator::NotEqual), 2),
        [b'<', b'=', ..] => (TokenKind::Comparator(Comparator::LessOrEqual), 2),
        [b'>', b'=', ..] => (TokenKind::Comparator(Comparator::GreaterOrEqual), 2),
        [b'<', ..] => one(TokenKind::Comparator(Comparator::Less)),
        [b'>', ..] => one(TokenKind::Comparator(Comparator::Greater)),
        [b'=', ..] => one(TokenKind::Comparator(Comparator::Equal)),
        [b'(', ..] => one(TokenKind::OpenParenthesis),
        [b')', ..] => one(TokenKind::CloseParenthesis),
        [b'[', ..] => one(TokenKind::OpenBracket),
        [b']', ..] => one(TokenKind::CloseBracket),
        [b',', ..] => one(TokenKind::Comma),
        [b'.', ..] => one(TokenKind::Dot),
        [b'+', ..] => one(TokenKind::Plus),
        [b'-', ..] => one(TokenKind::Minus),
        // A character, with the bytes that continue it.
        [_, ref rest @ ..] => (TokenKind::Unknown, 1 + length_of(rest, |c| c & 0xC0 == 0x80)),
    }
}

fn is_part(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

/// How many bytes at the front are such.
fn length_of(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&c| !is_such(c)).unwrap_or(bytes.len())
}

/// Whether this can stand for a name or a value in an expression: `mark` and what follows it.
pub(super) fn is_placeholder(key: &str, mark: u8) -> bool {
    matches!(key.as_bytes(), [first, rest @ ..] if *first == mark && !rest.is_empty() && rest.iter().all(|&c| is_part(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<&str> {
        let mut at = 0;
        std::iter::from_fn(|| {
            let token = next(text, at);
            at = token.end;
            (token.kind != TokenKind::End).then(|| &text[token.start..token.end])
        })
        .collect()
    }

    #[test]
    fn texts_are_cut_into_tokens() {
        for (text, expected) in [
            ("", ""),
            (" \t\r\n", ""),
            ("SET a1.b_c[10]=:v1+#n", "SET a1 . b_c [ 10 ] = :v1 + #n"),
            ("a<>b<=c>=d<e>f", "a <> b <= c >= d < e > f"),
            ("_123", "_ 123"),
            ("12ab", "12 ab"),
            ("# :", "# :"),
            ("#_ :0", "#_ :0"),
            ("a!=é\u{1F600}", "a ! = é \u{1F600}"),
        ] {
            assert_eq!(tokens(text).join(" "), expected, "{text}");
        }
    }
}
