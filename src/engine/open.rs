//! Opening: from files to a database, the same from whatever moment the last one ended at.
//!
//! ```text
//! lock → CURRENT → manifest → tables → logs into memtables → logs synced
//!      → new log → new manifest that says how the logs ended → CURRENT switched → orphans removed
//! ```
//!
//! Until CURRENT is switched nothing is changed but by adding files nobody knows of, by writing bytes of logs once more that
//! may not be on disk, and by giving up the ballast, so a crash while opening leaves what was there. The torn tail of a log is
//! not cut: the new manifest says where the log ends.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::background::{self, Background};
use super::balance::Balance;
use super::cache::Cache;
use super::compaction::pressure::Pressure;
use super::disk_full::DiskSpace;
use super::error::{Error, Result};
use super::event::Event;
use super::files::{FileKind, Files, kind_of};
use super::hot::HotRows;
use super::limits::Limits;
use super::memtable::Memtable;
use super::options::{Env, Options};
use super::progress::Progress;
use super::shared::{Shared, SuperVersion};
use super::snapshots::SnapshotList;
use super::stats::Stats;
use super::table::Table;
use super::version::{Current, Edit, Manifest, ManifestError, State, Version, VersionSet, read_state};
use super::wal::{Claim, LogFile, LogWriter, Replay, Replayed, Slabs};
use super::write::{Output, Writer};
use crate::random::Random;
use crate::vfs::{DirLock, Vfs};

/// What of a log is written once more at a time.
const REWRITE_BYTES: usize = 1 << 20;

/// What the files said.
struct Found {
    salt: u64,
    state: State,
    version: Version,
    replayed: Replayed,
    /// One for each log with commits, oldest first.
    memtables: Vec<Arc<Memtable>>,
}

/// Opens or creates the database in a directory.
pub(crate) fn open(env: Env, dir: &Path, options: Options) -> Result<Arc<Shared>> {
    let start_ns = env.clock.monotonic_ns();
    let limits = Limits::new(&options)?;
    let vfs = &*env.vfs;
    if !exists(vfs, dir)? {
        if !options.create {
            return Err(Error::invalid(format_args!("there is no database in {}", dir.display())));
        }
        create_dir(vfs, dir)?;
    }
    let lock = lock(vfs, dir)?;
    let names = list(vfs, dir)?;
    let files = Files::new(dir, next_number(&names));
    // Opening takes some space, and so does whatever is then done to win more: here it is, should there be no other.
    let _ = vfs.remove(&files.ballast());
    let cache = Arc::new(Cache::new(limits.cache));
    let mut found = match Current::read(vfs, &files.current())? {
        Some(current) => read(&env, &files, current, &cache, &limits)?,
        None => create(&env, &files, &names, options.create)?,
    };
    for &(log, len) in &found.replayed.ended {
        sync_log(vfs, &files, log, found.replayed.unsynced(log, len))?;
    }

    let number = files.take_number();
    let log = LogFile::create(vfs, files.log(number), number)?;
    let edit = Edit {
        logs_ended: found.replayed.ended.clone(),
        logs_dropped: found.replayed.dropped.clone(),
        logs_started: vec![number],
        durable: Some(found.replayed.seqno),
        ..Edit::default()
    };
    found.state.add(&edit).map_err(|what| Error::corrupt(&files.current(), 0, what))?;
    let manifest = Manifest::create(vfs, &files, found.salt, &found.state)?;
    manifest.current().write(vfs, &files).map_err(ManifestError::into_error)?;
    remove_orphans(vfs, &files, &found.state, manifest.current())?;

    let event = Event::Opened {
        replayed: found.replayed.records,
        torn_bytes: found.replayed.torn_bytes,
        took_ms: (env.clock.monotonic_ns() - start_ns) / 1_000_000,
    };
    let parts = Parts { env, options, limits, files, cache, manifest: Some(manifest), lock: Some(lock) };
    let shared = parts.join(found, log);
    // Without a ballast the disk-full mode has less room to move in; that is no reason not to open.
    let _ = shared.set_ballast_aside();
    shared.env.listener.event(&event);
    let weak = Arc::downgrade(&shared);
    shared.env.workers.on_panic(move |_, said| {
        if let Some(shared) = weak.upgrade() {
            shared.poison(format_args!("background work panicked: {said}"));
        }
    });
    background::resume(&shared);
    Ok(shared)
}

/// Opens a database for reading, also one that somebody else writes to: takes no lock and changes nothing.
pub(crate) fn open_read_only(env: Env, dir: &Path) -> Result<Arc<Shared>> {
    let options = Options { create: false, ..Options::default() };
    let limits = Limits::new(&options)?;
    let files = Files::new(dir, 1);
    let cache = Arc::new(Cache::new(limits.cache));
    let nothing = || Error::invalid(format_args!("there is no database in {}", dir.display()));
    let mut current = Current::read(&*env.vfs, &files.current())?.ok_or_else(nothing)?;
    let found = loop {
        let read = read(&env, &files, current, &cache, &limits);
        // Whoever writes to it may have removed files meanwhile, but then CURRENT names another manifest.
        let now = Current::read(&*env.vfs, &files.current())?.ok_or_else(nothing)?;
        match read {
            Err(_) if now != current => current = now,
            other => break other?,
        }
    };
    let parts = Parts { env, options, limits, files, cache, manifest: None, lock: None };
    let log = LogFile::nowhere();
    let shared = parts.join(found, log);
    shared.progress.close();
    Ok(shared)
}

