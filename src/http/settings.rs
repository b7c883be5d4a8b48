//! `/api/v1/config`: the settings that may change while the server runs.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    body::Body,
    etag::{self, IfMatch},
    guard::Guarded,
};
use crate::{
    App, Error,
    auth::permission::needs::ConfigWrite,
    domain::settings::{Overrides, Settings},
    services::settings,
};

/// The settings that may change while the server runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// `Config`.
    #[schema(example = "Config")]
    kind: &'static str,
    /// Grows with each change.
    resource_version: String,
    /// What is in force.
    #[serde(flatten)]
    settings: Settings,
    /// What of it was changed while the server runs.
    overrides: Overrides,
    /// What this server was started with.
    configured: Settings,
    /// Who made the latest change; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at: Option<Timestamp>,
}

impl Configuration {
    fn now(app: &App) -> Self {
        let now = app.settings.now();
        let (changed_by, changed_at) = now.kept.changed.clone().unzip();
        Self {
            kind: "Config",
            resource_version: now.kept.version.to_string(),
            settings: Settings::clone(&now),
            overrides: now.kept.overrides.clone(),
            configured: app.settings.configured().clone(),
            changed_by,
            changed_at,
        }
    }
}

/// The settings that may change while the server runs: what is in force, and what this server was started with.
#[utoipa::path(get, path = "/api/v1/config", tag = "system",
    responses((status = 200, description = "The settings; the `ETag` is for `If-Match`", body = Configuration)))]
pub async fn get_config(
    _: Guarded<ConfigWrite>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Error> {
    let shown = Configuration::now(&app);
    Ok(etag::show_version(&request, &shown.resource_version, &shown))
}

/// Changes settings on every server, at once and for good: they outlive a restart. Null makes one what each server was
/// started with again.
#[utoipa::path(patch, path = "/api/v1/config", tag = "system", request_body = Overrides,
    responses((status = 200, description = "The settings as they are now", body = Configuration)))]
pub async fn change_config(
    caller: Guarded<ConfigWrite>,
    app: web::Data<App>,
    expected: IfMatch,
    patch: Body<Overrides>,
) -> Result<HttpResponse, Error> {
    settings::change(&app, &caller, &patch.0, expected.version()?).await?;
    let shown = Configuration::now(&app);
    Ok(etag::current(&shown.resource_version, &shown))
}
