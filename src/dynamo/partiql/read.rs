//! `SELECT`: pages of items, from one range of rows after the other; and single items by their key.

use super::next_token::Place;
use super::plan::{Plan, item_key};
use super::statement::Select;
use crate::dynamo::attribute::Attributes;
use crate::dynamo::capacity::Consumed;
use crate::dynamo::context::Context;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::{Path, Projection};
use crate::dynamo::read::page::{Source, read_page};
use crate::dynamo::read::shown::Shown;
use crate::dynamo::schema::Schema;
use crate::dynamo::transact::get::Get;
use crate::dynamo::validate::read::Select as Selected;

/// A page of what a statement selects.
#[derive(Default)]
pub(super) struct Selection {
    /// The items, JSON objects with commas between.
    pub(super) items: Vec<u8>,
    /// The last row that was gone through, if the page ends after it.
    pub(super) last: Option<Attributes>,
    /// Where the next page begins, if there may be one.
    pub(super) next: Option<Place>,
}

impl Select {
    /// What a table or an index is read as.
    fn source<'a>(&self, table: &'a Schema, is_consistent: bool) -> Result<Source<'a>> {
        let Some(name) = &self.source.index else { return Ok(Source { table, index: None }) };
        let index =
            table.index(name).ok_or_else(|| invalid("The table does not have the specified index"))?;
        if index.is_filling {
            return Err(invalid(format!("Cannot read from backfilling global secondary index: {name}")));
        }
        if is_consistent && !index.is_local {
            return Err(invalid("Strongly consistent read is not supported on Global Secondary Indexes"));
        }
        Ok(Source { table, index: Some(index) })
    }

    fn projection(&self) -> Option<Projection> {
        self.columns.clone().map(|columns: Vec<Path>| Projection::flat(columns))
    }

    /// Reads a page from a place on, of at most so many rows.
    pub(super) fn page(
        &self,
        context: &Context,
        place: &Place,
        (rows_max, is_consistent): (usize, bool),
        consumed: &mut Consumed,
    ) -> Result<Selection> {
        let table = context.table(&self.source.table)?;
        let source = self.source(&table, is_consistent)?;
        let mut plan = Plan::new(source.keys(), source.index.is_some(), self, rows_max)?;
        if plan.is_keyed {
            source.check_filter(self.condition.as_ref())?;
        }
        let projection = self.projection();
        let selected = match (&projection, source.index) {
            (Some(_), _) => Selected::Specific,
            (None, Some(_)) => Selected::Projected,
            (None, None) => Selected::All,
        };
        let shown = Shown::new((&table, source.index), selected, plan.filter.as_ref(), projection.as_ref())?;
        let first = place.range as usize;
        let Some(range) = plan.ranges.get_mut(first) else { return Err(invalid("Invalid NextToken")) };
        if let Some(after) = &place.after {
            range.begin_after(source.start(after, context.limits())?)?;
        }
        let view = context.view();
        let mut selection = Selection::default();
        let (mut rows, mut bytes) = (0, 0);
        for (at, range) in plan.ranges.iter_mut().enumerate().skip(first) {
            if rows >= rows_max || bytes >= context.limits().page_bytes {
                selection.next = Some(Place { range: at as u32, after: None });
                break;
            }
            range.rows_max = range.rows_max.saturating_sub(rows);
            let page = read_page(context, &view, source, range, &shown)?;
            rows += page.scanned as usize;
            bytes += page.bytes;
            context.went_through(bytes)?;
            if !selection.items.is_empty() && !page.items.is_empty() {
                selection.items.push(b',');
            }
            selection.items.extend_from_slice(&page.items);
            consumed.read(&table, source.index, page.bytes, is_consistent);
            for bytes in page.fetched {
                consumed.read(&table, None, bytes, is_consistent);
            }
            if let Some(last) = page.last {
                selection.next = Some(Place { range: at as u32, after: Some(last.clone()) });
                selection.last = Some(last);
                break;
            }
        }
        Ok(selection)
    }

    /// The single item that is read; `kind` is the request that may read no others.
    pub(super) fn get(&self, context: &Context, kind: &str) -> Result<Get> {
        let table = context.table(&self.source.table)?;
        if self.source.index.is_some() {
            // Indexes that no statement can read are told of first.
            Plan::new(self.source(&table, false)?.keys(), true, self, usize::MAX)?;
        }
        let wrong = || {
            invalid(format!(
                "Select statements within {kind} must specify the primary key in the where clause."
            ))
        };
        if self.source.index.is_some() {
            return Err(wrong());
        }
        match item_key(&table.keys, self.condition.as_ref()) {
            Ok((key, rest)) if rest.is_empty() => {
                Ok(Get { table: table.name.clone(), key, projection: self.projection() })
            }
            _ => Err(wrong()),
        }
    }
}
