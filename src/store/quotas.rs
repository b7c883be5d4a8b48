//! Table `quotas`: limits of people and groups.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::{Row, types::ToSql};

use crate::{
    Error,
    domain::quota::{Dimension, Limits, Subject},
};

/// The limits in `row`, which has the columns of the table.
pub(super) fn limits(row: &Row) -> Result<Limits, Error> {
    Ok(Limits {
        sessions: row.try_get("sessions")?,
        cpu_millicores: row.try_get("cpu_millicores")?,
        memory_bytes: row.try_get("memory_bytes")?,
        gpus: row.try_get("gpus")?,
        storage_bytes: row.try_get("storage_bytes")?,
        cpu_seconds: row.try_get("cpu_seconds")?,
        memory_seconds: row.try_get("memory_seconds")?,
        gpu_seconds: row.try_get("gpu_seconds")?,
    })
}

/// The limits that were set for a subject itself.
pub async fn get(db: &impl GenericClient, subject: &Subject) -> Result<Option<Limits>, Error> {
    let statement = db.prepare_cached("SELECT * FROM quotas WHERE kind = $1 AND subject = $2").await?;
    db.query_opt(&statement, &[&subject.kind(), &subject.name()]).await?.as_ref().map(limits).transpose()
}

/// Whether anything at all is limited by the month.
pub async fn any_budget(db: &impl GenericClient) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "SELECT EXISTS (SELECT FROM quotas WHERE num_nonnulls(cpu_seconds, memory_seconds, gpu_seconds) > 0)",
        )
        .await?;
    Ok(db.query_one(&statement, &[]).await?.try_get(0)?)
}

/// Sets the limits of a subject, in place of those before.
pub async fn set(db: &impl GenericClient, subject: &Subject, limits: &Limits, now: Timestamp) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO quotas (kind, subject, sessions, cpu_millicores, memory_bytes, gpus, storage_bytes, cpu_seconds,
                                 memory_seconds, gpu_seconds, changed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (kind, subject) DO UPDATE
             SET sessions = excluded.sessions, cpu_millicores = excluded.cpu_millicores,
                 memory_bytes = excluded.memory_bytes, gpus = excluded.gpus,
                 storage_bytes = excluded.storage_bytes, cpu_seconds = excluded.cpu_seconds,
                 memory_seconds = excluded.memory_seconds, gpu_seconds = excluded.gpu_seconds,
                 changed_at = excluded.changed_at",
        )
        .await?;
    let amounts = Dimension::ALL.map(|dimension| limits.get(dimension));
    let (kind, name) = (subject.kind(), subject.name());
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&kind, &name];
    values.extend(amounts.iter().map(|amount| amount as &(dyn ToSql + Sync)));
    values.push(&now);
    db.execute(&statement, &values).await?;
    Ok(())
}

/// Removes the limits of a subject; `false`: it had none of its own.
pub async fn remove(db: &impl GenericClient, subject: &Subject) -> Result<bool, Error> {
    let statement = db.prepare_cached("DELETE FROM quotas WHERE kind = $1 AND subject = $2").await?;
    Ok(db.execute(&statement, &[&subject.kind(), &subject.name()]).await? == 1)
}
