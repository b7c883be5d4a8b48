//! Signing in through a SAML provider: there, and back.

use base64::{Engine, engine::general_purpose::STANDARD};

use url::Url;

use super::{
    sign_in::{Grant, Origin},
    sso::{self, Begun, Entered, Refused, Via, WITHIN},
};
use crate::{
    Error,
    auth::{
        Auth, Caller, Credential, ProviderError, decode_secret, encode_secret,
        saml::{self, Incoming, NameId, NotLetIn, Provider, Saml},
        secret::{random, sha256},
    },
    domain::sso::return_path,
    store::{
        saml as store,
        sign_in_requests::{self, Pending},
    },
    telemetry::logs::chain,
};

impl From<NotLetIn> for Refused {
    fn from(error: NotLetIn) -> Self {
        match error {
            NotLetIn::Declined(why) => Self::Declined(why),
            NotLetIn::Provider(error) => Self::Provider(error),
        }
    }
}

/// What a provider's page posts.
#[derive(Clone, Debug, Default)]
pub struct Posted {
    /// The response, in base64.
    pub response: String,
    /// Where somebody is to come who was not sent to the provider.
    pub relay_state: Option<String>,
}

/// The SAML providers.
///
/// # Errors
/// [`Error::NotFound`] where there are none.
pub fn providers(auth: &Auth) -> Result<&Saml, Error> {
    auth.saml.as_ref().ok_or_else(|| Error::not_found("identity provider", "saml"))
}

/// The provider that URLs call `id`; the first where none is named.
///
/// # Errors
/// [`Error::NotFound`].
pub fn provider<'a>(saml: &'a Saml, id: Option<&str>) -> Result<&'a Provider, Error> {
    saml.named(id).ok_or_else(|| Error::not_found("identity provider", id.unwrap_or("saml")))
}

/// Begins a sign-in that is to end at the page `wanted`.
///
/// # Errors
/// [`Refused::Provider`] while nothing is known of the provider.
pub async fn begin(auth: &Auth, saml: &Saml, provider: &Provider, wanted: &str) -> Result<Begun, Refused> {
    let (request, browser) = (saml::new_id(), random());
    let (url, issuer) = saml.sign_in_url(provider, &request, auth.now()).await?;
    let pending = Pending { issuer, return_to: return_path(wanted), expires_at: auth.end_of(WITHIN) };
    let (state, cookie) = (sha256(request.as_bytes()), sha256(&browser));
    sign_in_requests::insert(&auth.client().await?, &state, &cookie, &pending).await?;
    Ok(Begun { url, browser: encode_secret(&browser).into() })
}

/// Ends a sign-in with what a provider's page posted. `browser`: what the browser kept.
///
/// # Errors
/// [`Refused`], which the audit has by then unless the database is away.
pub async fn complete(
    auth: &Auth,
    saml: &Saml,
    origin: &Origin,
    posted: Posted,
    browser: Option<&str>,
    grant: Grant,
) -> Result<Entered, Refused> {
    let entered = async {
        let xml = decoded(&posted.response)?;
        let peek = saml::peek(&xml)?;
        let request = peek.in_response_to.as_deref();
        let (issuer, return_to) = match request {
            Some(request) => {
                let pending = asked(auth, request, browser).await?;
                (pending.issuer, pending.return_to)
            }
            // Nobody was asked, so the browser may be anybody's: only where that was allowed.
            None => (peek.issuer.unwrap_or_default(), return_path(posted.relay_state.as_deref().unwrap_or("/"))),
        };
        let provider =
            saml.find(&issuer, auth.now()).await.filter(|provider| request.is_some() || provider.initiates());
        let provider = provider.ok_or(Refused::Expired)?;
        if let Some(why) = peek.declined {
            return Err(Refused::Declined(why));
        }
        let arrived = saml.arrive(provider, &xml, request, auth.now()).await?;
        let via = Via::Saml(&arrived.said);
        let signed_in = sso::enter(auth, origin, &issuer, &arrived.proven, via, grant).await?;
        Ok::<_, Refused>(Entered { signed_in, return_to })
    };
    sso::note(auth, origin, entered.await).await
}

/// What this browser asked for under that id. From then on it is used up, whatever comes of it.
async fn asked(auth: &Auth, request: &str, browser: Option<&str>) -> Result<Pending, Refused> {
    let browser = browser.and_then(decode_secret).ok_or(Refused::Expired)?;
    let (state, cookie) = (sha256(request.as_bytes()), sha256(&browser));
    let pending = sign_in_requests::take(&auth.client().await?, &state, &cookie, auth.now()).await?;
    pending.ok_or(Refused::Expired)
}

/// Where a browser that signs out here goes to sign out at its provider too; `None`: it came from none that wants that,
/// or that provider is away.
pub async fn leave(auth: &Auth, caller: &Caller) -> Result<Option<Url>, Error> {
    let (Credential::SignIn(id), Some(saml)) = (&caller.credential, &auth.saml) else { return Ok(None) };
    let Some(session) = store::session(&auth.client().await?, *id).await? else { return Ok(None) };
    let Some(provider) = saml.find(&session.issuer, auth.now()).await else { return Ok(None) };
    let who = NameId { value: session.name_id, attributes: session.name_id_attributes };
    let url = saml.sign_out_url(provider, &who, session.session_index.as_deref(), auth.now()).await;
    // The person is signed out here in any case.
    Ok(url.unwrap_or_else(|error| {
        tracing::warn!(error = chain(&error), "somebody could not be signed out at their provider");
        None
    }))
}

/// Signs somebody out because their provider asks for it. Returns where the browser goes with the answer, if anywhere.
///
/// # Errors
/// [`Refused::Provider`] for what nobody signed who may ask for that.
pub async fn asked_to_leave(
    auth: &Auth,
    saml: &Saml,
    origin: &Origin,
    incoming: Incoming<'_>,
    relay_state: Option<&str>,
) -> Result<Option<Url>, Refused> {
    let now = auth.now();
    let (provider, request) = saml.asked_to_sign_out(incoming, now).await?;
    let issuer = provider.issuer().unwrap_or_default();
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    if !store::use_up(&transaction, &issuer, &request.id, request.over_at).await? {
        return Err(ProviderError::NotAccepted("this request was used before".to_owned()).into());
    }
    let ended = store::end_sessions(&transaction, &issuer, &request.name_id.value, &request.sessions, now).await?;
    sso::left(auth, transaction, origin, &issuer, &ended).await?;
    Ok(saml.signed_out_url(provider, &request.id, relay_state, now).await?)
}

/// The XML of a message, which may be broken into lines.
///
/// # Errors
/// [`ProviderError::NotAccepted`] for what is no text in base64.
pub fn decoded(base64: &str) -> Result<String, ProviderError> {
    let plain: String = base64.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(plain).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = bytes.ok_or_else(|| ProviderError::NotAccepted("it is not XML in base64".to_owned()))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
