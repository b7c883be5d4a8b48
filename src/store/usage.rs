//! Tables `usage_runs` and `budgets_spent`: what each run was given and for how long, and whose month is used up.

use std::collections::HashMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use crate::Error;

use super::reservations::Ask;

/// Notes that a run begins, and that those of the same session before it have ended; once noted, again changes nothing.
pub async fn begin(db: &impl GenericClient, ask: &Ask, run: i64, now: Timestamp) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "WITH before AS (
                 UPDATE usage_runs SET ended_at = greatest(started_at, $8)
                 WHERE session_uid = $1 AND run < $2 AND ended_at IS NULL
             )
             INSERT INTO usage_runs (session_uid, run, session, owner, cpu_millicores, memory_bytes, gpus, started_at,
                                     seen_at, project)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9) ON CONFLICT DO NOTHING",
        )
        .await?;
    let Ask { session, session_uid, owner, project, amounts, home: _ } = ask;
    let uid = session_uid.as_deref().unwrap_or_default();
    let (cpu, memory, gpus) = (amounts.cpu_millicores, amounts.memory_bytes, amounts.gpus);
    db.execute(&statement, &[&uid, &run, session, owner, &cpu, &memory, &gpus, &now, project]).await?;
    Ok(())
}

/// Notes that nothing of a session runs any more. `at`: when it ended; `None`: with its last sign of life.
pub async fn end(db: &impl GenericClient, session_uid: &str, at: Option<Timestamp>) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE usage_runs SET ended_at = greatest(started_at, coalesce($2, seen_at))
             WHERE session_uid = $1 AND ended_at IS NULL",
        )
        .await?;
    db.execute(&statement, &[&session_uid, &at]).await?;
    Ok(())
}

/// Notes a sign of life of the sessions `alive`, by their uids; runs of any other have ended with their last one.
pub async fn look(db: &impl GenericClient, alive: &[&str], now: Timestamp) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE usage_runs
             SET seen_at = CASE WHEN session_uid = ANY($1) THEN $2 ELSE seen_at END,
                 ended_at = CASE WHEN session_uid = ANY($1) THEN NULL ELSE seen_at END
             WHERE ended_at IS NULL",
        )
        .await?;
    db.execute(&statement, &[&alive, &now]).await?;
    Ok(())
}

/// Notes whose budget is spent: exactly those of `holders`. Returns since when it is.
pub async fn note_spent(
    db: &impl GenericClient,
    holders: &[String],
    now: Timestamp,
) -> Result<HashMap<String, Timestamp>, Error> {
    let others = db.prepare_cached("DELETE FROM budgets_spent WHERE NOT holder = ANY($1)").await?;
    db.execute(&others, &[&holders]).await?;
    let new = db
        .prepare_cached(
            "INSERT INTO budgets_spent (holder, since) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING",
        )
        .await?;
    db.execute(&new, &[&holders, &now]).await?;
    let all = db.prepare_cached("SELECT holder, since FROM budgets_spent").await?;
    db.query(&all, &[]).await?.iter().map(|row| Ok((row.try_get("holder")?, row.try_get("since")?))).collect()
}
