//! What the protocols share: rows by realm, key locks, transactions, deadlines, ids that are never reused, and the
//! death of many rows at the price of one.
//!
//! [`Store::view`] pins a moment for reading; [`Store::txn`] locks keys and collects one batch. Both are [`Reads`].

mod certificates;
mod deadline;
mod error;
mod ids;
mod locks;
mod overlay;
mod ranked;
mod realm;
mod reaper;
mod txn;
mod view;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Poll, Waker};

use certificates::Certificates;
use ids::Ids;
use locks::Locks;
use ranked::Directories;
use reaper::Reaper;
use watch::Watches;

pub use deadline::{DUE_MS_MAX, KIND as DEADLINE_KIND, Reap, Reaped, index_row, parse_index_row};
pub use error::{Error, Lack, Result};
pub use locks::{LockKey, LockSet, Stripe};
pub use ranked::Ranked;
pub use realm::{DYNAMO, FORMAT_VERSION, REDIS, SYSTEM, after_prefix, put_ordered, realm_row, take_ordered};
pub use reaper::GRACE_MS;
pub use txn::{Committed, Note, Savepoint, Txn};
pub use view::{Reads, RowScan, Snapshot, View};
pub use watch::Watch;

use crate::clock::Clock;
use crate::engine::{self, Db};
pub use crate::engine::{Batch, Env, Error as EngineError, Fsync, Miss, Options, Seqno, TOUCHED_MAX, Tier};
use crate::workers::Workers;
use realm::{put_ordered as put_number, system_row, tag, take_ordered as take_number};

/// What the store must know of a realm's rows.
#[derive(Clone, Copy)]
pub struct Realm {
    /// The first byte of its rows.
    pub byte: u8,
    /// A row's deadline, from its key and value, in Unix milliseconds.
    pub deadline_ms: fn(&[u8], &[u8]) -> Option<u64>,
}

/// An open store.
pub struct Store {
    db: Db,
    clock: Arc<dyn Clock>,
    workers: Arc<Workers>,
    locks: Arc<Locks>,
    ids: Ids,
    watches: Arc<Watches>,
    certificates: Arc<Certificates>,
    directories: Directories,
    reaper: Reaper,
    /// The classes of events that transactions note.
    noted: AtomicU32,
    /// Whether transactions tell the names of the keys that they touched.
    named: AtomicBool,
    /// The largest `now` anybody was told, in Unix milliseconds.
    now_ms: AtomicU64,
    /// The largest `now` in the log, in Unix milliseconds.
    logged_ms: AtomicU64,
}

/// The part of the memory that the directories of planes by rank may take.
const DIRECTORIES_PART: u64 = 32;

/// How far the logged `now` may lag behind, in milliseconds.
const CLOCK_LAG_MS: u64 = 1000;

impl Store {
    /// Opens or creates the store in a directory.
    pub fn open(mut env: Env, dir: &Path, mut options: Options, realms: &[Realm]) -> Result<Arc<Self>> {
        let directories_bytes = options.memory / DIRECTORIES_PART;
        options.memory -= directories_bytes;
        let directories = Directories::new(usize::try_from(directories_bytes).unwrap_or(usize::MAX));
        let certificates = Certificates::new(realms);
        env.sweep = certificates.clone();
        let (clock, workers) = (env.clock.clone(), env.workers.clone());
        let db = Db::open_with(env, dir, options)?;
        check_format(&db)?;
        let logged_ms = match db.get(&system_row(tag::CLOCK, &[]))? {
            None => 0,
            Some(value) => take_number(&mut &value[..]).ok_or(Error::Damaged("the clock"))?,
        };
        certificates::bury_unlinked(&db)?;
        let ids = Ids::open(&db)?;
        let store = Arc::new(Self {
            db,
            clock,
            workers,
            locks: Locks::new(),
            ids,
            watches: Watches::new(),
            certificates,
            directories,
            reaper: Reaper::default(),
            noted: AtomicU32::new(0),
            named: AtomicBool::new(false),
            now_ms: AtomicU64::new(logged_ms),
            logged_ms: AtomicU64::new(logged_ms),
        });
        store.certificates.attach(&store);
        reaper::tick_regularly(&store);
        Ok(store)
    }

    /// The engine underneath: durability, maintenance, statistics.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The threads.
    pub fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// The time: the clock's, or the largest this store ever saw, should the clock have been set back.
    pub fn now_ms(&self) -> u64 {
        let now = self.clock.now_ms();
        let seen = self.now_ms.load(Ordering::Relaxed);
        if now > seen { self.now_ms.fetch_max(now, Ordering::Relaxed).max(now) } else { seen }
    }

