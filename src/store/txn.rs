//! A transaction: key locks, a view pinned after the last of them was taken, and one batch.
//!
//! Reads see the view and, over it, what the transaction has staged. Nothing has any effect until
//! [`Txn::commit`], so a transaction may be dropped at any moment and its command run again; afterwards it happened
//! whole, as one log record. The locks are given back as soon as the commit is visible; whether it is durable is a
//! matter of the reply (`Store::acknowledge`).
//!
//! What is too large for one batch is built beforehand under a prefix that nothing links to ([`Txn::build`]): rows
//! that nobody else can see, and that are declared dead if the transaction does not commit.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::certificates;
use super::error::{Error, Result};
use super::locks::{Held, LockKey, LockSet};
use super::overlay::{Overlay, Undo};
use super::ranked::{Planes, Ranked};
use super::realm::{SYSTEM, put_ordered, system_row, tag};
use super::view::{Reads, RowScan, View};
use super::{Store, deadline};
use crate::engine::{Batch, Seqno, Tier};
use crate::random::Random;

thread_local! {
    /// One batch a thread, for its allocation.
    static BATCH: RefCell<Batch> = RefCell::default();
}

/// A transaction that wins space may itself store this many bytes, keys included, when the disk is full.
const FREEING_BYTES_MAX: usize = 64 << 10;

/// A row that is staged takes no more than so many times as much memory as it takes in a batch.
const STAGED_TIMES: u64 = 4;

/// A plane of more elements is not read through in the cached tier.
const RANKED_CACHED_MAX: u64 = 512;

/// Among more staged rows than this no row is drawn.
const STAGED_ROWS_MAX: usize = 4096;
/// How often a stored row is drawn again since a staged one hides it.
const STORED_DRAWS_MAX: usize = 50;

type Hook = Box<dyn FnOnce(Seqno) + Send>;

/// A transaction.
pub struct Txn {
    store: Arc<Store>,
    view: View,
    overlay: Overlay,
    /// The row that was last found absent: who is told so often asks again before writing it.
    absent: RefCell<Vec<u8>>,
    counts: Vec<(u64, i64)>,
    touched: Vec<LockKey>,
    /// Keys that did not change for those who watch them, but for those who wait.
    stirred: Vec<LockKey>,
    /// The names of those touched, where somebody wants them.
    names: Vec<Box<[u8]>>,
    names_bytes: usize,
    /// Whether the last of them may stand for another change of the same key.
    names_merge: bool,
    /// Groups of watches, and which of their keys do not change.
    touched_groups: Vec<(u16, HashSet<LockKey>)>,
    notes: Vec<Note>,
    /// How many of them there were at the last savepoint.
    noted_before: usize,
    hooks: Vec<Hook>,
    building: Vec<Vec<u8>>,
    /// A moment that has what was built so far, which is later than the pinned one.
    built: Option<View>,
    planes: Planes,
    /// The earliest deadline staged, in Unix milliseconds.
    due_ms: u64,
    /// How many things it removes since they were due.
    expired: u64,
    undo: Option<Vec<Undo>>,
    /// Bytes of what is staged, and of what undoing it takes.
    staged_bytes: usize,
    undo_bytes: usize,
    freeing: bool,
    /// Given back last.
    held: Held,
}

/// What a transaction did.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// The commit that the reply must wait for.
    pub seqno: Seqno,
    /// The keys that changed, or that whoever waits for them should look at again.
    pub touched: Vec<LockKey>,
    /// The names of those that changed, if [`Store::set_named`] asked for them.
    pub names: Vec<Box<[u8]>>,
    /// The groups of watches of which all may have changed.
    pub touched_groups: Vec<u16>,
    /// What happened, of the classes that are noted.
    pub notes: Vec<Note>,
}

/// Something that happened to a key, for whoever is to be told; it means nothing here.
#[derive(Clone, Debug)]
pub struct Note {
    /// What happened.
    pub event: &'static str,
    /// The group of the key.
    pub group: u16,
    /// The key's name there.
    pub name: Box<[u8]>,
}

