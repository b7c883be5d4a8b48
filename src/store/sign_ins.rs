//! Browsers that signed in.

use std::collections::HashSet;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::users::{self, User};
use crate::Error;

/// The method of a sign-in with a password.
pub const PASSWORD: &str = "password";
/// The method of a sign-in with a one-time link.
pub const LINK: &str = "link";
/// The method of a sign-in through an OpenID Connect provider.
pub const OIDC: &str = "oidc";
/// The method of a sign-in through a SAML provider.
pub const SAML: &str = "saml";

/// A browser that signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Its id; not what the cookie holds.
    pub id: Uuid,
    /// How: [`PASSWORD`], [`LINK`], [`OIDC`] or [`SAML`].
    pub method: String,
    /// When.
    pub created_at: Timestamp,
    /// Its last request, to about a minute.
    pub last_seen_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

/// From where a person signs in.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// Address as text.
    pub address: Option<String>,
    /// `User-Agent`, cut to something sensible.
    pub user_agent: Option<String>,
}

/// Adds a sign-in of `user`. `secret_hash`: SHA-256 of what the cookie holds.
pub async fn insert(
    db: &impl GenericClient,
    user: Uuid,
    sign_in: &SignIn,
    secret_hash: &[u8; 32],
    device: &Device,
) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO sign_ins (id, user_id, secret_hash, method, created_at, last_seen_at, expires_at, address, \
             user_agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .await?;
    db.execute(
        &statement,
        &[
            &sign_in.id,
            &user,
            &secret_hash.as_slice(),
            &sign_in.method,
            &sign_in.created_at,
            &sign_in.last_seen_at,
            &sign_in.expires_at,
            &device.address,
            &device.user_agent,
        ],
    )
    .await?;
    Ok(())
}

/// The sign-in with that secret and its account, unless it was ended; whether it is still in time is not looked at.
pub async fn by_secret(db: &impl GenericClient, secret_hash: &[u8; 32]) -> Result<Option<(SignIn, User)>, Error> {
    let query = format!(
        "SELECT {COLUMNS}, {} FROM sign_ins s \
         JOIN users u ON u.id = s.user_id WHERE s.secret_hash = $1 AND s.ended_at IS NULL AND u.deleted_at IS NULL",
        users::COLUMNS
    );
    let statement = db.prepare_cached(&query).await?;
    let Some(row) = db.query_opt(&statement, &[&secret_hash.as_slice()]).await? else { return Ok(None) };
    Ok(Some((from_row(&row)?, users::from_row(&row)?)))
}

/// The sign-in of that id and its account, as [`by_secret`] gives it.
pub async fn with_user(db: &impl GenericClient, id: Uuid) -> Result<Option<(SignIn, User)>, Error> {
    let query = format!(
        "SELECT {COLUMNS}, {} FROM sign_ins s \
         JOIN users u ON u.id = s.user_id WHERE s.id = $1 AND s.ended_at IS NULL AND u.deleted_at IS NULL",
        users::COLUMNS
    );
    let statement = db.prepare_cached(&query).await?;
    let Some(row) = db.query_opt(&statement, &[&id]).await? else { return Ok(None) };
    Ok(Some((from_row(&row)?, users::from_row(&row)?)))
}

/// The sign-in of that id, unless it was ended.
pub async fn by_id(db: &impl GenericClient, id: Uuid) -> Result<Option<SignIn>, Error> {
    let query = format!("SELECT {COLUMNS} FROM sign_ins s WHERE s.id = $1 AND s.ended_at IS NULL");
    let statement = db.prepare_cached(&query).await?;
    db.query_opt(&statement, &[&id]).await?.as_ref().map(from_row).transpose()
}

const COLUMNS: &str = "s.id, s.method, s.created_at, s.last_seen_at, s.expires_at";

fn from_row(row: &Row) -> Result<SignIn, Error> {
    Ok(SignIn {
        id: row.try_get("id")?,
        method: row.try_get("method")?,
        created_at: row.try_get("created_at")?,
        last_seen_at: row.try_get("last_seen_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

/// Which of `ids` were not ended.
pub async fn standing(db: &impl GenericClient, ids: &[Uuid]) -> Result<HashSet<Uuid>, Error> {
    let statement = db.prepare_cached("SELECT id FROM sign_ins WHERE id = ANY($1) AND ended_at IS NULL").await?;
    db.query(&statement, &[&ids]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Ends one sign-in. `false`: it had ended.
pub async fn end(db: &impl GenericClient, id: Uuid, now: Timestamp) -> Result<bool, Error> {
    let statement = db.prepare_cached("UPDATE sign_ins SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL").await?;
    Ok(db.execute(&statement, &[&id, &now]).await? > 0)
}

/// Ends every sign-in of `user` but `kept`.
pub async fn end_all(db: &impl GenericClient, user: Uuid, kept: Option<Uuid>, now: Timestamp) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE sign_ins SET ended_at = $3 WHERE user_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $2",
        )
        .await?;
    db.execute(&statement, &[&user, &kept, &now]).await?;
    Ok(())
}

/// Notes when sign-ins were last seen; never moves one back.
pub async fn note_seen(db: &impl GenericClient, seen: &[(Uuid, Timestamp)]) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE sign_ins s SET last_seen_at = greatest(s.last_seen_at, n.seen) \
             FROM unnest($1::uuid[], $2::timestamptz[]) AS n (id, seen) WHERE s.id = n.id",
        )
        .await?;
    let (ids, times): (Vec<Uuid>, Vec<Timestamp>) = seen.iter().copied().unzip();
    db.execute(&statement, &[&ids, &times]).await?;
    Ok(())
}

/// Removes the rows of sign-ins that were over before `before`.
pub async fn sweep(db: &impl GenericClient, before: Timestamp) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM sign_ins WHERE expires_at < $1 OR ended_at < $1").await?;
    db.execute(&statement, &[&before]).await?;
    Ok(())
}
