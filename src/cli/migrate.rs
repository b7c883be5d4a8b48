//! `streamspace migrate`: brings the database's tables to what this version expects, and ends.

use super::CliError;
use crate::{config::Config, store};

/// Migrates and says what was done. Refused while a server uses the data folder: it has migrated already.
pub(super) fn run(config: &Config) -> Result<(), CliError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(migrate(config))
}

async fn migrate(config: &Config) -> Result<(), CliError> {
    let claim = store::Claim::take(&config.folders)?;
    let database = store::connect(config, &claim).await?;
    let applied = store::migrate(&database.connector).await;
    database.stop().await?;
    let applied = applied?;
    if applied.is_empty() {
        println!("the database is up to date");
    }
    for migration in applied {
        println!("applied {migration}");
    }
    Ok(())
}
