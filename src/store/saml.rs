//! Signing in through SAML: our key, what providers said of themselves, and the assertions that were used.

use std::collections::BTreeSet;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::Error;

/// A key as it is kept.
#[derive(Clone)]
pub struct Key {
    /// X.509, DER.
    pub certificate: Vec<u8>,
    /// PKCS #8, sealed.
    pub private_key: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

/// The key of that id.
pub async fn key(db: &impl GenericClient, id: &str) -> Result<Option<Key>, Error> {
    let statement = db.prepare_cached("SELECT certificate, private_key FROM saml_keys WHERE id = $1").await?;
    let row = db.query_opt(&statement, &[&id]).await?;
    row.map(|row| Ok(Key { certificate: row.try_get(0)?, private_key: row.try_get(1)? })).transpose()
}

/// Keeps a key, unless there is one of that id.
pub async fn insert_key_if_none(
    db: &impl GenericClient,
    id: &str,
    certificate: &[u8],
    sealed: &[u8],
    now: Timestamp,
) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO saml_keys (id, certificate, private_key, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (id) DO NOTHING",
        )
        .await?;
    db.execute(&statement, &[&id, &certificate, &sealed, &now]).await?;
    Ok(())
}

/// What `source` last said of itself.
pub async fn metadata(db: &impl GenericClient, source: &str) -> Result<Option<String>, Error> {
    let statement = db.prepare_cached("SELECT document FROM saml_metadata WHERE source = $1").await?;
    db.query_opt(&statement, &[&source]).await?.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// Keeps what `source` says of itself.
pub async fn keep_metadata(db: &impl GenericClient, source: &str, document: &str, now: Timestamp) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO saml_metadata (source, document, read_at) VALUES ($1, $2, $3) \
             ON CONFLICT (source) DO UPDATE SET document = excluded.document, read_at = excluded.read_at",
        )
        .await?;
    db.execute(&statement, &[&source, &document, &now]).await?;
    Ok(())
}

/// Uses an assertion up. `false`: it was, by whatever process on this database.
pub async fn use_up(db: &impl GenericClient, issuer: &str, id: &str, expires_at: Timestamp) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO saml_assertions (issuer, assertion_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .await?;
    Ok(db.execute(&statement, &[&issuer, &id, &expires_at]).await? > 0)
}

/// What a provider calls a sign-in that it gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The provider, as identities call it.
    pub issuer: String,
    /// Its id of the person.
    pub name_id: String,
    /// The attributes of that id, by their names.
    pub name_id_attributes: Vec<(String, String)>,
    /// Its sign-in of them.
    pub session_index: Option<String>,
}

/// Keeps what the provider calls the sign-in of that id.
pub async fn insert_session(db: &impl GenericClient, sign_in: Uuid, session: &Session) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO saml_sessions (sign_in_id, issuer, name_id, name_id_attributes, session_index) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .await?;
    let Session { issuer, name_id, name_id_attributes, session_index } = session;
    let attributes = Json(name_id_attributes);
    db.execute(&statement, &[&sign_in, issuer, name_id, &attributes, session_index]).await?;
    Ok(())
}

/// What the provider calls the sign-in of that id; `None`: it gave none.
pub async fn session(db: &impl GenericClient, sign_in: Uuid) -> Result<Option<Session>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT issuer, name_id, name_id_attributes, session_index FROM saml_sessions WHERE sign_in_id = $1",
        )
        .await?;
    let row = db.query_opt(&statement, &[&sign_in]).await?;
    row.map(|row| {
        let Json(name_id_attributes) = row.try_get("name_id_attributes")?;
        Ok(Session {
            issuer: row.try_get("issuer")?,
            name_id: row.try_get("name_id")?,
            name_id_attributes,
            session_index: row.try_get("session_index")?,
        })
    })
    .transpose()
}

/// Ends the sign-ins that the provider `issuer` gave to `name_id`, of those of `sessions` where any is named. Returns
/// whose they were.
pub async fn end_sessions(
    db: &impl GenericClient,
    issuer: &str,
    name_id: &str,
    sessions: &[String],
    now: Timestamp,
) -> Result<BTreeSet<String>, Error> {
    let statement = db
        .prepare_cached(
            "UPDATE sign_ins s SET ended_at = $4 FROM saml_sessions m, users u \
             WHERE m.sign_in_id = s.id AND u.id = s.user_id AND m.issuer = $1 AND m.name_id = $2 \
             AND (cardinality($3::text[]) = 0 OR m.session_index = ANY($3)) AND s.ended_at IS NULL RETURNING u.name",
        )
        .await?;
    let rows = db.query(&statement, &[&issuer, &name_id, &sessions, &now]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Forgets assertions that are too old to count anyway.
pub async fn sweep(db: &impl GenericClient, before: Timestamp) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM saml_assertions WHERE expires_at < $1").await?;
    db.execute(&statement, &[&before]).await?;
    Ok(())
}
