//! Fuzz targets: functions that take any bytes and panic where a promise is broken.
//!
//! With a nightly toolchain and `cargo-fuzz`, from the root: `cargo +nightly fuzz run TARGET --features libfuzzer`.
//! With the stable one, without coverage: `cargo run --release --manifest-path fuzz/Cargo.toml -- TARGET
//! --seconds N [--seed N]`; an input that breaks something is kept in `fuzz/artifacts/` and can be given again:
//! `… -- TARGET --input FILE`.

mod damage;
mod operations;

use siltstone::fuzzing::{TARGETS as DECODERS, Target};

/// The targets of this crate, beside those of the package.
const STORES: &[Target] = &[
    ("wal", damage::log, damage::seeds),
    ("manifest", damage::manifest, damage::seeds),
    ("operations", operations::run, operations::seeds),
];

/// All targets.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    DECODERS.iter().chain(STORES)
}

/// Runs one target once.
pub fn run(name: &str, data: &[u8]) {
    let target = targets().find(|target| target.0 == name);
    target.unwrap_or_else(|| panic!("there is no target {name}")).1(data);
}
