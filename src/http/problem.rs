//! The one place where an error meets its HTTP status: problem objects as RFC 9457 has them.

use std::fmt;

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    body::BoxBody,
    dev::ServiceResponse,
    http::{StatusCode, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Context;
use crate::{Error, domain::fields::FieldError, engine::EngineError};

/// Seconds after which a request that met a database or a watch that is away is worth repeating.
const RETRY_AFTER_S: u64 = 1;

/// An error as the caller sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `/problems/{code}`, described in `docs/problems.md`.
    #[serde(rename = "type")]
    pub type_: String,
    /// The kind of problem in a few words, the same for every problem of that `code`.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time and what mends it.
    pub detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// A stable word for programs.
    pub code: &'static str,
    /// The request's `X-Request-Id`, by which the log knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Which fields are wrong, where fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
}

/// One wrong field.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemField {
    /// Path of the field, such as `spec.idleTimeout`.
    pub field: String,
    /// `error`; warnings never refuse a request.
    pub level: &'static str,
    /// A sentence that says how to mend it.
    pub message: String,
}

impl From<&FieldError> for ProblemField {
    fn from(error: &FieldError) -> Self {
        Self { field: error.field.clone(), level: "error", message: error.message.clone() }
    }
}

/// What a kind of problem is called, and its status.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// The stable word.
    pub code: &'static str,
    /// The status.
    pub status: StatusCode,
    /// A few words.
    pub title: &'static str,
}

const fn class(code: &'static str, status: StatusCode, title: &'static str) -> Class {
    Class { code, status, title }
}

impl Error {
    /// Stable code (`docs/problems.md`), status and title. No `_` arm, so that a new variant has to choose.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Invalid(_) => class("invalid", StatusCode::BAD_REQUEST, "Fields are wrong"),
            Self::BadRequest(_) => class("bad-request", StatusCode::BAD_REQUEST, "The request cannot be read"),
            Self::Unauthenticated => class("unauthenticated", StatusCode::UNAUTHORIZED, "Not signed in"),
            Self::SignInRefused(_) => class("sign-in-refused", StatusCode::UNAUTHORIZED, "Sign-in refused"),
            Self::Forbidden(_) => class("forbidden", StatusCode::FORBIDDEN, "Not allowed"),
            Self::QuotaExceeded(exceeded) if exceeded.dimension.is_budget() => {
                class("budget-spent", StatusCode::FORBIDDEN, "The budget is spent")
            }
            Self::QuotaExceeded(_) => class("quota-exceeded", StatusCode::FORBIDDEN, "A limit is reached"),
            Self::NotFound { .. } => class("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::AlreadyExists { .. } => class("already-exists", StatusCode::CONFLICT, "The name is taken"),
            Self::Conflict(_) => class("conflict", StatusCode::CONFLICT, "Not possible in this state"),
            Self::Stale => class("stale", StatusCode::PRECONDITION_FAILED, "Changed meanwhile"),
            Self::KeyReused => {
                class("idempotency-key-reused", StatusCode::UNPROCESSABLE_ENTITY, "Idempotency-Key used before")
            }
            Self::KeyInFlight => {
                class("idempotency-key-in-flight", StatusCode::CONFLICT, "The first request is under way")
            }
            Self::TooMany { .. } => class("too-many-requests", StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            Self::NotAllowed(_) => class("not-set-up", StatusCode::CONFLICT, "Not set up here"),
            Self::NoCluster => class("no-cluster", StatusCode::CONFLICT, "There is no cluster"),
            Self::CannotRunHere(_) => class("cannot-run-here", StatusCode::CONFLICT, "Cannot run here"),
            Self::Database(_) => class("database-unavailable", StatusCode::SERVICE_UNAVAILABLE, "The database is away"),
            Self::Engine(error) => engine_class(error),
            Self::Unavailable(_) => class("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Not ready"),
            Self::Internal(_) => class("internal", StatusCode::INTERNAL_SERVER_ERROR, "Our fault"),
        }
    }

