//! Our own engine under measurement.

use std::ops::Bound::Unbounded;
use std::path::Path;
use std::sync::Arc;

use super::workload::{Session, Subject};
use crate::engine::{Batch, Db, Env, Options, View};
use crate::vfs::Vfs;
use crate::vfs::disk::DiskVfs;

/// The row that says that bench made this store, and may therefore empty it. It comes before all of bench's keys,
/// which have at least two bytes.
const MARK: &[u8] = b"\0";
const MADE_BY: &[u8] = b"siltstone bench";

/// The engine, open.
pub struct Siltstone {
    db: Db,
}

impl Siltstone {
    /// Opens the store in a directory; `fresh`: empties it first, if bench made it.
    pub fn open(dir: &Path, options: &Options, fresh: bool) -> Result<Self, String> {
        let vfs: Arc<dyn Vfs> = Arc::new(DiskVfs);
        let open = || Db::open_with(Env::with_vfs(vfs.clone()), dir, options.clone()).map_err(text);
        let is_new = vfs.list(dir).map_or(true, |names| names.is_empty());
        if !is_new {
            let db = open()?;
            let ours = db.get(MARK).map_err(text)?.is_some_and(|value| value == MADE_BY);
            if !ours {
                return Err(format!("{} holds a store that bench did not make", dir.display()));
            }
            if !fresh {
                return Ok(Self { db });
            }
            db.close().map_err(text)?;
            for path in vfs.list(dir).map_err(|error| error.to_string())? {
                vfs.remove(&dir.join(path)).map_err(|error| error.to_string())?;
            }
        }
        let db = open()?;
        let mut batch = Batch::new();
        batch.put(MARK, MADE_BY);
        db.write(&batch).map_err(text)?;
        Ok(Self { db })
    }

    /// Waits until no work is left for the background.
    pub fn settle(&self) -> Result<(), String> {
        self.db.wait_idle().map_err(text)
    }

    /// Closes it.
    pub fn close(self) -> Result<(), String> {
        self.db.close().map_err(text)
    }
}

fn text(error: crate::engine::Error) -> String {
    error.to_string()
}

impl Subject for Siltstone {
    type Session<'a> = Thread<'a>;

    fn session(&self) -> Thread<'_> {
        Thread { db: &self.db, batch: Batch::new() }
    }
}

/// One thread's batch, used again and again.
pub struct Thread<'a> {
    db: &'a Db,
    batch: Batch,
}

impl Thread<'_> {
    fn write(&mut self) -> Result<(), String> {
        self.db.write(&self.batch).map_err(text)?;
        self.batch.clear();
        Ok(())
    }
}

impl Session for Thread<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.batch.put(key, value);
        self.write()
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), String> {
        self.batch.delete(key);
        self.write()
    }

    fn get(&mut self, key: &[u8]) -> Result<bool, String> {
        Ok(self.db.get(key).map_err(text)?.is_some())
    }

    fn seek(&mut self, key: &[u8]) -> Result<bool, String> {
        let view: View = self.db.view();
        let mut scan = view.scan(Unbounded, Unbounded);
        scan.seek(key).map_err(text)?;
        Ok(scan.valid() && scan.key() == key)
    }

    fn scan(&mut self, mut visit: impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), String> {
        let view = self.db.view();
        let mut scan = view.scan(Unbounded, Unbounded);
        scan.first().map_err(text)?;
        if scan.valid() && scan.key() == MARK {
            scan.next().map_err(text)?;
        }
        while scan.valid() && visit(scan.key(), scan.value()) {
            scan.next().map_err(text)?;
        }
        Ok(())
    }
}
