//! The parser of conditions.
//!
//! A parenthesis may open a condition or an operand, and which one is known only behind it: so one set of rules reads
//! both, and says what it read.

use super::super::attribute::{Value, json};
use super::ExpressionKind;
use super::condition::{Comparator, Condition, Operand};
use super::evaluate::compare;
use super::parse::{Detail, Parser, Rank};
use super::path::Path;
use super::placeholders::Placeholders;
use super::token::TokenKind;
use crate::dynamo::error::Result;

/// The most values after `IN`.
const IN_MAX: usize = 100;

const TYPE_NAMES: &[&str] = &["S", "N", "B", "NULL", "SS", "BOOL", "L", "BS", "NS", "M"];

/// What was read.
enum Part {
    Condition(Condition),
    Operand(Operand),
    /// A function and its arguments, of which there may be too few where that is noted as a fault.
    Call(&'static Function, Vec<Operand>),
    /// A faulty one.
    BadCall,
}

struct Function {
    name: &'static str,
    arguments: usize,
    /// What it says, and nothing if it is a value rather than a condition.
    condition: Option<fn(Operand, Option<Operand>) -> Condition>,
}

const FUNCTIONS: &[Function] = &[
    Function { name: "attribute_exists", arguments: 1, condition: Some(|a, _| exists(a, Condition::Exists)) },
    Function {
        name: "attribute_not_exists",
        arguments: 1,
        condition: Some(|a, _| exists(a, Condition::NotExists)),
    },
    Function {
        name: "attribute_type",
        arguments: 2,
        condition: Some(|a, b| match b {
            Some(Operand::Value(name)) => match &*name {
                Value::S(name) => Condition::HasType(a, name.clone()),
                _ => NEVER,
            },
            _ => NEVER,
        }),
    },
    Function {
        name: "begins_with",
        arguments: 2,
        condition: Some(|a, b| b.map_or(NEVER, |b| Condition::BeginsWith(a, b))),
    },
    Function {
        name: "contains",
        arguments: 2,
        condition: Some(|a, b| b.map_or(NEVER, |b| Condition::Contains(a, b))),
    },
    Function { name: "size", arguments: 1, condition: None },
];

/// What stands for a faulty condition.
const NEVER: Condition = Condition::Or(Vec::new());

fn exists(operand: Operand, condition: fn(Path) -> Condition) -> Condition {
    match operand {
        Operand::Path(path) => condition(path),
        _ => NEVER,
    }
}

impl Condition {
    /// Parses a condition: one that must hold for a write, a filter, or a key condition.
    pub fn parse(
        text: &str,
        kind: ExpressionKind,
        placeholders: &mut Placeholders,
        bytes_max: usize,
    ) -> Result<Self> {
        let mut parser = Parser::new(text, kind, placeholders, bytes_max)?;
        let part = parser.disjunction()?;
        let condition = parser.condition(part)?;
        parser.finish()?;
        Ok(condition)
    }
}

impl Parser<'_> {
    fn disjunction(&mut self) -> Result<Part> {
        let first = self.conjunction()?;
        if !self.is_at_keyword("OR") {
            return Ok(first);
        }
        let mut all = vec![self.condition(first)?];
        while self.take_keyword("OR") {
            self.count_operator()?;
            let next = self.conjunction()?;
            all.push(self.condition(next)?);
        }
        Ok(Part::Condition(Condition::Or(all)))
    }

    fn conjunction(&mut self) -> Result<Part> {
        let first = self.negation()?;
        if !self.is_at_keyword("AND") {
            return Ok(first);
        }
        let mut all = vec![self.condition(first)?];
        while self.take_keyword("AND") {
            self.count_operator()?;
            let next = self.negation()?;
            all.push(self.condition(next)?);
        }
        Ok(Part::Condition(Condition::And(all)))
    }

    fn negation(&mut self) -> Result<Part> {
        let mut negations = 0;
        while self.take_keyword("NOT") {
            self.count_operator()?;
            negations += 1;
        }
        let part = self.test()?;
        if negations == 0 {
            return Ok(part);
        }
        let condition = self.condition(part)?;
        Ok(Part::Condition((0..negations).fold(condition, |inside, _| Condition::Not(Box::new(inside)))))
    }

    fn test(&mut self) -> Result<Part> {
        let part = self.primary()?;
        let condition = if let TokenKind::Comparator(comparator) = self.current.kind {
            self.comparison(comparator, part)?
        } else if self.is_at_keyword("BETWEEN") {
            self.between(part)?
        } else if self.is_at_keyword("IN") {
            self.is_in(part)?
        } else {
            if matches!(part, Part::Call(function, _) if function.condition.is_some()) {
                self.conditions += 1;
            }
            return Ok(part);
        };
        self.conditions += 1;
        Ok(Part::Condition(condition))
    }

    fn comparison(&mut self, comparator: Comparator, left: Part) -> Result<Condition> {
        let left = self.operand(left)?;
        self.count_operator()?;
        self.advance();
        let right = self.next_operand()?;
        self.check_distinct(comparator.symbol(), &left, &right);
        let condition = Condition::Compare(comparator, left, right);
        self.note(&condition);
        Ok(condition)
    }

