//! Counters of what the engine did since it was opened, and what it is like now.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters, added to where things happen.
        #[derive(Default)]
        pub(crate) struct Stats { $($(#[$doc])* pub(crate) $name: Counter,)* }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Totals { $($(#[$doc])* pub $name: u64,)* }

        impl Stats {
            /// Reads them all.
            pub(crate) fn totals(&self) -> Totals {
                Totals { $($name: self.$name.get(),)* }
            }
        }

        impl Totals {
            /// Names and values, for tables and exporters.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

counters! {
    /// Batches committed.
    commits,
    /// Bytes of batches committed.
    commit_bytes,
    /// Bytes written to logs.
    log_bytes,
    /// Syncs of a log.
    log_syncs,
    /// Memtables flushed.
    flushes,
    /// Bytes of tables that flushes wrote.
    flush_bytes,
    /// Merges done.
    compactions,
    /// Bytes of tables that merges read.
    compaction_read_bytes,
    /// Bytes of tables that merges wrote.
    compaction_write_bytes,
    /// Rows that merges dropped: overwritten, deleted, expired or dead.
    compaction_dropped_rows,
    /// Nanoseconds spent in merges.
    compaction_ns,
    /// Tables moved a level down without being read.
    trivial_moves,
    /// Tables deleted unread.
    tables_dropped,
    /// Writes that were slowed down.
    delayed_writes,
    /// Nanoseconds for which writes were slowed down.
    delayed_ns,
    /// Writes that waited for memory.
    stopped_writes,
    /// Nanoseconds for which writes waited for memory.
    stopped_ns,
    /// Background jobs that failed and were tried again.
    background_errors,
    /// Point reads.
    gets,
    /// Point reads answered by a hot row.
    hot_hits,
    /// Tables looked into by point reads.
    table_probes,
}

/// A number that only grows. Relaxed: it orders nothing.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_carry_every_counter_by_name() {
        let stats = Stats::default();
        stats.commits.add(2);
        stats.commits.add(3);
        assert_eq!(stats.totals().iter().find(|(name, _)| *name == "commits"), Some(("commits", 5)));
    }
}
