//! Threads, behind a door: real ones, or none, with the jobs stepped by hand.
//!
//! Every job has a [`Lane`]. With real workers each lane has its own thread (compaction several), so that a sync
//! never waits behind a compaction. With [`Workers::manual`] nothing runs until [`Workers::step`], in the order of
//! submission; whoever must wait for a job calls [`Workers::help`] instead of sleeping.
//!
//! [`Workers::after`] queues a job once some time has passed: by one timer thread, or, without threads, in the
//! first step after the clock has come so far. Timers still pending when the workers go away never fire.
//!
//! A job that panics is reported to those who asked ([`Workers::on_panic`]), so that a database can refuse further
//! writes; its thread lives on. Without threads the panic goes through to whoever steps.

#![expect(clippy::disallowed_methods, reason = "this is the door to threads")]

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::clock::Clock;

/// What kind of work a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Making the log durable.
    Sync,
    /// Writing memtables to tables.
    Flush,
    /// Merging tables.
    Compact,
    /// Touching memory that commits will soon want. A job is short, and comes too late behind a long one.
    Memory,
    /// Everything that may take its time: reaping, recounting, verifying.
    Idle,
}

const LANES: usize = 5;

/// How much less urgent than other threads those are that flush, merge and tidy up, as [`nice(2)`] counts it: with it they
/// have a quarter of a core that two of them want. Much less, and writers would soon wait for them.
///
/// [`nice(2)`]: https://man7.org/linux/man-pages/man2/nice.2.html
const NICER: i32 = 5;

type Job = Box<dyn FnOnce() + Send>;
type PanicListener = Arc<dyn Fn(Lane, &str) + Send + Sync>;

/// The threads. Dropping the last handle lets queued jobs finish and joins.
pub struct Workers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    kind: WorkersKind,
    compactors: usize,
}

enum WorkersKind {
    Threads,
    /// Stepped by hand; without a clock no timer ever fires.
    Manual(Option<Arc<dyn Clock>>),
}

struct Shared {
    state: Mutex<State>,
    /// One per lane, so that a job wakes just the thread that will run it.
    changed: [Condvar; LANES],
    timer: Condvar,
    start: Instant,
    panic_listeners: Mutex<Vec<PanicListener>>,
}

#[derive(Default)]
struct State {
    queues: [VecDeque<Job>; LANES],
    /// Manual only: the order in which lanes got their jobs.
    order: VecDeque<Lane>,
    /// By the moment they are due (nanoseconds) and, among equals, by the order in which they were set.
    timers: BTreeMap<(u64, u64), (Lane, Job)>,
    timers_set: u64,
    closing: bool,
}

impl State {
    fn push(&mut self, lane: Lane, job: Job) {
        self.queues[lane as usize].push_back(job);
    }

    /// Takes the first timer that is due.
    fn take_due(&mut self, now_ns: u64) -> Option<(Lane, Job)> {
        let first = self.timers.first_entry()?;
        (first.key().0 <= now_ns).then(|| first.remove())
    }
}

impl Workers {
    /// Real threads: one for syncing, one for flushing, `compactors` (at least 1) for compaction, one for memory, one
    /// for the rest, one for timers.
    ///
    /// # Panics
    /// If the system gives no threads: nothing has been opened or written yet.
    pub fn threads(compactors: usize) -> Arc<Self> {
        let shared = Arc::new(Shared::default());
        let compactors = compactors.max(1);
        let lanes = [
            (Lane::Sync, 1),
            (Lane::Flush, 1),
            (Lane::Compact, compactors),
            (Lane::Memory, 1),
            (Lane::Idle, 1),
        ];
        let mut threads: Vec<_> = lanes
            .iter()
            .flat_map(|&(lane, n)| std::iter::repeat_n(lane, n))
            .map(|lane| {
                let shared = shared.clone();
                spawn(format!("silt-{lane:?}").to_lowercase(), move || {
                    if !matches!(lane, Lane::Sync | Lane::Memory) {
                        give_way();
                    }
                    shared.run(lane);
                })
            })
            .collect();
        let timed = shared.clone();
        threads.push(spawn("silt-timer".to_owned(), move || timed.run_timers()));
        Arc::new(Self { shared, threads: Mutex::new(threads), kind: WorkersKind::Threads, compactors })
    }

