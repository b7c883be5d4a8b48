//! The `streamspace` program: it reads the command line and nothing else.

use std::process::ExitCode;

use streamspace::{cli, clock::SystemClock};

fn main() -> ExitCode {
    cli::run(cli::Cli::read(), SystemClock::shared())
}