/// A moment within a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Savepoint {
    undo: usize,
    counts: usize,
    touched: usize,
    stirred: usize,
    names: usize,
    touched_groups: usize,
    notes: usize,
    hooks: usize,
    expired: u64,
    freeing: bool,
}

impl Txn {
    pub(super) fn new(store: Arc<Store>, view: View, held: Held) -> Self {
        Self {
            store,
            view,
            overlay: Overlay::new(),
            absent: RefCell::default(),
            counts: Vec::new(),
            touched: Vec::new(),
            stirred: Vec::new(),
            names: Vec::new(),
            names_bytes: 0,
            names_merge: false,
            touched_groups: Vec::new(),
            notes: Vec::new(),
            noted_before: 0,
            hooks: Vec::new(),
            building: Vec::new(),
            built: None,
            planes: Planes::default(),
            due_ms: u64::MAX,
            expired: 0,
            undo: None,
            staged_bytes: 0,
            undo_bytes: 0,
            freeing: false,
            held,
        }
    }

    /// The store it writes to.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Whether it holds these locks.
    pub fn holds(&self, keys: &LockSet) -> bool {
        self.held.covers(keys)
    }

    /// Stages a row.
    pub fn put(&mut self, row: Vec<u8>, value: impl Into<Bytes>) {
        self.stage(row, Some(value.into()));
    }

    /// Stages a row's removal.
    pub fn delete(&mut self, row: Vec<u8>) {
        self.stage(row, None);
    }

    fn stage(&mut self, row: Vec<u8>, value: Option<Bytes>) {
        self.staged_bytes += row_bytes(&row, value.as_ref());
        if let Some(undo) = &mut self.undo {
            let name = row.clone();
            let before = self.overlay.set(row, value);
            let before_bytes = before.as_ref().map(|value| row_bytes(&name, value.as_ref()));
            self.staged_bytes = self.staged_bytes.saturating_sub(before_bytes.unwrap_or(0));
            self.undo_bytes += before_bytes.unwrap_or_else(|| row_bytes(&name, None));
            undo.push((name, before));
        } else {
            let len = row.len();
            if let Some(before) = self.overlay.set(row, value) {
                let before_bytes = row_bytes_of(len, before.as_ref());
                self.staged_bytes = self.staged_bytes.saturating_sub(before_bytes);
            }
        }
    }

    /// Stages what has become of a plane by rank, whose rows were staged before.
    pub fn set_ranked(&mut self, plane: Ranked) {
        let (prefix, directory) = plane.into_parts();
        self.planes.set(prefix, directory, self.undo.as_ref().map_or(0, Vec::len));
    }

    /// About how many bytes of memory what is staged takes.
    pub fn weight(&self) -> usize {
        let counted = (self.counts.len() + self.touched.len() + self.names.len()) * 16;
        self.staged_bytes + self.undo_bytes + counted + self.names_bytes
    }

    /// Fails if more is staged than could be committed: whoever stages as much as there is asks before going on.
    pub fn check_weight(&self) -> Result<()> {
        let bytes_max = self.store.db.batch_bytes_max();
        let fits = self.weight() as u64 <= bytes_max.saturating_mul(STAGED_TIMES);
        if fits { Ok(()) } else { Err(Error::over_batch(bytes_max)) }
    }

    /// Stages an addition to a counter of the database.
    pub fn count(&mut self, counter: u64, delta: i64) {
        if delta != 0 {
            self.counts.push((counter, delta));
        }
    }

    /// Says that a key of this name changes, so that those who watch it are told.
    pub fn touch(&mut self, key: LockKey, name: &[u8]) {
        if self.touched.last() != Some(&key) {
            self.touched.push(key);
        } else if self.names_merge {
            return;
        }
        if self.store.is_named() {
            self.names.push(name.into());
            self.names_bytes += name.len();
            self.names_merge = true;
        }
    }

    /// Says that whoever waits for a key should look at it again, though nothing changed for those who watch it.
    pub fn stir(&mut self, key: LockKey) {
        self.stirred.push(key);
    }

