//! `siltstone export`: the items of a table at one moment, in the format of DynamoDB's exports to S3.

use std::io::{self, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::files::Writer;
use super::manifest::{DataFile, FILES, FOLDER, SUMMARY, Summary};
use crate::cli::directory::{Directory, disk};
use crate::cli::progress::Progress;
use crate::cli::{Failure, Out, shown};
use crate::dynamo::attribute::encoding::size_of;
use crate::dynamo::attribute::transcode::put_item;
use crate::dynamo::catalog::Catalog;
use crate::dynamo::rows::{counters, items_prefix};
use crate::dynamo::schema::Schema;
use crate::dynamo::table::describe::{table_arn, timestamp_text};
use crate::store::{Reads, Store, Tier, View, after_prefix};
use crate::vfs::Vfs;

/// A file takes no more items once it is as large.
const FILE_BYTES: u64 = 64 << 20;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  siltstone export table orders ./orders-export --dir ./siltstone-data
  siltstone import dynamodb-export ./orders-export --dir ./other-data --hash id:S

Writes what DynamoDB's export to S3 writes: gzipped DynamoDB JSON, with manifests. No server may have the directory open;
of one that runs, `siltstone backup` makes a copy to export from.")]
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
    /// The items of one table
    Table {
        /// The table's name
        name: String,
        /// Where they go: a directory that is missing or empty
        #[arg(value_name = "DEST")]
        to: PathBuf,
    },
}

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let What::Table { name, to } = &args.what;
    let vfs = disk();
    let failed = |error: io::Error| Failure::Failed(format!("{}: {error}", to.display()));
    if vfs.exists(to).map_err(failed)? && !vfs.list(to).map_err(failed)?.is_empty() {
        return Err(Failure::Failed(format!("{} is not empty", to.display())));
    }
    let keyspace = args.directory.change()?;
    let store = keyspace.store();
    let exported = export(store, name, &*vfs, to);
    store.close()?;
    let (items, bytes, files) = exported?;
    if args.json {
        writeln!(
            out,
            "{}",
            json!({ "table": name, "to": to, "items": items, "bytes": bytes, "files": files })
        )?;
    } else {
        let bytes = shown::bytes(bytes);
        writeln!(out, "exported table {name} to {}: {items} items, {bytes}, {files} files", to.display())?;
    }
    Ok(())
}

/// Exports a table; items, their bytes, and files.
fn export(store: &Arc<Store>, name: &str, vfs: &dyn Vfs, to: &Path) -> Result<(u64, u64, usize), Failure> {
    let view = store.view_newest(Tier::Disk);
    let table = Catalog::open(store)?.find(name).filter(|table| !table.is_being_restored());
    let table = table.ok_or_else(|| {
        Failure::Failed(format!(
            "there is no table {name}, or it is not complete; `inspect tables` lists them"
        ))
    })?;
    let now_ms = view.now_ms();
    let id = format!("{now_ms:014}-{:08x}", table.id as u32);
    let prefix = format!("{FOLDER}/{id}");
    let dir = to.join(FOLDER).join(&id);
    let failed = |error: io::Error| Failure::Failed(format!("writing to {}: {error}", dir.display()));
    vfs.create_dir_all(&dir.join("data")).map_err(failed)?;
    let total = store.counter(counters(table.id).1).max(0) as u64;
    let data = Data { vfs, dir: &dir, prefix: &prefix, view: &view, total };
    let (files, bytes) = data.write(&table)?;
    let items = files.iter().map(|file| file.item_count).sum();
    let bucket = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let summary = Summary {
        version: "2020-06-30".to_owned(),
        export_arn: format!("{}/export/{id}", table_arn(name)),
        start_time: time(now_ms),
        end_time: time(store.now_ms()),
        table_arn: table_arn(name),
        table_id: table.uuid.clone(),
        export_time: Some(time(now_ms)),
        s3_bucket: bucket,
        s3_prefix: None,
        s3_sse_algorithm: None,
        s3_sse_kms_key_id: None,
        manifest_files: format!("{prefix}/{FILES}.json"),
        billed_size_bytes: bytes,
        item_count: items,
        output_format: "DYNAMODB_JSON".to_owned(),
        export_type: Some("FULL_EXPORT".to_owned()),
    };
    let mut lines = Vec::new();
    for file in &files {
        serde_json::to_writer(&mut lines, file).map_err(|error| failed(error.into()))?;
        lines.push(b'\n');
    }
    write_manifest(vfs, &dir, FILES, &lines).map_err(failed)?;
    // The summary comes last: an export that was cut short has none.
    let summary = serde_json::to_vec(&summary).map_err(|error| failed(error.into()))?;
    write_manifest(vfs, &dir, SUMMARY, &summary).map_err(failed)?;
    for dir in [&dir.join("data"), &dir, &to.join(FOLDER), to] {
        vfs.sync_dir(dir).map_err(failed)?;
    }
    Ok((items, bytes, files.len()))
}

fn time(ms: u64) -> String {
    format!("{}Z", timestamp_text(ms))
}

fn write_manifest(vfs: &dyn Vfs, dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let write = |path: &Path, content: &[u8]| {
        let mut file = Writer::create(vfs, path)?;
        file.write_all(content)?;
        file.finish()
    };
    let sum = write(&dir.join(format!("{name}.json")), content)?;
    write(&dir.join(format!("{name}.md5")), sum.base64().as_bytes()).map(drop)
}

/// The files with items that are written.
struct Data<'a> {
    vfs: &'a dyn Vfs,
    dir: &'a Path,
    prefix: &'a str,
    view: &'a View,
    /// About how many bytes there are.
    total: u64,
}

impl Data<'_> {
    /// Writes all items; the files, and the items' bytes.
    fn write(&self, table: &Schema) -> Result<(Vec<DataFile>, u64), Failure> {
        let progress = Progress::new("exporting", self.total);
        let from = items_prefix(table.id);
        let end = after_prefix(&from).unwrap_or_default();
        let mut scan = self.view.scan_once(Bound::Included(&from), Bound::Excluded(&end));
        scan.first()?;
        let (mut files, mut bytes) = (Vec::new(), 0);
        while scan.valid() {
            let name = format!("{:08}.json.gz", files.len());
            let path = self.dir.join("data").join(&name);
            let failed = |error: io::Error| Failure::Failed(format!("writing {}: {error}", path.display()));
            let file = Writer::create(self.vfs, &path).map_err(failed)?;
            let mut file = GzEncoder::new(file, Compression::default());
            let (mut items, mut line) = (0, Vec::new());
            while scan.valid() && file.get_ref().len() < FILE_BYTES {
                line.clear();
                line.extend_from_slice(b"{\"Item\":");
                put_item(&mut line, scan.value())?;
                line.extend_from_slice(b"}\n");
                file.write_all(&line).map_err(failed)?;
                items += 1;
                bytes += size_of(scan.value())? as u64;
                progress.at(bytes, self.total.max(bytes));
                scan.next()?;
            }
            let sum = file.finish().and_then(Writer::finish).map_err(failed)?;
            let key = format!("{}/data/{name}", self.prefix);
            files.push(DataFile { item_count: items, md5_checksum: sum.base64(), etag: sum.hex(), key });
        }
        Ok((files, bytes))
    }
}
