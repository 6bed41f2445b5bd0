//! `inspect levels`.

use std::io::Write;

use serde_json::{Value, json};

use super::shown;
use crate::cli::{Failure, Out};
use crate::engine::inspect::{Inspection, TableReport};

pub(super) fn show(inspection: &Inspection, json: bool, out: &mut Out) -> Result<(), Failure> {
    let levels = inspection.levels();
    if json {
        let levels: Vec<Value> = levels
            .iter()
            .enumerate()
            .map(|(level, tables)| {
                let sums = Sums::of(tables);
                json!({
                    "level": level,
                    "bytes": sums.bytes,
                    "raw_bytes": sums.raw_bytes,
                    "rows": sums.rows,
                    "tombstones": sums.tombstones,
                    "expiring": sums.expiring,
                    "tables": tables.iter().map(as_json).collect::<Vec<_>>(),
                })
            })
            .collect();
        writeln!(out, "{}", json!({ "levels": levels }))?;
        return Ok(());
    }
    for (level, tables) in levels.iter().enumerate() {
        let sums = Sums::of(tables);
        writeln!(
            out,
            "level {level}: {} tables, {} ({} before compression), {} rows, {} deletions, {} expiring",
            tables.len(),
            shown::bytes(sums.bytes),
            shown::bytes(sums.raw_bytes),
            sums.rows,
            sums.tombstones,
            sums.expiring
        )?;
        for table in tables {
            writeln!(out, "  {}", line(table))?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Sums {
    bytes: u64,
    raw_bytes: u64,
    rows: u64,
    tombstones: u64,
    expiring: u64,
}

impl Sums {
    fn of(tables: &[TableReport]) -> Self {
        tables.iter().fold(Self::default(), |sums, table| Self {
            bytes: sums.bytes + table.bytes,
            raw_bytes: sums.raw_bytes + table.raw_bytes,
            rows: sums.rows + table.rows,
            tombstones: sums.tombstones + table.tombstones,
            expiring: sums.expiring + table.expiring,
        })
    }
}

/// A table in one line.
pub(super) fn line(table: &TableReport) -> String {
    format!(
        "table {}: {}, {} rows, {} deletions, commits {} to {}, keys {} to {}",
        table.number,
        shown::bytes(table.bytes),
        table.rows,
        table.tombstones,
        table.seqno_min,
        table.seqno_max,
        shown::key(&table.smallest),
        shown::key(&table.largest),
    )
}

/// A table as JSON.
pub(super) fn as_json(table: &TableReport) -> Value {
    json!({
        "table": table.number,
        "file": table.path,
        "level": table.level,
        "bytes": table.bytes,
        "raw_bytes": table.raw_bytes,
        "rows": table.rows,
        "tombstones": table.tombstones,
        "expiring": table.expiring,
        "seqno_min": table.seqno_min,
        "seqno_max": table.seqno_max,
        "smallest": shown::key(&table.smallest),
        "largest": shown::key(&table.largest),
    })
}
