//! `inspect tables`: the tables of DynamoDB's API.

use std::io::Write;

use serde_json::{Value, json};

use super::shown;
use crate::cli::{Failure, Out};
use crate::dynamo::backup::{self, Backup};
use crate::dynamo::catalog;
use crate::dynamo::rows::{backup_row, catalog_row, counters, is_departed};
use crate::dynamo::schema::{KeyPart, Keys, Schema};
use crate::dynamo::table::describe::{stream_label, timestamp_text};
use crate::engine::inspect::{Content, Inspection};
use crate::store::after_prefix;

pub(super) fn show(inspection: &Inspection, json: bool, out: &mut Out) -> Result<(), Failure> {
    let content = below(inspection, &catalog_row(""))?;
    let tables = content.rows.iter().filter(|(row, _)| !is_departed(row));
    let tables = tables.map(|(_, row)| catalog::decode(row));
    let tables = tables.collect::<Result<Vec<_>, _>>().map_err(|error| Failure::Failed(error.to_string()))?;
    let backups = below(inspection, &backup_row(""))?;
    let backups = backups.rows.values().map(|row| backup::decode(row));
    let backups =
        backups.collect::<Result<Vec<_>, _>>().map_err(|error| Failure::Failed(error.to_string()))?;
    if json {
        let tables: Vec<Value> = tables.iter().map(|table| as_json(table, &content)).collect();
        let backups: Vec<Value> = backups.iter().map(backup_json).collect();
        writeln!(out, "{}", json!({ "tables": tables, "backups": backups }))?;
        return Ok(());
    }
    if tables.is_empty() {
        writeln!(out, "no tables")?;
    }
    for table in &tables {
        show_table(table, &content, out)?;
    }
    for backup in &backups {
        writeln!(
            out,
            "backup {} \"{}\": {}, {} items, {}",
            backup.name(),
            backup.title,
            backup.status(),
            backup.items,
            shown::bytes(backup.bytes)
        )?;
    }
    Ok(())
}

/// The rows with a prefix.
fn below(inspection: &Inspection, prefix: &[u8]) -> Result<Content, Failure> {
    Ok(inspection.content(prefix, &after_prefix(prefix).unwrap_or_default())?)
}

/// The table of this name.
pub(super) fn find(inspection: &Inspection, name: &str) -> Result<Schema, Failure> {
    let report = inspection.key(&catalog_row(name))?;
    let row = report
        .value()
        .ok_or_else(|| Failure::Failed(format!("there is no table {name}; `inspect tables` lists them")))?;
    catalog::decode(row).map_err(|error| Failure::Failed(error.to_string()))
}

/// Items and bytes of a space.
fn counted(content: &Content, space: u64) -> (u64, u64) {
    let (items, bytes) = counters(space);
    let of = |counter| content.counters.get(&counter).map_or(0, |count: &i64| (*count).max(0) as u64);
    (of(items), of(bytes))
}

fn show_table(table: &Schema, content: &Content, out: &mut Out) -> Result<(), Failure> {
    let (items, bytes) = counted(content, table.id);
    writeln!(
        out,
        "table {}: {}, {items} items, {}, id {}",
        table.name,
        table.status(),
        shown::bytes(bytes),
        table.id
    )?;
    writeln!(out, "  keys {}", keys_line(&table.keys))?;
    for index in &table.indexes {
        let (items, bytes) = counted(content, index.id);
        writeln!(
            out,
            "  {} index {}: {}keys {}, {items} entries, {}, id {}",
            if index.is_local { "local" } else { "global" },
            index.name,
            if index.is_filling { "being filled, " } else { "" },
            keys_line(&index.keys),
            shown::bytes(bytes),
            index.id
        )?;
    }
    for stream in &table.streams {
        let until =
            stream.closed_ms.map_or_else(String::new, |ms| format!(", closed {}", timestamp_text(ms)));
        writeln!(out, "  stream {}: {}{until}, id {}", stream_label(stream), stream.view.word(), stream.id)?;
    }
    if let Some(attribute) = &table.ttl {
        let arming = if table.is_arming { ", being learnt" } else { "" };
        writeln!(out, "  items expire by {attribute}{arming}")?;
    }
    Ok(())
}

/// The parts of a key, such as `id S, at N`; the parts that are hashed and those to sort by apart.
fn keys_line(keys: &Keys) -> String {
    let parts = |parts: &[KeyPart]| {
        parts.iter().map(|part| format!("{} {}", part.name, part.kind.word())).collect::<Vec<_>>().join(", ")
    };
    let hash = parts(&keys.hash);
    if keys.range.is_empty() { hash } else { format!("{hash}; {}", parts(&keys.range)) }
}

fn keys_json(keys: &Keys) -> Value {
    let parts = |parts: &[KeyPart]| -> Value {
        parts.iter().map(|part| json!({ "name": part.name, "type": part.kind.word() })).collect()
    };
    json!({ "hash": parts(&keys.hash), "range": parts(&keys.range) })
}

fn as_json(table: &Schema, content: &Content) -> Value {
    let (items, bytes) = counted(content, table.id);
    let indexes: Vec<Value> = table
        .indexes
        .iter()
        .map(|index| {
            let (items, bytes) = counted(content, index.id);
            json!({
                "name": index.name,
                "id": index.id,
                "local": index.is_local,
                "filling": index.is_filling,
                "keys": keys_json(&index.keys),
                "projection": index.projection.describe(),
                "items": items,
                "bytes": bytes,
            })
        })
        .collect();
    let streams: Vec<Value> = table
        .streams
        .iter()
        .map(|stream| {
            json!({
                "label": stream_label(stream),
                "id": stream.id,
                "view": stream.view.word(),
                "closed_ms": stream.closed_ms,
            })
        })
        .collect();
    json!({
        "name": table.name,
        "id": table.id,
        "table_id": table.uuid,
        "state": table.status(),
        "created_ms": table.created_ms,
        "keys": keys_json(&table.keys),
        "items": items,
        "bytes": bytes,
        "indexes": indexes,
        "streams": streams,
        "ttl": table.ttl,
        "ttl_learning": table.is_arming,
        "restored_from": table.restored.as_ref().map(|restored| &restored.backup),
    })
}

fn backup_json(backup: &Backup) -> Value {
    json!({
        "arn": backup.arn(),
        "name": backup.title,
        "id": backup.id,
        "state": backup.status(),
        "created_ms": backup.created_ms,
        "table": backup.table.name,
        "items": backup.items,
        "bytes": backup.bytes,
    })
}
