//! What runs in the background, and what is to run next.
//!
//! Merges: each job picks one task, does it, and queues the next as long as there is something to pick. A task's
//! tables are *busy* from the pick to the end, and its keys are *claimed* on the levels it spans, so that tasks that
//! run at the same time never meet.
//!
//! A tick each second looks at what changes without a commit: rows that expire, ranges that die, writers that fall
//! silent. [`Background`] is the last in the lock order: nothing is locked while it is held.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::compaction::dead::Ranges;
use super::compaction::pick::{self, Claim, Dead, Manual, Moment, Step, Task};
use super::compaction::run;
use super::compaction::shape::Tree;
use super::error::{Error, Result};
use super::event::Event;
use super::flush;
use super::key::Seqno;
use super::rate::Rate;
use super::shared::Shared;
use super::version::{Edit, Version};
use super::view::{Tier, View};
use crate::workers::Lane;

/// How often it is looked at what changes without a commit.
const TICK: Duration = Duration::from_secs(1);
/// A survey that takes long is not made more often than once in so many times what it takes.
const SURVEY_REST: u64 = 20;
/// No commits for this many ticks: it is quiet.
const QUIET_TICKS: u32 = 5;
/// After a failure the next try is this far off, and twice as far each time.
const RETRY_MS_MIN: u64 = 100;
const RETRY_MS_MAX: u64 = 30_000;
/// How many certificates are looked after in a tick.
const SPENT_RANGES: usize = 1000;

/// The scheduling state.
#[derive(Default)]
pub(crate) struct Background {
    state: Mutex<State>,
    /// Signalled when a job ends.
    changed: Condvar,
    rate: Rate,
    /// Held while it is made; the first in the lock order.
    surveyed: Mutex<Survey>,
}

/// What the last look at the dead ranges found.
#[derive(Default)]
struct Survey {
    ranges: Ranges,
    /// The horizon at which it was made, and of which version.
    seen: Seqno,
    version: Weak<Version>,
    /// How many ranges of that version were looked at for being spent.
    told: usize,
    rest_until_ns: u64,
}

/// Behind the lock.
#[derive(Default)]
pub(crate) struct State {
    /// A flush is queued or running.
    pub(crate) flushing: bool,
    /// No more work is begun.
    pub(crate) closing: bool,
    /// The tasks that are queued or run.
    running: Vec<Task>,
    /// A retry is due: nothing is begun until then.
    retrying: bool,
    retry_ms: u64,
    /// How many picks there were.
    turn: u64,
    manual: Option<Manual>,
    /// As of the last survey, by table.
    dead: Vec<Dead>,
    /// As of the last survey.
    ranges: Ranges,
    /// The newest commit at the last tick, and for how many ticks it has been the newest.
    seen: Seqno,
    quiet_ticks: u32,
    ticking: bool,
    /// The last failure, until something succeeds.
    failure: Option<Error>,
}

impl State {
    fn claims(&self) -> Vec<Claim> {
        self.running.iter().map(Task::claim).collect()
    }

    fn busy(&self) -> HashSet<u64> {
        self.running.iter().flat_map(|task| task.inputs.iter().map(|(_, id)| *id)).collect()
    }

    fn is_idle(&self) -> bool {
        !self.flushing && self.running.is_empty()
    }
}

