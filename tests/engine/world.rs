//! A world held in the hand: a disk in memory, a clock that is moved, workers that are stepped.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use siltstone::clock::ManualClock;
use siltstone::engine::{Db, Env, Event, NoSweep, Options, Result};
use siltstone::vfs::faulty::FaultyVfs;
use siltstone::vfs::memory::MemoryVfs;
use siltstone::workers::Workers;

/// Where the database lives.
pub(crate) const DIR: &str = "/db";

pub(crate) struct World {
    pub(crate) memory: MemoryVfs,
    pub(crate) faulty: FaultyVfs,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

impl World {
    /// Nothing but an empty disk.
    pub(crate) fn new() -> Self {
        Self::on(MemoryVfs::new())
    }

    /// A new process on a disk.
    pub(crate) fn on(memory: MemoryVfs) -> Self {
        let clock = Arc::new(ManualClock::default());
        Self {
            faulty: FaultyVfs::new(Arc::new(memory.clone())),
            memory,
            workers: Workers::manual_with(clock.clone()),
            clock,
            events: Arc::default(),
        }
    }

    pub(crate) fn env(&self) -> Env {
        let events = self.events.clone();
        Env {
            vfs: Arc::new(self.faulty.clone()),
            clock: self.clock.clone(),
            workers: self.workers.clone(),
            listener: Arc::new(move |event: &Event| events.lock().push(event.clone())),
            sweep: Arc::new(NoSweep),
        }
    }

    pub(crate) fn open(&self, options: &Options) -> Result<Db> {
        Db::open_with(self.env(), Path::new(DIR), options.clone())
    }

    /// Whether an event was seen for which `is` holds.
    pub(crate) fn saw(&self, is: impl Fn(&Event) -> bool) -> bool {
        self.events.lock().iter().any(is)
    }
}

/// The process is gone, and what it had yet to do.
impl Drop for World {
    fn drop(&mut self) {
        self.workers.discard();
    }
}

/// The smallest sizes there are, so that a few hundred rows flush and compact.
pub(crate) fn small() -> Options {
    Options { memory: 8 << 20, memtable: Some(1), table: Some(1), block: 1024, ..Options::default() }
}

/// What kind of event it is, by name.
pub(crate) fn kind_of(event: &Event) -> String {
    format!("{event:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
}

/// A number from the environment, for longer runs.
pub(crate) fn number_from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}
