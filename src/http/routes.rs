//! Every URL, in one table.

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::OpenApi;

use super::{
    audit, auth, catalog, cluster, connections, grants, groups, health, identities, jobs, mappings, nodes, openapi,
    operation::{Kind, Operation, permission, resource, route},
    page,
    problem::{Problem, Refusal},
    projects, quotas, repositories, saml, service_accounts, sessions, settings, shares, sso, system, templates, tokens,
    users, webhooks, ws,
};
use crate::auth::Permission;

/// Declares the table: each URL with its methods, their handlers and what is special about them. `GET` answers `HEAD`
/// too. A handler's first argument is its guard, or it does not compile.
macro_rules! routes {
    ($($path:literal { $($method:ident $module:ident::$handler:ident $([$kind:ident])?;)+ })+) => {
        /// Every URL with its operations, in the order in which they are matched.
        pub const TABLE: &[(&str, &[Operation])] = &[$(($path, &[$(routes!(@operation $path $method $($kind)?)),+])),+];

        /// What a caller of each operation must be allowed; `None`: nothing.
        #[must_use]
        pub fn permissions() -> Vec<(&'static Operation, Option<Permission>)> {
            vec![$($((
                const { &routes!(@operation $path $method $($kind)?) },
                permission($module::$handler),
            )),+),+]
        }

        /// The operations as their handlers describe them.
        #[must_use]
        pub fn document() -> utoipa::openapi::OpenApi {
            #[derive(OpenApi)]
            #[openapi(paths($($($module::$handler),+),+), components(schemas(Problem)))]
            struct Document;
            Document::openapi()
        }

        /// Registers those URLs of the table that are `wanted`.
        fn register(cfg: &mut web::ServiceConfig, wanted: impl Fn(&str) -> bool) {
            $(if wanted($path) {
                const OPERATIONS: &[Operation] = &[$(routes!(@operation $path $method $($kind)?)),+];
                cfg.service(resource($path, OPERATIONS)$(.route(route(
                    const { &routes!(@operation $path $method $($kind)?) },
                    $module::$handler,
                )))+);
            })+
        }
    };
    (@operation $path:literal $method:ident) => { routes!(@operation $path $method Plain) };
    (@operation $path:literal $method:ident $kind:ident) => {
        Operation { method: stringify!($method), path: $path, kind: Kind::$kind }
    };
}

