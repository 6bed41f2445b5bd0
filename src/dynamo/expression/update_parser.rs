//! The parser of updates.

use super::super::attribute::Value;
use super::super::error::Result;
use super::ExpressionKind;
use super::parse::{Detail, Parser, Rank};
use super::path::Path;
use super::placeholders::Placeholders;
use super::token::TokenKind;
use super::update::{Action, Change, Source, Update};

const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

impl Update {
    /// Parses an `UpdateExpression`.
    pub fn parse(text: &str, placeholders: &mut Placeholders, bytes_max: usize) -> Result<Self> {
        let mut parser = Parser::new(text, ExpressionKind::Update, placeholders, bytes_max)?;
        let mut actions = Vec::new();
        let mut seen = [false; SECTIONS.len()];
        while !parser.is_at(TokenKind::End) {
            let at = SECTIONS.iter().zip(&mut seen).find(|(name, _)| parser.is_at_keyword(name));
            let Some((name, seen)) = at else { return Err(parser.syntax_error()) };
            parser.advance();
            let section = match *name {
                "SET" => parser.list(Parser::set_action)?,
                "REMOVE" => parser.list(Parser::remove_action)?,
                _ => parser.list(|parser| parser.set_change(name))?,
            };
            actions.extend(section);
            if std::mem::replace(seen, true) {
                parser.fault(Rank::Section, || {
                    format!("The \"{name}\" section can only be used once in an update expression;")
                });
            }
        }
        parser.check_paths(actions.iter().map(|action| &action.path));
        parser.finish()?;
        Ok(Self::of(actions, false))
    }
}

/// A function whose value something may be set to.
enum Function {
    IfNotExists,
    ListAppend,
}

/// What was read where a value is expected.
enum Part {
    Source(Source),
    /// A sum or a difference, which cannot be a part of another one.
    Sum(Source),
}

impl Parser<'_> {
    fn set_action(&mut self) -> Result<Action> {
        let path = self.path()?;
        let equals = TokenKind::Comparator(super::Comparator::Equal);
        self.expect(equals)?;
        let (Part::Source(source) | Part::Sum(source)) = self.source()?;
        Ok(Action { path, change: Change::Set(source) })
    }

    fn remove_action(&mut self) -> Result<Action> {
        Ok(Action { path: self.path()?, change: Change::Remove })
    }

    /// `path :value`, of `ADD` or `DELETE`.
    fn set_change(&mut self, section: &str) -> Result<Action> {
        let path = self.path()?;
        let value = self.value()?;
        let type_name = match &*value {
            Value::S(_) => Some("STRING"),
            Value::N(_) if section == "DELETE" => Some("NUMBER"),
            Value::B(_) => Some("BINARY"),
            Value::Bool(_) => Some("BOOLEAN"),
            Value::Null => Some("NULL"),
            Value::L(_) => Some("LIST"),
            Value::M(_) => Some("MAP"),
            Value::N(_) | Value::Ss(_) | Value::Ns(_) | Value::Bs(_) => None,
        };
        if let Some(type_name) = type_name {
            // Before faults of operators and functions.
            self.fault(self.here(Detail::OperandCount), || {
                format!(
                    "Incorrect operand type for operator or function; operator: {section}, operand type: {type_name}"
                )
            });
        }
        let change = if section == "ADD" { Change::Add(value) } else { Change::Delete(value) };
        Ok(Action { path, change })
    }

    fn source(&mut self) -> Result<Part> {
        let left = self.source_primary()?;
        let operator = match self.current.kind {
            TokenKind::Plus => "+",
            TokenKind::Minus => "-",
            _ => return Ok(left),
        };
        let left = self.source_operand(left)?;
        self.count_operator()?;
        self.advance();
        let right = self.source_primary()?;
        let right = self.source_operand(right)?;
        for side in [&left, &right] {
            match side {
                Source::Value(value) if !matches!(**value, Value::N(_)) => {
                    self.wrong_operand(operator, value.type_name());
                }
                Source::Append(_) => self.wrong_operand(operator, "L"),
                _ => {}
            }
        }
        let both = Box::new((left, right));
        Ok(Part::Sum(if operator == "+" { Source::Plus(both) } else { Source::Minus(both) }))
    }

    fn source_primary(&mut self) -> Result<Part> {
        if self.is_at(TokenKind::OpenParenthesis) {
            self.group(Self::source)
        } else if self.is_at(TokenKind::Value) {
            Ok(Part::Source(Source::Value(self.value()?)))
        } else if self.is_at_call() {
            Ok(Part::Source(self.source_call()?))
        } else {
            Ok(Part::Source(Source::Path(self.path()?)))
        }
    }

    /// What was read must be no sum.
    fn source_operand(&mut self, part: Part) -> Result<Source> {
        match part {
            Part::Source(source) => Ok(source),
            Part::Sum(_) => Err(self.syntax_error()),
        }
    }

    fn source_call(&mut self) -> Result<Source> {
        let name = self.word();
        self.count_operator()?;
        self.advance();
        self.expect(TokenKind::OpenParenthesis)?;
        let arguments = self.nested(|parser| {
            parser.list(|parser| {
                let part = parser.source_primary()?;
                parser.source_operand(part)
            })
        })?;
        self.expect(TokenKind::CloseParenthesis)?;
        let function = match name {
            "if_not_exists" => Some(Function::IfNotExists),
            "list_append" => Some(Function::ListAppend),
            "attribute_exists"
            | "attribute_not_exists"
            | "attribute_type"
            | "begins_with"
            | "contains"
            | "size" => {
                self.fault(Rank::UnknownFunction, || {
                    format!("The function is not allowed in an update expression; function: {name}")
                });
                None
            }
            _ => {
                self.fault(Rank::UnknownFunction, || format!("Invalid function name; function: {name}"));
                None
            }
        };
        let count = arguments.len();
        let both = <[Source; 2]>::try_from(arguments);
        let (Some(function), Ok([first, second])) = (function, both) else {
            self.fault(self.here(Detail::OperandType), || {
                format!(
                    "Incorrect number of operands for operator or function; operator or function: {name}, \
                     number of operands: {count}"
                )
            });
            return Ok(nothing());
        };
        if [&first, &second].iter().any(|argument| matches!(argument, Source::Append(_))) {
            self.fault(Rank::Misuse, || {
                "The function is not allowed to be used this way in an expression; function: list_append"
                    .to_owned()
            });
        }
        Ok(match function {
            Function::IfNotExists => self.if_not_exists(first, second),
            Function::ListAppend => self.list_append(first, second),
        })
    }

    fn if_not_exists(&mut self, first: Source, second: Source) -> Source {
        if let Source::Path(path) = first {
            return Source::IfNotExists(path, Box::new(second));
        }
        self.fault(self.here(Detail::OperandType), || {
            "Operator or function requires a document path; operator or function: if_not_exists".to_owned()
        });
        nothing()
    }

    fn list_append(&mut self, first: Source, second: Source) -> Source {
        for argument in [&first, &second] {
            if let Source::Value(value) = argument
                && !matches!(**value, Value::L(_))
            {
                self.wrong_operand("list_append", value.type_name());
            }
        }
        Source::Append(Box::new((first, second)))
    }

    fn wrong_operand(&mut self, operator: &str, type_name: &str) {
        self.fault(self.here(Detail::OperandType), || {
            format!(
                "Incorrect operand type for operator or function; operator or function: {operator}, \
                 operand type: {type_name}"
            )
        });
    }
}

/// What stands for a faulty source: a path that leads nowhere, of whose type nothing is known.
fn nothing() -> Source {
    Source::Path(Path::to(String::new()))
}
