//! The data directory, as the tools open it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Failure;
use crate::config::{Config, machine};
use crate::dynamo;
use crate::engine::inspect::Inspection;
use crate::engine::{Env, Error, Fsync, Options};
use crate::redis::instance;
use crate::redis::keyspace::Keyspace;
use crate::vfs::Vfs;
use crate::vfs::disk::DiskVfs;

/// How many databases SELECT knows, as in Redis.
const DATABASES: u16 = 16;

/// Where the data is.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Directory {
    /// Directory of the data
    #[arg(
        long,
        value_name = "DIR",
        env = "SILTSTONE_DIR",
        default_value = "./siltstone-data",
        global = true
    )]
    pub(super) dir: PathBuf,
}

/// The real disk.
pub(super) fn disk() -> Arc<dyn Vfs> {
    Arc::new(DiskVfs)
}

impl Directory {
    /// For looking: takes no lock, changes nothing, and minds nobody who writes.
    pub(super) fn look(&self) -> Result<Inspection, Failure> {
        Ok(Inspection::open(disk(), &self.dir)?)
    }

    /// For changing: nobody else may have it open, and it must be there.
    pub(super) fn change(&self) -> Result<Arc<Keyspace>, Failure> {
        self.open(false)
    }

    /// The same, but it is made if it is missing.
    pub(super) fn change_or_make(&self) -> Result<Arc<Keyspace>, Failure> {
        self.open(true)
    }

    fn open(&self, create: bool) -> Result<Arc<Keyspace>, Failure> {
        let options = Options {
            memory: engine_memory(machine::memory_default()).min(1 << 30),
            fsync: Fsync::Never,
            create,
            ..Options::default()
        };
        open(&self.dir, Env::with_vfs(disk()), options)
    }
}

/// Opens the keys in a directory.
pub(super) fn open(dir: &Path, env: Env, options: Options) -> Result<Arc<Keyspace>, Failure> {
    Keyspace::open_among(env, dir, options, DATABASES, &[dynamo::REALM])
        .map_err(|error| Failure::Failed(error.to_string()))
}

/// The engine's part of the process's memory. Threads, connections and scripts need some of the rest, of which there is no
/// less where memory is small; most of it is what an allocator loses between blocks of many sizes, a quarter of what is used
/// when reads and merges go on at once.
pub(super) fn engine_memory(memory: u64) -> u64 {
    (memory - memory / 4).saturating_sub(24 << 20).max(8 << 20)
}

/// The engine's options for a server with these settings.
pub(super) fn options(config: &Config) -> Options {
    Options {
        memory: engine_memory(config.memory),
        page_cache: machine::total_memory().map(|total| total.saturating_sub(config.memory)),
        fsync: instance::fsync(config.fsync),
        ..Options::default()
    }
}

/// What a failure means to whoever called a tool.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy(dir) => Self::Failed(format!(
                "{} is in use by another process; stop that first (looking, `inspect` and `verify`, is always possible)",
                dir.display()
            )),
            other => Self::Failed(other.to_string()),
        }
    }
}
