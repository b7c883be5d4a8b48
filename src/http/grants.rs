//! `/api/v1/catalog/grants`.

use actix_web::{HttpResponse, http::header, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::Body,
    guard::Guarded,
    list::{Column, ListQuery, Page},
};
use crate::{
    App, Error,
    auth::permission::needs::{CatalogGrant, CatalogRepositories},
    services::catalog::grants::{self, Grant, Subject},
};

/// What a list of grants can be sorted by.
const COLUMNS: &[Column<GrantView>] = &[
    Column { name: "grantedAt", compare: |a, b| a.granted_at.cmp(&b.granted_at) },
    Column { name: "grantedBy", compare: |a, b| a.granted_by.cmp(&b.granted_by) },
];

/// What may be root inside its containers (`security: baseline`), never on the host.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantView {
    /// Its id.
    id: Uuid,
    /// The repository whose templates are granted that.
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<Uuid>,
    /// The name of that repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    repository_name: Option<String>,
    /// The one template that is granted that.
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    /// Why.
    reason: String,
    /// By whom.
    granted_by: String,
    /// When.
    granted_at: Timestamp,
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        let Grant { id, subject, repository_name, reason, granted_by, granted_at } = grant;
        let (repository, template) = match subject {
            Subject::Repository(id) => (Some(id), None),
            Subject::Template { name, .. } => (None, Some(name)),
        };
        Self { id, repository, repository_name, template, reason, granted_by, granted_at }
    }
}

/// A grant that is to be: of a template, or of a repository.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// The id of a repository, all of whose templates may be root inside their containers.
    repository: Option<String>,
    /// The name of a template of the cluster.
    template: Option<String>,
    /// Why; the audit keeps it.
    reason: String,
}

/// What was granted, the latest first. Sorts by `grantedAt`, `grantedBy`.
#[utoipa::path(get, path = "/api/v1/catalog/grants", tag = "catalog", params(ListQuery),
    responses((status = 200, description = "A page of it", body = Page<GrantView>)))]
pub async fn list_grants(
    _: Guarded<CatalogRepositories>,
    app: web::Data<App>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let mut items: Vec<GrantView> = grants::list(&app).await?.into_iter().map(Into::into).collect();
    items.retain(|grant| {
        let names = [grant.template.as_deref(), grant.repository_name.as_deref(), Some(grant.reason.as_str())];
        list.finds(names.into_iter().flatten())
    });
    list.sort(&mut items, COLUMNS)?;
    Ok(HttpResponse::Ok().json(list.page_of("GrantList", items)))
}

/// Lets a template, or all templates of a repository, be root inside their containers.
#[utoipa::path(post, path = "/api/v1/catalog/grants", tag = "catalog", request_body = NewGrant,
    responses((status = 201, description = "Granted", body = GrantView)))]
pub async fn create_grant(
    caller: Guarded<CatalogGrant>,
    app: web::Data<App>,
    body: Body<NewGrant>,
) -> Result<HttpResponse, Error> {
    let NewGrant { repository, template, reason } = body.0;
    let made: GrantView =
        grants::create(&app, &caller, repository.as_deref(), template.as_deref(), &reason).await?.into();
    let location = format!("/api/v1/catalog/grants/{}", made.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(made))
}

/// Takes a grant back. Sessions that run go on until their next start.
#[utoipa::path(delete, path = "/api/v1/catalog/grants/{id}", tag = "catalog", params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")))]
pub async fn delete_grant(
    caller: Guarded<CatalogGrant>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    grants::delete(&app, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}
