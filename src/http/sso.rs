//! Signing in through an identity provider, and trying what would come of it.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    auth::{browser, origin},
    body::Body,
    context::Context,
    cookie::{self, Purpose},
    form::{self, Form},
    guard::Guarded,
    operation::Public,
    params,
};
use crate::{
    Error,
    auth::{Auth, ProviderError, Role, permission::needs::SsoManage},
    services::{
        oidc,
        sign_in::Granted,
        sso::{self, Answer, Begun, Entered, Refused},
        trials::{self, Shown, Trial},
    },
    telemetry::logs,
};

/// Where a sign-in is to lead.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// A path of the page; another site's address leads to the home page.
    pub(super) to: Option<String>,
}

/// What the provider hands back.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Returned {
    /// What it was given.
    state: Option<String>,
    /// To be redeemed for the identity.
    code: Option<String>,
    /// Who answers.
    iss: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// Sends the browser to the identity provider. It comes back to `/api/v1/auth/oidc/callback`.
#[utoipa::path(get, path = "/api/v1/auth/oidc/login", tag = "sign-in", params(Wanted),
    responses((status = 303, description = "To the provider, or to the sign-in page with the problem")))]
pub async fn oidc_login(_: Public, auth: web::Data<Auth>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let provider = sso::provider(&auth)?;
    let Wanted { to } = params::parse(request.query_string())?;
    let begun = sso::begin(&auth, provider, to.as_deref().unwrap_or("/")).await;
    Ok(away(&auth, &request, begun))
}

/// Sends the browser to the provider, with what it has to keep meanwhile.
pub(super) fn away(auth: &Auth, request: &HttpRequest, begun: Result<Begun, Refused>) -> HttpResponse {
    match begun {
        Ok(begun) => {
            let now = auth.now();
            let kept = cookie::write(request, Purpose::SigningIn, &begun.browser, now, now + sso::WITHIN);
            see_other(begun.url.as_str()).cookie(kept).finish()
        }
        Err(refused) => back_to_sign_in(request, &refused),
    }
}

/// Where the identity provider sends the browser back to: signs it in, and leads to the page that the person wanted.
#[utoipa::path(get, path = "/api/v1/auth/oidc/callback", tag = "sign-in", params(Returned),
    responses((status = 303, description = "To the page, or to the sign-in page with the problem")))]
pub async fn oidc_callback(_: Public, auth: web::Data<Auth>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let provider = sso::provider(&auth)?;
    let Returned { state, code, iss, error } = params::parse(request.query_string()).unwrap_or_default();
    let answer = Answer { state, code, issuer: iss, error };
    let kept = cookie::read(&request, Purpose::SigningIn);
    let grant = browser(&request).await;
    let entered = sso::complete(&auth, provider, &origin(&request), answer, kept.as_deref(), grant).await;
    back(&auth, &request, entered)
}

/// What the provider itself posts when somebody signed out there.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it is read from a form, in which nothing may stand twice")]
pub struct BackChannelForm {
    /// A token of the provider that names the person, and the sign-in if it is about one.
    #[schema(rename = "logout_token")]
    logout_token: String,
}

/// Ends what the OpenID Connect provider let in, because it says that somebody signed out there: OpenID Connect
/// Back-Channel Logout.
#[utoipa::path(post, path = "/api/v1/auth/oidc/back-channel-logout", tag = "sign-in",
    request_body(content = BackChannelForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 204, description = "They are signed out")))]
pub async fn oidc_signed_out(
    _: Public,
    auth: web::Data<Auth>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    const FIELD: &str = "logout_token";
    let provider = sso::provider(&auth)?;
    let bytes = form::read(&request, payload).await?;
    let token = Form::read(&bytes).one(FIELD)?.ok_or_else(|| Error::field(FIELD, "it is missing"))?;
    let asked = oidc::asked_to_leave(&auth, provider, &origin(&request), &token).await;
    asked.map_err(|refused| match refused {
        Refused::Ours(error) => error,
        Refused::Provider(ProviderError::Away(_)) => Error::Unavailable("the identity provider cannot be asked".into()),
        other => {
            tracing::warn!(error = logs::chain(&other), "an identity provider's word to sign somebody out was refused");
            Error::field(FIELD, "it does not count: the log says why")
        }
    })?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}

/// Sends the browser to the page that the person wanted, signed in, or to the sign-in page with the problem.
pub(super) fn back(
    auth: &Auth,
    request: &HttpRequest,
    entered: Result<Entered, Refused>,
) -> Result<HttpResponse, Error> {
    let mut response = match entered {
        Ok(entered) => {
            let mut response = see_other(&entered.return_to);
            if let Granted::Browser { secret, expires_at } = &entered.signed_in.granted {
                response.cookie(cookie::write(request, Purpose::Session, secret, auth.now(), *expires_at));
            }
            response.finish()
        }
        Err(refused) => back_to_sign_in(request, &refused),
    };
    // Whatever came of it, it is over.
    let over = cookie::clear(request, Purpose::SigningIn);
    response.add_cookie(&over).map_err(|error| Error::internal(error.to_string()))?;
    Ok(response)
}

