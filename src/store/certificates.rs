//! Death at the price of a row. A *certificate* says that all rows with a prefix are dead and stay so for ever: the
//! elements of a removed key, everything in a flushed keyspace. Ids are never reused, so nobody writes there again.
//! Compaction asks for the dead ranges through [`Sweep`] and drops what lies in them; a certificate goes once nothing
//! is left that it speaks of. A mistake here leaks space; it cannot lose what lives.
//!
//! *Exiles* make MOVE and RENAME across keyspaces O(1). Elements lie below the keyspace they were born in, and die
//! with it, unless an exile row says that their key has moved: then they live and die with their residence.
//!
//! ```text
//! certificate ‖ prefix                   dead: all rows with the prefix …
//! exile ‖ prefix → residence             … but for these, while no certificate names their residence;
//!                                            dead as well once one does, even if what encloses them lives
//! unlinked ‖ prefix                      being built by a transaction; dead if found at opening
//! ```

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use super::error::Result;
use super::realm::{after_prefix, system_row, tag};
use super::{Realm, Store};
use crate::engine::{self, Batch, Db, DeadRange, Seqno, Sweep};
use crate::workers::Lane;

/// The version of these rows.
pub(crate) const VERSION: u8 = 1;

/// The longest prefix that can be certified dead, in bytes.
const PREFIX_BYTES_MAX: usize = 32;

/// The most dead ranges reported at once; the next compaction learns of the rest.
const RANGES_MAX: usize = 100_000;

/// How many rows a batch of housekeeping removes.
const BATCH_ROWS: usize = 1000;

/// The certificate for a prefix.
pub(crate) fn certificate_row(prefix: &[u8]) -> Vec<u8> {
    system_row(tag::CERTIFICATE, prefix)
}

/// What compaction is told.
pub(crate) struct Certificates {
    realms: Vec<Realm>,
    store: OnceLock<Weak<Store>>,
    /// Everything due until here has been reaped, in Unix milliseconds, and for good: rows that expired by then may go
    /// unasked.
    reaped_ms: AtomicU64,
    /// The same of rounds that a crash may still undo, each with its newest commit: the oldest round and the newest.
    unsafe_rounds: Mutex<Vec<(Seqno, u64)>>,
}

impl Certificates {
    pub(crate) fn new(realms: &[Realm]) -> Arc<Self> {
        Arc::new(Self {
            realms: realms.to_vec(),
            store: OnceLock::new(),
            reaped_ms: AtomicU64::new(0),
            unsafe_rounds: Mutex::default(),
        })
    }

    pub(crate) fn attach(&self, store: &Arc<Store>) {
        // Attached once, by `Store::open`.
        let _ = self.store.set(Arc::downgrade(store));
    }

    /// Everything due until then has been reaped, by commits up to this one.
    pub(crate) fn reaped_until(&self, now_ms: u64, by: Seqno) {
        let mut rounds = self.unsafe_rounds.lock();
        rounds.truncate(1);
        rounds.push((by, now_ms));
    }

    pub(crate) fn reaped_ms(&self) -> u64 {
        self.reaped_ms.load(Ordering::SeqCst)
    }
}

impl Sweep for Certificates {
    fn dead_ranges(&self, view: &engine::View, from: &[u8], to: &[u8]) -> engine::Result<Vec<DeadRange>> {
        let mut dead: Vec<DeadRange> = Vec::new();
        visit(view, tag::CERTIFICATE, from, to, |prefix, _| {
            if let Some(end) = after_prefix(prefix) {
                push(&mut dead, DeadRange { start: prefix.to_vec(), end });
            }
            Ok(dead.len() < RANGES_MAX)
        })?;
        let mut holes: Vec<DeadRange> = Vec::new();
        let mut more: Vec<DeadRange> = Vec::new();
        visit(view, tag::EXILE, from, to, |prefix, residence| {
            if let Some(end) = after_prefix(prefix) {
                let range = DeadRange { start: prefix.to_vec(), end };
                let evicted = view.get(&certificate_row(residence))?.is_some();
                if evicted { more.push(range) } else { holes.push(range) }
            }
            Ok(more.len() < RANGES_MAX)
        })?;
        if !holes.is_empty() {
            dead = without(dead, &holes);
        }
        if !more.is_empty() {
            more.append(&mut dead);
            more.sort_unstable_by(|a, b| a.start.cmp(&b.start));
            for range in more {
                push(&mut dead, range);
            }
        }
        Ok(dead)
    }

    fn deadline_ms(&self, key: &[u8], value: &[u8]) -> Option<u64> {
        let realm = self.realms.iter().find(|realm| Some(&realm.byte) == key.first())?;
        (realm.deadline_ms)(key, value)
    }

    fn now_ms(&self, horizon: Seqno) -> u64 {
        self.unsafe_rounds.lock().retain(|&(by, now_ms)| {
            let is_safe = by <= horizon;
            if is_safe {
                self.reaped_ms.fetch_max(now_ms, Ordering::SeqCst);
            }
            !is_safe
        });
        self.reaped_ms()
    }

    fn swept(&self, range: &DeadRange) {
        let Some(store) = self.store.get().and_then(Weak::upgrade) else { return };
        let (workers, range) = (store.workers().clone(), range.clone());
        // Not here: this is the thread of a compaction, and a commit may have to wait for compactions.
        workers.submit(Lane::Idle, move || {
            // Should it fail, the certificate stays and is swept again.
            let _ = retire(&store, &range);
        });
    }
}

