//! What can go wrong between a command and the engine.

use crate::engine::{self, Miss};

/// A store result.
pub type Result<T> = std::result::Result<T, Error>;

/// A store error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(engine::Error),
    /// Asked for [`engine::Tier::Cached`], and the answer needs the disk or a lock that somebody holds: drop the
    /// transaction and run the same again where waiting is allowed, or once what is missing has been fetched.
    #[error("would have to wait")]
    WouldWait(Option<Miss>),
    /// A row does not read as what its place says it is.
    #[error("a stored row is damaged: {0}")]
    Damaged(&'static str),
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::NotCached(miss) => Self::WouldWait(miss),
            other => Self::Engine(other),
        }
    }
}
