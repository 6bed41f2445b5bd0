//! What can go wrong: a variant exists only where a caller acts differently.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An engine result.
pub type Result<T> = std::result::Result<T, Error>;

/// An engine error. Cheap to clone: every writer of a failed group gets it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed this request.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, to which file.
        what: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Bytes on disk are not what was written. Never guessed around.
    #[error("{} is corrupt at offset {offset}: {what}", file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The disk is full: writes are refused until there is room; reads and deletes go on.
    #[error("the disk is full: writes are refused until {0} MiB are free")]
    DiskFull(u64),
    /// A write to the log or manifest failed, so that nothing is known of what reached the disk.
    /// Writes fail until the database is opened again.
    #[error("the database takes no more writes: {0}; open it again")]
    Poisoned(Arc<str>),
    /// Somebody else has the directory open.
    #[error("{} is in use by another process or handle", .0.display())]
    Busy(PathBuf),
    /// The caller asked for what cannot be: over a limit, a bad option, not a database, a newer format.
    #[error("{0}")]
    Invalid(String),
    /// The answer is not in memory, and the caller asked for [`super::Tier::Cached`]. Where one piece of a table is all
    /// that is known to be missing, it is named.
    #[error("not in memory")]
    NotCached(Option<super::Miss>),
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
}

impl Error {
    /// An I/O error with what was being done to which file.
    pub(crate) fn io(what: impl Display, path: &Path, source: io::Error) -> Self {
        Self::Io { what: format!("{what} {}", path.display()), source: Arc::new(source) }
    }

    /// A damaged file.
    pub(crate) fn corrupt(file: &Path, offset: u64, what: impl Display) -> Self {
        Self::Corrupt { file: file.to_owned(), offset, what: what.to_string() }
    }

    /// A request that cannot be.
    pub(crate) fn invalid(what: impl Display) -> Self {
        Self::Invalid(what.to_string())
    }

    /// Whether this is the system saying that there is no space.
    pub(crate) fn is_no_space(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}