/// What is known before the files are read.
struct Parts {
    env: Env,
    options: Options,
    limits: Limits,
    files: Files,
    cache: Arc<Cache>,
    manifest: Option<Manifest>,
    lock: Option<Box<dyn DirLock>>,
}

impl Parts {
    fn join(self, found: Found, log: Arc<LogFile>) -> Arc<Shared> {
        let Found { salt, state, version, replayed, memtables } = found;
        let seqno = replayed.seqno;
        let memtable = Arc::new(Memtable::new(log.number, self.limits.memtable));
        let version = Arc::new(version);
        let current = SuperVersion {
            memtable: memtable.clone(),
            sealed: memtables.into_iter().rev().collect(),
            kept: Vec::new(),
            version: version.clone(),
            marks: state.marks.clone().into(),
            counters: Arc::new(state.counters.clone()),
        };
        // The manifest says how the logs before ended: there is nothing to claim.
        let log = LogWriter::new(log, salt, replayed.end, Claim::default(), seqno, Slabs::default());
        Arc::new(Shared {
            dir: self.files.dir().to_owned(),
            salt,
            current: ArcSwap::from_pointee(current),
            writer: Mutex::new(Writer {
                log,
                memtable,
                seqno,
                next: VecDeque::new(),
                closed: Vec::new(),
                write_out_asked: false,
                room_asked: false,
                memory_asked: false,
            }),
            preparing: Mutex::new(()),
            output: Mutex::new(Output::default()),
            progress: Progress::new(self.options.fsync, seqno),
            manifest: Mutex::new(self.manifest),
            versions: Mutex::new(VersionSet { current: version, state }),
            snapshots: SnapshotList::default(),
            hot: HotRows::new(self.limits.hot),
            balance: Balance::new(self.limits.cache, self.limits.hot),
            pressure: Pressure::new(&self.limits),
            background: Background::new(self.options.background_rate),
            stats: Stats::default(),
            disk: DiskSpace::new(&self.limits),
            lock: Mutex::new(self.lock),
            options: self.options,
            limits: self.limits,
            env: self.env,
            files: self.files,
            cache: self.cache,
        })
    }
}

/// An empty database: CURRENT first, so that there is nothing else without it.
fn create(env: &Env, files: &Files, names: &[FileKind], create: bool) -> Result<Found> {
    let vfs = &*env.vfs;
    let dir = files.dir();
    if names.iter().any(|kind| matches!(kind, FileKind::Table(_) | FileKind::Log(_))) {
        return Err(Error::corrupt(&files.current(), 0, "missing, though there are tables or logs"));
    }
    if !create {
        return Err(Error::invalid(format_args!("there is no database in {}", dir.display())));
    }
    let salt = Random::seeded(env.clock.now_ms() ^ env.clock.monotonic_ns().rotate_left(40)).next_u64();
    let state = State::default();
    let manifest = Manifest::create(vfs, files, salt, &state)?;
    manifest.current().write(vfs, files).map_err(ManifestError::into_error)?;
    Ok(Found {
        salt,
        state,
        version: Version::default(),
        replayed: Replayed::default(),
        memtables: Vec::new(),
    })
}

fn read(env: &Env, files: &Files, current: Current, cache: &Arc<Cache>, limits: &Limits) -> Result<Found> {
    let vfs = &*env.vfs;
    let state = read_state(vfs, files, current)?;
    files.keep_above(state.next_file);
    let version = open_tables(env, files, &state, cache)?;
    let replay = Replay {
        vfs,
        files,
        salt: current.salt,
        logs: &state.logs,
        flushed: state.seqno,
        durable: state.durable,
    };
    let mut memtables: Vec<Arc<Memtable>> = Vec::new();
    let replayed = replay.run(&mut |log, seqno, payload| {
        if memtables.last().is_none_or(|last| last.log() != log) {
            memtables.push(Arc::new(Memtable::new(log, limits.memtable)));
        }
        memtables
            .last()
            .map_or(Ok(()), |memtable| memtable.apply(seqno, &payload))
            .map_err(|error| Error::corrupt(&files.log(log), 0, format_args!("commit {seqno}: {error}")))
    })?;
    for memtable in &memtables {
        memtable.seal();
    }
    Ok(Found { salt: current.salt, state, version, replayed, memtables })
}

