//! Table `intents`: effects outside PostgreSQL that are to happen.

use deadpool_postgres::GenericClient;
use serde_json::Value;
use uuid::Uuid;

use crate::Error;

/// How long the request that opened an intent works on it alone, in seconds: a request has 10.
const TAKEN_S: f64 = 15.0;

/// An intent.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// Its id; the object that is made carries it.
    pub id: Uuid,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Who asked.
    pub actor: String,
    /// The object.
    pub object: Value,
    /// The audit entry that is due when it is there.
    pub audit: Value,
}

/// Writes `intent`, or takes up the one of the same id again; one that was closed stays closed.
pub async fn open(db: &impl GenericClient, intent: &Intent) -> Result<(), Error> {
    db.execute(
        "INSERT INTO intents (id, kind, name, actor, object, audit, taken_until)
         VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
         ON CONFLICT (id) DO UPDATE SET taken_until = excluded.taken_until WHERE intents.closed_at IS NULL",
        &[&intent.id, &intent.kind, &intent.name, &intent.actor, &intent.object, &intent.audit, &TAKEN_S],
    )
    .await?;
    Ok(())
}

/// Ends an intent that came about; `false`: it had ended before.
pub async fn close(db: &impl GenericClient, id: Uuid) -> Result<bool, Error> {
    let closed =
        "UPDATE intents SET closed_at = now(), object = 'null', audit = 'null' WHERE id = $1 AND closed_at IS NULL";
    Ok(db.execute(closed, &[&id]).await? == 1)
}

/// Forgets an intent that did not come about.
pub async fn release(db: &impl GenericClient, id: Uuid) -> Result<(), Error> {
    db.execute("DELETE FROM intents WHERE id = $1 AND closed_at IS NULL", &[&id]).await?;
    Ok(())
}

/// Forgets what was closed longer ago than a repeated request can come.
pub async fn forget_closed(db: &impl GenericClient) -> Result<(), Error> {
    db.execute("DELETE FROM intents WHERE closed_at < now() - interval '25 hours'", &[]).await?;
    Ok(())
}

/// Takes up at most `most` intents that nobody works on.
pub async fn take_up(db: &impl GenericClient, most: i64) -> Result<Vec<Intent>, Error> {
    let rows = db
        .query(
            "UPDATE intents SET taken_until = now() + make_interval(secs => $2)
             WHERE id IN (SELECT id FROM intents WHERE closed_at IS NULL AND taken_until < now()
                          ORDER BY taken_until LIMIT $1 FOR UPDATE SKIP LOCKED)
             RETURNING id, kind, name, actor, object, audit",
            &[&most, &TAKEN_S],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Intent {
            id: row.get("id"),
            kind: row.get("kind"),
            name: row.get("name"),
            actor: row.get("actor"),
            object: row.get("object"),
            audit: row.get("audit"),
        })
        .collect())
}