    fn fields(&self) -> Vec<ProblemField> {
        match self {
            Self::Invalid(fields) => fields.iter().map(ProblemField::from).collect(),
            _ => Vec::new(),
        }
    }
}

fn engine_class(error: &EngineError) -> Class {
    match error {
        EngineError::NotRunning(_) => class("session-not-running", StatusCode::CONFLICT, "The session does not run"),
        EngineError::NoSuchPod(_) => class("not-found", StatusCode::NOT_FOUND, "Not found"),
        EngineError::NoSuchContainer { .. } => class("no-such-container", StatusCode::NOT_FOUND, "No such container"),
        EngineError::NoSuchPort { .. } => class("no-such-port", StatusCode::NOT_FOUND, "No such port"),
        EngineError::Unreachable { .. } => class("app-unreachable", StatusCode::BAD_GATEWAY, "Nothing answers there"),
        EngineError::Doctor { .. } => class("cannot-run-here", StatusCode::CONFLICT, "Cannot run here"),
        EngineError::Failed(_) => class("engine-failed", StatusCode::BAD_GATEWAY, "The engine failed"),
    }
}

/// What HTTP itself refuses, before any service is asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// No such URL.
    #[error("there is nothing at {0}")]
    NoRoute(String),
    /// The URL exists, the method does not.
    #[error("{method} is not possible here: use {}", .allow.join(", "))]
    Method {
        /// What was asked.
        method: String,
        /// What is possible.
        allow: Vec<&'static str>,
    },
    /// The request names no host, or several.
    #[error("the request has to name one host")]
    NoHost,
    /// The request is for another server.
    #[error("this server is not {0}: set PUBLIC_URL to the address that people type")]
    NotOurs(String),
    /// The request comes from another site's page, or does not say where it comes from.
    #[error("{}", cross_origin(.0.as_deref()))]
    CrossOrigin(Option<String>),
    /// The body is too large.
    #[error("the body may have {} bytes at most", crate::http::body::LIMIT)]
    TooLarge,
    /// The body is of a kind that is not read here.
    #[error("send the body as {0}")]
    MediaType(&'static str),
    /// An `Idempotency-Key` that is none.
    #[error("an Idempotency-Key has 1 to 255 visible ASCII characters")]
    BadKey,
    /// An `Idempotency-Key` where no answer can be kept.
    #[error("this cannot be repeated: send it without an Idempotency-Key")]
    KeyRefused,
    /// It took too long.
    #[error("this took longer than {} s and was given up: try again", crate::http::operation::WITHIN.as_secs())]
    TooSlow,
}

fn cross_origin(origin: Option<&str>) -> String {
    match origin {
        Some(origin) => format!("a page of {origin} may not do that: list it in CORS_ORIGINS if it should"),
        None => "say where this comes from: send an Origin header of ours, or an Authorization header".into(),
    }
}

