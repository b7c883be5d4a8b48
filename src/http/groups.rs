//! `/api/v1/groups`: groups of people.

use std::collections::BTreeSet;

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
        permission::needs::{GroupsRead, GroupsWrite},
    },
    services::groups::{self, Member, Team},
};

/// A group.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Group)]
pub struct GroupView {
    /// Its name: a DNS label.
    name: String,
    /// What is shown; may be empty.
    display_name: String,
    /// How many people belong to it.
    members: i64,
    /// When it was made.
    created_at: Timestamp,
}

impl From<Team> for GroupView {
    fn from(group: Team) -> Self {
        let Team { name, display_name, members, created_at, version: _ } = group;
        Self { name, display_name, members, created_at }
    }
}

/// A group to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewGroup {
    /// 1 to 63 lower-case letters, digits and hyphens.
    name: String,
    /// What is shown.
    #[serde(default)]
    display_name: String,
}

/// What to change about a group; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupChange {
    /// What is shown.
    display_name: Option<String>,
}

/// Somebody who belongs to a group.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupMember {
    /// The person's user name.
    name: String,
    /// What is shown for them; may be empty.
    display_name: String,
    /// Who says so: `manual`, or the identity providers that they signed in with.
    sources: BTreeSet<String>,
    /// Since when.
    since: Timestamp,
}

impl From<Member> for GroupMember {
    fn from(member: Member) -> Self {
        let Member { user, display_name, sources, since } = member;
        Self { name: user, display_name, sources, since }
    }
}

/// The groups of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupNames {
    /// `GroupNames`.
    #[schema(example = "GroupNames")]
    kind: &'static str,
    /// Sorted.
    items: Vec<String>,
}

/// Lists groups by name.
#[utoipa::path(get, path = "/api/v1/groups", tag = "groups", params(ListQuery),
    responses((status = 200, description = "A page of them", body = Page<GroupView>)))]
pub async fn list_groups(
    _: Guarded<GroupsRead>,
    auth: web::Data<Auth>,
    query: ListQuery,
) -> Result<HttpResponse, Error> {
    query.order(&[])?;
    let offset = i64::try_from(query.offset()).unwrap_or(i64::MAX);
    let (found, total) = groups::list(&auth, &query.words, offset, query.size.into()).await?;
    let items = found.into_iter().map(GroupView::from).collect();
    Ok(HttpResponse::Ok().json(Page::new("GroupList", query.page, usize::try_from(total).unwrap_or(0), items)))
}

/// Makes a group without members.
#[utoipa::path(post, path = "/api/v1/groups", tag = "groups", request_body = NewGroup,
    responses((status = 201, description = "Made", body = GroupView)))]
pub async fn create_group(
    caller: Guarded<GroupsWrite>,
    auth: web::Data<Auth>,
    body: Body<NewGroup>,
) -> Result<HttpResponse, Error> {
    let NewGroup { name, display_name } = body.0;
    let group = groups::create(&auth, &caller, name, display_name).await?;
    let (location, version) = (format!("/api/v1/groups/{}", group.name), group.version.to_string());
    Ok(etag::made(location, &version, &GroupView::from(group)))
}

/// Shows a group.
#[utoipa::path(get, path = "/api/v1/groups/{name}", tag = "groups", params(("name" = String, Path)),
    responses((status = 200, description = "The group", body = GroupView), (status = 304)))]
pub async fn get_group(
    _: Guarded<GroupsRead>,
    auth: web::Data<Auth>,
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let group = groups::get(&auth, &name).await?;
    Ok(etag::show_version(&request, &group.version.to_string(), &GroupView::from(group)))
}

/// Changes a group (JSON merge patch).
#[utoipa::path(patch, path = "/api/v1/groups/{name}", tag = "groups", params(("name" = String, Path)),
    request_body = GroupChange, responses((status = 200, description = "The group as it is now", body = GroupView)))]
pub async fn change_group(
    caller: Guarded<GroupsWrite>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    condition: IfMatch,
    body: Body<GroupChange>,
) -> Result<HttpResponse, Error> {
    let group = groups::change(&auth, &caller, &name, condition.version()?, body.0.display_name).await?;
    Ok(etag::current(&group.version.to_string(), &GroupView::from(group)))
}

/// Deletes a group. Its members stay; what it gave them ends.
#[utoipa::path(delete, path = "/api/v1/groups/{name}", tag = "groups", params(("name" = String, Path)),
    responses((status = 204, description = "It is gone")))]
pub async fn delete_group(
    caller: Guarded<GroupsWrite>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    condition: IfMatch,
) -> Result<HttpResponse, Error> {
    groups::delete(&auth, &caller, &name, condition.version()?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists who belongs to a group, by name.
#[utoipa::path(get, path = "/api/v1/groups/{name}/members", tag = "groups", params(("name" = String, Path), ListQuery),
    responses((status = 200, description = "A page of them", body = Page<GroupMember>)))]
pub async fn list_members(
    _: Guarded<GroupsRead>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    query: ListQuery,
) -> Result<HttpResponse, Error> {
    let found = groups::members(&auth, &name);
    let page: Page<GroupMember> =
        query.page_found("GroupMemberList", found, |member| [member.user.as_str(), &member.display_name]).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// Lets somebody belong to a group.
#[utoipa::path(put, path = "/api/v1/groups/{name}/members/{user}", tag = "groups",
    params(("name" = String, Path), ("user" = String, Path)), responses((status = 204, description = "They belong to it")))]
pub async fn add_member(
    caller: Guarded<GroupsWrite>,
    auth: web::Data<Auth>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    groups::join(&auth, &caller, &path.0, &path.1).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends a membership. One that an identity provider gives comes back with the next sign-in there.
#[utoipa::path(delete, path = "/api/v1/groups/{name}/members/{user}", tag = "groups",
    params(("name" = String, Path), ("user" = String, Path)), responses((status = 204, description = "They do not belong to it")))]
pub async fn remove_member(
    caller: Guarded<GroupsWrite>,
    auth: web::Data<Auth>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    groups::leave(&auth, &caller, &path.0, &path.1).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The groups that a person belongs to.
#[utoipa::path(get, path = "/api/v1/users/{name}/groups", tag = "groups", params(("name" = String, Path)),
    responses((status = 200, description = "Their names", body = GroupNames)))]
pub async fn groups_of_user(
    _: Guarded<GroupsRead>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let items = groups::of_user(&auth, &name).await?;
    Ok(HttpResponse::Ok().json(GroupNames { kind: "GroupNames", items }))
}
