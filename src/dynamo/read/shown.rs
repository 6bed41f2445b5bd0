//! What of the rows that are gone through is returned.

use crate::dynamo::attribute::Attributes;
use crate::dynamo::attribute::json::put_attributes;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::{Condition, Projection};
use crate::dynamo::request::Request;
use crate::dynamo::schema::{Index, Schema};
use crate::dynamo::validate::table::Projection as Held;

/// What a request selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// Whole items.
    All,
    /// What the index holds.
    Projected,
    /// Parts of them, as the projection says.
    Specific,
    /// Their number.
    Count,
}

impl Select {
    /// Takes `Select`, in a request that has a projection or not.
    pub fn of(request: &mut Request, has_index: bool) -> Result<Self> {
        let projections = ["ProjectionExpression", "AttributesToGet"];
        let projection = projections.into_iter().find(|name| request.has(name));
        let select = request.text("Select")?;
        let cannot = |what: &str| {
            let name = match projection {
                Some("ProjectionExpression") => "ProjectionExpression",
                _ => "AttributesToGet",
            };
            invalid(format!("Cannot specify the {name} when choosing to get {what}"))
        };
        Ok(match (select.as_deref(), projection) {
            (None | Some("SPECIFIC_ATTRIBUTES"), Some(_)) => Self::Specific,
            (None, None) if has_index => Self::Projected,
            (None | Some("ALL_ATTRIBUTES"), None) => Self::All,
            (Some("COUNT"), None) => Self::Count,
            (Some("ALL_PROJECTED_ATTRIBUTES"), None) if has_index => Self::Projected,
            (Some("ALL_PROJECTED_ATTRIBUTES"), None) => {
                return Err(invalid(
                    "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
                ));
            }
            (Some("SPECIFIC_ATTRIBUTES"), None) => {
                return Err(invalid(
                    "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
                ));
            }
            (Some("COUNT"), Some(_)) => return Err(cannot("only the Count")),
            (Some(other), _) => return Err(cannot(other)),
        })
    }
}

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
