//! The parser of what an `UPDATE` changes.

use std::sync::Arc;

use super::malformed;
use super::parse::Parser;
use super::token::{Token, TokenKind};
use crate::dynamo::attribute::Value;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::{Action, Change, Path, Source, Update};

impl Parser<'_> {
    /// `('SET' set (',' set)* | 'REMOVE' path)+`
    pub(super) fn changes(&mut self) -> Result<Update> {
        let mut actions = Vec::new();
        loop {
            if self.take_keyword("SET") {
                actions.extend(self.list(Self::set)?);
            } else if self.take_keyword("REMOVE") {
                actions.push(Action { path: self.target()?, change: Change::Remove });
            } else if actions.is_empty() {
                return Err(malformed("Expected data manipulation"));
            } else {
                return Update::new(actions);
            }
        }
    }

    fn target(&mut self) -> Result<Path> {
        if !self.is_at_name() {
            return Err(malformed("Expected identifier for simple path"));
        }
        self.path()
    }

    fn set(&mut self) -> Result<Action> {
        let path = self.target()?;
        self.expect("=")?;
        let change = match self.word().to_ascii_uppercase().as_str() {
            name @ ("SET_ADD" | "SET_DELETE") if self.is_at_call() => self.set_of_sets(name, &path)?,
            _ => Change::Set(self.source()?),
        };
        Ok(Action { path, change })
    }

    /// `('set_add' | 'set_delete') '(' path ',' value ')'`
    fn set_of_sets(&mut self, name: &str, path: &Path) -> Result<Change> {
        let token = self.current();
        let arguments = self.arguments()?;
        let (first_token, _) = arguments.first().cloned().unwrap_or((token, Source::Path(Path::to(""))));
        let Ok([(_, first), (_, second)]) = <[_; 2]>::try_from(arguments) else {
            return Err(self.wrong_at(token, &format!("{name} must have exactly two arguments")));
        };
        if !matches!(&first, Source::Path(first) if first == path) {
            let what = format!("The first argument to {name} must equal the assignment value");
            return Err(self.wrong_at(token, &what));
        }
        match second {
            Source::Value(value) if matches!(*value, Value::Ss(_) | Value::Ns(_) | Value::Bs(_)) => {
                Ok(if name == "SET_ADD" { Change::Add(value) } else { Change::Delete(value) })
            }
            _ => {
                let what = format!("The second argument to {name} must be a value with type SET");
                Err(self.wrong_at(first_token, &what))
            }
        }
    }

    /// `term (('+' | '-') term)?`
    fn source(&mut self) -> Result<Source> {
        let left = self.term()?;
        if !self.is_at(TokenKind::Symbol) {
            return Ok(left);
        }
        let operator = self.word();
        if !matches!(operator, "+" | "-") {
            return match operator {
                "*" | "/" | "%" | "||" => Err(unsupported(operator)),
                _ => Ok(left),
            };
        }
        self.advance();
        self.check_right_side()?;
        let right = self.term()?;
        if self.is_at(TokenKind::Symbol) && matches!(self.word(), "+" | "-" | "*" | "/" | "%" | "||") {
            return Err(unsupported(self.word()));
        }
        for side in [&left, &right] {
            match side {
                Source::Value(value) if !matches!(**value, Value::N(_)) => {
                    return Err(wrong_type(operator, value.type_name()));
                }
                Source::Append(_) => return Err(wrong_type(operator, "L")),
                _ => {}
            }
        }
        let both = Box::new((left, right));
        Ok(if operator == "+" { Source::Plus(both) } else { Source::Minus(both) })
    }

    fn term(&mut self) -> Result<Source> {
        if self.take("(") {
            let source = self.nested(Self::source)?;
            self.expect(")")?;
            Ok(source)
        } else if self.is_at_value() {
            Ok(Source::Value(Arc::new(self.value()?)))
        } else if self.is_at_call() {
            self.source_call()
        } else {
            Ok(Source::Path(self.path()?))
        }
    }

    fn source_call(&mut self) -> Result<Source> {
        let (token, word) = (self.current(), self.word());
        if !word.eq_ignore_ascii_case("list_append") {
            return Err(self.wrong_at(token, &format!("Unrecognized function: {word}")));
        }
        let arguments: Vec<Source> = self.arguments()?.into_iter().map(|(_, argument)| argument).collect();
        let count = arguments.len();
        let Ok([first, second]) = <[_; 2]>::try_from(arguments) else {
            return Err(invalid(format!(
                "Incorrect number of operands for operator or function; operator or function: list_append, \
                 number of operands: {count}"
            )));
        };
        for argument in [&first, &second] {
            if let Source::Value(value) = argument
                && !matches!(**value, Value::L(_))
            {
                return Err(wrong_type("list_append", value.type_name()));
            }
        }
        Ok(Source::Append(Box::new((first, second))))
    }

    /// `word '(' (term (',' term)*)? ')'`: each argument, and the token that it begins with.
    fn arguments(&mut self) -> Result<Vec<(Token, Source)>> {
        self.advance();
        self.expect("(")?;
        if self.take(")") {
            return Ok(Vec::new());
        }
        let arguments = self.nested(|parser| parser.list(|parser| Ok((parser.current(), parser.term()?))))?;
        self.expect(")")?;
        Ok(arguments)
    }
}

fn unsupported(operator: &str) -> crate::dynamo::error::Error {
    invalid(format!("Unsupported operator in Update Expression. Operator: {operator}"))
}

fn wrong_type(operator: &str, type_name: &str) -> crate::dynamo::error::Error {
    invalid(format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {type_name}"
    ))
}
