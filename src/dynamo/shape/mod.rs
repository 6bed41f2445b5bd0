//! What requests look like, and whether one does: checked before any operation sees it, so that none has to.
//!
//! First the types, [`types`]; then every constraint, [`violations`], the violated ones being told together. Both know only
//! model.txt, which describes what each operation takes, and the settings that it names.

mod model;
mod operations;
mod shown;
mod table_name;
mod types;
mod violations;

pub use model::{Shape, operation};
pub use operations::{Operation, UNSERVED, find};
use serde_json::Value as Json;
pub use table_name::table_name;

use super::error::{Kind, Refusal};
use super::limits::Limits;

/// Checks a request against the input of its operation. What has passed holds no member of a wrong type, no null in lists
/// and maps but among attribute values, and all that is required.
pub fn check(operation: &Shape, request: &Json, limits: &Limits) -> Result<(), Refusal> {
    types::check(operation, request, types::Place::Element)
        .map_err(|message| Refusal::new(Kind::Serialization, message))?;
    violations::check(operation, request, limits)
}

/// A request that is no JSON, or no object.
pub fn malformed() -> Refusal {
    Refusal::new(Kind::Serialization, "")
}

/// A member that is a boolean, as whoever sent it may have written it: the service takes these words too.
pub fn boolean(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(is_true) => Some(*is_true),
        Json::String(text) => {
            let is_one_of = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
            if is_one_of(["true", "1", "yes"]) {
                Some(true)
            } else {
                is_one_of(["false", "0", "no"]).then_some(false)
            }
        }
        _ => None,
    }
}

/// A member that is an integer, as whoever sent it may have written it: fractions are cut off, what is too large is the
/// largest.
pub fn integer(value: &Json) -> Option<i64> {
    let Json::Number(number) = value else { return None };
    number
        .as_i64()
        .or_else(|| number.as_u64().map(|_| i64::MAX))
        .or_else(|| number.as_f64().map(|float| float.floor() as i64))
}

#[cfg(test)]
pub(crate) mod tests;