impl Background {
    pub(crate) fn new(bytes_per_s: Option<u64>) -> Self {
        Self { rate: Rate::new(bytes_per_s), ..Self::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What is dead, as of the last survey.
    pub(crate) fn dead_ranges(&self) -> Ranges {
        self.state.lock().ranges.clone()
    }

    pub(crate) fn end_flush(&self) {
        self.state.lock().flushing = false;
        self.changed.notify_all();
    }

    /// Spends bytes of the rate, and waits as long as it says.
    pub(crate) fn pace(&self, bytes: u64, shared: &Shared) {
        let clock = &shared.env.clock;
        let now = clock.monotonic_ns();
        let pause = self.rate.pause(bytes, now);
        if pause.is_zero() || shared.env.workers.is_manual() || shared.pressure.is_felt() {
            return;
        }
        let until = now + pause.as_nanos() as u64;
        let mut state = self.state.lock();
        while !state.closing {
            let now = clock.monotonic_ns();
            if now >= until {
                break;
            }
            self.changed.wait_for(&mut state, Duration::from_nanos(until - now));
        }
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.state.lock();
        state.retry_ms = 0;
        state.failure = None;
    }

    /// The last failure, until something succeeds.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.state.lock().failure.clone()
    }
}

/// Tells writers how much is to be done. Call whenever that changes.
pub(crate) fn refresh_pressure(shared: &Shared) {
    let current = shared.current.load();
    let mut debt = tree(&current.version).debt(&shared.limits);
    debt.memtable_bytes = current.sealed_bytes();
    shared.pressure.set(debt);
    shared.cache.pages().sizes_are(debt.total_bytes, shared.options.page_cache.unwrap_or(u64::MAX));
}

/// The tree of a version.
pub(crate) fn tree(version: &Version) -> Tree<'_> {
    Tree { levels: std::array::from_fn(|level| version.levels[level].iter().map(|t| t.meta()).collect()) }
}

/// Begins as many merges as there are threads for and as there is need for.
pub(crate) fn submit_compactions(shared: &Arc<Shared>) {
    refresh_pressure(shared);
    loop {
        let task = {
            let mut state = shared.background.lock();
            if state.closing || state.retrying || state.running.len() >= shared.env.workers.compactors() {
                return;
            }
            let Some(task) = pick_task(shared, &mut state) else { return };
            state.running.push(task.clone());
            task
        };
        let own = shared.clone();
        shared.env.workers.submit(Lane::Compact, move || {
            let runs = Runs(&own, &task);
            let closing = own.background.lock().closing;
            let done = if closing { Ok(()) } else { run::run(&own, &task) };
            if done.is_ok() {
                own.background.succeeded();
            }
            drop(runs);
            match done {
                Ok(()) => submit_compactions(&own),
                Err(error) => failed(&own, error),
            }
        });
    }
}

/// A task that runs; its end, also by a panic, frees what it claimed.
struct Runs<'a>(&'a Shared, &'a Task);

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        let background = &self.0.background;
        background.state.lock().running.retain(|other| other != self.1);
        background.changed.notify_all();
    }
}

fn pick_task(shared: &Arc<Shared>, state: &mut State) -> Option<Task> {
    if shared.progress.check().is_err() {
        return None;
    }
    // Loaded under the lock that ends tasks: no table of a task that has ended can be in here.
    let version = shared.current.load().version.clone();
    let tree = tree(&version);
    let horizon = shared.snapshots.horizon(|| shared.progress.durable());
    let (busy, claims) = (state.busy(), state.claims());
    state.turn += 1;
    let moment = Moment {
        limits: &shared.limits,
        horizon: horizon.seqno,
        now_ms: if horizon.held.is_empty() { shared.env.sweep.now_ms(horizon.seqno) } else { 0 },
        dead: &state.dead,
        busy: &busy,
        claims: &claims,
        quiet: state.quiet_ticks >= QUIET_TICKS,
        turn: state.turn,
    };
    if let Some(manual) = &state.manual {
        match pick::pick_manual(&tree, &moment, manual) {
            Step::Do(task, next) => {
                state.manual = Some(next);
                return Some(task);
            }
            Step::Wait => {}
            Step::Done => {
                state.manual = None;
                shared.background.changed.notify_all();
            }
        }
    }
    pick::pick(&tree, &moment)
}

/// Background work failed: what is wrong with the disk is noted, and it is tried again later.
pub(crate) fn failed(shared: &Arc<Shared>, error: Error) {
    if matches!(error, Error::Closed) || shared.progress.check().is_err() {
        // Not tried again; but closing waits for a flush, and must hear that it failed.
        shared.background.lock().failure = Some(error);
        shared.background.changed.notify_all();
        shared.pressure.wake();
        return;
    }
    let error = shared.note_disk_error(error);
    shared.stats.background_errors.add(1);
    shared.env.listener.event(&Event::BackgroundError { what: error.to_string() });
    let delay = {
        let mut state = shared.background.lock();
        state.failure = Some(error);
        shared.background.changed.notify_all();
        if state.retrying || state.closing {
            return;
        }
        state.retrying = true;
        state.retry_ms = (state.retry_ms * 2).clamp(RETRY_MS_MIN, RETRY_MS_MAX);
        state.retry_ms
    };
    shared.pressure.wake();
    let weak = Arc::downgrade(shared);
    shared.env.workers.after(Lane::Idle, Duration::from_millis(delay), move || {
        if let Some(shared) = weak.upgrade() {
            shared.background.lock().retrying = false;
            resume(&shared);
        }
    });
}

