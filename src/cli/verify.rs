//! `siltstone verify`: reads every byte and checks it against every other that says something of it.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::directory::{Directory, disk};
use super::progress::Progress;
use super::{Failure, Out, shown};
use crate::engine::inspect::{self, Verified};
use crate::redis::acl;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  siltstone verify --dir ./siltstone-data
  siltstone verify --dir /backup/monday --json

Changes nothing, and works beside a server that is running. Exits with 1 if anything is damaged.")]
pub(super) struct Args {
    #[command(flatten)]
    directory: Directory,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let verified = check(&args.directory.dir)?;
    if args.json {
        writeln!(out, "{}", as_json(&verified))?;
    } else {
        show(&verified, out)?;
    }
    if verified.problems.is_empty() { Ok(()) } else { Err(Failure::Shown) }
}

/// Verifies a directory, with progress.
pub(super) fn check(dir: &Path) -> Result<Verified, Failure> {
    let mut bar = None;
    let mut verified = inspect::verify(&disk(), dir, &mut |done, total| {
        bar.get_or_insert_with(|| Progress::new("verifying", total)).at(done, total);
    })?;
    // The server's, and nothing that the store should name.
    let users = acl::file_path(Path::new(""));
    verified.unnamed.retain(|name| *name != users);
    Ok(verified)
}

/// In a few lines.
pub(super) fn show(verified: &Verified, out: &mut Out) -> Result<(), Failure> {
    for problem in &verified.problems {
        writeln!(out, "damaged: {problem}")?;
    }
    for name in &verified.unnamed {
        writeln!(out, "not named by the manifest: {}", name.display())?;
    }
    if verified.torn_bytes > 0 {
        writeln!(out, "torn tail of the log: {}, never acknowledged", shown::bytes(verified.torn_bytes))?;
    }
    writeln!(
        out,
        "{}: {} tables, {} blocks, {} rows, {}; {} logs, {} commits; {} problems",
        if verified.problems.is_empty() { "sound" } else { "DAMAGED" },
        verified.tables,
        verified.blocks,
        verified.rows,
        shown::bytes(verified.table_bytes),
        verified.logs,
        verified.commits,
        verified.problems.len()
    )?;
    Ok(())
}

fn as_json(verified: &Verified) -> serde_json::Value {
    json!({
        "sound": verified.problems.is_empty(),
        "tables": verified.tables,
        "blocks": verified.blocks,
        "rows": verified.rows,
        "table_bytes": verified.table_bytes,
        "logs": verified.logs,
        "commits": verified.commits,
        "torn_bytes": verified.torn_bytes,
        "problems": verified.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "unnamed": verified.unnamed,
    })
}
