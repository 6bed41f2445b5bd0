//! Conditions on items.

use std::sync::Arc;

use super::super::attribute::Value;
use super::super::error::{Result, invalid};
use super::path::Path;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of them hold.
    And(Vec<Condition>),
    /// One of them holds.
    Or(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// Two values compare so.
    Compare(Comparator, Operand, Operand),
    /// The first one is not less than the second one, nor greater than the third one.
    Between(Operand, Operand, Operand),
    /// It equals one of them.
    In(Operand, Vec<Operand>),
    /// There is such a value.
    Exists(Path),
    /// There is none.
    NotExists(Path),
    /// There is such a value, whose type has this name.
    HasType(Operand, String),
    /// A text or binary begins with another one.
    BeginsWith(Operand, Operand),
    /// A text or binary has another one in it, or a set or list a value.
    Contains(Operand, Operand),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they say it")]
pub enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A value of the item.
    Path(Path),
    /// A value of the request.
    Value(Arc<Value>),
    /// The length of a text or binary, or how many values there are in a set, list or map.
    Size(Box<Operand>),
}

impl Comparator {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// What holds for two values in the other order.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

impl Condition {
    /// All paths in it, in their order.
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.collect_paths(&mut paths);
        paths
    }

    fn collect_paths<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|one| one.collect_paths(paths)),
            Self::Not(one) => one.collect_paths(paths),
            Self::Compare(_, a, b) | Self::BeginsWith(a, b) | Self::Contains(a, b) => {
                paths.extend(a.path());
                paths.extend(b.path());
            }
            Self::Between(a, b, c) => paths.extend([a, b, c].into_iter().filter_map(Operand::path)),
            Self::In(a, others) => {
                paths.extend(a.path());
                paths.extend(others.iter().filter_map(Operand::path));
            }
            Self::Exists(path) | Self::NotExists(path) => paths.push(path),
            Self::HasType(a, _) => paths.extend(a.path()),
        }
    }

    /// Refuses a filter that looks at attributes of the key that is queried; `parameter` is `Filter Expression` or
    /// `QueryFilter`.
    pub fn check_no_keys<'k>(&self, keys: impl IntoIterator<Item = &'k str>, parameter: &str) -> Result<()> {
        let paths = self.paths();
        match keys.into_iter().find(|key| paths.iter().any(|path| path.head == *key)) {
            Some(key) => Err(invalid(format!(
                "{parameter} can only contain non-primary key attributes: Primary key attribute: {key}"
            ))),
            None => Ok(()),
        }
    }
}

impl Operand {
    /// The path in it.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Value(_) => None,
            Self::Size(of) => of.path(),
        }
    }

    /// A value of the request.
    pub(super) fn constant(value: Value) -> Self {
        Self::Value(Arc::new(value))
    }
}
