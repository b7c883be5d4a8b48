//! `/api/v1/sessions`: the custom resources, as people act on them.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use futures::{TryStreamExt, stream::BoxStream};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    body::Body,
    etag::{self, IfMatch},
    guard::Guarded,
    list::{Column, ListQuery, Page},
    middleware::idempotency::RequestKey,
    params::Params,
};
use crate::{
    App, Error,
    auth::permission::needs::{SessionsOwn, SessionsRead},
    crd::{Lifecycle, LifecycleType, Session},
    domain::duration::{self, Span},
    engine::{self, EngineError, LogLine, LogQuery},
    services::{
        logs,
        sessions::{self, Filter, NewSession, Recorded, StoryQuery},
    },
};

/// Most events of a story that one answer holds.
const STORY_MOST: i64 = 1_000;
/// Lines of a log for one who names no number.
const TAIL: usize = 200;
/// Most lines of a log that can be asked for.
const TAIL_MOST: usize = 100_000;

/// What a list of sessions can be sorted by.
const COLUMNS: &[Column<std::sync::Arc<Session>>] = &[
    Column { name: "createdAt", compare: |a, b| a.creation_timestamp().cmp(&b.creation_timestamp()) },
    Column { name: "name", compare: |a, b| a.metadata.name.cmp(&b.metadata.name) },
    Column { name: "displayName", compare: |a, b| sessions::shown_name(a).cmp(sessions::shown_name(b)) },
    Column { name: "user", compare: |a, b| a.spec.user.cmp(&b.spec.user) },
    Column { name: "template", compare: |a, b| a.spec.template.cmp(&b.spec.template) },
    Column { name: "phase", compare: |a, b| a.phase().cmp(&b.phase()) },
];

/// `?dryRun=true` checks and changes nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct DryRun {
    /// Check only.
    #[serde(default)]
    #[param(required = false)]
    pub dry_run: bool,
}

/// The caller's sessions and those that are shared with them; with `sessions:read-all` everybody's.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", params(ListQuery, Filter),
    responses((status = 200, description = "A page of them, by owner and age", body = Page<Session>)))]
pub async fn list_sessions(
    caller: Guarded<SessionsRead>,
    app: web::Data<App>,
    request: HttpRequest,
    list: ListQuery,
    filter: Params<Filter>,
) -> Result<HttpResponse, Error> {
    etag::catch_up(&request, "sessions", async |seen| _ = app.sessions.wait_for(seen).await).await;
    if filter.0.is_empty() && list.words.is_empty() && list.default_order() {
        let page = sessions::page(&app, &caller, list.offset(), list.size as usize);
        return Ok(HttpResponse::Ok().json(Page::new("SessionList", list.page, page.total, page.items)));
    }
    let mut items = sessions::list(&app, &caller, &filter.0, &list.words);
    list.sort(&mut items, COLUMNS)?;
    Ok(HttpResponse::Ok().json(list.page_of("SessionList", items)))
}

/// Starts a session from a template. 201 means accepted: follow `status.phase` on the feed.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", params(DryRun), request_body = NewSession,
    responses((status = 201, description = "Accepted", body = Session), (status = 200, description = "With `dryRun`: it would be accepted", body = Session)))]
pub async fn create_session(
    caller: Guarded<SessionsOwn>,
    app: web::Data<App>,
    key: RequestKey,
    query: Params<DryRun>,
    body: Body<NewSession>,
) -> Result<HttpResponse, Error> {
    let session = sessions::create(&app, &caller, key.0.as_deref(), body.0, query.0.dry_run).await?;
    if query.0.dry_run {
        return Ok(HttpResponse::Ok().json(session));
    }
    let location = format!("/api/v1/sessions/{}", session.name_any());
    Ok(etag::created(&location, &*session))
}

/// One session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path, description = "`metadata.name`")),
    responses((status = 200, description = "The session", body = Session), (status = 304, description = "`If-None-Match` names this version")))]
pub async fn get_session(
    caller: Guarded<SessionsRead>,
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    etag::catch_up(&request, "sessions", async |seen| _ = app.sessions.wait_for(seen).await).await;
    Ok(etag::show(&request, &*sessions::get(&app, &caller, &id).await?))
}

/// Changes a session: `state`, `resources` (from the next start), `idleTimeout`, `maxSessionDuration`, `tags`, `displayName`.
#[utoipa::path(patch, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path, description = "`metadata.name`")),
    request_body(content = sessions::SessionChange, description = "A JSON merge patch, flat or as the object has it", content_type = "application/json"),
    responses((status = 200, description = "The session as it is now", body = Session)))]
pub async fn change_session(
    caller: Guarded<SessionsOwn>,
    app: web::Data<App>,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Body<Value>,
) -> Result<HttpResponse, Error> {
    let session = sessions::change(&app, &caller, &id, &body.0, if_match.0).await?;
    Ok(etag::written(StatusCode::OK, &*session))
}

