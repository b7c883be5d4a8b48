//! What an OpenID Connect provider calls the sign-ins that it gave.

use std::collections::BTreeSet;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use uuid::Uuid;

use crate::Error;

/// The table whose column `id_token` is sealed, by its row's `sign_in_id`.
pub const TABLE: &str = "oidc_sessions";

/// A sign-in as its provider knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The provider.
    pub issuer: String,
    /// Its id of the person.
    pub subject: String,
    /// Its sign-in of them, where it names one.
    pub session_id: Option<String>,
    /// The token by which it knows the sign-in again, sealed.
    pub id_token: Vec<u8>,
}

/// Keeps what the provider calls the sign-in of that id.
pub async fn insert(db: &impl GenericClient, sign_in: Uuid, session: &Session) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO oidc_sessions (sign_in_id, issuer, subject, session_id, id_token) VALUES ($1, $2, $3, $4, $5)",
        )
        .await?;
    let Session { issuer, subject, session_id, id_token } = session;
    db.execute(&statement, &[&sign_in, issuer, subject, session_id, id_token]).await?;
    Ok(())
}

/// What the provider calls the sign-in of that id; `None`: it gave none.
pub async fn of_sign_in(db: &impl GenericClient, sign_in: Uuid) -> Result<Option<Session>, Error> {
    let statement = db
        .prepare_cached("SELECT issuer, subject, session_id, id_token FROM oidc_sessions WHERE sign_in_id = $1")
        .await?;
    let row = db.query_opt(&statement, &[&sign_in]).await?;
    row.map(|row| {
        Ok(Session {
            issuer: row.try_get("issuer")?,
            subject: row.try_get("subject")?,
            session_id: row.try_get("session_id")?,
            id_token: row.try_get("id_token")?,
        })
    })
    .transpose()
}

/// Ends the sign-ins that the provider `issuer` gave: those of `subject`, or the one that it calls `session`, or that one
/// as far as it is of `subject`; none where neither is named. Returns whose they were.
pub async fn end(
    db: &impl GenericClient,
    issuer: &str,
    subject: Option<&str>,
    session: Option<&str>,
    now: Timestamp,
) -> Result<BTreeSet<String>, Error> {
    let statement = db
        .prepare_cached(
            "UPDATE sign_ins s SET ended_at = $4 FROM oidc_sessions o, users u \
             WHERE o.sign_in_id = s.id AND u.id = s.user_id AND o.issuer = $1 \
             AND ($2::text IS NOT NULL OR $3::text IS NOT NULL) AND ($2 IS NULL OR o.subject = $2) \
             AND ($3 IS NULL OR o.session_id = $3) AND s.ended_at IS NULL RETURNING u.name",
        )
        .await?;
    let rows = db.query(&statement, &[&issuer, &subject, &session, &now]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
