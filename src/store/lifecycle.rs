//! Table `lifecycle_events`: the whole story of every session.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use crate::{
    Error,
    crd::{EventType, LifecycleEvent},
};

/// Keeps events of a session; those kept before stay as they are.
pub async fn keep(
    db: &impl GenericClient,
    uid: &str,
    session: &str,
    owner: &str,
    events: &[LifecycleEvent],
) -> Result<(), Error> {
    let times: Vec<Timestamp> = events.iter().map(|event| event.time.0).collect();
    let types: Vec<String> = events.iter().map(|event| format!("{:?}", event.type_)).collect();
    let event_types: Vec<String> = events.iter().map(|event| format!("{:?}", event.event_type)).collect();
    let messages: Vec<&str> = events.iter().map(|event| event.message.as_str()).collect();
    let details: Vec<serde_json::Value> = events.iter().map(|event| serde_json::json!(event.details)).collect();
    db.execute(
        "INSERT INTO lifecycle_events (session_uid, session, owner, at, type, event_type, message, details)
         SELECT $1, $2, $3, at, type, event_type, message, details
         FROM unnest($4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::jsonb[])
              AS new (at, type, event_type, message, details)
         ON CONFLICT DO NOTHING",
        &[&uid, &session, &owner, &times, &types, &event_types, &messages, &details],
    )
    .await?;
    Ok(())
}

/// Which part of a story is asked for.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Only events after this.
    pub since: Option<Timestamp>,
    /// Only events of this type.
    pub type_: Option<String>,
    /// At most so many, the latest.
    pub limit: i64,
}

/// The events of one session, oldest first.
pub async fn of_session(db: &impl GenericClient, uid: &str, window: &Window) -> Result<Vec<LifecycleEvent>, Error> {
    let rows = db
        .query(
            "SELECT at, type, event_type, message, details FROM lifecycle_events
             WHERE session_uid = $1 AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::text IS NULL OR type = $3)
             ORDER BY at DESC LIMIT $4",
            &[&uid, &window.since, &window.type_, &window.limit],
        )
        .await?;
    rows.iter()
        .rev()
        .map(|row| {
            let event_type =
                if row.get::<_, &str>("event_type") == "Warning" { EventType::Warning } else { EventType::Normal };
            Ok(LifecycleEvent {
                type_: serde_json::from_value(row.get::<_, &str>("type").into()).map_err(Error::internal)?,
                time: MicroTime(row.get("at")),
                message: row.get("message"),
                details: serde_json::from_value(row.get("details")).map_err(Error::internal)?,
                event_type,
            })
        })
        .collect()
}
