//! `/api/v1/jobs`.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    guard::Guarded,
    list::{CountedPage, ListQuery},
    params::Params,
};
use crate::{
    App, Error,
    auth::permission::needs::{JobsRead, JobsWriteAll},
    domain::jobs::{Job, LogLine, Status},
    services::jobs::{self, Query, SORTS},
};

/// Which jobs to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct JobFilter {
    /// In one of these states, separated by commas, such as `DEAD` for dead letters.
    #[param(example = "PENDING,RUNNING")]
    status: Option<String>,
    /// Of this type, such as `catalog.sync`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Of this target.
    target: Option<String>,
    /// Asked for by this person.
    created_by: Option<String>,
}

impl JobFilter {
    fn statuses(&self) -> Result<Vec<Status>, Error> {
        let known = || Status::ALL.map(Status::word).join(", ");
        let words =
            self.status.iter().flat_map(|words| words.split(',')).map(str::trim).filter(|word| !word.is_empty());
        words
            .map(|word| {
                let status = Status::from_word(&word.to_uppercase());
                status.ok_or_else(|| Error::field("status", format!("there is no state {word}: use {}", known())))
            })
            .collect()
    }
}

/// Lists the jobs that the caller may see, the newest first. Sorts by `createdAt`, `type`, `target`, `status`,
/// `finishedAt`.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(JobFilter, ListQuery),
    responses((status = 200, description = "A page of them", body = CountedPage<Job>)))]
pub async fn list_jobs(
    caller: Guarded<JobsRead>,
    app: web::Data<App>,
    filter: Params<JobFilter>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let query = Query {
        statuses: filter.0.statuses()?,
        sort: list.order(&SORTS)?,
        offset: i64::try_from(list.offset()).unwrap_or(i64::MAX),
        limit: list.size.into(),
        created_by: filter.0.created_by,
        kind: filter.0.kind,
        target: filter.0.target,
        words: list.words,
    };
    let (items, counted) = jobs::list(&app, &caller, query).await?;
    Ok(HttpResponse::Ok().json(CountedPage::new("JobList", list.page, counted, items)))
}

/// One job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The job", body = Job)))]
pub async fn get_job(
    caller: Guarded<JobsRead>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(jobs::get(&app, &caller, &id).await?))
}

/// A page of a job's log.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobLog {
    /// Always `JobLog`.
    kind: &'static str,
    /// The page, from 1.
    page: u32,
    /// Lines on this page.
    size: usize,
    /// Lines in all.
    total: i64,
    /// The lines, the oldest first.
    items: Vec<LogLine>,
}

/// From where to read a log.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogFrom {
    /// Only lines after that number: what came since the last look.
    #[serde(default)]
    #[param(minimum = 0, default = 0)]
    after: u32,
}

/// What a job said, over all its attempts.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/logs", tag = "jobs",
    params(("id" = String, Path, description = "The job's id"), LogFrom, ListQuery),
    responses((status = 200, description = "A page of its lines", body = JobLog)))]
pub async fn job_logs(
    caller: Guarded<JobsRead>,
    app: web::Data<App>,
    id: web::Path<String>,
    from: Params<LogFrom>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    // Lines are numbered without gaps, so a page begins at a number.
    let after = i64::from(from.0.after).saturating_add(i64::try_from(list.offset()).unwrap_or(i64::MAX));
    let (items, total) = jobs::log(&app, &caller, &id, after, list.size.into()).await?;
    Ok(HttpResponse::Ok().json(JobLog { kind: "JobLog", page: list.page, size: items.len(), total, items }))
}

/// Asks for the end of a job: one that waits is cancelled with that, one that runs stops soon.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path, description = "The job's id")),
    responses((status = 202, description = "It is asked to end", body = Job)))]
pub async fn cancel_job(
    caller: Guarded<JobsRead>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    Ok(accepted(jobs::cancel(&app, &caller, &id).await?))
}

/// Runs a job again that failed, was cancelled or given up, from its first attempt on.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/retry", tag = "jobs", params(("id" = String, Path, description = "The job's id")),
    responses((status = 202, description = "It waits for a worker", body = Job)))]
pub async fn retry_job(
    caller: Guarded<JobsWriteAll>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    Ok(accepted(jobs::retry(&app, &caller, &id).await?))
}

/// The answer to a request for long work: the job, and where to ask for it.
pub(super) fn accepted(job: Job) -> HttpResponse {
    let location = format!("/api/v1/jobs/{}", job.id);
    HttpResponse::Accepted().insert_header((actix_web::http::header::LOCATION, location)).json(job)
}
