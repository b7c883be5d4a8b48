//! Tables `jobs`, `job_locks`, `job_logs` and `job_removals`.

pub mod feed;
pub mod locks;
pub mod logs;

use deadpool_postgres::GenericClient;
use serde_json::Value;
use tokio_postgres::{
    Row,
    types::{Json, ToSql},
};
use uuid::Uuid;

use crate::{
    Error,
    domain::{
        jobs::{Job, Progress, Status},
        lists::COUNTED,
    },
};

/// The columns of [`Job`].
const COLUMNS: &str = "j.id, j.type, j.target, j.status, j.attempt, j.max_attempts, j.progress, j.error, j.result, \
    j.cancel_requested_at, j.correlation_id, j.created_by, j.created_at, j.run_after, j.started_at, j.finished_at";

/// Reads [`COLUMNS`].
fn job(row: &Row) -> Result<Job, Error> {
    let count = |column: &str| Ok::<_, Error>(u32::try_from(row.try_get::<_, i32>(column)?).unwrap_or_default());
    let word: &str = row.try_get("status")?;
    let cancel: Option<jiff::Timestamp> = row.try_get("cancel_requested_at")?;
    Ok(Job {
        id: row.try_get("id")?,
        kind: row.try_get("type")?,
        target: row.try_get("target")?,
        status: Status::from_word(word).ok_or_else(|| Error::internal(format!("a job is {word}")))?,
        attempt: count("attempt")?,
        max_attempts: count("max_attempts")?,
        progress: row.try_get::<_, Option<Json<Progress>>>("progress")?.map(|json| json.0),
        error: row.try_get("error")?,
        result: row.try_get("result")?,
        cancel_requested: cancel.is_some(),
        correlation_id: row.try_get("correlation_id")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        run_after: row.try_get("run_after")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
    })
}

/// A job that is to be.
#[derive(Clone, Debug)]
pub struct New {
    /// The type.
    pub kind: String,
    /// What it works on.
    pub target: String,
    /// For the handler.
    pub payload: Value,
    /// Whether one of its type and target that nobody has taken yet is as good.
    pub collapsible: bool,
    /// After so many attempts it is given up.
    pub max_attempts: u32,
    /// Seconds from now before which it does not begin.
    pub delay_s: f64,
    /// The request that it comes from.
    pub correlation_id: Option<String>,
    /// Who asks for it; none: the platform itself.
    pub created_by: Option<String>,
}

/// Adds a job; belongs into the transaction of what makes it necessary. Workers hear of it when that commits. Answers
/// the job that was there where `new` collapses with it, and whether it is a new one.
pub async fn insert(db: &impl GenericClient, new: &New) -> Result<(Job, bool), Error> {
    let statement = db
        .prepare_cached(&format!(
            "WITH j AS (
                 INSERT INTO jobs AS j (id, type, target, status, payload, collapsible, max_attempts, run_after,
                                   correlation_id, created_by)
                 VALUES ($1, $2, $3, 'PENDING', $4, $5, $6, clock_timestamp() + make_interval(secs => $7), $8, $9)
                 ON CONFLICT (type, target) WHERE collapsible AND untouched
                 DO UPDATE SET run_after = least(j.run_after, excluded.run_after), revision = NULL
                 RETURNING *)
             SELECT {COLUMNS}, pg_notify('{}', '')::text FROM j",
            super::JOBS
        ))
        .await?;
    let id = new_id();
    let attempts = i32::try_from(new.max_attempts).unwrap_or(i32::MAX);
    let New { kind, target, payload, collapsible, delay_s, correlation_id, created_by, .. } = new;
    let values: [&(dyn ToSql + Sync); 9] =
        [&id, kind, target, payload, collapsible, &attempts, delay_s, correlation_id, created_by];
    let made = job(&db.query_one(&statement, &values).await?)?;
    let new = made.id == id;
    Ok((made, new))
}

/// `job_` and a ULID: ids in the order of their making.
fn new_id() -> String {
    format!("job_{}", ulid::Ulid::from_bytes(Uuid::now_v7().into_bytes()))
}

/// The job of that id.
pub async fn get(db: &impl GenericClient, id: &str) -> Result<Option<Job>, Error> {
    let statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs j WHERE j.id = $1")).await?;
    db.query_opt(&statement, &[&id]).await?.as_ref().map(job).transpose()
}

/// Which jobs to list; an absent part lets all pass.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Asked for by this person.
    pub created_by: Option<String>,
    /// In these states; empty: in any.
    pub statuses: Vec<Status>,
    /// Of this type.
    pub kind: Option<String>,
    /// Of this target.
    pub target: Option<String>,
    /// Each occurs in id, type, target, error, creator or correlation id, in any case.
    pub words: Vec<String>,
    /// By which of [`SORTS`], and whether descending.
    pub sort: Vec<(usize, bool)>,
    /// How many to skip.
    pub offset: i64,
    /// How many to return at most.
    pub limit: i64,
}

/// What lists can be sorted by, and the columns behind.
pub const SORTS: [&str; 5] = ["createdAt", "type", "target", "status", "finishedAt"];
const SORT_COLUMNS: [&str; 5] = ["j.seq", "j.type", "j.target", "j.status", "j.finished_at"];

