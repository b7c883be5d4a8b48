//! Attempts with a password, by name.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use crate::Error;

/// What an attempt meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It may be made, and has been counted.
    Allowed {
        /// Which one it is since the last that was right, from 1.
        number: i32,
    },
    /// Not before then.
    Locked(Timestamp),
}

/// Counts an attempt under `name_mac`, unless the name is locked; those before `forget` no longer count.
///
/// One statement: of many at once each sees the others.
pub async fn count(
    db: &impl GenericClient,
    name_mac: &[u8; 32],
    now: Timestamp,
    forget: Timestamp,
) -> Result<Attempt, Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO sign_in_failures AS f (name_mac, attempts, last_attempt_at, locked_until) \
             VALUES ($1, 1, $2, $2) ON CONFLICT (name_mac) DO UPDATE SET \
             attempts = CASE WHEN f.locked_until > $2 THEN f.attempts WHEN f.last_attempt_at < $3 THEN 1 \
                        ELSE f.attempts + 1 END, \
             last_attempt_at = CASE WHEN f.locked_until > $2 THEN f.last_attempt_at ELSE $2 END \
             RETURNING f.attempts, f.locked_until",
        )
        .await?;
    let row = db.query_one(&statement, &[&name_mac.as_slice(), &now, &forget]).await?;
    let locked_until: Timestamp = row.try_get(1)?;
    Ok(if locked_until > now { Attempt::Locked(locked_until) } else { Attempt::Allowed { number: row.try_get(0)? } })
}

/// Locks the name until then, or longer if it is already.
pub async fn lock(db: &impl GenericClient, name_mac: &[u8; 32], until: Timestamp) -> Result<(), Error> {
    let statement = db
        .prepare_cached("UPDATE sign_in_failures SET locked_until = greatest(locked_until, $2) WHERE name_mac = $1")
        .await?;
    db.execute(&statement, &[&name_mac.as_slice(), &until]).await?;
    Ok(())
}

/// Forgets the attempts: one was right, or an administrator gave a link.
pub async fn forget(db: &impl GenericClient, name_mac: &[u8; 32]) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM sign_in_failures WHERE name_mac = $1").await?;
    db.execute(&statement, &[&name_mac.as_slice()]).await?;
    Ok(())
}

/// Removes what was tried last before `before`.
pub async fn sweep(db: &impl GenericClient, before: Timestamp) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM sign_in_failures WHERE last_attempt_at < $1").await?;
    db.execute(&statement, &[&before]).await?;
    Ok(())
}
