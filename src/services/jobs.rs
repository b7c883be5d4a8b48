//! Jobs, as people act on them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    audit::{self, Entry},
    catalog::sync::Syncs,
    drains::Drains,
};
pub use crate::store::jobs::{Query, SORTS};
use crate::{
    App, Error,
    auth::{Caller, Permission},
    domain::jobs::{Job, LogLine},
    jobs::Handler,
    store::jobs::{self, logs},
};

/// What can be done as a job. `program`: this very program; `data`: the data folder.
#[must_use]
pub fn handlers(app: &App, program: PathBuf, data: &Path) -> Vec<Arc<dyn Handler>> {
    vec![Arc::new(Syncs { app: app.clone(), program, caches: data.join("git") }), Arc::new(Drains { app: app.clone() })]
}

/// Whether the caller may know of the job.
fn sees(caller: &Caller, job: &Job) -> bool {
    caller.may(Permission::JobsReadAll)
        || (caller.may(Permission::JobsRead) && job.created_by.as_deref() == Some(caller.user.as_str()))
}

/// The jobs that the caller may know of and wants, and how many there are, counted to [`COUNTED`](crate::domain::lists::COUNTED) and one.
pub async fn list(app: &App, caller: &Caller, mut query: Query) -> Result<(Vec<Job>, i64), Error> {
    if !caller.may(Permission::JobsReadAll) {
        if query.created_by.as_ref().is_some_and(|wanted| *wanted != caller.user) {
            return Ok((Vec::new(), 0));
        }
        query.created_by = Some(caller.user.clone());
    }
    jobs::list(&app.pool.get().await?, &query).await
}

/// The job of that id, if the caller may know of it.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Job, Error> {
    let job = jobs::get(&app.pool.get().await?, id).await?;
    job.filter(|job| sees(caller, job)).ok_or_else(|| Error::not_found("job", id))
}

/// The lines of a job's log after line number `after`, at most `most`, and how many there are in all.
pub async fn log(app: &App, caller: &Caller, id: &str, after: i64, most: i64) -> Result<(Vec<LogLine>, i64), Error> {
    let job = get(app, caller, id).await?;
    logs::read(&app.pool.get().await?, &job.id, after, most).await
}

/// Asks for the end of a job: one that waits has ended with that, one that runs ends soon.
pub async fn cancel(app: &App, caller: &Caller, id: &str) -> Result<Job, Error> {
    let job = get(app, caller, id).await?;
    let own = caller.may(Permission::JobsOwn) && job.created_by.as_deref() == Some(caller.user.as_str());
    if !own && !caller.may(Permission::JobsWriteAll) {
        return Err(Error::Forbidden("only those who run this platform may cancel this job: ask an operator".into()));
    }
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let cancelled = jobs::cancel(&transaction, id).await?;
    let cancelled = cancelled.ok_or_else(|| ended(&job))?;
    audit::record(&transaction, caller, Entry::new("job.cancel", format!("job/{id}"))).await?;
    jobs::feed::announce(&transaction).await?;
    transaction.commit().await?;
    Ok(cancelled)
}

/// Drives a job again that ended without success, from its first attempt on.
pub async fn retry(app: &App, caller: &Caller, id: &str) -> Result<Job, Error> {
    let job = get(app, caller, id).await?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let driven = jobs::drive_again(&transaction, id).await?;
    let driven = driven.ok_or_else(|| {
        Error::Conflict(format!(
            "the job is {}: only one that is FAILED, CANCELLED or DEAD can be run again",
            job.status.word()
        ))
    })?;
    audit::record(&transaction, caller, Entry::new("job.retry", format!("job/{id}"))).await?;
    jobs::feed::announce(&transaction).await?;
    transaction.commit().await?;
    Ok(driven)
}

fn ended(job: &Job) -> Error {
    Error::Conflict(format!("the job is {}: there is nothing left to cancel", job.status.word()))
}
