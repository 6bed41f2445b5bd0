//! BatchGetItem and BatchWriteItem: how many items, and each once.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::expressions::mixed;
use super::{Result, elements, invalid, member};

/// A write of a batch: the item that it puts, or the key of the one that it deletes.
#[derive(Debug)]
pub enum Write {
    /// This item is put.
    Put(Json),
    /// The item of this key is deleted.
    Delete(Json),
}

/// Checks how many items a BatchGetItem asks for, of a table and of all, and that it asks for parts of all of them in the
/// same way.
pub fn check_gets(request: &Json, gets_max: usize) -> Result<()> {
    let tables = || request.get("RequestItems").and_then(Json::as_object).into_iter().flatten();
    let has = |name: &str| tables().any(|(_, of)| member(of, name).is_some());
    if has("AttributesToGet") && has("ProjectionExpression") {
        return Err(mixed(&["AttributesToGet"], &["ProjectionExpression"]));
    }
    let count = |of: &Json| of.get("Keys").map_or(0, |keys| elements(keys).count());
    if let Some((table, _)) = tables().find(|(_, of)| count(of) > gets_max) {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'RequestItems.{table}.member.Keys' failed to satisfy constraint: \
             Member must have length less than or equal to {gets_max}"
        )));
    }
    if tables().map(|(_, of)| count(of)).sum::<usize>() > gets_max {
        return Err(invalid("Too many items requested for the BatchGetItem call"));
    }
    Ok(())
}

/// The writes of a BatchWriteItem, with the names or ARNs of their tables; taken from its `RequestItems`.
pub fn writes(tables: &mut Map<String, Json>, writes_max: usize) -> Result<Vec<(&str, Write)>> {
    let mut writes = Vec::new();
    for (table, list) in tables {
        for one in list.as_array_mut().into_iter().flatten() {
            let mut take = |request, what| one.get_mut(request)?.get_mut(what).map(Json::take);
            let write = match (take("PutRequest", "Item"), take("DeleteRequest", "Key")) {
                (Some(item), None) => Write::Put(item),
                (None, Some(key)) => Write::Delete(key),
                // What the service tells, odd as it is.
                _ => {
                    return Err(invalid(
                        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the \
                         supported datatypes",
                    ));
                }
            };
            writes.push((table.as_str(), write));
        }
    }
    if writes.len() > writes_max {
        return Err(invalid("Too many items requested for the BatchWriteItem call"));
    }
    Ok(writes)
}

/// Checks that no item is there twice; `keys` are those of tables and items, in any form that is the same for the same.
pub fn check_distinct<K: Ord>(keys: impl IntoIterator<Item = K>) -> Result<()> {
    let mut seen = BTreeSet::new();
    if keys.into_iter().all(|key| seen.insert(key)) {
        Ok(())
    } else {
        Err(invalid("Provided list of item keys contains duplicates"))
    }
}
