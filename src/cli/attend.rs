//! How a subcommand gets at the database: beside the server that runs, or instead of it.

use std::sync::Arc;

use super::CliError;
use crate::{
    auth::Auth,
    clock::Clock,
    config::Config,
    store::{self, Claim, Database, PrivatePostgres, StoreError},
};

/// The database and the keys, for as long as a subcommand runs.
pub(super) struct Attendance {
    pub(super) auth: Auth,
    database: Database,
    // Held so that no server starts meanwhile; absent beside one that runs.
    _claim: Option<Claim>,
}

/// Connects, bringing the tables up to date; starts the private PostgreSQL where no server runs it.
pub(super) async fn attend(config: &Config, clock: Arc<dyn Clock>) -> Result<Attendance, CliError> {
    let (database, claim) = match Claim::take(&config.folders) {
        Ok(claim) => (store::connect(config, &claim).await?, Some(claim)),
        Err(StoreError::FolderInUse { .. }) => (join(config)?, None),
        Err(error) => return Err(error.into()),
    };
    let ready = async {
        store::migrate(&database.connector).await?;
        Ok::<_, CliError>(Auth::start(config, &config.folders.data()?, database.pool.clone(), clock).await?)
    };
    match ready.await {
        Ok(auth) => Ok(Attendance { auth, database, _claim: claim }),
        Err(error) => {
            database.stop().await?;
            Err(error)
        }
    }
}

/// Beside a server that runs on the same data folder.
fn join(config: &Config) -> Result<Database, CliError> {
    let connector = if config.database.is_external() {
        store::Connector::external(&config.database)?
    } else {
        PrivatePostgres::join(&config.folders.run()?)?
    };
    Ok(Database { pool: store::pool(&connector, &config.database)?, connector, private: None })
}

impl Attendance {
    /// Stops what was started for the subcommand, and passes its result on.
    pub(super) async fn end<T>(self, result: Result<T, CliError>) -> Result<T, CliError> {
        self.database.stop().await?;
        result
    }
}
