//! `siltstone import`: items of an export of DynamoDB's, through the same transactions that requests go through, so that
//! indexes, deadlines, counts and streams are right.
//!
//! An item that is there already is replaced: what was cut short is done again from its beginning.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use serde_json::{Value as Json, json};

use super::files::{Reader, sum_of};
use super::manifest::{DataFile, Export};
use super::why;
use crate::cli::directory::{Directory, disk};
use crate::cli::progress::Progress;
use crate::cli::{Failure, Out};
use crate::dynamo::Tables;
use crate::dynamo::attribute::json::parse_attributes;
use crate::dynamo::context::Context;
use crate::dynamo::item::write::{Change, Write, aim_all, lock};
use crate::dynamo::limits::Limits;
use crate::dynamo::number::Exponents;
use crate::dynamo::schema::Schema;
use crate::dynamo::validate::table::KeyType;
use crate::store::{LockSet, Tier};
use crate::vfs::Vfs;

/// Items of one transaction, and about how many bytes of lines.
const LOT_ITEMS: usize = 100;
const LOT_BYTES: usize = 1 << 20;

/// A line is no longer: the largest item, and what JSON makes of it.
const LINE_BYTES_MAX: u64 = 128 << 20;

/// Bad lines that are told one by one.
const BAD_LINES_TOLD: u64 = 20;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  siltstone import dynamodb-export ./export --table orders --hash id:S --range at:N
  siltstone import dynamodb-export ./export/AWSDynamoDB/01693685827463-2d8752fd --dir ./siltstone-data

Reads what DynamoDB's export to S3 writes as DynamoDB JSON, full or incremental, copied from its bucket. A table that is
not there is made, with the key that the flags say. What was cut short can be done again: items are replaced. No server may
have the directory open.")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    directory: Directory,
    /// Prints JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// An export of DynamoDB's to S3
    DynamodbExport(Source),
}

#[derive(Debug, clap::Args)]
struct Source {
    /// The export: the directory of its manifests, or the one that holds AWSDynamoDB
    #[arg(value_name = "EXPORT")]
    from: PathBuf,
    /// The table that the items go to [default: named like the one that was exported]
    #[arg(long)]
    table: Option<String>,
    /// The partition key of a table that is made: its name and its type, S, N or B
    #[arg(long, value_name = "NAME:TYPE", value_parser = key_part)]
    hash: Option<KeyPart>,
    /// The sort key of a table that is made
    #[arg(long, value_name = "NAME:TYPE", value_parser = key_part, requires = "hash")]
    range: Option<KeyPart>,
}

/// An attribute that is a key, or a part of one.
type KeyPart = (String, KeyType);

fn key_part(text: &str) -> Result<KeyPart, String> {
    text.rsplit_once(':')
        .and_then(|(name, kind)| Some((name.to_owned(), KeyType::parse(kind)?)))
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "a name, `:`, and S, N or B, as in id:S".to_owned())
}

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let What::DynamodbExport(source) = &args.what;
    let vfs = disk();
    let export = Export::open(&*vfs, &source.from)?;
    let keyspace = args.directory.change_or_make()?;
    let store = keyspace.store();
    let imported = Tables::open(store.clone(), limits())
        .map_err(Failure::from)
        .and_then(|tables| Import::begin(tables, source, &export))
        .and_then(|import| {
            let table = import.table.clone();
            import.run(&*vfs, &export).map_err(|failure| not_whole(failure, &table))
        });
    store.db().sync()?;
    store.close()?;
    let done = imported?;
    if args.json {
        let value = json!({
            "table": done.table, "made": done.is_new, "put": done.put, "deleted": done.deleted, "bad_lines": done.bad,
        });
        writeln!(out, "{value}")?;
    } else {
        let made = if done.is_new { "new table" } else { "table" };
        writeln!(
            out,
            "imported into {made} {}: {} items put, {} deleted, {} bad lines",
            done.table, done.put, done.deleted, done.bad
        )?;
    }
    if done.bad == 0 { Ok(()) } else { Err(Failure::Shown) }
}

