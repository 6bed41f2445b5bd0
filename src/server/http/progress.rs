//! How far a connection is with a request, and whether the other end keeps it waiting.
//!
//! ```text
//! Idle ─► Head ─► Body ─► Running ─► Sending ─► Idle …
//! ```
//!
//! Nobody looks at a clock when there is progress: the loop, which looks around once a second, notes when it saw the last.

use std::cell::Cell;

/// How long a head may take as a whole, and a body or a reply between two pieces of it.
const PATIENCE_MS: u64 = 30_000;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing of a request has come.
    #[default]
    Idle,
    /// Its head comes in.
    Head,
    /// Its body comes in.
    Body,
    /// It is carried out.
    Running,
    /// The reply goes out.
    Sending,
}

impl Phase {
    /// Whether there is no request yet that could be answered.
    pub(super) fn waits_for_input(self) -> bool {
        matches!(self, Self::Idle | Self::Head | Self::Body)
    }
}

/// The progress of a connection.
#[derive(Default)]
pub(super) struct Progress {
    phase: Cell<Phase>,
    /// Counts what may be called progress.
    moves: Cell<u64>,
    /// The count when the loop last saw it change, and when that was.
    seen: Cell<(u64, u64)>,
}

impl Progress {
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Goes on to a phase.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.count();
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        match self.phase.get() {
            Phase::Idle => self.enter(Phase::Head),
            Phase::Body => self.count(),
            // A head that comes in bit by bit is no progress.
            Phase::Head | Phase::Running | Phase::Sending => {}
        }
    }

    /// Bytes went out.
    pub(super) fn sent(&self) {
        if self.phase.get() == Phase::Sending {
            self.count();
        }
    }

    /// All bytes went out.
    pub(super) fn flushed(&self) {
        if self.phase.get() == Phase::Sending {
            self.enter(Phase::Idle);
        }
    }

    /// Whether the other end has kept it waiting for too long.
    pub(super) fn is_stalled(&self, now_ms: u64) -> bool {
        let moves = self.moves.get();
        let (seen, at_ms) = self.seen.get();
        if moves != seen || matches!(self.phase.get(), Phase::Idle | Phase::Running) {
            self.seen.set((moves, now_ms));
            return false;
        }
        now_ms.saturating_sub(at_ms) > PATIENCE_MS
    }

    fn count(&self) {
        self.moves.set(self.moves.get().wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_nothing_more_is_given_up() {
        let progress = Progress::default();
        let late = |at_s: u64| progress.is_stalled(at_s * 1000);
        assert!(!late(0) && !late(1000), "idle");
        progress.received();
        assert!(!late(1001));
        progress.received();
        assert!(!late(1030));
        progress.received();
        assert!(late(1032), "a head that takes too long");
        progress.enter(Phase::Body);
        assert!(!late(1033));
        progress.received();
        assert!(!late(1062), "a body that comes");
        assert!(!late(1092) && late(1093), "and does not");
        progress.enter(Phase::Running);
        assert!(!late(2000) && !late(3000), "our own time");
        progress.enter(Phase::Sending);
        assert!(!late(3001));
        progress.sent();
        assert!(!late(3031) && late(3062), "a reply that is not taken");
        progress.flushed();
        assert_eq!(progress.phase(), Phase::Idle);
        assert!(!late(5000));
    }
}
