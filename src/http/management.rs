//! The management port: metrics and probes for machines. It knows no callers, so it belongs on a private address.

use actix_web::{HttpResponse, http::header, web};

use super::{health, routes};
use crate::{Error, telemetry::metrics};

/// Registers its URLs.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/metrics", web::get().to(metrics))
        .route("/health", web::get().to(health::health))
        .route("/healthcheck", web::get().to(health::health))
        .route("/ready", web::get().to(health::ready))
        .route("/version", web::get().to(health::version))
        .default_service(web::to(routes::nothing));
}

/// Everything that is counted, as Prometheus reads it.
async fn metrics() -> Result<HttpResponse, Error> {
    let text = metrics::registry().map_err(|error| Error::internal(error.to_string()))?.render();
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")).body(text))
}
