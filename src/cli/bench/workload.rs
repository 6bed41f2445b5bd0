//! The workloads, with the names and the meaning that they have in db_bench, over any engine.
//!
//! | name | what one operation is |
//! |---|---|
//! | `fillseq` | into an empty store: a write, keys ascending |
//! | `fillrandom` | into an empty store: a write of a random key |
//! | `overwrite` | a write of a random key |
//! | `readrandom` | a point read of a random key |
//! | `readseq` | a step of a scan from the first key |
//! | `seekrandom` | a new scan, sought to a random key |
//! | `readwhilewriting` | as `readrandom`, with one more thread that writes random keys without pause |
//! | `deleterandom` | a deletion of a random key |

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use super::data::{self, Values};
use crate::clock::{Clock, SystemClock};
use crate::metrics::{Histogram, HistogramSnapshot};
use crate::random::Random;

/// An engine to be measured.
pub trait Subject: Sync {
    /// What one thread works with.
    type Session<'a>: Session
    where
        Self: 'a;
    /// Begins to work.
    fn session(&self) -> Self::Session<'_>;
}

/// One thread's way into the engine. Errors are for people.
pub trait Session {
    /// Writes a row.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), String>;
    /// Deletes a row.
    fn delete(&mut self, key: &[u8]) -> Result<(), String>;
    /// Reads a row; whether it is there.
    fn get(&mut self, key: &[u8]) -> Result<bool, String>;
    /// Begins a scan and seeks; whether this very key is there.
    fn seek(&mut self, key: &[u8]) -> Result<bool, String>;
    /// Scans from the first row for as long as `visit` says so.
    fn scan(&mut self, visit: impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), String>;
}

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Ascending writes into an empty store.
    FillSeq,
    /// Random writes into an empty store.
    FillRandom,
    /// Random writes.
    Overwrite,
    /// Random point reads.
    ReadRandom,
    /// A scan.
    ReadSeq,
    /// Random seeks, each of a new scan.
    SeekRandom,
    /// Random point reads beside a writer.
    ReadWhileWriting,
    /// Random deletions.
    DeleteRandom,
}

/// All workloads by name.
pub const WORKLOADS: &[(&str, Workload)] = &[
    ("fillseq", Workload::FillSeq),
    ("fillrandom", Workload::FillRandom),
    ("overwrite", Workload::Overwrite),
    ("readrandom", Workload::ReadRandom),
    ("readseq", Workload::ReadSeq),
    ("seekrandom", Workload::SeekRandom),
    ("readwhilewriting", Workload::ReadWhileWriting),
    ("deleterandom", Workload::DeleteRandom),
];

impl Workload {
    /// The workload of this name.
    pub fn named(name: &str) -> Option<Self> {
        WORKLOADS.iter().find(|(word, _)| *word == name).map(|&(_, workload)| workload)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        WORKLOADS.iter().find(|(_, workload)| *workload == self).map_or("", |(name, _)| name)
    }

    /// Whether it begins with an empty store.
    pub fn is_fresh(self) -> bool {
        matches!(self, Self::FillSeq | Self::FillRandom)
    }

    /// Whether `reads` and not `num` says how many operations there are.
    fn is_read(self) -> bool {
        matches!(self, Self::ReadRandom | Self::ReadSeq | Self::SeekRandom | Self::ReadWhileWriting)
    }
}

/// How much of what.
#[derive(Clone, Debug)]
pub struct Load {
    /// Keys are numbers below this; writing threads write this many each.
    pub num: u64,
    /// Reading threads read this many each.
    pub reads: u64,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Threads.
    pub threads: u64,
    /// The share of its size that a value compresses to.
    pub compression_ratio: f64,
    /// Where the random numbers start; another workload with the same seed still has others.
    pub seed: u64,
    /// Seconds to go on for, instead of a number of operations.
    pub duration_s: Option<u64>,
    /// Whether each operation is timed: costs a look at the clock for each.
    pub timed: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which workload.
    pub workload: Workload,
    /// Operations done by all threads (but not by the writer beside readers).
    pub operations: u64,
    /// Nanoseconds from the first thread's start to the last one's end.
    pub elapsed_ns: u64,
    /// Nanoseconds that the threads took, added up.
    pub busy_ns: u64,
    /// Reads that found their key; `None` for writes.
    pub found: Option<u64>,
    /// Operations of the writer beside readers.
    pub beside: u64,
    /// Bytes of keys and values written or scanned.
    pub bytes: u64,
    /// Nanoseconds an operation took, if each was timed.
    pub latencies: Option<HistogramSnapshot>,
}

/// What one thread did.
#[derive(Default)]
struct Done {
    operations: u64,
    found: u64,
    bytes: u64,
    began_ns: u64,
    ended_ns: u64,
}

