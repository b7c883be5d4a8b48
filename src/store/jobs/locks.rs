//! Taking jobs, keeping them, and writing with the number that was given at the taking.
//!
//! A job is `RUNNING` exactly as long as its target's lock names it: both change in one statement. Every write of a
//! worker carries its number, so that one that was given up for lost changes nothing any more. Time is the database's.

use std::time::Duration;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::types::{Json, ToSql};
use uuid::Uuid;

use super::{COLUMNS, job};
use crate::{
    Error,
    domain::jobs::{Job, Next, Progress, Status},
};

/// A process that works on jobs.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The process.
    pub id: Uuid,
    /// The identity of the data folder whose lock it holds, where it holds one.
    pub folder: Option<String>,
}

/// A job that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The job.
    pub job: Job,
    /// For the handler.
    pub payload: Value,
    /// The number that every write carries.
    pub number: i64,
}

/// Takes at most `most` jobs of the given types for `worker`, each with its target's lock for `lease`: of every target
/// that nobody works on the oldest job that has not ended, if its time has come.
pub async fn take(
    db: &impl GenericClient,
    worker: &Worker,
    types: &[&str],
    most: i64,
    lease: Duration,
) -> Result<Vec<Taken>, Error> {
    // Conditions that can be looked up in an index alone: as joins they would be planned for the few jobs of a quiet hour
    // and meet the many of a busy one.
    let statement = db
        .prepare_cached(&format!(
            "WITH candidate AS (
                 SELECT c.id, c.target FROM jobs c
                 WHERE c.status = 'PENDING' AND c.run_after <= clock_timestamp() AND c.type = ANY($1)
                   AND c.seq = (SELECT e.seq FROM jobs e WHERE e.target = c.target AND e.status IN ('PENDING', 'RUNNING')
                                ORDER BY e.seq LIMIT 1)
                   AND (SELECT l.worker FROM job_locks l WHERE l.target = c.target) IS NULL
                 ORDER BY c.seq LIMIT $2 FOR UPDATE OF c SKIP LOCKED),
             locked AS (
                 INSERT INTO job_locks AS l (target, number, job, worker, folder, expires_at)
                 SELECT target, 1, id, $3, $4, clock_timestamp() + make_interval(secs => $5) FROM candidate
                 ON CONFLICT (target) DO UPDATE SET number = l.number + 1, job = excluded.job,
                     worker = excluded.worker, folder = excluded.folder, expires_at = excluded.expires_at
                 WHERE l.worker IS NULL
                 RETURNING job, number)
             UPDATE jobs j SET status = 'RUNNING', attempt = attempt + 1, untouched = false, revision = NULL,
                 started_at = clock_timestamp(), progress = NULL
             FROM locked WHERE j.id = locked.job
             RETURNING {COLUMNS}, j.payload, locked.number"
        ))
        .await?;
    let rows = db.query(&statement, &[&types, &most, &worker.id, &worker.folder, &lease.as_secs_f64()]).await?;
    let taken = |row| Ok(Taken { job: job(row)?, payload: row.try_get("payload")?, number: row.try_get("number")? });
    rows.iter().map(taken).collect()
}

/// Renews every lock of `worker`; returns the numbers it still has, by job.
pub async fn renew(db: &impl GenericClient, worker: Uuid, lease: Duration) -> Result<Vec<(String, i64)>, Error> {
    let statement = db
        .prepare_cached(
            "UPDATE job_locks SET expires_at = clock_timestamp() + make_interval(secs => $2) WHERE worker = $1
             RETURNING job, number",
        )
        .await?;
    let rows = db.query(&statement, &[&worker, &lease.as_secs_f64()]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Whether `number` still stands for the job; if so, nobody can take it over until this transaction ends.
pub async fn guard(db: &impl GenericClient, job: &Job, number: i64) -> Result<bool, Error> {
    let statement =
        db.prepare_cached("SELECT 1 FROM job_locks WHERE target = $1 AND number = $2 AND job = $3 FOR SHARE").await?;
    Ok(db.query_opt(&statement, &[&job.target, &number, &job.id]).await?.is_some())
}

/// Writes how far the job is. False: the number does not stand for it any more.
pub async fn note(db: &impl GenericClient, job: &Job, number: i64, progress: &Progress) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "UPDATE jobs j SET progress = $4, revision = NULL FROM job_locks l
             WHERE j.id = $1 AND l.target = $2 AND l.number = $3 AND l.job = j.id",
        )
        .await?;
    Ok(db.execute(&statement, &[&job.id, &job.target, &number, &Json(progress)]).await? == 1)
}

/// Writes what came of the job so far. False: the number does not stand for it any more.
pub async fn so_far(db: &impl GenericClient, job: &Job, number: i64, result: &Value) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "UPDATE jobs j SET result = $4, revision = NULL FROM job_locks l
             WHERE j.id = $1 AND l.target = $2 AND l.number = $3 AND l.job = j.id",
        )
        .await?;
    Ok(db.execute(&statement, &[&job.id, &job.target, &number, &result]).await? == 1)
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// With this result.
    Succeeded(Value),
    /// Because of this; and what becomes of the job.
    Failed(String, Next),
    /// As it was asked to.
    Cancelled,
    /// The worker has to stop: somebody else is to begin anew. Does not count as an attempt.
    HandedBack,
}

