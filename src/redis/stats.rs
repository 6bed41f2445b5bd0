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
    /// Keys that UNLINK took away, and whose elements take space until compaction comes by.
    pub(crate) freed_later: Counter,
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
            freed_later: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            moved: Counter::default(),
        }
    }
}

impl LoopStats {
    /// Counts the keys that a command looked for.
    pub(crate) fn looked_up(&self, lookups: &Lookups) {
        for (counter, n) in [
            (&self.hits, lookups.hits.get()),
            (&self.misses, lookups.misses.get()),
            (&self.freed_later, lookups.freed_later.get()),
        ] {
            if n > 0 {
                counter.add(n);
            }
        }
    }
}

/// What was counted by a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    at_ns: u64,
    pub(crate) commands: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Sample {
    /// What was counted in a second, on average, since an earlier moment.
    fn per_second_since(&self, earlier: &Self) -> Self {
        let ns = u128::from(self.at_ns.saturating_sub(earlier.at_ns).max(1));
        let rate =
            |now: u64, before: u64| (u128::from(now.saturating_sub(before)) * 1_000_000_000 / ns) as u64;
        Self {
            at_ns: self.at_ns,
            commands: rate(self.commands, earlier.commands),
            bytes_in: rate(self.bytes_in, earlier.bytes_in),
            bytes_out: rate(self.bytes_out, earlier.bytes_out),
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
    /// What users may not do, by reason: logging in, commands, keys, channels.
    pub(crate) refused_to_users: [Counter; 4],
    /// Error replies, by code: `ERR`, `WRONGTYPE` …
    errors: Mutex<BTreeMap<String, u64>>,
    /// The last two samples, a second or so apart, the newer one last.
    samples: Mutex<[Sample; 2]>,
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

    /// Commands of all loops.
    pub(crate) fn commands(&self) -> u64 {
        self.sum(|one| one.commands.iter().map(|command| command.calls.get()).sum())
    }

    /// Takes a sample, if the last one is old enough. To be called about once a second, by whoever has the time.
    pub(crate) fn sample(&self, now_ns: u64) {
        const APART_NS: u64 = 500_000_000;
        let mut samples = self.samples.lock();
        if now_ns.saturating_sub(samples[1].at_ns) < APART_NS {
            return;
        }
        let sample = Sample {
            at_ns: now_ns,
            commands: self.commands(),
            bytes_in: self.sum(|one| one.bytes_in.get()),
            bytes_out: self.sum(|one| one.bytes_out.get()),
        };
        *samples = [samples[1], sample];
    }

    /// What was counted per second between the last two samples; zeros until there are two.
    pub(crate) fn per_second(&self) -> Sample {
        let [earlier, later] = *self.samples.lock();
        if earlier.at_ns == 0 { Sample::default() } else { later.per_second_since(&earlier) }
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

    /// Remembers a slow command, and at most so many.
    pub(crate) fn remember_slow(&self, mut slow: Slow, most: usize) {
        slow.id = self.slow_id.fetch_add(1, Relaxed);
        let mut log = self.slow.lock();
        log.push_front(slow);
        log.truncate(most);
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
            let LoopStats { commands: _, hits, misses, freed_later, bytes_in, bytes_out, moved } = &**stats;
            for counter in [hits, misses, freed_later, bytes_in, bytes_out, moved] {
                counter.reset();
            }
        }
        *self.samples.lock() = Default::default();
        self.connections.reset();
        self.refused.reset();
        self.refused_to_users.iter().for_each(Counter::reset);
        self.errors.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_second_and_not_of_the_whole_past() {
        const SECOND: u64 = 1_000_000_000;
        let stats = Stats::default();
        let one = stats.new_loop();
        let per_second = |second: u64, calls: u64| {
            for _ in 0..calls {
                one.commands[0].ran(1, false);
            }
            one.bytes_in.add(calls * 10);
            stats.sample(second * SECOND);
            // Another event loop's, too soon to count.
            stats.sample(second * SECOND + 1000);
            let rates = stats.per_second();
            (rates.commands, rates.bytes_in)
        };
        assert_eq!(per_second(100, 7), (0, 0));
        assert_eq!(per_second(101, 500), (500, 5000));
        assert_eq!(per_second(103, 500), (250, 2500));
        assert_eq!(per_second(104, 0), (0, 0));
        stats.reset();
        assert_eq!(per_second(105, 100), (0, 0));
        assert_eq!(per_second(106, 100), (100, 1000));
    }
}
