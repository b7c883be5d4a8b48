//! `/api/v1/rbac-mappings`: the rules from what identity providers say to groups and roles.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::Body,
    etag::{self, IfMatch},
    guard::Guarded,
    list::{Column, ListQuery, Page},
};
use crate::{
    Error,
    auth::{Auth, Role, permission::needs::SsoManage},
    domain::merge::present,
    services::mappings::{self, Change, NewRule, Rule},
};

/// What a list of rules can be sorted by.
const COLUMNS: &[Column<Mapping>] = &[
    Column { name: "createdAt", compare: |a, b| a.created_at.cmp(&b.created_at) },
    Column { name: "principal", compare: |a, b| a.principal.cmp(&b.principal) },
    Column { name: "team", compare: |a, b| a.team.cmp(&b.team) },
];

/// A rule: whoever the provider says that of is in the team and holds the role, until a sign-in at which it no longer
/// says so.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mapping {
    /// Its id.
    id: Uuid,
    /// The provider that is believed.
    issuer: String,
    /// Claim and value, such as `groups=engineering`; of a list one item. Dots lead into objects.
    principal: String,
    /// The group that it gives.
    team: Option<String>,
    /// The role that it gives.
    role: Option<Role>,
    /// Whether it counts.
    enabled: bool,
    /// When it was made.
    created_at: Timestamp,
}

impl From<Rule> for Mapping {
    fn from(rule: Rule) -> Self {
        let Rule { id, issuer, claim, value, team, role, enabled, version: _, created_at } = rule;
        Self { id, issuer, principal: format!("{claim}={value}"), team, role, enabled, created_at }
    }
}

/// A rule that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewMapping {
    /// The provider that is believed: its issuer.
    issuer: String,
    /// Claim and value, such as `groups=engineering`.
    principal: String,
    /// The group that it gives.
    team: Option<String>,
    /// The role that it gives.
    role: Option<Role>,
    /// Whether it counts.
    #[serde(default = "yes")]
    enabled: bool,
}

const fn yes() -> bool {
    true
}

/// What to change about a rule; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MappingChange {
    /// The provider that is believed.
    issuer: Option<String>,
    /// Claim and value.
    principal: Option<String>,
    /// The group that it gives; null: none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    #[allow(clippy::option_option, reason = "in a merge patch absent, null and a text mean three things")]
    team: Option<Option<String>>,
    /// The role that it gives; null: none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Role>)]
    #[allow(clippy::option_option, reason = "in a merge patch absent, null and a word mean three things")]
    role: Option<Option<Role>>,
    /// Whether it counts.
    enabled: Option<bool>,
}

/// Lists the rules, the oldest first. Sorts by `createdAt`, `principal`, `team`.
#[utoipa::path(get, path = "/api/v1/rbac-mappings", tag = "sign-in", params(ListQuery),
    responses((status = 200, body = Page<Mapping>)))]
pub async fn list_mappings(
    _: Guarded<SsoManage>,
    auth: web::Data<Auth>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let mut items: Vec<Mapping> = mappings::list(&auth).await?.into_iter().map(Into::into).collect();
    items.retain(|mapping| {
        let texts = [Some(mapping.principal.as_str()), mapping.team.as_deref(), Some(mapping.issuer.as_str())];
        list.finds(texts.into_iter().flatten())
    });
    list.sort(&mut items, COLUMNS)?;
    Ok(HttpResponse::Ok().json(list.page_of("MappingList", items)))
}

/// Adds a rule. It counts from each person's next sign-in on.
#[utoipa::path(post, path = "/api/v1/rbac-mappings", tag = "sign-in", request_body = NewMapping,
    responses((status = 201, body = Mapping)))]
pub async fn create_mapping(
    caller: Guarded<SsoManage>,
    auth: web::Data<Auth>,
    body: Body<NewMapping>,
) -> Result<HttpResponse, Error> {
    let Body(NewMapping { issuer, principal, team, role, enabled }) = body;
    let rule = mappings::create(&auth, &caller, NewRule { issuer, principal, team, role, enabled }).await?;
    let (location, version) = (format!("/api/v1/rbac-mappings/{}", rule.id), rule.version.to_string());
    Ok(etag::made(location, &version, &Mapping::from(rule)))
}

/// Shows a rule.
#[utoipa::path(get, path = "/api/v1/rbac-mappings/{id}", tag = "sign-in", params(("id" = String, Path)),
    responses((status = 200, body = Mapping), (status = 304)))]
pub async fn get_mapping(
    _: Guarded<SsoManage>,
    auth: web::Data<Auth>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let rule = mappings::get(&auth, &id).await?;
    Ok(etag::show_version(&request, &rule.version.to_string(), &Mapping::from(rule)))
}

/// Changes a rule (JSON merge patch). It counts from each person's next sign-in on.
#[utoipa::path(patch, path = "/api/v1/rbac-mappings/{id}", tag = "sign-in", params(("id" = String, Path)),
    request_body = MappingChange, responses((status = 200, body = Mapping)))]
pub async fn change_mapping(
    caller: Guarded<SsoManage>,
    auth: web::Data<Auth>,
    id: web::Path<String>,
    condition: IfMatch,
    body: Body<MappingChange>,
) -> Result<HttpResponse, Error> {
    let Body(MappingChange { issuer, principal, team, role, enabled }) = body;
    let change = Change { issuer, principal, team, role, enabled };
    let rule = mappings::change(&auth, &caller, &id, condition.version()?, change).await?;
    Ok(etag::current(&rule.version.to_string(), &Mapping::from(rule)))
}

/// Removes a rule. What it gave goes at each person's next sign-in.
#[utoipa::path(delete, path = "/api/v1/rbac-mappings/{id}", tag = "sign-in", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn delete_mapping(
    caller: Guarded<SsoManage>,
    auth: web::Data<Auth>,
    id: web::Path<String>,
    condition: IfMatch,
) -> Result<HttpResponse, Error> {
    mappings::delete(&auth, &caller, &id, condition.version()?).await?;
    Ok(HttpResponse::NoContent().finish())
}
