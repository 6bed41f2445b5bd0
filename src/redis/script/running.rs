//! The scripts that run now and may run long: what SCRIPT KILL ends and FUNCTION STATS tells. What runs on an event loop
//! is over before anybody could ask.
//!
//! A slow script holds up those alone who want its keys. With `busy-reply-threshold`, all others are told BUSY once it has
//! run so long, as by Redis, which can do nothing else meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::super::error::{Error, Result};
use super::super::instance::Instance;

/// What a run takes before the log tells of it.
const SLOW_MS: u64 = 5000;

/// A run, as others see it.
pub(super) struct Running {
    /// What it is called: a function's name, or a script's digest.
    pub(super) name: String,
    /// Whether it is a script of EVAL.
    pub(super) is_eval: bool,
    /// The call's words; a function's alone, since nobody asks for the others.
    pub(super) words: Vec<Vec<u8>>,
    /// When it began, on the steady clock.
    pub(super) since_ns: u64,
    killed: AtomicBool,
    warned: AtomicBool,
    /// Whether others are told BUSY because of it.
    is_busy: AtomicBool,
}

impl Running {
    /// Whether somebody ended it.
    pub(super) fn is_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }

    fn command(&self) -> &'static str {
        if self.is_eval { "SCRIPT KILL" } else { "FUNCTION KILL" }
    }

    /// What its client is told: where it was when it was ended.
    pub(super) fn killed_text(&self, place: &str) -> String {
        format!("ERR Script killed by user with SCRIPT KILL... script: {}, on {place}.", self.name)
    }

    /// Looks whether it takes long by now: tells the log, once, and has others told BUSY if that is wanted.
    pub(super) fn look_at_time(&self, instance: &Instance) {
        let ms = instance.clock().monotonic_ns().saturating_sub(self.since_ns) / 1_000_000;
        let limit_ms = instance.parameters.int("busy-reply-threshold").max(0) as u64;
        if limit_ms > 0 && ms >= limit_ms && !self.is_busy.swap(true, Relaxed) {
            instance.scripting.running.busy.fetch_add(1, Relaxed);
        }
        if ms >= SLOW_MS && !self.warned.swap(true, Relaxed) {
            let (script, command) = (&self.name, self.command());
            tracing::warn!(script, ms, "a script is slow; {command} ends it");
        }
    }
}

/// A run that others know of, until this is dropped.
pub(super) struct Noted {
    running: Arc<Running>,
    instance: Arc<Instance>,
}

impl Noted {
    /// Notes that a script runs.
    pub(super) fn new(instance: &Arc<Instance>, name: &str, is_eval: bool, words: Vec<Vec<u8>>) -> Self {
        let running = Arc::new(Running {
            name: name.to_owned(),
            is_eval,
            words,
            since_ns: instance.clock().monotonic_ns(),
            killed: AtomicBool::new(false),
            warned: AtomicBool::new(false),
            is_busy: AtomicBool::new(false),
        });
        instance.scripting.running.all.lock().push(running.clone());
        Self { running, instance: instance.clone() }
    }
}

impl std::ops::Deref for Noted {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let running = &self.instance.scripting.running;
        running.all.lock().retain(|running| !Arc::ptr_eq(running, &self.running));
        if self.is_busy.load(Relaxed) {
            running.busy.fetch_sub(1, Relaxed);
        }
    }
}

/// All of them, the oldest first.
#[derive(Default)]
pub(super) struct AllRunning {
    all: Mutex<Vec<Arc<Running>>>,
    /// How many of them are so slow that others are told BUSY.
    busy: AtomicUsize,
}

impl AllRunning {
    /// Whether others are told BUSY.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Relaxed) > 0
    }

    /// What they are told.
    pub(super) fn busy_error(&self) -> Error {
        let all = self.all.lock();
        busy(all.iter().find(|running| running.is_busy.load(Relaxed)).is_none_or(|running| running.is_eval))
    }

    /// The function that has run longest, if one runs.
    pub(super) fn function(&self) -> Option<Arc<Running>> {
        self.all.lock().iter().find(|running| !running.is_eval).cloned()
    }

    /// Ends the script, or the function, that has run longest. None of what it wrote was committed, so that, other than
    /// in Redis, it does not matter whether it wrote.
    pub(super) fn kill(&self, is_eval: bool) -> Result {
        let all = self.all.lock();
        let alive = || all.iter().filter(|running| !running.is_killed());
        if let Some(oldest) = alive().find(|running| running.is_eval == is_eval) {
            oldest.killed.store(true, Relaxed);
            return Ok(());
        }
        Err(match alive().next() {
            None => Error::text("NOTBUSY No scripts in execution right now."),
            Some(_) => busy(!is_eval),
        })
    }
}

/// Redis's words while a script, or a function, is slow.
fn busy(is_eval: bool) -> Error {
    Error::text(if is_eval {
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
    } else {
        "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
    })
}
