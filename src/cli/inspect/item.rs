//! `inspect item`: an item of a table, and everything that lies in the store because of it.

use std::io::Write;

use serde_json::{Value, json};

use super::{shown, tables};
use crate::cli::{Failure, Out};
use crate::clock::{Clock, SystemClock};
use crate::dynamo::attribute::encoding::decode;
use crate::dynamo::attribute::json::{parse_attributes, put_attributes};
use crate::dynamo::attribute::{Attributes, size};
use crate::dynamo::item::due_ms;
use crate::dynamo::limits::Limits;
use crate::dynamo::number::Exponents;
use crate::dynamo::rows::{index_key, item_row, space_prefix, table_key};
use crate::dynamo::schema::Schema;
use crate::engine::inspect::Inspection;
use crate::store::index_row;

pub(super) fn show(
    inspection: &Inspection,
    (table, key): (&str, &str),
    json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let schema = tables::find(inspection, table)?;
    let key = parse_key(&schema, key)?;
    let row = item_row(schema.id, &key);
    let report = inspection.key(&row)?;
    let damaged = |_| Failure::Failed("the item's row does not read as an item".to_owned());
    let item = report.value().map(decode).transpose().map_err(damaged)?;
    let Some(item) = item else {
        if json {
            writeln!(out, "{}", json!({ "row": shown::key(&row), "exists": false }))?;
        } else {
            writeln!(out, "row {}\nis not there", shown::key(&row))?;
        }
        return Ok(());
    };
    let deadline = deadline(inspection, &schema, (&key, &item))?;
    let entries = entries(inspection, &schema, &item)?;
    if json {
        let entries = entries.iter().map(
            |entry| json!({ "index": entry.index, "row": shown::key(&entry.row), "exists": entry.is_there }),
        );
        let value = json!({
            "row": shown::key(&row),
            "exists": true,
            "item": as_json(&item),
            "bytes": size(&item),
            "deadline_ms": deadline.as_ref().map(|deadline| deadline.0),
            "deadline_row": deadline.as_ref().map(|deadline| deadline.1),
            "index_rows": entries.collect::<Vec<_>>(),
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    writeln!(out, "row {}\n{}\n{} bytes", shown::key(&row), as_json(&item), size(&item))?;
    if let Some((due_ms, is_there)) = deadline {
        writeln!(out, "expires at {due_ms} ms since 1970{}", missing(is_there))?;
    }
    for entry in entries {
        let is_filling = schema.index(&entry.index).is_some_and(|index| index.is_filling);
        let note = if is_filling && !entry.is_there { ", not filled yet" } else { missing(entry.is_there) };
        writeln!(out, "index {}: row {}{note}", entry.index, shown::key(&entry.row))?;
    }
    Ok(())
}

fn missing(is_there: bool) -> &'static str {
    if is_there { "" } else { ", but its row is MISSING" }
}

fn parse_key(schema: &Schema, text: &str) -> Result<Vec<u8>, Failure> {
    let usage = |why: &dyn std::fmt::Display| {
        let parts =
            schema.keys.parts().map(|part| format!("\"{}\":{{\"{}\":…}}", part.name, part.kind.word()));
        Failure::Usage(format!("the key: {why}; it is JSON like {{{}}}", parts.collect::<Vec<_>>().join(",")))
    };
    let json: Value = serde_json::from_str(text).map_err(|error| usage(&error))?;
    let reading = Limits::default().reading(Exponents::Wide);
    let key = parse_attributes(json, reading).map_err(|error| usage(&super::super::tables::why(&error)))?;
    table_key(&schema.keys, &key).ok_or_else(|| usage(&"a part is missing, or of another type"))
}

fn as_json(item: &Attributes) -> Value {
    let mut text = Vec::new();
    put_attributes(&mut text, item);
    serde_json::from_slice(&text).unwrap_or_default()
}

/// When the item expires, in Unix milliseconds, and whether the row that says so is there.
fn deadline(
    inspection: &Inspection,
    schema: &Schema,
    (key, item): (&[u8], &Attributes),
) -> Result<Option<(u64, bool)>, Failure> {
    let now_ms = SystemClock::default().now_ms();
    let due = schema.ttl.as_ref().and_then(|attribute| due_ms(attribute, item, now_ms));
    let Some(due) = due else { return Ok(None) };
    let row = inspection.key(&index_row(&space_prefix(schema.id), due, key))?;
    Ok(Some((due, row.value().is_some())))
}

/// A row that an index should have of the item.
struct Entry {
    index: String,
    row: Vec<u8>,
    is_there: bool,
}

fn entries(inspection: &Inspection, schema: &Schema, item: &Attributes) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for index in &schema.indexes {
        let Some(key) = index_key(index, &schema.keys, item) else { continue };
        let row = item_row(index.id, &key);
        let is_there = inspection.key(&row)?.value().is_some();
        entries.push(Entry { index: index.name.clone(), row, is_there });
    }
    Ok(entries)
}