/// Runs a workload.
pub fn run<S: Subject>(subject: &S, workload: Workload, load: &Load) -> Result<Outcome, String> {
    let writer_beside = workload == Workload::ReadWhileWriting;
    let clock = SystemClock::default();
    let start = Barrier::new(load.threads as usize + usize::from(writer_beside) + 1);
    let readers_done = AtomicBool::new(false);
    let latencies = load.timed.then(Histogram::default);
    let (done, beside) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.threads)
            .map(|thread| {
                let (clock, start, latencies) = (&clock, &start, latencies.as_ref());
                scope.spawn(move || {
                    let mut work = Work::new(load, clock, latencies, (workload, thread));
                    start.wait();
                    work.run(&mut subject.session(), workload)
                })
            })
            .collect();
        let writer = writer_beside.then(|| {
            let (clock, start, readers_done) = (&clock, &start, &readers_done);
            scope.spawn(move || {
                let mut work = Work::new(load, clock, None, (workload, load.threads));
                start.wait();
                work.write_until(&mut subject.session(), readers_done)
            })
        });
        start.wait();
        let done: Result<Vec<_>, String> = threads.into_iter().map(joined).collect();
        readers_done.store(true, Ordering::Relaxed);
        let beside = writer.map_or(Ok(0), joined);
        (done, beside)
    });
    let (done, beside) = (done?, beside?);
    let began_ns = done.iter().map(|done| done.began_ns).min().unwrap_or(0);
    let ended_ns = done.iter().map(|done| done.ended_ns).max().unwrap_or(0);
    let mut outcome = Outcome {
        workload,
        operations: 0,
        elapsed_ns: ended_ns - began_ns,
        busy_ns: 0,
        found: workload.is_read().then_some(0),
        beside,
        bytes: 0,
        latencies: latencies.as_ref().map(Histogram::snapshot),
    };
    for done in done {
        outcome.operations += done.operations;
        outcome.busy_ns += done.ended_ns - done.began_ns;
        outcome.bytes += done.bytes;
        outcome.found = outcome.found.map(|found| found + done.found);
    }
    Ok(outcome)
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T, String>>) -> Result<T, String> {
    thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned()))
}

/// One thread's work.
struct Work<'a> {
    load: &'a Load,
    clock: &'a SystemClock,
    latencies: Option<&'a Histogram>,
    random: Random,
    values: Values,
    key: Vec<u8>,
}

impl<'a> Work<'a> {
    fn new(
        load: &'a Load,
        clock: &'a SystemClock,
        latencies: Option<&'a Histogram>,
        (workload, thread): (Workload, u64),
    ) -> Self {
        // Reads must not ask for just the keys that were written, in the order in which they were.
        let own = (workload as u64) << 32 | thread;
        let mut random = Random::seeded(load.seed.wrapping_add(own.wrapping_mul(0xD134_2543_DE82_EF95)));
        let values = Values::new(&mut random, load.value_bytes, load.compression_ratio);
        Self { load, clock, latencies, random, values, key: Vec::with_capacity(load.key_bytes) }
    }

    fn run(&mut self, session: &mut impl Session, workload: Workload) -> Result<Done, String> {
        let row_bytes = (self.load.key_bytes + self.load.value_bytes) as u64;
        match workload {
            Workload::FillSeq => self.repeat(row_bytes, |work, at| {
                data::key(&mut work.key, at % work.load.num, work.load.key_bytes);
                session.put(&work.key, work.values.next()).map(|()| false)
            }),
            Workload::FillRandom | Workload::Overwrite => self.repeat(row_bytes, |work, _| {
                work.random_key();
                session.put(&work.key, work.values.next()).map(|()| false)
            }),
            Workload::DeleteRandom => self.repeat(self.load.key_bytes as u64, |work, _| {
                work.random_key();
                session.delete(&work.key).map(|()| false)
            }),
            Workload::ReadRandom | Workload::ReadWhileWriting => self.read(|work, _| {
                work.random_key();
                session.get(&work.key)
            }),
            Workload::SeekRandom => self.read(|work, _| {
                work.random_key();
                session.seek(&work.key)
            }),
            Workload::ReadSeq => self.scan(session),
        }
    }

    fn random_key(&mut self) {
        data::key(&mut self.key, self.random.below(self.load.num), self.load.key_bytes);
    }

    fn read(&mut self, step: impl FnMut(&mut Self, u64) -> Result<bool, String>) -> Result<Done, String> {
        self.times(self.load.reads, 0, step)
    }

    fn repeat(
        &mut self,
        step_bytes: u64,
        step: impl FnMut(&mut Self, u64) -> Result<bool, String>,
    ) -> Result<Done, String> {
        self.times(self.load.num, step_bytes, step)
    }

    /// Steps until the number or the time is reached.
    fn times(
        &mut self,
        number: u64,
        step_bytes: u64,
        mut step: impl FnMut(&mut Self, u64) -> Result<bool, String>,
    ) -> Result<Done, String> {
        let mut done = Done::default();
        let began = self.clock.monotonic_ns();
        let end = self.load.duration_s.map(|seconds| began + seconds * 1_000_000_000);
        let mut last = began;
        loop {
            if end.map_or(done.operations >= number, |end| last >= end) {
                break;
            }
            done.found += u64::from(step(self, done.operations)?);
            done.operations += 1;
            if let Some(latencies) = self.latencies {
                let now = self.clock.monotonic_ns();
                latencies.record_ns(now - last);
                last = now;
            } else if end.is_some() && done.operations % 64 == 0 {
                last = self.clock.monotonic_ns();
            }
        }
        (done.began_ns, done.ended_ns) = (began, self.clock.monotonic_ns());
        done.bytes = done.operations * step_bytes;
        Ok(done)
    }

    fn scan(&mut self, session: &mut impl Session) -> Result<Done, String> {
        let mut done = Done::default();
        let began = self.clock.monotonic_ns();
        let reads = self.load.reads;
        session.scan(|key, value| {
            done.operations += 1;
            done.bytes += (key.len() + value.len()) as u64;
            done.operations < reads
        })?;
        done.found = done.operations;
        (done.began_ns, done.ended_ns) = (began, self.clock.monotonic_ns());
        Ok(done)
    }

    fn write_until(&mut self, session: &mut impl Session, end: &AtomicBool) -> Result<u64, String> {
        let mut written = 0;
        while !end.load(Ordering::Relaxed) {
            self.random_key();
            session.put(&self.key, self.values.next())?;
            written += 1;
        }
        Ok(written)
    }
}
