//! PostgreSQL: one file per table, plain SQL, a client or a transaction in, domain types out.

pub mod activity;
pub mod audit;
mod away;
mod binaries;
pub mod catalog;
pub mod connections;
mod connector;
mod folder;
pub mod groups;
pub mod host_node;
pub mod idempotency;
pub mod identities;
pub mod intents;
pub mod invitations;
pub mod jobs;
pub mod leadership;
pub mod lifecycle;
mod listener;
pub mod mapping_rules;
mod migrate;
pub mod notices;
pub mod oidc_sessions;
mod private_postgres;
pub mod projects;
pub mod quotas;
pub mod reservations;
pub mod saml;
mod search;
pub mod secrets;
pub mod settings;
pub mod shares;
pub mod sign_in_failures;
pub mod sign_in_links;
pub mod sign_in_requests;
pub mod sign_ins;
pub mod signing_keys;
pub mod socket_tickets;
mod suitable;
pub mod teams;
mod tls;
pub mod tokens;
pub mod usage;
pub mod users;

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod, Runtime};

pub use away::is_away;
pub use connector::{Connector, Messages, listen, ping};
pub use folder::Claim;
pub use listener::{
    FIGURES, JOB_CANCELS, JOB_FEED, JOBS, Listener, NOTICES, OBJECTS, SETTINGS, Subscription, USES, announce,
};
pub use migrate::migrate;
pub use private_postgres::PrivatePostgres;

use crate::config::{self, Config, ConfigError};

/// Connections to the database, shared by everything.
pub type Pool = deadpool_postgres::Pool;

/// Longest time for making a connection that has one owner.
const OWN_CONNECTION_WITHIN: Duration = Duration::from_secs(2);

/// Why the database cannot be used. Written for the person who starts the server: it names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A setting is wrong.
    #[error("{0}")]
    Configuration(String),
    /// Another process uses the data folder.
    #[error("the data folder {folder} is in use by process {process}: stop that one first, or choose another DATA_DIR")]
    FolderInUse {
        /// The folder.
        folder: String,
        /// The process number.
        process: String,
    },
    /// A folder or a file cannot be used: path, reason.
    #[error("{0}: {1}")]
    Folder(String, String),
    /// No usable PostgreSQL on this host.
    #[error("there is no PostgreSQL {oldest} or later on this host: run apt-get install postgresql, or set DATABASE_URL", oldest = binaries::OLDEST)]
    NoPostgres,
    /// The private database was made by another major version than those installed.
    #[error(
        "the database in {data} was made by PostgreSQL {made_by}, and only {} is installed: run apt-get install postgresql-{made_by}, \
         or move the database with pg_upgrade",
        if installed.is_empty() { "none".to_owned() } else { installed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") }
    )]
    PostgresVersion {
        /// The cluster's folder.
        data: String,
        /// The major version that made it.
        made_by: u32,
        /// Usable major versions on this host.
        installed: Vec<u32>,
    },
    /// The private PostgreSQL failed: what it said.
    #[error("the private PostgreSQL failed: {0}")]
    Postgres(String),
    /// The database does not let us in.
    #[error("no connection to the database: {0}")]
    Connect(String),
    /// The database is older than what the tables need: its version.
    #[error("the database is PostgreSQL {0}, and {oldest} or later is needed: upgrade it, or set another DATABASE_URL", oldest = binaries::OLDEST)]
    TooOld(String),
    /// Something between us and the database gives each transaction another connection.
    #[error(
        "the database is reached through a pooler in transaction mode, in which LISTEN, locks and prepared statements do \
         not work: connect to PostgreSQL itself, or set the pooler to session mode"
    )]
    Pooler,
    /// A migration failed.
    #[error("the database could not be migrated: {0}")]
    Migration(String),
}

impl StoreError {
    /// A failed attempt to connect, with what the server said.
    fn connect(error: tokio_postgres::Error) -> Self {
        Self::Connect(sentence(&error))
    }
}

impl From<ConfigError> for StoreError {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error.to_string())
    }
}

/// What PostgreSQL said, or the cause in the client: its own `Display` is only "db error".
fn sentence(error: &tokio_postgres::Error) -> String {
    if let Some(database) = error.as_db_error() {
        return database.message().to_owned();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The database of a server or a subcommand.
#[derive(Debug)]
pub struct Database {
    /// Connections for everybody.
    pub pool: Pool,
    /// How to make a connection of one's own.
    pub connector: Connector,
    /// The private PostgreSQL, where this process runs it.
    pub private: Option<Arc<PrivatePostgres>>,
}

impl Database {
    /// Stops what this process runs.
    ///
    /// # Errors
    /// [`StoreError::Postgres`] where the private PostgreSQL does not end.
    pub async fn stop(&self) -> Result<(), StoreError> {
        self.pool.close();
        match &self.private {
            Some(private) => private.stop().await,
            None => Ok(()),
        }
    }
}

/// Connects a server that holds `claim`; the private PostgreSQL, where it is used, is started.
///
/// # Errors
/// [`StoreError`], written for the person who starts the server.
pub async fn connect(config: &Config, claim: &Claim) -> Result<Database, StoreError> {
    if config.database.is_external() {
        let connector = Connector::external(&config.database)?;
        suitable::check(&connector).await?;
        return Ok(Database { pool: pool(&connector, &config.database)?, connector, private: None });
    }
    let private = PrivatePostgres::prepare(claim.data(), claim.run())?;
    private.start().await?;
    let connector = private.connector().clone();
    Ok(Database { pool: pool(&connector, &config.database)?, connector, private: Some(Arc::new(private)) })
}

/// Whether the database that is configured can be used, and a sentence about it. An external one is connected to; for a
/// private one its programs are looked for and nothing is made.
///
/// # Errors
/// [`StoreError`], which names the remedy.
pub async fn examine(config: &Config) -> Result<String, StoreError> {
    if config.database.is_external() {
        suitable::check(&Connector::external(&config.database)?).await?;
        return Ok("The external database can be used.".into());
    }
    let (major, folder) = PrivatePostgres::examine(&config.folders.data()?, &config.folders.run()?)?;
    Ok(format!("The server keeps a private PostgreSQL {major}, with the programs in {}.", folder.display()))
}

/// A pool of connections made by `connector`.
///
/// # Errors
/// Never in practice: a runtime is given.
pub fn pool(connector: &Connector, database: &config::Database) -> Result<Pool, StoreError> {
    // A request waits for a place in the pool and then for the connection: together no longer than is configured.
    build_pool(connector, database.database_pool_size, Duration::from_millis(database.database_wait_ms / 2))
}

/// One connection that nobody shares, made again whenever it breaks: however busy the server is, its owner gets through.
///
/// # Errors
/// As [`pool`].
fn one_connection(connector: &Connector) -> Result<Pool, StoreError> {
    build_pool(connector, 1, OWN_CONNECTION_WITHIN)
}

/// `step`: longest wait for a place, for making a connection, and for looking at one.
fn build_pool(connector: &Connector, size: usize, step: Duration) -> Result<Pool, StoreError> {
    let manager = Manager::from_connect(
        tokio_postgres::Config::new(),
        connector.clone(),
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(step))
        .create_timeout(Some(step))
        .recycle_timeout(Some(step))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Configuration(error.to_string()))
}