routes! {
    "/health" { GET health::health; }
    "/ready" { GET health::ready; }
    "/version" { GET health::version; }
    "/openapi.json" { GET openapi::openapi_json; }
    "/openapi" { GET openapi::openapi; }
    "/openapi-ui" { GET openapi::swagger_ui; }
    "/openapi-ui/{file}" { GET openapi::swagger_file; }
    "/swagger.html" { GET openapi::swagger_html; }
    "/.well-known/jwks.json" { GET auth::jwks; }
    "/api/v1/system" { GET system::system; }
    "/api/v1/auth/login" { POST auth::login [SignIn]; }
    "/api/v1/auth/register" { POST auth::register [SignIn]; }
    "/api/v1/auth/link" { POST auth::link [SignIn]; }
    "/api/v1/auth/logout" { POST auth::logout [Unrepeatable]; }
    "/api/v1/auth/password" { POST auth::password [SignIn]; }
    "/api/v1/auth/oidc/login" { GET sso::oidc_login [SignIn]; }
    "/api/v1/auth/oidc/callback" { GET sso::oidc_callback [SignIn]; }
    "/api/v1/auth/oidc/back-channel-logout" { POST sso::oidc_signed_out [Unrepeatable]; }
    "/api/v1/auth/saml/metadata" { GET saml::saml_metadata; }
    "/api/v1/auth/saml/login" { GET saml::saml_login [SignIn]; }
    "/api/v1/auth/saml/acs" { POST saml::saml_acs [SignIn]; }
    "/api/v1/auth/saml/slo" { GET saml::saml_slo [SignIn]; POST saml::saml_slo_post [SignIn]; }
    "/api/v1/admin/sso/test" { POST sso::test_sso [Unrepeatable]; }
    "/api/v1/rbac-mappings" { GET mappings::list_mappings; POST mappings::create_mapping; }
    "/api/v1/rbac-mappings/{id}" {
        GET mappings::get_mapping; PATCH mappings::change_mapping; DELETE mappings::delete_mapping;
    }
    "/api/v1/users" { GET users::list_users; POST users::create_user [Unrepeatable]; }
    "/api/v1/users/me" { GET users::me; }
    "/api/v1/users/{name}" { GET users::get_user; PATCH users::change_user; DELETE users::delete_user; }
    "/api/v1/users/me/quota" { GET quotas::own_quota; }
    "/api/v1/users/{name}/quota" {
        GET quotas::user_quota; PUT quotas::set_user_quota; DELETE quotas::remove_user_quota;
    }
    "/api/v1/users/me/identities" { GET identities::own_identities; }
    "/api/v1/users/{name}/identities" { GET identities::list_identities; POST identities::join_identity; }
    "/api/v1/users/{name}/identities/{id}" { DELETE identities::part_identity; }
    "/api/v1/users/{name}/sign-in-link" { POST users::create_sign_in_link [Unrepeatable]; }
    "/api/v1/users/{name}/groups" { GET groups::groups_of_user; }
    "/api/v1/service-accounts" {
        GET service_accounts::list_service_accounts; POST service_accounts::create_service_account;
    }
    "/api/v1/service-accounts/{name}/tokens" {
        GET service_accounts::list_service_tokens; POST service_accounts::create_service_token [Unrepeatable];
    }
    "/api/v1/service-accounts/{name}/tokens/{id}" { DELETE service_accounts::revoke_service_token; }
    "/api/v1/groups" { GET groups::list_groups; POST groups::create_group; }
    "/api/v1/groups/{name}" { GET groups::get_group; PATCH groups::change_group; DELETE groups::delete_group; }
    "/api/v1/groups/{name}/quota" {
        GET quotas::group_quota; PUT quotas::set_group_quota; DELETE quotas::remove_group_quota;
    }
    "/api/v1/projects" { GET projects::list_projects; POST projects::create_project; }
    "/api/v1/projects/{name}" {
        GET projects::get_project; PATCH projects::change_project; DELETE projects::delete_project;
    }
    "/api/v1/projects/{name}/members" { GET projects::list_project_members; }
    "/api/v1/projects/{name}/members/{user}" {
        PUT projects::set_project_member; DELETE projects::remove_project_member;
    }
    "/api/v1/projects/{name}/quota" {
        GET quotas::project_quota; PUT quotas::set_project_quota; DELETE quotas::remove_project_quota;
    }
    "/api/v1/quotas/default" { GET quotas::default_quota; PUT quotas::set_default_quota; }
    "/api/v1/groups/{name}/members" { GET groups::list_members; }
    "/api/v1/groups/{name}/members/{user}" { PUT groups::add_member; DELETE groups::remove_member; }
    "/api/v1/tokens" { GET tokens::list_tokens; POST tokens::create_token [Unrepeatable]; }
    "/api/v1/tokens/{id}" { DELETE tokens::revoke_token; }
    "/api/v1/sessions" { GET sessions::list_sessions; POST sessions::create_session; }
    "/api/v1/sessions/{id}" { GET sessions::get_session; PATCH sessions::change_session; DELETE sessions::delete_session; }
    "/api/v1/sessions/{id}/shares" { GET shares::list_shares; POST shares::put_share; }
    "/api/v1/sessions/{id}/shares/{share}" { DELETE shares::delete_share; }
    "/api/v1/sessions/{id}/invitations" {
        GET shares::list_invitations; POST shares::create_invitation [Unrepeatable];
    }
    "/api/v1/sessions/{id}/invitations/{invitation}" { DELETE shares::delete_invitation; }
    "/api/v1/invitations/look" { POST shares::look_at_invitation [Unrepeatable]; }
    "/api/v1/invitations/accept" { POST shares::accept_invitation [Unrepeatable]; }
    "/api/v1/users/me/shares" { GET shares::shared_with_me; }
    "/api/v1/sessions/{id}/restart" { POST sessions::restart_session; }
    "/api/v1/sessions/{id}/logs" { GET sessions::session_logs; }
    "/api/v1/sessions/{id}/events" { GET sessions::session_events; }
    "/api/v1/sessions/{id}/lifecycle" { GET sessions::session_story; }
    "/api/v1/templates" { GET templates::list_templates; POST templates::create_template; }
    "/api/v1/templates/{id}" {
        GET templates::get_template; PUT templates::replace_template; PATCH templates::change_template;
        DELETE templates::delete_template;
    }
    "/api/v1/ws/sessions" { GET ws::ws_sessions [Unrepeatable]; }
    "/api/v1/ws/logs/{namespace}/{pod}" { GET ws::ws_logs [Unrepeatable]; }
    "/api/v1/ws/events" { GET ws::ws_events [Unrepeatable]; }
    "/api/v1/ws/jobs" { GET ws::ws_jobs [Unrepeatable]; }
    "/api/v1/ws/cluster" { GET ws::ws_cluster [Unrepeatable]; }
    "/api/v1/ws/tickets" { POST ws::create_ticket [Unrepeatable]; }
    "/api/v1/sessions/{id}/connect" { GET connections::connect_by_get [Unrepeatable]; POST connections::connect [Unrepeatable]; }
    "/api/v1/sessions/{id}/heartbeat" { POST connections::heartbeat; }
    "/api/v1/sessions/{id}/disconnect" { POST connections::disconnect; }
    "/api/v1/sessions/{id}/snooze" { POST connections::snooze; }
    "/api/v1/sessions/{id}/connections" { GET connections::list_connections; }
    "/api/v1/sessions/{id}/vnc" { GET connections::view_screen [Unrepeatable]; }
    "/api/v1/activity" { GET connections::list_activity; }
    "/api/v1/templates/{id}/upgrade" { POST catalog::upgrade_template; }
    "/api/v1/templates/{id}/rollback" { POST catalog::roll_template_back; }
    "/api/v1/catalog/repositories" {
        GET repositories::list_repositories; POST repositories::create_repository;
    }
    "/api/v1/catalog/repositories/{id}" {
        GET repositories::get_repository; PATCH repositories::change_repository;
        DELETE repositories::delete_repository;
    }
    "/api/v1/catalog/repositories/{id}/sync" { POST repositories::sync_repository; }
    "/api/v1/catalog/repositories/{id}/syncs" { GET repositories::repository_syncs; }
    "/api/v1/catalog/repositories/{id}/deliveries" { GET repositories::repository_deliveries; }
    "/api/v1/catalog/repositories/{id}/webhook-secret" { POST repositories::renew_webhook_secret [Unrepeatable]; }
    "/api/v1/catalog/sync" { POST repositories::sync_catalog; }
    "/api/v1/catalog/templates" { GET catalog::list_catalog; }
    "/api/v1/catalog/templates/{id}" { GET catalog::get_catalog_template; }
    "/api/v1/catalog/templates/{id}/versions" { GET catalog::catalog_versions; }
    "/api/v1/catalog/templates/{id}/diff" { GET catalog::catalog_diff; }
    "/api/v1/catalog/grants" { GET grants::list_grants; POST grants::create_grant; }
    "/api/v1/catalog/grants/{id}" { DELETE grants::delete_grant; }
    "/api/v1/catalog/install" { POST catalog::install_template; }
    "/webhooks/repository/sync" { POST webhooks::receive [Unrepeatable]; }
    "/api/v1/jobs" { GET jobs::list_jobs; }
    "/api/v1/jobs/{id}" { GET jobs::get_job; }
    "/api/v1/jobs/{id}/logs" { GET jobs::job_logs; }
    "/api/v1/jobs/{id}/cancel" { POST jobs::cancel_job; }
    "/api/v1/jobs/{id}/retry" { POST jobs::retry_job; }
    "/api/admin/nodes" { GET nodes::list_nodes; }
    "/api/admin/nodes/stats" { GET nodes::node_stats; }
    "/api/admin/nodes/{name}" { GET nodes::get_node; }
    "/api/admin/nodes/{name}/labels" { PUT nodes::set_label; }
    "/api/admin/nodes/{name}/labels/{key}" { DELETE nodes::remove_label; }
    "/api/admin/nodes/{name}/taints" { POST nodes::set_taint; }
    "/api/admin/nodes/{name}/taints/{key}" { DELETE nodes::remove_taint; }
    "/api/admin/nodes/{name}/cordon" { POST nodes::cordon_node; }
    "/api/admin/nodes/{name}/uncordon" { POST nodes::uncordon_node; }
    "/api/admin/nodes/{name}/drain" { POST nodes::drain_node; }
    "/api/v1/cluster/pods/{namespace}/{name}/logs" { GET cluster::pod_logs; }
    "/api/v1/cluster/resources" {
        POST cluster::apply_resource; PATCH cluster::patch_resource; DELETE cluster::delete_resource;
    }
    "/api/v1/cluster/{plural}" { GET cluster::list_objects; }
    "/api/v1/config" { GET settings::get_config; PATCH settings::change_config; }
    "/api/v1/audit" { GET audit::list_audit; }
    "/api/v1/audit/head" { GET audit::audit_head; }
}

/// What a gateway of its own answers under the platform's name: how it does, and the screens of sessions.
const OF_A_GATEWAY: [&str; 4] = ["/health", "/ready", "/version", "/api/v1/sessions/{id}/vnc"];

/// Registers every URL; what is not in the table is the page's or nobody's.
pub fn configure(cfg: &mut web::ServiceConfig) {
    register(cfg, |_| true);
    cfg.default_service(web::to(page::serve));
}

/// Registers what a gateway answers that shares its process with no API.
pub fn configure_gateway(cfg: &mut web::ServiceConfig) {
    register(cfg, |path| OF_A_GATEWAY.contains(&path));
    cfg.default_service(web::to(nothing));
}

/// Answers that there is no such URL.
pub async fn nothing(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    Err(Refusal::NoRoute(request.path().to_owned()))
}
