//! The `streamspace` program: it reads the command line and nothing else.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    streamspace::cli::run(streamspace::cli::Cli::parse())
}
