use std::path::PathBuf;

use secrecy::SecretString;

/// PostgreSQL.
#[derive(clap::Args, Clone, Debug)]
pub struct Database {
    /// PostgreSQL URL. Absent, with all of `DB_*`: the server keeps a private PostgreSQL under the data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// Host of an external PostgreSQL, or the folder of its Unix socket. Absent, with any other of `DB_*` set: `localhost`.
    #[arg(long, env = "DB_HOST")]
    pub db_host: Option<String>,
    /// Its port. Absent: 5432.
    #[arg(long, env = "DB_PORT")]
    pub db_port: Option<u16>,
    /// The role to connect as. Absent: `streamspace`.
    #[arg(long, env = "DB_USER")]
    pub db_user: Option<String>,
    /// The role's password; there is no default.
    #[arg(long, env = "DB_PASSWORD", hide_env_values = true)]
    pub db_password: Option<SecretString>,
    /// The database. Absent: `streamspace`.
    #[arg(long, env = "DB_NAME")]
    pub db_name: Option<String>,
    /// How the connection is protected, also for a `DATABASE_URL` without `sslmode`. Absent: `prefer`.
    #[arg(long, env = "DB_SSL_MODE", value_enum)]
    pub db_ssl_mode: Option<SslMode>,
    /// PEM file with the authorities that sign the database's certificate. Absent: those of the host.
    #[arg(long, env = "DB_SSL_ROOT_CERT")]
    pub db_ssl_root_cert: Option<PathBuf>,
    /// Longest wait for a pooled connection before the API answers 503, in milliseconds.
    #[arg(long, env = "DATABASE_WAIT_MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    pub database_wait_ms: u64,
    /// Most connections that the pool opens.
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value_t = 16)]
    pub database_pool_size: usize,
}

impl Database {
    /// Whether an external PostgreSQL is meant.
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.database_url.is_some() || self.parts().iter().any(|(_, set)| *set) || self.db_ssl_mode.is_some()
    }

    /// The parts that a URL would hold too, and whether they are set.
    pub(super) fn parts(&self) -> [(&'static str, bool); 5] {
        [
            ("DB_HOST", self.db_host.is_some()),
            ("DB_PORT", self.db_port.is_some()),
            ("DB_USER", self.db_user.is_some()),
            ("DB_PASSWORD", self.db_password.is_some()),
            ("DB_NAME", self.db_name.is_some()),
        ]
    }
}

/// How a connection to PostgreSQL is protected; the words are libpq's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted where the server offers it; the certificate is not checked.
    Prefer,
    /// Encrypted or not at all; the certificate is not checked.
    Require,
    /// Encrypted, and the certificate comes from a known authority, for whatever name.
    VerifyCa,
    /// Encrypted, and the certificate comes from a known authority for this very host.
    VerifyFull,
}

impl SslMode {
    /// The mode that libpq knows by this word.
    ///
    /// # Errors
    /// A sentence with the words that exist.
    pub fn parse(word: &str) -> Result<Self, String> {
        <Self as clap::ValueEnum>::from_str(word, false)
            .map_err(|_| format!("“{word}” is no sslmode: write disable, prefer, require, verify-ca or verify-full"))
    }
}
