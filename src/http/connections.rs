//! Connections to sessions: open, keep, close, list; what sessions are used for; the viewer's socket.

use std::sync::Arc;

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::header, web};
use futures::future::LocalBoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::Body,
    guard::Guarded,
    list::{ListQuery, Page},
    params::{self, Params},
};
use crate::{
    App, Error,
    auth::{
        Credential,
        permission::needs::{SessionsOwn, SessionsRead},
    },
    crd::DesiredState,
    domain::sharing::EnteredAs,
    gateway::{Gateway, Viewing},
    services::{
        activity::{self, Item},
        connections::{self, Device, Open, Opened, Wish},
        rights::Entry,
        sessions,
    },
};

/// A connection that was opened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the names on the wire")]
pub struct Connection {
    /// Its id, for heartbeats and the end.
    connection_id: Uuid,
    /// Where the person works: an entry to the app, good once and for 30 s, or the dashboard's page with the viewer.
    url: String,
    /// What is wanted of the session: `running`.
    #[schema(value_type = String)]
    state: DesiredState,
    /// Whether the app answers already; otherwise `url` shows how far the start is.
    ready: bool,
    /// When the connection is closed unless there is a sign of life: a heartbeat, a request, an open stream.
    expires_at: Timestamp,
}

impl From<Opened> for Connection {
    fn from(opened: Opened) -> Self {
        Self {
            connection_id: opened.id,
            url: opened.url,
            state: opened.session.spec.state,
            ready: opened.ready,
            expires_at: opened.expires_at,
        }
    }
}

/// What is wanted of the program.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ConnectQuery {
    /// A further port of the program; absent: its main one.
    port: Option<u16>,
}

/// Opens a connection: wakes a hibernated session, tries a failed one again, and says where the person works.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/connect", tag = "connections",
    params(("id" = String, Path, description = "`metadata.name`"), ConnectQuery),
    responses((status = 200, description = "The connection", body = Connection)))]
pub async fn connect(
    caller: Guarded<SessionsOwn>,
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    id: web::Path<String>,
    query: Params<ConnectQuery>,
) -> Result<HttpResponse, Error> {
    let wish = Wish { port: query.0.port };
    let opened =
        connections::connect(gateway.app(), gateway.presence(), &caller, &id, &device(&request), &wish).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Connection::from(opened)))
}

/// The same for programs that can only read; needs an `Authorization` header, since a page of another site could make a
/// browser ask this.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/connect", tag = "connections",
    params(("id" = String, Path, description = "`metadata.name`"), ConnectQuery),
    responses((status = 200, description = "The connection", body = Connection)))]
pub async fn connect_by_get(
    caller: Guarded<SessionsOwn>,
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    id: web::Path<String>,
    query: Params<ConnectQuery>,
) -> Result<HttpResponse, Error> {
    if !matches!(caller.credential, Credential::Token(_) | Credential::Access(_)) {
        return Err(Error::Forbidden("use POST, or send an Authorization header".into()));
    }
    connect(caller, gateway, request, id, query).await
}

/// Which connection a call is about: in the body, or, for callers that cannot send one, in the URL.
#[derive(Clone, Debug, Deserialize, ToSchema, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Sign {
    /// The connection's id.
    connection_id: Uuid,
    /// Whether somebody is in front of it, which counts as activity.
    #[serde(default)]
    #[param(required = false)]
    active: bool,
}

/// The same as it stands in a URL, where other parameters may stand too.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignQuery {
    connection_id: Option<Uuid>,
    #[serde(default)]
    active: bool,
}

impl FromRequest for Sign {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let query = params::parse::<SignQuery>(request.query_string());
        let body = Body::<Self>::from_request(request, payload);
        Box::pin(async move {
            let query = query?;
            match query.connection_id {
                Some(connection_id) => Ok(Self { connection_id, active: query.active }),
                None => Ok(body.await?.0),
            }
        })
    }
}

/// A sign of life that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alive {
    /// The connection's id.
    connection_id: Uuid,
    /// When the connection is closed unless there is another.
    expires_at: Timestamp,
}

/// Keeps a connection. `active: true` counts as activity. The id may stand in the body or in the URL.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/heartbeat", tag = "connections",
    params(("id" = String, Path, description = "`metadata.name`")), request_body = Sign,
    responses((status = 200, description = "Taken", body = Alive)))]
pub async fn heartbeat(
    caller: Guarded<SessionsOwn>,
    gateway: web::Data<Gateway>,
    id: web::Path<String>,
    sign: Sign,
) -> Result<HttpResponse, Error> {
    let (app, presence) = (gateway.app(), gateway.presence());
    let Sign { connection_id, active } = sign;
    let expires_at = connections::heartbeat(app, presence, &caller, &id, connection_id, active).await?;
    Ok(HttpResponse::Ok().json(Alive { connection_id, expires_at }))
}

