//! The command line: one file a command.
//!
//! Exit codes: 0 all is well; 1 it failed, or a tool found a problem; 2 the command line or a setting is wrong.
//! Results go to standard output, as text or with `--json`; progress and errors go to standard error.

pub mod bench;

mod backup;
mod compact;
mod directory;
mod inspect;
mod progress;
mod serve;
mod shown;
mod tables;
mod verify;

use std::ffi::OsString;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{BadSetting, text};
use crate::engine::Fsync;

/// A durable key-value store for data that does not fit in RAM, with Redis's protocol
#[derive(Debug, Parser)]
#[command(
    name = "siltstone",
    version,
    max_term_width = 100,
    after_help = "Examples:
  siltstone serve                              a server on 127.0.0.1:6379, data in ./siltstone-data
  siltstone serve --memory 256MiB --fsync everysec
  siltstone verify --dir ./siltstone-data
  siltstone backup --dir ./siltstone-data --to /backup/monday
  siltstone import dynamodb-export ./export --table orders --hash id:S
  siltstone export table orders ./export
  siltstone bench fillrandom,readrandom --dir /tmp/bench

Exit codes: 0 all is well, 1 it failed or a problem was found, 2 wrong usage or a bad setting"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server
    Serve(Box<serve::Args>),
    /// Shows what is on disk
    Inspect(inspect::Args),
    /// Checks every byte on disk
    Verify(verify::Args),
    /// Merges everything down, or a range
    Compact(compact::Args),
    /// Makes a verified copy, also beside a running server
    Backup(backup::BackupArgs),
    /// Makes a data directory of a backup
    Restore(backup::RestoreArgs),
    /// Puts items from elsewhere into a table
    Import(tables::import::Args),
    /// Writes the items of a table, for here or elsewhere
    Export(tables::export::Args),
    /// Measures the engine, with workloads named as in db_bench
    Bench(Box<bench::Args>),
}

/// Standard output, buffered.
type Out<'a> = BufWriter<StdoutLock<'a>>;

/// Why a command did not do what was asked.
#[derive(Debug)]
enum Failure {
    /// The command line or a setting is wrong.
    Usage(String),
    /// It failed, or found a problem.
    Failed(String),
    /// A problem was found, and has been shown already.
    Shown,
    /// Whoever read our output went away, as `head` does.
    NobodyReads,
}

impl From<BadSetting> for Failure {
    fn from(bad: BadSetting) -> Self {
        Self::Usage(bad.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(format!("writing the output: {error}")),
        }
    }
}

/// Does what the arguments say.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => {
            // Help and version come this way too; they exit with 0.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match &line.command {
        Command::Serve(args) => serve::run(args),
        Command::Inspect(args) => inspect::run(args, &mut out),
        Command::Verify(args) => verify::run(args, &mut out),
        Command::Compact(args) => compact::run(args, &mut out),
        Command::Backup(args) => backup::backup(args, &mut out),
        Command::Restore(args) => backup::restore(args, &mut out),
        Command::Import(args) => tables::import::run(args, &mut out),
        Command::Export(args) => tables::export::run(args, &mut out),
        Command::Bench(args) => bench::run(args, &mut out),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) | Err(Failure::NobodyReads) => ExitCode::SUCCESS,
        Err(Failure::Shown) => ExitCode::from(1),
        Err(Failure::Failed(what)) => {
            let _ = out.flush();
            eprintln!("siltstone: {what}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(what)) => {
            eprintln!("siltstone: {what}");
            ExitCode::from(2)
        }
    }
}

/// A size on the command line.
fn size(value: &str) -> Result<u64, String> {
    text::size(value, 0)
}

/// A way of syncing on the command line.
fn fsync(value: &str) -> Result<Fsync, String> {
    text::choice(
        &[("always", Fsync::Always), ("everysec", Fsync::EverySecond), ("never", Fsync::Never)],
        value,
    )
}
