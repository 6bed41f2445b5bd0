//! `inspect wal` and `inspect manifest`.

use std::io::Write;

use serde_json::{Value, json};

use super::shown;
use crate::cli::{Failure, Out};
use crate::engine::inspect::{EditReport, Inspection, LogRecord, LogReport};

pub(super) fn show(inspection: &Inspection, records: bool, json: bool, out: &mut Out) -> Result<(), Failure> {
    let logs = inspection.logs()?;
    if json {
        let logs: Vec<Value> = logs.iter().map(|log| as_json(log, records)).collect();
        writeln!(out, "{}", json!({ "logs": logs }))?;
        return Ok(());
    }
    for log in &logs {
        let sums = Sums::of(log);
        writeln!(
            out,
            "log {}: {}, {} of records, {} batches ({} puts, {} deletions), commits {} to {}, {}",
            log.number,
            log.path.display(),
            shown::bytes(log.valid_bytes),
            sums.batches,
            sums.puts,
            sums.deletes,
            sums.first,
            sums.last,
            if log.has_ended { "ended" } else { "being written" }
        )?;
        for record in log.records.iter().filter(|_| records) {
            writeln!(
                out,
                "  @{} {} {} bytes, commit {}, {} puts, {} deletions, on disk up to log {} offset {}",
                record.offset,
                record.kind,
                record.len,
                record.seqno,
                record.puts,
                record.deletes,
                record.synced.0,
                record.synced.1
            )?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Sums {
    batches: u64,
    puts: u64,
    deletes: u64,
    first: u64,
    last: u64,
}

impl Sums {
    fn of(log: &LogReport) -> Self {
        let batches = || log.records.iter().filter(|record| record.kind == "batch");
        Self {
            batches: batches().count() as u64,
            puts: batches().map(|record| record.puts).sum(),
            deletes: batches().map(|record| record.deletes).sum(),
            first: batches().next().map_or(0, |record| record.seqno),
            last: batches().next_back().map_or(0, |record| record.seqno),
        }
    }
}

fn as_json(log: &LogReport, records: bool) -> Value {
    let sums = Sums::of(log);
    let mut value = json!({
        "log": log.number,
        "file": log.path,
        "valid_bytes": log.valid_bytes,
        "file_bytes": log.file_bytes,
        "ended": log.has_ended,
        "batches": sums.batches,
        "puts": sums.puts,
        "deletes": sums.deletes,
        "seqno_first": sums.first,
        "seqno_last": sums.last,
    });
    if records {
        value["records"] = log.records.iter().map(record_json).collect();
    }
    value
}

fn record_json(record: &LogRecord) -> Value {
    json!({
        "offset": record.offset,
        "bytes": record.len,
        "kind": record.kind,
        "seqno": record.seqno,
        "puts": record.puts,
        "deletes": record.deletes,
        "synced": { "log": record.synced.0, "offset": record.synced.1 },
    })
}

pub(super) fn show_manifest(inspection: &Inspection, json: bool, out: &mut Out) -> Result<(), Failure> {
    let manifest = inspection.manifest()?;
    if json {
        let marks = manifest.marks.iter().map(|(start, end, seqno)| {
            json!({ "start": shown::key(start), "end": shown::key(end), "seqno": seqno })
        });
        let value = json!({
            "file": manifest.path,
            "bytes": manifest.bytes,
            "flushed_seqno": manifest.flushed,
            "durable_seqno": manifest.durable,
            "next_file": manifest.next_file,
            "logs": manifest.logs,
            "deleted_ranges": marks.collect::<Vec<_>>(),
            "counters": manifest.counters.iter().map(|(counter, value)| json!([counter, value])).collect::<Vec<_>>(),
            "edits": manifest.edits.iter().map(edit_json).collect::<Vec<_>>(),
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{}: {} in {} edits",
        manifest.path.display(),
        shown::bytes(manifest.bytes),
        manifest.edits.len()
    )?;
    writeln!(
        out,
        "commits in tables up to {}, on disk at least up to {}, next file {}, logs {:?}, {} deleted ranges, {} counters",
        manifest.flushed,
        manifest.durable,
        manifest.next_file,
        manifest.logs,
        manifest.marks.len(),
        manifest.counters.len()
    )?;
    for edit in &manifest.edits {
        writeln!(out, "  {}", edit_line(edit))?;
    }
    Ok(())
}

fn edit_line(edit: &EditReport) -> String {
    let tables = |tables: &[(usize, u64)]| {
        tables.iter().map(|(level, number)| format!("{number} (level {level})")).collect::<Vec<_>>().join(" ")
    };
    let mut parts = vec![format!("@{}", edit.offset)];
    if !edit.added.is_empty() {
        parts.push(format!("added {}", tables(&edit.added)));
    }
    if !edit.removed.is_empty() {
        parts.push(format!("removed {}", tables(&edit.removed)));
    }
    if let Some(log) = edit.log {
        parts.push(format!("logs below {log} are done with"));
    }
    if !edit.logs_started.is_empty() {
        parts.push(format!("began logs {:?}", edit.logs_started));
    }
    parts.join("; ")
}

fn edit_json(edit: &EditReport) -> Value {
    let tables = |tables: &[(usize, u64)]| {
        tables.iter().map(|(level, number)| json!({ "level": level, "table": number })).collect::<Vec<_>>()
    };
    json!({
        "offset": edit.offset,
        "added": tables(&edit.added),
        "removed": tables(&edit.removed),
        "log": edit.log,
        "logs_started": edit.logs_started,
    })
}