    /// No threads: jobs wait for [`Workers::step`]. Time stands still: no timer fires.
    pub fn manual() -> Arc<Self> {
        Self::by_hand(None)
    }

    /// No threads: jobs wait for [`Workers::step`], timers for a step after the clock has come so far.
    pub fn manual_with(clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::by_hand(Some(clock))
    }

    fn by_hand(clock: Option<Arc<dyn Clock>>) -> Arc<Self> {
        let kind = WorkersKind::Manual(clock);
        Arc::new(Self { shared: Arc::default(), threads: Mutex::default(), kind, compactors: 1 })
    }

    /// Whether jobs are stepped by hand.
    pub fn is_manual(&self) -> bool {
        matches!(self.kind, WorkersKind::Manual(_))
    }

    /// How many merges can run at the same time.
    pub fn compactors(&self) -> usize {
        self.compactors
    }

    /// Forgets all jobs and timers that have not begun, as a process that dies does. Jobs may hold what holds these
    /// workers, so a simulation that is done must do this, or none of it is ever freed.
    pub fn discard(&self) {
        // Dropped outside of the lock: what a job held may come back here.
        let _jobs = std::mem::take(&mut *self.shared.state.lock());
    }

    /// Queues a job.
    pub fn submit(&self, lane: Lane, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.state.lock();
        state.push(lane, Box::new(job));
        if self.is_manual() {
            state.order.push_back(lane);
        }
        self.shared.changed[lane as usize].notify_one();
    }

    /// Queues a job once `delay` has passed.
    pub fn after(&self, lane: Lane, delay: Duration, job: impl FnOnce() + Send + 'static) {
        let due = self.now_ns().saturating_add(delay.as_nanos() as u64);
        let mut state = self.shared.state.lock();
        state.timers_set += 1;
        let key = (due, state.timers_set);
        state.timers.insert(key, (lane, Box::new(job)));
        self.shared.timer.notify_one();
    }

    /// Asks to be told of jobs that panic: their lane and what they said. Called on the thread of the job.
    pub fn on_panic(&self, call: impl Fn(Lane, &str) + Send + Sync + 'static) {
        self.shared.panic_listeners.lock().push(Arc::new(call));
    }

    fn now_ns(&self) -> u64 {
        match &self.kind {
            WorkersKind::Threads => self.shared.now_ns(),
            WorkersKind::Manual(clock) => clock.as_ref().map_or(0, |c| c.monotonic_ns()),
        }
    }

    /// Manual: runs the oldest job or, if there is none, the first timer that is due; false if there was neither.
    /// Real threads: false.
    pub fn step(&self) -> bool {
        let WorkersKind::Manual(clock) = &self.kind else { return false };
        let mut state = self.shared.state.lock();
        let (lane, job) = if let Some(lane) = state.order.pop_front() {
            (lane, state.queues[lane as usize].pop_front())
        } else if let Some((lane, job)) = clock.as_ref().and_then(|c| state.take_due(c.monotonic_ns())) {
            (lane, Some(job))
        } else {
            return false;
        };
        drop(state);
        if let Some(Err(panic)) = job.map(|job| self.shared.call(lane, job)) {
            std::panic::resume_unwind(panic);
        }
        true
    }

    /// Manual: runs jobs until none is left.
    pub fn run_all(&self) {
        while self.step() {}
    }

    /// Waits on `condvar` for news, for at most `timeout`; without threads runs one job instead, unlocked.
    /// Returns false if, without threads, there was nothing to run: waiting longer would be for ever.
    pub fn help<T>(&self, guard: &mut MutexGuard<'_, T>, condvar: &Condvar, timeout: Duration) -> bool {
        if self.is_manual() {
            MutexGuard::unlocked(guard, || self.step())
        } else {
            condvar.wait_for(guard, timeout);
            true
        }
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name(name).spawn(run).expect("the system gives us the threads we start with")
}

/// Lets threads on whose answers somebody waits go before this one, where there are not enough cores for all.
fn give_way() {
    // Of the calling thread alone, as Linux takes it. Where that is refused, all are equal.
    if let Ok(now) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, now + NICER);
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: Default::default(),
            timer: Condvar::new(),
            start: Instant::now(),
            panic_listeners: Mutex::default(),
        }
    }
}

