//! Cross-origin reading by the pages of listed origins (`CORS_ORIGINS`) and no others.

use actix_web::{
    HttpResponse,
    dev::RequestHead,
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
};

use super::origin::Origins;

/// How long a browser may remember what it was allowed, in seconds.
const REMEMBER_S: &str = "600";
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Streamspace-Revision, traceparent, X-Request-Id",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Idempotent-Replayed, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, \
     Streamspace-Revision, X-Request-Id",
);

/// The listed origin that asks, if one does.
#[must_use]
pub fn listed_origin(origins: &Origins, head: &RequestHead) -> Option<HeaderValue> {
    if !origins.lists_any() {
        return None;
    }
    let origin = head.headers.get(header::ORIGIN)?;
    origin.to_str().is_ok_and(|origin| origins.lists(origin)).then(|| origin.clone())
}

/// The answer to a browser that asks beforehand; `None` for any other request.
#[must_use]
pub fn preflight(head: &RequestHead) -> Option<HttpResponse> {
    let asks = head.method == Method::OPTIONS && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    asks.then(|| {
        HttpResponse::NoContent()
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, REMEMBER_S))
            .finish()
    })
}

/// Says on an answer that `origin` may read it.
pub fn allow(origin: HeaderValue, headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
