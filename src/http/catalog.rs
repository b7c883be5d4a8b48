//! `/api/v1/catalog/templates` and what is done with them.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, http::StatusCode, web};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::Body,
    etag,
    guard::Guarded,
    list::{ListQuery, Page},
    params::Params,
};
use crate::{
    App, Error,
    auth::permission::needs::{CatalogRead, TemplatesWrite},
    crd::Template,
    services::catalog::{
        browse::{self, Diff, Entry, Facet, Installed, Query, SORTS, Version},
        builtin, install,
    },
};

/// Which templates are wanted; an absent part matches all.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CatalogFilter {
    /// The category, exactly.
    category: Option<String>,
    /// A tag.
    tag: Option<String>,
    /// The id of a repository.
    repository: Option<Uuid>,
    /// Only those that are installed (`true`), or are not (`false`).
    installed: Option<bool>,
}

/// A template of the catalog.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogTemplate {
    /// Its id.
    id: Uuid,
    /// Its name in the repository, and in the cluster unless another is chosen.
    name: String,
    /// What people see.
    display_name: String,
    /// What it is for.
    description: String,
    /// The heading it is found under.
    category: String,
    /// Words to find it by.
    tags: Vec<String>,
    /// URL of a picture.
    icon: Option<String>,
    /// The id of its repository.
    repository: Uuid,
    /// The name of its repository.
    repository_name: String,
    /// The file, from the repository's root.
    path: String,
    /// Its latest version.
    version: Uuid,
    /// The commit of that version.
    commit: String,
    /// Whether it comes with the server, but is started by no test of this project.
    unverified: bool,
    /// How often it was installed.
    installs: i64,
    /// Where it is installed in the cluster, and at which version.
    installed: Vec<Installed>,
    /// When it was found first.
    added_at: Timestamp,
    /// When it changed last.
    updated_at: Timestamp,
    /// Since when it is not in its repository any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_at: Option<Timestamp>,
}

impl CatalogTemplate {
    fn of(entry: Entry, installed: &BTreeMap<Uuid, Vec<Installed>>) -> Self {
        Self {
            installed: installed.get(&entry.id).cloned().unwrap_or_default(),
            unverified: builtin::is_unverified(&entry),
            id: entry.id,
            name: entry.name,
            display_name: entry.display_name,
            description: entry.description,
            category: entry.category,
            tags: entry.tags,
            icon: entry.icon,
            repository: entry.repository,
            repository_name: entry.repository_name,
            path: entry.path,
            version: entry.version,
            commit: entry.commit,
            installs: entry.installs,
            added_at: entry.added_at,
            updated_at: entry.updated_at,
            removed_at: entry.removed_at,
        }
    }
}

/// A value that a browse can be narrowed to.
#[derive(Debug, Serialize, ToSchema)]
pub struct FacetValue {
    /// As it is asked for.
    value: String,
    /// What people call it.
    label: String,
    /// How many templates it would leave.
    count: i64,
}

/// What a browse can be narrowed to, the most first.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Facets {
    /// Categories.
    category: Vec<FacetValue>,
    /// Tags, the first hundred.
    tag: Vec<FacetValue>,
    /// Repositories.
    repository: Vec<FacetValue>,
}

impl From<Vec<Facet>> for Facets {
    fn from(all: Vec<Facet>) -> Self {
        let mut facets = Self::default();
        for Facet { kind, value, label, count } in all {
            let list = match kind.as_str() {
                "category" => &mut facets.category,
                "tag" => &mut facets.tag,
                _ => &mut facets.repository,
            };
            list.push(FacetValue { value, label, count });
        }
        facets
    }
}

/// A page of the catalog.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogPage {
    /// The templates.
    #[serde(flatten)]
    page: Page<CatalogTemplate>,
    /// What could be chosen. Each is counted as if nothing of its own kind had been.
    facets: Facets,
}

/// Looks through the catalog. `search` finds the beginnings of words, the best first. Sorts by `name`, `installs`,
/// `updated`, `category`.
#[utoipa::path(get, path = "/api/v1/catalog/templates", tag = "catalog", params(CatalogFilter, ListQuery),
    responses((status = 200, description = "A page of it", body = CatalogPage)))]
pub async fn list_catalog(
    _: Guarded<CatalogRead>,
    app: web::Data<App>,
    filter: Params<CatalogFilter>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let CatalogFilter { category, tag, repository, installed } = filter.0;
    let query = Query {
        category,
        tag,
        repository,
        installed,
        installed_ids: Vec::new(),
        sort: list.order(&SORTS)?,
        offset: i64::try_from(list.offset()).unwrap_or(i64::MAX),
        limit: list.size.into(),
        words: list.words,
    };
    let found = browse::list(&app, query).await?;
    let items: Vec<_> = found.items.into_iter().map(|entry| CatalogTemplate::of(entry, &found.installed)).collect();
    let page = Page::new("CatalogTemplateList", list.page, usize::try_from(found.total).unwrap_or_default(), items);
    Ok(HttpResponse::Ok().json(CatalogPage { page, facets: found.facets.into() }))
}

