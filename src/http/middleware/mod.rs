//! What every request to the API and the page passes, and every answer on its way back.
//!
//! One layer instead of ten: each concern is a small file of plain functions, and [`around`] calls them in their order.

pub mod access_log;
pub mod compress;
pub mod cors;
pub mod forwarded;
pub mod host;
pub mod idempotency;
pub mod older;
pub mod origin;
pub mod policy;
pub mod rate_limit;
pub mod request_id;
pub mod revision;
pub mod security_headers;

use std::time::{Duration, Instant};

use actix_web::{
    HttpMessage,
    body::BoxBody,
    dev::{RequestHead, ServiceRequest, ServiceResponse},
    http::{Method, header::HeaderValue},
    middleware::Next,
    web,
};
use tracing::Instrument;

use self::policy::Policy;
use super::{context::Context, problem};
use crate::telemetry::logs;

/// Names the request, lets it in or not, and completes its answer.
///
/// # Errors
/// None of its own.
pub async fn around(
    policy: web::Data<Policy>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, actix_web::Error> {
    let started = Instant::now();
    let context = identify(&policy, &request);
    request.extensions_mut().insert(context.clone());
    let origin = cors::listed_origin(&policy.origins, request.head());
    let answer = match admit(&policy, &context, request.head()) {
        Err(refused) => request.error_response(refused),
        Ok(()) => match cors::preflight(request.head()).filter(|_| origin.is_some()) {
            Some(allowed) => request.into_response(allowed),
            None => {
                let span = tracing::info_span!("request", correlation_id = &*context.id);
                next.call(request).instrument(span).await?
            }
        },
    };
    Ok(finish(&policy, &context, answer, origin, started.elapsed()))
}

/// What is known from the connection and the headers.
fn identify(policy: &Policy, request: &ServiceRequest) -> Context {
    let (peer, headers) = (request.peer_addr().map(|peer| peer.ip()), request.headers());
    Context::new(
        request_id::take_or_make(headers),
        request_id::trace_id(headers),
        peer.map(|peer| policy.proxies.client(peer, headers)),
        policy.proxies.secure(peer, policy.own_tls, headers),
    )
}

/// Refuses what is not for us, acts for another site, or comes too often.
fn admit(policy: &Policy, context: &Context, head: &RequestHead) -> Result<(), actix_web::Error> {
    policy.hosts.check(head)?;
    policy.origins.check(head)?;
    if let Some(address) = context.address {
        context.stand(policy.limits.count_address(address))?;
    }
    Ok(())
}

/// Completes the answer, counts it and writes it down.
fn finish(
    policy: &Policy,
    context: &Context,
    answer: ServiceResponse,
    origin: Option<HeaderValue>,
    took: Duration,
) -> ServiceResponse {
    let cause = answer.response().error().filter(|_| answer.status().is_server_error()).map(cause_of);
    let mut answer = problem::complete(context, answer);
    let headers = answer.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&context.id) {
        headers.insert(request_id::X_REQUEST_ID, id);
    }
    if let Some(standing) = context.standing.get() {
        standing.add_to(headers);
    }
    if let Some(origin) = origin {
        cors::allow(origin, headers);
    }
    policy.headers.add_to(headers);
    record(context, &answer, cause, took);
    compress::lists(answer)
}

/// An error with its causes, for the log alone.
fn cause_of(error: &actix_web::Error) -> String {
    match error.as_error::<crate::Error>() {
        Some(error) => logs::chain(error),
        None => error.to_string(),
    }
}

fn record(context: &Context, answer: &ServiceResponse, cause: Option<String>, took: Duration) {
    let (request, status, problem) = (answer.request(), answer.status(), problem::code_of(answer));
    let method: &Method = request.method();
    access_log::count(context, method, status, took);
    access_log::write(&access_log::Line { context, method, path: request.path(), status, problem, cause, took });
}
