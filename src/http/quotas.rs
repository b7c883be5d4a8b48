//! Quotas: `/api/v1/users/{name}/quota`, `/api/v1/groups/{name}/quota`, `/api/v1/quotas/default`.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{body::Body, guard::Guarded};
use crate::{
    App, Error,
    auth::permission::needs::{ProjectsRead, QuotasRead, QuotasWrite, SelfManage},
    services::quotas::{self, Bound, Dimension, Limits, Origin, Subject, Written},
};

/// Amounts of what is limited; what is absent has no limit.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuotaAmounts {
    /// Sessions, from their creation until they are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1_000_000)]
    sessions: Option<i64>,
    /// Processor time of sessions that are not at rest, such as `500m` or `4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<String>,
    /// Memory of sessions that are not at rest, such as `8Gi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<String>,
    /// GPUs of sessions that are not at rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<String>,
    /// Size of the homes of all sessions, such as `20Gi`; each home counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<String>,
    /// Hours of a core in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    cpu_hours: Option<f64>,
    /// Hours of a GiB of memory in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    memory_hours: Option<f64>,
    /// Hours of a GPU in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    gpu_hours: Option<f64>,
}

impl From<Written> for QuotaAmounts {
    fn from(written: Written) -> Self {
        let Written { sessions, cpu, memory, gpu, storage, cpu_hours, memory_hours, gpu_hours } = written;
        Self { sessions, cpu, memory, gpu, storage, cpu_hours, memory_hours, gpu_hours }
    }
}

impl From<QuotaAmounts> for Written {
    fn from(amounts: QuotaAmounts) -> Self {
        let QuotaAmounts { sessions, cpu, memory, gpu, storage, cpu_hours, memory_hours, gpu_hours } = amounts;
        Self { sessions, cpu, memory, gpu, storage, cpu_hours, memory_hours, gpu_hours }
    }
}

impl From<&Limits> for QuotaAmounts {
    fn from(limits: &Limits) -> Self {
        limits.write().into()
    }
}

/// Where limits come from.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum QuotaOrigin {
    /// They were set for this person or group.
    Own,
    /// They are everybody's.
    Default,
    /// There are none.
    None,
}

/// Limits, and what is used of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaView {
    /// Whose: the name of the person or the group.
    name: String,
    /// Where the limits come from.
    origin: QuotaOrigin,
    /// How much may be used.
    limits: QuotaAmounts,
    /// How much is.
    used: QuotaAmounts,
}

impl From<&Bound> for QuotaView {
    fn from(bound: &Bound) -> Self {
        // What is used is written as a limit of just that would be.
        let used = |dimension: Dimension| Some(bound.used.get(dimension));
        let used = Limits {
            sessions: used(Dimension::Sessions),
            cpu_millicores: used(Dimension::Cpu),
            memory_bytes: used(Dimension::Memory),
            gpus: used(Dimension::Gpu),
            storage_bytes: used(Dimension::Storage),
            cpu_seconds: used(Dimension::CpuTime),
            memory_seconds: used(Dimension::MemoryTime),
            gpu_seconds: used(Dimension::GpuTime),
        };
        Self {
            name: bound.subject.name().to_owned(),
            origin: match bound.origin {
                Origin::Own => QuotaOrigin::Own,
                Origin::Default => QuotaOrigin::Default,
                Origin::None => QuotaOrigin::None,
            },
            limits: (&bound.limits).into(),
            used: (&used).into(),
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
    Ok(HttpResponse::Ok().json(QuotaAmounts::from(&quotas::default(app).await?)))
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
    request_body = QuotaAmounts, responses((status = 200, description = "The limits that hold now", body = UserQuota)))]
pub async fn set_user_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    body: Body<QuotaAmounts>,
) -> Result<HttpResponse, Error> {
    quotas::set(&app, &caller, &Subject::User(name.to_string()), &body.0.into()).await?;
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
    request_body = QuotaAmounts, responses((status = 200, description = "The limits that hold now", body = QuotaView)))]
pub async fn set_group_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    body: Body<QuotaAmounts>,
) -> Result<HttpResponse, Error> {
    quotas::set(&app, &caller, &Subject::Group(name.to_string()), &body.0.into()).await?;
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
    request_body = QuotaAmounts, responses((status = 200, description = "The limits that hold now", body = QuotaView)))]
pub async fn set_project_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    body: Body<QuotaAmounts>,
) -> Result<HttpResponse, Error> {
    quotas::set(&app, &caller, &Subject::Project(name.to_string()), &body.0.into()).await?;
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
    responses((status = 200, description = "The limits", body = QuotaAmounts)))]
pub async fn default_quota(_: Guarded<QuotasRead>, app: web::Data<App>) -> Result<HttpResponse, Error> {
    default(&app).await
}

/// Sets what everybody may use who has no limits of their own.
#[utoipa::path(put, path = "/api/v1/quotas/default", tag = "quotas", request_body = QuotaAmounts,
    responses((status = 200, description = "The limits as they are now", body = QuotaAmounts)))]
pub async fn set_default_quota(
    caller: Guarded<QuotasWrite>,
    app: web::Data<App>,
    body: Body<QuotaAmounts>,
) -> Result<HttpResponse, Error> {
    quotas::set(&app, &caller, &Subject::Default, &body.0.into()).await?;
    default(&app).await
}
