//! Redis's data types and commands, over [`crate::store`].

pub(crate) mod glob;
pub(crate) mod number;
