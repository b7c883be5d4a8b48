//! One-time tickets for opening a WebSocket.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::Value;

use crate::Error;

/// Adds a ticket, and removes those that have expired.
pub async fn insert(
    db: &impl GenericClient,
    secret_hash: &[u8; 32],
    standing: &Value,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), Error> {
    let sweep = db.prepare_cached("DELETE FROM socket_tickets WHERE expires_at <= $1").await?;
    db.execute(&sweep, &[&now]).await?;
    let insert = "INSERT INTO socket_tickets (secret_hash, standing, expires_at) VALUES ($1, $2, $3)";
    let statement = db.prepare_cached(insert).await?;
    db.execute(&statement, &[&secret_hash.as_slice(), standing, &expires_at]).await?;
    Ok(())
}

/// Uses a ticket up. `None`: there is none, it has expired, or another request was faster.
pub async fn take(db: &impl GenericClient, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<Value>, Error> {
    let statement = db
        .prepare_cached("DELETE FROM socket_tickets WHERE secret_hash = $1 AND expires_at > $2 RETURNING standing")
        .await?;
    Ok(db.query_opt(&statement, &[&secret_hash.as_slice(), &now]).await?.map(|row| row.try_get(0)).transpose()?)
}
