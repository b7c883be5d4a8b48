use secrecy::SecretString;

/// PostgreSQL.
#[derive(clap::Args, Clone, Debug)]
pub struct Database {
    /// PostgreSQL URL. Absent: the server keeps a private PostgreSQL under the data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// Longest wait for a pooled connection before the API answers 503, in milliseconds.
    #[arg(long, env = "DATABASE_WAIT_MS", default_value_t = 2_000)]
    pub database_wait_ms: u64,
    /// Most connections that the pool opens.
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value_t = 16)]
    pub database_pool_size: usize,
}
