//! The LSM engine: ordered bytes, durable. Synchronous; knows no protocol.

pub(crate) mod background;
pub(crate) mod batch;
pub(crate) mod block;
pub(crate) mod cache;
pub(crate) mod compaction;
pub(crate) mod cursor;
pub(crate) mod db;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod files;
pub(crate) mod filter;
pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod marks;
pub(crate) mod memtable;
pub(crate) mod options;
pub(crate) mod progress;
pub(crate) mod rate;
pub(crate) mod scan;
pub(crate) mod snapshots;
pub(crate) mod stats;
pub(crate) mod sweep;
pub(crate) mod table;
pub(crate) mod version;
pub(crate) mod view;
pub(crate) mod wal;

pub use batch::Batch;
pub use db::Db;
pub use error::{Error, Result};
pub use event::{Event, Listener};
pub use key::{KEY_BYTES_MAX, Kind, SEQNO_MAX, Seqno};
pub use options::{Compression, Env, Fsync, Options};
pub use scan::Scan;
pub use stats::Totals;
pub use sweep::{DeadRange, NoSweep, Sweep};
pub use view::{Snapshot, Tier, View};