/// Ends the attempt and frees the target; what came of the job [so far](so_far) stays where nothing else is said. False:
/// the number does not stand for the job any more, and nothing was written.
pub async fn end(db: &impl GenericClient, job: &Job, number: i64, ending: &Ending) -> Result<bool, Error> {
    let (status, pause, error, result, back) = match ending {
        Ending::Succeeded(result) => (Status::Succeeded, None, None, Some(result), 0),
        Ending::Failed(error, Next::Again(pause)) => (Status::Pending, Some(*pause), Some(error), None, 0),
        Ending::Failed(error, Next::End(status)) => (*status, None, Some(error), None, 0),
        Ending::Cancelled => (Status::Cancelled, None, None, None, 0),
        Ending::HandedBack => (Status::Pending, Some(Duration::ZERO), None, None, 1_i32),
    };
    // Whoever asked for the end while the attempt failed gets it instead of another attempt.
    let statement = db
        .prepare_cached(
            "WITH freed AS (
                 UPDATE job_locks SET worker = NULL, job = NULL, folder = NULL
                 WHERE target = $1 AND number = $2 AND job = $3 RETURNING target)
             UPDATE jobs j SET revision = NULL, error = $6, result = coalesce($7, result), attempt = attempt - $8,
                 status = CASE WHEN $4 = 'PENDING' AND cancel_requested_at IS NOT NULL THEN 'CANCELLED' ELSE $4 END,
                 finished_at = CASE WHEN $4 <> 'PENDING' OR cancel_requested_at IS NOT NULL
                                    THEN clock_timestamp() END,
                 run_after = coalesce(clock_timestamp() + make_interval(secs => $5), run_after)
             FROM freed WHERE j.id = $3",
        )
        .await?;
    let pause = pause.map(|pause| pause.as_secs_f64());
    let values: [&(dyn ToSql + Sync); 8] =
        [&job.target, &number, &job.id, &status.word(), &pause, &error, &result, &back];
    Ok(db.execute(&statement, &values).await? == 1)
}

/// Tells every worker that there may be something to take.
pub async fn wake_workers(db: &impl GenericClient) -> Result<(), Error> {
    let statement = db.prepare_cached(&format!("SELECT pg_notify('{}', '')::text", crate::store::JOBS)).await?;
    db.query_one(&statement, &[]).await?;
    Ok(())
}

/// A lock that nobody keeps.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The target.
    pub target: String,
    /// Its job.
    pub job: String,
    /// The number of the one who had it.
    pub number: i64,
    /// How many workers were lost over the job before.
    pub losses: u32,
    /// The job's type.
    pub kind: String,
    /// When the attempt began.
    pub started_at: Option<Timestamp>,
}

/// At most `most` locks that have expired, or, with `folder`, that an earlier process of that data folder left behind.
/// They are the caller's until the transaction ends.
pub async fn lost(db: &impl GenericClient, folder: Option<&str>, most: i64) -> Result<Vec<Lost>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT l.target, l.job, l.number, j.losses, j.type, j.started_at
             FROM job_locks l JOIN jobs j ON j.id = l.job
             WHERE l.worker IS NOT NULL
               AND (($1::text IS NULL AND l.expires_at < clock_timestamp()) OR l.folder = $1)
             ORDER BY l.expires_at LIMIT $2 FOR UPDATE OF l SKIP LOCKED",
        )
        .await?;
    let rows = db.query(&statement, &[&folder, &most]).await?;
    let lost = |row: &tokio_postgres::Row| {
        Ok(Lost {
            target: row.try_get("target")?,
            job: row.try_get("job")?,
            number: row.try_get("number")?,
            losses: u32::try_from(row.try_get::<_, i32>("losses")?).unwrap_or_default(),
            kind: row.try_get("type")?,
            started_at: row.try_get("started_at")?,
        })
    };
    rows.iter().map(lost).collect()
}

/// Frees a lock that was lost; `next` is what becomes of its job, unless somebody asked for its end. The attempt does
/// not count. Answers the job's state.
pub async fn free(db: &impl GenericClient, lost: &Lost, next: Next, why: &str) -> Result<Option<Status>, Error> {
    let (status, pause) = match next {
        Next::Again(pause) => (Status::Pending, Some(pause.as_secs_f64())),
        Next::End(status) => (status, None),
    };
    let statement = db
        .prepare_cached(
            "WITH freed AS (
                 UPDATE job_locks SET worker = NULL, job = NULL, folder = NULL
                 WHERE target = $1 AND number = $2 AND job = $3 RETURNING target)
             UPDATE jobs j SET revision = NULL, losses = losses + 1, attempt = attempt - 1, error = $6,
                 status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED' ELSE $4 END,
                 finished_at = CASE WHEN $4 <> 'PENDING' OR cancel_requested_at IS NOT NULL
                                    THEN clock_timestamp() END,
                 run_after = coalesce(clock_timestamp() + make_interval(secs => $5), run_after)
             FROM freed WHERE j.id = $3 RETURNING j.status",
        )
        .await?;
    let values: [&(dyn ToSql + Sync); 6] = [&lost.target, &lost.number, &lost.job, &status.word(), &pause, &why];
    let row = db.query_opt(&statement, &values).await?;
    row.map(|row| Ok(Status::from_word(row.try_get(0)?).unwrap_or(status))).transpose()
}
