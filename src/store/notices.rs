//! Table `notices`: warnings to people about what is going to happen to their sessions.

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use tokio_postgres::{Client as Connection, Row};

use super::NOTICES;
use crate::Error;

/// The reason of a warning before a machine is emptied.
pub const DRAIN: &str = "Drain";

/// A warning before a session stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `metadata.uid` of the session.
    pub session_uid: String,
    /// Its name.
    pub session: String,
    /// Whom it tells.
    pub user: String,
    /// `IdleStop`, `MaxDuration`, `BudgetSpent`, `Drain`.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// When it was given.
    pub at: Timestamp,
    /// When the session stops.
    pub stops_at: Timestamp,
}

/// Keeps a warning, announces it to every replica, and removes those that are over at its time. Nothing happens where
/// the same stop was warned of before, whoever did.
pub async fn tell(client: &mut Client, notice: &Notice) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("LOCK TABLE notices IN SHARE ROW EXCLUSIVE MODE").await?;
    transaction.execute("DELETE FROM notices WHERE stops_at < $1", &[&notice.at]).await?;
    let statement = transaction
        .prepare_cached(
            "INSERT INTO notices (number, session_uid, reason, session, user_name, message, at, stops_at)
             VALUES (nextval('notice_numbers'), $1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (session_uid, reason) DO UPDATE
             SET number = EXCLUDED.number, message = EXCLUDED.message, at = EXCLUDED.at, stops_at = EXCLUDED.stops_at
             WHERE notices.stops_at <> EXCLUDED.stops_at",
        )
        .await?;
    let Notice { session_uid, session, user, reason, message, at, stops_at } = notice;
    let kept = transaction.execute(&statement, &[session_uid, reason, session, user, message, at, stops_at]).await?;
    if kept > 0 {
        transaction.execute("SELECT pg_notify($1, '')", &[&NOTICES]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Removes what a session's person was warned of apart from drains: it does not happen.
pub async fn withdraw_own(db: &impl GenericClient, session_uid: &str) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "WITH gone AS (DELETE FROM notices WHERE session_uid = $1 AND reason <> $3 RETURNING 1)
             SELECT pg_notify($2, '') FROM gone",
        )
        .await?;
    db.execute(&statement, &[&session_uid, &NOTICES, &DRAIN]).await?;
    Ok(())
}

/// Removes everything that a session's person was warned of: the session is gone.
pub async fn withdraw(db: &impl GenericClient, session_uid: &str) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "WITH gone AS (DELETE FROM notices WHERE session_uid = $1 RETURNING 1) SELECT pg_notify($2, '') FROM gone",
        )
        .await?;
    db.execute(&statement, &[&session_uid, &NOTICES]).await?;
    Ok(())
}

/// All of them with their numbers, which grow.
pub async fn all(connection: &Connection) -> Result<Vec<(i64, Notice)>, Error> {
    let rows = connection
        .query(
            "SELECT number, session_uid, reason, session, user_name, message, at, stops_at FROM notices ORDER BY number",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get("number"), notice(row))).collect())
}

fn notice(row: &Row) -> Notice {
    Notice {
        session_uid: row.get("session_uid"),
        session: row.get("session"),
        user: row.get("user_name"),
        reason: row.get("reason"),
        message: row.get("message"),
        at: row.get("at"),
        stops_at: row.get("stops_at"),
    }
}
