//! How a client tracks, as others see it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// A set of modes, and where messages go. Written by the client's own connection, but for [`Modes::BROKEN`].
#[derive(Default)]
pub(crate) struct Modes {
    bits: AtomicU8,
    redirect: AtomicU64,
}

impl Modes {
    /// It tracks.
    pub(crate) const ON: u8 = 1;
    /// It is told of all keys with its prefixes.
    pub(crate) const BCAST: u8 = 2;
    /// Only of those that it read after CLIENT CACHING YES.
    pub(crate) const OPTIN: u8 = 4;
    /// Not of those that it read after CLIENT CACHING NO.
    pub(crate) const OPTOUT: u8 = 8;
    /// Not of what it changed itself.
    pub(crate) const NOLOOP: u8 = 16;
    /// Whom its messages should go to is gone.
    pub(crate) const BROKEN: u8 = 32;

    /// Whether it is in this mode.
    pub(crate) fn has(&self, mode: u8) -> bool {
        self.bits.load(Relaxed) & mode != 0
    }

    pub(super) fn set(&self, modes: u8, redirect: u64) {
        self.redirect.store(redirect, Relaxed);
        self.bits.store(modes, Relaxed);
    }

    pub(super) fn break_off(&self) {
        self.bits.fetch_or(Self::BROKEN, Relaxed);
    }

    /// The client that its messages go to; 0: itself.
    pub(super) fn redirect(&self) -> u64 {
        self.redirect.load(Relaxed)
    }

    /// The same, as CLIENT LIST tells it.
    pub(crate) fn redirect_told(&self) -> i64 {
        if self.has(Self::ON) { self.redirect() as i64 } else { -1 }
    }
}
