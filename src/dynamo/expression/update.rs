//! Changes to items.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::attribute::{Attributes, Value};
use super::super::error::{Result, invalid};
use super::path::{Path, first_clash};
use super::projection::project_sorted;

/// What an update changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// By path, ascending; none leads into another one.
    pub(super) actions: Vec<Action>,
    /// Whether it was asked for by `AttributeUpdates`, whose errors have other words.
    pub(super) is_legacy: bool,
}

/// What an item may come to by an update.
#[derive(Clone, Copy, Debug)]
pub struct ItemLimits {
    /// Its size, as [`crate::dynamo::attribute::size`] counts it.
    pub bytes_max: usize,
    /// How many levels its attributes may have.
    pub depth_max: usize,
}

/// A change at one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Where.
    pub path: Path,
    /// What.
    pub change: Change,
}

/// A change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Is set.
    Set(Source),
    /// Is removed.
    Remove,
    /// A number grows by one, a set by the values of another one; in `AttributeUpdates` a list by those of another one.
    Add(Arc<Value>),
    /// A set loses the values of another one.
    Delete(Arc<Value>),
}

/// What something is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A value of the request.
    Value(Arc<Value>),
    /// A value of the item as it was.
    Path(Path),
    /// A sum.
    Plus(Box<(Source, Source)>),
    /// A difference.
    Minus(Box<(Source, Source)>),
    /// A value of the item as it was, and if there was none, another one.
    IfNotExists(Path, Box<Source>),
    /// Two lists as one.
    Append(Box<(Source, Source)>),
}

impl Update {
    /// Of any actions, unless two of them clash.
    pub fn new(actions: Vec<Action>) -> Result<Self> {
        match first_clash(actions.iter().map(|action| &action.path)) {
            Some((clash, one, two)) => {
                Err(invalid(format!("Invalid UpdateExpression: {}", clash.message(one, two))))
            }
            None => Ok(Self::of(actions, false)),
        }
    }

    /// Of actions of which no two clash.
    pub(super) fn of(mut actions: Vec<Action>, is_legacy: bool) -> Self {
        actions.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Self { actions, is_legacy }
    }

    /// An update that changes nothing, though it makes an item where there is none.
    pub fn nothing() -> Self {
        Self { actions: Vec::new(), is_legacy: true }
    }

    /// Whether it is an UpdateExpression, and not what was before those.
    pub fn is_expression(&self) -> bool {
        !self.is_legacy
    }

    /// What it does, by path.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// What UpdateItem counts of it against the limit of an item's size, besides the item: the attributes that it sets, and
    /// for each action a fixed sum. That is not documented, but measured (dynamodb-conformance, item sizes by surface).
    pub fn recorded_bytes(&self, item: &Attributes) -> usize {
        const UPDATE: usize = 3;
        const SET: usize = 19;
        const TAKE: usize = 2;
        let sets = |action: &&Action| matches!(action.change, Change::Set(_) | Change::Add(_));
        let costs = self.actions.iter().map(|action| match action.change {
            Change::Set(_) | Change::Add(_) => SET + usize::from(action.path.leads_into_list()),
            Change::Remove | Change::Delete(_) => TAKE,
        });
        let set: BTreeSet<&String> =
            self.actions.iter().filter(sets).map(|action| &action.path.head).collect();
        let sizes = set.iter().filter_map(|name| Some(name.len() + item.get(*name)?.size()));
        UPDATE + costs.sum::<usize>() + sizes.sum::<usize>()
    }

    /// Whether it makes an item where there is none: one that only takes away does not.
    pub fn creates(&self) -> bool {
        self.actions.is_empty()
            || self.actions.iter().any(|action| matches!(action.change, Change::Set(_) | Change::Add(_)))
    }

    /// All paths in it, those that it reads too.
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        for action in &self.actions {
            paths.push(&action.path);
            if let Change::Set(source) = &action.change {
                source.collect_paths(&mut paths);
            }
        }
        paths
    }

    /// The attributes that it changes or leads into.
    pub fn changed_attributes(&self) -> BTreeSet<&str> {
        self.actions.iter().map(|action| action.path.head.as_str()).collect()
    }

    /// Refuses an update of the item's own key.
    pub fn check_no_keys<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> Result<()> {
        match keys.into_iter().find(|key| self.actions.iter().any(|action| action.path.head == *key)) {
            Some(key) => Err(invalid(format!(
                "One or more parameter values were invalid: Cannot update attribute {key}. This attribute is part of the key"
            ))),
            None => Ok(()),
        }
    }

    /// The name of the type that an attribute will have, where that does not depend on the item: so that one which an
    /// index has for a key is refused before the item is looked at.
    pub fn static_type(&self, attribute: &str) -> Option<&'static str> {
        let action = self
            .actions
            .iter()
            .find(|action| action.path.steps.is_empty() && action.path.head == attribute)?;
        match &action.change {
            Change::Set(source) => source.static_type(),
            Change::Add(value) | Change::Delete(value) => Some(value.type_name()),
            Change::Remove => None,
        }
    }

    /// Of an item before or after, what `UPDATED_OLD` or `UPDATED_NEW` return: the values at the paths that it changes.
    pub fn touched(&self, item: &Attributes) -> Attributes {
        project_sorted(self.actions.iter().map(|action| &action.path), item)
    }
}

impl Source {
    fn collect_paths<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        match self {
            Self::Value(_) => {}
            Self::Path(path) => paths.push(path),
            Self::IfNotExists(path, other) => {
                paths.push(path);
                other.collect_paths(paths);
            }
            Self::Plus(both) | Self::Minus(both) | Self::Append(both) => {
                both.0.collect_paths(paths);
                both.1.collect_paths(paths);
            }
        }
    }

    fn static_type(&self) -> Option<&'static str> {
        match self {
            Self::Value(value) => Some(value.type_name()),
            Self::Path(_) => None,
            Self::Plus(_) | Self::Minus(_) => Some("N"),
            Self::IfNotExists(_, other) => other.static_type(),
            Self::Append(_) => Some("L"),
        }
    }
}
