//! Redis's data types and commands, over [`crate::store`].

pub(crate) mod args;
pub(crate) mod error;
pub(crate) mod glob;
pub mod keyspace;
pub(crate) mod number;
pub(crate) mod protocol;
