//! TransactWriteItems and TransactGetItems: one action each, on one item each.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Result, invalid, member};

/// What a transaction does with an item; the members are those of the operation of that name.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// A condition is checked.
    Check(&'a Json),
    /// It is put.
    Put(&'a Json),
    /// It is deleted.
    Delete(&'a Json),
    /// It is updated.
    Update(&'a Json),
}

/// The action of an element of TransactItems.
pub fn action(element: &Json) -> Result<Action<'_>> {
    let mut actions = [
        member(element, "ConditionCheck").map(Action::Check),
        member(element, "Put").map(Action::Put),
        member(element, "Delete").map(Action::Delete),
        member(element, "Update").map(Action::Update),
    ]
    .into_iter()
    .flatten();
    match (actions.next(), actions.next()) {
        (Some(action), None) => Ok(action),
        (None, _) => Err(invalid(
            "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request",
        )),
        (Some(_), Some(_)) => {
            Err(invalid("TransactItems can only contain one of Check, Put, Update or Delete"))
        }
    }
}

/// Checks that no item is there twice; `keys` are those of tables and items, in any form that is the same for the same.
pub fn check_distinct<K: Ord>(keys: impl IntoIterator<Item = K>) -> Result<()> {
    let mut seen = BTreeSet::new();
    if keys.into_iter().all(|key| seen.insert(key)) {
        Ok(())
    } else {
        Err(invalid("Transaction request cannot include multiple operations on one item"))
    }
}