/// Why an import ended before its end: what was put stays, and looks like all of it.
fn not_whole(failure: Failure, table: &str) -> Failure {
    match failure {
        Failure::Failed(what) => {
            Failure::Failed(format!("{what}; the table {table} lacks what was to follow: import it again"))
        }
        other => other,
    }
}

/// Another server may have taken larger items.
fn limits() -> Limits {
    Limits { item_bytes: 16 << 20, ..Limits::default() }
}

/// An import under way.
struct Import {
    tables: Arc<Tables>,
    table: String,
    is_new: bool,
    put: u64,
    deleted: u64,
    /// Lines that were not understood, or refused.
    bad: u64,
    lot: Vec<Write>,
    lot_bytes: usize,
}

impl Import {
    /// Finds the table, or makes it.
    fn begin(tables: Arc<Tables>, source: &Source, export: &Export) -> Result<Self, Failure> {
        let table = source.table.clone().unwrap_or_else(|| export.table().to_owned());
        let known = Context::new(&tables, Tier::Disk, 0).table(&table).ok();
        let is_new = known.is_none();
        match (&source.hash, known) {
            (None, None) => {
                return Err(Failure::Usage(format!(
                    "there is no table {table}; --hash NAME:TYPE, and --range if it has a sort key, make it"
                )));
            }
            (Some(hash), Some(known)) if !has_key(&known, hash, source.range.as_ref()) => {
                return Err(Failure::Usage(format!("the table {table} is there, and has another key")));
            }
            (Some(hash), None) => make(&tables, &table, hash, source.range.as_ref())?,
            _ => {}
        }
        Ok(Self { tables, table, is_new, put: 0, deleted: 0, bad: 0, lot: Vec::new(), lot_bytes: 0 })
    }

    /// Imports all files, each once its sum is right.
    fn run(mut self, vfs: &dyn Vfs, export: &Export) -> Result<Self, Failure> {
        let failed = |path: &Path, error| Failure::Failed(format!("{}: {error}", path.display()));
        let mut total = 0;
        for file in &export.files {
            let path = export.path(file)?;
            let len = Reader::open(vfs, &path).and_then(|reader| reader.len());
            total += len.map_err(|error| failed(&path, error))?;
        }
        let (progress, mut before, mut items) = (Progress::new("importing", total), 0, 0);
        for file in &export.files {
            let path = export.path(file)?;
            let sum = sum_of(vfs, &path).map_err(|error| failed(&path, error))?;
            if sum.base64() != file.md5_checksum {
                return Err(failed(&path, damaged(&sum.base64(), &file.md5_checksum)));
            }
            let reader = Reader::open(vfs, &path).map_err(|error| failed(&path, error))?;
            let len = reader.len().map_err(|error| failed(&path, error))?;
            items += self.import_file(reader, &path, file, &mut |done| progress.at(before + done, total))?;
            before += len;
        }
        if items != export.summary.item_count {
            return Err(Failure::Failed(format!(
                "the export says that it has {} items, but its files have {items}",
                export.summary.item_count
            )));
        }
        Ok(self)
    }

