//! Looking into a database without changing it, also while somebody else writes to it.
//!
//! The files are read as the manifest names them. Whoever writes may remove a file between the two; then the
//! manifest says something else by now, and everything is read again.

mod content;
mod copy;
mod key;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::content::Content;
pub use self::key::{KeyPlace, KeyReport};
pub use self::verify::{Verified, verify};
use super::batch::{Op, Ops};
use super::cache::Cache;
use super::error::{Error, Result};
use super::files::Files;
use super::key::Seqno;
use super::table::Table;
pub use super::table::{BlockContent, BlockPlace, Row};
use super::version::{Current, Edit, LEVELS, State, Version, read_edits, read_state};
use super::wal::{Kind, Opening, Place, Replay, read_log, read_whole};
use crate::vfs::Vfs;

/// How often everything is read again while somebody else changes it.
const TRIES: usize = 10;

/// Blocks that are looked at again; tools look at little.
const CACHE: u64 = 8 << 20;

/// A database's files at one moment.
pub struct Inspection {
    vfs: Arc<dyn Vfs>,
    files: Files,
    current: Current,
    state: State,
    version: Version,
}

/// A table, as the manifest knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableReport {
    /// Its number.
    pub number: u64,
    /// Its file.
    pub path: PathBuf,
    /// Its level.
    pub level: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes of keys and values.
    pub raw_bytes: u64,
    /// Rows, deletions included.
    pub rows: u64,
    /// Rows that are deletions.
    pub tombstones: u64,
    /// Rows with a deadline.
    pub expiring: u64,
    /// The oldest commit in it.
    pub seqno_min: Seqno,
    /// The newest.
    pub seqno_max: Seqno,
    /// Its first key.
    pub smallest: Vec<u8>,
    /// Its last key.
    pub largest: Vec<u8>,
}

/// A log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Its number.
    pub number: u64,
    /// Its file.
    pub path: PathBuf,
    /// Bytes of valid records.
    pub valid_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Whether the manifest knows it to have ended.
    pub has_ended: bool,
    /// Its valid records.
    pub records: Vec<LogRecord>,
}

/// A record of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Where it begins.
    pub offset: u64,
    /// Its length, head included.
    pub len: u64,
    /// `open`, `batch` or `mark`.
    pub kind: &'static str,
    /// The commit; if it is none, the newest before it.
    pub seqno: Seqno,
    /// Rows set.
    pub puts: u64,
    /// Rows and ranges deleted.
    pub deletes: u64,
    /// Everything before this offset of this file (the first) or an earlier one was on disk.
    pub synced: (u64, u64),
}

/// What the manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestReport {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// The newest commit in tables.
    pub flushed: Seqno,
    /// Commits up to this one were on disk.
    pub durable: Seqno,
    /// All file numbers are below this one.
    pub next_file: u64,
    /// The logs that must exist.
    pub logs: Vec<u64>,
    /// Ranges deleted that tables still hold rows of: from, to, below which commit.
    pub marks: Vec<(Vec<u8>, Vec<u8>, Seqno)>,
    /// Counters and their values in tables.
    pub counters: Vec<(u64, i64)>,
    /// The edits, the first of which sums up all before it.
    pub edits: Vec<EditReport>,
}

/// One change of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditReport {
    /// Where it lies in the manifest.
    pub offset: u64,
    /// Tables that joined: level, number.
    pub added: Vec<(usize, u64)>,
    /// Tables that left: level, number.
    pub removed: Vec<(usize, u64)>,
    /// Logs below this one are done with.
    pub log: Option<u64>,
    /// Logs begun.
    pub logs_started: Vec<u64>,
}

