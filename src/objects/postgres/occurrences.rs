//! Kubernetes Events in a table, and the removal of what is too old.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::{PostgresStore, Retention, failed};
use crate::{
    crd::EventType,
    objects::{Object, ObjectError, Occurrence, Recorded},
};

/// Longest message of a Kubernetes Event, in characters.
const LONGEST_MESSAGE: usize = 1024;
/// How often old rows are looked for.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

impl<K: Object> PostgresStore<K> {
    pub(super) async fn write_occurrence(&self, occurrence: &Occurrence) -> Result<(), ObjectError> {
        let message: String = occurrence.message.chars().take(LONGEST_MESSAGE).collect();
        let digest = Sha256::digest(message.as_bytes()).to_vec();
        let client = self.inner.pool.get().await.map_err(failed)?;
        let statement = client
            .prepare_cached(
                "INSERT INTO object_occurrences AS kept
                     (namespace, kind, name, uid, type, reason, message, message_sha256, first_at, last_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
                 ON CONFLICT (namespace, kind, name, uid, type, reason, message_sha256) DO UPDATE
                 SET count = kept.count + 1, last_at = greatest(kept.last_at, excluded.last_at), written_at = now()",
            )
            .await
            .map_err(failed)?;
        let type_ = occurrence.type_.as_str();
        let now = self.inner.clock.now();
        let Occurrence { kind, name, uid, reason, type_: _, message: _ } = occurrence;
        client
            .execute(&statement, &[&self.inner.namespace, kind, name, uid, &type_, reason, &message, &digest, &now])
            .await
            .map(drop)
            .map_err(failed)
    }

    pub(super) async fn read_occurrences(&self, name: &str) -> Result<Vec<Recorded>, ObjectError> {
        let client = self.inner.pool.get().await.map_err(failed)?;
        let statement = client
            .prepare_cached(
                "SELECT type, reason, message, count, first_at, last_at FROM object_occurrences
                 WHERE namespace = $1 AND kind = $2 AND name = $3 ORDER BY last_at, first_at, reason, message",
            )
            .await
            .map_err(failed)?;
        let rows = client.query(&statement, &[&self.inner.namespace, &self.inner.kind, &name]).await.map_err(failed)?;
        Ok(rows
            .iter()
            .map(|row| Recorded {
                type_: if row.get::<_, &str>("type") == EventType::Warning.as_str() {
                    EventType::Warning
                } else {
                    EventType::Normal
                },
                reason: row.get("reason"),
                message: row.get("message"),
                count: row.get("count"),
                first_timestamp: row.get("first_at"),
                last_timestamp: row.get("last_at"),
            })
            .collect())
    }

    /// Removes changes and occurrences that are older than `retention` asks, by the clock of the database.
    ///
    /// # Errors
    /// [`ObjectError::Unavailable`].
    pub async fn sweep(&self, retention: Retention) -> Result<(), ObjectError> {
        let client = self.inner.pool.get().await.map_err(failed)?;
        let (namespace, kind) = (&self.inner.namespace, &self.inner.kind);
        let (age, occurrences) = (retention.age.as_secs_f64(), retention.occurrences.as_secs_f64());
        client
            .execute(
                "WITH gone AS (
                     DELETE FROM object_changes WHERE namespace = $1 AND kind = $2
                     AND revision <= (SELECT revision FROM object_counters WHERE namespace = $1 AND kind = $2) - $3
                     AND written_at <= now() - make_interval(secs => $4)
                     RETURNING revision
                 )
                 UPDATE object_counters SET forgotten = greatest(forgotten, (SELECT max(revision) FROM gone))
                 WHERE namespace = $1 AND kind = $2 AND EXISTS (SELECT FROM gone)",
                &[namespace, kind, &retention.changes, &age],
            )
            .await
            .map_err(failed)?;
        client
            .execute(
                "DELETE FROM object_occurrences WHERE namespace = $1 AND kind = $2 AND written_at <= now() - make_interval(secs => $3)",
                &[namespace, kind, &occurrences],
            )
            .await
            .map(drop)
            .map_err(failed)
    }

    pub(super) async fn sweep_forever(self) {
        loop {
            sleep(SWEEP_EVERY).await;
            if let Err(error) = self.within(self.sweep(Retention::default())).await {
                tracing::warn!(object.kind = self.inner.kind, error = ?error, "old changes could not be removed");
            }
        }
    }
}
