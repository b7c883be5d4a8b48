//! Keys that sign tokens.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use crate::Error;

/// A key as it is kept.
#[derive(Clone)]
pub struct SigningKey {
    /// What tokens call it.
    pub kid: String,
    /// `EdDSA`.
    pub algorithm: String,
    /// The public key: 32 bytes.
    pub public_key: Vec<u8>,
    /// The private key, sealed; `None` once the key is retired.
    pub private_key: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ceased to sign.
    pub retired_at: Option<Timestamp>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("retired_at", &self.retired_at)
            .finish_non_exhaustive()
    }
}

/// Every key, the newest first.
pub async fn all(db: &impl GenericClient) -> Result<Vec<SigningKey>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT kid, algorithm, public_key, private_key, created_at, retired_at FROM signing_keys \
             ORDER BY created_at DESC, kid",
        )
        .await?;
    let rows = db.query(&statement, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(SigningKey {
                kid: row.try_get("kid")?,
                algorithm: row.try_get("algorithm")?,
                public_key: row.try_get("public_key")?,
                private_key: row.try_get("private_key")?,
                created_at: row.try_get("created_at")?,
                retired_at: row.try_get("retired_at")?,
            })
        })
        .collect()
}

/// Keeps others from changing the keys until the transaction ends; they can still be read.
pub async fn lock(db: &impl GenericClient) -> Result<(), Error> {
    Ok(db.batch_execute("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE").await?)
}

/// Retires the keys that sign and erases their private halves.
pub async fn retire_all(db: &impl GenericClient, now: Timestamp) -> Result<(), Error> {
    let statement = db
        .prepare_cached("UPDATE signing_keys SET retired_at = $1, private_key = NULL WHERE retired_at IS NULL")
        .await?;
    db.execute(&statement, &[&now]).await?;
    Ok(())
}

/// Adds a key.
pub async fn insert(db: &impl GenericClient, key: &SigningKey) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO signing_keys (kid, algorithm, public_key, private_key, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .await?;
    db.execute(&statement, &[&key.kid, &key.algorithm, &key.public_key, &key.private_key, &key.created_at]).await?;
    Ok(())
}

/// Removes the keys that were retired before `before`: nothing they signed is in time any more.
pub async fn sweep(db: &impl GenericClient, before: Timestamp) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM signing_keys WHERE retired_at < $1").await?;
    db.execute(&statement, &[&before]).await?;
    Ok(())
}

/// What tells this installation from every other.
pub async fn installation(db: &impl GenericClient) -> Result<uuid::Uuid, Error> {
    let statement = db.prepare_cached("SELECT id FROM installation").await?;
    Ok(db.query_one(&statement, &[]).await?.try_get(0)?)
}
