//! TransactGetItems: items at one moment.

use crate::dynamo::attribute::Attributes;
use crate::dynamo::attribute::encoding::size_of;
use crate::dynamo::attribute::json::put_list;
use crate::dynamo::capacity::{Consumed, Detail};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::{Projection, check_keys_are_whole};
use crate::dynamo::expressions::Expressions;
use crate::dynamo::limits::Limits;
use crate::dynamo::number::Exponents;
use crate::dynamo::operations::Operation;
use crate::dynamo::read::get::{put_shown, row_of};
use crate::dynamo::reply::Object;
use crate::dynamo::request::{Request, unexpected};
use crate::dynamo::validate::expressions::GET;
use crate::store::Reads;

use super::{BYTES_MAX, own_reason_before, refuse};

/// How many items are read at once.
const ITEMS_AT_ONCE: usize = 100;

/// A read of one item among others.
pub struct Get {
    /// The table's name.
    pub table: String,
    /// The item's key.
    pub key: Attributes,
    /// Which parts of it.
    pub projection: Option<Projection>,
}

/// Reads items as they are at one moment.
pub struct TransactGetItems {
    gets: Vec<Get>,
    detail: Detail,
}

impl Operation for TransactGetItems {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let items = request.list("TransactItems")?.unwrap_or_default();
        let read = |json| {
            let mut get = Request::new(json)?.structure("Get")?.ok_or_else(unexpected)?;
            let mut expressions = Expressions::in_transaction(&mut get, GET, limits)?;
            let projection = expressions.projection(&mut get)?;
            expressions.finish()?;
            let key = get.attributes("Key", limits.reading(Exponents::Narrow))?.ok_or_else(unexpected)?;
            Ok(Get { table: get.table_name()?, key, projection })
        };
        let gets = items.into_iter().map(read).collect::<Result<_>>()?;
        Ok(Self { gets, detail: Detail::of(&mut request)? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        read_together(context, &self.gets, self.detail)
    }
}

/// Reads items as they are at one moment; the reply's body.
pub fn read_together(context: &Context, gets: &[Get], detail: Detail) -> Result<Vec<u8>> {
    let mut tables = Vec::new();
    let (mut rows, mut reasons) = (Vec::new(), vec![None; gets.len()]);
    for (get, reason) in gets.iter().zip(&mut reasons) {
        let table = context.table(&get.table)?;
        check_keys_are_whole(&table.definition, get.projection.iter().flat_map(Projection::paths))?;
        *reason = own_reason_before(row_of(&table, &get.key, context.limits()).map(|row| rows.push(row)))?;
        if reason.is_some() {
            // Nobody looks at those after it.
            break;
        }
        tables.push(table);
    }
    refuse(reasons)?;
    let view = context.view();
    let mut found = Vec::with_capacity(rows.len());
    let mut bytes = 0;
    for rows in rows.chunks(ITEMS_AT_ONCE) {
        let some = view.multi_get(&rows.iter().map(|row| &row[..]).collect::<Vec<_>>())?;
        for row in some.iter().flatten() {
            bytes += size_of(row)?;
        }
        if bytes > BYTES_MAX {
            return Err(invalid("Collection size of items in transaction exceeds the limit of 4 MB"));
        }
        context.went_through(bytes)?;
        found.extend(some);
    }
    let mut consumed = Consumed::in_transaction(detail, "ReadCapacityUnits");
    let mut shown = Vec::with_capacity(found.len());
    for ((get, table), row) in gets.iter().zip(&tables).zip(found) {
        consumed.read(table, None, row.as_deref().map_or(Ok(0), size_of)?, true);
        let mut told = Object::new();
        if let Some(row) = row {
            put_shown(told.member("Item"), &row, get.projection.as_ref())?;
        }
        shown.push(told.end());
    }
    let mut told = Object::new();
    put_list(told.member("Responses"), shown, |out, one| out.extend_from_slice(&one));
    told.json_if("ConsumedCapacity", consumed.list());
    Ok(told.end())
}
