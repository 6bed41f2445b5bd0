//! PartiQL: statements in the manner of SQL, over the same items and by the same means as the other operations.
//!
//! ```text
//! statement := select | insert | update | delete | 'EXISTS' '(' select ')'                      each with at most one ';'
//! select    := 'SELECT' ('*' | path (',' path)*) 'FROM' source where? ('ORDER' 'BY' order (',' order)*)?
//! order     := name ('ASC' | 'DESC')?
//! insert    := 'INSERT' 'INTO' source 'VALUE' map
//! update    := 'UPDATE' source change+ where? returning? | 'FROM' source where? change+ returning?
//! change    := 'SET' set (',' set)* | 'REMOVE' path
//! set       := path '=' term (('+' | '-') term)? | path '=' ('set_add' | 'set_delete') '(' path ',' value ')'
//! term      := value | path | 'list_append' '(' term ',' term ')' | '(' term ')'
//! delete    := 'DELETE' 'FROM' source where? returning?
//! returning := 'RETURNING' ('ALL' | 'MODIFIED') ('OLD' | 'NEW') '*'
//! source    := name ('.' name)?                                                        a table, or an index of it
//!
//! where     := 'WHERE' or
//! or        := and ('OR' and)*                     and := not ('AND' not)*               not := 'NOT'* test
//! test      := operand comparator operand | operand 'NOT'? 'BETWEEN' operand 'AND' operand
//!            | path 'NOT'? 'IN' ('[' | '(') value (',' value)* (']' | ')')
//!            | path 'IS' 'NOT'? type | function | '(' or ')'
//! operand   := value | path | function | '(' operand ')'
//! function  := word '(' (operand (',' operand)*)? ')'
//!
//! path      := name ('.' name | '[' digits ']')*                                        name := word | quoted word
//! value     := text | sign? number | 'TRUE' | 'FALSE' | 'NULL' | '?' | list | map | bag
//! list      := '[' (value (',' value)*)? ']'       bag := '<<' value (',' value)* '>>'
//! map       := '{' (text ':' value (',' text ':' value)*)? '}'
//! ```
//!
//! Keywords and functions are read in any case. [`parse::parse`] reads a statement into what the other operations are made
//! of, too: [`crate::dynamo::expression`]. Against the table's keys, [`plan`] makes of it ranges of rows to read, and
//! [`write`] a [`crate::dynamo::item::write::Write`].

pub mod batch;
pub mod execute;
pub mod parse;
pub mod plan;
pub mod read;
pub mod statement;
pub mod transaction;
pub mod write;

mod condition_parser;
mod literal;
mod next_token;
mod statement_parser;
mod token;
mod update_parser;

#[cfg(test)]
mod tests;

use super::error::{Error, invalid};

/// A statement that reads as none.
fn malformed(what: &str) -> Error {
    invalid(format!("Statement wasn't well formed, can't be processed: {what}"))
}

/// A statement does not say which item it is about.
fn no_key() -> Error {
    invalid("Where clause does not contain a mandatory equality on all key attributes")
}
