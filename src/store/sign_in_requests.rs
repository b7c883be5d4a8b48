//! Sign-ins that a provider was asked for and has not answered yet.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use crate::Error;

/// A sign-in that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whom it was asked of.
    pub issuer: String,
    /// The path of the page that the person wanted.
    pub return_to: String,
    /// No answer counts after that.
    pub expires_at: Timestamp,
}

/// Keeps a sign-in that was begun. `state_hash`: of what the provider hands back; `browser_hash`: of the browser's cookie.
pub async fn insert(
    db: &impl GenericClient,
    state_hash: &[u8; 32],
    browser_hash: &[u8; 32],
    pending: &Pending,
) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO sign_in_requests (state_hash, browser_hash, issuer, return_to, expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .await?;
    let Pending { issuer, return_to, expires_at } = pending;
    db.execute(&statement, &[&state_hash.as_slice(), &browser_hash.as_slice(), issuer, return_to, expires_at]).await?;
    Ok(())
}

/// Takes the sign-in that `browser_hash` began under `state_hash`; the next who asks finds none.
pub async fn take(
    db: &impl GenericClient,
    state_hash: &[u8; 32],
    browser_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Pending>, Error> {
    let statement = db
        .prepare_cached(
            "DELETE FROM sign_in_requests WHERE state_hash = $1 AND browser_hash = $2 AND expires_at > $3 \
             RETURNING issuer, return_to, expires_at",
        )
        .await?;
    let row = db.query_opt(&statement, &[&state_hash.as_slice(), &browser_hash.as_slice(), &now]).await?;
    row.map(|row| {
        Ok(Pending {
            issuer: row.try_get("issuer")?,
            return_to: row.try_get("return_to")?,
            expires_at: row.try_get("expires_at")?,
        })
    })
    .transpose()
}

/// Removes those that were not answered in time.
pub async fn sweep(db: &impl GenericClient, now: Timestamp) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM sign_in_requests WHERE expires_at < $1").await?;
    db.execute(&statement, &[&now]).await?;
    Ok(())
}
