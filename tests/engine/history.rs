//! What was committed, and what may be found after a crash: a prefix, no shorter than what was acknowledged.
//!
//! Every batch of a history carries, besides its operations, one for counter 1, so that whoever reads a store learns
//! at once which commit it ends with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;

use bytes::Bytes;
use siltstone::engine::{Batch, Db, Result, Seqno, View};

pub(crate) type Rows = BTreeMap<Vec<u8>, Bytes>;

/// An operation of a batch.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

/// The states that the store went through. State 0 is the empty store.
pub(crate) struct History {
    states: Vec<Arc<Rows>>,
    /// The newest state that was acknowledged as durable.
    pub(crate) acknowledged: usize,
    /// A commit that is under way or has failed: whether it happened shows when the store is opened again.
    doubtful: Option<Arc<Rows>>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { states: vec![Arc::default()], acknowledged: 0, doubtful: None }
    }

    pub(crate) fn newest(&self) -> &Arc<Rows> {
        self.states.last().expect("there is always the empty state")
    }

    pub(crate) fn len(&self) -> usize {
        self.states.len() - 1
    }

    /// The batch for these changes. Until [`History::done`] it is in doubt whether it happened.
    pub(crate) fn plan(&mut self, changes: &[Change]) -> Batch {
        let mut rows = Rows::clone(self.newest());
        let mut batch = Batch::new();
        for change in changes {
            match change {
                Change::Put(key, value) => batch.put(key, value),
                Change::Delete(key) => batch.delete(key),
                Change::DeleteRange(start, end) => {
                    batch.delete_range(start, end);
                    rows.retain(|key, _| !(start..end).contains(&key));
                }
            }
        }
        for change in changes {
            match change {
                Change::Put(key, value) => drop(rows.insert(key.clone(), value.clone().into())),
                Change::Delete(key) => drop(rows.remove(key)),
                Change::DeleteRange(..) => {}
            }
        }
        batch.count(1, 1);
        self.doubtful = Some(Arc::new(rows));
        batch
    }

    /// The planned batch was committed.
    pub(crate) fn done(&mut self) {
        self.states.push(self.doubtful.take().expect("a batch was planned"));
    }

    /// The planned batch was refused, and will never be seen.
    pub(crate) fn refused(&mut self) {
        self.doubtful = None;
    }

    /// Plans, commits and remembers.
    pub(crate) fn commit(&mut self, db: &Db, changes: &[Change]) -> Result<Seqno> {
        let batch = self.plan(changes);
        let seqno = db.commit(&batch)?;
        self.done();
        Ok(seqno)
    }

    /// Everything so far is known to be durable.
    pub(crate) fn all_durable(&mut self) {
        self.acknowledged = self.len();
    }

    /// Which states a store may be found in after a crash.
    pub(crate) fn allowed(&self) -> RangeInclusive<usize> {
        self.acknowledged..=self.len()
    }

    /// Checks a store that was just opened against the states it may be in; says which one it is in.
    pub(crate) fn check(
        &self,
        db: &Db,
        allowed: RangeInclusive<usize>,
    ) -> std::result::Result<usize, String> {
        let view = db.view();
        let found = scan_all(&view).map_err(|e| format!("reading all: {e}"))?;
        let at = db.counter(1) as usize;
        let expected = match &self.doubtful {
            Some(rows) if at == self.states.len() => rows,
            _ => self.states.get(at).ok_or_else(|| format!("commit {at} is found, which never was"))?,
        };
        if !allowed.contains(&at) && at != self.len() + 1 {
            return Err(format!("commit {at} is the last one found, allowed are {allowed:?}"));
        }
        if found != **expected {
            return Err(format!("after commit {at}: {}", difference(&found, expected)));
        }
        Ok(at)
    }

    /// The store was found in this state when it was opened: what came later never was, and what was found is
    /// durable from now on.
    pub(crate) fn go_on_from(&mut self, at: usize) {
        if at == self.states.len() {
            self.done();
        }
        self.states.truncate(at + 1);
        self.acknowledged = at;
        self.doubtful = None;
    }
}

/// All rows, read forward.
pub(crate) fn scan_all(view: &View) -> Result<Rows> {
    let mut rows = Rows::new();
    let mut scan = view.scan(Bound::Unbounded, Bound::Unbounded);
    scan.first()?;
    while scan.valid() {
        rows.insert(scan.key().to_vec(), Bytes::copy_from_slice(scan.value()));
        scan.next()?;
    }
    Ok(rows)
}

/// Reads everything in every way there is; what the ways disagree on is an error in itself.
pub(crate) fn read_every_way(view: &View, keys: &Rows) -> Result<Rows> {
    let forward = scan_all(view)?;
    let mut backward = Rows::new();
    let mut scan = view.scan(Bound::Unbounded, Bound::Unbounded);
    scan.last()?;
    while scan.valid() {
        backward.insert(scan.key().to_vec(), scan.value_bytes());
        scan.prev()?;
    }
    assert_eq!(difference(&backward, &forward), "", "backward against forward");
    for key in keys.keys().chain(forward.keys()) {
        assert_eq!(
            view.get(key)?.as_ref(),
            forward.get(key),
            "get {:?} against scan",
            key.escape_ascii().to_string()
        );
    }
    Ok(forward)
}

/// The first few rows in which two states differ.
pub(crate) fn difference(found: &Rows, expected: &Rows) -> String {
    let mut text = String::new();
    let keys: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let show = |v: Option<&Bytes>| {
        v.map_or("absent".to_owned(), |v| {
            format!("{} bytes {}", v.len(), v[..v.len().min(12)].escape_ascii())
        })
    };
    for key in keys.into_iter().filter(|k| found.get(*k) != expected.get(*k)).take(4) {
        let (found, expected) = (show(found.get(key)), show(expected.get(key)));
        let _ = write!(text, "[{}: found {found}, expected {expected}] ", key.escape_ascii());
    }
    text
}
