//! DynamoDB's expressions, and the older parameters that say the same in JSON: parsed once for a request, then applied to
//! items.
//!
//! ```text
//! condition  := and ('OR' and)*
//! and        := not ('AND' not)*
//! not        := 'NOT'* test
//! test       := operand comparator operand | operand 'BETWEEN' operand 'AND' operand
//!             | operand 'IN' '(' operand (',' operand)* ')' | function | '(' condition ')'
//! operand    := path | :value | function | '(' operand ')'
//! function   := word '(' operand (',' operand)* ')'
//! path       := name ('.' name | '[' digits ']')*           name := word | #name
//!
//! update     := ('SET' set (',' set)* | 'REMOVE' path (',' path)* | ('ADD' | 'DELETE') change (',' change)*)+
//! set        := path '=' source                             change := path :value
//! source     := operand (('+' | '-') operand)? | '(' source ')'
//!
//! projection := path (',' path)*
//! ```
//!
//! Keywords are read in any case, functions only in lower case. A request's expressions share its [`Placeholders`]: parse
//! all of them, in the order update, condition, key condition, filter, projection, then
//! [`Placeholders::check_all_used`]. Every refusal is in the service's words.

mod apply;
mod condition;
mod condition_parser;
mod evaluate;
mod key_condition;
pub mod legacy;
mod parse;
mod path;
mod placeholders;
mod projection;
mod reserved;
mod token;
mod update;
mod update_parser;

#[cfg(test)]
mod tests;

pub use apply::too_large;
pub use condition::{Comparator, Condition, Operand};
pub use condition_parser::{Called, called, too_many, wrong_operands};
pub use key_condition::{KeyCondition, SortBound, SortedKeys};
pub use path::{Path, Step, check_keys_are_whole};
pub use placeholders::Placeholders;
pub use projection::Projection;
pub use update::{Action, Change, ItemLimits, Source, Update};

/// Which parameter of a request an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpressionKind {
    /// What must hold for a write.
    Condition,
    /// What holds for the items that a query or a scan returns.
    Filter,
    /// What a query reads.
    KeyCondition,
    /// What an update changes.
    Update,
    /// Which parts of items a read returns.
    Projection,
}

/// The longest expression that the service takes, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 4096;

impl ExpressionKind {
    /// The parameter's name.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Update => "UpdateExpression",
            Self::Projection => "ProjectionExpression",
        }
    }

    fn is_condition(self) -> bool {
        matches!(self, Self::Condition | Self::Filter | Self::KeyCondition)
    }

    /// The words that cannot be names in it.
    fn keywords(self) -> &'static [&'static str] {
        match self {
            Self::Condition | Self::Filter | Self::KeyCondition => &["AND", "OR", "NOT", "BETWEEN", "IN"],
            Self::Update => &["SET", "REMOVE", "ADD", "DELETE"],
            Self::Projection => &[],
        }
    }
}
