//! What the parsers of all kinds of expressions share: tokens, paths, placeholders, and which error to report.
//!
//! An error of syntax ends the parsing. Any other fault is noted, and the parsing goes on: when the text is read to its
//! end, the fault that the service would report is the one of the least rank, of those the first. What stands in for a
//! faulty part meanwhile may lead to other faults only of higher ranks.

use std::sync::Arc;

use super::super::attribute::Value;
use super::super::error::{Error, Result, invalid};
use super::ExpressionKind;
use super::path::{Clash, Path, Step, first_clash};
use super::placeholders::Placeholders;
use super::reserved::is_reserved;
use super::token::{self, Token, TokenKind};

/// The most operators and functions of an expression, and elements of a path.
const OPERATORS_MAX: u32 = 300;
const PATH_ELEMENTS_MAX: usize = 32;
/// How deep parentheses and calls may lie in each other, lest they exhaust the stack.
const NESTING_MAX: u32 = 300;

/// How urgent a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A reserved word, in updates and projections.
    ReservedFirst,
    Parentheses,
    UnknownFunction,
    Misuse,
    /// A reserved word, in conditions.
    Reserved,
    Section,
    /// In the n-th of several conditions.
    In(u32, Detail),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    Undefined,
    UndefinedValue,
    Overlap,
    Conflict,
    OperandCount,
    NotDistinct,
    OperandType,
}

pub(super) struct Parser<'t> {
    text: &'t str,
    kind: ExpressionKind,
    previous: Option<Token>,
    pub(super) current: Token,
    placeholders: &'t mut Placeholders,
    fault: Option<(Rank, String)>,
    operators: u32,
    nesting: u32,
    /// How many conditions were read.
    pub(super) conditions: u32,
    /// Where the last parentheses were that were closed.
    last_group: Option<(usize, usize)>,
}

