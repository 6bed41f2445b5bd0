//! Settings are data ([`Options`]); the world is objects ([`Env`]).

use std::sync::Arc;

use super::event::Listener;
use super::sweep::{NoSweep, Sweep};
use crate::clock::{Clock, SystemClock};
use crate::vfs::Vfs;
use crate::workers::Workers;

/// When an acknowledged write is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before it is acknowledged.
    #[default]
    Always,
    /// Within about a second; a kill loses nothing, a power failure the last second, never a hole.
    EverySecond,
    /// When the system likes; a kill loses nothing.
    Never,
}

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// LZ4, where it saves an eighth or more.
    #[default]
    Lz4,
}

/// The engine's settings. The default suits an embedded store with 64 MiB to itself.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of memory for memtables, caches, filters and indexes together. At least 8 MiB.
    pub memory: u64,
    /// Bytes at which a memtable is flushed; `None`: an eighth of `memory`, at most 64 MiB.
    pub memtable: Option<u64>,
    /// Bytes for the block and row caches; `None`: what `memory` leaves.
    pub cache: Option<u64>,
    /// Bytes of page cache that the tables may count on. Where they are more than twice that, reads of single keys that
    /// do not find them in memory go past the page cache. `None`: there is enough.
    pub page_cache: Option<u64>,
    /// When writes are on disk.
    pub fsync: Fsync,
    /// How blocks are compressed.
    pub compression: Compression,
    /// Bits of filter per key, 0 for none, at most 20.
    pub filter_bits: u32,
    /// Bytes of a data block before compression.
    pub block: u32,
    /// Bytes of a table file; `None`: 64 MiB or less where `memory` is small.
    pub table: Option<u64>,
    /// Bytes a second for compaction; `None`: follows the load.
    pub background_rate: Option<u64>,
    /// Whether a missing directory is created.
    pub create: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            memtable: None,
            cache: None,
            page_cache: None,
            fsync: Fsync::Always,
            compression: Compression::Lz4,
            filter_bits: 10,
            block: 4096,
            table: None,
            background_rate: None,
            create: true,
        }
    }
}

/// The world the engine lives in.
#[derive(Clone)]
pub struct Env {
    /// The disk.
    pub vfs: Arc<dyn Vfs>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The threads.
    pub workers: Arc<Workers>,
    /// Who is told of events.
    pub listener: Arc<dyn Listener>,
    /// Who knows which rows are dead or expire.
    pub sweep: Arc<dyn Sweep>,
}

impl Env {
    /// A world with this disk, the machine's clocks, its own threads, and nobody listening.
    pub fn with_vfs(vfs: Arc<dyn Vfs>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            vfs,
            clock: Arc::new(SystemClock::default()),
            workers: Workers::threads((cores / 2).clamp(1, 4)),
            listener: Arc::new(()),
            sweep: Arc::new(NoSweep),
        }
    }
}
