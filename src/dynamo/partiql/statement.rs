//! Statements, as they are read: what they are about is known only together with the table's keys.

use crate::dynamo::attribute::Attributes;
use crate::dynamo::expression::{self, Condition, Path};
use crate::dynamo::validate::write::ReturnValues;

/// A statement.
#[derive(Debug)]
pub enum Statement {
    /// Reads items.
    Select(Select),
    /// Makes an item.
    Insert(Insert),
    /// Changes an item in part.
    Update(Update),
    /// Removes an item.
    Delete(Delete),
    /// Demands in a transaction that an item is in some way.
    Exists(Select),
}

/// A table, or an index of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The table's name.
    pub table: String,
    /// The index's name.
    pub index: Option<String>,
}

/// A read.
#[derive(Debug)]
pub struct Select {
    /// Of what.
    pub source: Source,
    /// Which parts of the items; nothing for all that there is.
    pub columns: Option<Vec<Path>>,
    /// Which items.
    pub condition: Option<Condition>,
    /// In which order: attributes, and whether descending.
    pub order: Vec<(String, bool)>,
}

/// A write of a new item.
#[derive(Debug)]
pub struct Insert {
    /// The table.
    pub source: Source,
    /// The item.
    pub item: Attributes,
}

/// A change of an item.
#[derive(Debug)]
pub struct Update {
    /// The table.
    pub source: Source,
    /// What changes.
    pub changes: expression::Update,
    /// Which item, and what must hold for it.
    pub condition: Option<Condition>,
    /// What is returned of it.
    pub returned: ReturnValues,
}

/// A removal of an item.
#[derive(Debug)]
pub struct Delete {
    /// The table.
    pub source: Source,
    /// Which item, and what must hold for it.
    pub condition: Option<Condition>,
    /// What is returned of it.
    pub returned: ReturnValues,
}

impl Statement {
    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Select(_))
    }

    /// What it returns of the item that it writes.
    pub fn returned(&self) -> ReturnValues {
        match self {
            Self::Update(update) => update.returned,
            Self::Delete(delete) => delete.returned,
            Self::Select(_) | Self::Insert(_) | Self::Exists(_) => ReturnValues::None,
        }
    }

    /// What it is about.
    pub fn source(&self) -> &Source {
        match self {
            Self::Select(select) | Self::Exists(select) => &select.source,
            Self::Insert(insert) => &insert.source,
            Self::Update(update) => &update.source,
            Self::Delete(delete) => &delete.source,
        }
    }
}
