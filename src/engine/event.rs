//! What happens inside, as typed events: log lines, metrics and the marks that tests wait for, at once.

use super::key::Seqno;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The database is open.
    Opened {
        /// Log records replayed.
        replayed: u64,
        /// Bytes of torn tail, which never happened.
        torn_bytes: u64,
        /// Milliseconds it took.
        took_ms: u64,
    },
    /// A memtable became a table.
    Flushed {
        /// The new table's number; `None` if the memtable was empty.
        table: Option<u64>,
        /// Its size.
        bytes: u64,
        /// Milliseconds it took.
        took_ms: u64,
    },
    /// Tables were merged.
    Compacted {
        /// Why, in one word.
        reason: &'static str,
        /// The level read from.
        from: usize,
        /// The level written to.
        to: usize,
        /// Bytes read.
        read: u64,
        /// Bytes written.
        written: u64,
        /// Rows dropped: overwritten, deleted, expired or dead.
        dropped: u64,
        /// Milliseconds it took.
        took_ms: u64,
    },
    /// A table went a level down without being read.
    TrivialMove {
        /// The table.
        table: u64,
        /// Its new level.
        to: usize,
    },
    /// A table was deleted unread, since everything in it was dead or expired.
    TableDropped {
        /// The table.
        table: u64,
        /// Its size.
        bytes: u64,
    },
    /// The manifest was written anew.
    ManifestRolled {
        /// The new manifest's number.
        number: u64,
    },
    /// Disk-full mode began.
    DiskFull,
    /// Disk-full mode ended.
    DiskRoom,
    /// No more writes until reopened.
    Poisoned {
        /// Why.
        why: String,
    },
    /// Background work failed and will be tried again.
    BackgroundError {
        /// What was said.
        what: String,
    },
    /// The log was synced up to this commit.
    Synced {
        /// The newest durable commit.
        seqno: Seqno,
    },
}

/// Who wants to know. Called on the thread where it happened: be quick.
pub trait Listener: Send + Sync + 'static {
    /// It happened.
    fn event(&self, event: &Event);
}

/// Nobody.
impl Listener for () {
    fn event(&self, _event: &Event) {}
}

impl<F: Fn(&Event) + Send + Sync + 'static> Listener for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}