pub(super) fn see_other(location: &str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((header::LOCATION, location)).insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

/// The sign-in page, which has words for the problem. What the provider said stands in the log alone: another site
/// could put its own words there.
pub(super) fn back_to_sign_in(request: &HttpRequest, refused: &Refused) -> HttpResponse {
    let id = Context::of(request).map(|context| context.id.to_string()).unwrap_or_default();
    let (word, error) = (refused.word(), logs::chain(refused));
    match refused {
        Refused::Ours(_) => tracing::error!(sso.problem = word, error, "a sign-in through a provider failed"),
        _ => tracing::warn!(sso.problem = word, error, "a sign-in through a provider was refused"),
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("problem", word)
        .append_pair("request", &id)
        .finish();
    see_other(&format!("/sign-in?{query}")).finish()
}

/// What a provider says of somebody: claims, a token or an assertion, one of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SsoTest {
    /// The provider that says the claims. Absent: the one that is configured.
    issuer: Option<String>,
    /// Its claims, as an ID token or the answer for a user's information has them; `sub` says who.
    #[schema(value_type = Option<Object>)]
    claims: Option<Map<String, Value>>,
    /// An ID token (JWT). Its signature is not looked at: only what it says is tried.
    token: Option<String>,
    /// A SAML response or assertion, as XML or that in base64. Its signature has to be its provider's; that it is old or
    /// was used does not matter.
    assertion: Option<String>,
}

impl SsoTest {
    fn read(self) -> Result<Shown, Error> {
        match self {
            Self { issuer, claims: Some(claims), token: None, assertion: None } => Ok(Shown::Claims { issuer, claims }),
            Self { issuer: None, claims: None, token: Some(token), assertion: None } => Ok(Shown::Token(token)),
            Self { issuer: None, claims: None, token: None, assertion: Some(xml) } => Ok(Shown::Assertion(xml)),
            _ => Err(Error::field("claims", "give claims, with their issuer or without, or a token, or an assertion")),
        }
    }
}

/// What a sign-in would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SsoTrial {
    /// Who says so, as rules call it.
    issuer: String,
    /// What the rules look at.
    #[schema(value_type = Object)]
    claims: Map<String, Value>,
    /// The user name.
    user: String,
    /// Whether there is that account; otherwise it would be made.
    exists: bool,
    /// Why the person would not be let in: `disabled` or `no-role`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'static str>,
    /// Ids of the rules that fire.
    fired: Vec<Uuid>,
    /// The groups that this provider gives.
    groups: Difference<String>,
    /// The roles that this provider gives.
    roles: Difference<Role>,
}

/// What is, and what would change.
#[derive(Debug, Serialize, ToSchema)]
pub struct Difference<T: Ord> {
    /// What there would be.
    after: BTreeSet<T>,
    /// What would be new of that.
    added: BTreeSet<T>,
    /// What would be taken back.
    removed: BTreeSet<T>,
}

impl<T: Ord + Clone> Difference<T> {
    fn new(before: &BTreeSet<T>, after: BTreeSet<T>) -> Self {
        let added = after.difference(before).cloned().collect();
        let removed = before.difference(&after).cloned().collect();
        Self { after, added, removed }
    }
}

impl SsoTrial {
    fn new(issuer: String, claims: Map<String, Value>, trial: Trial) -> Self {
        let Trial { user, exists, refused, mapped, groups_before, roles_before } = trial;
        Self {
            issuer,
            claims,
            user,
            exists,
            refused,
            fired: mapped.fired,
            groups: Difference::new(&groups_before, mapped.groups),
            roles: Difference::new(&roles_before, mapped.roles),
        }
    }
}

/// Says which rules would fire for somebody and what would change, and changes nothing.
#[utoipa::path(post, path = "/api/v1/admin/sso/test", tag = "sign-in", request_body = SsoTest,
    responses((status = 200, body = SsoTrial)))]
pub async fn test_sso(
    _: Guarded<SsoManage>,
    auth: web::Data<Auth>,
    body: Body<SsoTest>,
) -> Result<HttpResponse, Error> {
    let (issuer, claims) = trials::read(&auth, body.0.read()?).await?;
    let trial = trials::test(&auth, &issuer, &claims).await?;
    Ok(HttpResponse::Ok().json(SsoTrial::new(issuer, claims, trial)))
}
