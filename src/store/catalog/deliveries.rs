//! Table `catalog_deliveries`.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::Error;

/// Deliveries of a repository that are shown.
const SHOWN: i64 = 100;

/// A webhook with a good signature, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its id here.
    pub id: Uuid,
    /// For which repository.
    pub repository: Uuid,
    /// `github`, `gitlab`, `gitea`, `bitbucket` or `generic`.
    pub provider: String,
    /// The sender's id of it.
    pub delivery: String,
    /// The sender's word for what happened.
    pub event: String,
    /// What was pushed, such as `refs/heads/main`.
    pub reference: Option<String>,
    /// `accepted`, `ignored`, `pong` or `replayed`.
    pub result: String,
    /// Why it was ignored or refused.
    pub reason: Option<String>,
    /// The sync that it led to.
    pub job: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
}

/// Writes a delivery down and forgets old ones; false: that one came before.
pub async fn insert(db: &impl GenericClient, new: &Delivery) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO catalog_deliveries (id, repository, provider, delivery, event, reference, result, reason, job)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (repository, provider, delivery) WHERE result <> 'replayed' DO NOTHING",
        )
        .await?;
    let Delivery { id, repository, provider, delivery, event, reference, result, reason, job, .. } = new;
    let values: [&(dyn ToSql + Sync); 9] = [id, repository, provider, delivery, event, reference, result, reason, job];
    let written = db.execute(&statement, &values).await? == 1;
    let forget =
        "DELETE FROM catalog_deliveries WHERE repository = $1 AND received_at < clock_timestamp() - interval '30 days'";
    let forget = db.prepare_cached(forget).await?;
    db.execute(&forget, &[repository]).await?;
    Ok(written)
}

/// The latest deliveries for a repository, the latest first.
pub async fn list(db: &impl GenericClient, repository: Uuid) -> Result<Vec<Delivery>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT * FROM catalog_deliveries WHERE repository = $1 ORDER BY received_at DESC, id DESC LIMIT $2",
        )
        .await?;
    let rows = db.query(&statement, &[&repository, &SHOWN]).await?;
    rows.iter()
        .map(|row| {
            Ok(Delivery {
                id: row.try_get("id")?,
                repository: row.try_get("repository")?,
                provider: row.try_get("provider")?,
                delivery: row.try_get("delivery")?,
                event: row.try_get("event")?,
                reference: row.try_get("reference")?,
                result: row.try_get("result")?,
                reason: row.try_get("reason")?,
                job: row.try_get("job")?,
                received_at: row.try_get("received_at")?,
            })
        })
        .collect()
}
