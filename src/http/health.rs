//! Whether the server lives, whether it can work, and what it is.

use actix_web::{HttpResponse, Responder};
use serde::Serialize;

use super::operation::Public;

/// What is running.
#[derive(Debug, Serialize)]
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

/// Says that the process lives; knows nothing of what it depends on.
pub async fn health(_: Public) -> impl Responder {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}

/// Says what is running.
pub async fn version(_: Public) -> impl Responder {
    HttpResponse::Ok().json(Version {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("STREAMSPACE_COMMIT"),
        built_at: option_env!("STREAMSPACE_BUILT_AT"),
    })
}