    fn between(&mut self, left: Part) -> Result<Condition> {
        let left = self.operand(left)?;
        self.count_operator()?;
        self.advance();
        let low = self.next_operand()?;
        if !self.take_keyword("AND") {
            return Err(self.syntax_error());
        }
        let high = self.next_operand()?;
        let condition = Condition::Between(left, low, high);
        self.note(&condition);
        Ok(condition)
    }

    fn is_in(&mut self, left: Part) -> Result<Condition> {
        let left = self.operand(left)?;
        self.count_operator()?;
        self.advance();
        self.expect(TokenKind::OpenParenthesis)?;
        let others = self.list(Self::next_operand)?;
        self.expect(TokenKind::CloseParenthesis)?;
        if let Some(what) = too_many(&others) {
            self.fault(self.here(Detail::OperandCount), || what);
        }
        Ok(Condition::In(left, others))
    }

    fn primary(&mut self) -> Result<Part> {
        if self.is_at(TokenKind::OpenParenthesis) {
            let mut part = self.group(Self::disjunction)?;
            if let Part::Operand(Operand::Path(path)) = &mut part {
                self.steps(path)?;
            }
            Ok(part)
        } else if self.is_at(TokenKind::Value) {
            Ok(Part::Operand(Operand::Value(self.value()?)))
        } else if self.is_at_call() {
            self.call()
        } else {
            Ok(Part::Operand(Operand::Path(self.path()?)))
        }
    }

    fn call(&mut self) -> Result<Part> {
        let name = self.word();
        self.count_operator()?;
        self.advance();
        self.expect(TokenKind::OpenParenthesis)?;
        let arguments = self.nested(|parser| parser.list(Self::next_operand))?;
        self.expect(TokenKind::CloseParenthesis)?;
        let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
            let what = if matches!(name, "if_not_exists" | "list_append") {
                "The function is not allowed in a condition expression"
            } else {
                "Invalid function name"
            };
            self.fault(Rank::UnknownFunction, || format!("{what}; function: {name}"));
            return Ok(Part::BadCall);
        };
        if let Some(what) = wrong_count(function, &arguments) {
            self.fault(self.here(Detail::OperandCount), || what);
        }
        if let [a, b] = arguments.as_slice() {
            self.check_distinct(name, a, b);
        }
        if let Some(what) = wrong_argument(name, &arguments) {
            self.fault(self.here(Detail::OperandType), || what);
        }
        Ok(Part::Call(function, arguments))
    }

    /// An operand, from here on.
    fn next_operand(&mut self) -> Result<Operand> {
        let part = self.primary()?;
        self.operand(part)
    }

    /// What was read must be an operand.
    fn operand(&mut self, part: Part) -> Result<Operand> {
        match part {
            Part::Operand(operand) => Ok(operand),
            Part::Call(function, arguments) if function.condition.is_none() => {
                let of = arguments.into_iter().next();
                Ok(Operand::Size(Box::new(of.unwrap_or_else(|| Operand::constant(Value::Null)))))
            }
            Part::Call(function, _) => {
                self.misused(function.name);
                Ok(Operand::constant(Value::Null))
            }
            Part::BadCall => Ok(Operand::constant(Value::Null)),
            Part::Condition(_) => Err(self.syntax_error()),
        }
    }

    /// What was read must be a condition.
    fn condition(&mut self, part: Part) -> Result<Condition> {
        match part {
            Part::Condition(condition) => Ok(condition),
            Part::Call(function, arguments) => {
                let Some(condition) = function.condition else {
                    self.misused(function.name);
                    return Ok(NEVER);
                };
                let mut arguments = arguments.into_iter();
                let first = arguments.next();
                Ok(first.map_or(NEVER, |first| condition(first, arguments.next())))
            }
            Part::BadCall => Ok(NEVER),
            Part::Operand(_) => Err(self.syntax_error()),
        }
    }

    fn misused(&mut self, function: &str) {
        self.fault(Rank::Misuse, || {
            format!("The function is not allowed to be used this way in an expression; function: {function}")
        });
    }

    fn check_distinct(&mut self, operator: &str, a: &Operand, b: &Operand) {
        let (Operand::Path(a), Operand::Path(b)) = (a, b) else { return };
        if a == b {
            self.fault(self.here(Detail::NotDistinct), || {
                format!(
                    "The first operand must be distinct from the remaining operands for this operator or function; \
                     operator: {operator}, first operand: {a}"
                )
            });
        }
    }

    /// Notes what is wrong with the types of what is compared.
    fn note(&mut self, condition: &Condition) {
        if let Some(what) = wrong_operands(condition) {
            self.fault(self.here(Detail::OperandType), || what);
        }
    }
}

/// What a function says of an item.
pub enum Called {
    /// That something holds.
    Condition(Condition),
    /// A value.
    Operand(Operand),
}

