//! DynamoDB's exports to S3, as they lie in a bucket, or in a directory that was copied from one (Developer Guide,
//! "DynamoDB table export output format"):
//!
//! ```text
//! AWSDynamoDB/ID/manifest-summary.json      what was exported, and how many items
//! AWSDynamoDB/ID/manifest-files.json        a line for each file: its key, its items, its MD5 sum in Base64
//! AWSDynamoDB/ID/manifest-*.md5             the MD5 sums of these two
//! AWSDynamoDB/ID/data/….json.gz             lines: {"Item":{…}}, or of an incremental export
//!                                           {"Metadata":{…},"Keys":{…},"OldImage":{…},"NewImage":{…}}
//! ```

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{Reader, sum_of};
use crate::cli::Failure;
use crate::vfs::Vfs;

/// The folder that all exports lie in.
pub(super) const FOLDER: &str = "AWSDynamoDB";
pub(super) const SUMMARY: &str = "manifest-summary";
pub(super) const FILES: &str = "manifest-files";

/// A manifest is no larger.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;

/// What was exported.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) export_arn: String,
    #[serde(default)]
    pub(super) start_time: String,
    #[serde(default)]
    pub(super) end_time: String,
    pub(super) table_arn: String,
    #[serde(default)]
    pub(super) table_id: String,
    #[serde(default)]
    pub(super) export_time: Option<String>,
    #[serde(default)]
    pub(super) s3_bucket: String,
    #[serde(default)]
    pub(super) s3_prefix: Option<String>,
    #[serde(default)]
    pub(super) s3_sse_algorithm: Option<String>,
    #[serde(default)]
    pub(super) s3_sse_kms_key_id: Option<String>,
    #[serde(default, rename = "manifestFilesS3Key")]
    pub(super) manifest_files: String,
    #[serde(default)]
    pub(super) billed_size_bytes: u64,
    pub(super) item_count: u64,
    pub(super) output_format: String,
    #[serde(default)]
    pub(super) export_type: Option<String>,
}

/// A file with items.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DataFile {
    pub(super) item_count: u64,
    pub(super) md5_checksum: String,
    #[serde(default)]
    pub(super) etag: String,
    #[serde(rename = "dataFileS3Key")]
    pub(super) key: String,
}

/// An export that is read.
pub(super) struct Export {
    pub(super) summary: Summary,
    pub(super) files: Vec<DataFile>,
    dir: PathBuf,
}

impl Export {
    /// Finds the export in a directory: there, or alone in the folder of exports in it.
    pub(super) fn open(vfs: &dyn Vfs, dir: &Path) -> Result<Self, Failure> {
        let dir = find(vfs, dir)?;
        let summary = read(vfs, &dir, SUMMARY)?;
        let summary: Summary = serde_json::from_slice(&summary)
            .map_err(|error| Failure::Failed(format!("{SUMMARY}.json: {error}")))?;
        if summary.output_format != "DYNAMODB_JSON" {
            return Err(Failure::Failed(format!(
                "the export's format is {}; only DYNAMODB_JSON can be read",
                summary.output_format
            )));
        }
        let lines = read(vfs, &dir, FILES)?;
        let lines = lines.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let file = |(at, line): (usize, &[u8])| {
            let wrong = |error| Failure::Failed(format!("{FILES}.json:{}: {error}", at + 1));
            serde_json::from_slice(line).map_err(wrong)
        };
        Ok(Self { files: lines.map(file).collect::<Result<_, _>>()?, summary, dir })
    }

    /// Where a file lies: its key may have any prefix, but its folder is that of the manifest.
    pub(super) fn path(&self, file: &DataFile) -> Result<PathBuf, Failure> {
        match Path::new(&file.key).file_name() {
            Some(name) => Ok(self.dir.join("data").join(name)),
            None => Err(Failure::Failed(format!("{FILES}.json: `{}` names no file", file.key))),
        }
    }

    /// The name of the table that was exported.
    pub(super) fn table(&self) -> &str {
        self.summary.table_arn.rsplit_once(":table/").map_or("", |(_, name)| name)
    }
}

fn find(vfs: &dyn Vfs, dir: &Path) -> Result<PathBuf, Failure> {
    let failed = |error| Failure::Failed(format!("{}: {error}", dir.display()));
    let summary = format!("{SUMMARY}.json");
    if vfs.exists(&dir.join(&summary)).map_err(failed)? {
        return Ok(dir.to_owned());
    }
    let folder = dir.join(FOLDER);
    let mut found = Vec::new();
    if vfs.exists(&folder).map_err(failed)? {
        for name in vfs.list(&folder).map_err(failed)? {
            if vfs.exists(&folder.join(&name).join(&summary)).map_err(failed)? {
                found.push(folder.join(name));
            }
        }
    }
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => Err(Failure::Failed(format!("there is no {summary} in {}", dir.display()))),
        _ => Err(Failure::Failed(format!(
            "{} holds {} exports; name the folder of one of them",
            folder.display(),
            found.len()
        ))),
    }
}

/// Reads a manifest, and compares it with its sum if that is there.
fn read(vfs: &dyn Vfs, dir: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let content = |path: &Path| {
        let mut content = Vec::new();
        let read =
            Reader::open(vfs, path).and_then(|file| file.take(MANIFEST_BYTES_MAX).read_to_end(&mut content));
        read.map(|_| content).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
    };
    let (path, sum_path) = (dir.join(format!("{name}.json")), dir.join(format!("{name}.md5")));
    if vfs.exists(&sum_path).unwrap_or(false) {
        let said = content(&sum_path)?;
        let sum =
            sum_of(vfs, &path).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
        if said.trim_ascii() != sum.base64().as_bytes() {
            return Err(Failure::Failed(format!(
                "{}: its MD5 sum is not that in {name}.md5",
                path.display()
            )));
        }
    }
    content(&path)
}
