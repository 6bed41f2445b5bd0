//! Operations on tables as such.

pub mod create;
pub mod delete;
pub mod describe;
pub mod endpoints;
pub mod fill;
pub mod indexes;
pub mod list;
pub mod recovery;
pub mod tags;
pub mod totals;
pub mod ttl;
pub mod update;
