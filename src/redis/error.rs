//! What a client is told when a command fails: every wire text of the Redis view that more than one place uses.

use std::borrow::Cow;

use super::blocking::Block;
use super::keyspace;
use crate::store::{self, EngineError, Lack};

/// A command's result.
pub(crate) type Result<T = ()> = std::result::Result<T, Error>;

/// Why a command failed. A command that fails has written nothing, whatever it had staged.
#[derive(Clone, Debug)]
pub(crate) enum Error {
    /// `WRONGTYPE …`: the key holds another type.
    WrongType,
    /// `ERR syntax error`.
    Syntax,
    /// `ERR value is not an integer or out of range`.
    NotAnInteger,
    /// `ERR value is not a valid float`.
    NotAFloat,
    /// `ERR no such key`.
    NoSuchKey,
    /// `ERR wrong number of arguments for '…' command`, with the full name (`config|get`).
    Arity(&'static str),
    /// `ERR invalid expire time in '…' command`.
    InvalidExpire(&'static str),
    /// No failure: the command waits for a key, and is run again when it was touched.
    Block(Box<Block>),
    /// `OOM …`: it needs room, and there is more than `maxmemory` already.
    OverMaxmemory,
    /// `NOREPLICAS …`: it writes, and a write is to reach replicas, of which there are none.
    NoReplicas,
    /// A script touched a key that it did not declare: it is run again with every lock held.
    Undeclared,
    /// A script needs so much memory that only one of its kind may run at a time: it is run again when it is its turn.
    Large,
    /// `ERR the reply is larger …`: or a string is, that has to be in memory whole.
    OverBudget,
    /// Any other text, with its code first: `ERR …`.
    Text(Cow<'static, str>),
    /// The store's; [`store::Error::WouldWait`] makes dispatch run the command again where it may wait.
    Store(store::Error),
}

impl Error {
    /// A text, with its code: `Error::text("ERR offset is out of range")`.
    pub(crate) fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Text(text.into())
    }

    /// The line on the wire, without `-` and line end.
    pub(crate) fn wire(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::Syntax => "ERR syntax error",
            Self::NotAnInteger => "ERR value is not an integer or out of range",
            Self::NotAFloat => "ERR value is not a valid float",
            Self::NoSuchKey => "ERR no such key",
            Self::Undeclared => "ERR Script attempted to access a key that it did not declare in KEYS",
            Self::Arity(name) => {
                return Cow::Owned(format!("ERR wrong number of arguments for '{name}' command"));
            }
            Self::InvalidExpire(name) => {
                return Cow::Owned(format!("ERR invalid expire time in '{name}' command"));
            }
            Self::OverBudget => {
                "ERR the reply is larger than the memory budget permits; ask for less at once"
            }
            Self::Large => "ERR the script needs more memory than it may have now",
            Self::Block(_) => "ERR the command would have to wait",
            Self::OverMaxmemory => "OOM command not allowed when used memory > 'maxmemory'.",
            Self::NoReplicas => "NOREPLICAS Not enough good replicas to write.",
            Self::Text(text) => text,
            Self::Store(error) => return Cow::Owned(store_wire(error)),
        })
    }

    /// What must be there before the command is run again, if that alone is lacking.
    pub(crate) fn lack(self) -> Option<Lack> {
        match self {
            Self::Store(store::Error::WouldWait(lack)) => lack,
            _ => None,
        }
    }

    /// Whether the command must be run again where it may wait.
    pub(crate) fn would_wait(&self) -> bool {
        matches!(self, Self::Store(store::Error::WouldWait(_)))
    }

    /// Whether what the command staged stays though it ended with this.
    pub(crate) fn keeps_staged(&self) -> bool {
        matches!(self, Self::Block(block) if block.keeps())
    }
}

fn store_wire(error: &store::Error) -> String {
    match error {
        // Clients know these codes: no room for writes, no writes for good, not serving.
        store::Error::Engine(EngineError::DiskFull(_)) => format!("OOM {error}"),
        store::Error::Engine(EngineError::Poisoned(_)) => format!("MISCONF {error}"),
        store::Error::Engine(EngineError::Closed) => "LOADING the server is shutting down".to_owned(),
        _ => format!("ERR {error}"),
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self::Store(error.into())
    }
}

impl From<keyspace::Error> for Error {
    fn from(error: keyspace::Error) -> Self {
        match error {
            keyspace::Error::Store(error) => Self::Store(error),
            keyspace::Error::WrongType => Self::WrongType,
        }
    }
}
