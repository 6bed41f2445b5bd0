//! The server as a client meets it: over a socket, in RESP, with its data on a disk in memory.
//!
//! - `transcripts`: conversations in `transcripts/*.txt`, whose replies can be recorded again
//!   (`SILTSTONE_RECORD=1`) and replayed against the Redis on PATH (`SILTSTONE_REDIS=1`).
//! - the rest: what no transcript can say, such as hostile bytes, clients that never read, many at once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod acl;
mod blocking;
mod client;
mod failing_disk;
mod hostile;
mod info;
mod large;
mod linear;
mod migrate;
mod monitor;
mod notifications;
mod output;
mod pubsub;
mod random;
mod replay;
mod running;
mod scripts;
mod sets;
mod streams;
mod tls;
mod tracking;
mod transactions;
mod transcripts;