/// A page of jobs, and how many there are, counted to [`COUNTED`] and one.
pub async fn list(db: &impl GenericClient, query: &Query) -> Result<(Vec<Job>, i64), Error> {
    const WHERE: &str = "($1::text IS NULL OR j.created_by = $1) \
        AND (cardinality($2::text[]) = 0 OR j.status = ANY($2)) \
        AND ($3::text IS NULL OR j.type = $3) AND ($4::text IS NULL OR j.target = $4)";
    let patterns = super::search::containing(&query.words);
    let texts = ["j.id", "j.type", "j.target", "j.error", "j.created_by", "j.correlation_id"];
    let found = super::search::every_word_in("$5", &texts);
    let statuses: Vec<&str> = query.statuses.iter().map(|status| status.word()).collect();
    let order: Vec<String> = query
        .sort
        .iter()
        .map(|(place, descending)| format!("{} {} NULLS LAST, ", SORT_COLUMNS[*place], direction(*descending)))
        .collect();
    let order = order.concat();
    let Query { created_by, kind, target, offset, limit, .. } = query;
    let page =
        format!("SELECT {COLUMNS} FROM jobs j WHERE {WHERE} AND {found} ORDER BY {order}j.seq DESC OFFSET $6 LIMIT $7");
    let statement = db.prepare_cached(&page).await?;
    let rows = db.query(&statement, &[created_by, &statuses, kind, target, &patterns, offset, limit]).await?;
    let count = format!("SELECT count(*) FROM (SELECT 1 FROM jobs j WHERE {WHERE} AND {found} LIMIT $6) AS counted");
    let statement = db.prepare_cached(&count).await?;
    let total = db.query_one(&statement, &[created_by, &statuses, kind, target, &patterns, &(COUNTED + 1)]).await?;
    Ok((rows.iter().map(job).collect::<Result<_, _>>()?, total.try_get(0)?))
}

const fn direction(descending: bool) -> &'static str {
    if descending { "DESC" } else { "ASC" }
}

/// Asks for the end of a job: one that waits ends here, one that runs is asked to. `None`: it had ended, or there is
/// none.
pub async fn cancel(db: &impl GenericClient, id: &str) -> Result<Option<Job>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "WITH j AS (
                 UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
                     untouched = false, revision = NULL,
                     status = CASE status WHEN 'PENDING' THEN 'CANCELLED' ELSE status END,
                     finished_at = CASE status WHEN 'PENDING' THEN clock_timestamp() END
                 WHERE id = $1 AND status IN ('PENDING', 'RUNNING') RETURNING *)
             SELECT {COLUMNS}, pg_notify('{}', '')::text, pg_notify('{}', '')::text FROM j",
            super::JOB_CANCELS,
            super::JOBS
        ))
        .await?;
    db.query_opt(&statement, &[&id]).await?.as_ref().map(job).transpose()
}

/// Those of `ids` whose end was asked for.
pub async fn cancelled_of(db: &impl GenericClient, ids: &[String]) -> Result<Vec<String>, Error> {
    let statement =
        db.prepare_cached("SELECT id FROM jobs WHERE id = ANY($1) AND cancel_requested_at IS NOT NULL").await?;
    db.query(&statement, &[&ids]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Drives a job again that ended without success, from its first attempt on. `None`: it did not, or there is none.
pub async fn drive_again(db: &impl GenericClient, id: &str) -> Result<Option<Job>, Error> {
    let statuses: Vec<&str> =
        Status::ALL.iter().filter(|status| status.can_be_driven_again()).map(|status| status.word()).collect();
    let statement = db
        .prepare_cached(&format!(
            "WITH j AS (
                 UPDATE jobs SET status = 'PENDING', attempt = 0, losses = 0, untouched = false, revision = NULL,
                     run_after = clock_timestamp(), cancel_requested_at = NULL, error = NULL, result = NULL,
                     progress = NULL, started_at = NULL, finished_at = NULL
                 WHERE id = $1 AND status = ANY($2) RETURNING *)
             SELECT {COLUMNS}, pg_notify('{}', '')::text FROM j",
            super::JOBS
        ))
        .await?;
    db.query_opt(&statement, &[&id, &statuses]).await?.as_ref().map(job).transpose()
}

/// Removes at most `most` jobs that ended more than `age_s` seconds ago, with the locks of targets that have no job
/// left. Returns how many.
pub async fn remove_old(db: &impl GenericClient, age_s: f64, most: i64) -> Result<u64, Error> {
    let statement = db
        .prepare_cached(
            "WITH old AS (
                 DELETE FROM jobs WHERE id IN (
                     SELECT id FROM jobs WHERE finished_at < clock_timestamp() - make_interval(secs => $1)
                     ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED)
                 RETURNING id, created_by)
             INSERT INTO job_removals (id, created_by) SELECT id, created_by FROM old ON CONFLICT DO NOTHING",
        )
        .await?;
    let removed = db.execute(&statement, &[&age_s, &most]).await?;
    if removed > 0 {
        let unused = "DELETE FROM job_locks l WHERE worker IS NULL \
                      AND NOT EXISTS (SELECT 1 FROM jobs WHERE target = l.target)";
        db.execute(unused, &[]).await?;
    }
    db.execute("DELETE FROM job_removals WHERE removed_at < clock_timestamp() - interval '1 day'", &[]).await?;
    Ok(removed)
}
