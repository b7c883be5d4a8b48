//! The feeds: what happens, over WebSockets.

use std::{fmt, iter, marker::PhantomData, sync::Arc};

use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, dev::Payload, web};
use async_trait::async_trait;
use futures::future::LocalBoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    guard::{self, Guarded},
    operation::Guard,
    params::{self, Params},
    problem::Problem,
    socket,
    told::Told,
};
use crate::{
    App, Error,
    auth::{
        Auth, Caller, Permission, Standing,
        permission::{
            Required,
            needs::{JobsRead, NodesFollow, SelfManage, SessionsRead},
        },
    },
    config::EngineKind,
    domain::duration::Span,
    live::{Access, Conversation, Cursor, Drain, Gate, LogWish, Scope, Subject, Topic},
    services::{
        rights::{self, Seen},
        sockets,
    },
};

/// Most of the lines that exist which are sent first.
const TAIL_MAX: usize = 10_000;
/// Query parameters in which clients of other servers send a token.
const TOKENS: &[&str] = &["token", "access_token", "jwt", "bearer", "authorization", "api_key", "apikey"];
/// Said to a client that does so.
const TOKEN_IN_URL: &str = "a URL is no place for a token, since it is written down everywhere: send an Authorization \
     header, or get a one-time ticket with POST /api/v1/ws/tickets and send that as ?ticket=";

/// Who opens a WebSocket: known by cookie, `Authorization` or one-time ticket, and holding the permission `P`.
pub struct SocketCaller<P> {
    caller: Caller,
    standing: Standing,
    permission: PhantomData<fn() -> P>,
}

impl<P: Required> fmt::Debug for SocketCaller<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketCaller").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl<P: Required> FromRequest for SocketCaller<P> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (caller, standing) = identify(&request).await?;
            guard::check(&caller, P::PERMISSION)?;
            Ok(Self { caller, standing, permission: PhantomData })
        })
    }
}

impl<P: Required> Guard for SocketCaller<P> {
    const PERMISSION: Option<Permission> = Some(P::PERMISSION);

    fn caller(&self) -> Option<&Caller> {
        Some(&self.caller)
    }
}

/// What may stand in the URL of any socket.
#[derive(Deserialize)]
struct Shown {
    ticket: Option<SecretString>,
}

/// With a ticket in the URL nothing else counts: such a request did not have to say which page it comes from.
async fn identify(request: &HttpRequest) -> Result<(Caller, Standing), Error> {
    let query = request.query_string();
    if url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| TOKENS.contains(&&*name.to_lowercase())) {
        return Err(Error::BadRequest(TOKEN_IN_URL.to_owned()));
    }
    let Some(ticket) = params::parse::<Shown>(query)?.ticket else {
        return Ok((guard::caller(request).await?, guard::standing(request).await?));
    };
    // Asked once as the guard and once as the handler's argument: the ticket is used up by the first.
    if let Some(Redeemed(caller, standing)) = request.extensions().get::<Redeemed>() {
        return Ok((caller.clone(), standing.clone()));
    }
    // A ticket is not used up by a request that could not have been answered.
    socket::check_handshake(request)?;
    let (caller, standing) = sockets::redeem(guard::auth(request)?, &ticket).await?;
    request.extensions_mut().insert(Redeemed(caller.clone(), standing.clone()));
    Ok((caller, standing))
}

/// Who showed a ticket with this request.
struct Redeemed(Caller, Standing);

/// What `caller` may read.
fn access(caller: &Caller) -> Access {
    let user: Arc<str> = caller.user.as_str().into();
    let own = || Scope::own(user.clone());
    let sessions = |seen| match seen {
        Seen::All => Scope::All,
        Seen::Own(shared) => own().with_shared(shared),
    };
    let all_templates = caller.may(Permission::TemplatesReadAll);
    let templates = || if all_templates { Scope::All } else { own().with_groups(caller.belonging.groups.clone()) };
    let jobs = || if caller.may(Permission::JobsReadAll) { Scope::All } else { own() };
    Access {
        sessions: rights::seen(caller).map(sessions),
        logs: rights::followed(caller).map(sessions),
        templates: caller.may(Permission::TemplatesRead).then(templates),
        jobs: caller.may(Permission::JobsRead).then(jobs),
        cluster: caller.may(Permission::NodesFollow),
        notifications: caller.may(Permission::SelfManage),
        user,
    }
}

/// Answers for the caller as long as the socket is open.
struct Keeper {
    auth: Auth,
    standing: Standing,
}

#[async_trait]
impl Gate for Keeper {
    async fn access(&self) -> Result<Option<Access>, Error> {
        Ok(self.auth.holder(&self.standing).await?.as_ref().map(access))
    }

