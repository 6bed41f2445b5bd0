//! STAND-IN (in memory, forgets everything) for the database; the signatures are final.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::batch::{Batch, Op};
use super::error::Result;
use super::key::Seqno;
use super::options::{Env, Options};
use super::view::{Rows, Snapshot, Tier, View};

/// An open database. Clones are handles to the same one.
#[derive(Clone)]
pub struct Db {
    rows: Rows,
    state: Arc<Mutex<(Seqno, BTreeMap<u64, i64>)>>,
}

impl Db {
    /// Opens or creates the database in a directory, in a world of the caller's making.
    pub fn open_with(_env: Env, _dir: &Path, _options: Options) -> Result<Self> {
        Ok(Self { rows: Rows::default(), state: Arc::default() })
    }

    /// Commits a batch: atomic, visible to views taken from now on, and durable once [`Db::acknowledge`] says so.
    pub fn commit(&self, batch: &Batch) -> Result<Seqno> {
        batch.check(usize::MAX)?;
        let mut state = self.state.lock();
        state.0 += 1;
        let seqno = state.0;
        let mut rows = self.rows.write();
        for op in batch.ops().flatten() {
            if let Op::DeleteRange { start, end } = op {
                for (_, v) in rows.range_mut::<[u8], _>((Bound::Included(start), Bound::Excluded(end))) {
                    v.push((seqno, None));
                }
            }
        }
        for op in batch.ops().flatten() {
            match op {
                Op::Put { key, value } => {
                    rows.entry(key.to_vec()).or_default().push((seqno, Some(Bytes::copy_from_slice(value))));
                }
                Op::Delete { key } => rows.entry(key.to_vec()).or_default().push((seqno, None)),
                Op::DeleteRange { .. } => {}
                Op::Count { counter, delta } => *state.1.entry(counter).or_default() += delta,
            }
        }
        Ok(seqno)
    }

    /// Commits a batch and waits until it is as durable as the options ask.
    pub fn write(&self, batch: &Batch) -> Result<Seqno> {
        let seqno = self.commit(batch)?;
        self.acknowledge(seqno)?;
        Ok(seqno)
    }

    /// Waits until a commit is as durable as the options ask: on disk (`Always`), or handed to the system.
    pub fn acknowledge(&self, _seqno: Seqno) -> Result<()> {
        Ok(())
    }

    /// Calls back once a commit is as durable as the options ask; at once, on this thread, if it is already.
    pub fn on_acknowledged(&self, _seqno: Seqno, call: impl FnOnce(Result<()>) + Send + 'static) {
        call(Ok(()));
    }

    /// Whether a commit is as durable as the options ask.
    pub fn is_acknowledged(&self, _seqno: Seqno) -> bool {
        true
    }

    /// Makes every commit so far durable on disk, whatever the options; returns the newest of them.
    pub fn sync(&self) -> Result<Seqno> {
        Ok(self.state.lock().0)
    }

    /// A view of the newest commit.
    pub fn view(&self) -> View {
        View { rows: self.rows.clone(), seqno: self.state.lock().0, tier: Tier::Disk }
    }

    /// A view of what no crash can undo, but at least of the commit `floor` (the caller's own last one).
    pub fn view_acknowledged(&self, _floor: Seqno) -> View {
        self.view()
    }

    /// A moment to come back to.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { view: self.view() }
    }

    /// A key's newest value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.view().get(key)
    }

    /// A counter's newest value.
    pub fn counter(&self, counter: u64) -> i64 {
        self.state.lock().1.get(&counter).copied().unwrap_or(0)
    }

    /// Writes the memtables to tables.
    pub fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// Merges what lies between two keys (both included) down to the last level it reaches.
    pub fn compact_range(&self, _from: Option<&[u8]>, _to: Option<&[u8]>) -> Result<()> {
        Ok(())
    }

    /// Makes a copy of the database in a new directory, by hard links where the disk can.
    pub fn checkpoint(&self, _to: &Path) -> Result<()> {
        Ok(())
    }

    /// Flushes, stops background work and gives the directory back. Later calls answer `Closed`.
    pub fn close(&self) -> Result<()> {
        Ok(())
    }
}