    /// How many names of changed keys there are so far; a change after this is another one, though it be of the same key.
    pub fn named_so_far(&mut self) -> usize {
        self.names_merge = false;
        self.names.len()
    }

    /// Says that all keys of a group of watches change, but for some, which the transaction has locked.
    pub fn touch_group(&mut self, group: u16, but: HashSet<LockKey>) {
        self.touched_groups.push((group, but));
    }

    /// Says that something happened to a key, for those who asked to be told of this class of events, if anybody did.
    pub fn note(&mut self, class: u32, event: &'static str, group: u16, name: &[u8]) {
        if self.store.is_noted(class) {
            self.notes.push(Note { event, group, name: name.into() });
        }
    }

    /// The same, but before what has been said last of the key since the last savepoint.
    pub fn note_before(&mut self, class: u32, event: &'static str, group: u16, name: &[u8]) {
        if self.store.is_noted(class) {
            let since = self.notes.get(self.noted_before..).unwrap_or_default();
            let is_of_others = |note: &Note| note.group != group || *note.name != *name;
            let later = since.iter().rev().take_while(|note| is_of_others(note)).count();
            let said = since.iter().rev().skip(later).take_while(|note| !is_of_others(note)).count();
            let back = if said > 0 { later + said } else { 0 };
            self.notes.insert(self.notes.len() - back, Note { event, group, name: name.into() });
        }
    }

    /// Says that the transaction serves to win space, so that it is let through when the disk is full.
    pub fn frees(&mut self) {
        self.freeing = true;
    }

    /// An id that nobody ever had: for an owner, or a keyspace.
    pub fn new_id(&mut self) -> Result<u64> {
        self.store.ids.next(&self.store.db)
    }

    /// Stages the death of all rows with a prefix. Nobody may write below it any more, ever.
    pub fn kill(&mut self, prefix: &[u8]) {
        self.put(certificates::certificate_row(prefix), Bytes::from_static(&[certificates::VERSION]));
    }

    /// Stages that the rows with a prefix no longer live and die with the prefix that encloses them, but with another
    /// one, their `residence`.
    pub fn exile(&mut self, prefix: &[u8], residence: &[u8]) {
        self.put(system_row(tag::EXILE, prefix), Bytes::copy_from_slice(residence));
    }

    /// Stages that exiled rows live and die again with the prefix that encloses them.
    pub fn repatriate(&mut self, prefix: &[u8]) {
        self.delete(system_row(tag::EXILE, prefix));
    }

    /// Stages a deadline's index row, so that [`super::Reap`] hears of the key in time.
    pub fn arm(&mut self, space: &[u8], due_ms: u64, name: &[u8]) {
        self.due_ms = self.due_ms.min(due_ms);
        self.put(deadline::index_row(space, due_ms, name), Bytes::new());
    }

    /// Asks for the reaper to run by then, in Unix milliseconds, should this commit.
    pub fn wake_reaper(&mut self, due_ms: u64) {
        self.due_ms = self.due_ms.min(due_ms);
    }

    /// Says that something is removed, or replaced, since it was due.
    pub fn expires(&mut self) {
        self.expired += 1;
    }

    /// Stages the removal of a deadline's index row.
    pub fn disarm(&mut self, space: &[u8], due_ms: u64, name: &[u8]) {
        self.delete(deadline::index_row(space, due_ms, name));
    }

