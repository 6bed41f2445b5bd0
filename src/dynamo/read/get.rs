//! GetItem.

use crate::dynamo::attribute::Attributes;
use crate::dynamo::attribute::encoding::{decode, size_of};
use crate::dynamo::attribute::json::put_attributes;
use crate::dynamo::attribute::transcode::put_item;
use crate::dynamo::capacity::{Consumed, Detail};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::{Projection, check_keys_are_whole};
use crate::dynamo::expressions::Expressions;
use crate::dynamo::limits::Limits;
use crate::dynamo::number::Exponents;
use crate::dynamo::operations::Operation;
use crate::dynamo::reply::Object;
use crate::dynamo::request::{Request, unexpected};
use crate::dynamo::rows::{item_row, table_key};
use crate::dynamo::schema::Schema;
use crate::dynamo::validate::expressions::GET;
use crate::dynamo::validate::keys::check_key;
use crate::store::Reads;

/// Reads an item.
pub struct GetItem {
    table: String,
    key: Attributes,
    projection: Option<Projection>,
    is_consistent: bool,
    detail: Detail,
}

impl Operation for GetItem {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let mut expressions = Expressions::of(&mut request, GET, limits)?;
        let projection = expressions.projection(&mut request)?;
        expressions.finish()?;
        Ok(Self {
            table: request.table_name()?,
            key: request.attributes("Key", limits.reading(Exponents::Wide))?.ok_or_else(unexpected)?,
            projection,
            is_consistent: request.boolean("ConsistentRead")?.unwrap_or(false),
            detail: Detail::of(&mut request)?,
        })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let table = context.table(&self.table)?;
        let row = row_of(&table, &self.key, context.limits())?;
        check_keys_are_whole(&table.definition, self.projection.iter().flat_map(Projection::paths))?;
        let found = context.view().get(&row)?;
        let mut told = Object::new();
        if let Some(found) = &found {
            put_shown(told.member("Item"), found, self.projection.as_ref())?;
        }
        let mut consumed = Consumed::new(self.detail);
        let bytes = found.as_deref().map_or(Ok(0), size_of)?;
        consumed.read(&table, None, bytes, self.is_consistent);
        told.json_if("ConsumedCapacity", consumed.one());
        Ok(told.end())
    }
}

/// The row of the item with this key.
pub fn row_of(table: &Schema, key: &Attributes, limits: &Limits) -> Result<Vec<u8>> {
    check_key(&table.definition, key, limits)?;
    let key = table_key(&table.keys, key)
        .ok_or_else(|| invalid("The provided key element does not match the schema"))?;
    Ok(item_row(table.id, &key))
}

/// Appends what is returned of an item, from its row.
pub fn put_shown(out: &mut Vec<u8>, row: &[u8], projection: Option<&Projection>) -> Result<()> {
    match projection {
        Some(projection) => put_attributes(out, &projection.project(&decode(row)?)),
        None => put_item(out, row)?,
    }
    Ok(())
}
