//! The subcommands, one file each.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a subcommand talks to a person or a pipe")]

mod admin;
mod attend;
mod audit;
mod client;
mod crds;
mod login;
mod migrate;
mod openapi;
mod sandbox;
mod serve;
mod terminal;

use std::{process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};

use crate::clock::Clock;

/// Interactive sessions in the browser, on one machine and on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "streamspace", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Accounts and keys, from the server's host and without signing in.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Check the audit.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Print the definitions of the custom resources as YAML.
    Crds,
    /// Sign in to a server and keep a token for the other subcommands.
    Login(login::Login),
    /// Print the description of the API as JSON.
    Openapi,
    /// Bring the database's tables to what this version expects.
    Migrate(Box<crate::config::Config>),
    /// Run a shell in the browser: the app of the template `terminal`.
    Terminal(terminal::Options),
    /// Hold the sandbox that standard input describes. Started by the server.
    #[command(hide = true)]
    Sandbox,
    /// The first process of a sandbox. Started inside by its holder.
    #[command(hide = true)]
    SandboxInit,
    /// Refuse routes in a sandbox's network. Started by its holder.
    #[command(hide = true)]
    SandboxNet,
    /// Run the server.
    Serve(Box<crate::config::Config>),
}

/// Runs what the command line asks for, by `clock`: the host's, except where a test moves time.
pub fn run(cli: Cli, clock: Arc<dyn Clock>) -> ExitCode {
    let result = match cli.command {
        Command::Admin(admin) => admin::run(admin, clock),
        Command::Audit(audit) => audit::run(audit, clock),
        Command::Crds => crds::run(),
        Command::Login(login) => login::run(login),
        Command::Openapi => openapi::run(),
        Command::Migrate(config) => migrate::run(&config),
        Command::Serve(config) => serve::run(*config, clock),
        Command::Terminal(options) => terminal::run(options),
        Command::Sandbox => sandbox::hold(),
        Command::SandboxInit => return sandbox::init(),
        Command::SandboxNet => sandbox::net(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("streamspace: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a subcommand ends with when it fails: one sentence for the person.
type CliError = Box<dyn std::error::Error + Send + Sync>;
