//! Operations that read items.

pub mod get;
pub mod page;
pub mod query;
pub mod shown;
