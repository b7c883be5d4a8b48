//! Connections of people to sessions.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Error, domain::sharing::EnteredAs};

/// Who opened a connection, and with which credential.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum OpenedBy {
    /// A browser's sign-in.
    SignIn(Uuid),
    /// A personal API token.
    Token(Uuid),
    /// A short-lived access token.
    Access(Uuid),
    /// Anyone: nobody has to sign in.
    Anyone,
}

impl OpenedBy {
    fn columns(self) -> (&'static str, Option<Uuid>) {
        match self {
            Self::SignIn(id) => ("sign-in", Some(id)),
            Self::Token(id) => ("token", Some(id)),
            Self::Access(id) => ("access", Some(id)),
            Self::Anyone => ("anyone", None),
        }
    }
}

/// A person's connection to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: Uuid,
    /// The session's name.
    pub session: String,
    /// The session's uid.
    pub session_uid: String,
    /// The person.
    pub user: String,
    /// With which credential.
    pub opened_by: OpenedBy,
    /// Address of the client, as far as it can be believed.
    pub client_address: Option<String>,
    /// What the client calls itself.
    pub user_agent: String,
    /// When it was opened.
    pub connected_at: Timestamp,
    /// Its last sign of life.
    pub last_heartbeat: Timestamp,
    /// The person's epoch when it was opened: access tokens end with it.
    pub user_epoch: Option<i32>,
    /// As what they came in; `None`: opened before that was written down.
    pub entered_as: Option<EnteredAs>,
}

/// An entry ticket as it is kept.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// SHA-256 of it.
    pub hash: [u8; 32],
    /// Good before this.
    pub expires_at: Timestamp,
}

const COLUMNS: &str = "id, session, session_uid, user_name, credential, credential_id, client_address, user_agent, connected_at, \
                       last_heartbeat, user_epoch, entered_as";

fn from_row(row: &Row) -> Result<Connection, Error> {
    let opened_by = match (row.try_get("credential")?, row.try_get("credential_id")?) {
        ("sign-in", Some(id)) => OpenedBy::SignIn(id),
        ("token", Some(id)) => OpenedBy::Token(id),
        ("access", Some(id)) => OpenedBy::Access(id),
        ("anyone", None) => OpenedBy::Anyone,
        (other, _) => return Err(Error::internal(format!("a connection was opened by “{other}”"))),
    };
    Ok(Connection {
        id: row.try_get("id")?,
        session: row.try_get("session")?,
        session_uid: row.try_get("session_uid")?,
        user: row.try_get("user_name")?,
        opened_by,
        client_address: row.try_get("client_address")?,
        user_agent: row.try_get("user_agent")?,
        connected_at: row.try_get("connected_at")?,
        last_heartbeat: row.try_get("last_heartbeat")?,
        user_epoch: row.try_get("user_epoch")?,
        entered_as: row.try_get::<_, Option<&str>>("entered_as")?.and_then(EnteredAs::from_word),
    })
}

/// Adds an open connection, and the ticket that leads a browser to it. Returns it as it was kept.
pub async fn insert(
    db: &impl GenericClient,
    connection: &Connection,
    ticket: Option<&Ticket>,
) -> Result<Connection, Error> {
    let statement = db
        .prepare_cached(&format!(
            "INSERT INTO connections (id, session, session_uid, user_name, credential, credential_id, client_address, user_agent, \
             connected_at, last_heartbeat, ticket_hash, ticket_expires_at, entered_as, user_epoch) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
             (SELECT epoch FROM users WHERE name = $4 AND deleted_at IS NULL)) RETURNING {COLUMNS}"
        ))
        .await?;
    let (credential, credential_id) = connection.opened_by.columns();
    let row = db
        .query_one(
            &statement,
            &[
                &connection.id,
                &connection.session,
                &connection.session_uid,
                &connection.user,
                &credential,
                &credential_id,
                &connection.client_address,
                &connection.user_agent,
                &connection.connected_at,
                &connection.last_heartbeat,
                &ticket.map(|ticket| ticket.hash.to_vec()),
                &ticket.map(|ticket| ticket.expires_at),
                &connection.entered_as.map(EnteredAs::word),
            ],
        )
        .await?;
    from_row(&row)
}

