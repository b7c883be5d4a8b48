//! Whether the server lives, whether it can work, and what it is.

use actix_web::{HttpResponse, Responder};
use serde::Serialize;
use utoipa::ToSchema;

use super::operation::Public;

/// What is running.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the field is named so on the wire")]
pub struct Version {
    /// The release.
    version: &'static str,
    /// The git commit it was built from; null for a build that was not told.
    commit: Option<&'static str>,
    /// When it was built, in RFC 3339; null for a build that was not told.
    built_at: Option<&'static str>,
}

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`: who cannot say so does not answer.
    status: &'static str,
}

/// Says that the process lives; knows nothing of what it depends on.
#[utoipa::path(get, path = "/health", tag = "about", responses((status = 200, body = Health)))]
pub async fn health(_: Public) -> impl Responder {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// Says what is running.
#[utoipa::path(get, path = "/version", tag = "about", responses((status = 200, body = Version)))]
pub async fn version(_: Public) -> impl Responder {
    HttpResponse::Ok().json(Version {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("STREAMSPACE_COMMIT"),
        built_at: option_env!("STREAMSPACE_BUILT_AT"),
    })
}
