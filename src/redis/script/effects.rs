//! What a script does beside its transaction: counts, and lines for the log and for those who monitor. All of it happens once it is certain that
//! the script does not run again.

use super::super::acl::Refused;
use super::super::instance::Instance;
use super::super::session::Session;

/// Lines that one script may say.
const LINES_MAX: usize = 1000;

/// A line's level, as `redis.LOG_…` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warning,
}

#[derive(Default)]
struct Tally {
    id: usize,
    calls: u64,
    spent_ns: u64,
    failed: u64,
    rejected: u64,
}

/// What is still to happen.
#[derive(Default)]
pub(crate) struct Effects {
    /// By command: few, since a script calls few.
    ran: Vec<Tally>,
    /// Errors by code.
    errors: Vec<(String, u64)>,
    said: Vec<(Level, String)>,
    /// What the client's user may not do.
    denied: Vec<Refused>,
    /// Lines for those who monitor, and the bytes of them.
    monitored: Vec<Vec<u8>>,
    monitored_bytes: usize,
}

impl Effects {
    fn tally(&mut self, id: usize) -> &mut Tally {
        let at = self.ran.iter().position(|tally| tally.id == id).unwrap_or_else(|| {
            self.ran.push(Tally { id, ..Tally::default() });
            self.ran.len() - 1
        });
        &mut self.ran[at]
    }

    /// A command ran.
    pub(super) fn ran(&mut self, id: usize, spent_ns: u64, failed: bool) {
        let tally = self.tally(id);
        tally.calls += 1;
        tally.spent_ns += spent_ns;
        tally.failed += u64::from(failed);
    }

    /// A command was refused.
    pub(super) fn rejected(&mut self, id: usize) {
        self.tally(id).rejected += 1;
    }

    /// A command was refused because of what its user may not do.
    pub(crate) fn refused(&mut self, id: usize, wire: &str, refused: Option<Refused>) {
        self.rejected(id);
        self.error(wire);
        if self.denied.len() < LINES_MAX {
            self.denied.extend(refused);
        }
    }

    /// An error was answered.
    pub(super) fn error(&mut self, wire: &str) {
        let code = wire.split(' ').next().unwrap_or_default();
        match self.errors.iter_mut().find(|(known, _)| known == code) {
            Some((_, count)) => *count += 1,
            None => self.errors.push((code.to_owned(), 1)),
        }
    }

    /// A line for the log.
    pub(super) fn say(&mut self, level: Level, line: String) {
        if self.said.len() < LINES_MAX {
            self.said.push((level, line));
        }
    }

    /// A line for those who monitor. More than so many bytes are more than they will be told.
    pub(crate) fn monitored(&mut self, line: Vec<u8>, bytes_max: usize) {
        if self.monitored_bytes <= bytes_max {
            self.monitored_bytes += line.len();
            self.monitored.push(line);
        }
    }

    /// Adds what a later run does.
    pub(super) fn join(&mut self, later: Self) {
        for tally in later.ran {
            let own = self.tally(tally.id);
            own.calls += tally.calls;
            own.spent_ns += tally.spent_ns;
            own.failed += tally.failed;
            own.rejected += tally.rejected;
        }
        for (code, count) in later.errors {
            match self.errors.iter_mut().find(|(known, _)| *known == code) {
                Some((_, own)) => *own += count,
                None => self.errors.push((code, count)),
            }
        }
        self.said.extend(later.said);
        self.denied.extend(later.denied);
        self.monitored.extend(later.monitored);
        self.monitored_bytes += later.monitored_bytes;
    }

    /// Now it is certain.
    pub(crate) fn happen(self, instance: &Instance, session: &Session) {
        for tally in self.ran {
            let stats = &session.stats.commands[tally.id];
            stats.calls.add(tally.calls);
            stats.spent_ns.add(tally.spent_ns);
            stats.failed.add(tally.failed);
            stats.rejected.add(tally.rejected);
        }
        for (code, count) in self.errors {
            for _ in 0..count {
                instance.stats.error(&code);
            }
        }
        for refused in self.denied {
            instance.acl.note(instance, session, refused);
        }
        if !self.monitored.is_empty() {
            instance.monitors.tell(instance, self.monitored);
        }
        for (level, line) in self.said {
            match level {
                Level::Debug => tracing::debug!(target: "script", "{line}"),
                Level::Info => tracing::info!(target: "script", "{line}"),
                Level::Warning => tracing::warn!(target: "script", "{line}"),
            }
        }
    }
}
