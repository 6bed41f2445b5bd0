//! The parser of what follows `WHERE`.
//!
//! A parenthesis may open a condition or an operand, and which one is known only behind it: so one set of rules reads
//! both, and says what it read.

use std::sync::Arc;

use super::malformed;
use super::parse::Parser;
use super::token::{TokenKind, is_keyword};
use crate::dynamo::attribute::Value;
use crate::dynamo::error::{Error, Result, invalid};
use crate::dynamo::expression::{
    Called, Comparator, Condition, Operand, Path, called, too_many, wrong_operands,
};

/// What was read.
enum Part {
    Condition(Condition),
    Operand(Operand),
}

/// The names of types after `IS`, as the expressions name them.
const TYPES: &[(&str, &str)] = &[
    ("NULL", "NULL"),
    ("BOOLEAN", "BOOL"),
    ("BOOL", "BOOL"),
    ("BLOB", "B"),
    ("STRING", "S"),
    ("NUMERIC", "N"),
    ("STRUCT", "M"),
    ("TUPLE", "M"),
    ("LIST", "L"),
];

/// Types of PartiQL that no attribute has.
const OTHER_TYPES: &[&str] = &[
    "SMALLINT",
    "INT",
    "INT2",
    "INTEGER2",
    "INT4",
    "INTEGER4",
    "INT8",
    "INTEGER8",
    "BIGINT",
    "INTEGER",
    "FLOAT",
    "REAL",
    "DOUBLE",
    "DEC",
    "DECIMAL",
    "TIMESTAMP",
    "DATE",
    "TIME",
    "CHAR",
    "CHARACTER",
    "VARCHAR",
    "SYMBOL",
    "CLOB",
    "SEXP",
    "BAG",
    "ANY",
];

impl Parser<'_> {
    /// `('WHERE' or)?`
    pub(super) fn filter(&mut self) -> Result<Option<Condition>> {
        if !self.take_keyword("WHERE") {
            return Ok(None);
        }
        let part = self.disjunction()?;
        condition(part, "WHERE clause must contain an expression that resolves to a boolean").map(Some)
    }

    fn disjunction(&mut self) -> Result<Part> {
        let first = self.conjunction()?;
        if !self.is_at_keyword("OR") {
            return Ok(first);
        }
        let mut all = vec![expression(first)?];
        while self.take_keyword("OR") {
            self.check_right_side()?;
            all.push(expression(self.conjunction()?)?);
        }
        Ok(Part::Condition(Condition::Or(all)))
    }

    fn conjunction(&mut self) -> Result<Part> {
        let first = self.negation()?;
        if !self.is_at_keyword("AND") {
            return Ok(first);
        }
        let mut all = vec![expression(first)?];
        while self.take_keyword("AND") {
            self.check_right_side()?;
            all.push(expression(self.negation()?)?);
        }
        Ok(Part::Condition(Condition::And(all)))
    }

    fn negation(&mut self) -> Result<Part> {
        let (mut is_negated, mut is_any) = (false, false);
        while self.take_keyword("NOT") {
            is_negated = !is_negated;
            is_any = true;
        }
        let part = self.test()?;
        if !is_any {
            return Ok(part);
        }
        Ok(negated(condition(part, "The argument to NOT must be a Type or Expression")?, is_negated))
    }

    fn test(&mut self) -> Result<Part> {
        let left = self.operand_part()?;
        if let Some(comparator) = self.comparator() {
            self.check_right_side()?;
            let right = self.operand_part()?;
            return compared(comparator, left, right);
        }
        if self.take_keyword("IS") {
            return self.is_of_type(left);
        }
        let negates = ["IN", "BETWEEN", "LIKE"].iter().any(|operator| self.is_keyword_ahead(1, operator));
        let is_negated = negates && self.take_keyword("NOT");
        if self.take_keyword("IN") {
            return Ok(negated(self.is_in(left)?, is_negated));
        }
        if self.take_keyword("BETWEEN") {
            return Ok(negated(self.between(left)?, is_negated));
        }
        if self.is_at_keyword("LIKE") {
            return Err(invalid("Unsupported operator in Condition Expression. Operator: LIKE"));
        }
        Ok(left)
    }

    fn comparator(&mut self) -> Option<Comparator> {
        if !self.is_at(TokenKind::Symbol) {
            return None;
        }
        let comparator = match self.word() {
            "=" => Comparator::Equal,
            "<>" | "!=" => Comparator::NotEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            _ => return None,
        };
        self.advance();
        Some(comparator)
    }

    /// Something must follow an operator.
    pub(super) fn check_right_side(&self) -> Result<()> {
        if self.is_at(TokenKind::End) {
            return Err(malformed("Missing right-hand side expression of infix operator"));
        }
        Ok(())
    }

    /// `type`, after `IS`.
    fn is_of_type(&mut self, left: Part) -> Result<Part> {
        let is_negated = self.take_keyword("NOT");
        let word = self.word().to_ascii_uppercase();
        let known = TYPES.iter().find(|(name, _)| *name == word);
        let is_missing = word == "MISSING";
        if !self.is_at(TokenKind::Word)
            || known.is_none() && !is_missing && !OTHER_TYPES.contains(&word.as_str())
        {
            return Err(malformed("Expected type name"));
        }
        self.advance();
        let Part::Operand(Operand::Path(left)) = left else {
            return Err(invalid(
                "The left hand side argument to IS must be a Variable Reference, Literal, or Path",
            ));
        };
        let condition = match known {
            Some((_, name)) => Condition::HasType(Operand::Path(left), (*name).to_owned()),
            // The one that is not there is not negated twice.
            None if is_missing && is_negated => return Ok(Part::Condition(Condition::Exists(left))),
            None if is_missing => Condition::NotExists(left),
            None => {
                return Err(invalid(format!(
                    "Unsupported data type for IS operator: {word}. Supported data types are [MISSING, NULL, BOOLEAN, \
                     BLOB, STRING, NUMERIC, STRUCT, TUPLE, LIST]"
                )));
            }
        };
        Ok(negated(condition, is_negated))
    }

    fn is_in(&mut self, left: Part) -> Result<Condition> {
        let wrong = || {
            invalid(
                "IN operator must have a left hand argument of type Variable Reference and right hand argument of \
                 type Seq with at least one member",
            )
        };
        self.check_right_side()?;
        let Part::Operand(left @ Operand::Path(_)) = left else { return Err(wrong()) };
        let close = match self.word() {
            "[" => "]",
            "(" => ")",
            "<<" => ">>",
            _ => return Err(wrong()),
        };
        self.advance();
        if self.is_at_symbol(close) {
            return Err(wrong());
        }
        let values =
            self.nested(|parser| parser.list(|parser| Ok(Operand::Value(Arc::new(parser.value()?)))))?;
        self.expect(close)?;
        match too_many(&values) {
            Some(what) => Err(invalid(what)),
            None => Ok(Condition::In(left, values)),
        }
    }

    fn between(&mut self, left: Part) -> Result<Condition> {
        self.check_right_side()?;
        let low = operand(self.operand_part()?)?;
        if !self.take_keyword("AND") {
            return Err(malformed("Expected AND after BETWEEN"));
        }
        self.check_right_side()?;
        let high = operand(self.operand_part()?)?;
        checked(Condition::Between(operand(left)?, low, high))
    }

    /// What may stand on a side of an operator.
    fn operand_part(&mut self) -> Result<Part> {
        let part = self.primary()?;
        if self.is_at(TokenKind::Symbol) && matches!(self.word(), "+" | "-" | "*" | "/" | "%" | "||") {
            let what = format!("Unsupported operator in Condition Expression. Operator: {}", self.word());
            return Err(invalid(what));
        }
        Ok(part)
    }

    fn primary(&mut self) -> Result<Part> {
        if self.take("(") {
            let part = self.nested(Self::disjunction)?;
            self.expect(")")?;
            Ok(part)
        } else if self.is_at_value() {
            Ok(Part::Operand(Operand::Value(Arc::new(self.value()?))))
        } else if self.is_at_call() && !self.is_at_operator() {
            self.call()
        } else {
            Ok(Part::Operand(Operand::Path(self.path()?)))
        }
    }

    /// Whether a word stands here that takes something in parentheses, though it is no function.
    fn is_at_operator(&self) -> bool {
        ["AND", "OR", "NOT", "IN", "IS", "BETWEEN", "LIKE"].iter().any(|word| self.is_at_keyword(word))
    }

    fn call(&mut self) -> Result<Part> {
        let token = self.current();
        let word = self.word();
        let name = word.to_ascii_lowercase();
        self.advance();
        self.expect("(")?;
        if name == "exists" && self.is_at_keyword("SELECT") {
            return Err(invalid("EXISTS can only be used in ExecuteTransaction write requests."));
        }
        let arguments = if self.is_at_symbol(")") {
            Vec::new()
        } else {
            self.nested(|parser| parser.list(|parser| operand(parser.operand_part()?)))?
        };
        self.expect(")")?;
        match called(&name, arguments) {
            Some(Ok(Called::Condition(condition))) => Ok(Part::Condition(condition)),
            Some(Ok(Called::Operand(operand))) => Ok(Part::Operand(operand)),
            Some(Err(what)) => Err(invalid(what)),
            None => {
                let name = if is_keyword(word) { &name } else { word };
                Err(self.wrong_at(token, &format!("Unrecognized function: {name}")))
            }
        }
    }
}