    fn problem(&self, error: &Error) -> Value {
        serde_json::to_value(Problem::of(error)).unwrap_or_default()
    }
}

async fn open<P>(app: &App, caller: &SocketCaller<P>, request: &HttpRequest, labelled: bool) -> Result<Drain, Error> {
    socket::check_handshake(request)?;
    let keeper = Keeper { auth: app.auth.clone(), standing: caller.standing.clone() };
    let at_first = access(&caller.caller);
    let drain = app.hub.open(at_first.clone(), Box::new(keeper), labelled, socket::line(request))?;
    // What changed about the caller before the hub knew of this connection nobody told it.
    match app.auth.holder(&caller.standing).await? {
        None => return Err(Error::Unauthenticated),
        Some(now) if access(&now) != at_first => app.hub.recheck(&now.user),
        Some(_) => {}
    }
    Ok(drain)
}

fn switch(app: &App, request: &HttpRequest, payload: web::Payload, drain: Drain) -> HttpResponse {
    let (engine, clock) = (Arc::clone(&app.engine), Arc::clone(&app.clock));
    let conversation = Conversation::new(app.hub.clone(), Arc::clone(drain.socket()), engine, clock);
    socket::switch(request, payload.into_inner(), drain, conversation)
}

/// Where to go on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Resume {
    /// The latest cursor that was read: the server sends what was missed since, or a snapshot where it cannot.
    cursor: Option<String>,
    /// A one-time ticket from `POST /api/v1/ws/tickets`, for clients that can send neither cookie nor header.
    #[serde(rename = "ticket")]
    _ticket: Option<String>,
}

impl Resume {
    fn cursor(&self) -> Cursor {
        Cursor::parse(self.cursor.as_deref().unwrap_or_default())
    }
}

/// Opens a socket on `topics` alone.
async fn follow<P>(
    app: &App,
    caller: &SocketCaller<P>,
    request: &HttpRequest,
    payload: web::Payload,
    topics: impl IntoIterator<Item = Topic>,
    resume: &Resume,
) -> Result<HttpResponse, Error> {
    let drain = open(app, caller, request, false).await?;
    for topic in topics {
        app.hub.subscribe(drain.socket(), &app.engine, &topic, resume.cursor(), LogWish::default())?;
    }
    Ok(switch(app, request, payload, drain))
}

/// The sessions that the caller may see, as they change: a snapshot, then `session.created`, `session.updated`,
/// `session.deleted`, `session.activity` and, for one's own, `session.warning`.
#[utoipa::path(get, path = "/api/v1/ws/sessions", tag = "feeds", params(Resume),
    responses((status = 101, description = "Frames follow, one JSON object each")))]
pub async fn ws_sessions(
    caller: SocketCaller<SessionsRead>,
    request: HttpRequest,
    payload: web::Payload,
    app: web::Data<App>,
    resume: Params<Resume>,
) -> Result<HttpResponse, Error> {
    let told = caller.caller.may(Permission::SelfManage).then_some(Topic::Notifications);
    let topics = iter::once(Topic::Feed(Subject::Sessions)).chain(told);
    follow(&app, &caller, &request, payload, topics, &resume.0).await
}

/// The jobs that the caller may see, as they go on: a snapshot of those that have not ended and the latest of those
/// that have, then `job.created`, `job.updated`, `job.deleted`.
#[utoipa::path(get, path = "/api/v1/ws/jobs", tag = "feeds", params(Resume),
    responses((status = 101, description = "Frames follow, one JSON object each")))]
pub async fn ws_jobs(
    caller: SocketCaller<JobsRead>,
    request: HttpRequest,
    payload: web::Payload,
    app: web::Data<App>,
    resume: Params<Resume>,
) -> Result<HttpResponse, Error> {
    follow(&app, &caller, &request, payload, [Topic::Feed(Subject::Jobs)], &resume.0).await
}

/// The nodes and what of them is used, every 5 s and whenever something is otherwise: a snapshot with the nodes in
/// `items` and the sums in `metrics`, then `node.updated`, `node.deleted` and `cluster.metrics`.
#[utoipa::path(get, path = "/api/v1/ws/cluster", tag = "feeds", params(Resume),
    responses((status = 101, description = "Frames follow, one JSON object each")))]
pub async fn ws_cluster(
    caller: SocketCaller<NodesFollow>,
    request: HttpRequest,
    payload: web::Payload,
    app: web::Data<App>,
    resume: Params<Resume>,
) -> Result<HttpResponse, Error> {
    follow(&app, &caller, &request, payload, [Topic::Cluster], &resume.0).await
}

