//! DynamoDB's API over HTTP: what is let in, how it is answered, and what strangers cannot do.
//!
//! The server runs inside the test's process, on a disk in memory, and by a clock that stands still where that matters.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bodies;
mod client;
mod exchanges;
mod metrics;
mod running;
mod signatures;
mod signing;
mod tls;
