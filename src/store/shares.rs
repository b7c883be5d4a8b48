//! Who else may enter a session, and what everybody belongs to.

use std::collections::{BTreeSet, HashMap};

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error,
    domain::sharing::{Belonging, Level, Shared},
};

/// Whom a session is shared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum With {
    /// A person, by name.
    User(String),
    /// A group, by name.
    Group(String),
}

impl With {
    /// The person's name, or the group's.
    #[must_use]
    pub fn name(&self) -> &str {
        let (Self::User(name) | Self::Group(name)) = self;
        name
    }

    /// The name as the person's and as the group's: one of the two.
    #[must_use]
    pub fn names(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::User(name) => (Some(name), None),
            Self::Group(name) => (None, Some(name)),
        }
    }
}

/// A share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its id.
    pub id: Uuid,
    /// The session's name.
    pub session: String,
    /// The session's uid.
    pub session_uid: String,
    /// With whom.
    pub with: With,
    /// How far.
    pub level: Level,
    /// When it ends; `None`: not by itself.
    pub expires_at: Option<Timestamp>,
    /// Who said so.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "s.id, s.session, s.session_uid, s.group_name, s.level, s.expires_at, s.created_by, s.created_at, \
     (SELECT u.name FROM users u WHERE u.id = s.user_id) AS user_name";

pub(super) fn level(row: &Row) -> Result<Level, Error> {
    let word: &str = row.try_get("level")?;
    Level::from_word(word).ok_or_else(|| Error::internal(format!("a share has the level “{word}”")))
}

fn from_row(row: &Row) -> Result<Share, Error> {
    let with = match (row.try_get("user_name")?, row.try_get("group_name")?) {
        (Some(user), None) => With::User(user),
        (None, Some(group)) => With::Group(group),
        _ => return Err(Error::internal("a share is with nobody")),
    };
    Ok(Share {
        with,
        level: level(row)?,
        id: row.try_get("id")?,
        session: row.try_get("session")?,
        session_uid: row.try_get("session_uid")?,
        expires_at: row.try_get("expires_at")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
    })
}

/// The shares of a session that have not ended, oldest first.
pub async fn of_session(db: &impl GenericClient, session_uid: &str, now: Timestamp) -> Result<Vec<Share>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM session_shares s \
             WHERE s.session_uid = $1 AND (s.expires_at IS NULL OR s.expires_at > $2) ORDER BY s.created_at, s.id"
        ))
        .await?;
    db.query(&statement, &[&session_uid, &now]).await?.iter().map(from_row).collect()
}

/// The share of that session with the person `user` or the group `group`, locked until the transaction ends.
pub async fn with_locked(db: &impl GenericClient, session_uid: &str, with: &With) -> Result<Option<Share>, Error> {
    let (user, group) = with.names();
    let statement = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM session_shares s WHERE s.session_uid = $1 \
             AND (s.user_id = (SELECT id FROM users WHERE name = $2) OR s.group_name = $3) FOR UPDATE"
        ))
        .await?;
    db.query_opt(&statement, &[&session_uid, &user, &group]).await?.as_ref().map(from_row).transpose()
}

/// The share of that id, locked until the transaction ends.
pub async fn by_id_locked(db: &impl GenericClient, id: Uuid) -> Result<Option<Share>, Error> {
    let statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM session_shares s WHERE s.id = $1 FOR UPDATE")).await?;
    db.query_opt(&statement, &[&id]).await?.as_ref().map(from_row).transpose()
}

/// Writes a share: a new one, or another level and end for whom the session is shared with already.
///
/// # Errors
/// [`Error::Conflict`] where another request wrote one for the same person or group at this moment.
pub async fn put(db: &impl GenericClient, share: &Share) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO session_shares (id, session, session_uid, user_id, group_name, level, expires_at, created_by, created_at) \
             VALUES ($1, $2, $3, (SELECT id FROM users WHERE name = $4), $5, $6, $7, $8, $9) \
             ON CONFLICT (id) DO UPDATE SET level = excluded.level, expires_at = excluded.expires_at",
        )
        .await?;
    let (user, group) = share.with.names();
    let written = db
        .execute(
            &statement,
            &[
                &share.id,
                &share.session,
                &share.session_uid,
                &user,
                &group,
                &share.level.word(),
                &share.expires_at,
                &share.created_by,
                &share.created_at,
            ],
        )
        .await;
    match written {
        Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION) => {
            Err(Error::Conflict("it is being shared with them at this very moment: look again".into()))
        }
        other => Ok(other.map(drop)?),
    }
}

/// Removes a share.
pub async fn delete(db: &impl GenericClient, id: Uuid) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM session_shares WHERE id = $1").await?;
    db.execute(&statement, &[&id]).await?;
    Ok(())
}

/// Removes the shares that have ended, and returns how many there were.
pub async fn sweep(db: &impl GenericClient, now: Timestamp) -> Result<u64, Error> {
    let statement = db.prepare_cached("DELETE FROM session_shares WHERE expires_at <= $1").await?;
    Ok(db.execute(&statement, &[&now]).await?)
}

/// Removes every share with a person.
pub async fn leave_all(db: &impl GenericClient, user: Uuid) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM session_shares WHERE user_id = $1").await?;
    db.execute(&statement, &[&user]).await?;
    Ok(())
}

/// Removes the shares of a session that is no more.
pub async fn forget(db: &impl GenericClient, session_uid: &str) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM session_shares WHERE session_uid = $1").await?;
    db.execute(&statement, &[&session_uid]).await?;
    Ok(())
}

/// What each of those people belongs to at this moment; who belongs to nothing may be absent.
pub async fn belongings(
    db: &impl GenericClient,
    users: &[Uuid],
    now: Timestamp,
) -> Result<HashMap<Uuid, Belonging>, Error> {
    let mut all: HashMap<Uuid, Belonging> = HashMap::new();
    let groups = db
        .prepare_cached(
            "SELECT user_id, array_agg(DISTINCT group_name) AS groups FROM group_members \
             WHERE user_id = ANY($1) GROUP BY user_id",
        )
        .await?;
    for row in db.query(&groups, &[&users]).await? {
        let names: Vec<String> = row.try_get("groups")?;
        all.entry(row.try_get("user_id")?).or_default().groups = names.into_iter().collect::<BTreeSet<_>>();
    }
    let shares = db
        .prepare_cached(
            "SELECT s.user_id AS who, s.session, s.session_uid, s.level, s.expires_at FROM session_shares s \
             WHERE s.user_id = ANY($1) AND (s.expires_at IS NULL OR s.expires_at > $2) \
             UNION ALL \
             SELECT m.user_id, s.session, s.session_uid, s.level, s.expires_at \
             FROM session_shares s JOIN group_members m ON m.group_name = s.group_name \
             WHERE m.user_id = ANY($1) AND (s.expires_at IS NULL OR s.expires_at > $2)",
        )
        .await?;
    for row in db.query(&shares, &[&users, &now]).await? {
        let shared =
            Shared { session: row.try_get("session")?, level: level(&row)?, until: row.try_get("expires_at")? };
        all.entry(row.try_get("who")?).or_default().add(row.try_get("session_uid")?, shared);
    }
    Ok(all)
}
