//! Threads, behind a door: real ones, or none, with the jobs stepped by hand.
//!
//! Every job has a [`Lane`]. With real workers each lane has its own thread (compaction several), so that a sync
//! never waits behind a compaction. With [`Workers::manual`] nothing runs until [`Workers::step`], in the order of
//! submission; whoever must wait for a job calls [`Workers::help`] instead of sleeping.

#![expect(clippy::disallowed_methods, reason = "this is the door to threads")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// What kind of work a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Making the log durable.
    Sync,
    /// Writing memtables to tables.
    Flush,
    /// Merging tables.
    Compact,
    /// Everything that may take its time: reaping, recounting, verifying.
    Idle,
}

const LANES: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. Dropping the last handle lets queued jobs finish and joins.
pub struct Workers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    manual: bool,
}

struct Shared {
    state: Mutex<State>,
    /// One per lane, so that a job wakes just the thread that will run it.
    changed: [Condvar; LANES],
}

#[derive(Default)]
struct State {
    queues: [VecDeque<Job>; LANES],
    /// Manual only: the order in which lanes got their jobs.
    order: VecDeque<Lane>,
    closing: bool,
}

impl Workers {
    /// Real threads: one for syncing, one for flushing, `compactors` (at least 1) for compaction, one for the rest.
    pub fn threads(compactors: usize) -> Arc<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Default::default() });
        let lanes = [(Lane::Sync, 1), (Lane::Flush, 1), (Lane::Compact, compactors.max(1)), (Lane::Idle, 1)];
        let threads = lanes
            .iter()
            .flat_map(|&(lane, n)| std::iter::repeat_n(lane, n))
            .filter_map(|lane| {
                let shared = shared.clone();
                let name = format!("silt-{lane:?}").to_lowercase();
                std::thread::Builder::new().name(name).spawn(move || shared.run(lane)).ok()
            })
            .collect();
        Arc::new(Self { shared, threads: Mutex::new(threads), manual: false })
    }

    /// No threads: jobs wait for [`Workers::step`].
    pub fn manual() -> Arc<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Default::default() });
        Arc::new(Self { shared, threads: Mutex::default(), manual: true })
    }

    /// Whether jobs are stepped by hand.
    pub fn is_manual(&self) -> bool {
        self.manual
    }

    /// Queues a job.
    pub fn submit(&self, lane: Lane, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.state.lock();
        state.queues[lane as usize].push_back(Box::new(job));
        if self.manual {
            state.order.push_back(lane);
        }
        self.shared.changed[lane as usize].notify_one();
    }

    /// Manual: runs the oldest job; false if there was none. Real threads: false.
    pub fn step(&self) -> bool {
        let mut state = self.shared.state.lock();
        let Some(lane) = state.order.pop_front() else { return false };
        let job = state.queues[lane as usize].pop_front();
        drop(state);
        if let Some(job) = job {
            job();
        }
        true
    }

    /// Manual: runs jobs until none is left.
    pub fn run_all(&self) {
        while self.step() {}
    }

    /// Waits on `condvar` for news, for at most `timeout`; without threads runs one job instead, unlocked.
    /// Returns false if, without threads, there was nothing to run: waiting longer would be for ever.
    pub fn help<T>(
        &self,
        guard: &mut parking_lot::MutexGuard<'_, T>,
        condvar: &Condvar,
        timeout: Duration,
    ) -> bool {
        if self.manual {
            parking_lot::MutexGuard::unlocked(guard, || self.step())
        } else {
            condvar.wait_for(guard, timeout);
            true
        }
    }
}

impl Shared {
    fn run(&self, lane: Lane) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queues[lane as usize].pop_front() {
                parking_lot::MutexGuard::unlocked(&mut state, || {
                    // A job that panics has its own guard that poisons what it left half-done; the thread lives on.
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                });
            } else if state.closing {
                return;
            } else {
                self.changed[lane as usize].wait(&mut state);
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.state.lock().closing = true;
        for changed in &self.shared.changed {
            changed.notify_all();
        }
        let own = std::thread::current().id();
        for thread in self.threads.lock().drain(..) {
            // The last handle may die inside one of our own jobs.
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
    }
}
