//! Checking every byte of a database against every other that says something of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{replay_of, sources, steadily};
use crate::engine::batch::Ops;
use crate::engine::cache::Cache;
use crate::engine::error::{Error, Result};
use crate::engine::files::{FileKind, Files, kind_of};
use crate::engine::table::{Table, TableMeta};
use crate::engine::version::{Current, State};
use crate::vfs::Vfs;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Tables checked.
    pub tables: u64,
    /// Blocks in them.
    pub blocks: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes read of them.
    pub table_bytes: u64,
    /// Logs checked.
    pub logs: u64,
    /// Commits in them.
    pub commits: u64,
    /// Bytes of torn tail: what a crash cut off, never acknowledged.
    pub torn_bytes: u64,
    /// Everything that is wrong, with file and offset.
    pub problems: Vec<Error>,
    /// Files that no manifest names: leftovers that the next opening removes, or strangers.
    pub unnamed: Vec<PathBuf>,
}

/// Reads everything, and changes nothing. `progress` is told the bytes done and their total. What is damaged is in
/// the result; an error means that there was nothing to check, or that the disk failed.
pub fn verify(vfs: &Arc<dyn Vfs>, dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Verified> {
    let mut verified = Verified::default();
    if let Err(error) = sources(vfs, &Files::new(dir, 1)) {
        return damage(&mut verified, error).map(|()| verified);
    }
    // Whoever writes may have removed a file since its manifest was read: then there is a newer manifest, and only
    // what one that stays the same denies is damage.
    let opened = steadily(vfs, dir, |files, current, state| open_all(vfs, files, current, state));
    let opened = match opened {
        Ok(opened) => opened,
        Err(_) => steadily(vfs, dir, |files, current, state| Ok(open_some(vfs, files, current, state)))?,
    };
    verified.problems = opened.problems;
    verified.logs = opened.logs;
    verified.commits = opened.commits;
    verified.torn_bytes = opened.torn_bytes;
    verified.unnamed = opened.unnamed;
    let total = opened.tables.iter().map(|table| table.meta().size).sum();
    for table in opened.tables {
        let check = table.verify(&mut |bytes| {
            verified.table_bytes += bytes;
            progress(verified.table_bytes, total);
        });
        verified.tables += 1;
        match check {
            Ok(check) => {
                verified.blocks += check.blocks;
                verified.rows += check.entries;
                verified.problems.extend(check.problems);
            }
            Err(error) => damage(&mut verified, error)?,
        }
    }
    Ok(verified)
}

/// Notes damage; anything else is an error of ours.
fn damage(verified: &mut Verified, error: Error) -> Result<()> {
    match error {
        Error::Corrupt { .. } | Error::Io { .. } => {
            verified.problems.push(error);
            Ok(())
        }
        other => Err(other),
    }
}

/// The files of one moment, open, so that nobody can take them away.
#[derive(Default)]
struct Opened {
    tables: Vec<Arc<Table>>,
    logs: u64,
    commits: u64,
    torn_bytes: u64,
    problems: Vec<Error>,
    unnamed: Vec<PathBuf>,
}

fn open_all(vfs: &Arc<dyn Vfs>, files: &Files, current: Current, state: &State) -> Result<Opened> {
    let opened = open_some(vfs, files, current, state);
    match opened.problems.first() {
        Some(problem) => Err(problem.clone()),
        None => Ok(opened),
    }
}

fn open_some(vfs: &Arc<dyn Vfs>, files: &Files, current: Current, state: &State) -> Opened {
    let mut opened = Opened::default();
    let cache = Arc::new(Cache::new(super::CACHE));
    for (_, meta) in state.tables.values() {
        match Table::open(vfs, &files.table(meta.id), meta.clone(), cache.clone()) {
            Ok(table) => opened.tables.push(table),
            Err(problem) => opened.problems.push(problem),
        }
    }
    opened.problems.extend(overlaps(files, state));
    let replayed = replay_of(&**vfs, files, current, state).run(&mut |number, seqno, payload| {
        opened.commits += 1;
        if Ops::decode(&payload).any(|op| op.is_none()) {
            let what = format_args!("commit {seqno} is malformed");
            return Err(Error::corrupt(&files.log(number), 0, what));
        }
        Ok(())
    });
    match replayed {
        Ok(replayed) => opened.torn_bytes = replayed.torn_bytes,
        Err(problem) => opened.problems.push(problem),
    }
    opened.logs = state.logs.len() as u64;
    if let Ok(names) = vfs.list(files.dir()) {
        opened.unnamed = names.into_iter().filter(|name| !is_named(name, current, state)).collect();
        opened.unnamed.sort();
    }
    opened
}

/// Tables of one level, below level 0, whose keys overlap: only one of them would be read.
fn overlaps(files: &Files, state: &State) -> Vec<Error> {
    let mut by_level: Vec<(usize, &TableMeta)> =
        state.tables.values().filter(|(level, _)| *level > 0).map(|(level, meta)| (*level, meta)).collect();
    by_level.sort_by(|a, b| (a.0, &a.1.smallest).cmp(&(b.0, &b.1.smallest)));
    let overlap =
        |pair: &&[(usize, &TableMeta)]| pair[0].0 == pair[1].0 && pair[0].1.largest >= pair[1].1.smallest;
    by_level
        .windows(2)
        .filter(overlap)
        .map(|pair| {
            let what =
                format_args!("its keys overlap those of table {} on level {}", pair[0].1.id, pair[0].0);
            Error::corrupt(&files.table(pair[1].1.id), 0, what)
        })
        .collect()
}

fn is_named(name: &Path, current: Current, state: &State) -> bool {
    match kind_of(name) {
        Some(FileKind::Manifest(number)) => number == current.manifest,
        Some(FileKind::Log(number)) => state.logs.contains_key(&number),
        Some(FileKind::Table(number)) => state.tables.contains_key(&number),
        Some(FileKind::Current | FileKind::Lock | FileKind::Ballast) => true,
        Some(FileKind::Unfinished) | None => false,
    }
}
