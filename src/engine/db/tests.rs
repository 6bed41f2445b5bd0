//! The whole engine on the simulated disk, against a sorted map with all its history.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::engine::{Fsync, NoSweep};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

fn env(vfs: &MemoryVfs) -> Env {
    Env {
        vfs: Arc::new(vfs.clone()),
        clock: Arc::new(ManualClock::default()),
        workers: Workers::manual(),
        listener: Arc::new(()),
        sweep: Arc::new(NoSweep),
    }
}

/// Small enough that a hundred rows make several tables.
fn options() -> Options {
    Options {
        memory: 8 << 20,
        memtable: Some(64 << 10),
        table: Some(64 << 10),
        cache: Some(1 << 20),
        block: 1024,
        fsync: Fsync::Never,
        ..Options::default()
    }
}

fn dir() -> PathBuf {
    PathBuf::from("/db")
}

fn open(vfs: &MemoryVfs) -> Db {
    Db::open_with(env(vfs), &dir(), options()).unwrap()
}

fn put(db: &Db, key: &[u8], value: &[u8]) -> Seqno {
    let mut batch = Batch::new();
    batch.put(key, value);
    db.write(&batch).unwrap()
}

#[test]
fn what_was_written_is_read_from_everywhere() {
    let vfs = MemoryVfs::default();
    let db = open(&vfs);
    put(&db, b"k", b"1");
    assert_eq!(db.get(b"k").unwrap().unwrap(), "1");
    db.flush().unwrap();
    assert_eq!(db.get(b"k").unwrap().unwrap(), "1");
    put(&db, b"k", b"2");
    assert_eq!(db.get(b"k").unwrap().unwrap(), "2");
    db.close().unwrap();
    assert!(matches!(db.commit(&Batch::new()), Err(Error::Closed)));
    let db = open(&vfs);
    assert_eq!(db.get(b"k").unwrap().unwrap(), "2");
    db.compact_range(None, None).unwrap();
    assert_eq!(db.get(b"k").unwrap().unwrap(), "2");
    assert_eq!(db.get(b"l").unwrap(), None);
}
