//! The engine from outside: through its public interface, on disks that crash, fail, fill up and lie.
//!
//! Every test prints its seed when it fails; `SILTSTONE_SEED` starts from another one, and
//! `SILTSTONE_CRASH_IMAGES` asks for more images (200000 take some minutes).

#![allow(missing_docs, reason = "a test binary has no readers of its interface")]
#![allow(clippy::unwrap_used, reason = "a test panics when it is surprised")]

mod bit_flips;
mod crashes;
mod damage;
mod failing_disk;
mod full_disk;
mod history;
mod model;
mod threads;
mod world;
