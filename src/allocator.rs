//! The allocator of the process, told how much memory there is: mimalloc, which the binary names as its own.
//!
//! As it comes, it asks the system for huge pages, of which the first byte takes 2 MiB, and keeps what was freed for a
//! second, in a place for each thread. That is fast, and of no account where there are gigabytes. A server of 64 MiB took
//! 470 MiB that way, half of it in huge pages. So where memory is small there are no huge pages, and what is freed goes
//! back at once: then the sums of the budgets are also what the system counts. Where there is more of it, what is freed
//! goes back at once while the process takes more than it was to have: one of 512 MiB kept 300 MiB for large replies.

#![expect(
    unsafe_code,
    reason = "mimalloc's options have no safe interface, and are read before `main` from the environment"
)]

use std::ffi::{c_int, c_long};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

// Nothing of it is used by name here, but its library is.
use mimalloc as _;

/// Below this, memory is small.
const SMALL: u64 = 512 << 20;
/// From this on there are huge pages all the same: a GET finds what it wants in a sixth less time with them.
const HUGE_PAGES_FROM: u64 = 256 << 20;

/// Milliseconds after which what is free goes back to the system: `mi_option_purge_delay` in `mimalloc.h`.
const PURGE_DELAY: c_int = 15;
const PURGE_DELAY_DEFAULT: c_long = 1000;

// SAFETY: as in mimalloc's `mimalloc.h`. Those of options check which it is, and keep it in a word that is read and written
// whole; collecting concerns what is free.
unsafe extern "C" {
    safe fn mi_collect(force: bool);
    safe fn mi_option_set(option: c_int, value: c_long);
    #[cfg(test)]
    safe fn mi_option_get(option: c_int) -> c_long;
}

/// Whether what is freed goes back at once.
static IS_TIGHT: AtomicBool = AtomicBool::new(false);

/// Suits it to a process that is to have so much memory. To be called before there are other threads, and before much of it
/// is taken.
pub(crate) fn suit(memory: u64) {
    if memory < HUGE_PAGES_FROM {
        // A system that has none refuses, and all is well.
        let _ = rustix::thread::disable_transparent_huge_pages(true);
    }
    if memory < SMALL {
        tighten(true);
    }
}

/// Looks how much memory the process takes, of how much it was to have: to be called now and then.
pub(crate) fn look(taken: impl FnOnce() -> u64, memory: u64) {
    if memory < SMALL {
        return;
    }
    let (taken, is_tight) = (taken(), IS_TIGHT.load(Relaxed));
    if is_tight == (taken > memory) {
        return;
    }
    // Not back and forth: what it takes falls when it is tight.
    if !is_tight || taken < memory - memory / 8 {
        tighten(!is_tight);
    }
}

fn tighten(is_tight: bool) {
    mi_option_set(PURGE_DELAY, if is_tight { 0 } else { PURGE_DELAY_DEFAULT });
    IS_TIGHT.store(is_tight, Relaxed);
}

/// Gives back what this thread has kept for its second: for threads that come by regularly. By itself it looks at that only
/// when it allocates, which an idle one does not, nor does it take before that what others freed of its own.
pub(crate) fn give_back_old() {
    mi_collect(false);
}

/// Gives back what this thread keeps for its next allocations, where memory is tight: some 20 µs. For threads that may now
/// have nothing to do for a while, since others cannot have what they keep, not even what others freed of it.
pub(crate) fn give_back() {
    if IS_TIGHT.load(Relaxed) {
        mi_collect(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // Which no other option is by default.
        assert_eq!(mi_option_get(PURGE_DELAY), PURGE_DELAY_DEFAULT);
        // One test, since the option is the process's.
        let memory = 1 << 30;
        for (taken, delay) in
            [(memory, 1000), (memory + 1, 0), (memory - 1, 0), (memory / 8 * 7, 0), (memory / 2, 1000)]
        {
            look(|| taken, memory);
            assert_eq!(mi_option_get(PURGE_DELAY), delay, "{taken}");
        }
        look(|| SMALL, SMALL - 1);
        assert_eq!(mi_option_get(PURGE_DELAY), PURGE_DELAY_DEFAULT, "there it is set once and for all");
    }
}
