//! Statements that write, as the writes of single items that they are.

use super::plan::{conjunction, item_key};
use super::statement::Statement;
use crate::dynamo::context::Context;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::{Condition, Path};
use crate::dynamo::item::write::{Change, Write};
use crate::dynamo::schema::Keys;

/// The write that a statement stands for. `shows_item`: a refusal for the condition's sake shows the item.
pub fn write_of(context: &Context, statement: &Statement, shows_item: bool) -> Result<Write> {
    let source = statement.source();
    if source.index.is_some() {
        return Err(invalid(match statement {
            Statement::Exists(_) => "Operations on indices are not supported in transactions",
            _ => "This operation is not supported on an index",
        }));
    }
    let keys = &context.table(&source.table)?.keys;
    let (change, condition) = match statement {
        Statement::Insert(insert) => (Change::Insert(insert.item.clone()), None),
        Statement::Update(update) => {
            let (key, rest) = item_key(keys, update.condition.as_ref())?;
            // An update makes no item.
            let all = is_there(keys).into_iter().chain(rest).collect();
            (Change::Update(key, update.changes.clone()), conjunction(all))
        }
        Statement::Delete(delete) => {
            let (key, rest) = item_key(keys, delete.condition.as_ref())?;
            // Where there is no item, there is nothing that a condition could not hold for.
            let condition = conjunction(rest).map(|rest| {
                let is_gone = is_there(keys).map(|there| Condition::Not(Box::new(there)));
                Condition::Or(is_gone.into_iter().chain([rest]).collect())
            });
            (Change::Delete(key), condition)
        }
        Statement::Exists(select) => {
            let wrong = || invalid("EXISTS() must contain a single item read with additional condition");
            let (key, rest) = item_key(keys, select.condition.as_ref()).map_err(|_| wrong())?;
            (Change::Check(key), Some(conjunction(rest).ok_or_else(wrong)?))
        }
        Statement::Select(_) => return Err(invalid("Unsupported operation in transaction.")),
    };
    Ok(Write { table: source.table.clone(), change, condition, shows_item })
}

/// What holds for all items.
fn is_there(keys: &Keys) -> Option<Condition> {
    keys.hash.first().map(|part| Condition::Exists(Path::to(&part.name)))
}
