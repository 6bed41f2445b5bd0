//! What the parsers of all parts of a statement share: tokens, names, paths and parameters.

use super::malformed;
use super::statement::Statement;
use super::token::{Token, TokenKind, is_keyword, tokens};
use crate::dynamo::attribute::Value;
use crate::dynamo::error::{Error, Result, invalid};
use crate::dynamo::expression::{Path, Step};

/// How deep parentheses and calls may lie in each other, lest they exhaust the stack.
const NESTING_MAX: u32 = 100;
const PATH_ELEMENTS_MAX: usize = 32;

/// Words that are operators.
const OPERATORS: &[&str] = &["AND", "OR", "IS", "IN", "LIKE", "BETWEEN", "UNION", "EXCEPT", "INTERSECT"];

/// Reads a statement, whose `?` stand for these values. Values may have `depth_max` levels.
pub fn parse(text: &str, parameters: Vec<Value>, depth_max: usize) -> Result<Statement> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        parameters: parameters.into_iter(),
        nesting: 0,
        place: Vec::new(),
        depth_max,
    };
    let statement = parser.statement()?;
    if parser.parameters.next().is_some() { Err(wrong_parameters()) } else { Ok(statement) }
}

pub(super) struct Parser<'t> {
    text: &'t str,
    /// The last one is the end.
    tokens: Vec<Token>,
    at: usize,
    parameters: std::vec::IntoIter<Value>,
    nesting: u32,
    /// Where in a value the parser is.
    pub(super) place: Vec<Step>,
    /// How deep values may lie in each other.
    pub(super) depth_max: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn current(&self) -> Token {
        self.peek(0)
    }

    /// The token so many after the current one.
    fn peek(&self, ahead: usize) -> Token {
        let end = Token { kind: TokenKind::End, start: self.text.len(), end: self.text.len() };
        self.tokens.get(self.at + ahead).copied().unwrap_or(end)
    }

    fn text_of(&self, token: Token) -> &'t str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// The current token, as written.
    pub(super) fn word(&self) -> &'t str {
        self.text_of(self.current())
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn is_at(&self, kind: TokenKind) -> bool {
        self.current().kind == kind
    }

    pub(super) fn is_at_symbol(&self, symbol: &str) -> bool {
        self.is_at(TokenKind::Symbol) && self.word() == symbol
    }

    pub(super) fn is_at_keyword(&self, keyword: &str) -> bool {
        self.is_keyword_ahead(0, keyword)
    }

    /// Whether the token so many after the current one is a keyword.
    pub(super) fn is_keyword_ahead(&self, ahead: usize, keyword: &str) -> bool {
        let token = self.peek(ahead);
        token.kind == TokenKind::Word && self.text_of(token).eq_ignore_ascii_case(keyword)
    }

    pub(super) fn take(&mut self, symbol: &str) -> bool {
        let is_here = self.is_at_symbol(symbol);
        self.at += usize::from(is_here);
        is_here
    }

    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_here = self.is_at_keyword(keyword);
        self.at += usize::from(is_here);
        is_here
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.take(symbol) { Ok(()) } else { Err(self.out_of_place()) }
    }

    /// Whether nothing more follows.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at(TokenKind::End) || self.is_at_symbol(";")
    }

    /// Whether a name stands here, quoted or not.
    pub(super) fn is_at_name(&self) -> bool {
        match self.current().kind {
            TokenKind::Quoted => true,
            TokenKind::Word => !is_keyword(self.word()),
            _ => false,
        }
    }

    /// Whether a function stands here: its name may be a keyword.
    pub(super) fn is_at_call(&self) -> bool {
        let next = self.peek(1);
        self.is_at(TokenKind::Word) && next.kind == TokenKind::Symbol && self.text_of(next) == "("
    }

    /// The current token is none that can stand here.
    pub(super) fn out_of_place(&self) -> Error {
        let word = self.word();
        let is_operator = |operator: &&str| operator.eq_ignore_ascii_case(word);
        malformed(match self.current().kind {
            TokenKind::Word if OPERATORS.iter().any(is_operator) => "Unexpected operator",
            TokenKind::Word if is_keyword(word) => "Unexpected keyword",
            TokenKind::Symbol
                if matches!(
                    word,
                    "=" | "<>" | "!=" | "<" | "<=" | ">" | ">=" | "*" | "+" | "-" | "/" | "%" | "||"
                ) =>
            {
                "Unexpected operator"
            }
            _ => "Unexpected term",
        })
    }

    /// `what`, with the place of a token: line, column and length, counted in characters.
    pub(super) fn wrong_at(&self, token: Token, what: &str) -> Error {
        let before = self.text.get(..token.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let length = self.text_of(token).chars().count();
        invalid(format!("{what} at {line}:{column}:{length}"))
    }

    /// What lies in parentheses or is an argument.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting == NESTING_MAX {
            return Err(malformed("it is nested too deeply"));
        }
        self.nesting += 1;
        let read = read(self)?;
        self.nesting -= 1;
        Ok(read)
    }

    /// `one (',' one)*`
    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut all = vec![one(self)?];
        while self.take(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// A name, if there is one here.
    pub(super) fn name(&mut self) -> Option<String> {
        if !self.is_at_name() {
            return None;
        }
        let word = self.word();
        let name = if self.is_at(TokenKind::Quoted) { unquoted(word, '"') } else { word.to_owned() };
        self.advance();
        Some(name)
    }

    /// `name ('.' name | '[' digits ']')*`
    pub(super) fn path(&mut self) -> Result<Path> {
        let mut path = Path::to(self.name().ok_or_else(|| self.out_of_place())?);
        loop {
            if self.take(".") {
                let name = self.name().ok_or_else(|| malformed("Invalid path dot component"))?;
                path.steps.push(Step::Name(name));
            } else if self.take("[") {
                path.steps.push(Step::Index(self.index()?));
                self.expect("]")?;
            } else {
                break;
            }
        }
        let elements = path.steps.len() + 1;
        if elements > PATH_ELEMENTS_MAX {
            return Err(invalid(format!(
                "The document path has too many nesting levels; nesting levels: {elements}"
            )));
        }
        let steps = path.steps.iter();
        let mut names = std::iter::once(path.head.as_str()).chain(steps.filter_map(|step| match step {
            Step::Name(name) => Some(name.as_str()),
            Step::Index(_) => None,
        }));
        if names.any(str::is_empty) {
            return Err(invalid("Path component cannot be an empty string"));
        }
        Ok(path)
    }

    fn index(&mut self) -> Result<u32> {
        let digits = self.word();
        if self.is_at_symbol("*") {
            return Err(invalid("Wildcard path component like a[*].b are not supported"));
        }
        if !self.is_at(TokenKind::Number) || digits.contains(['.', 'e', 'E']) {
            return Err(self.out_of_place());
        }
        self.advance();
        digits.parse().ok().filter(|&index: &u32| i32::try_from(index).is_ok()).ok_or_else(|| {
            invalid(format!("List index is not within the allowable range; index: [{digits}]"))
        })
    }

    /// The value that the next `?` stands for.
    pub(super) fn parameter(&mut self) -> Result<Value> {
        self.parameters.next().ok_or_else(wrong_parameters)
    }
}

fn wrong_parameters() -> Error {
    invalid("Number of parameters in request and statement don't match.")
}

/// What stands between quotes.
pub(super) fn unquoted(word: &str, quote: char) -> String {
    let content = word.strip_prefix(quote).and_then(|word| word.strip_suffix(quote)).unwrap_or_default();
    content.replace(&format!("{quote}{quote}"), &quote.to_string())
}