impl Inspection {
    /// Reads what CURRENT and the manifest say, and opens the tables.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<Self> {
        steadily(&vfs, dir, |files, current, state| {
            let cache = Arc::new(Cache::new(CACHE));
            let mut opened = Vec::with_capacity(state.tables.len());
            for (_, meta) in state.tables.values() {
                opened.push(Table::open(&vfs, &files.table(meta.id), meta.clone(), cache.clone())?);
            }
            let everything = Edit { added: state.tables.values().cloned().collect(), ..Edit::default() };
            let version = Version::default().edited(&everything, &opened);
            Ok((current, state.clone(), version))
        })
        .map(|(current, state, version)| Self {
            files: Files::new(dir, 1),
            vfs,
            current,
            state,
            version,
        })
    }

    /// The levels: of each its tables, level 0 newest first, the others by key.
    pub fn levels(&self) -> Vec<Vec<TableReport>> {
        (0..LEVELS)
            .map(|level| self.version.levels[level].iter().map(|table| report(level, table)).collect())
            .collect()
    }

    /// One table and how its file is laid out.
    pub fn table(&self, number: u64) -> Result<(TableReport, Vec<BlockPlace>)> {
        let (level, table) = self.find(number)?;
        Ok((report(level, table), table.layout()?))
    }

    /// The block of a table that begins at an offset.
    pub fn block(&self, number: u64, offset: u64) -> Result<BlockContent> {
        self.find(number)?.1.content_at(offset)
    }

    fn find(&self, number: u64) -> Result<(usize, &Arc<Table>)> {
        self.version.tables().find(|(_, table)| table.meta().id == number).ok_or_else(|| {
            Error::invalid(format_args!("the manifest names no table {number}; `inspect levels` lists them"))
        })
    }

    /// The logs, with all their valid records.
    pub fn logs(&self) -> Result<Vec<LogReport>> {
        self.state.logs.iter().map(|(&number, ended)| self.log(number, ended.is_some())).collect()
    }

    fn log(&self, number: u64, has_ended: bool) -> Result<LogReport> {
        let path = self.files.log(number);
        let bytes = read_log(&*self.vfs, &path)?;
        let place = Place::new(self.current.salt, number);
        let mut report =
            LogReport { number, path, has_ended, file_bytes: bytes.len() as u64, ..LogReport::default() };
        let (mut at, mut seqno) = (0, 0);
        while let Some((head, payload)) = place.read(&bytes, at) {
            seqno = match head.kind {
                Kind::Open => Opening::decode(payload).map_or(0, |opening| opening.seqno),
                Kind::Batch => seqno + 1,
                Kind::Mark | Kind::Edit => seqno,
            };
            let mut record = LogRecord {
                offset: at as u64,
                len: head.record_len() as u64,
                kind: match head.kind {
                    Kind::Open => "open",
                    Kind::Batch => "batch",
                    Kind::Mark => "mark",
                    Kind::Edit => "edit",
                },
                seqno,
                puts: 0,
                deletes: 0,
                synced: (head.claim.file, head.claim.offset),
            };
            if head.kind == Kind::Batch {
                for op in Ops::decode(payload).flatten() {
                    match op {
                        Op::Put { .. } => record.puts += 1,
                        Op::Delete { .. } | Op::DeleteRange { .. } => record.deletes += 1,
                        Op::Count { .. } => {}
                    }
                }
            }
            report.records.push(record);
            at += head.record_len();
        }
        report.valid_bytes = at as u64;
        Ok(report)
    }

    /// The manifest, edit by edit.
    pub fn manifest(&self) -> Result<ManifestReport> {
        let path = self.files.manifest(self.current.manifest);
        let bytes = read_whole(&*self.vfs, &path)?;
        let place = Place::new(self.current.salt, self.current.manifest);
        let mut edits = Vec::new();
        read_edits(&path, place, &bytes, &mut |offset, edit| {
            edits.push(EditReport {
                offset,
                added: edit.added.iter().map(|(level, meta)| (*level, meta.id)).collect(),
                removed: edit.removed,
                log: edit.log,
                logs_started: edit.logs_started,
            });
            Ok(())
        })?;
        let state = &self.state;
        Ok(ManifestReport {
            path,
            bytes: bytes.len() as u64,
            flushed: state.seqno,
            durable: state.durable,
            next_file: state.next_file,
            logs: state.logs.keys().copied().collect(),
            marks: state.marks.iter().map(|m| (m.start.clone(), m.end.clone(), m.seqno)).collect(),
            counters: state.counters.iter().map(|(&counter, &value)| (counter, value)).collect(),
            edits,
        })
    }

    fn replay(&self) -> Replay<'_> {
        replay_of(&*self.vfs, &self.files, self.current, &self.state)
    }
}

fn replay_of<'a>(vfs: &'a dyn Vfs, files: &'a Files, current: Current, state: &'a State) -> Replay<'a> {
    Replay { vfs, files, salt: current.salt, logs: &state.logs, flushed: state.seqno, durable: state.durable }
}

fn report(level: usize, table: &Table) -> TableReport {
    let meta = table.meta();
    TableReport {
        number: meta.id,
        path: table.path().to_owned(),
        level,
        bytes: meta.size,
        raw_bytes: meta.raw_bytes,
        rows: meta.entries,
        tombstones: meta.tombstones,
        expiring: meta.expiring,
        seqno_min: meta.seqno_min,
        seqno_max: meta.seqno_max,
        smallest: meta.smallest.clone(),
        largest: meta.largest.clone(),
    }
}

/// What CURRENT and the manifest say.
fn sources(vfs: &Arc<dyn Vfs>, files: &Files) -> Result<(Current, State)> {
    let current = Current::read(&**vfs, &files.current())?
        .ok_or_else(|| Error::invalid(format_args!("there is no database in {}", files.dir().display())))?;
    Ok((current, read_state(&**vfs, files, current)?))
}

/// Reads with `read`, again and again while it fails and the manifest changes meanwhile.
fn steadily<T>(
    vfs: &Arc<dyn Vfs>,
    dir: &Path,
    read: impl Fn(&Files, Current, &State) -> Result<T>,
) -> Result<T> {
    let files = Files::new(dir, 1);
    let mut before = sources(vfs, &files);
    for _ in 1..TRIES {
        let done =
            before.as_ref().map_err(Error::clone).and_then(|(current, state)| read(&files, *current, state));
        if done.is_ok() {
            return done;
        }
        let now = sources(vfs, &files);
        let same = match (&before, &now) {
            (Ok((current, state)), Ok((current_now, state_now))) => {
                current == current_now && state == state_now
            }
            (Err(_), Err(_)) => true,
            _ => false,
        };
        if same {
            return done;
        }
        before = now;
    }
    before.and_then(|(current, state)| read(&files, current, &state))
}
