//! Configuration: one struct a section, each field documented where it is declared.
//!
//! Order of precedence: defaults, the YAML file, the environment, flags.

mod database;
mod folders;
mod http;
mod people;
mod sessions;

pub use database::Database;
pub use folders::Folders;
pub use http::Http;
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
}