    /// Begins to build rows that nothing links to yet. [`Txn::commit`] must find them linked, else they are dead.
    pub fn build(&mut self, prefix: &[u8]) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(&system_row(tag::UNLINKED, prefix), &[certificates::VERSION]);
        self.store.db.commit(&batch)?;
        self.building.push(prefix.to_vec());
        Ok(())
    }

    /// Commits a part of what is being built, at once. Its rows must lie below a prefix given to [`Txn::build`].
    pub fn build_part(&mut self, batch: &Batch) -> Result<()> {
        self.store.db.commit(batch)?;
        let newest = self.store.view_newest(self.view.tier()).for_update();
        if !self.has_savepoints() {
            // A command by itself reads what it has locked, and finds it unchanged at any later moment: it need not hold on to
            // the memtables of the one that it began at, which one that builds for long would have many of beside its own.
            self.view.rows = newest.rows.clone();
        }
        self.built = Some(newest);
        Ok(())
    }

    /// The view that a row is read from: what the transaction built itself is not in the one that it pinned.
    fn view_of(&self, row: &[u8]) -> &View {
        match &self.built {
            Some(built) if self.building.iter().any(|prefix| row.starts_with(prefix)) => built,
            _ => &self.view,
        }
    }

    /// The same, for rows between two bounds.
    fn view_from(&self, from: Bound<&[u8]>) -> &View {
        match from {
            Bound::Included(row) | Bound::Excluded(row) => self.view_of(row),
            Bound::Unbounded => &self.view,
        }
    }

    /// Stages that what was built is linked from now on.
    pub fn link(&mut self, prefix: &[u8]) {
        self.delete(system_row(tag::UNLINKED, prefix));
    }

    /// Calls back once the commit is visible, the locks still being held.
    pub fn after_commit(&mut self, hook: impl FnOnce(Seqno) + Send + 'static) {
        self.hooks.push(Box::new(hook));
    }

    /// Remembers this moment.
    pub fn savepoint(&mut self) -> Savepoint {
        self.noted_before = self.notes.len();
        Savepoint {
            undo: self.undo.get_or_insert_default().len(),
            counts: self.counts.len(),
            touched: self.touched.len(),
            stirred: self.stirred.len(),
            names: self.names.len(),
            touched_groups: self.touched_groups.len(),
            notes: self.notes.len(),
            hooks: self.hooks.len(),
            expired: self.expired,
            freeing: self.freeing,
        }
    }

    /// Forgets what was staged since.
    pub fn undo(&mut self, to: Savepoint) {
        let undo = self.undo.get_or_insert_default();
        for (row, before) in undo.drain(to.undo.min(undo.len())..).rev() {
            let before_bytes = before.as_ref().map(|value| row_bytes(&row, value.as_ref()));
            self.undo_bytes =
                self.undo_bytes.saturating_sub(before_bytes.unwrap_or_else(|| row_bytes(&row, None)));
            let now = self.overlay.get(&row).map(|value| row_bytes(&row, value.as_ref()));
            self.staged_bytes =
                (self.staged_bytes + before_bytes.unwrap_or(0)).saturating_sub(now.unwrap_or(0));
            match before {
                Some(value) => drop(self.overlay.set(row, value)),
                None => self.overlay.unset(&row),
            }
        }
        self.planes.undo(to.undo);
        self.counts.truncate(to.counts);
        self.touched.truncate(to.touched);
        self.stirred.truncate(to.stirred);
        let names = self.names.drain(to.names.min(self.names.len())..);
        self.names_bytes -= names.map(|name| name.len()).sum::<usize>();
        self.names_merge = false;
        self.touched_groups.truncate(to.touched_groups);
        self.notes.truncate(to.notes);
        self.hooks.truncate(to.hooks);
        self.expired = to.expired;
        self.freeing = to.freeing;
    }

    /// Whether somebody may still want to go back to a moment.
    pub fn has_savepoints(&self) -> bool {
        self.undo.is_some()
    }

    /// Says that nobody will go back to a moment so far.
    pub fn forget_savepoints(&mut self) {
        self.undo_bytes = 0;
        if let Some(undo) = &mut self.undo {
            undo.clear();
        }
        self.planes.forget_undo();
    }

    /// Whether nothing is staged.
    pub fn is_empty(&self) -> bool {
        self.overlay.is_empty() && self.counts.is_empty()
    }

    /// Makes it happen. Returns the commit that the reply must wait for: its own, or, where nothing was staged, the
    /// newest that it may have read.
    pub fn commit(self) -> Result<Seqno> {
        Ok(self.commit_and_tell(|_| ())?.seqno)
    }

    /// The same; returns also what others than those who watch may have to be told. What must be told in the order of the
    /// commits to a key, `tell` tells: the locks are still held.
    pub fn commit_and_tell(mut self, tell: impl FnOnce(&Committed)) -> Result<Committed> {
        let committed = self.make_happen()?;
        tell(&committed);
        Ok(committed)
    }

    fn make_happen(&mut self) -> Result<Committed> {
        self.bury_unlinked();
        if self.is_empty() {
            // What stays as it is may count as changed even so.
            self.store.watches.touched(&self.touched);
            return Ok(self.tell_of(self.view.seqno(), Vec::new()));
        }
        let seqno = BATCH.with_borrow_mut(|batch| {
            batch.clear();
            self.fill(batch);
            let committed = self.store.db.commit_paced(batch);
            if batch.byte_len() > 1 << 20 {
                *batch = Batch::new();
            }
            committed
        })?;
        self.building.clear();
        for (prefix, directory) in self.planes.drain() {
            match directory {
                Some(directory) => self.store.directories.set(&prefix, directory),
                None => self.store.directories.forget(&prefix),
            }
        }
        for hook in self.hooks.drain(..) {
            hook(seqno);
        }
        self.store.watches.touched(&self.touched);
        for (group, but) in &self.touched_groups {
            self.store.watches.touched_group(*group, but);
        }
        if self.expired > 0 {
            self.store.expired().add(self.expired);
        }
        if self.due_ms != u64::MAX {
            self.store.due_at(self.due_ms);
        }
        let touched_groups = self.touched_groups.iter().map(|(group, _)| *group).collect();
        Ok(self.tell_of(seqno, touched_groups))
    }

    fn tell_of(&mut self, seqno: Seqno, touched_groups: Vec<u16>) -> Committed {
        self.touched.append(&mut self.stirred);
        Committed {
            seqno,
            touched: std::mem::take(&mut self.touched),
            names: std::mem::take(&mut self.names),
            touched_groups,
            notes: std::mem::take(&mut self.notes),
        }
    }

    fn fill(&mut self, batch: &mut Batch) {
        // What stores much is no way to win space, whatever else it does.
        let staged = self.overlay.iter().map(|(row, value)| row.len() + value.map_or(0, Bytes::len));
        let freeing = self.freeing && staged.sum::<usize>() <= FREEING_BYTES_MAX;
        for (row, value) in self.overlay.iter() {
            match value {
                Some(value) if freeing || row.first() == Some(&SYSTEM) => batch.put_freeing(row, value),
                Some(value) => batch.put(row, value),
                None => batch.delete(row),
            }
        }
        self.counts.sort_unstable_by_key(|&(counter, _)| counter);
        for group in self.counts.chunk_by(|a, b| a.0 == b.0) {
            let delta: i64 = group.iter().map(|&(_, delta)| delta).sum();
            if delta != 0 {
                batch.count(group[0].0, delta);
            }
        }
        if let Some(now_ms) = self.store.now_to_log(self.view.now_ms) {
            let mut value = Vec::with_capacity(9);
            put_ordered(&mut value, now_ms);
            batch.put_freeing(&[SYSTEM, tag::CLOCK], &value);
        }
    }

    /// What was built and not linked dies with this commit.
    fn bury_unlinked(&mut self) {
        for prefix in std::mem::take(&mut self.building) {
            let row = system_row(tag::UNLINKED, &prefix);
            if self.overlay.get(&row) != Some(&None) {
                self.kill(&prefix);
                self.delete(row);
            }
            self.building.push(prefix);
        }
    }
}

