//! Tables `host_node` and `host_events`: one machine as a node.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::{Row, types::Json};

use crate::{
    Error,
    domain::nodes::{NodeEvent, change::Settings},
};

/// Events that are kept.
const EVENTS_KEPT: i64 = 100;

/// What people set on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostNode {
    /// What they set.
    pub settings: Settings,
    /// Grows with each change.
    pub version: i64,
    /// Since when the host is known.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "labels, taints, unschedulable, version, created_at";

fn host_node(row: &Row) -> Result<HostNode, Error> {
    Ok(HostNode {
        settings: Settings {
            labels: row.try_get::<_, Json<_>>("labels")?.0,
            taints: row.try_get::<_, Json<_>>("taints")?.0,
            unschedulable: row.try_get("unschedulable")?,
        },
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
    })
}

/// Makes the row where there is none yet.
pub async fn begin(db: &impl GenericClient, now: Timestamp) -> Result<(), Error> {
    db.execute("INSERT INTO host_node (created_at) VALUES ($1) ON CONFLICT DO NOTHING", &[&now]).await?;
    Ok(())
}

/// The row.
pub async fn read(db: &impl GenericClient) -> Result<HostNode, Error> {
    let statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM host_node")).await?;
    host_node(&db.query_one(&statement, &[]).await?)
}

/// The row, which nobody else can change before the transaction `db` ends.
pub async fn lock(db: &impl GenericClient) -> Result<HostNode, Error> {
    host_node(&db.query_one(&format!("SELECT {COLUMNS} FROM host_node FOR UPDATE"), &[]).await?)
}

/// Writes what people have set.
pub async fn write(db: &impl GenericClient, settings: &Settings) -> Result<HostNode, Error> {
    let Settings { labels, taints, unschedulable } = settings;
    let sql = format!(
        "UPDATE host_node SET labels = $1, taints = $2, unschedulable = $3, version = version + 1 RETURNING {COLUMNS}"
    );
    host_node(&db.query_one(&sql, &[&Json(labels), &Json(taints), unschedulable]).await?)
}

/// Keeps an event about the host, and of all of them the latest.
pub async fn tell(db: &impl GenericClient, at: Timestamp, reason: &str, message: &str) -> Result<(), Error> {
    let insert = "INSERT INTO host_events (at, type, reason, message) VALUES ($1, 'Normal', $2, $3)";
    db.execute(insert, &[&at, &reason, &message]).await?;
    let sweep = "DELETE FROM host_events WHERE id <= (SELECT id FROM host_events ORDER BY id DESC OFFSET $1 LIMIT 1)";
    db.execute(sweep, &[&EVENTS_KEPT]).await?;
    Ok(())
}

/// The events, newest first.
pub async fn events(db: &impl GenericClient) -> Result<Vec<NodeEvent>, Error> {
    let rows = db.query("SELECT at, type, reason, message FROM host_events ORDER BY id DESC", &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(NodeEvent {
                type_: row.try_get("type")?,
                reason: row.try_get("reason")?,
                message: row.try_get("message")?,
                count: 1,
                last_timestamp: row.try_get("at")?,
            })
        })
        .collect()
}
