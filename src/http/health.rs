//! Whether the server lives, whether it can work, and what it is.

use std::time::Duration;

use actix_web::{HttpResponse, Responder, web};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::operation::Public;
use crate::{Error, app::App};

/// Longest wait for the database's word, so that a probe is answered in time.
const DATABASE_WITHIN: Duration = Duration::from_secs(1);

/// Knows whether the server can work.
#[derive(Debug)]
pub struct Readiness {
    app: App,
    stopping: CancellationToken,
}

impl Readiness {
    /// Of `app`, until `stopping` fires.
    #[must_use]
    pub fn new(app: App, stopping: CancellationToken) -> Self {
        Self { app, stopping }
    }

    async fn check(&self) -> Result<(), Error> {
        if self.stopping.is_cancelled() {
            return Err(Error::Unavailable("the server is stopping".into()));
        }
        if !(self.app.sessions.in_step() && self.app.templates.in_step()) {
            return Err(Error::Unavailable("memory is not in step with the objects yet".into()));
        }
        let asked = async { Ok(self.app.pool.get().await?.simple_query("").await.map(drop)?) };
        tokio::time::timeout(DATABASE_WITHIN, asked)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("the database does not answer".into())))
    }
}

/// What is running.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the field is named so on the wire")]
pub struct Version {
    /// The release.
    version: &'static str,
    /// What runs the programs: `local` or `kubernetes`.
    engine: &'static str,
    /// What of the platform this process does: `api`, `gateway`, `controller`.
    roles: Vec<&'static str>,
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

/// Says whether requests can be served: the database answers (it was migrated before the server began to listen), what
/// is kept in memory is in step with it, and nobody has asked the server to stop.
#[utoipa::path(get, path = "/ready", tag = "about", responses((status = 200, body = Health)))]
pub async fn ready(_: Public, readiness: web::Data<Readiness>) -> Result<impl Responder, Error> {
    readiness.check().await?;
    Ok(HttpResponse::Ok().json(Health { status: "ok" }))
}

/// Says what is running.
#[utoipa::path(get, path = "/version", tag = "about", responses((status = 200, body = Version)))]
pub async fn version(_: Public, app: web::Data<App>) -> impl Responder {
    HttpResponse::Ok().json(Version {
        version: env!("CARGO_PKG_VERSION"),
        engine: app.config.engine.kind().word(),
        roles: app.config.roles.words().collect(),
        commit: option_env!("STREAMSPACE_COMMIT"),
        built_at: option_env!("STREAMSPACE_BUILT_AT"),
    })
}
