//! What the page needs to know before anybody signs in.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::guard::Visitor;
use crate::{
    app::App,
    auth::{Auth, oidc::Oidc, saml},
    config::{AppsRouting, AuthMode},
    domain::duration,
};

/// The server, as everybody may know it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct System {
    /// The release.
    version: &'static str,
    /// What runs the programs: `local` or `kubernetes`.
    engine: &'static str,
    /// Ways to sign in: `jwt`, `saml`, `hybrid` or `none`.
    auth_mode: &'static str,
    /// How people sign in here.
    sign_in: Ways,
    /// Whether the caller is signed in.
    signed_in: bool,
    /// Below it every session has an origin of its own; with the port, where there is one.
    apps_domain: String,
    /// Whether sessions share one origin, below `apps_domain`, so that what runs in one can act for another.
    apps_share_origin: bool,
    /// What sessions may ask for.
    limits: Limits,
}

/// Ways to sign in.
#[derive(Debug, Serialize, ToSchema)]
struct Ways {
    /// With a name and a password.
    password: bool,
    /// Whether people make themselves an account.
    registration: bool,
    /// Through identity providers.
    providers: Vec<Provider>,
}

/// An identity provider.
#[derive(Debug, Serialize, ToSchema)]
struct Provider {
    /// What people call it.
    label: String,
    /// Its issuer, as identities and rules call it. Absent: it was never reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// Path of ours that leads there; the parameter `to` names the page to come back to.
    path: String,
}

/// What sessions may ask for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Limits {
    idle_timeout: Limit,
    max_session_duration: Limit,
}

/// Durations; `0s` means none.
#[derive(Debug, Serialize, ToSchema)]
struct Limit {
    /// For those who ask for nothing.
    default: String,
    /// The most that may be asked for.
    ceiling: String,
}

impl From<&Oidc> for Provider {
    fn from(oidc: &Oidc) -> Self {
        let path = "/api/v1/auth/oidc/login".to_owned();
        Self { label: oidc.label().to_owned(), issuer: Some(oidc.issuer().to_owned()), path }
    }
}

impl From<&saml::Provider> for Provider {
    fn from(provider: &saml::Provider) -> Self {
        let path = format!("/api/v1/auth/saml/login?idp={}", provider.id());
        Self { label: provider.label().to_owned(), issuer: provider.issuer(), path }
    }
}

fn providers(auth: &Auth) -> Vec<Provider> {
    let saml = auth.saml.iter().flat_map(saml::Saml::providers);
    auth.oidc.iter().map(Provider::from).chain(saml.map(Provider::from)).collect()
}

/// Describes this server: what a page has to know to show itself, signed in or not.
#[utoipa::path(get, path = "/api/v1/system", tag = "about", responses((status = 200, body = System)))]
pub async fn system(visitor: Visitor, app: web::Data<App>) -> HttpResponse {
    let (people, sessions) = (&app.config.people, &app.config.sessions);
    HttpResponse::Ok().json(System {
        version: env!("CARGO_PKG_VERSION"),
        engine: app.config.engine.kind().word(),
        auth_mode: match people.auth_mode {
            AuthMode::Jwt => "jwt",
            AuthMode::Saml => "saml",
            AuthMode::Hybrid => "hybrid",
            AuthMode::None => "none",
        },
        sign_in: Ways {
            password: matches!(people.auth_mode, AuthMode::Jwt | AuthMode::Hybrid),
            registration: people.registration,
            providers: providers(&app.auth),
        },
        signed_in: visitor.0.is_some(),
        apps_domain: app.config.http.apps_authority(),
        apps_share_origin: app.config.http.apps_routing == AppsRouting::Host,
        limits: Limits {
            idle_timeout: Limit {
                default: duration::short(sessions.default_idle_timeout),
                ceiling: duration::short(sessions.max_idle_timeout),
            },
            max_session_duration: Limit {
                default: "0s".into(),
                ceiling: duration::short(sessions.max_session_duration),
            },
        },
    })
}