/// Which lines are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Only so many of the last lines that exist; 100 unless told otherwise, at most 10000.
    tail: Option<usize>,
    /// Whether lines to come are wanted too; `true` unless told otherwise.
    follow: Option<bool>,
    /// Whether lines carry their time; `true` unless told otherwise.
    timestamps: Option<bool>,
    /// The container, where a pod has several. On one machine workloads have none.
    container: Option<String>,
    /// Only lines of that time up to now, such as `5m`.
    #[param(value_type = Option<String>)]
    since: Option<Span>,
    /// A one-time ticket from `POST /api/v1/ws/tickets`.
    #[serde(rename = "ticket")]
    _ticket: Option<String>,
}

impl LogQuery {
    fn wish(&self, app: &App) -> Result<LogWish, Error> {
        let container = self.container.clone().filter(|name| !name.is_empty());
        if container.is_some() && app.config.engine.kind() == EngineKind::Local {
            return Err(Error::field("container", "a workload on this machine has no containers: leave it out"));
        }
        let usual = LogWish::default();
        Ok(LogWish {
            tail: self.tail.unwrap_or(usual.tail).min(TAIL_MAX),
            follow: self.follow.unwrap_or(usual.follow),
            timestamps: self.timestamps.unwrap_or(usual.timestamps),
            since: self.since.and_then(|span| span.before(app.clock.now())),
            container,
        })
    }
}

/// The output of a workload: `log.lines` with a batch of lines each, `log.end` when there are no more to come.
#[utoipa::path(get, path = "/api/v1/ws/logs/{namespace}/{pod}", tag = "feeds",
    params(
        ("namespace" = String, Path, description = "`local` on one machine"),
        ("pod" = String, Path, description = "`status.workload.name` of the session"),
        LogQuery,
    ),
    responses((status = 101, description = "Frames follow, one JSON object each")))]
pub async fn ws_logs(
    caller: SocketCaller<SessionsRead>,
    request: HttpRequest,
    payload: web::Payload,
    app: web::Data<App>,
    place: web::Path<(String, String)>,
    query: Params<LogQuery>,
) -> Result<HttpResponse, Error> {
    let wish = query.0.wish(&app)?;
    let (namespace, pod) = place.into_inner();
    let drain = open(&app, &caller, &request, false).await?;
    let topic = Topic::Logs { namespace, pod };
    app.hub.subscribe(drain.socket(), &app.engine, &topic, Cursor::default(), wish)?;
    Ok(switch(&app, &request, payload, drain))
}

/// What to begin with.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Feeds {
    /// `sessions`, `templates`, `jobs`, `cluster`, `notifications`, `logs/{namespace}/{pod}`, separated by commas. More can be subscribed
    /// to with `{"type":"subscribe","topic":…,"cursor":…}` at any time, and left with `unsubscribe`.
    topics: Option<String>,
    /// The latest cursors that were read, joined by commas.
    cursor: Option<String>,
    /// A one-time ticket from `POST /api/v1/ws/tickets`.
    #[serde(rename = "ticket")]
    _ticket: Option<String>,
}

/// Any number of topics over one socket; every frame names its topic.
#[utoipa::path(get, path = "/api/v1/ws/events", tag = "feeds", params(Feeds),
    responses((status = 101, description = "Frames follow, one JSON object each")))]
pub async fn ws_events(
    caller: SocketCaller<SelfManage>,
    request: HttpRequest,
    payload: web::Payload,
    app: web::Data<App>,
    query: Params<Feeds>,
) -> Result<HttpResponse, Error> {
    let drain = open(&app, &caller, &request, true).await?;
    let cursor = Cursor::parse(query.0.cursor.as_deref().unwrap_or_default());
    let names = query.0.topics.iter().flat_map(|names| names.split(',')).map(str::trim);
    for name in names.filter(|name| !name.is_empty()) {
        let subscribe = |topic| app.hub.subscribe(drain.socket(), &app.engine, &topic, cursor, LogWish::default());
        if let Err(error) = Topic::parse(name).and_then(subscribe) {
            drain.socket().refuse(Some(name), &error);
        }
    }
    Ok(switch(&app, &request, payload, drain))
}

/// A one-time ticket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// To be sent as `?ticket=`, once.
    ticket: Told,
    /// Until then.
    expires_at: Timestamp,
}

/// Makes a ticket with which the caller can open one WebSocket within 30 s.
#[utoipa::path(post, path = "/api/v1/ws/tickets", tag = "feeds",
    responses((status = 201, description = "The ticket, told this once", body = Ticket)))]
pub async fn create_ticket(
    _: Guarded<SelfManage>,
    request: HttpRequest,
    auth: web::Data<Auth>,
) -> Result<HttpResponse, Error> {
    let (ticket, expires_at) = sockets::issue(&auth, &guard::standing(&request).await?).await?;
    Ok(HttpResponse::Created().json(Ticket { ticket: ticket.into(), expires_at }))
}
