//! What INFO, SLOWLOG and LATENCY tell: counted where it happens, in counters of each event loop's own, and summed
//! when somebody asks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::command::Lookups;
use super::table::table;
use crate::metrics::{Counter, Histogram};

/// How one command fared.
#[derive(Default)]
pub(crate) struct CommandStats {
    /// Calls that ran, to success or failure.
    pub(crate) calls: Counter,
    /// Nanoseconds they took.
    pub(crate) spent_ns: Counter,
    /// Refused before running: arity, authentication …
    pub(crate) rejected: Counter,
    /// Ran and answered with an error.
    pub(crate) failed: Counter,
    /// How long each took, once it was called.
    latency: OnceLock<Box<Histogram>>,
}

impl CommandStats {
    /// Counts a call.
    pub(crate) fn ran(&self, spent_ns: u64, failed: bool) {
        self.calls.increment();
        self.spent_ns.add(spent_ns);
        if failed {
            self.failed.increment();
        }
        self.latency.get_or_init(Box::default).record_ns(spent_ns);
    }

    /// How long calls took, if there were any.
    pub(crate) fn latency(&self) -> Option<&Histogram> {
        self.latency.get().map(AsRef::as_ref)
    }

    fn reset(&self) {
        for counter in [&self.calls, &self.spent_ns, &self.rejected, &self.failed] {
            counter.reset();
        }
        if let Some(latency) = self.latency.get() {
            latency.reset();
        }
    }
}

/// The counters of one event loop, or of everybody summed.
pub(crate) struct LoopStats {
    /// By the commands' numbers in the table.
    pub(crate) commands: Vec<CommandStats>,
    /// Keys that were looked for and found.
    pub(crate) hits: Counter,
    /// Keys that were looked for in vain.
    pub(crate) misses: Counter,
    /// Bytes received.
    pub(crate) bytes_in: Counter,
    /// Bytes sent.
    pub(crate) bytes_out: Counter,
    /// Runs that were moved off the event loop.
    pub(crate) moved: Counter,
}

impl Default for LoopStats {
    fn default() -> Self {
        let commands = (0..table().len()).map(|_| CommandStats::default()).collect();
        Self {
            commands,
            hits: Counter::default(),
            misses: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            moved: Counter::default(),
        }
    }
}

impl LoopStats {
    /// Counts the keys that a command looked for.
    pub(crate) fn looked_up(&self, lookups: &Lookups) {
        for (counter, n) in [(&self.hits, lookups.hits.get()), (&self.misses, lookups.misses.get())] {
            if n > 0 {
                counter.add(n);
            }
        }
    }
}

/// A command that took long.
#[derive(Clone, Debug)]
pub(crate) struct Slow {
    pub(crate) id: u64,
    pub(crate) at_ms: u64,
    pub(crate) spent_us: u64,
    pub(crate) words: Vec<Vec<u8>>,
    pub(crate) client: String,
    pub(crate) name: String,
}

/// The longest slow log kept.
pub(crate) const SLOWLOG_LEN: usize = 128;
/// How much of a slow command is kept.
pub(crate) const SLOW_WORDS: usize = 32;
pub(crate) const SLOW_WORD_BYTES: usize = 128;
/// Samples kept of each latency event.
const LATENCY_SAMPLES: usize = 160;

/// Everything counted.
#[derive(Default)]
pub(crate) struct Stats {
    loops: Mutex<Vec<Arc<LoopStats>>>,
    /// Connections accepted.
    pub(crate) connections: Counter,
    /// Connections refused.
    pub(crate) refused: Counter,
    /// Error replies, by code: `ERR`, `WRONGTYPE` …
    errors: Mutex<BTreeMap<String, u64>>,
    slow: Mutex<VecDeque<Slow>>,
    slow_id: AtomicU64,
    /// Latency events: when (Unix seconds) and how long (milliseconds).
    events: Mutex<BTreeMap<&'static str, VecDeque<(u64, u64)>>>,
}

impl Stats {
    /// Counters for another event loop.
    pub(crate) fn new_loop(&self) -> Arc<LoopStats> {
        let stats = Arc::new(LoopStats::default());
        self.loops.lock().push(stats.clone());
        stats
    }

    /// The counters of all loops.
    pub(crate) fn loops(&self) -> Vec<Arc<LoopStats>> {
        self.loops.lock().clone()
    }

    /// A sum over all loops.
    pub(crate) fn sum(&self, of: impl Fn(&LoopStats) -> u64) -> u64 {
        self.loops.lock().iter().map(|stats| of(stats)).sum()
    }

    /// Counts an error reply.
    pub(crate) fn error(&self, wire: &str) {
        // As many codes as a hostile script can invent are not kept.
        const CODES_MAX: usize = 128;
        let code = wire.split(' ').next().unwrap_or_default();
        let mut errors = self.errors.lock();
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
        } else if errors.len() < CODES_MAX {
            errors.insert(code.to_owned(), 1);
        }
    }

    /// Error replies by code.
    pub(crate) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().clone()
    }

    /// Remembers a slow command.
    pub(crate) fn remember_slow(&self, mut slow: Slow) {
        slow.id = self.slow_id.fetch_add(1, Relaxed);
        let mut log = self.slow.lock();
        log.push_front(slow);
        log.truncate(SLOWLOG_LEN);
    }

    /// The slow commands, newest first.
    pub(crate) fn slow(&self) -> VecDeque<Slow> {
        self.slow.lock().clone()
    }

    /// Forgets the slow commands.
    pub(crate) fn forget_slow(&self) {
        self.slow.lock().clear();
    }

    /// Remembers that an event took long.
    pub(crate) fn latency_event(&self, event: &'static str, at_s: u64, spent_ms: u64) {
        let mut events = self.events.lock();
        let samples = events.entry(event).or_default();
        match samples.back_mut() {
            Some((last, longest)) if *last == at_s => *longest = spent_ms.max(*longest),
            _ => samples.push_back((at_s, spent_ms)),
        }
        if samples.len() > LATENCY_SAMPLES {
            samples.pop_front();
        }
    }

    /// The latency events.
    pub(crate) fn events(&self) -> BTreeMap<&'static str, VecDeque<(u64, u64)>> {
        self.events.lock().clone()
    }

    /// Forgets some latency events, or all; how many.
    pub(crate) fn forget_events(&self, forget: impl Fn(&str) -> bool) -> usize {
        let mut events = self.events.lock();
        let before = events.len();
        events.retain(|name, _| !forget(name));
        before - events.len()
    }

    /// Starts again from 0: CONFIG RESETSTAT.
    pub(crate) fn reset(&self) {
        for stats in self.loops.lock().iter() {
            stats.commands.iter().for_each(CommandStats::reset);
            for counter in [&stats.hits, &stats.misses, &stats.bytes_in, &stats.bytes_out, &stats.moved] {
                counter.reset();
            }
        }
        self.connections.reset();
        self.refused.reset();
        self.errors.lock().clear();
    }
}
