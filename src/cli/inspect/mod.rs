//! `siltstone inspect`: what is on disk. Changes nothing, and works beside a server that is running.

mod item;
mod key;
mod levels;
mod log;
mod table;
mod tables;

use clap::Subcommand;

use super::directory::Directory;
use super::{Failure, Out, shown};

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  siltstone inspect levels --dir ./siltstone-data
  siltstone inspect table 17 --json
  siltstone inspect block 17@4096
  siltstone inspect wal --records
  siltstone inspect key user:42
  siltstone inspect tables
  siltstone inspect item orders '{\"id\":{\"S\":\"42\"}}'

Keys are shown with \\xNN for what is not printable.")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    directory: Directory,
    /// Prints JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The levels and their tables
    Levels,
    /// One table: what it holds and how its file is laid out
    Table {
        /// The table's number, as `inspect levels` shows it
        number: u64,
    },
    /// One block of a table, row by row
    Block {
        /// Table and offset, as in 17@4096
        #[arg(value_name = "N@OFFSET", value_parser = table_and_offset)]
        place: (u64, u64),
    },
    /// The logs: what is committed and not in tables yet
    Wal {
        /// Every record
        #[arg(long)]
        records: bool,
    },
    /// The manifest: which files count, and every change that led there
    Manifest,
    /// A key: which files and levels hold it, which version counts, and why
    Key {
        /// A Redis key; with --raw a row of the engine
        key: String,
        /// The Redis database of the key
        #[arg(long, value_name = "N", default_value_t = 0)]
        db: u16,
        /// Takes the key as a row of the engine, with \xNN for bytes
        #[arg(long)]
        raw: bool,
    },
    /// The tables of DynamoDB's API, and their backups
    Tables,
    /// An item of such a table: its row, its deadline, its rows in indexes
    Item {
        /// The table's name
        table: String,
        /// The item's key, as in '{"pk":{"S":"a"}}'
        key: String,
    },
}

fn table_and_offset(text: &str) -> Result<(u64, u64), String> {
    text.split_once('@')
        .and_then(|(table, offset)| Some((table.parse().ok()?, offset.parse().ok()?)))
        .ok_or_else(|| "a table's number, `@`, and an offset, as in 17@4096".to_owned())
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let json = args.json;
    match &args.what {
        What::Levels => levels::show(&args.directory.look()?, json, out),
        What::Table { number } => table::show(&args.directory.look()?, *number, json, out),
        What::Block { place: (number, offset) } => {
            table::show_block(&args.directory.look()?, *number, *offset, json, out)
        }
        What::Wal { records } => log::show(&args.directory.look()?, *records, json, out),
        What::Manifest => log::show_manifest(&args.directory.look()?, json, out),
        What::Tables => tables::show(&args.directory.look()?, json, out),
        What::Item { table, key } => item::show(&args.directory.look()?, (table, key), json, out),
        What::Key { key, db, raw } => {
            let inspection = args.directory.look()?;
            let row = if *raw {
                shown::parse_key(key).ok_or_else(|| Failure::Usage(format!("`{key}`: {}", shown::ESCAPES)))?
            } else {
                key::redis_row(&inspection, *db, key)?
            };
            key::show(&inspection, &row, json, out)
        }
    }
}