/// What a staged row takes.
fn row_bytes(row: &[u8], value: Option<&Bytes>) -> usize {
    row_bytes_of(row.len(), value)
}

fn row_bytes_of(row: usize, value: Option<&Bytes>) -> usize {
    const OVERHEAD: usize = 64;
    row + value.map_or(0, Bytes::len) + OVERHEAD
}

impl Drop for Txn {
    fn drop(&mut self) {
        if self.building.is_empty() {
            return;
        }
        let mut batch = Batch::new();
        for prefix in &self.building {
            batch.put_freeing(&certificates::certificate_row(prefix), &[certificates::VERSION]);
            batch.delete(&system_row(tag::UNLINKED, prefix));
        }
        // Should it fail, opening the store buries what is unlinked.
        let _ = self.store.db.commit(&batch);
    }
}

impl Reads for Txn {
    fn now_ms(&self) -> u64 {
        self.view.now_ms
    }

    fn seqno(&self) -> Seqno {
        self.view.seqno()
    }

    fn tier(&self) -> Tier {
        self.view.tier()
    }

    fn get(&self, row: &[u8]) -> Result<Option<Bytes>> {
        if let Some(staged) = self.overlay.get(row) {
            return Ok(staged.clone());
        }
        if *self.absent.borrow() == row {
            return Ok(None);
        }
        let found = self.view_of(row).get(row)?;
        if found.is_none() {
            row.clone_into(&mut self.absent.borrow_mut());
        }
        Ok(found)
    }

