//! Table `job_logs`.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use crate::{
    Error,
    domain::jobs::{Job, LogLevel, LogLine},
};

/// A line that is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When.
    pub time: Timestamp,
    /// How grave.
    pub level: LogLevel,
    /// The text, without line ends.
    pub message: String,
}

/// Adds lines to the log of a job that runs under `number`. False: it does not any more, and nothing was written.
pub async fn append(db: &impl GenericClient, job: &Job, number: i64, lines: &[Line]) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "WITH held AS (SELECT 1 FROM job_locks WHERE target = $2 AND number = $3 AND job = $1),
             written AS (
                 INSERT INTO job_logs (job, number, attempt, time, level, message)
                 SELECT $1, coalesce((SELECT max(number) FROM job_logs WHERE job = $1), 0) + line.place, $4,
                        line.time, line.level, line.message
                 FROM held, unnest($5::timestamptz[], $6::text[], $7::text[])
                      WITH ORDINALITY AS line (time, level, message, place))
             SELECT EXISTS (SELECT 1 FROM held)",
        )
        .await?;
    let attempt = i32::try_from(job.attempt).unwrap_or(i32::MAX);
    let times: Vec<Timestamp> = lines.iter().map(|line| line.time).collect();
    let levels: Vec<&str> = lines.iter().map(|line| line.level.word()).collect();
    let messages: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
    let row = db.query_one(&statement, &[&job.id, &job.target, &number, &attempt, &times, &levels, &messages]).await?;
    Ok(row.try_get(0)?)
}

/// The lines of a job after line number `after`, at most `most`, and how many there are in all.
pub async fn read(db: &impl GenericClient, job: &str, after: i64, most: i64) -> Result<(Vec<LogLine>, i64), Error> {
    let statement = db
        .prepare_cached(
            "SELECT number, attempt, time, level, message FROM job_logs WHERE job = $1 AND number > $2 \
             ORDER BY number LIMIT $3",
        )
        .await?;
    let rows = db.query(&statement, &[&job, &(i32::try_from(after).unwrap_or(i32::MAX)), &most]).await?;
    let count = |row: &tokio_postgres::Row, place: usize| {
        Ok::<_, Error>(u32::try_from(row.try_get::<_, i32>(place)?).unwrap_or_default())
    };
    let line = |row: &tokio_postgres::Row| {
        Ok(LogLine {
            number: count(row, 0)?,
            attempt: count(row, 1)?,
            time: row.try_get(2)?,
            level: LogLevel::from_word(row.try_get(3)?),
            message: row.try_get(4)?,
        })
    };
    // Lines are numbered without gaps.
    let statement = db.prepare_cached("SELECT coalesce(max(number), 0)::bigint FROM job_logs WHERE job = $1").await?;
    let total = db.query_one(&statement, &[&job]).await?.try_get(0)?;
    Ok((rows.iter().map(line).collect::<Result<_, Error>>()?, total))
}
