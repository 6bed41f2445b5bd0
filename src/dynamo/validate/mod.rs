//! Rules about one request alone that go beyond the shapes of its members, each with the service's words.
//!
//! Requests have passed [`super::shape::check`] before: what is read here has the right types, and what must be there is.

pub mod backups;
pub mod batch;
pub mod create_table;
pub mod expressions;
pub mod keys;
pub mod read;
pub mod restore;
mod schema;
pub mod table;
pub mod tags;
mod throughput;
pub mod transaction;
pub mod update_table;
pub mod write;

use serde_json::Value as Json;

use super::error::{Kind, Refusal};
use super::shape;

/// What the checks come to.
pub type Result<T> = std::result::Result<T, Refusal>;

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Kind::Validation, message)
}

/// The words that most rules begin with.
fn parameter(what: impl std::fmt::Display) -> Refusal {
    invalid(format!("One or more parameter values were invalid: {what}"))
}

/// A member, null being as good as absent.
fn member<'a>(value: &'a Json, name: &str) -> Option<&'a Json> {
    value.get(name).filter(|value| !value.is_null())
}

/// A member that is text. What must be there is: shapes see to that.
fn text<'a>(value: &'a Json, name: &str) -> &'a str {
    value.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn texts(list: &Json) -> impl Iterator<Item = &str> {
    elements(list).filter_map(Json::as_str)
}

fn elements(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten()
}

fn boolean(value: &Json, name: &str) -> Option<bool> {
    value.get(name).and_then(shape::boolean)
}

fn integer(value: &Json, name: &str) -> Option<i64> {
    value.get(name).and_then(shape::integer)
}

/// The first that is there twice.
fn duplicate<'a>(all: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::HashSet::new();
    all.into_iter().find(|one| !seen.insert(*one))
}

#[cfg(test)]
mod tests;
