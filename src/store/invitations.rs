//! Links with which people give themselves a share of a session.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Error, domain::sharing::Level};

/// An invitation, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: Uuid,
    /// The session's name.
    pub session: String,
    /// The session's uid.
    pub session_uid: String,
    /// How far it lets in.
    pub level: Level,
    /// How many more people may accept it.
    pub uses_left: i32,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "id, session, session_uid, level, uses_left, expires_at, created_by, created_at";

fn from_row(row: &Row) -> Result<Invitation, Error> {
    Ok(Invitation {
        level: super::shares::level(row)?,
        id: row.try_get("id")?,
        session: row.try_get("session")?,
        session_uid: row.try_get("session_uid")?,
        uses_left: row.try_get("uses_left")?,
        expires_at: row.try_get("expires_at")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
    })
}

/// Adds an invitation whose secret has that SHA-256.
pub async fn insert(db: &impl GenericClient, invitation: &Invitation, secret_hash: &[u8; 32]) -> Result<(), Error> {
    let statement = db
        .prepare_cached(&format!(
            "INSERT INTO session_invitations ({COLUMNS}, secret_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        ))
        .await?;
    let Invitation { id, session, session_uid, level, uses_left, expires_at, created_by, created_at } = invitation;
    let hash = secret_hash.as_slice();
    db.execute(
        &statement,
        &[id, session, session_uid, &level.word(), uses_left, expires_at, created_by, created_at, &hash],
    )
    .await?;
    Ok(())
}

/// The invitations to a session that still let in, oldest first.
pub async fn of_session(db: &impl GenericClient, session_uid: &str, now: Timestamp) -> Result<Vec<Invitation>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM session_invitations \
             WHERE session_uid = $1 AND expires_at > $2 AND uses_left > 0 ORDER BY created_at, id"
        ))
        .await?;
    db.query(&statement, &[&session_uid, &now]).await?.iter().map(from_row).collect()
}

/// The invitation with that secret, while it lets in, locked until the transaction ends.
pub async fn by_hash_locked(
    db: &impl GenericClient,
    secret_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Invitation>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM session_invitations \
             WHERE secret_hash = $1 AND expires_at > $2 AND uses_left > 0 FOR UPDATE"
        ))
        .await?;
    db.query_opt(&statement, &[&secret_hash.as_slice(), &now]).await?.as_ref().map(from_row).transpose()
}

/// Counts one use of it.
pub async fn use_up(db: &impl GenericClient, id: Uuid) -> Result<(), Error> {
    let statement = db.prepare_cached("UPDATE session_invitations SET uses_left = uses_left - 1 WHERE id = $1").await?;
    db.execute(&statement, &[&id]).await?;
    Ok(())
}

/// Removes an invitation to that session, and returns it as it was.
pub async fn delete(db: &impl GenericClient, session_uid: &str, id: Uuid) -> Result<Option<Invitation>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "DELETE FROM session_invitations WHERE session_uid = $1 AND id = $2 RETURNING {COLUMNS}"
        ))
        .await?;
    db.query_opt(&statement, &[&session_uid, &id]).await?.as_ref().map(from_row).transpose()
}

/// Removes those that let nobody in any more.
pub async fn sweep(db: &impl GenericClient, now: Timestamp) -> Result<(), Error> {
    let statement =
        db.prepare_cached("DELETE FROM session_invitations WHERE expires_at <= $1 OR uses_left = 0").await?;
    db.execute(&statement, &[&now]).await?;
    Ok(())
}

/// Removes the invitations to a session that is no more.
pub async fn forget(db: &impl GenericClient, session_uid: &str) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM session_invitations WHERE session_uid = $1").await?;
    db.execute(&statement, &[&session_uid]).await?;
    Ok(())
}
