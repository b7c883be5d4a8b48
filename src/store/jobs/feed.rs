//! The changes of jobs in an order that every replica agrees on.
//!
//! A write leaves the row without a number. Whoever reads the feed first gives numbers to those rows, under a lock that
//! ends with the commit: so numbers become visible in their order and no reader skips one, without writers waiting for
//! each other. A row that changes again before it is read gets a later number; only its latest state is told.

use deadpool_postgres::GenericClient;

use super::{COLUMNS, job};
use crate::{Error, domain::jobs::Job};

/// Most rows that get a number at once.
const BATCH: i64 = 1_000;

/// A change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its number.
    pub number: u64,
    /// What it says.
    pub what: What,
}

/// What a change says.
#[derive(Clone, Debug)]
pub enum What {
    /// The job as it is now.
    Now(Box<Job>),
    /// The job of that id, which this person asked for, is gone.
    Gone(String, Option<String>),
}

/// Gives numbers to changes that have none. Returns whether there may be more.
pub async fn number(db: &impl GenericClient) -> Result<bool, Error> {
    let mut full = false;
    for (table, order) in [("jobs", "seq"), ("job_removals", "removed_at")] {
        let statement = db
            .prepare_cached(&format!(
                "WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtext('streamspace job revisions'))::text),
                 untold AS (SELECT t.id FROM turn, {table} t WHERE t.revision IS NULL
                            ORDER BY t.{order} LIMIT $1 FOR UPDATE OF t SKIP LOCKED)
                 UPDATE {table} t SET revision = nextval('job_revisions') FROM untold WHERE t.id = untold.id"
            ))
            .await?;
        full |= db.execute(&statement, &[&BATCH]).await?.cast_signed() == BATCH;
    }
    Ok(full)
}

/// Whether there are changes without a number.
pub async fn is_behind(db: &impl GenericClient) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE revision IS NULL) \
             OR EXISTS (SELECT 1 FROM job_removals WHERE revision IS NULL)",
        )
        .await?;
    Ok(db.query_one(&statement, &[]).await?.try_get(0)?)
}

/// Jobs that have not ended and the latest `ended` of those that have, each with its number, and the number of the
/// latest change.
pub async fn list(db: &impl GenericClient, active: i64, ended: i64) -> Result<(Vec<(u64, Job)>, u64), Error> {
    let statement = db
        .prepare_cached(&format!(
            "(SELECT {COLUMNS}, j.revision FROM jobs j
              WHERE j.status IN ('PENDING', 'RUNNING') AND j.revision IS NOT NULL ORDER BY j.seq DESC LIMIT $1)
             UNION ALL
             (SELECT {COLUMNS}, j.revision FROM jobs j
              WHERE j.finished_at IS NOT NULL AND j.revision IS NOT NULL ORDER BY j.finished_at DESC LIMIT $2)"
        ))
        .await?;
    // Before the list: what changes in between is read again as a change.
    let head = head(db).await?;
    let rows = db.query(&statement, &[&active, &ended]).await?;
    let items = rows.iter().map(|row| Ok((row.try_get::<_, i64>("revision")?.cast_unsigned(), job(row)?)));
    Ok((items.collect::<Result<_, Error>>()?, head))
}

async fn head(db: &impl GenericClient) -> Result<u64, Error> {
    let statement = db
        .prepare_cached(
            "SELECT greatest(coalesce((SELECT max(revision) FROM jobs), 0), \
                             coalesce((SELECT max(revision) FROM job_removals), 0))",
        )
        .await?;
    Ok(db.query_one(&statement, &[]).await?.try_get::<_, i64>(0)?.cast_unsigned())
}

/// Changes after `number`, in their order, at most `most`.
pub async fn after(db: &impl GenericClient, number: u64, most: i64) -> Result<Vec<Change>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "SELECT c.revision AS change, c.id AS gone_id, c.gone, c.created_by AS gone_of, {COLUMNS} FROM (
                 (SELECT revision, id, created_by, false AS gone FROM jobs WHERE revision > $1 ORDER BY revision LIMIT $2)
                 UNION ALL
                 (SELECT revision, id, created_by, true FROM job_removals WHERE revision > $1 ORDER BY revision LIMIT $2)) c
             LEFT JOIN jobs j ON j.id = c.id ORDER BY c.revision LIMIT $2"
        ))
        .await?;
    let rows = db.query(&statement, &[&number.cast_signed(), &most]).await?;
    let change = |row: &tokio_postgres::Row| {
        let what = if row.try_get("gone")? {
            What::Gone(row.try_get("gone_id")?, row.try_get("gone_of")?)
        } else {
            What::Now(Box::new(job(row)?))
        };
        Ok(Change { number: row.try_get::<_, i64>("change")?.cast_unsigned(), what })
    };
    rows.iter().map(change).collect()
}

/// Tells every replica that there are changes to read.
pub async fn announce(db: &impl GenericClient) -> Result<(), Error> {
    let statement = db.prepare_cached(&format!("SELECT pg_notify('{}', '')::text", crate::store::JOB_FEED)).await?;
    db.query_one(&statement, &[]).await?;
    Ok(())
}
