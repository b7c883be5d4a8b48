//! Configuration: one struct a section, each field documented where it is declared.
//!
//! Order of precedence: defaults, the YAML file, the environment, flags.

mod catalog;
mod changing;
mod check;
mod client;
mod cluster;
mod database;
mod engine;
mod folders;
mod http;
mod jobs;
mod layers;
mod logs;
mod people;
mod report;
mod roles;
mod saml;
mod sessions;
mod sso;

pub use catalog::Catalog;
pub use changing::{Changing, InForce};
pub use client::client_folder;
pub use cluster::Cluster;
pub use database::{Database, SslMode};
pub use engine::{Engine, EngineKind};
pub use folders::Folders;
pub use http::{AppsRouting, Http};
pub use jobs::Jobs;
pub use layers::{Layers, Origin, Variables, environment};
pub use logs::{LogFormat, Logs};
pub use people::{AuthMode, People};
pub use report::{Setting, report};
pub use roles::{Role, Roles};
pub use saml::{Preset, Saml, SamlProvider};
pub use sessions::Sessions;
pub use sso::{DefaultRole, SingleSignOn};

use std::path::PathBuf;

/// What is wrong with a setting.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{setting}: {message}")]
pub struct ConfigError {
    /// Name of the variable or of the key in the file.
    pub setting: String,
    /// A sentence that says how to mend it.
    pub message: String,
}

impl ConfigError {
    /// `message` about `setting`.
    pub fn new(setting: impl Into<String>, message: impl Into<String>) -> Self {
        Self { setting: setting.into(), message: message.into() }
    }
}

/// Everything `streamspace serve` can be told.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// YAML file with settings, named as the flags are, in `snake_case`. It stands below the environment and flags.
    #[arg(id = "config", long = "config", env = "STREAMSPACE_CONFIG", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// What runs the sessions.
    #[command(flatten)]
    pub engine: Engine,
    /// What of the platform this process does.
    #[command(flatten)]
    pub roles: Roles,
    /// How the server is reached.
    #[command(flatten)]
    pub http: Http,
    /// Where things lie on the host.
    #[command(flatten)]
    pub folders: Folders,
    /// PostgreSQL.
    #[command(flatten)]
    pub database: Database,
    /// How people sign in.
    #[command(flatten)]
    pub people: People,
    /// How they sign in elsewhere.
    #[command(flatten)]
    pub sso: SingleSignOn,
    /// How they sign in through SAML.
    #[command(flatten)]
    pub saml: Saml,
    /// What sessions may have.
    #[command(flatten)]
    pub sessions: Sessions,
    /// What of a cluster is shown beside sessions.
    #[command(flatten)]
    pub cluster: Cluster,
    /// The template catalog.
    #[command(flatten)]
    pub catalog: Catalog,
    /// Long work.
    #[command(flatten)]
    pub jobs: Jobs,
    /// What is written down.
    #[command(flatten)]
    pub logs: Logs,
}

/// The folders where programs are looked for, from `PATH`.
#[must_use]
pub fn search_path() -> Vec<PathBuf> {
    environment("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

#[cfg(test)]
pub mod test {
    //! Configurations for tests of other modules.

    use clap::Parser;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        config: super::Config,
    }

    /// A configuration with `arguments` and defaults for the rest.
    pub fn config(arguments: &[&str]) -> super::Config {
        Arguments::parse_from(std::iter::once("test").chain(arguments.iter().copied())).config
    }

    /// Its section about HTTP.
    pub fn http(arguments: &[&str]) -> super::Http {
        config(arguments).http
    }
}
