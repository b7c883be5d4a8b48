//! The subcommands, one file each.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a subcommand talks to a person or a pipe")]

mod adapters;
mod admin;
mod attend;
mod audit;
mod catalog;
mod client;
mod config_check;
mod crds;
mod desktop;
mod doctor;
mod git_fetch;
mod login;
mod migrate;
mod nodes;
mod openapi;
mod ready;
mod sandbox;
mod serve;
mod sessions;
mod table;
mod templates;
mod terminal;

use std::{ffi::OsString, process::ExitCode, sync::Arc};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    clock::Clock,
    config::{ConfigError, Layers, Variables, environment},
};

/// Interactive sessions in the browser, on one machine and on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "streamspace", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[arg(skip)]
    sources: Sources,
}

/// What was read, before it became settings.
#[derive(Debug, Default)]
struct Sources {
    matches: ArgMatches,
    layers: Layers,
}

impl Sources {
    /// What was read for a subcommand, which is the one that runs.
    fn of(&self, subcommands: &[&str]) -> Result<&ArgMatches, CliError> {
        let found = subcommands.iter().try_fold(&self.matches, |matches, name| matches.subcommand_matches(name));
        found.ok_or_else(|| "the command line was not read by Cli::read".into())
    }
}

impl Cli {
    /// Reads the command line of this process, the environment and the file with settings; ends the process with a
    /// message where they cannot be used.
    #[must_use]
    pub fn read() -> Self {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        if let Some(command) = inner(&arguments) {
            return Self { command, sources: Sources::default() };
        }
        let layers = match layers(&arguments, &environment) {
            Ok(layers) => layers,
            Err(error) => {
                eprintln!("streamspace: {error}");
                // As for a wrong command line.
                std::process::exit(2);
            }
        };
        let matches = layers.apply(Self::command()).get_matches_from(arguments);
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        cli.sources = Sources { matches, layers };
        cli
    }
}

/// What the server itself starts, known before the whole command line is described: that costs a millisecond, and each
/// start of a session would pay it several times.
fn inner(arguments: &[OsString]) -> Option<Command> {
    match arguments {
        [_, word] if word == "sandbox" => Some(Command::Sandbox),
        [_, word] if word == "sandbox-init" => Some(Command::SandboxInit),
        _ => None,
    }
}

/// The layers below the environment, for the subcommands that take settings; the others need none and fail for none.
fn layers(arguments: &[OsString], variables: Variables<'_>) -> Result<Layers, ConfigError> {
    let root = Cli::command();
    let words = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let chosen = words.fold(&root, |command, word| command.find_subcommand(word).unwrap_or(command));
    if chosen.get_arguments().any(|argument| argument.get_id() == "config") {
        Layers::read(arguments, variables)
    } else {
        Ok(Layers::default())
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Accounts and keys, from the server's host and without signing in.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Check the audit.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// What is set, and whether it can be used.
    #[command(subcommand)]
    Config(config_check::Settings),
    /// Check a template catalog on disk.
    #[command(subcommand)]
    Catalog(catalog::Catalog),
    /// Fetch the repository that standard input names. Started by the server.
    #[command(hide = true)]
    GitFetch,
    /// Print the definitions of the custom resources as YAML.
    Crds,
    /// Look at this host: what the server and the shipped templates need, what is missing, and what brings it.
    Doctor(Box<doctor::Doctor>),
    /// Wake a session on a server that you are signed in to, and print the address at which a browser works in it.
    Connect(sessions::ConnectTo),
    /// Print what a session's program wrote, on a server that you are signed in to.
    Logs(sessions::LogsOf),
    /// List what can be launched on a server that you are signed in to.
    Templates(templates::Templates),
    /// Sign in to a server and keep a token for the other subcommands.
    Login(login::Login),
    /// Ask servers whether they can work.
    Ready(ready::Ready),
    /// See, cordon and empty the machines of a server that you are signed in to.
    Nodes(nodes::Nodes),
    /// Print the description of the API as JSON.
    Openapi,
    /// Bring the database's tables to what this version expects.
    Migrate(Box<crate::config::Config>),
    /// Run a shell in the browser: the app of the template `terminal`.
    Terminal(terminal::Options),
    /// Run a desktop that is seen through VNC: the app of the templates `desktop` and `browser`.
    Desktop(desktop::Options),
    /// Hold the sandbox that standard input describes. Started by the server.
    #[command(hide = true)]
    Sandbox,
    /// The first process of a sandbox. Started inside by its holder.
    #[command(hide = true)]
    SandboxInit,
    /// Refuse routes in a sandbox's network. Started by its holder.
    #[command(hide = true)]
    SandboxNet {
        /// Networks that are refused beside those that always are.
        networks: Vec<ipnet::IpNet>,
    },
    /// See, start, stop and delete sessions on a server that you are signed in to.
    Sessions(sessions::Sessions),
    /// Run the server.
    Serve(Box<crate::config::Config>),
}

/// Runs what the command line asks for, by `clock`: the host's, except where a test moves time.
pub fn run(cli: Cli, clock: Arc<dyn Clock>) -> ExitCode {
    let result = match cli.command {
        Command::Admin(admin) => admin::run(admin, clock),
        Command::Audit(audit) => audit::run(audit, clock),
        Command::Config(settings) => config_check::run(&settings, &cli.sources),
        Command::Catalog(catalog) => catalog::run(catalog),
        Command::GitFetch => git_fetch::run(),
        Command::Crds => crds::run(),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Login(login) => login::run(login),
        Command::Nodes(nodes) => nodes::run(nodes, &*clock),
        Command::Openapi => openapi::run(),
        Command::Ready(ready) => ready::run(&ready),
        Command::Migrate(config) => migrate::run(&config),
        Command::Serve(config) => serve::run(*config, clock),
        Command::Connect(connect) => sessions::run(connect.into(), &*clock),
        Command::Logs(logs) => sessions::run(logs.into(), &*clock),
        Command::Templates(templates) => templates::run(&templates, &*clock),
        Command::Sessions(sessions) => sessions::run(sessions, &*clock),
        Command::Terminal(options) => terminal::run(options),
        Command::Desktop(options) => desktop::run(options),
        Command::Sandbox => sandbox::hold(),
        Command::SandboxInit => return sandbox::init(),
        Command::SandboxNet { networks } => sandbox::net(&networks),
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