/// Begins whatever there is to do: after opening, and when the disk has room again.
pub(crate) fn resume(shared: &Arc<Shared>) {
    shared.background.lock().retrying = false;
    if !shared.current.load().sealed.is_empty() {
        flush::submit(shared);
    }
    submit_compactions(shared);
    let ticking = std::mem::replace(&mut shared.background.lock().ticking, true);
    if !ticking {
        tick_later(shared);
    }
}

fn tick_later(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    shared.env.workers.after(Lane::Idle, TICK, move || {
        if let Some(shared) = weak.upgrade()
            && shared.progress.check().is_ok()
            && !shared.background.lock().closing
        {
            tick(&shared);
            tick_later(&shared);
        }
    });
}

/// Looks at what changes without a commit.
fn tick(shared: &Arc<Shared>) {
    let published = shared.progress.published();
    let fell_silent = {
        let mut state = shared.background.lock();
        let same = state.seen == published;
        state.seen = published;
        state.quiet_ticks = if same { state.quiet_ticks.saturating_add(1) } else { 0 };
        state.quiet_ticks == QUIET_TICKS
    };
    if is_survey_due(shared)
        && let Err(error) = survey(shared)
    {
        failed(shared, error);
        return;
    }
    if let Err(error) = retire_marks(shared) {
        failed(shared, error);
        return;
    }
    // What is deleted takes no space only once the deletions have reached the tables, and what is dead no memory once the
    // rest has.
    let dead = shared.background.dead_ranges();
    shared.forget_kept(|memtable| dead.hold_most_of(memtable));
    let memtable = shared.current.load().memtable.clone();
    if memtable.bytes() > shared.limits.memtable / 16
        && (fell_silent || dead.hold_most_of(&memtable))
        && let Err(error) = shared.seal()
    {
        failed(shared, error);
    }
    submit_compactions(shared);
}

/// Learns which ranges are dead, and tells of those of which nothing is left.
fn survey(shared: &Arc<Shared>) -> Result<()> {
    let mut surveyed = shared.background.surveyed.lock();
    let start = shared.env.clock.monotonic_ns();
    let (horizon, held) = shared.snapshots.pin(|| shared.progress.durable());
    let view = shared.view_at(held.seqno(), Tier::Disk);
    let ranges = shared.env.sweep.dead_ranges(&view, &[], &[0xFF; 32])?;
    drop(held);
    let current = shared.current.load_full();
    surveyed.ranges.update(&ranges, horizon.seqno);
    let dead = surveyed.ranges.survey(&current.version, &current.marks, horizon.seqno);
    {
        let mut state = shared.background.lock();
        state.dead = dead;
        state.ranges = surveyed.ranges.clone();
    }
    // Whether anything is left of a range changes only with the tables.
    let version = Arc::downgrade(&current.version);
    if !surveyed.version.ptr_eq(&version) || surveyed.told < surveyed.ranges.len() {
        let skip = if surveyed.version.ptr_eq(&version) { surveyed.told } else { 0 };
        surveyed.told = skip + SPENT_RANGES;
        surveyed.version = version;
        for range in &surveyed.ranges.spent(&current.version, skip, SPENT_RANGES) {
            shared.env.sweep.swept(range);
        }
    }
    surveyed.seen = horizon.seqno;
    let now = shared.env.clock.monotonic_ns();
    surveyed.rest_until_ns = now + SURVEY_REST * (now - start);
    Ok(())
}

/// Lets go of the range marks that have nothing left to hide: what is older than they lies in tables, if anywhere.
fn retire_marks(shared: &Arc<Shared>) -> Result<()> {
    let current = shared.current.load_full();
    let outlived = current.marks.iter().filter(|mark| current.version.has_outlived(mark));
    let marks_removed: Vec<_> = outlived.cloned().collect();
    if marks_removed.is_empty() {
        return Ok(());
    }
    shared.apply(Edit { marks_removed, ..Edit::default() })
}

