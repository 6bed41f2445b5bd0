//! Siltstone keeps keys and values on disk, in order, and never forgets an acknowledged write.
//!
//! The storeys, of which each may use only those below it (`tests/tidy.rs` holds the table):
//!
//! ```text
//! leaves   clock random metrics workers config codec vfs allocator
//! engine   the LSM: ordered bytes, durable; synchronous, knows no protocol
//! store    what the protocols share: realms, key locks, transactions, deadlines, ids
//! redis    Redis's data types and commands
//! dynamo   DynamoDB's tables and operations
//! server   sockets (tokio)
//! cli      the command line
//! ```
//!
//! The write path is `engine/write.rs`: every change goes through `commit`, and every promise that it is on disk through
//! `sync_round`. The read path is `engine/read.rs` for one key and `engine/scan.rs` for many. What a Redis command does on
//! its way is in `redis/dispatch.rs`, and where it meets sockets in `server/connection.rs`. What a request of the table API
//! does is in `dynamo/mod.rs` and `dynamo/operations.rs`, and where it meets sockets in `server/http/exchange.rs`.

#[cfg(feature = "server")]
mod allocator;
#[cfg(feature = "server")]
pub mod cli;
pub mod clock;
pub mod codec;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod dynamo;
pub mod engine;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod metrics;
pub mod random;
#[cfg(feature = "server")]
pub mod redis;
#[cfg(feature = "server")]
pub mod server;
pub mod store;
pub mod vfs;
pub mod workers;

/// The README's examples run, so that they stay true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