/// What a function says of an item, or what is wrong with its arguments; `None` if there is no such function.
pub fn called(name: &str, arguments: Vec<Operand>) -> Option<std::result::Result<Called, String>> {
    let function = FUNCTIONS.iter().find(|function| function.name == name)?;
    if let Some(what) = wrong_count(function, &arguments).or_else(|| wrong_argument(name, &arguments)) {
        return Some(Err(what));
    }
    let mut arguments = arguments.into_iter();
    let first = arguments.next()?;
    Some(Ok(match function.condition {
        Some(condition) => Called::Condition(condition(first, arguments.next())),
        None => Called::Operand(Operand::Size(Box::new(first))),
    }))
}

/// What is wrong with the number of a function's arguments.
fn wrong_count(function: &Function, arguments: &[Operand]) -> Option<String> {
    let (name, count) = (function.name, arguments.len());
    (function.arguments != count).then(|| {
        format!(
            "Incorrect number of operands for operator or function; operator or function: {name}, \
             number of operands: {count}"
        )
    })
}

/// What is wrong with the number of values after `IN`.
pub fn too_many(values: &[Operand]) -> Option<String> {
    let count = values.len();
    (count > IN_MAX)
        .then(|| format!("The IN operator is provided with too many operands; number of operands: {count}"))
}

/// What is wrong with the types of what is compared: values of the request must be of a type that sorts.
pub fn wrong_operands(condition: &Condition) -> Option<String> {
    let (operator, operands) = match condition {
        Condition::Compare(Comparator::Equal | Comparator::NotEqual, ..) => return None,
        Condition::Compare(comparator, a, b) => (comparator.symbol(), vec![a, b]),
        Condition::Between(a, low, high) => {
            if let Some(what) = wrong_bounds(low, high) {
                return Some(what);
            }
            ("BETWEEN", vec![a, low, high])
        }
        _ => return None,
    };
    operands.into_iter().find_map(|operand| match operand {
        Operand::Value(value) if !matches!(**value, Value::S(_) | Value::N(_) | Value::B(_)) => {
            Some(wrong_type(operator, value.type_name()))
        }
        _ => None,
    })
}

/// What is wrong with two bounds.
fn wrong_bounds(low: &Operand, high: &Operand) -> Option<String> {
    let (Operand::Value(low), Operand::Value(high)) = (low, high) else { return None };
    let what = if low.type_name() != high.type_name() {
        "same data type for lower and upper bounds"
    } else if compare(low, high).is_some_and(std::cmp::Ordering::is_gt) {
        "upper bound to be greater than or equal to lower bound"
    } else {
        return None;
    };
    let (low, high) = (shown(low), shown(high));
    Some(format!(
        "The BETWEEN operator requires {what}; lower bound operand: {low}, upper bound operand: {high}"
    ))
}

fn wrong_type(operator: &str, type_name: &str) -> String {
    format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, \
         operand type: {type_name}"
    )
}

/// What is wrong with the types that arguments of a function have whatever the item is.
fn wrong_argument(function: &str, arguments: &[Operand]) -> Option<String> {
    match (function, arguments) {
        ("attribute_exists" | "attribute_not_exists", [Operand::Path(_)]) => None,
        ("attribute_exists" | "attribute_not_exists", [_]) => {
            Some(format!("Operator or function requires a document path; operator or function: {function}"))
        }
        ("begins_with", [_, _]) => {
            let mut types = arguments.iter().filter_map(static_type);
            types.find(|name| !matches!(*name, "S" | "B")).map(|name| wrong_type(function, name))
        }
        ("attribute_type", [_, Operand::Value(name)]) => match &**name {
            Value::S(name) if TYPE_NAMES.contains(&name.as_str()) => None,
            Value::S(name) => Some(format!(
                "Invalid attribute type name found; type: {name}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
            )),
            other => Some(wrong_type(function, other.type_name())),
        },
        ("attribute_type", [_, second]) => {
            Some(wrong_type(function, static_type(second).unwrap_or("{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")))
        }
        ("size", [argument]) => match static_type(argument) {
            Some(name @ ("N" | "BOOL" | "NULL")) => Some(wrong_type(function, name)),
            _ => None,
        },
        _ => None,
    }
}

/// The type of an operand, where it does not depend on the item.
fn static_type(operand: &Operand) -> Option<&'static str> {
    match operand {
        Operand::Path(_) => None,
        Operand::Value(value) => Some(value.type_name()),
        Operand::Size(_) => Some("N"),
    }
}

/// A value as the messages show it.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::S(text) => text.clone(),
        Value::N(number) => number.to_string(),
        _ => {
            let mut out = Vec::new();
            json::put_value(&mut out, value);
            let text = String::from_utf8_lossy(&out).into_owned();
            // `{"BOOL":true}` shows as `true`.
            let content = text.split_once(':').map_or("", |(_, content)| content);
            content.strip_suffix('}').unwrap_or(content).trim_matches('"').to_owned()
        }
    };
    format!("AttributeValue: {{{}:{text}}}", value.type_name())
}
