//! Accounts of programs. Whatever else is done with accounts is done under `/api/v1/users`.

use std::collections::BTreeSet;

use actix_web::{HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    body::Body,
    etag,
    guard::Guarded,
    list::{ListQuery, Page},
    tokens::{CreatedToken, NewTokenBody, TokenView, asked, created, listed, parse},
    users::{self, UserView},
};
use crate::{
    Error,
    auth::{
        Auth, Role,
        permission::needs::{UsersRead, UsersWrite},
    },
    domain::people::AccountKind,
    services::{
        accounts::{self, NewUser},
        tokens,
    },
};

/// A service account to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewServiceAccount {
    /// 1 to 63 lower-case letters, digits and hyphens; no account may have had it before.
    name: String,
    /// What is shown: what the program is for.
    #[serde(default)]
    display_name: String,
    /// What it may do at most; its tokens are narrowed to what each needs.
    #[serde(default = "users::plain_user")]
    roles: BTreeSet<Role>,
}

/// Lists service accounts; `sort` takes `name`, `createdAt`, `lastSignInAt`.
#[utoipa::path(get, path = "/api/v1/service-accounts", tag = "users", params(ListQuery),
    responses((status = 200, body = Page<UserView>)))]
pub async fn list_service_accounts(
    _: Guarded<UsersRead>,
    auth: web::Data<Auth>,
    query: ListQuery,
) -> Result<HttpResponse, Error> {
    users::list(&auth, &query, Some(AccountKind::Service)).await
}

/// Makes an account for a program: nobody signs in with it, and its tokens are made by administrators.
#[utoipa::path(post, path = "/api/v1/service-accounts", tag = "users", request_body = NewServiceAccount,
    responses((status = 201, body = UserView)))]
pub async fn create_service_account(
    caller: Guarded<UsersWrite>,
    auth: web::Data<Auth>,
    body: Body<NewServiceAccount>,
) -> Result<HttpResponse, Error> {
    let Body(NewServiceAccount { name, display_name, roles }) = body;
    let new = NewUser { name, display_name, email: None, roles };
    let user = accounts::create_service(&auth, &caller, new).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/users/{}", user.name)))
        .insert_header((header::ETAG, etag::tag(&user.version.to_string())))
        .json(UserView::from(user)))
}

/// Lists the tokens of a service account, the newest first.
#[utoipa::path(get, path = "/api/v1/service-accounts/{name}/tokens", tag = "tokens",
    params(("name" = String, Path), ListQuery), responses((status = 200, body = Page<TokenView>)))]
pub async fn list_service_tokens(
    _: Guarded<UsersRead>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    query: ListQuery,
) -> Result<HttpResponse, Error> {
    let (offset, limit) = asked(&query)?;
    Ok(listed(&query, tokens::list_of_service(&auth, &name, &query.words, offset, limit).await?))
}

/// Makes a token for a service account, narrowed to the scopes that it names.
#[utoipa::path(post, path = "/api/v1/service-accounts/{name}/tokens", tag = "tokens", params(("name" = String, Path)),
    request_body = NewTokenBody, responses((status = 201, body = CreatedToken)))]
pub async fn create_service_token(
    caller: Guarded<UsersWrite>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    body: Body<NewTokenBody>,
) -> Result<HttpResponse, Error> {
    let made = tokens::create_for_service(&auth, &caller, &name, body.0.read()?).await?;
    Ok(created(&format!("/api/v1/service-accounts/{name}/tokens"), made))
}

/// Revokes a token of a service account; it ends at once.
#[utoipa::path(delete, path = "/api/v1/service-accounts/{name}/tokens/{id}", tag = "tokens",
    params(("name" = String, Path), ("id" = String, Path)), responses((status = 204)))]
pub async fn revoke_service_token(
    caller: Guarded<UsersWrite>,
    auth: web::Data<Auth>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let (name, id) = path.into_inner();
    tokens::revoke_of_service(&auth, &caller, &name, parse(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