fn open_tables(env: &Env, files: &Files, state: &State, cache: &Arc<Cache>) -> Result<Version> {
    let mut opened = Vec::with_capacity(state.tables.len());
    for (_, meta) in state.tables.values() {
        let path = files.table(meta.id);
        if !exists(&*env.vfs, &path)? {
            return Err(Error::corrupt(&path, 0, "missing, but the manifest names it"));
        }
        opened.push(Table::open(&env.vfs, &path, meta.clone(), cache.clone())?);
    }
    let everything = Edit { added: state.tables.values().cloned().collect(), ..Edit::default() };
    let version = Version::default().edited(&everything, &opened);
    for tables in &version.levels[1..] {
        for pair in tables.windows(2) {
            let (left, right) = (pair[0].meta(), pair[1].meta());
            if left.largest >= right.smallest {
                let what = format_args!("overlaps table {} of the same level", left.id);
                return Err(Error::corrupt(&files.table(right.id), 0, what));
            }
        }
    }
    Ok(version)
}

/// Makes a log durable. What is not known to have been on disk is written once more: where the process before ended since a
/// sync had failed, the system may still have those bytes in memory, and take them for written.
fn sync_log(vfs: &dyn Vfs, files: &Files, log: u64, unsynced: Range<u64>) -> Result<()> {
    let path = files.log(log);
    let sync = || {
        let file = vfs.open_write(&path)?;
        let mut buffer = vec![0; REWRITE_BYTES.min((unsynced.end - unsynced.start) as usize)];
        let mut at = unsynced.start;
        while at < unsynced.end {
            let part = &mut buffer[..REWRITE_BYTES.min((unsynced.end - at) as usize)];
            file.read_exact_at(part, at)?;
            file.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        file.sync()
    };
    sync().map_err(|e| Error::io("syncing", &path, e))
}

fn exists(vfs: &dyn Vfs, path: &Path) -> Result<bool> {
    vfs.exists(path).map_err(|e| Error::io("looking for", path, e))
}

/// Creates a directory, and makes its name last, as the names of the files in it will.
pub(crate) fn create_dir(vfs: &dyn Vfs, dir: &Path) -> Result<()> {
    let mut missing = Vec::new();
    for path in dir.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        if exists(vfs, path)? {
            break;
        }
        missing.push(path);
    }
    vfs.create_dir_all(dir).map_err(|e| Error::io("creating", dir, e))?;
    for path in missing {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        vfs.sync_dir(parent).map_err(|e| Error::io("syncing", parent, e))?;
    }
    Ok(())
}

fn lock(vfs: &dyn Vfs, dir: &Path) -> Result<Box<dyn DirLock>> {
    let path = dir.join("LOCK");
    vfs.lock(&path).map_err(|e| {
        if e.kind() == io::ErrorKind::WouldBlock {
            Error::Busy(dir.to_owned())
        } else {
            Error::io("locking", &path, e)
        }
    })
}

/// What is in the directory; a directory that holds only strangers' files is not taken over.
fn list(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<FileKind>> {
    let paths = vfs.list(dir).map_err(|e| Error::io("listing", dir, e))?;
    let kinds: Vec<FileKind> = paths.iter().filter_map(|path| kind_of(path)).collect();
    // The file system's, and the certificates of whoever serves it.
    let known = |path: &Path| {
        path.file_name().is_some_and(|name| {
            name == "lost+found" || name == "tls" || name.as_encoded_bytes().starts_with(b".")
        })
    };
    let stranger = paths.iter().find(|path| kind_of(path).is_none() && !known(path));
    match stranger {
        Some(path) if kinds.iter().all(|kind| *kind == FileKind::Lock) => Err(Error::invalid(format_args!(
            "{} is not a database, and not empty: it holds {}",
            dir.display(),
            path.file_name().unwrap_or_default().display()
        ))),
        _ => Ok(kinds),
    }
}

/// Above every number in use, so that a file that a crash undid half is never confused with a new one.
fn next_number(names: &[FileKind]) -> u64 {
    let number = |kind: &FileKind| match *kind {
        FileKind::Manifest(n) | FileKind::Log(n) | FileKind::Table(n) => n,
        _ => 0,
    };
    names.iter().map(number).max().unwrap_or(0).saturating_add(1)
}

/// Removes what no manifest names: the leftovers of crashes.
fn remove_orphans(vfs: &dyn Vfs, files: &Files, state: &State, current: Current) -> Result<()> {
    let dir = files.dir();
    for name in vfs.list(dir).map_err(|e| Error::io("listing", dir, e))? {
        let needed = match kind_of(&name) {
            Some(FileKind::Manifest(number)) => number == current.manifest,
            Some(FileKind::Log(number)) => state.logs.contains_key(&number),
            Some(FileKind::Table(number)) => state.tables.contains_key(&number),
            Some(FileKind::Unfinished) => false,
            Some(FileKind::Current | FileKind::Lock | FileKind::Ballast) | None => true,
        };
        if !needed {
            let path = dir.join(name);
            match vfs.remove(&path) {
                // A handle of this process that was closed before may still have been letting go of its files.
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io("removing", &path, e)),
                _ => {}
            }
        }
    }
    Ok(())
}
