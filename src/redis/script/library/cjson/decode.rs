//! JSON as Lua's values.

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::super::super::raise::{Given, error};
use super::super::super::text;
use super::super::DEPTH_MAX;
use super::Config;

/// `cjson.decode`.
pub(super) fn decode(given: &Given<'_>, config: &Config) -> mlua::Result<MultiValue> {
    let json = given.string(1)?;
    let json = json.as_bytes();
    if json.len() >= 2 && json[..2].contains(&0) {
        return Err(error(given.lua, "JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut parser = Parser { lua: given.lua, config, json: &json, at: 0, depth: 0, text: Vec::new() };
    let first = parser.next();
    let value = parser.value(first)?;
    let last = parser.next();
    if !matches!(last.1, Token::End) {
        return Err(parser.unexpected("the end", &last));
    }
    value.into_lua_multi(given.lua)
}

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// What it says is in the parser's buffer.
    Text,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::Text => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Error(what) => what,
        }
    }
}

/// Where a token begins, or went wrong, and what it is.
type Placed = (usize, Token);

struct Parser<'a> {
    lua: &'a Lua,
    config: &'a Config,
    json: &'a [u8],
    at: usize,
    depth: usize,
    text: Vec<u8>,
}

impl Parser<'_> {
    fn unexpected(&self, wanted: &str, found: &Placed) -> mlua::Error {
        let (at, found) = (found.0 + 1, found.1.name());
        error(self.lua, format!("Expected {wanted} but found {found} at character {at}"))
    }

    /// The byte so many places on; 0 behind the end, as in C.
    fn peek(&self, ahead: usize) -> u8 {
        self.json.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn next(&mut self) -> Placed {
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let at = self.at;
        let single = match self.peek(0) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            0 => return (at, Token::End),
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' if !self.config.decode_invalid && self.is_invalid_number() => {
                return (at, Token::Error("invalid number"));
            }
            b'-' | b'0'..=b'9' => return self.number(),
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => return self.word(),
            _ => return (at, Token::Error("invalid token")),
        };
        self.at += 1;
        (at, single)
    }

    fn word(&mut self) -> Placed {
        let at = self.at;
        let rest = self.json.get(at..).unwrap_or_default();
        for (word, token) in
            [(&b"true"[..], Token::Boolean(true)), (b"false", Token::Boolean(false)), (b"null", Token::Null)]
        {
            if rest.starts_with(word) {
                self.at += word.len();
                return (at, token);
            }
        }
        if self.config.decode_invalid && self.is_invalid_number() {
            return self.number();
        }
        (at, Token::Error("invalid token"))
    }

    fn number(&mut self) -> Placed {
        let at = self.at;
        match text::number(self.json.get(at..).unwrap_or_default()) {
            Some((n, len)) => {
                self.at += len;
                (at, Token::Number(n))
            }
            None => (at, Token::Error("invalid number")),
        }
    }

    /// What reads as a number, and is none in JSON.
    fn is_invalid_number(&self) -> bool {
        if self.peek(0) == b'+' {
            return true;
        }
        let from = usize::from(self.peek(0) == b'-');
        match self.peek(from) {
            b'0' => matches!(self.peek(from + 1), b'x' | b'X' | b'0'..=b'9'),
            c if c <= b'9' => false,
            _ => {
                let word = self.json.get(self.at + from..self.at + from + 3).unwrap_or_default();
                word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn string(&mut self) -> Placed {
        let begin = self.at;
        self.at += 1;
        self.text.clear();
        loop {
            match self.peek(0) {
                b'"' => break,
                0 => return (self.at, Token::Error("unexpected end of string")),
                b'\\' => {
                    let plain = match self.peek(1) {
                        c @ (b'"' | b'\\' | b'/') => c,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'u' => {
                            let Some((letter, len)) = self.unicode() else {
                                return (self.at, Token::Error("invalid unicode escape code"));
                            };
                            put_code_point(&mut self.text, letter);
                            self.at += len;
                            continue;
                        }
                        _ => return (self.at, Token::Error("invalid escape code")),
                    };
                    self.text.push(plain);
                    self.at += 2;
                }
                c => {
                    self.text.push(c);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        (begin, Token::Text)
    }

    /// A code point written as `\u` and four digits, or as two of these, and how long that is.
    fn unicode(&self) -> Option<(u32, usize)> {
        let unit = |from: usize| {
            (0..4).try_fold(0, |n, i| Some(n << 4 | (self.peek(from + i) as char).to_digit(16)?))
        };
        let high = unit(2)?;
        if high & 0xF800 != 0xD800 {
            return Some((high, 6));
        }
        if high & 0x400 != 0 || self.peek(6) != b'\\' || self.peek(7) != b'u' {
            return None;
        }
        let low = unit(8).filter(|low| low & 0xFC00 == 0xDC00)?;
        Some((((high & 0x3FF) << 10 | low & 0x3FF) + 0x1_0000, 12))
    }

    fn value(&mut self, token: Placed) -> mlua::Result<Value> {
        Ok(match token.1 {
            Token::Text => Value::String(self.lua.create_string(&self.text)?),
            Token::Number(n) => Value::Number(n),
            Token::Boolean(yes) => Value::Boolean(yes),
            Token::Null => Value::NULL,
            Token::ObjectBegin => Value::Table(self.object()?),
            Token::ArrayBegin => Value::Table(self.array()?),
            _ => return Err(self.unexpected("value", &token)),
        })
    }

    fn descend(&mut self) -> mlua::Result<()> {
        self.depth += 1;
        if self.depth as i64 > self.config.decode_depth_max || self.depth > DEPTH_MAX {
            let (depth, at) = (self.depth, self.at);
            return Err(error(
                self.lua,
                format!("Found too many nested data structures ({depth}) at character {at}"),
            ));
        }
        Ok(())
    }

    fn object(&mut self) -> mlua::Result<Table> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if matches!(token.1, Token::ObjectEnd) {
            self.depth -= 1;
            return Ok(table);
        }
        loop {
            if !matches!(token.1, Token::Text) {
                return Err(self.unexpected("object key string", &token));
            }
            let key = self.lua.create_string(&self.text)?;
            let colon = self.next();
            if !matches!(colon.1, Token::Colon) {
                return Err(self.unexpected("colon", &colon));
            }
            let begin = self.next();
            let value = self.value(begin)?;
            table.raw_set(key, value)?;
            token = self.next();
            match token.1 {
                Token::ObjectEnd => break,
                Token::Comma => token = self.next(),
                _ => return Err(self.unexpected("comma or object end", &token)),
            }
        }
        self.depth -= 1;
        Ok(table)
    }

    fn array(&mut self) -> mlua::Result<Table> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if matches!(token.1, Token::ArrayEnd) {
            self.depth -= 1;
            return Ok(table);
        }
        for i in 1_i64.. {
            let value = self.value(token)?;
            table.raw_set(i, value)?;
            token = self.next();
            match token.1 {
                Token::ArrayEnd => break,
                Token::Comma => token = self.next(),
                _ => return Err(self.unexpected("comma or array end", &token)),
            }
        }
        self.depth -= 1;
        Ok(table)
    }
}

/// A code point in UTF-8, half a pair too.
fn put_code_point(out: &mut Vec<u8>, n: u32) {
    let tail = |shift: u32| (n >> shift & 0x3F) as u8 | 0x80;
    match n {
        0..0x80 => out.push(n as u8),
        0x80..0x800 => out.extend_from_slice(&[(n >> 6) as u8 | 0xC0, tail(0)]),
        0x800..0x1_0000 => out.extend_from_slice(&[(n >> 12) as u8 | 0xE0, tail(6), tail(0)]),
        _ => out.extend_from_slice(&[(n >> 18) as u8 | 0xF0, tail(12), tail(6), tail(0)]),
    }
}
