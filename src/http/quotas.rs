//! Quotas: `/api/v1/users/{name}/quota`, `/api/v1/groups/{name}/quota`, `/api/v1/quotas/default`.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{body::Body, guard::Guarded};
use crate::{
    App, Error,
    auth::permission::needs::{ProjectsRead, QuotasRead, QuotasWrite, SelfManage},
    services::quotas::{self, Bound, Origin, Subject, Written},
};

/// Limits, and what is used of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaView {
    /// Whose: the name of the person or the group.
    name: String,
    /// Where the limits come from.
    origin: Origin,
    /// How much may be used.
    limits: Written,
    /// How much is.
    used: Written,
}

impl From<&Bound> for QuotaView {
    fn from(bound: &Bound) -> Self {
        Self {
            name: bound.subject.name().to_owned(),
            origin: bound.origin,
            limits: bound.limits.write(),
            // It is written as a limit of just that would be.
            used: bound.used.map(Some).write(),
        }
    }
}

/// The limits that hold for a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserQuota {
    /// Their own, or everybody's.
    #[serde(flatten)]
    own: QuotaView,
    /// Those that they share with the other members of their groups.
    groups: Vec<QuotaView>,
}

async fn of_user(app: &App, name: &str) -> Result<HttpResponse, Error> {
    let bounds = quotas::of_user(app, name).await?;
    let (own, groups) = bounds.split_first().ok_or_else(|| Error::internal("a person has no bound"))?;
    Ok(HttpResponse::Ok().json(UserQuota { own: own.into(), groups: groups.iter().map(Into::into).collect() }))
}

async fn of_group(app: &App, name: &str) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(QuotaView::from(&quotas::of_group(app, name).await?)))
}

async fn default(app: &App) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(quotas::default(app).await?.write()))
}

/// What the caller may use, and does.
#[utoipa::path(get, path = "/api/v1/users/me/quota", tag = "quotas",
    responses((status = 200, description = "The limits that hold", body = UserQuota)))]
pub async fn own_quota(caller: Guarded<SelfManage>, app: web::Data<App>) -> Result<HttpResponse, Error> {
    of_user(&app, &caller.user).await
}

/// What a person may use, and does.
#[utoipa::path(get, path = "/api/v1/users/{name}/quota", tag = "quotas", params(("name" = String, Path)),
    responses((status = 200, description = "The limits that hold", body = UserQuota)))]
pub async fn user_quota(
    _: Guarded<QuotasRead>,
    app: web::Data<App>,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    of_user(&app, &name).await
}

/// Sets what a person may use, in place of what everybody may. What they use stays.
#[utoipa::path(put, path = "/api/v1/users/{name}/quota", tag = "quotas", params(("name" = String, Path)),
    request_body = Written, responses((status = 200, description = "The limits that hold now", body = UserQuota)))]
pub async fn set_user_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    body: Body<Written>,
) -> Result<HttpResponse, Error> {
    quotas::set(&app, &caller, &Subject::User(name.to_string()), &body.0).await?;
    of_user(&app, &name).await
}

/// Lets a person use what everybody may.
#[utoipa::path(delete, path = "/api/v1/users/{name}/quota", tag = "quotas", params(("name" = String, Path)),
    responses((status = 204, description = "They have no limits of their own")))]
pub async fn remove_user_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    quotas::remove(&app, &caller, &Subject::User(name.into_inner())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What the members of a group may use together, and do.
#[utoipa::path(get, path = "/api/v1/groups/{name}/quota", tag = "quotas", params(("name" = String, Path)),
    responses((status = 200, description = "The limits that hold", body = QuotaView)))]
pub async fn group_quota(
    _: Guarded<QuotasRead>,
    app: web::Data<App>,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    of_group(&app, &name).await
}

/// Sets what the members of a group may use together. What they use stays.
#[utoipa::path(put, path = "/api/v1/groups/{name}/quota", tag = "quotas", params(("name" = String, Path)),
    request_body = Written, responses((status = 200, description = "The limits that hold now", body = QuotaView)))]
pub async fn set_group_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    body: Body<Written>,
) -> Result<HttpResponse, Error> {
    quotas::set(&app, &caller, &Subject::Group(name.to_string()), &body.0).await?;
    of_group(&app, &name).await
}

/// Lifts the limits of a group.
#[utoipa::path(delete, path = "/api/v1/groups/{name}/quota", tag = "quotas", params(("name" = String, Path)),
    responses((status = 204, description = "It has none")))]
pub async fn remove_group_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    quotas::remove(&app, &caller, &Subject::Group(name.into_inner())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What the sessions of a project may use together, and do: for its members.
#[utoipa::path(get, path = "/api/v1/projects/{name}/quota", tag = "quotas", params(("name" = String, Path)),
    responses((status = 200, description = "The limits that hold", body = QuotaView)))]
pub async fn project_quota(
    caller: Guarded<ProjectsRead>,
    app: web::Data<App>,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(QuotaView::from(&quotas::of_project(&app, &caller, &name).await?)))
}

/// Sets what the sessions of a project may use together. What they use stays.
#[utoipa::path(put, path = "/api/v1/projects/{name}/quota", tag = "quotas", params(("name" = String, Path)),
    request_body = Written, responses((status = 200, description = "The limits that hold now", body = QuotaView)))]
pub async fn set_project_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    body: Body<Written>,
) -> Result<HttpResponse, Error> {
    quotas::set(&app, &caller, &Subject::Project(name.to_string()), &body.0).await?;
    Ok(HttpResponse::Ok().json(QuotaView::from(&quotas::of_project(&app, &caller, &name).await?)))
}

/// Lifts the limits of a project.
#[utoipa::path(delete, path = "/api/v1/projects/{name}/quota", tag = "quotas", params(("name" = String, Path)),
    responses((status = 204, description = "It has none")))]
pub async fn remove_project_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    quotas::remove(&app, &caller, &Subject::Project(name.into_inner())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What everybody may use who has no limits of their own.
#[utoipa::path(get, path = "/api/v1/quotas/default", tag = "quotas",
    responses((status = 200, description = "The limits", body = Written)))]
pub async fn default_quota(_: Guarded<QuotasRead>, app: web::Data<App>) -> Result<HttpResponse, Error> {
    default(&app).await
}

/// Sets what everybody may use who has no limits of their own.
#[utoipa::path(put, path = "/api/v1/quotas/default", tag = "quotas", request_body = Written,
    responses((status = 200, description = "The limits as they are now", body = Written)))]
pub async fn set_default_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    body: Body<Written>,
) -> Result<HttpResponse, Error> {
    quotas::set(&app, &caller, &Subject::Default, &body.0).await?;
    default(&app).await
}