    fn get_cached(&self, row: &[u8]) -> Result<Option<Bytes>> {
        match self.overlay.get(row) {
            Some(staged) => Ok(staged.clone()),
            None => self.view_of(row).get_cached(row),
        }
    }

    fn multi_get(&self, rows: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        if self.built.is_some() {
            return rows.iter().map(|row| self.get(row)).collect();
        }
        if self.overlay.is_empty() {
            return self.view.multi_get(rows);
        }
        let cold: Vec<&[u8]> = rows.iter().copied().filter(|row| self.overlay.get(row).is_none()).collect();
        let mut found = self.view.multi_get(&cold)?.into_iter();
        Ok(rows
            .iter()
            .map(|row| match self.overlay.get(row) {
                Some(staged) => staged.clone(),
                None => found.next().flatten(),
            })
            .collect())
    }

    fn may_contain(&self, row: &[u8]) -> bool {
        match self.overlay.get(row) {
            Some(staged) => staged.is_some(),
            None => self.view_of(row).may_contain(row),
        }
    }

    fn staged(&self, row: &[u8]) -> Option<Bytes> {
        self.overlay.get(row).cloned().flatten()
    }

    fn staged_count(&self, counter: u64) -> i64 {
        self.counts.iter().filter(|count| count.0 == counter).map(|count| count.1).sum()
    }

    fn ranked(&self, prefix: &[u8], len: u64) -> Result<Ranked> {
        let known = match self.planes.get(prefix) {
            Some(staged) => staged.cloned(),
            None => self.store.directories.get(prefix),
        };
        if let Some(directory) = known {
            return Ok(Ranked::with(prefix, directory));
        }
        if self.tier() == Tier::Cached && len > RANKED_CACHED_MAX {
            return Err(Error::WouldWait(None));
        }
        let plane = Ranked::open(self, prefix)?;
        if self.overlay.is_empty() {
            self.store.directories.set(prefix, plane.directory().clone());
        }
        Ok(plane)
    }

    fn scan(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> RowScan<'_> {
        RowScan::merged(self.view_from(from).rows.scan(from, to), &self.overlay, from, to)
    }

    fn draw(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        len: Option<u64>,
        random: &mut Random,
    ) -> Result<Option<(Vec<u8>, Bytes)>> {
        let mut staged = self.overlay.cursor(from, to);
        staged.first();
        if staged.entry().is_none() {
            return self.view_from(from).draw(from, to, len, random);
        }
        let Some(len) = len else { return Ok(None) };
        let (mut put, mut met) = (Vec::new(), 0);
        while let Some((row, value)) = staged.entry() {
            met += 1;
            if met > STAGED_ROWS_MAX {
                return Ok(None);
            }
            put.extend(value.map(|value| (row, value)));
            staged.next();
        }
        // What is staged is drawn by its share of all, and what it hides not at all.
        if let Some((row, value)) = put.get(random.below(len.max(1)) as usize) {
            return Ok(Some((row.to_vec(), (*value).clone())));
        }
        for _ in 0..STORED_DRAWS_MAX {
            let Some((row, value)) = self.view_from(from).draw(from, to, Some(len), random)? else {
                return Ok(None);
            };
            if self.overlay.get(&row).is_none() {
                return Ok(Some((row, value)));
            }
        }
        Ok(None)
    }
}
