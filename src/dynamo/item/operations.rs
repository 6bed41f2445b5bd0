//! PutItem, UpdateItem, DeleteItem.

use super::returned::One;
use super::write::{Change, Write};
use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::expressions::Expressions;
use crate::dynamo::limits::Limits;
use crate::dynamo::number::Exponents;
use crate::dynamo::operations::Operation;
use crate::dynamo::request::{Request, unexpected};
use crate::dynamo::validate::expressions::{PUT_OR_DELETE, UPDATE};
use crate::dynamo::validate::write::{return_old_values, return_values, returns_item_on_failure};

/// Replaces an item, or makes it.
pub struct PutItem(One);

impl Operation for PutItem {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let returned = return_old_values(request.json())?;
        let mut expressions = Expressions::of(&mut request, PUT_OR_DELETE, limits)?;
        let condition = expressions.condition(&mut request)?;
        expressions.finish()?;
        let item = request.attributes("Item", limits.reading(Exponents::Wide))?.ok_or_else(unexpected)?;
        let write = Write {
            table: request.table_name()?,
            change: Change::Put(item),
            condition,
            shows_item: returns_item_on_failure(request.json()),
        };
        Ok(Self(One::read(&mut request, write, returned)?))
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        self.0.run(context)
    }
}

/// Changes an item in part, or makes it.
pub struct UpdateItem(One);

impl Operation for UpdateItem {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let returned = return_values(request.json());
        let mut expressions = Expressions::of(&mut request, UPDATE, limits)?;
        let update = expressions.update(&mut request)?;
        let condition = expressions.condition(&mut request)?;
        expressions.finish()?;
        let key = request.attributes("Key", limits.reading(Exponents::Wide))?.ok_or_else(unexpected)?;
        let write = Write {
            table: request.table_name()?,
            change: Change::Update(key, update),
            condition,
            shows_item: returns_item_on_failure(request.json()),
        };
        Ok(Self(One::read(&mut request, write, returned)?))
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        self.0.run(context)
    }
}

/// Removes an item.
pub struct DeleteItem(One);

impl Operation for DeleteItem {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let returned = return_old_values(request.json())?;
        let mut expressions = Expressions::of(&mut request, PUT_OR_DELETE, limits)?;
        let condition = expressions.condition(&mut request)?;
        expressions.finish()?;
        let key = request.attributes("Key", limits.reading(Exponents::Wide))?.ok_or_else(unexpected)?;
        let write = Write {
            table: request.table_name()?,
            change: Change::Delete(key),
            condition,
            shows_item: returns_item_on_failure(request.json()),
        };
        Ok(Self(One::read(&mut request, write, returned)?))
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        self.0.run(context)
    }
}
