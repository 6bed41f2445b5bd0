//! What can go wrong between a command and the engine.

use super::locks::Stripe;
use crate::engine::{self, Miss};

/// A store result.
pub type Result<T> = std::result::Result<T, Error>;

/// What somebody would have to wait for.
#[derive(Clone, Debug)]
pub enum Lack {
    /// A block that is to be fetched from the disk.
    Block(Miss),
    /// A lock that others hold: see [`super::Store::poll_free`].
    Lock(Stripe),
}

/// A store error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(engine::Error),
    /// Asked for [`engine::Tier::Cached`], and the answer needs the disk or a lock that somebody holds: drop the
    /// transaction and run the same again where waiting is allowed, or once there is what alone was lacking.
    #[error("would have to wait")]
    WouldWait(Option<Lack>),
    /// A row does not read as what its place says it is.
    #[error("a stored row is damaged: {0}")]
    Damaged(&'static str),
}

impl Error {
    /// More was to change at once than a batch may hold.
    pub(crate) fn over_batch(bytes_max: u64) -> Self {
        Self::Engine(engine::Error::Invalid(format!(
            "what is changed at once is over the limit of {bytes_max} bytes, an eighth of the memory budget"
        )))
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::NotCached(miss) => Self::WouldWait(miss.map(Lack::Block)),
            other => Self::Engine(other),
        }
    }
}
