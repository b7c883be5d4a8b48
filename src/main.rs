//! The `streamspace` program: it reads the command line and nothing else.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use streamspace::{cli, clock::SystemClock};

/// Gives memory back once many sockets are closed, and takes less time for many small pieces than the C library's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::run(cli::Cli::read(), SystemClock::shared())
}
