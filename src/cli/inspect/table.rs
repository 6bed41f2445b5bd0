//! `inspect table` and `inspect block`.

use std::io::Write;

use serde_json::{Value, json};

use super::{levels, shown};
use crate::cli::{Failure, Out};
use crate::engine::inspect::{BlockPlace, Inspection, Row};

pub(super) fn show(inspection: &Inspection, number: u64, json: bool, out: &mut Out) -> Result<(), Failure> {
    let (table, blocks) = inspection.table(number)?;
    if json {
        let mut value = levels::as_json(&table);
        value["blocks"] = blocks.iter().map(place).collect();
        writeln!(out, "{value}")?;
        return Ok(());
    }
    writeln!(out, "{} on level {}", table.path.display(), table.level)?;
    writeln!(out, "{}", levels::line(&table))?;
    for kind in ["data", "filter", "index", "top", "properties", "footer"] {
        let lens: Vec<u64> =
            blocks.iter().filter(|block| block.kind == kind).map(|block| block.len).collect();
        if !lens.is_empty() {
            writeln!(out, "{kind}: {} blocks, {}", lens.len(), shown::bytes(lens.iter().sum()))?;
        }
    }
    for block in &blocks {
        write!(out, "  {number}@{} {} {} bytes", block.offset, block.kind, block.len)?;
        match &block.last_key {
            Some(key) => writeln!(out, ", keys up to {}", shown::key(key))?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

fn place(block: &BlockPlace) -> Value {
    json!({
        "kind": block.kind,
        "offset": block.offset,
        "bytes": block.len,
        "last_key": block.last_key.as_deref().map(shown::key),
    })
}

pub(super) fn show_block(
    inspection: &Inspection,
    number: u64,
    offset: u64,
    json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let block = inspection.block(number, offset)?;
    if json {
        let mut value = place(&block.place);
        value["table"] = number.into();
        value["compressed"] = block.compressed.into();
        value["content_bytes"] = block.content_bytes.into();
        value["rows"] = block.rows.iter().map(row_json).collect();
        writeln!(out, "{value}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{} block of {} bytes, {} {} bytes, checksum right, {} rows",
        block.place.kind,
        block.place.len,
        if block.compressed { "unfolding to" } else { "not compressed," },
        block.content_bytes,
        block.rows.len()
    )?;
    for row in &block.rows {
        writeln!(out, "  {}", row_line(row))?;
    }
    Ok(())
}

/// A row in one line.
pub(super) fn row_line(row: &Row) -> String {
    let what = match &row.value {
        Some(value) => format!("value of {} bytes", value.len()),
        None => "deleted".to_owned(),
    };
    format!("{} commit {}: {what}", shown::key(&row.key), row.seqno)
}

/// A row as JSON.
pub(super) fn row_json(row: &Row) -> Value {
    json!({
        "key": shown::key(&row.key),
        "seqno": row.seqno,
        "deleted": row.value.is_none(),
        "value_bytes": row.value.as_ref().map_or(0, Vec::len),
    })
}
