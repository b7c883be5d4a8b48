//! `/api/v1/users/{name}/identities`: who people are at identity providers.

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
    Error,
    auth::{
        Auth,
        permission::needs::{SelfManage, UsersRead, UsersWrite},
    },
    services::identities::{self, Identity},
};

/// What a list of identities can be sorted by.
const COLUMNS: &[Column<IdentityView>] = &[
    Column { name: "issuer", compare: |a, b| a.issuer.cmp(&b.issuer) },
    Column { name: "createdAt", compare: |a, b| a.created_at.cmp(&b.created_at) },
];

/// Who a person is at a provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Identity)]
pub struct IdentityView {
    /// Its id here.
    id: Uuid,
    /// The provider.
    issuer: String,
    /// The provider's own id of the person.
    subject: String,
    /// Since when it is this account's.
    created_at: Timestamp,
    /// Its last sign-in; null: it was joined, and not used to sign in since.
    last_sign_in_at: Option<Timestamp>,
}

impl From<Identity> for IdentityView {
    fn from(identity: Identity) -> Self {
        let Identity { id, issuer, subject, created_at, last_sign_in_at } = identity;
        Self { id, issuer, subject, created_at, last_sign_in_at }
    }
}

/// An identity to be joined to an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIdentity {
    /// The provider.
    issuer: String,
    /// The provider's own id of the person.
    subject: String,
}

/// Lists who a person is at identity providers. Sorts by `issuer`, `createdAt`.
#[utoipa::path(get, path = "/api/v1/users/{name}/identities", tag = "users", params(("name" = String, Path), ListQuery),
    responses((status = 200, body = Page<IdentityView>)))]
pub async fn list_identities(
    _: Guarded<UsersRead>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    listed(&auth, &name, &list).await
}

/// Lists who the caller is at identity providers. Sorts by `issuer`, `createdAt`.
#[utoipa::path(get, path = "/api/v1/users/me/identities", tag = "users", params(ListQuery),
    responses((status = 200, body = Page<IdentityView>)))]
pub async fn own_identities(
    caller: Guarded<SelfManage>,
    auth: web::Data<Auth>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    listed(&auth, &caller.user, &list).await
}

async fn listed(auth: &Auth, user: &str, list: &ListQuery) -> Result<HttpResponse, Error> {
    let mut items: Vec<IdentityView> = identities::list(auth, user).await?.into_iter().map(Into::into).collect();
    items.retain(|identity| list.finds([identity.issuer.as_str(), identity.subject.as_str()]));
    list.sort(&mut items, COLUMNS)?;
    Ok(HttpResponse::Ok().json(list.page_of("IdentityList", items)))
}

/// Joins an identity to an account: whoever signs in with it is that person. Another account that had it has it no longer,
/// nor what it gave.
#[utoipa::path(post, path = "/api/v1/users/{name}/identities", tag = "users", params(("name" = String, Path)),
    request_body = NewIdentity, responses((status = 201, body = IdentityView)))]
pub async fn join_identity(
    caller: Guarded<UsersWrite>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    body: Body<NewIdentity>,
) -> Result<HttpResponse, Error> {
    let Body(NewIdentity { issuer, subject }) = body;
    let made = identities::join(&auth, &caller, &name, &issuer, &subject).await?;
    let location = format!("/api/v1/users/{name}/identities/{}", made.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(IdentityView::from(made)))
}

/// Takes an identity from an account, with what it gave: whoever signs in with it next is somebody new.
#[utoipa::path(delete, path = "/api/v1/users/{name}/identities/{id}", tag = "users",
    params(("name" = String, Path), ("id" = String, Path)), responses((status = 204)))]
pub async fn part_identity(
    caller: Guarded<UsersWrite>,
    auth: web::Data<Auth>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let (name, id) = path.into_inner();
    identities::leave(&auth, &caller, &name, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}