/// Two sides of a comparison. A condition may be compared with the truth.
fn compared(comparator: Comparator, left: Part, right: Part) -> Result<Part> {
    let is_equality = matches!(comparator, Comparator::Equal | Comparator::NotEqual);
    match (left, right) {
        (Part::Condition(condition), Part::Operand(Operand::Value(value)))
        | (Part::Operand(Operand::Value(value)), Part::Condition(condition))
            if is_equality =>
        {
            let Value::Bool(is_true) = *value else { return Err(not_an_operand()) };
            Ok(negated(condition, is_true != (comparator == Comparator::Equal)))
        }
        (left, right) => {
            let condition = Condition::Compare(comparator, operand(left)?, operand(right)?);
            checked(condition).map(Part::Condition)
        }
    }
}

fn checked(condition: Condition) -> Result<Condition> {
    match wrong_operands(&condition) {
        Some(what) => Err(invalid(what)),
        None => Ok(condition),
    }
}

fn negated(condition: Condition, is_negated: bool) -> Part {
    Part::Condition(if is_negated { Condition::Not(Box::new(condition)) } else { condition })
}

/// What was read must be a condition.
fn condition(part: Part, else_what: &str) -> Result<Condition> {
    match part {
        Part::Condition(condition) => Ok(condition),
        Part::Operand(_) => Err(invalid(else_what)),
    }
}

/// The same, of what `AND` and `OR` connect.
fn expression(part: Part) -> Result<Condition> {
    condition(part, "The arguments to AND/OR must be Expressions")
}

/// What was read must be an operand.
fn operand(part: Part) -> Result<Operand> {
    match part {
        Part::Operand(operand) => Ok(operand),
        Part::Condition(_) => Err(not_an_operand()),
    }
}

fn not_an_operand() -> Error {
    malformed("a condition cannot be an operand here")
}

/// A path to an attribute as a whole.
pub(super) fn attribute(path: &Path) -> Option<&str> {
    path.steps.is_empty().then_some(path.head.as_str())
}
