//! `/api/v1/templates`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use kube::ResourceExt;
use serde_json::Value;

use super::{
    body::Body,
    etag::{self, IfMatch},
    guard::Guarded,
    list::{Column, ListQuery, Page},
    params::Params,
    sessions::DryRun,
};
use crate::{
    App, Error,
    auth::permission::needs::{TemplatesRead, TemplatesWrite},
    crd::Template,
    services::templates::{self, Filter},
};

/// What a list of templates can be sorted by.
const COLUMNS: &[Column<Arc<Template>>] = &[
    Column { name: "displayName", compare: |a, b| a.spec.display_name.cmp(&b.spec.display_name) },
    Column { name: "name", compare: |a, b| a.metadata.name.cmp(&b.metadata.name) },
    Column { name: "category", compare: |a, b| a.spec.category.cmp(&b.spec.category) },
    Column { name: "createdAt", compare: |a, b| a.creation_timestamp().cmp(&b.creation_timestamp()) },
];

/// The templates that the caller may launch.
#[utoipa::path(get, path = "/api/v1/templates", tag = "templates", params(ListQuery, Filter),
    responses((status = 200, description = "A page of them, by display name", body = Page<Template>)))]
pub async fn list_templates(
    caller: Guarded<TemplatesRead>,
    app: web::Data<App>,
    request: HttpRequest,
    list: ListQuery,
    filter: Params<Filter>,
) -> Result<HttpResponse, Error> {
    etag::catch_up(&request, "templates", async |seen| _ = app.templates.wait_for(seen).await).await;
    let mut items = templates::list(&app, &caller, &filter.0, &list.words).await?;
    list.sort(&mut items, COLUMNS)?;
    Ok(HttpResponse::Ok().json(list.page_of("TemplateList", items)))
}

/// Creates a template.
#[utoipa::path(post, path = "/api/v1/templates", tag = "templates", params(DryRun),
    request_body(content = templates::NewTemplate, description = "Flat, or the object itself"),
    responses((status = 201, description = "Created", body = Template), (status = 200, description = "With `dryRun`: it would be created", body = Template)))]
pub async fn create_template(
    caller: Guarded<TemplatesWrite>,
    app: web::Data<App>,
    query: Params<DryRun>,
    body: Body<Value>,
) -> Result<HttpResponse, Error> {
    let template = templates::create(&app, &caller, body.0, query.0.dry_run).await?;
    if query.0.dry_run {
        return Ok(HttpResponse::Ok().json(template));
    }
    Ok(etag::created(&format!("/api/v1/templates/{}", template.name_any()), &*template))
}

/// One template.
#[utoipa::path(get, path = "/api/v1/templates/{id}", tag = "templates", params(("id" = String, Path, description = "`metadata.name`")),
    responses((status = 200, description = "The template", body = Template), (status = 304, description = "`If-None-Match` names this version")))]
pub async fn get_template(
    caller: Guarded<TemplatesRead>,
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    etag::catch_up(&request, "templates", async |seen| _ = app.templates.wait_for(seen).await).await;
    Ok(etag::show(&request, &*templates::get(&app, &caller, &id).await?))
}

/// Replaces a template's spec.
#[utoipa::path(put, path = "/api/v1/templates/{id}", tag = "templates", params(("id" = String, Path, description = "`metadata.name`")),
    request_body(content = templates::NewTemplate, description = "Flat, or the object itself"),
    responses((status = 200, description = "The template as it is now", body = Template)))]
pub async fn replace_template(
    caller: Guarded<TemplatesWrite>,
    app: web::Data<App>,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Body<Value>,
) -> Result<HttpResponse, Error> {
    let template = templates::replace(&app, &caller, &id, body.0, if_match.0).await?;
    Ok(etag::written(StatusCode::OK, &*template))
}

/// Changes a template's spec.
#[utoipa::path(patch, path = "/api/v1/templates/{id}", tag = "templates", params(("id" = String, Path, description = "`metadata.name`")),
    request_body(content = Object, description = "A JSON merge patch of the spec, flat or as the object has it"),
    responses((status = 200, description = "The template as it is now", body = Template)))]
pub async fn change_template(
    caller: Guarded<TemplatesWrite>,
    app: web::Data<App>,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Body<Value>,
) -> Result<HttpResponse, Error> {
    let template = templates::change(&app, &caller, &id, body.0, if_match.0).await?;
    Ok(etag::written(StatusCode::OK, &*template))
}

/// Deletes a template. What runs goes on; its next start fails.
#[utoipa::path(delete, path = "/api/v1/templates/{id}", tag = "templates", params(("id" = String, Path, description = "`metadata.name`")),
    responses((status = 204, description = "It is gone")))]
pub async fn delete_template(
    caller: Guarded<TemplatesWrite>,
    app: web::Data<App>,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse, Error> {
    templates::delete(&app, &caller, &id, if_match.0).await?;
    Ok(HttpResponse::NoContent().finish())
}
