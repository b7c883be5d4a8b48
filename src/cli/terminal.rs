//! A shell in the browser: the app of the template `terminal`.

use std::net::{IpAddr, Ipv4Addr};

use super::CliError;
use crate::terminal;

/// Where it listens and what it runs.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Address to listen on. Everyone who reaches it has the shell: nothing here asks who it is.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Port to listen on.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// The shell.
    #[arg(long, env = "SHELL", default_value = "/bin/bash")]
    shell: String,
    /// A program to show instead of the shell, and its arguments.
    #[arg(last = true)]
    program: Vec<String>,
}

pub(super) fn run(options: Options) -> Result<(), CliError> {
    let Options { host, port, shell, program } = options;
    let program = if program.is_empty() { vec![shell] } else { program };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    Ok(local.block_on(&runtime, terminal::serve(terminal::Options { host, port, program }))?)
}
