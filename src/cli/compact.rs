//! `siltstone compact`: merges everything, or a range, down to the last level it reaches.

use std::io::Write;

use serde_json::json;

use super::directory::Directory;
use super::progress::Progress;
use super::{Failure, Out, shown};

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  siltstone compact --dir ./siltstone-data
  siltstone compact --from '\\x01a' --to '\\x01b'

The server compacts by itself; this is for packing a directory that is put away. Nobody else may have it open.
Range ends are rows of the engine, with \\xNN for bytes, both included.")]
pub(super) struct Args {
    #[command(flatten)]
    directory: Directory,
    /// The first row of the range
    #[arg(long, value_name = "ROW", value_parser = row)]
    from: Option<Row>,
    /// The last row of the range
    #[arg(long, value_name = "ROW", value_parser = row)]
    to: Option<Row>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug)]
struct Row(Vec<u8>);

fn row(text: &str) -> Result<Row, String> {
    shown::parse_key(text).map(Row).ok_or_else(|| shown::ESCAPES.to_owned())
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let size = || -> Result<u64, Failure> {
        Ok(args.directory.look()?.levels().iter().flatten().map(|table| table.bytes).sum())
    };
    let before = size()?;
    let keyspace = args.directory.change()?;
    let progress = Progress::new("compacting", 0);
    let bound = |row: &Option<Row>| row.as_ref().map(|row| row.0.clone());
    let (from, to) = (bound(&args.from), bound(&args.to));
    let db = keyspace.store().db();
    db.compact_range(from.as_deref(), to.as_deref())?;
    keyspace.store().close().map_err(|error| Failure::Failed(error.to_string()))?;
    drop(progress);
    let after = size()?;
    if args.json {
        writeln!(out, "{}", json!({ "table_bytes_before": before, "table_bytes_after": after }))?;
    } else {
        writeln!(out, "compacted: tables of {} are now {}", shown::bytes(before), shown::bytes(after))?;
    }
    Ok(())
}
