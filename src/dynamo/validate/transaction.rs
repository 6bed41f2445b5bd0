//! TransactWriteItems and TransactGetItems: one action each, on one item each.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Result, invalid, member};

/// What a transaction does with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A condition is checked.
    Check,
    /// It is put.
    Put,
    /// It is deleted.
    Delete,
    /// It is updated.
    Update,
}

impl Action {
    const ALL: [Self; 4] = [Self::Check, Self::Put, Self::Delete, Self::Update];

    /// The member that asks for it.
    pub fn member(self) -> &'static str {
        match self {
            Self::Check => "ConditionCheck",
            Self::Put => "Put",
            Self::Delete => "Delete",
            Self::Update => "Update",
        }
    }
}

/// The action of an element of TransactItems.
pub fn action(element: &Json) -> Result<Action> {
    let mut actions = Action::ALL.into_iter().filter(|action| member(element, action.member()).is_some());
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
