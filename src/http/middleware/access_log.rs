//! One log line and one count for each request.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};

use crate::http::context::Context;

/// Label for requests that no route took; their paths are the caller's invention.
const NO_ROUTE: &str = "none";

/// Describes the metrics, once.
pub fn describe() {
    metrics::describe_counter!("streamspace_http_requests_total", "Requests answered, by route, method and status");
    metrics::describe_histogram!(
        "streamspace_http_request_duration_seconds",
        metrics::Unit::Seconds,
        "From the head of a request to the head of its answer, by route and method"
    );
}

/// Counts an answered request by the pattern of its route.
pub fn count(context: &Context, method: &Method, status: StatusCode, took: Duration) {
    let route = context.operation.get().map_or(NO_ROUTE, |operation| operation.path);
    let method = word(method);
    metrics::counter!(
        "streamspace_http_requests_total",
        "route" => route, "method" => method, "status" => status.as_str().to_owned()
    )
    .increment(1);
    metrics::histogram!("streamspace_http_request_duration_seconds", "route" => route, "method" => method).record(took);
}

/// A method as a label: callers can invent others.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What an access line tells.
#[derive(Debug)]
pub struct Line<'a> {
    /// The request.
    pub context: &'a Context,
    /// Its method.
    pub method: &'a Method,
    /// Its path without the query, which may hold what is nobody's business.
    pub path: &'a str,
    /// The answer's status.
    pub status: StatusCode,
    /// The code of the answer's problem, where it is one.
    pub problem: Option<&'static str>,
    /// What went wrong underneath, with its causes.
    pub cause: Option<String>,
    /// Until the head of the answer.
    pub took: Duration,
}

/// Writes the line: an error for failures of ours, otherwise information.
pub fn write(line: &Line<'_>) {
    let context = line.context;
    let user = context.user.borrow();
    let address = context.address.map(tracing::field::display);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "streamspace::access",
                correlation_id = &*context.id,
                trace_id = context.trace_id.as_deref(),
                http.method = line.method.as_str(),
                http.route = context.operation.get().map(|operation| operation.path),
                http.path = line.path,
                http.status = line.status.as_u16(),
                duration_ms = line.took.as_secs_f64() * 1_000.0,
                user.name = user.as_deref(),
                client.address = address,
                problem.code = line.problem,
                error = line.cause.as_deref(),
                "request"
            )
        };
    }
    if line.status.is_server_error() { line!(error) } else { line!(info) }
}
