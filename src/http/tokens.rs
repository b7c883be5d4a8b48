//! API tokens: those of the caller, and what they have in common with those of service accounts.

use std::collections::BTreeSet;

use actix_web::{HttpResponse, http::header, web};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::Body,
    guard::Guarded,
    list::{ListQuery, Page},
    told::Told,
};
use crate::{
    Error,
    auth::{Auth, Permission, permission::needs::SelfManage},
    domain::duration,
    services::tokens::{self, ApiToken, NewToken},
};

/// How long a token is good that is not asked to be good for another time.
const DEFAULT_LIFETIME: SignedDuration = SignedDuration::from_hours(720);

/// An API token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiToken)]
pub struct TokenView {
    /// Its id.
    id: Uuid,
    /// What its owner calls it.
    name: String,
    /// What it is narrowed to; null: all that its owner may do.
    scopes: Option<Vec<String>>,
    /// When it was made.
    created_at: Timestamp,
    /// When it ends.
    expires_at: Timestamp,
    /// Its last use, to about a minute; null: none yet.
    last_used_at: Option<Timestamp>,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewApiToken)]
pub struct NewTokenBody {
    /// What it is for: 1 to 128 characters.
    name: String,
    /// What it is narrowed to, such as `sessions:read`; absent: all that its owner may do. A service account's has to
    /// name what it needs.
    #[schema(value_type = Option<Vec<String>>)]
    scopes: Option<BTreeSet<Permission>>,
    /// How long it is good: `1m` to `8784h`.
    #[schema(default = "720h")]
    expires_in: Option<String>,
}

impl NewTokenBody {
    pub(super) fn read(self) -> Result<NewToken, Error> {
        let Self { name, scopes, expires_in } = self;
        let expires_in = match expires_in {
            Some(text) => duration::parse(&text)
                .ok()
                .and_then(|duration| SignedDuration::try_from(duration).ok())
                .ok_or_else(|| Error::field("expiresIn", format!("“{text}” is no duration: write 90m, 24h or 720h")))?,
            None => DEFAULT_LIFETIME,
        };
        Ok(NewToken { name, scopes, expires_in })
    }
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    #[serde(flatten)]
    view: TokenView,
    /// For `Authorization: Bearer`. Shown this once.
    token: Told,
}

/// Lists the caller's tokens, the newest first.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", params(ListQuery),
    responses((status = 200, body = Page<TokenView>)))]
pub async fn list_tokens(
    caller: Guarded<SelfManage>,
    auth: web::Data<Auth>,
    query: ListQuery,
) -> Result<HttpResponse, Error> {
    let (offset, limit) = asked(&query)?;
    Ok(listed(&query, tokens::list(&auth, &caller, &query.words, offset, limit).await?))
}

/// Makes a token for the caller.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = NewTokenBody,
    responses((status = 201, body = CreatedToken)))]
pub async fn create_token(
    caller: Guarded<SelfManage>,
    auth: web::Data<Auth>,
    body: Body<NewTokenBody>,
) -> Result<HttpResponse, Error> {
    Ok(created("/api/v1/tokens", tokens::create(&auth, &caller, body.0.read()?).await?))
}

/// Revokes a token of the caller's; it ends at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn revoke_token(
    caller: Guarded<SelfManage>,
    auth: web::Data<Auth>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    tokens::revoke(&auth, &caller, parse(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Which part of a list is asked for: how many to skip, and how many to return.
pub(super) fn asked(query: &ListQuery) -> Result<(i64, i64), Error> {
    query.order(&[])?;
    Ok((i64::try_from(query.offset()).unwrap_or(i64::MAX), query.size.into()))
}

/// A page of tokens, with how many there are.
pub(super) fn listed(query: &ListQuery, (found, total): (Vec<ApiToken>, i64)) -> HttpResponse {
    let items = found.into_iter().map(TokenView::from).collect();
    HttpResponse::Ok().json(Page::new("TokenList", query.page, usize::try_from(total).unwrap_or(0), items))
}

/// A token that was made below `path`, with its secret.
pub(super) fn created(path: &str, (token, secret): (ApiToken, SecretString)) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((header::LOCATION, format!("{path}/{}", token.id)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(CreatedToken { view: token.into(), token: secret.into() })
}

/// The id of a token.
pub(super) fn parse(id: &str) -> Result<Uuid, Error> {
    id.parse().map_err(|_| Error::not_found("token", id))
}
