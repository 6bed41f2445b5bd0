//! What of the rows that are gone through is returned.

use crate::dynamo::attribute::Attributes;
use crate::dynamo::attribute::json::put_attributes;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::{Condition, Projection};
use crate::dynamo::schema::{Index, Schema};
use crate::dynamo::validate::read::Select;
use crate::dynamo::validate::table::Projection as Held;

/// What is returned.
pub struct Shown<'a> {
    select: Select,
    filter: Option<&'a Condition>,
    projection: Option<&'a Projection>,
    /// Whether the index lacks some of it, so that the table's items are read too.
    pub needs_table: bool,
}

impl<'a> Shown<'a> {
    /// What a read of a table, or of an index, returns.
    pub fn new(
        (table, index): (&Schema, Option<&Index>),
        select: Select,
        filter: Option<&'a Condition>,
        projection: Option<&'a Projection>,
    ) -> Result<Self> {
        let mut shown = Self { select, filter, projection, needs_table: false };
        let Some(index) = index else { return Ok(shown) };
        if index.projection == Held::All {
            return Ok(shown);
        }
        let paths = projection.map(Projection::paths).unwrap_or_default();
        let lacking: Vec<&str> =
            paths.iter().map(|path| &path.head[..]).filter(|name| !index.holds(&table.keys, name)).collect();
        let wants_more = select == Select::All || !lacking.is_empty();
        if wants_more && !index.is_local {
            return Err(invalid(if select == Select::All {
                format!(
                    "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its projection type is not ALL",
                    index.name
                )
            } else {
                format!(
                    "One or more parameter values were invalid: Global secondary index {} does not project [{}]",
                    index.name,
                    lacking.join(", ")
                )
            }));
        }
        shown.needs_table = wants_more;
        Ok(shown)
    }

    /// Whether each row is returned as it is.
    pub fn is_whole(&self) -> bool {
        !self.needs_table
            && self.filter.is_none()
            && self.projection.is_none()
            && matches!(self.select, Select::All | Select::Projected)
    }

    /// Whether rows are only counted.
    pub fn is_counted(&self) -> bool {
        self.select == Select::Count && self.filter.is_none()
    }

    /// Whether items are returned.
    pub fn has_items(&self) -> bool {
        self.select != Select::Count
    }

    /// Whether an item is.
    pub fn passes(&self, item: &Attributes) -> bool {
        self.filter.is_none_or(|filter| filter.holds(item))
    }

    /// Appends what is returned of an item.
    pub fn put(&self, out: &mut Vec<u8>, comma: &[u8], item: &Attributes) {
        if self.select == Select::Count {
            return;
        }
        out.extend_from_slice(comma);
        match self.projection {
            Some(projection) => put_attributes(out, &projection.project(item)),
            None => put_attributes(out, item),
        }
    }
}
