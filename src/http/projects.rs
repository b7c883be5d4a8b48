//! `/api/v1/projects`: what several people work at.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    body::Body,
    etag::{self, IfMatch},
    guard::Guarded,
    list::{ListQuery, Page},
};
use crate::{
    Error,
    auth::{
        Auth,
        permission::needs::{ProjectsRead, ProjectsWrite},
    },
    domain::people::ProjectRole,
    services::projects::{self, Member, Team},
};

/// A project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Project)]
pub struct ProjectView {
    /// Its name: a DNS label, as sessions name it.
    name: String,
    /// What is shown; may be empty.
    display_name: String,
    /// How many people belong to it.
    members: i64,
    /// When it was made.
    created_at: Timestamp,
}

impl From<Team> for ProjectView {
    fn from(project: Team) -> Self {
        let Team { name, display_name, members, created_at, version: _ } = project;
        Self { name, display_name, members, created_at }
    }
}

/// A project to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewProject {
    /// 1 to 63 lower-case letters, digits and hyphens.
    name: String,
    /// What is shown.
    #[serde(default)]
    display_name: String,
    /// Its first manager: a user name.
    manager: Option<String>,
}

/// What to change about a project; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectChange {
    /// What is shown.
    display_name: Option<String>,
}

/// Somebody who belongs to a project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectMember {
    /// The person's user name.
    name: String,
    /// What is shown for them; may be empty.
    display_name: String,
    /// What they may do there.
    role: ProjectRole,
    /// Since when.
    since: Timestamp,
}

impl From<Member> for ProjectMember {
    fn from(member: Member) -> Self {
        let Member { user, display_name, role, since } = member;
        Self { name: user, display_name, role, since }
    }
}

/// How somebody is to belong to a project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// What they may do there.
    role: ProjectRole,
}

/// Lists the projects that the caller belongs to; with `projects:read-all` all of them.
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", params(ListQuery),
    responses((status = 200, description = "A page of them, by name", body = Page<ProjectView>)))]
pub async fn list_projects(
    caller: Guarded<ProjectsRead>,
    auth: web::Data<Auth>,
    query: ListQuery,
) -> Result<HttpResponse, Error> {
    let found = projects::list(&auth, &caller);
    let page: Page<ProjectView> =
        query.page_found("ProjectList", found, |project| [project.name.as_str(), &project.display_name]).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// Makes a project.
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects", request_body = NewProject,
    responses((status = 201, description = "Made", body = ProjectView)))]
pub async fn create_project(
    caller: Guarded<ProjectsWrite>,
    auth: web::Data<Auth>,
    body: Body<NewProject>,
) -> Result<HttpResponse, Error> {
    let NewProject { name, display_name, manager } = body.0;
    let project = projects::create(&auth, &caller, name, display_name, manager.as_deref()).await?;
    let (location, version) = (format!("/api/v1/projects/{}", project.name), project.version.to_string());
    Ok(etag::made(location, &version, &ProjectView::from(project)))
}

/// Shows a project that the caller belongs to.
#[utoipa::path(get, path = "/api/v1/projects/{name}", tag = "projects", params(("name" = String, Path)),
    responses((status = 200, description = "The project", body = ProjectView), (status = 304)))]
pub async fn get_project(
    caller: Guarded<ProjectsRead>,
    auth: web::Data<Auth>,
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let project = projects::get(&auth, &caller, &name).await?;
    Ok(etag::show_version(&request, &project.version.to_string(), &ProjectView::from(project)))
}

/// Changes a project (JSON merge patch): for its managers.
#[utoipa::path(patch, path = "/api/v1/projects/{name}", tag = "projects", params(("name" = String, Path)),
    request_body = ProjectChange, responses((status = 200, description = "The project as it is now", body = ProjectView)))]
pub async fn change_project(
    caller: Guarded<ProjectsRead>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    condition: IfMatch,
    body: Body<ProjectChange>,
) -> Result<HttpResponse, Error> {
    let project = projects::change(&auth, &caller, &name, condition.version()?, body.0.display_name).await?;
    Ok(etag::current(&project.version.to_string(), &ProjectView::from(project)))
}

/// Deletes a project. Its sessions stay, each with its owner.
#[utoipa::path(delete, path = "/api/v1/projects/{name}", tag = "projects", params(("name" = String, Path)),
    responses((status = 204, description = "It is gone")))]
pub async fn delete_project(
    caller: Guarded<ProjectsWrite>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    condition: IfMatch,
) -> Result<HttpResponse, Error> {
    projects::delete(&auth, &caller, &name, condition.version()?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists who belongs to a project, by name.
#[utoipa::path(get, path = "/api/v1/projects/{name}/members", tag = "projects",
    params(("name" = String, Path), ListQuery),
    responses((status = 200, description = "A page of them", body = Page<ProjectMember>)))]
pub async fn list_project_members(
    caller: Guarded<ProjectsRead>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    query: ListQuery,
) -> Result<HttpResponse, Error> {
    let found = projects::members(&auth, &caller, &name);
    let page: Page<ProjectMember> =
        query.page_found("ProjectMemberList", found, |member| [member.user.as_str(), &member.display_name]).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// Lets somebody belong to a project, or changes their role: for its managers.
#[utoipa::path(put, path = "/api/v1/projects/{name}/members/{user}", tag = "projects",
    params(("name" = String, Path), ("user" = String, Path)), request_body = Membership,
    responses((status = 204, description = "They belong to it in that role")))]
pub async fn set_project_member(
    caller: Guarded<ProjectsRead>,
    auth: web::Data<Auth>,
    path: web::Path<(String, String)>,
    body: Body<Membership>,
) -> Result<HttpResponse, Error> {
    projects::join(&auth, &caller, &path.0, &path.1, body.0.role).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends a membership: one's own, or for the managers anybody's.
#[utoipa::path(delete, path = "/api/v1/projects/{name}/members/{user}", tag = "projects",
    params(("name" = String, Path), ("user" = String, Path)),
    responses((status = 204, description = "They do not belong to it")))]
pub async fn remove_project_member(
    caller: Guarded<ProjectsRead>,
    auth: web::Data<Auth>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    projects::leave(&auth, &caller, &path.0, &path.1).await?;
    Ok(HttpResponse::NoContent().finish())
}
