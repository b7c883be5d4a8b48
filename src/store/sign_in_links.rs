//! One-time sign-in links.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use uuid::Uuid;

use crate::Error;

/// Adds a link for `user` and makes the ones before it void.
pub async fn replace(
    db: &impl GenericClient,
    user: Uuid,
    secret_hash: &[u8; 32],
    created_by: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), Error> {
    void_all(db, user, now).await?;
    let statement = db
        .prepare_cached(
            "INSERT INTO sign_in_links (id, user_id, secret_hash, created_by, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .await?;
    let id = Uuid::now_v7();
    db.execute(&statement, &[&id, &user, &secret_hash.as_slice(), &created_by, &now, &expires_at]).await?;
    Ok(())
}

/// Whose link that is, while it works.
pub async fn owner(db: &impl GenericClient, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<Uuid>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT user_id FROM sign_in_links WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2",
        )
        .await?;
    Ok(db.query_opt(&statement, &[&secret_hash.as_slice(), &now]).await?.map(|row| row.try_get(0)).transpose()?)
}

/// Uses the link up. `false`: it does not work, or another request was faster.
pub async fn take(db: &impl GenericClient, secret_hash: &[u8; 32], now: Timestamp) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "UPDATE sign_in_links SET used_at = $2 WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2",
        )
        .await?;
    Ok(db.execute(&statement, &[&secret_hash.as_slice(), &now]).await? > 0)
}

/// Makes every link of `user` void.
pub async fn void_all(db: &impl GenericClient, user: Uuid, now: Timestamp) -> Result<(), Error> {
    let statement =
        db.prepare_cached("UPDATE sign_in_links SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL").await?;
    db.execute(&statement, &[&user, &now]).await?;
    Ok(())
}

/// Removes the rows of links that ended before `before`.
pub async fn sweep(db: &impl GenericClient, before: Timestamp) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM sign_in_links WHERE expires_at < $1").await?;
    db.execute(&statement, &[&before]).await?;
    Ok(())
}
