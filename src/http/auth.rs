//! Signing in and out.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    body::Body,
    context::Context,
    cookie::{self, Purpose},
    guard::{Guarded, Visitor},
    operation::Public,
    told::Told,
    users::Me,
};
use crate::{
    Error,
    auth::{Auth, Caller, Credential, permission::needs::SelfManage},
    services::{
        oidc,
        register::{self, Registration},
        saml,
        sign_in::{self, Grant, Granted, Origin, SignedIn},
    },
};

/// What a sign-in is to give.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Wanted {
    /// A cookie, for the browser.
    #[default]
    Cookie,
    /// An access token, for a program: 15 minutes.
    Token,
}

/// A name and a password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Login {
    /// The user name.
    username: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// What it is to give.
    #[serde(default)]
    grant: Wanted,
}

/// A one-time link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkLogin {
    /// What stands behind `#link=`.
    #[schema(value_type = String)]
    token: SecretString,
    /// A new password for the account: one that is hard to guess.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
    /// What it is to give.
    #[serde(default)]
    grant: Wanted,
}

/// An account that somebody makes for themselves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Register {
    /// 1 to 63 lower-case letters, digits and hyphens; nobody may have had it before.
    username: String,
    /// One that is hard to guess.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// What is shown.
    #[serde(default)]
    display_name: String,
    /// Where the person reads mail.
    email: Option<String>,
    /// What it is to give.
    #[serde(default)]
    grant: Wanted,
}

/// An old and a new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPassword {
    /// The password of today; not needed within 15 minutes after a sign-in by link.
    #[schema(value_type = Option<String>, format = Password)]
    current: Option<SecretString>,
    /// One that is hard to guess.
    #[schema(value_type = String, format = Password)]
    new: SecretString,
}

/// What a sign-in gave.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum SignInAnswer {
    /// The cookie is in the answer's headers.
    Browser {
        /// Who signed in.
        user: Me,
    },
    /// A token for `Authorization: Bearer`.
    #[serde(rename_all = "camelCase")]
    Program {
        /// The token.
        access_token: Told,
        /// Always `Bearer`.
        token_type: &'static str,
        /// When it ends.
        expires_at: Timestamp,
    },
}

/// Where to go to sign out elsewhere too.
#[derive(Debug, Serialize, ToSchema)]
pub struct Leaving {
    /// An address of the identity provider.
    location: String,
}

/// Signs in with a password. With the default grant the answer sets the cookie `streamspace_session`.
///
/// A wrong name and a wrong password are answered alike. After five attempts the name is locked for 30 seconds, twice
/// as long after each further one, up to 15 minutes.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "sign-in", request_body = Login,
    responses((status = 200, body = SignInAnswer)))]
pub async fn login(
    _: Public,
    auth: web::Data<Auth>,
    request: HttpRequest,
    body: Body<Login>,
) -> Result<HttpResponse, Error> {
    let Body(Login { username, password, grant }) = body;
    let grant = wanted(grant, &request).await;
    let signed_in = sign_in::with_password(&auth, &origin(&request), &username, password, grant).await?;
    Ok(answer(&auth, &request, signed_in))
}

/// Makes an account with the role of users and signs in to it, where the server allows that (`REGISTRATION`).
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "sign-in", request_body = Register,
    responses((status = 201, body = SignInAnswer)))]
pub async fn register(
    _: Public,
    auth: web::Data<Auth>,
    request: HttpRequest,
    body: Body<Register>,
) -> Result<HttpResponse, Error> {
    let Body(Register { username, password, display_name, email, grant }) = body;
    let new = Registration { name: username, display_name, email, password };
    let grant = wanted(grant, &request).await;
    let mut made = answer(&auth, &request, register::register(&auth, &origin(&request), new, grant).await?);
    *made.status_mut() = StatusCode::CREATED;
    Ok(made)
}

/// Signs in with a one-time link, which works this once. With a password it becomes the account's.
#[utoipa::path(post, path = "/api/v1/auth/link", tag = "sign-in", request_body = LinkLogin,
    responses((status = 200, body = SignInAnswer)))]
pub async fn link(
    _: Public,
    auth: web::Data<Auth>,
    request: HttpRequest,
    body: Body<LinkLogin>,
) -> Result<HttpResponse, Error> {
    let Body(LinkLogin { token, password, grant }) = body;
    let grant = wanted(grant, &request).await;
    let signed_in = sign_in::with_link(&auth, &origin(&request), token.expose_secret(), password, grant).await?;
    Ok(answer(&auth, &request, signed_in))
}

/// Signs the browser out. One that is not signed in is answered the same, so that its cookie is gone in any case. Where an
/// identity provider let it in, the answer says where to go to sign out there too.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "sign-in",
    responses((status = 200, body = Leaving), (status = 204, description = "There is nowhere to go")))]
pub async fn logout(visitor: Visitor, auth: web::Data<Auth>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let mut elsewhere = None;
    if let Some(caller) = &visitor.0 {
        elsewhere = match oidc::leave(&auth, caller).await? {
            None => saml::leave(&auth, caller).await?,
            found => found,
        };
        sign_in::sign_out(&auth, caller).await?;
    }
    let over = cookie::clear(&request, Purpose::Session);
    Ok(match elsewhere {
        Some(url) => HttpResponse::Ok().cookie(over).json(Leaving { location: url.into() }),
        None => HttpResponse::NoContent().cookie(over).finish(),
    })
}

/// Changes the caller's password; other browsers of theirs are signed out.
#[utoipa::path(post, path = "/api/v1/auth/password", tag = "sign-in", request_body = NewPassword,
    responses((status = 204)))]
pub async fn password(
    caller: Guarded<SelfManage>,
    auth: web::Data<Auth>,
    body: Body<NewPassword>,
) -> Result<HttpResponse, Error> {
    let Body(NewPassword { current, new }) = body;
    sign_in::change_password(&auth, &caller, current, new).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The public keys that verify this server's tokens, as a JWK set (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "sign-in",
    responses((status = 200, body = serde_json::Value)))]
pub async fn jwks(_: Public, auth: web::Data<Auth>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(auth.keys.published())
}

async fn wanted(wanted: Wanted, request: &HttpRequest) -> Grant {
    match wanted {
        Wanted::Token => Grant::Token,
        Wanted::Cookie => browser(request).await,
    }
}

/// A cookie. A browser that signs in again changes its sign-in for a new one.
pub(super) async fn browser(request: &HttpRequest) -> Grant {
    match super::guard::caller(request).await {
        Ok(Caller { credential: Credential::SignIn(before), .. }) => Grant::Browser { replaces: Some(before) },
        _ => Grant::Browser { replaces: None },
    }
}

/// From where somebody tries to sign in.
pub(super) fn origin(request: &HttpRequest) -> Origin {
    let context = Context::of(request);
    Origin {
        address: context.as_ref().and_then(|context| context.address),
        user_agent: request.headers().get(header::USER_AGENT).and_then(|text| text.to_str().ok()).map(str::to_owned),
        request_id: context.map(|context| context.id.to_string()),
    }
}

fn answer(auth: &Auth, request: &HttpRequest, signed_in: SignedIn) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    let body = match signed_in.granted {
        Granted::Browser { secret, expires_at } => {
            answer.cookie(cookie::write(request, Purpose::Session, &secret, auth.now(), expires_at));
            SignInAnswer::Browser { user: Me::new(&signed_in.user, None) }
        }
        Granted::Token { token, expires_at } => {
            SignInAnswer::Program { access_token: token.into(), token_type: "Bearer", expires_at }
        }
    };
    answer.json(body)
}