    /// A moment to read: of what no crash can undo, but at least of commit `floor`, the caller's own last one.
    pub fn view(&self, floor: Seqno, tier: Tier) -> View {
        View { rows: self.db.view_acknowledged(floor).with_tier(tier), now_ms: self.now_ms() }
    }

    /// The newest moment, whether durable or not.
    pub fn view_newest(&self, tier: Tier) -> View {
        View { rows: self.db.view().with_tier(tier), now_ms: self.now_ms() }
    }

    /// The newest moment, to come back to.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { rows: self.db.snapshot(), now_ms: self.now_ms() }
    }

    /// A transaction on these keys. In the cached tier it only tries their locks, and is refused where its commit might
    /// have to wait for the background.
    pub fn txn(self: &Arc<Self>, keys: LockSet, tier: Tier) -> Result<Txn> {
        match tier {
            Tier::Cached if self.db.is_pressed() => return Err(Error::WouldWait(None)),
            Tier::Cached => {}
            Tier::Disk => self.db.wait_for_pace(),
        }
        self.reading(keys, tier)
    }

    /// A transaction on these keys that will change nothing: it sees what is newest, and nobody changes it meanwhile.
    pub fn reading(self: &Arc<Self>, keys: LockSet, tier: Tier) -> Result<Txn> {
        let held = self.locks.lock(keys, tier == Tier::Disk);
        let held = held.map_err(|stripe| Error::WouldWait(Some(Lack::Lock(stripe))))?;
        // After the last lock: whoever held one of them before is in this view.
        let view = self.view_newest(tier).for_update();
        Ok(Txn::new(self.clone(), view, held))
    }

    /// Ready if a lock is free that was not; else wakes when that may have changed. Whoever is woken tries again.
    pub fn poll_free(&self, stripe: Stripe, waker: &Waker) -> Poll<()> {
        self.locks.poll_free(stripe, waker)
    }

    /// A counter's newest value.
    pub fn counter(&self, counter: u64) -> i64 {
        self.db.counter(counter)
    }

    /// Everything due by then has been dealt with, in Unix milliseconds.
    pub fn settled_ms(&self) -> u64 {
        self.certificates.reaped_ms()
    }

    /// A client's watch list.
    pub fn watch(&self) -> Watch {
        Watch::new(self.watches.clone())
    }

    /// The keys that are watched in a group and not known to have changed: their names, and what they are locked by.
    pub fn watched(&self, group: u16) -> Vec<(Box<[u8]>, LockKey)> {
        self.watches.of_group(group)
    }

    /// Has transactions note events of these classes, each a bit, from now on.
    pub fn set_noted(&self, classes: u32) {
        self.noted.store(classes, Ordering::Relaxed);
    }

    /// Whether events of one of these classes are noted.
    pub fn is_noted(&self, classes: u32) -> bool {
        self.noted.load(Ordering::Relaxed) & classes != 0
    }

    /// Has transactions tell the names of the keys that they touch, or not. One that is under way may hold to what was said
    /// before: whoever needs all names takes all locks once ([`LockSet::all`]), after which there is none.
    pub fn set_named(&self, named: bool) {
        self.named.store(named, Ordering::Relaxed);
    }

    /// Whether they do.
    pub fn is_named(&self) -> bool {
        self.named.load(Ordering::Relaxed)
    }

    /// The `now` that a commit should log, if it is time again.
    fn now_to_log(&self, now_ms: u64) -> Option<u64> {
        let logged = self.logged_ms.load(Ordering::Relaxed);
        if now_ms < logged + CLOCK_LAG_MS {
            return None;
        }
        let won =
            self.logged_ms.compare_exchange(logged, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        won.then_some(now_ms)
    }

    /// Stops background work and closes the engine.
    pub fn close(&self) -> Result<()> {
        Ok(self.db.close()?)
    }
}

/// Refuses rows of a newer version; marks a new store.
fn check_format(db: &Db) -> Result<()> {
    let row = system_row(tag::FORMAT, &[]);
    match db.get(&row)?.as_deref() {
        Some(&[FORMAT_VERSION]) => Ok(()),
        Some(&[newer]) if newer > FORMAT_VERSION => Err(Error::Engine(engine::Error::Invalid(format!(
            "the data is of format {newer}, and this program reads up to format {FORMAT_VERSION}"
        )))),
        Some(_) => Err(Error::Damaged("the format row")),
        None => {
            let mut batch = Batch::new();
            batch.put(&row, &[FORMAT_VERSION]);
            let mut first = Vec::new();
            put_number(&mut first, 1);
            batch.put(&system_row(tag::IDS, &[]), &first);
            db.commit(&batch)?;
            Ok(())
        }
    }
}