/// Closes a connection. The id may stand in the body or in the URL.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/disconnect", tag = "connections",
    params(("id" = String, Path, description = "`metadata.name`")), request_body = Sign,
    responses((status = 204, description = "Closed")))]
pub async fn disconnect(
    caller: Guarded<SessionsOwn>,
    gateway: web::Data<Gateway>,
    id: web::Path<String>,
    sign: Sign,
) -> Result<HttpResponse, Error> {
    connections::disconnect(gateway.app(), gateway.presence(), &caller, &id, sign.connection_id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An open connection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenConnection {
    /// Its id.
    id: Uuid,
    /// Whose it is.
    user: String,
    /// As what they came in; null: it was opened by an older server.
    entered_as: Option<EnteredAs>,
    /// Address of the client, as far as it can be believed; null for guests, who are told of their own alone.
    client_address: Option<String>,
    /// What the client calls itself; empty for guests, as above.
    user_agent: String,
    /// When it was opened.
    connected_at: Timestamp,
    /// Its last sign of life, to about 15 s.
    last_heartbeat: Timestamp,
}

impl From<Open> for OpenConnection {
    fn from(open: Open) -> Self {
        Self {
            id: open.id,
            user: open.user,
            entered_as: open.entered_as,
            client_address: open.client_address,
            user_agent: open.user_agent,
            connected_at: open.connected_at,
            last_heartbeat: open.last_heartbeat,
        }
    }
}

/// The open connections of a session, oldest first.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/connections", tag = "connections",
    params(("id" = String, Path, description = "`metadata.name`"), ListQuery),
    responses((status = 200, description = "A page of them", body = Page<OpenConnection>)))]
pub async fn list_connections(
    caller: Guarded<SessionsRead>,
    app: web::Data<App>,
    id: web::Path<String>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let found = connections::list(&app, &caller, &id);
    let page: Page<OpenConnection> =
        list.page_found("ConnectionList", found, |open| [open.user.as_str(), &open.user_agent]).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// For how long the idle stop is postponed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Snooze {
    /// `1m` to the administrator's longest idle time.
    #[schema(example = "1h")]
    r#for: String,
}

/// Postpones the idle stop of a session.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/snooze", tag = "connections",
    params(("id" = String, Path, description = "`metadata.name`")), request_body = Snooze,
    responses((status = 200, description = "When it stops now", body = Item)))]
pub async fn snooze(
    caller: Guarded<SessionsOwn>,
    gateway: web::Data<Gateway>,
    id: web::Path<String>,
    body: Body<Snooze>,
) -> Result<HttpResponse, Error> {
    let (app, presence) = (gateway.app(), gateway.presence());
    let session = connections::snooze(app, presence, &caller, &id, &body.0.r#for).await?;
    let item = activity::one(app, gateway.usages(), &session).await?;
    Ok(HttpResponse::Ok().json(item))
}

/// What the sessions that the caller may see are used for: connections, activity, idleness, processor and memory.
#[utoipa::path(get, path = "/api/v1/activity", tag = "connections", params(ListQuery),
    responses((status = 200, description = "A page of it, by owner and age of the sessions", body = Page<Item>)))]
pub async fn list_activity(
    caller: Guarded<SessionsRead>,
    gateway: web::Data<Gateway>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let found = activity::list(gateway.app(), gateway.usages(), &caller);
    let page: Page<Item> = list.page_found("ActivityList", found, |item| [item.session.as_str()]).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// How the viewer is opened.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ViewQuery {
    /// The connection it belongs to; absent: the caller's latest one to this session, or one of its own.
    connection_id: Option<Uuid>,
    /// Only look on: keys, pointer and clipboard are dropped. Who may do no more looks on in any case.
    #[serde(default)]
    #[param(required = false)]
    view: bool,
}

/// The screen of a `vnc` session: a WebSocket (subprotocol `binary`) that carries raw RFB.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/vnc", tag = "connections",
    params(("id" = String, Path, description = "`metadata.name`"), ViewQuery),
    responses((status = 101, description = "RFB in binary frames")))]
pub async fn view_screen(
    caller: Guarded<SessionsOwn>,
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    payload: web::Payload,
    id: web::Path<String>,
    query: Params<ViewQuery>,
) -> Result<HttpResponse, Error> {
    let app = gateway.app();
    let (session, most) = sessions::get_enterable(app, &caller, &id).await?;
    let template = connections::template_of(app, &session).await?;
    let ViewQuery { connection_id, view } = query.0;
    let link =
        connections::for_viewer(app, gateway.presence(), &caller, &session, &device(&request), connection_id).await?;
    let entry = if view { Entry::LookOn } else { most };
    let viewing = Viewing { session, template, link: Arc::clone(&link), entry };
    crate::gateway::view(&gateway, viewing, &request, payload).await
}

/// What the request tells of the client.
fn device(request: &HttpRequest) -> Device {
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Device { user_agent: user_agent.unwrap_or_default().to_owned() }
}
