//! Damage to the files of a database that was closed, or synced and idle: it is found, or does no harm.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use siltstone::clock::ManualClock;
use siltstone::engine::{Batch, Db, Env, Error, NoSweep, Options};
use siltstone::vfs::Vfs;
use siltstone::vfs::memory::MemoryVfs;
use siltstone::workers::Workers;

/// What the database holds after each commit.
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

struct Sample {
    disk: MemoryVfs,
    files: Vec<PathBuf>,
    history: Vec<Rows>,
}

pub(crate) const DIR: &str = "/db";

pub(crate) fn env(disk: &MemoryVfs) -> Env {
    Env {
        vfs: Arc::new(disk.clone()),
        clock: Arc::new(ManualClock::default()),
        workers: Workers::manual(),
        listener: Arc::new(()),
        sweep: Arc::new(NoSweep),
    }
}

pub(crate) fn options() -> Options {
    Options {
        memory: 8 << 20,
        memtable: Some(64 << 10),
        table: Some(64 << 10),
        block: 1024,
        ..Options::default()
    }
}

/// A database with a table, and a log of some commits that no table holds.
fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let disk = MemoryVfs::new();
        let db = Db::open_with(env(&disk), Path::new(DIR), options()).expect("a new database");
        let mut rows = Rows::new();
        let mut history = vec![rows.clone()];
        for i in 0..40_u32 {
            let mut batch = Batch::new();
            for j in 0..=i % 3 {
                let key = format!("key{}", (i * 7 + j) % 25).into_bytes();
                let value = vec![i as u8; (i * j) as usize % 50];
                batch.put(&key, &value);
                rows.insert(key, value);
            }
            if i % 6 == 5 {
                let key = format!("key{}", i % 25).into_bytes();
                batch.delete(&key);
                rows.remove(&key);
            }
            db.write(&batch).expect("a disk in memory");
            history.push(rows.clone());
            if i == 20 {
                db.flush().expect("a disk in memory");
            }
        }
        db.sync().expect("a disk in memory");
        let disk = disk.kill_clone();
        let files = disk.contents().into_keys().collect();
        Sample { disk, files, history }
    })
}

/// Damages files whose names contain one of these, and opens what there is.
///
/// ```text
/// input := edit*          edit := file u8 ‖ offset u16 LE ‖ length u8 (0: cut the file here) ‖ byte{length % 8}
/// ```
fn open_damaged(names: &[&str], mut input: &[u8]) {
    let sample = sample();
    let file_name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let chosen: Vec<&PathBuf> =
        sample.files.iter().filter(|path| names.iter().any(|name| file_name(path).contains(name))).collect();
    let disk = sample.disk.kill_clone();
    let mut places = 0;
    while let Some((&[file, low, high, len], rest)) = input.split_first_chunk::<4>() {
        let path = chosen[usize::from(file) % chosen.len()];
        let handle = disk.open_write(path).expect("it is there");
        let size = handle.len().expect("a disk in memory");
        let offset = u64::from(u16::from_le_bytes([low, high])) % (size + 1);
        let (bytes, rest) = rest.split_at(rest.len().min(usize::from(len % 8)));
        if len == 0 {
            handle.set_len(offset).expect("a disk in memory");
            places += 2;
        } else {
            handle.write_all_at(bytes, offset).expect("a disk in memory");
            places += bytes.len();
        }
        input = rest;
    }
    let env = env(&disk);
    let workers = Arc::clone(&env.workers);
    let db = match Db::open_with(env, Path::new(DIR), options()) {
        Ok(db) => db,
        Err(Error::Corrupt { .. } | Error::Invalid(_)) => return,
        Err(error) => panic!("damage passes for something else: {error}"),
    };
    let found = rows(&db);
    end(&db, &workers);
    let Ok(found) = found else { return };
    let last = sample.history.last().expect("it has commits");
    // Two bytes may be the end of the newest commit and the beginning of the mark behind it, which alone says that
    // the commit was synced: that looks like a torn tail.
    if places <= 1 {
        assert!(found == *last, "one damaged place, and acknowledged commits are gone or changed");
    } else {
        assert!(sample.history.contains(&found), "rows that never were together");
    }
}

/// Ends a database: what waits to be run by hand would keep it, and be kept by it, for ever.
pub(crate) fn end(db: &Db, workers: &Workers) {
    // It may find damage, which is nothing to us here.
    let _ = db.close();
    workers.run_all();
}

/// All rows of a database.
pub(crate) fn rows(db: &Db) -> Result<Rows, Error> {
    let view = db.view();
    let mut scan = view.scan(Bound::Unbounded, Bound::Unbounded);
    let mut rows = Rows::new();
    scan.first()?;
    while scan.valid() {
        rows.insert(scan.key().to_vec(), scan.value().to_vec());
        scan.next()?;
    }
    Ok(rows)
}

/// Damaged logs.
pub(crate) fn log(input: &[u8]) {
    open_damaged(&[".log"], input);
}

/// A damaged manifest, or CURRENT.
pub(crate) fn manifest(input: &[u8]) {
    open_damaged(&["MANIFEST", "CURRENT"], input);
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let edit = |file: u8, offset: u16, bytes: &[u8]| {
        let [low, high] = offset.to_le_bytes();
        [&[file, low, high, bytes.len() as u8], bytes].concat()
    };
    vec![
        Vec::new(),
        edit(0, 30, b"\0"),
        edit(1, 500, b"\xFF\xFF"),
        edit(0, 900, b""),
        [edit(0, 10, b"a"), edit(1, 70, b"abc"), edit(2, 1000, b"zz")].concat(),
    ]
}
