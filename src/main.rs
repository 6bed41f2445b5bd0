//! The `siltstone` binary.

use std::process::ExitCode;

/// Gives memory back to the system, and fragments little under values of all sizes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    siltstone::cli::main(std::env::args_os())
}