impl Shared {
    fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn run(&self, lane: Lane) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queues[lane as usize].pop_front() {
                MutexGuard::unlocked(&mut state, || {
                    // Reported already; what the job left half-done is for the listeners to judge.
                    let _ = self.call(lane, job);
                });
            } else if state.closing {
                return;
            } else {
                self.changed[lane as usize].wait(&mut state);
            }
        }
    }

    /// Runs a job and, if it panics, tells the listeners.
    fn call(&self, lane: Lane, job: Job) -> Result<(), Box<dyn Any + Send>> {
        catch_unwind(AssertUnwindSafe(job)).inspect_err(|panic| {
            let said = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
                (Some(said), _) => said,
                (None, Some(said)) => said.as_str(),
                (None, None) => "no message",
            };
            let listeners = self.panic_listeners.lock().clone();
            for listener in listeners {
                listener(lane, said);
            }
        })
    }

    fn run_timers(&self) {
        let mut state = self.state.lock();
        while !state.closing {
            let now = self.now_ns();
            if let Some((lane, job)) = state.take_due(now) {
                state.push(lane, job);
                self.changed[lane as usize].notify_one();
            } else if let Some((&(due, _), _)) = state.timers.first_key_value() {
                self.timer.wait_for(&mut state, Duration::from_nanos(due - now));
            } else {
                self.timer.wait(&mut state);
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.closing = true;
        // Jobs may hold what, dropped, comes back to us: not under the lock.
        let timers = std::mem::take(&mut state.timers);
        drop(state);
        drop(timers);
        self.shared.timer.notify_all();
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn by_hand_jobs_run_in_the_order_they_came() {
        let workers = Workers::manual();
        let (tell, told) = mpsc::channel();
        for (lane, n) in [(Lane::Idle, 1), (Lane::Sync, 2), (Lane::Idle, 3)] {
            let tell = tell.clone();
            workers.submit(lane, move || tell.send(n).unwrap());
        }
        workers.after(Lane::Sync, Duration::ZERO, || panic!("time stands still"));
        workers.run_all();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert!(!workers.step());
    }

    #[test]
    fn by_hand_timers_fire_once_the_clock_has_come_so_far() {
        let clock = Arc::new(ManualClock::default());
        let workers = Workers::manual_with(clock.clone());
        let (tell, told) = mpsc::channel();
        for ms in [20, 10, 10] {
            let tell = tell.clone();
            workers.after(Lane::Sync, Duration::from_millis(ms), move || tell.send(ms).unwrap());
        }
        clock.advance_ms(9);
        assert!(!workers.step());
        clock.advance_ms(1);
        workers.run_all();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [10, 10]);
        clock.advance_ms(100);
        workers.run_all();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [20]);
    }

    #[test]
    fn threads_run_jobs_and_timers_and_finish_what_is_queued() {
        let workers = Workers::threads(2);
        let (tell, told) = mpsc::channel();
        let timed = tell.clone();
        workers.after(Lane::Idle, Duration::from_millis(1), move || timed.send(0).unwrap());
        assert_eq!(told.recv().unwrap(), 0);
        workers.after(Lane::Idle, Duration::from_hours(1), || panic!("never"));
        for n in 1..100 {
            let tell = tell.clone();
            workers.submit(Lane::Compact, move || tell.send(n).unwrap());
        }
        drop(workers);
        assert_eq!(told.try_iter().count(), 99);
    }

    #[test]
    fn a_panic_is_reported_and_the_thread_lives_on() {
        let workers = Workers::threads(1);
        let (tell, told) = mpsc::channel();
        let heard = tell.clone();
        workers.on_panic(move |lane, said| heard.send(format!("{lane:?} {said}")).unwrap());
        workers.submit(Lane::Flush, || panic!("at {}", 7));
        workers.submit(Lane::Flush, move || tell.send("next".to_owned()).unwrap());
        assert_eq!(told.recv().unwrap(), "Flush at 7");
        assert_eq!(told.recv().unwrap(), "next");
    }
}