impl Refusal {
    fn class(&self) -> Class {
        match self {
            Self::NoRoute(_) => class("no-route", StatusCode::NOT_FOUND, "No such URL"),
            Self::Method { .. } => class("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "No such method here"),
            Self::NoHost => class("no-host", StatusCode::BAD_REQUEST, "No host named"),
            Self::NotOurs(_) => class("not-ours", StatusCode::MISDIRECTED_REQUEST, "Another server's name"),
            Self::CrossOrigin(_) => class("cross-origin", StatusCode::FORBIDDEN, "From another site"),
            Self::TooLarge => class("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::MediaType(_) => class("media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not that kind of body"),
            Self::BadKey => class("bad-request", StatusCode::BAD_REQUEST, "The request cannot be read"),
            Self::KeyRefused => class("idempotency-key-refused", StatusCode::BAD_REQUEST, "Cannot be repeated"),
            Self::TooSlow => class("too-slow", StatusCode::SERVICE_UNAVAILABLE, "It took too long"),
        }
    }
}

/// The media type of a problem object.
pub const MEDIA_TYPE: &str = "application/problem+json";

impl Problem {
    /// A problem of that class.
    #[must_use]
    pub fn new(class: Class, detail: &impl fmt::Display, errors: Vec<ProblemField>) -> Self {
        Self {
            type_: format!("/problems/{}", class.code),
            title: class.title,
            status: class.status.as_u16(),
            detail: detail.to_string(),
            instance: None,
            code: class.code,
            request_id: None,
            errors,
        }
    }

    /// The problem that tells of `error`.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        Self::new(error.class(), error, error.fields())
    }

    /// The answer that carries it.
    fn answer(self, builder: &mut HttpResponseBuilder) -> HttpResponse {
        let mut response = builder
            .insert_header((header::CONTENT_TYPE, MEDIA_TYPE))
            .body(serde_json::to_vec(&self).unwrap_or_default());
        response.extensions_mut().insert(self);
        response
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.class().status
    }

    fn error_response(&self) -> HttpResponse {
        let mut builder = HttpResponse::build(self.status_code());
        match self {
            Self::Unauthenticated => {
                builder.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"streamspace\""));
            }
            Self::TooMany { retry_after_s } => {
                builder.insert_header((header::RETRY_AFTER, retry_after_s.to_string()));
            }
            Self::Database(_) | Self::Unavailable(_) | Self::KeyInFlight => {
                builder.insert_header((header::RETRY_AFTER, RETRY_AFTER_S.to_string()));
            }
            _ => {}
        }
        Problem::of(self).answer(&mut builder)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.class().status
    }

    fn error_response(&self) -> HttpResponse {
        let mut builder = HttpResponse::build(self.status_code());
        match self {
            Self::Method { allow, .. } => {
                builder.insert_header((header::ALLOW, allow.join(", ")));
            }
            Self::TooSlow => {
                builder.insert_header((header::RETRY_AFTER, RETRY_AFTER_S.to_string()));
            }
            _ => {}
        }
        Problem::new(self.class(), self, Vec::new()).answer(&mut builder)
    }
}

/// Turns an error answer into a whole problem object: one of ours gets the request's path and id, and one that the
/// framework or a handler made without a body becomes one. Other answers, and whole ones, stay as they are.
#[must_use]
pub fn complete(context: &Context, answer: ServiceResponse) -> ServiceResponse {
    let status = answer.status();
    if !(status.is_client_error() || status.is_server_error()) || is_whole(&answer) {
        return answer;
    }
    let (request, mut response) = answer.into_parts();
    let ours = response.extensions_mut().remove::<Problem>();
    let mut problem = ours.unwrap_or_else(|| Problem::new(framework_class(status), &framework_detail(status), vec![]));
    problem.instance = Some(request.path().to_owned());
    problem.request_id = Some(context.id.to_string());
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(MEDIA_TYPE));
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    response.extensions_mut().insert(problem);
    ServiceResponse::new(request, response.set_body(BoxBody::new(body)))
}

/// Whether the answer is a problem object with everything in it: completed before, or told again.
fn is_whole(answer: &ServiceResponse) -> bool {
    let said = answer.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == MEDIA_TYPE.as_bytes());
    let extensions = answer.response().extensions();
    said && extensions.get::<Problem>().is_none_or(|problem| problem.request_id.is_some())
}

/// The code of the problem that an answer carries.
#[must_use]
pub fn code_of(answer: &ServiceResponse) -> Option<&'static str> {
    answer.response().extensions().get::<Problem>().map(|problem| problem.code)
}

/// The class of an error that the framework found.
fn framework_class(status: StatusCode) -> Class {
    match status {
        StatusCode::NOT_FOUND => class("not-found", status, "Not found"),
        StatusCode::PAYLOAD_TOO_LARGE => class("too-large", status, "The body is too large"),
        StatusCode::REQUEST_TIMEOUT => class("too-slow", status, "It took too long"),
        _ if status.is_server_error() => class("internal", status, "Our fault"),
        _ => class("bad-request", status, "The request cannot be read"),
    }
}

fn framework_detail(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("it failed").to_lowercase()
}
