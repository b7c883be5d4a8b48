use std::time::Duration;

use crate::domain::{duration, outgoing::Exceptions};

/// The template catalog.
#[derive(clap::Args, Clone, Debug)]
pub struct Catalog {
    /// How often repositories are synced that name no interval, such as `1h`; `0s` means only when asked to.
    #[arg(long, env = "SYNC_INTERVAL", value_parser = duration::parse, default_value = "1h")]
    pub sync_interval: Duration,
    /// Prefixes of repository URLs that may be plain `http` or lie in an inner network, separated by commas, such as
    /// `https://git.corp.example/`.
    #[arg(long, env = "CATALOG_ALLOW", value_delimiter = ',')]
    pub catalog_allow: Vec<String>,
    /// Longest time that a fetch from a repository may take, such as `2m`.
    #[arg(long, env = "SYNC_TIMEOUT", value_parser = duration::parse, default_value = "2m")]
    pub sync_timeout: Duration,
    /// Most bytes that are fetched from a repository.
    #[arg(long, env = "SYNC_MAX_BYTES", default_value_t = 256 * 1024 * 1024)]
    pub sync_max_bytes: u64,
}

impl Catalog {
    /// What repositories are excepted from the rules for URLs.
    ///
    /// # Errors
    /// A sentence about the first prefix that is none.
    pub fn exceptions(&self) -> Result<Exceptions, String> {
        Exceptions::parse(self.catalog_allow.iter().filter(|prefix| !prefix.trim().is_empty()))
    }
}
