//! Requests with an `Idempotency-Key`, and the answers to tell again.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::Error;

/// Whose key it is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct KeyOf {
    /// The person's name.
    pub caller: String,
    /// The header's value.
    pub key: String,
}

/// One execution of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// SHA-256 of method, path with query, and body.
    pub request_hash: [u8; 32],
    /// The execution.
    pub id: Uuid,
    /// The server process.
    pub instance: Uuid,
    /// When the key is forgotten.
    pub expires_at: Timestamp,
}

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// HTTP status.
    pub status: u16,
    /// Headers that describe the body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Hash of the request it was used with.
    pub request_hash: Vec<u8>,
    /// Its answer; `None` while it is under way.
    pub kept: Option<Kept>,
}

/// Enters `attempt`, unless another holds the key: one that was answered and has not expired, or one under way.
/// An attempt under way is replaced where it is of the same request and nobody works on it any more: it is of this
/// very instance (which knows what it works on), or `alone` says that no other instance lives, or it began longer than
/// `abandoned_s` seconds ago.
pub async fn begin(
    db: &impl GenericClient,
    key: &KeyOf,
    attempt: &Attempt,
    now: Timestamp,
    alone: bool,
    abandoned_s: f64,
) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO idempotency_keys AS held (caller, key, request_hash, attempt, instance, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (caller, key) DO UPDATE SET request_hash = excluded.request_hash, \
               attempt = excluded.attempt, instance = excluded.instance, started_at = clock_timestamp(), \
               expires_at = excluded.expires_at, status = NULL, headers = NULL, body = NULL \
             WHERE held.expires_at <= $7 OR held.status IS NULL AND held.request_hash = excluded.request_hash \
               AND (held.instance = excluded.instance OR $8 \
                 OR held.started_at < clock_timestamp() - make_interval(secs => $9))",
        )
        .await?;
    let hash = attempt.request_hash.as_slice();
    let entered = db
        .execute(
            &statement,
            &[
                &key.caller,
                &key.key,
                &hash,
                &attempt.id,
                &attempt.instance,
                &attempt.expires_at,
                &now,
                &alone,
                &abandoned_s,
            ],
        )
        .await?;
    Ok(entered == 1)
}

/// What is known of the key, if it has not expired.
pub async fn read(db: &impl GenericClient, key: &KeyOf, now: Timestamp) -> Result<Option<Known>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT request_hash, status, headers, body FROM idempotency_keys \
             WHERE caller = $1 AND key = $2 AND expires_at > $3",
        )
        .await?;
    let Some(row) = db.query_opt(&statement, &[&key.caller, &key.key, &now]).await? else { return Ok(None) };
    let kept = match row.try_get::<_, Option<i16>>("status")? {
        None => None,
        Some(status) => {
            let Json(headers) = row.try_get::<_, Json<Vec<(String, String)>>>("headers")?;
            let status = u16::try_from(status).map_err(Error::internal)?;
            Some(Kept { status, headers, body: row.try_get("body")? })
        }
    };
    Ok(Some(Known { request_hash: row.try_get("request_hash")?, kept }))
}

/// Keeps the answer of an attempt; one that was replaced meanwhile keeps nothing.
pub async fn keep(db: &impl GenericClient, key: &KeyOf, attempt: Uuid, answer: &Kept) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE idempotency_keys SET status = $4, headers = $5, body = $6 \
             WHERE caller = $1 AND key = $2 AND attempt = $3",
        )
        .await?;
    let status = i16::try_from(answer.status).map_err(Error::internal)?;
    let headers: Value = serde_json::to_value(&answer.headers).map_err(Error::internal)?;
    db.execute(&statement, &[&key.caller, &key.key, &attempt, &status, &headers, &answer.body]).await?;
    Ok(())
}

/// Forgets an attempt whose answer is not to be kept, so that the next request is executed.
pub async fn forget(db: &impl GenericClient, key: &KeyOf, attempt: Uuid) -> Result<(), Error> {
    let statement =
        db.prepare_cached("DELETE FROM idempotency_keys WHERE caller = $1 AND key = $2 AND attempt = $3").await?;
    db.execute(&statement, &[&key.caller, &key.key, &attempt]).await?;
    Ok(())
}

/// Removes keys that expired before `now`, at most `most`, and says how many.
pub async fn remove_expired(db: &impl GenericClient, now: Timestamp, most: i64) -> Result<u64, Error> {
    let statement = db
        .prepare_cached(
            "DELETE FROM idempotency_keys WHERE (caller, key) IN \
             (SELECT caller, key FROM idempotency_keys WHERE expires_at <= $1 LIMIT $2)",
        )
        .await?;
    Ok(db.execute(&statement, &[&now, &most]).await?)
}
