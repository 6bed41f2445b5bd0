//! `inspect key`.

use std::io::Write;

use serde_json::{Value, json};

use super::{shown, table};
use crate::cli::{Failure, Out};
use crate::engine::inspect::{Inspection, KeyPlace, KeyReport};
use crate::redis::keyspace;

/// The row that says what a Redis key is.
pub(super) fn redis_row(inspection: &Inspection, database: u16, key: &str) -> Result<Vec<u8>, Failure> {
    let map = inspection.key(&keyspace::map_row())?;
    let row = keyspace::row_of_key(map.value(), database, key.as_bytes());
    row.map_err(|error| Failure::Failed(error.to_string()))?.ok_or_else(|| {
        Failure::Failed(format!(
            "there is no database {database} here; with --raw the key is a row of the engine"
        ))
    })
}

pub(super) fn show(inspection: &Inspection, row: &[u8], json: bool, out: &mut Out) -> Result<(), Failure> {
    let report = inspection.key(row)?;
    let verdict = verdict(&report);
    if json {
        let value = json!({
            "row": shown::key(row),
            "exists": report.value().is_some(),
            "verdict": verdict,
            "newest": report.newest.as_ref().map(|(place, row)| {
                json!({ "place": place, "version": table::row_json(row) })
            }),
            "places": report.places.iter().map(place_json).collect::<Vec<_>>(),
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    writeln!(out, "row {}", shown::key(row))?;
    writeln!(out, "{verdict}")?;
    for (at, place) in report.places.iter().enumerate() {
        let counts = report.newest.as_ref().is_some_and(|(newest, _)| *newest == at);
        writeln!(out, "  {}{}", place_line(place), if counts { "  <- counts" } else { "" })?;
        for version in place.versions() {
            writeln!(out, "    {}", table::row_line(version))?;
        }
    }
    Ok(())
}

/// What is so, and why.
fn verdict(report: &KeyReport) -> String {
    let Some((place, row)) = &report.newest else {
        return "is not there: no log and no table holds any version of it".to_owned();
    };
    let place = report.places.get(*place).map_or_else(String::new, name);
    if let Some((start, end, seqno)) = &report.hidden_by {
        return format!(
            "is deleted: commit {seqno} deleted the range {} to {}, after the newest version, of commit {}, in {place}",
            shown::key(start),
            shown::key(end),
            row.seqno
        );
    }
    match &row.value {
        None => format!("is deleted: the newest version, of commit {}, in {place}, is a deletion", row.seqno),
        Some(value) => format!(
            "has a value of {} bytes: the newest version, of commit {}, is in {place}",
            value.len(),
            row.seqno
        ),
    }
}

fn name(place: &KeyPlace) -> String {
    match place {
        KeyPlace::Log { number, .. } => format!("log {number}"),
        KeyPlace::Table { level, number, .. } => format!("table {number} on level {level}"),
        KeyPlace::NoTable { level, .. } => format!("level {level}"),
    }
}

fn place_line(place: &KeyPlace) -> String {
    let name = name(place);
    match place {
        KeyPlace::Table { may_contain: false, .. } => {
            format!("{name}: its keys go past it, the filter says no")
        }
        KeyPlace::Table { versions, .. } if versions.is_empty() => {
            format!("{name}: the filter says maybe, but it is not there")
        }
        KeyPlace::Log { versions, .. } | KeyPlace::Table { versions, .. } => {
            format!("{name}: {} versions", versions.len())
        }
        KeyPlace::NoTable { tables, .. } => format!("{name}: none of {tables} tables has such keys"),
    }
}

fn place_json(place: &KeyPlace) -> Value {
    let versions: Vec<Value> = place.versions().iter().map(table::row_json).collect();
    match place {
        KeyPlace::Log { number, .. } => json!({ "log": number, "versions": versions }),
        KeyPlace::Table { level, number, may_contain, .. } => {
            json!({ "level": level, "table": number, "filter": may_contain, "versions": versions })
        }
        KeyPlace::NoTable { level, tables } => json!({ "level": level, "tables": tables, "covered": false }),
    }
}