impl<'t> Parser<'t> {
    pub(super) fn new(
        text: &'t str,
        kind: ExpressionKind,
        placeholders: &'t mut Placeholders,
        bytes_max: usize,
    ) -> Result<Self> {
        let current = token::next(text, 0);
        let parser = Self {
            text,
            kind,
            previous: None,
            current,
            placeholders,
            fault: None,
            operators: 0,
            nesting: 0,
            conditions: 0,
            last_group: None,
        };
        if current.kind == TokenKind::End {
            return Err(parser.wrong("The expression can not be empty;"));
        }
        if text.len() > bytes_max {
            return Err(parser.wrong(&format!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                text.len()
            )));
        }
        Ok(parser)
    }

    /// The end must be here: the fault to report, if there is one.
    pub(super) fn finish(self) -> Result<()> {
        if self.current.kind != TokenKind::End {
            return Err(self.syntax_error());
        }
        match &self.fault {
            Some((_, what)) => Err(self.wrong(what)),
            None => Ok(()),
        }
    }

    pub(super) fn wrong(&self, what: &str) -> Error {
        invalid(format!("Invalid {}: {what}", self.kind.parameter()))
    }

    /// The current token is out of place. What is near it are its neighbours, as written.
    pub(super) fn syntax_error(&self) -> Error {
        let (token, start, end) = if self.current.kind == TokenKind::End {
            let last = self.previous.unwrap_or(self.current);
            ("<EOF>", last.start, last.end)
        } else {
            let start = self.previous.map_or(self.current.start, |token| token.start);
            let next = self.peek();
            let end = if next.kind == TokenKind::End { self.current.end } else { next.end };
            (self.word(), start, end)
        };
        let near = self.text.get(start..end).unwrap_or_default();
        self.wrong(&format!("Syntax error; token: \"{token}\", near: \"{near}\""))
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, rank: Rank, what: impl FnOnce() -> String) {
        if self.fault.as_ref().is_none_or(|(worst, _)| rank < *worst) {
            self.fault = Some((rank, what()));
        }
    }

    /// The rank of a fault in the condition that is being read.
    pub(super) fn here(&self, detail: Detail) -> Rank {
        Rank::In(self.conditions, detail)
    }

    pub(super) fn advance(&mut self) {
        self.previous = Some(self.current);
        self.current = token::next(self.text, self.current.end);
    }

    /// The token after the current one.
    pub(super) fn peek(&self) -> Token {
        token::next(self.text, self.current.end)
    }

    /// The current token as written.
    pub(super) fn word(&self) -> &'t str {
        self.text.get(self.current.start..self.current.end).unwrap_or_default()
    }

    pub(super) fn is_at(&self, kind: TokenKind) -> bool {
        self.current.kind == kind
    }

    /// Whether the current token is this keyword.
    pub(super) fn is_at_keyword(&self, keyword: &str) -> bool {
        self.is_at(TokenKind::Word) && self.word().eq_ignore_ascii_case(keyword)
    }

    /// Takes a token of this kind, if it is here.
    pub(super) fn take(&mut self, kind: TokenKind) -> bool {
        let is_here = self.is_at(kind);
        if is_here {
            self.advance();
        }
        is_here
    }

    /// Takes a keyword, if it is here.
    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_here = self.is_at_keyword(keyword);
        if is_here {
            self.advance();
        }
        is_here
    }

    pub(super) fn expect(&mut self, kind: TokenKind) -> Result<()> {
        if self.take(kind) { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// Whether the current token is a word that can be the name of an attribute or a function.
    pub(super) fn is_at_word(&self) -> bool {
        self.is_at(TokenKind::Word)
            && !self.kind.keywords().iter().any(|keyword| self.word().eq_ignore_ascii_case(keyword))
    }

    /// Whether a call of a function begins here.
    pub(super) fn is_at_call(&self) -> bool {
        self.is_at_word() && self.peek().kind == TokenKind::OpenParenthesis
    }

    /// One more operator or function.
    pub(super) fn count_operator(&mut self) -> Result<()> {
        self.operators += 1;
        if self.operators > OPERATORS_MAX {
            let count = self.operators;
            return Err(
                self.wrong(&format!("The expression contains too many operators; operator count: {count}"))
            );
        }
        Ok(())
    }

    /// What lies in parentheses or is an argument.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting == NESTING_MAX {
            return Err(self.wrong(&format!(
                "Parentheses and functions are nested too deeply; at most {NESTING_MAX} levels"
            )));
        }
        self.nesting += 1;
        let read = read(self)?;
        self.nesting -= 1;
        Ok(read)
    }

    /// `'(' what ')'`, from the parenthesis on. That nothing but another pair of parentheses is in it, is a fault.
    pub(super) fn group<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let open = self.current;
        self.expect(TokenKind::OpenParenthesis)?;
        let first = self.current.start;
        let what = self.nested(read)?;
        let last = self.previous.map_or(0, |token| token.end);
        self.expect(TokenKind::CloseParenthesis)?;
        if self.last_group == Some((first, last)) {
            self.fault(Rank::Parentheses, || "The expression has redundant parentheses;".to_owned());
        }
        self.last_group = Some((open.start, self.previous.map_or(0, |token| token.end)));
        Ok(what)
    }

    /// `name(step)*`
    pub(super) fn path(&mut self) -> Result<Path> {
        let mut path = Path::to(self.attribute_name()?);
        self.steps(&mut path)?;
        Ok(path)
    }

    /// `('.' name | '[' digits ']')*`, onto a path.
    pub(super) fn steps(&mut self, path: &mut Path) -> Result<()> {
        loop {
            if self.take(TokenKind::Dot) {
                path.steps.push(Step::Name(self.attribute_name()?));
            } else if self.take(TokenKind::OpenBracket) {
                if !self.is_at(TokenKind::Digits) {
                    return Err(self.syntax_error());
                }
                let digits = self.word();
                let index = digits.parse().ok().filter(|&index: &u32| i32::try_from(index).is_ok());
                if index.is_none() {
                    self.fault(self.here(Detail::Undefined), || {
                        format!("List index is not within the allowable range; index: [{digits}]")
                    });
                }
                path.steps.push(Step::Index(index.unwrap_or_default()));
                self.advance();
                self.expect(TokenKind::CloseBracket)?;
            } else {
                break;
            }
        }
        let elements = path.steps.len() + 1;
        if elements > PATH_ELEMENTS_MAX {
            self.fault(self.here(Detail::Undefined), || {
                format!("The document path has too many nesting levels; nesting levels: {elements}")
            });
        }
        Ok(())
    }

    fn attribute_name(&mut self) -> Result<String> {
        let word = self.word();
        let name = if self.is_at_word() {
            if is_reserved(word) {
                let rank = if self.kind.is_condition() { Rank::Reserved } else { Rank::ReservedFirst };
                self.fault(rank, || {
                    format!("Attribute name is a reserved keyword; reserved keyword: {word}")
                });
            }
            word.to_owned()
        } else if self.is_at(TokenKind::Name) {
            let meaning = self.placeholders.name(word).map(str::to_owned);
            meaning.unwrap_or_else(|| {
                self.fault(self.here(Detail::Undefined), || {
                    format!(
                        "An expression attribute name used in the document path is not defined; attribute name: {word}"
                    )
                });
                word.to_owned()
            })
        } else {
            return Err(self.syntax_error());
        };
        self.advance();
        Ok(name)
    }

    /// The value that the current token stands for.
    pub(super) fn value(&mut self) -> Result<Arc<Value>> {
        if !self.is_at(TokenKind::Value) {
            return Err(self.syntax_error());
        }
        let key = self.word();
        let value = self.placeholders.value(key).unwrap_or_else(|| {
            let detail = if self.kind.is_condition() { Detail::Undefined } else { Detail::UndefinedValue };
            self.fault(self.here(detail), || {
                format!(
                    "An expression attribute value used in expression is not defined; attribute value: {key}"
                )
            });
            Arc::new(Value::Null)
        });
        self.advance();
        Ok(value)
    }

    /// `one (',' one)*`
    pub(super) fn list<T>(&mut self, one: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut all = vec![one(self)?];
        while self.take(TokenKind::Comma) {
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// Notes that not all paths can be meant, if it is so.
    pub(super) fn check_paths<'a>(&mut self, paths: impl IntoIterator<Item = &'a Path>) {
        let Some((clash, one, two)) = first_clash(paths) else { return };
        let detail = match clash {
            Clash::Overlap => Detail::Overlap,
            Clash::Conflict => Detail::Conflict,
        };
        self.fault(self.here(detail), || clash.message(one, two));
    }
}
