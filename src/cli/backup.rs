//! `siltstone backup` and `siltstone restore`: a copy of a directory, and back.
//!
//! A copy shares nothing with what it was made of, is checked byte by byte when it is done, and is itself a data
//! directory: `serve --dir` opens it.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::directory::{Directory, disk};
use super::progress::Progress;
use super::{Failure, Out, shown, verify};
use crate::engine::inspect::Inspection;
use crate::redis::acl;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  siltstone backup --dir ./siltstone-data --to /backup/monday

Works beside a server that is running: the copy holds everything that was acknowledged when it began. BGSAVE makes a
copy too, in an instant, by hard links on the same disk.")]
pub(super) struct BackupArgs {
    #[command(flatten)]
    directory: Directory,
    /// Where the copy goes: a directory that is missing or empty
    #[arg(long, value_name = "DEST")]
    to: PathBuf,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  siltstone restore --from /backup/monday --dir ./siltstone-data

The backup is checked first, and stays as it is. DIR must be missing or empty.")]
pub(super) struct RestoreArgs {
    /// The backup
    #[arg(long, value_name = "SRC")]
    from: PathBuf,
    #[command(flatten)]
    directory: Directory,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn backup(args: &BackupArgs, out: &mut Out) -> Result<(), Failure> {
    let bytes = copy(&args.directory.dir, &args.to)?;
    report("backed up", bytes, &args.directory.dir, &args.to, args.json, out)
}

pub(super) fn restore(args: &RestoreArgs, out: &mut Out) -> Result<(), Failure> {
    sound(&args.from)?;
    let bytes = copy(&args.from, &args.directory.dir)?;
    report("restored", bytes, &args.from, &args.directory.dir, args.json, out)
}

fn copy(from: &Path, to: &Path) -> Result<u64, Failure> {
    let mut bar = None;
    let mut progress =
        |done, total| bar.get_or_insert_with(|| Progress::new("copying", total)).at(done, total);
    // Who opened it without its users would let everybody in.
    let users = || acl::copy_file(&*disk(), from, to);
    let copied = Inspection::copy(&disk(), from, to, &mut progress, users);
    drop(bar);
    let bytes = copied?;
    sound(to)?;
    Ok(bytes)
}

fn sound(dir: &Path) -> Result<(), Failure> {
    let verified = verify::check(dir)?;
    match verified.problems.first() {
        None => Ok(()),
        Some(problem) => Err(Failure::Failed(format!("{} is damaged: {problem}", dir.display()))),
    }
}

fn report(what: &str, bytes: u64, from: &Path, to: &Path, json: bool, out: &mut Out) -> Result<(), Failure> {
    if json {
        writeln!(out, "{}", json!({ "from": from, "to": to, "bytes": bytes, "verified": true }))?;
    } else {
        let (from, to) = (from.display(), to.display());
        writeln!(out, "{what} {from} to {to}: {}, verified", shown::bytes(bytes))?;
    }
    Ok(())
}
