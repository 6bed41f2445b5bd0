//! The scripts that run now and may run long: what SCRIPT KILL ends and FUNCTION STATS tells. What runs on an event loop
//! is over before anybody could ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;

use super::super::error::{Error, Result};
use super::super::instance::Instance;

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

    /// Tells the log once that it takes long.
    pub(super) fn warn_if_slow(&self, instance: &Instance) {
        let limit_ms = instance.parameters.int("busy-reply-threshold").max(0) as u64;
        let ms = instance.clock().monotonic_ns().saturating_sub(self.since_ns) / 1_000_000;
        if limit_ms > 0 && ms >= limit_ms && !self.warned.swap(true, Relaxed) {
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
        });
        instance.scripting.running.0.lock().push(running.clone());
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
        self.instance.scripting.running.0.lock().retain(|running| !Arc::ptr_eq(running, &self.running));
    }
}

/// All of them, the oldest first.
#[derive(Default)]
pub(super) struct AllRunning(Mutex<Vec<Arc<Running>>>);

impl AllRunning {
    /// The function that has run longest, if one runs.
    pub(super) fn function(&self) -> Option<Arc<Running>> {
        self.0.lock().iter().find(|running| !running.is_eval).cloned()
    }

    /// Ends the script, or the function, that has run longest. None of what it wrote was committed, so that, other than
    /// in Redis, it does not matter whether it wrote.
    pub(super) fn kill(&self, is_eval: bool) -> Result {
        let all = self.0.lock();
        let alive = || all.iter().filter(|running| !running.is_killed());
        if let Some(oldest) = alive().find(|running| running.is_eval == is_eval) {
            oldest.killed.store(true, Relaxed);
            return Ok(());
        }
        Err(Error::text(match (alive().next(), is_eval) {
            (None, _) => "NOTBUSY No scripts in execution right now.",
            (Some(_), true) => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
            }
            (Some(_), false) => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
            }
        }))
    }
}