/// Deletes a session and everything that was made for it, never a persistent home.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path, description = "`metadata.name`")),
    responses((status = 202, description = "It goes as soon as its program has ended", body = Session), (status = 204, description = "It is gone")))]
pub async fn delete_session(
    caller: Guarded<SessionsOwn>,
    app: web::Data<App>,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse, Error> {
    Ok(match sessions::delete(&app, &caller, &id, if_match.0).await? {
        Some(waiting) => etag::written(StatusCode::ACCEPTED, &*waiting),
        None => HttpResponse::NoContent().finish(),
    })
}

/// Tries a failed session again.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/restart", tag = "sessions", params(("id" = String, Path, description = "`metadata.name`")),
    responses((status = 200, description = "It is tried again", body = Session)))]
pub async fn restart_session(
    caller: Guarded<SessionsOwn>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    Ok(etag::written(StatusCode::OK, &*sessions::restart(&app, &caller, &id).await?))
}

/// Which lines of a log are wanted.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogParams {
    /// So many of the last lines; 200 where it is absent.
    #[param(maximum = 100_000)]
    pub tail: Option<usize>,
    /// Only lines of that time up to now, such as `5m`.
    #[param(value_type = Option<String>)]
    pub since: Option<Span>,
    /// Go on with lines to come.
    #[serde(default)]
    #[param(required = false)]
    pub follow: bool,
    /// Begin each line with its time.
    #[serde(default)]
    #[param(required = false)]
    pub timestamps: bool,
}

impl LogParams {
    /// The lines that are meant at `now`.
    pub(super) fn query(&self, now: Timestamp) -> Result<LogQuery, Error> {
        let tail = self.tail.unwrap_or(TAIL);
        if tail > TAIL_MOST {
            return Err(Error::field("tail", format!("may be at most {TAIL_MOST}")));
        }
        let since = self.since.and_then(|span| span.before(now));
        Ok(LogQuery { since, tail: Some(tail), follow: self.follow })
    }
}

/// Lines as text, as they come.
pub(super) fn as_text(lines: BoxStream<'static, Result<LogLine, EngineError>>, timestamps: bool) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(lines.map_ok(move |line| engine::plain(&line, timestamps)))
}

/// What the session's program wrote.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/logs", tag = "sessions",
    params(("id" = String, Path, description = "`metadata.name`"), LogParams),
    responses((status = 200, description = "Lines of text, as they come", content_type = "text/plain", body = String)))]
pub async fn session_logs(
    caller: Guarded<SessionsRead>,
    app: web::Data<App>,
    id: web::Path<String>,
    query: Params<LogParams>,
) -> Result<HttpResponse, Error> {
    let lines = logs::of_session(&app, &caller, &id, query.0.query(app.clock.now())?).await?;
    Ok(as_text(lines, query.0.timestamps))
}

/// A list of Events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventList {
    /// `EventList`.
    #[schema(example = "EventList")]
    pub kind: &'static str,
    /// Newest last.
    pub items: Vec<Recorded>,
}

/// Kubernetes-style Events about a session, newest last.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/events", tag = "sessions", params(("id" = String, Path, description = "`metadata.name`")),
    responses((status = 200, description = "The Events", body = EventList)))]
pub async fn session_events(
    caller: Guarded<SessionsRead>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let items = sessions::occurrences(&app, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(EventList { kind: "EventList", items }))
}

/// Which part of a story is wanted.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StoryParams {
    /// Only what happened within this time, such as `5m`.
    pub since: Option<String>,
    /// Only events of this type.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// At most so many, the latest; 1,000 where it is absent.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<i64>,
}

impl StoryParams {
    fn read(&self) -> Result<StoryQuery, Error> {
        let since = self.since.as_deref().map(duration::parse).transpose();
        // `Installing` is what an older client calls it.
        let type_ = self.type_.as_deref().map(|text| if text == "Installing" { "Starting" } else { text });
        let type_ = type_.map(|text| serde_json::from_value::<LifecycleType>(text.into()));
        let limit = self.limit.unwrap_or(STORY_MOST);
        if !(1..=STORY_MOST).contains(&limit) {
            return Err(Error::field("limit", format!("must lie between 1 and {STORY_MOST}")));
        }
        Ok(StoryQuery {
            since: since.map_err(|error| Error::field("since", error.to_string()))?,
            type_: type_.transpose().map_err(|error| Error::field("type", error.to_string()))?,
            limit,
        })
    }
}

/// The story of a session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/lifecycle", tag = "sessions",
    params(("id" = String, Path, description = "`metadata.name`"), StoryParams),
    responses((status = 200, description = "Its events, oldest first, with counts and times", body = Lifecycle)))]
pub async fn session_story(
    caller: Guarded<SessionsRead>,
    app: web::Data<App>,
    id: web::Path<String>,
    query: Params<StoryParams>,
) -> Result<web::Json<Lifecycle>, Error> {
    Ok(web::Json(sessions::story(&app, &caller, &id, &query.0.read()?).await?))
}
