//! Brings the database's tables to what this version expects.

use std::time::Duration;

use refinery::Migration;
use tokio_postgres::Client;

use super::{Connector, StoreError};

#[allow(missing_docs, reason = "what the macro makes")]
mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Number of the advisory lock that keeps two servers from migrating at once: "streamsp" as bytes.
const LOCK: i64 = i64::from_be_bytes(*b"streamsp");
/// Longest wait for another server's migration.
const WAIT: Duration = Duration::from_mins(2);

/// Applies the migrations that are missing and returns the names of those it applied.
///
/// Servers that start at once wait for each other. A database that knows a newer migration is left as it is, so that
/// the old version goes on while a new one is rolled out.
///
/// # Errors
/// [`StoreError::Migration`] with the migration that failed; it was rolled back.
pub async fn migrate(connector: &Connector) -> Result<Vec<String>, StoreError> {
    let (mut client, driver) = connector.client("migration-connection").await.map_err(StoreError::connect)?;
    // On a connection of its own, without the time-outs of the pool: a migration may take long.
    client
        .batch_execute(&format!(
            "SET lock_timeout = {}; SELECT pg_advisory_lock({LOCK}); SET lock_timeout = 0",
            WAIT.as_millis()
        ))
        .await
        .map_err(|error| {
            StoreError::Migration(format!("waiting for another server's migration: {}", describe(&error)))
        })?;
    let runner = embedded::migrations::runner().set_abort_missing(false);
    let failed = |error: refinery::Error| StoreError::Migration(chain(&error));
    if has_history(&client).await? {
        skips_none(runner.get_migrations(), &runner.get_applied_migrations_async(&mut client).await.map_err(failed)?)?;
    }
    let report = runner.run_async(&mut client).await.map_err(failed)?;
    // The lock goes with the connection.
    drop(client);
    driver.await.ok();
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// Whether anything was ever applied.
async fn has_history(client: &Client) -> Result<bool, StoreError> {
    let row = client.query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[]).await;
    row.map(|row| row.get(0)).map_err(|error| StoreError::Migration(describe(&error)))
}

/// A migration below the newest applied one would be passed over in silence.
fn skips_none(ours: &[Migration], applied: &[Migration]) -> Result<(), StoreError> {
    let Some(newest) = applied.iter().map(Migration::version).max() else { return Ok(()) };
    let missing = ours
        .iter()
        .find(|ours| ours.version() < newest && !applied.iter().any(|applied| applied.version() == ours.version()));
    match missing {
        None => Ok(()),
        Some(migration) => Err(StoreError::Migration(format!(
            "{migration} was never applied, but the later V{newest} was: this database was made by a version that is not an ancestor of this one"
        ))),
    }
}

fn describe(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| chain(error), |database| database.message().to_owned())
}

/// An error with its causes: refinery's own sentence does not name them.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