/// Whether a survey could tell anything new, and is not too soon after the last.
fn is_survey_due(shared: &Arc<Shared>) -> bool {
    let surveyed = shared.background.surveyed.lock();
    let same = surveyed.version.ptr_eq(&Arc::downgrade(&shared.current.load().version))
        && surveyed.seen == shared.snapshots.horizon(|| shared.progress.durable()).seqno
        && surveyed.told >= surveyed.ranges.len();
    !same && shared.env.clock.monotonic_ns() >= surveyed.rest_until_ns
}

/// Merges what lies between two keys, both included, down to the last level, and waits for it.
pub(crate) fn compact_range(shared: &Arc<Shared>, from: Option<&[u8]>, to: Option<&[u8]>) -> Result<()> {
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Error::invalid("a range to compact ends before it starts"));
    }
    shared.seal()?;
    wait_flushed(shared)?;
    survey(shared)?;
    let wanted = Manual {
        from: from.map(<[u8]>::to_vec),
        to: to.map(<[u8]>::to_vec),
        level: 0,
        done: None,
        upto: shared.files.next_number(),
    };
    // One at a time.
    wait_until(shared, |state| state.manual.is_none())?;
    shared.background.lock().manual = Some(wanted);
    submit_compactions(shared);
    wait_until(shared, |state| state.manual.is_none())
}

/// Waits until nothing that is sealed now is left to flush. Also while closing.
pub(crate) fn wait_flushed(shared: &Arc<Shared>) -> Result<()> {
    let newest = shared.current.load().sealed.first().map(|memtable| memtable.log());
    let Some(newest) = newest else { return Ok(()) };
    let left = |shared: &Shared| shared.current.load().sealed.iter().any(|memtable| memtable.log() <= newest);
    while left(shared) {
        shared.progress.check_poison()?;
        shared.background.lock().failure = None;
        flush::submit(shared);
        wait_until(shared, |state| !state.flushing)?;
        if let Some(failure) = shared.background.failure().filter(|_| left(shared)) {
            return Err(failure);
        }
    }
    Ok(())
}

/// Waits until nothing is left to do in the background.
pub(crate) fn wait_idle(shared: &Arc<Shared>) -> Result<()> {
    loop {
        shared.background.lock().failure = None;
        if !shared.current.load().sealed.is_empty() {
            flush::submit(shared);
        }
        submit_compactions(shared);
        wait_until(shared, State::is_idle)?;
        if shared.current.load().sealed.is_empty() && shared.background.lock().is_idle() {
            return Ok(());
        }
        if let Some(failure) = shared.background.failure() {
            return Err(failure);
        }
    }
}

fn wait_until(shared: &Arc<Shared>, mut done: impl FnMut(&State) -> bool) -> Result<()> {
    let mut state = shared.background.lock();
    loop {
        if done(&state) {
            return Ok(());
        }
        shared.progress.check_poison()?;
        if let Some(failure) = state.failure.as_ref().filter(|_| state.is_idle()) {
            return Err(failure.clone());
        }
        if !shared.env.workers.help(&mut state, &shared.background.changed, Duration::from_millis(200)) {
            // Without threads, and with nothing to run, nothing will change.
            return if done(&state) { Ok(()) } else { Err(Error::invalid("there is nothing left to run")) };
        }
    }
}

/// Begins nothing more, and waits for what runs.
pub(crate) fn close(shared: &Arc<Shared>) {
    let mut state = shared.background.lock();
    state.closing = true;
    state.manual = None;
    shared.background.changed.notify_all();
    while !state.is_idle() {
        if !shared.env.workers.help(&mut state, &shared.background.changed, Duration::from_millis(200)) {
            return;
        }
    }
}

impl Shared {
    /// A view of a moment that is registered as a snapshot.
    pub(crate) fn view_at(self: &Arc<Self>, seqno: Seqno, tier: Tier) -> View {
        View::take(self, || seqno).with_tier(tier)
    }
}
