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
    #[command(flatten)]
    #[allow(missing_docs)]
    pub http: Http,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub folders: Folders,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub database: Database,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub people: People,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub sessions: Sessions,
}