    /// Imports a file; how many lines it has.
    fn import_file(
        &mut self,
        reader: Reader,
        path: &Path,
        file: &DataFile,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, Failure> {
        let mut lines = BufReader::new(MultiGzDecoder::new(BufReader::with_capacity(256 << 10, reader)));
        let (mut line, mut number, mut items) = (Vec::new(), 0_u64, 0);
        loop {
            line.clear();
            number += 1;
            let read = Read::by_ref(&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            let place = || format!("{}:{number}", path.display());
            match read {
                Err(error) => return Err(Failure::Failed(format!("{}: {error}", place()))),
                Ok(0) => break,
                Ok(read) if read as u64 == LINE_BYTES_MAX => {
                    return Err(Failure::Failed(format!("{}: the line is too long", place())));
                }
                Ok(_) if line.trim_ascii().is_empty() => continue,
                Ok(_) => {}
            }
            items += 1;
            if let Err(what) = self.import_line(&line) {
                self.bad += 1;
                if self.bad <= BAD_LINES_TOLD {
                    eprintln!("siltstone: {}: {what}", place());
                }
            }
            if self.lot.len() >= LOT_ITEMS || self.lot_bytes >= LOT_BYTES {
                self.commit()?;
                progress(lines.get_ref().get_ref().get_ref().at());
            }
        }
        self.commit()?;
        if items != file.item_count {
            return Err(Failure::Failed(format!(
                "{}: the manifest says that it has {} items, but it has {items}",
                path.display(),
                file.item_count
            )));
        }
        Ok(items)
    }

    /// Puts what a line says into the lot; what is wrong with it.
    fn import_line(&mut self, line: &[u8]) -> Result<(), String> {
        let mut json: Json = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let reading = self.tables.limits().reading(Exponents::Wide);
        let mut attributes = |member: &str| -> Result<_, String> {
            let member = json.get_mut(member).map(Json::take).filter(|member| !member.is_null());
            member.map(|member| parse_attributes(member, reading)).transpose().map_err(|error| why(&error))
        };
        let change = match (attributes("Item")?, attributes("NewImage")?, attributes("Keys")?) {
            (Some(item), ..) | (None, Some(item), _) => Change::Put(item),
            (None, None, Some(key)) => Change::Delete(key),
            (None, None, None) => return Err("the line has neither Item nor NewImage nor Keys".to_owned()),
        };
        let is_put = matches!(change, Change::Put(_));
        let write = Write { table: self.table.clone(), change, condition: None, shows_item: false };
        let context = Context::new(&self.tables, Tier::Disk, 0);
        write.aim(&context).map_err(|error| why(&error))?;
        *if is_put { &mut self.put } else { &mut self.deleted } += 1;
        self.lot.push(write);
        self.lot_bytes += line.len();
        Ok(())
    }

    /// Makes what is in the lot happen, as one transaction.
    fn commit(&mut self) -> Result<(), Failure> {
        let lot = std::mem::take(&mut self.lot);
        self.lot_bytes = 0;
        let context = Context::new(&self.tables, Tier::Disk, 0);
        let commit = || {
            let (mut txn, aimed) = lock(&context, &LockSet::new(), || aim_all(&context, &lot))?;
            aimed.iter().try_for_each(|one| one.stage(&context, &mut txn, false).map(drop))?;
            context.commit(txn)
        };
        commit().map_err(|error| Failure::Failed(why(&error)))
    }
}

fn damaged(is: &str, said: &str) -> std::io::Error {
    std::io::Error::other(format!(
        "its MD5 sum is {is}, but the manifest says {said}; nothing of it is imported"
    ))
}

fn has_key(table: &Schema, hash: &KeyPart, range: Option<&KeyPart>) -> bool {
    let wanted = std::iter::once(hash).chain(range).map(|(name, kind)| (name.as_str(), *kind));
    table.keys.parts().map(|part| (part.name.as_str(), part.kind)).eq(wanted)
}

/// Makes a table, as a request would.
fn make(tables: &Arc<Tables>, name: &str, hash: &KeyPart, range: Option<&KeyPart>) -> Result<(), Failure> {
    let parts =
        || [(Some(hash), "HASH"), (range, "RANGE")].into_iter().filter_map(|(part, of)| Some((part?, of)));
    let definitions =
        parts().map(|((name, kind), _)| json!({"AttributeName": name, "AttributeType": kind.word()}));
    let key = parts().map(|((name, _), of)| json!({"AttributeName": name, "KeyType": of}));
    let request = json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": definitions.collect::<Vec<_>>(),
        "KeySchema": key.collect::<Vec<_>>(),
    });
    let refused = |refusal: crate::dynamo::error::Refusal| {
        Failure::Failed(format!("the table {name} cannot be made: {}", refusal.message))
    };
    let call =
        tables.prepare("DynamoDB_20120810.CreateTable", request.to_string().as_bytes()).map_err(refused)?;
    let answer = call.run(Tier::Disk, 0)?;
    if answer.status() == 200 {
        return Ok(());
    }
    let told: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    Err(Failure::Failed(format!(
        "the table {name} cannot be made: {}",
        told["message"].as_str().unwrap_or("it is refused")
    )))
}
