//! Signing in through SAML providers.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

use super::{
    auth::{browser, origin},
    cookie::{self, Purpose},
    form::{self, Form},
    operation::Public,
    params,
    sso::{away, back, back_to_sign_in, see_other},
};
use crate::{
    Error,
    auth::{Auth, saml::Incoming},
    services::{
        saml::{self, Posted},
        sso::Refused,
    },
};

/// Where a sign-in is to go, and where it is to lead.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// The provider, by its id in the configuration. Absent: the first.
    idp: Option<String>,
    /// A path of the page; another site's address leads to the home page.
    to: Option<String>,
}

/// What a provider's page posts.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it is read from a form, in which nothing may stand twice")]
pub struct AcsForm {
    /// The response: XML in base64.
    #[schema(rename = "SAMLResponse")]
    saml_response: String,
    /// Where somebody is to come who was not sent to the provider: a path of the page.
    #[schema(rename = "RelayState")]
    relay_state: Option<String>,
}

/// What a provider's page posts about signing out.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it is read from a form, in which nothing may stand twice")]
pub struct SloForm {
    /// The provider's request: XML in base64.
    #[schema(rename = "SAMLRequest")]
    saml_request: Option<String>,
    /// Its answer to a request of ours.
    #[schema(rename = "SAMLResponse")]
    saml_response: Option<String>,
    /// What goes back with our answer.
    #[schema(rename = "RelayState")]
    relay_state: Option<String>,
}

/// What SAML providers read of this server: its name, its addresses, its certificate.
#[utoipa::path(get, path = "/api/v1/auth/saml/metadata", tag = "sign-in",
    responses((status = 200, content_type = "application/samlmetadata+xml", body = String)))]
pub async fn saml_metadata(_: Public, auth: web::Data<Auth>) -> Result<HttpResponse, Error> {
    let saml = saml::providers(&auth)?;
    let known = (header::CONTENT_TYPE, "application/samlmetadata+xml");
    Ok(HttpResponse::Ok().insert_header(known).body(saml.metadata()))
}

/// Sends the browser to a SAML provider. Its page posts the answer to `/api/v1/auth/saml/acs`.
#[utoipa::path(get, path = "/api/v1/auth/saml/login", tag = "sign-in", params(Wanted),
    responses((status = 303, description = "To the provider, or to the sign-in page with the problem")))]
pub async fn saml_login(_: Public, auth: web::Data<Auth>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let saml = saml::providers(&auth)?;
    let Wanted { idp, to } = params::parse(request.query_string())?;
    let provider = saml::provider(saml, idp.as_deref())?;
    let begun = saml::begin(&auth, saml, provider, to.as_deref().unwrap_or("/")).await;
    Ok(away(&auth, &request, begun))
}

/// Where a SAML provider's page posts its answer: signs the browser in, and leads to the page that the person wanted.
#[utoipa::path(post, path = "/api/v1/auth/saml/acs", tag = "sign-in",
    request_body(content = AcsForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "To the page, or to the sign-in page with the problem")))]
pub async fn saml_acs(
    _: Public,
    auth: web::Data<Auth>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let saml = saml::providers(&auth)?;
    let bytes = form::read(&request, payload).await?;
    let form = Form::read(&bytes);
    let response = form.one("SAMLResponse")?.ok_or_else(|| Error::field("SAMLResponse", "it is missing"))?;
    let posted = Posted { response, relay_state: form.one("RelayState")? };
    let kept = cookie::read(&request, Purpose::SigningIn);
    let grant = browser(&request).await;
    let entered = saml::complete(&auth, saml, &origin(&request), posted, kept.as_deref(), grant).await;
    Ok(back(&auth, &request, entered)?)
}

/// Where a provider's page sends a browser that signed out there, or is back from there: ends the sign-ins that the
/// provider names, and answers it.
#[utoipa::path(get, path = "/api/v1/auth/saml/slo", tag = "sign-in",
    responses((status = 303, description = "Back to the provider, or to the sign-in page")))]
pub async fn saml_slo(_: Public, auth: web::Data<Auth>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let saml = saml::providers(&auth)?;
    let query = request.query_string();
    let form = Form::read(query.as_bytes());
    // What answers a request of ours changes nothing any more, whoever sends it.
    if form.one("SAMLRequest")?.is_none() {
        return Ok(see_other("/sign-in").finish());
    }
    let relay_state = form.one("RelayState")?;
    let (origin, incoming) = (origin(&request), Incoming::Redirect(query));
    let asked = saml::asked_to_leave(&auth, saml, &origin, incoming, relay_state.as_deref()).await;
    Ok(left(&request, asked))
}

/// The same for a page that posts.
#[utoipa::path(post, path = "/api/v1/auth/saml/slo", tag = "sign-in",
    request_body(content = SloForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "Back to the provider, or to the sign-in page")))]
pub async fn saml_slo_post(
    _: Public,
    auth: web::Data<Auth>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let saml = saml::providers(&auth)?;
    let bytes = form::read(&request, payload).await?;
    let form = Form::read(&bytes);
    let Some(message) = form.one("SAMLRequest")? else { return Ok(see_other("/sign-in").finish()) };
    let relay_state = form.one("RelayState")?;
    let asked = async {
        let xml = saml::decoded(&message)?;
        let incoming = Incoming::Post(&xml);
        saml::asked_to_leave(&auth, saml, &origin(&request), incoming, relay_state.as_deref()).await
    };
    Ok(left(&request, asked.await))
}

/// Sends the browser on, without the cookie of the sign-in that ended.
fn left(request: &HttpRequest, asked: Result<Option<Url>, Refused>) -> HttpResponse {
    match asked {
        Ok(answer) => {
            let to = answer.map_or_else(|| "/sign-in".to_owned(), String::from);
            see_other(&to).cookie(cookie::clear(request, Purpose::Session)).finish()
        }
        Err(refused) => back_to_sign_in(request, &refused),
    }
}