/// Adds a range to sorted, disjoint ones, of which none begins after it.
fn push(ranges: &mut Vec<DeadRange>, range: DeadRange) {
    match ranges.last_mut() {
        Some(last) if range.start <= last.end => {
            if range.end > last.end {
                last.end = range.end;
            }
        }
        _ => ranges.push(range),
    }
}

/// Cuts sorted holes out of sorted, disjoint ranges.
fn without(ranges: Vec<DeadRange>, holes: &[DeadRange]) -> Vec<DeadRange> {
    let mut left = Vec::with_capacity(ranges.len() + holes.len());
    for mut range in ranges {
        let first = holes.partition_point(|hole| hole.end <= range.start);
        for hole in holes.iter().skip(first).take_while(|hole| hole.start < range.end) {
            if hole.start > range.start {
                let start = std::mem::take(&mut range.start);
                left.push(DeadRange { start, end: hole.start.clone() });
            }
            range.start.clone_from(&hole.end);
        }
        if range.start < range.end {
            left.push(range);
        }
    }
    left
}

/// Visits the rows of a tag whose prefix reaches into `from..=to`, in order, until told to stop.
fn visit(
    view: &engine::View,
    tag: u8,
    from: &[u8],
    to: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> engine::Result<bool>,
) -> engine::Result<()> {
    // Those that begin before `from` and reach into it: its own prefixes.
    for len in 1..from.len().min(PREFIX_BYTES_MAX + 1) {
        let prefix = &from[..len];
        if let Some(value) = view.get(&system_row(tag, prefix))? {
            each(prefix, &value)?;
        }
    }
    let (from, to) = (system_row(tag, from), system_row(tag, to));
    let mut scan = view.scan(Bound::Included(&from), Bound::Included(&to));
    scan.first()?;
    while scan.valid() {
        if !each(scan.key().get(2..).unwrap_or_default(), scan.value())? {
            break;
        }
        scan.next()?;
    }
    Ok(())
}

/// Removes the certificates that lie within a swept range, if indeed nothing is left of it: it may have been swept
/// from the tables while the memtable still held some.
fn retire(store: &Arc<Store>, range: &DeadRange) -> Result<()> {
    let view = store.db().view();
    let mut rows = view.scan(Bound::Included(&range.start), Bound::Excluded(&range.end));
    rows.first()?;
    if rows.valid() {
        return Ok(());
    }
    let residences = residences(&view)?;
    let mut gone: Vec<Vec<u8>> = Vec::new();
    for tag in [tag::CERTIFICATE, tag::EXILE] {
        let (from, to) = (system_row(tag, &range.start), system_row(tag, &range.end));
        let mut scan = view.scan(Bound::Included(&from), Bound::Excluded(&to));
        scan.first()?;
        while scan.valid() {
            let prefix = scan.key().get(2..).unwrap_or_default();
            let inside = after_prefix(prefix).is_some_and(|end| end <= range.end);
            let needed = tag == tag::CERTIFICATE && residences.iter().any(|residence| residence == prefix);
            if inside && !needed {
                gone.push(scan.key().to_vec());
            }
            scan.next()?;
        }
    }
    for rows in gone.chunks(BATCH_ROWS) {
        let mut batch = Batch::new();
        for row in rows {
            batch.delete(row);
        }
        store.db().commit(&batch)?;
    }
    Ok(())
}

/// Where exiles reside. They are few, and their certificates must outlast them.
fn residences(view: &engine::View) -> Result<Vec<Vec<u8>>> {
    let (from, to) = (system_row(tag::EXILE, &[]), system_row(tag::EXILE + 1, &[]));
    let mut scan = view.scan(Bound::Included(&from), Bound::Excluded(&to));
    let mut found: Vec<Vec<u8>> = Vec::new();
    scan.first()?;
    while scan.valid() {
        if !found.iter().any(|residence| residence == scan.value()) {
            found.push(scan.value().to_vec());
        }
        scan.next()?;
    }
    Ok(found)
}

/// At opening: what was being built when the last process ended was never linked.
pub(crate) fn bury_unlinked(db: &Db) -> Result<()> {
    let view = db.view();
    let (from, to) = (system_row(tag::UNLINKED, &[]), system_row(tag::UNLINKED + 1, &[]));
    let mut scan = view.scan(Bound::Included(&from), Bound::Excluded(&to));
    let mut batch = Batch::new();
    scan.first()?;
    while scan.valid() {
        batch.put_freeing(&certificate_row(scan.key().get(2..).unwrap_or_default()), &[VERSION]);
        batch.delete(scan.key());
        scan.next()?;
    }
    if !batch.is_empty() {
        db.commit(&batch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_may_undo_has_not_been_reaped() {
        let certificates = Certificates::new(&[]);
        certificates.reaped_until(500, 10);
        assert_eq!(certificates.now_ms(9), 0);
        certificates.reaped_until(600, 20);
        certificates.reaped_until(700, 30);
        assert_eq!(certificates.now_ms(10), 500);
        assert_eq!(certificates.now_ms(29), 500);
        assert_eq!(certificates.now_ms(30), 700);
    }
}