/// A version of a template of the catalog.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogVersion {
    /// Its id.
    id: Uuid,
    /// From 1, in the order in which they were read.
    number: i32,
    /// The commit in which it was read.
    commit: String,
    /// The file, from the repository's root.
    path: String,
    /// When it was read.
    created_at: Timestamp,
    /// The document as it stands in the file.
    manifest: String,
    /// What it means in the current spelling: a template's spec.
    #[schema(value_type = Object)]
    spec: Value,
    /// What somebody should know of it.
    #[schema(value_type = Vec<crate::services::catalog::Problem>)]
    notes: Value,
}

impl From<Version> for CatalogVersion {
    fn from(version: Version) -> Self {
        let Version { id, template: _, number, commit, path, manifest, spec, notes, created_at } = version;
        Self { id, number, commit, path, created_at, manifest, spec, notes }
    }
}

/// A template of the catalog with its latest version.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogDetail {
    /// The template.
    #[serde(flatten)]
    template: CatalogTemplate,
    /// Its latest version in full.
    latest: CatalogVersion,
    /// Its README as HTML that is safe to show: no scripts, no pictures, nothing that is fetched from elsewhere.
    readme: Option<String>,
}

/// A template of the catalog.
#[utoipa::path(get, path = "/api/v1/catalog/templates/{id}", tag = "catalog", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The template with its latest version", body = CatalogDetail)))]
pub async fn get_catalog_template(
    _: Guarded<CatalogRead>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let (entry, version) = browse::get(&app, &id).await?;
    let readme = browse::readme(&app, &entry).await?;
    let template = CatalogTemplate::of(entry, &browse::installed(&app));
    Ok(HttpResponse::Ok().json(CatalogDetail { template, latest: version.into(), readme }))
}

/// The versions of a template, the latest first.
#[utoipa::path(get, path = "/api/v1/catalog/templates/{id}/versions", tag = "catalog",
    params(("id" = String, Path, description = "Its id"), ListQuery),
    responses((status = 200, description = "A page of them", body = Page<CatalogVersion>)))]
pub async fn catalog_versions(
    _: Guarded<CatalogRead>,
    app: web::Data<App>,
    id: web::Path<String>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let items: Vec<CatalogVersion> = browse::versions(&app, &id).await?.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(list.page_of("CatalogVersionList", items)))
}

/// Which versions to compare.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Between {
    /// The id of the version before.
    from: String,
    /// The id of the version after; absent: the latest.
    to: Option<String>,
}

/// What is otherwise between two versions of a template.
#[utoipa::path(get, path = "/api/v1/catalog/templates/{id}/diff", tag = "catalog",
    params(("id" = String, Path, description = "Its id"), Between),
    responses((status = 200, description = "The difference", body = Diff)))]
pub async fn catalog_diff(
    _: Guarded<CatalogRead>,
    app: web::Data<App>,
    id: web::Path<String>,
    between: Params<Between>,
) -> Result<HttpResponse, Error> {
    let diff = browse::diff(&app, &id, &between.0.from, between.0.to.as_deref()).await?;
    Ok(HttpResponse::Ok().json(diff))
}

/// What is to be installed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installation {
    /// The id of the catalog template.
    catalog_template_id: String,
    /// Its name in the cluster; absent: its own.
    name: Option<String>,
    /// The id of a version; absent: the latest.
    version: Option<String>,
}

/// Installs a template of the catalog, so that people can launch it.
#[utoipa::path(post, path = "/api/v1/catalog/install", tag = "catalog", request_body = Installation,
    responses((status = 201, description = "Installed", body = Template)))]
pub async fn install_template(
    caller: Guarded<TemplatesWrite>,
    app: web::Data<App>,
    body: Body<Installation>,
) -> Result<HttpResponse, Error> {
    let Installation { catalog_template_id, name, version } = body.0;
    let template = install::install(&app, &caller, &catalog_template_id, name, version.as_deref()).await?;
    Ok(etag::created(&format!("/api/v1/templates/{}", template.name_any()), &*template))
}

/// To which version a template is to be brought.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToVersion {
    /// The id of a version.
    version: Option<String>,
}

/// Brings an installed template to a version, or the latest. Sessions that run keep what they started with.
#[utoipa::path(post, path = "/api/v1/templates/{id}/upgrade", tag = "catalog", request_body = ToVersion,
    params(("id" = String, Path, description = "`metadata.name`")),
    responses((status = 200, description = "The template as it is now", body = Template)))]
pub async fn upgrade_template(
    caller: Guarded<TemplatesWrite>,
    app: web::Data<App>,
    id: web::Path<String>,
    body: Body<ToVersion>,
) -> Result<HttpResponse, Error> {
    let template = install::upgrade(&app, &caller, &id, body.0.version.as_deref()).await?;
    Ok(etag::written(StatusCode::OK, &*template))
}

/// Brings an installed template back to a version, or the one it had before.
#[utoipa::path(post, path = "/api/v1/templates/{id}/rollback", tag = "catalog", request_body = ToVersion,
    params(("id" = String, Path, description = "`metadata.name`")),
    responses((status = 200, description = "The template as it is now", body = Template)))]
pub async fn roll_template_back(
    caller: Guarded<TemplatesWrite>,
    app: web::Data<App>,
    id: web::Path<String>,
    body: Body<ToVersion>,
) -> Result<HttpResponse, Error> {
    let template = install::rollback(&app, &caller, &id, body.0.version.as_deref()).await?;
    Ok(etag::written(StatusCode::OK, &*template))
}
