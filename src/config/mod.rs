//! Configuration: one struct a section, each field documented where it is declared.
//!
//! Order of precedence: defaults, the YAML file, the environment, flags.

mod database;
mod folders;
mod http;
mod logs;
mod people;
mod sessions;

pub use database::Database;
pub use folders::Folders;
pub use http::Http;
pub use logs::{LogFormat, Logs};
pub use people::{AuthMode, People};
pub use sessions::Sessions;

/// Everything `streamspace serve` can be told.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
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
    /// What sessions may have.
    #[command(flatten)]
    pub sessions: Sessions,
    /// What is written down.
    #[command(flatten)]
    pub logs: Logs,
}

#[cfg(test)]
pub mod test {
    //! Configurations for tests of other modules.

    use clap::Parser;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        http: super::Http,
    }

    /// The section with `arguments` and defaults for the rest.
    pub fn http(arguments: &[&str]) -> super::Http {
        Arguments::parse_from(std::iter::once("test").chain(arguments.iter().copied())).http
    }
}
