//! What is known of the use of sessions.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;

use crate::Error;

/// What is known of a session's use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityRow {
    /// The session's name.
    pub session: String,
    /// `metadata.uid` of the session it speaks of; `None` where only connections are known.
    pub session_uid: Option<String>,
    /// When something last counted; `None`: not yet.
    pub last_activity: Option<Timestamp>,
    /// What that was, as part of a sentence, such as `keys or mouse in the viewer`.
    pub cause: String,
    /// Open connections.
    pub connections: u32,
    /// No idle stop before this.
    pub snoozed_until: Option<Timestamp>,
}

/// Something that counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The session's name.
    pub session: String,
    /// The session's uid.
    pub session_uid: String,
    /// When.
    pub at: Timestamp,
    /// What, as part of a sentence.
    pub cause: String,
}

/// Both tables side by side; a session may stand in either.
const SELECT: &str = "SELECT coalesce(a.session, c.session) AS session, a.session_uid, a.last_activity, \
     coalesce(a.last_cause, '') AS last_cause, coalesce(c.open, 0) AS open, a.snoozed_until \
     FROM activity a FULL JOIN \
     (SELECT session, count(*) AS open FROM connections WHERE closed_at IS NULL GROUP BY session) c \
     ON c.session = a.session";

fn from_row(row: &Row) -> Result<ActivityRow, Error> {
    Ok(ActivityRow {
        session: row.try_get("session")?,
        session_uid: row.try_get("session_uid")?,
        last_activity: row.try_get("last_activity")?,
        cause: row.try_get("last_cause")?,
        connections: u32::try_from(row.try_get::<_, i64>("open")?).unwrap_or(u32::MAX),
        snoozed_until: row.try_get("snoozed_until")?,
    })
}

/// What is known of one session's use; `None`: nothing.
pub async fn read(db: &impl GenericClient, session: &str) -> Result<Option<ActivityRow>, Error> {
    Ok(read_some(db, &[session]).await?.pop())
}

/// What is known of the use of some sessions, by name; nothing of those that nothing is known of.
pub async fn read_some(db: &impl GenericClient, sessions: &[&str]) -> Result<Vec<ActivityRow>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT s.session, a.session_uid, a.last_activity, coalesce(a.last_cause, '') AS last_cause, c.open, \
             a.snoozed_until FROM unnest($1::text[]) AS s (session) LEFT JOIN activity a ON a.session = s.session, \
             LATERAL (SELECT count(*) AS open FROM connections WHERE session = s.session AND closed_at IS NULL) c \
             WHERE c.open > 0 OR a.session IS NOT NULL ORDER BY 1",
        )
        .await?;
    db.query(&statement, &[&sessions]).await?.iter().map(from_row).collect()
}

/// What is known of every session's use, by name.
pub async fn read_all(db: &impl GenericClient) -> Result<Vec<ActivityRow>, Error> {
    let statement = db.prepare_cached(&format!("{SELECT} ORDER BY 1")).await?;
    db.query(&statement, &[]).await?.iter().map(from_row).collect()
}

/// Writes what counted, at most one note a session; an older note than the one that stands changes nothing.
pub async fn note(db: &impl GenericClient, notes: &[Note]) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO activity AS a (session, session_uid, last_activity, last_cause) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) \
             ON CONFLICT (session) DO UPDATE SET session_uid = excluded.session_uid, \
             last_activity = excluded.last_activity, last_cause = excluded.last_cause, \
             snoozed_until = CASE WHEN a.session_uid = excluded.session_uid THEN a.snoozed_until END \
             WHERE a.session_uid <> excluded.session_uid OR a.last_activity IS NULL \
             OR a.last_activity < excluded.last_activity",
        )
        .await?;
    let sessions: Vec<&str> = notes.iter().map(|note| note.session.as_str()).collect();
    let uids: Vec<&str> = notes.iter().map(|note| note.session_uid.as_str()).collect();
    let times: Vec<Timestamp> = notes.iter().map(|note| note.at).collect();
    let causes: Vec<&str> = notes.iter().map(|note| note.cause.as_str()).collect();
    db.execute(&statement, &[&sessions, &uids, &times, &causes]).await?;
    Ok(())
}

/// Postpones the idle stop of a session.
pub async fn snooze(db: &impl GenericClient, session: &str, session_uid: &str, until: Timestamp) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO activity AS a (session, session_uid, snoozed_until) VALUES ($1, $2, $3) \
             ON CONFLICT (session) DO UPDATE SET session_uid = excluded.session_uid, \
             snoozed_until = excluded.snoozed_until, \
             last_activity = CASE WHEN a.session_uid = excluded.session_uid THEN a.last_activity END, \
             last_cause = CASE WHEN a.session_uid = excluded.session_uid THEN a.last_cause ELSE '' END",
        )
        .await?;
    db.execute(&statement, &[&session, &session_uid, &until]).await?;
    Ok(())
}

/// Removes what is known of a session that is no more.
pub async fn forget(db: &impl GenericClient, session: &str, session_uid: &str) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM activity WHERE session = $1 AND session_uid = $2").await?;
    db.execute(&statement, &[&session, &session_uid]).await?;
    Ok(())
}