/// Uses a ticket up: the connection it leads to, once and in time, else `None`.
pub async fn redeem(db: &impl GenericClient, hash: &[u8; 32], now: Timestamp) -> Result<Option<Connection>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "UPDATE connections SET ticket_hash = NULL, ticket_expires_at = NULL, closed_at = NULL, \
             last_heartbeat = greatest(last_heartbeat, $2) \
             WHERE ticket_hash = $1 AND ticket_expires_at > $2 RETURNING {COLUMNS}"
        ))
        .await?;
    db.query_opt(&statement, &[&hash.as_slice(), &now]).await?.as_ref().map(from_row).transpose()
}

/// A connection, open or closed, and whether it is open.
pub async fn get(db: &impl GenericClient, id: Uuid) -> Result<Option<(Connection, bool)>, Error> {
    let statement = db
        .prepare_cached(&format!("SELECT {COLUMNS}, closed_at IS NULL AS open FROM connections WHERE id = $1"))
        .await?;
    let row = db.query_opt(&statement, &[&id]).await?;
    row.map(|row| Ok((from_row(&row)?, row.try_get("open")?))).transpose()
}

/// The open connections of a session, oldest first.
pub async fn of_session(db: &impl GenericClient, session: &str) -> Result<Vec<Connection>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM connections WHERE session = $1 AND closed_at IS NULL ORDER BY connected_at, id"
        ))
        .await?;
    db.query(&statement, &[&session]).await?.iter().map(from_row).collect()
}

/// Writes signs of life; one that was closed is open again. Never moves one back.
pub async fn beat(db: &impl GenericClient, beats: &[(Uuid, Timestamp)]) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE connections c SET last_heartbeat = greatest(c.last_heartbeat, b.at), closed_at = NULL \
             FROM unnest($1::uuid[], $2::timestamptz[]) AS b (id, at) WHERE c.id = b.id",
        )
        .await?;
    let (ids, times): (Vec<Uuid>, Vec<Timestamp>) = beats.iter().copied().unzip();
    db.execute(&statement, &[&ids, &times]).await?;
    Ok(())
}

/// Closes a connection; `false`: it was not open.
pub async fn close(db: &impl GenericClient, id: Uuid, now: Timestamp) -> Result<bool, Error> {
    let statement =
        db.prepare_cached("UPDATE connections SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL").await?;
    Ok(db.execute(&statement, &[&id, &now]).await? > 0)
}

/// Closes the connections without a sign of life since `before`, and returns each with its session.
pub async fn close_stale(
    db: &impl GenericClient,
    before: Timestamp,
    now: Timestamp,
) -> Result<Vec<(Uuid, String)>, Error> {
    let statement = db
        .prepare_cached(
            "UPDATE connections SET closed_at = $2 WHERE closed_at IS NULL AND last_heartbeat < $1 \
             RETURNING id, session",
        )
        .await?;
    let rows = db.query(&statement, &[&before, &now]).await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("session")?))).collect()
}

/// Removes the rows of connections that were closed before `before`, and returns their ids.
pub async fn remove_closed(db: &impl GenericClient, before: Timestamp) -> Result<Vec<Uuid>, Error> {
    let statement = db.prepare_cached("DELETE FROM connections WHERE closed_at < $1 RETURNING id").await?;
    let rows = db.query(&statement, &[&before]).await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

/// Removes everything about the connections of a session that is no more.
pub async fn forget(db: &impl GenericClient, session: &str, session_uid: &str) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM connections WHERE session = $1 AND session_uid = $2").await?;
    db.execute(&statement, &[&session, &session_uid]).await?;
    Ok(())
}
