//! The parser of values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::malformed;
use super::parse::{Parser, unquoted};
use super::token::TokenKind;
use crate::dynamo::attribute::{Attributes, Value, json};
use crate::dynamo::error::{Error, Result, invalid};
use crate::dynamo::expression::Step;
use crate::dynamo::number::{Exponents, NotNumber, Number};

impl Parser<'_> {
    /// Whether a value stands here.
    pub(super) fn is_at_value(&self) -> bool {
        match self.current().kind {
            TokenKind::Text | TokenKind::Number => true,
            TokenKind::Symbol => matches!(self.word(), "-" | "+" | "?" | "[" | "{" | "<<"),
            TokenKind::Word => {
                ["TRUE", "FALSE", "NULL", "MISSING"].iter().any(|word| self.is_at_keyword(word))
            }
            TokenKind::Quoted | TokenKind::End => false,
        }
    }

    /// A value.
    pub(super) fn value(&mut self) -> Result<Value> {
        let word = self.word();
        match self.current().kind {
            TokenKind::Text => {
                self.advance();
                Ok(Value::S(unquoted(word, '\'')))
            }
            TokenKind::Number => self.number(""),
            TokenKind::Symbol => match word {
                "-" | "+" => {
                    self.advance();
                    self.number(word)
                }
                "?" => {
                    self.advance();
                    let value = self.parameter()?;
                    if self.place.len() + value.levels() > self.depth_max {
                        return Err(json::too_deep());
                    }
                    Ok(value)
                }
                "[" => Ok(Value::L(self.elements("[", "]")?)),
                "{" => Ok(Value::M(self.members(true)?)),
                "<<" => self.bag(),
                _ => Err(self.out_of_place()),
            },
            TokenKind::Word if self.take_keyword("TRUE") => Ok(Value::Bool(true)),
            TokenKind::Word if self.take_keyword("FALSE") => Ok(Value::Bool(false)),
            TokenKind::Word if self.take_keyword("NULL") => Ok(Value::Null),
            TokenKind::Word if self.is_at_keyword("MISSING") => {
                Err(invalid("MISSING must be compared using IS operator"))
            }
            TokenKind::Word | TokenKind::Quoted | TokenKind::End => Err(self.out_of_place()),
        }
    }

    /// A value at a step into the one that it is in. It must not lie too deep: that bounds the recursion.
    fn value_at(&mut self, step: Step) -> Result<Value> {
        self.place.push(step);
        let value =
            if self.place.len() < self.depth_max { self.stored_value() } else { Err(json::too_deep()) };
        self.place.pop();
        value
    }

    /// A value that is to be stored: a call or a name in its place is told of in other words.
    fn stored_value(&mut self) -> Result<Value> {
        if self.is_at_call() || self.is_at_name() || self.is_at_keyword("MISSING") {
            let what = format!("Unsupported data type: {} under key {}", self.word(), self.place());
            return Err(self.wrong_at(self.current(), &what));
        }
        self.value()
    }

    /// `open (value (',' value)*)? close`
    fn elements(&mut self, open: &str, close: &str) -> Result<Vec<Value>> {
        self.expect(open)?;
        if self.take(close) {
            return Ok(Vec::new());
        }
        let mut next = 0;
        let elements = self.list(|parser| {
            let value = parser.value_at(Step::Index(next));
            next += 1;
            value
        })?;
        self.expect(close)?;
        Ok(elements)
    }

    /// A map, or an item: what is directly in one lies in no other value.
    pub(super) fn members(&mut self, is_nested: bool) -> Result<Attributes> {
        let mut members = BTreeMap::new();
        self.expect("{")?;
        if self.take("}") {
            return Ok(members);
        }
        self.list(|parser| {
            if !parser.is_at(TokenKind::Text) {
                return Err(parser.out_of_place());
            }
            let key = unquoted(parser.word(), '\'');
            parser.advance();
            parser.expect(":")?;
            let value =
                if is_nested { parser.value_at(Step::Name(key.clone()))? } else { parser.stored_value()? };
            if members.contains_key(&key) {
                return Err(invalid(format!("Duplicate keys in tuple. Key: {key} under {}", parser.place())));
            }
            members.insert(key, value);
            Ok(())
        })?;
        self.expect("}")?;
        Ok(members)
    }

    /// A set.
    fn bag(&mut self) -> Result<Value> {
        let values = self.elements("<<", ">>")?;
        let wrong = || {
            invalid("Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags")
        };
        match values.first() {
            None => Err(invalid("Empty bags are not supported")),
            Some(Value::S(_)) => {
                let texts = values
                    .into_iter()
                    .map(|value| if let Value::S(text) = value { Some(text) } else { None });
                Ok(Value::Ss(set(texts.collect::<Option<_>>().ok_or_else(wrong)?)?))
            }
            Some(Value::N(_)) => {
                let numbers = values
                    .into_iter()
                    .map(|value| if let Value::N(number) = value { Some(number) } else { None });
                Ok(Value::Ns(set(numbers.collect::<Option<_>>().ok_or_else(wrong)?)?))
            }
            Some(_) => Err(wrong()),
        }
    }

    fn number(&mut self, sign: &str) -> Result<Value> {
        if !self.is_at(TokenKind::Number) {
            return Err(self.out_of_place());
        }
        let text = format!("{sign}{}", self.word());
        self.advance();
        match Number::parse_with(&text, Exponents::Narrow) {
            Ok(number) => Ok(Value::N(number)),
            Err(NotNumber::Text | NotNumber::Empty) => Err(malformed("")),
            Err(why) => Err(match json::not_number(why, &text) {
                Error::Refused(refusal) => invalid(format!("{} under {}", refusal.message, self.place())),
                error @ Error::Store(_) => error,
            }),
        }
    }

    /// Where in the value the parser is, as errors tell it.
    fn place(&self) -> String {
        let mut place = "root".to_owned();
        for step in &self.place {
            match step {
                Step::Index(index) => {
                    // A text takes all that is written.
                    let _ = write!(place, "[{index}]");
                }
                Step::Name(name) => {
                    place.push('.');
                    place.push_str(name);
                }
            }
        }
        place
    }
}

fn set<T: Ord + std::fmt::Display>(values: Vec<T>) -> Result<BTreeSet<T>> {
    let shown: Vec<String> = values.iter().map(T::to_string).collect();
    let set: BTreeSet<T> = values.into_iter().collect();
    if set.len() < shown.len() {
        let shown = shown.join(", ");
        return Err(invalid(format!(
            "One or more parameter values were invalid: Input collection [{shown}] contains duplicates."
        )));
    }
    Ok(set)
}
