//! Signing in through SAML 2.0 identity providers, as a service provider of theirs.
//!
//! A response counts once it passed the gate (`gate`), its signature was verified by xmlsec with a key of the
//! provider's metadata, and what is then read (`read`), from the very bytes that were signed, says that it is meant for
//! us, for this sign-in and for now. What is left to the caller: that a request is answered in the browser that asked,
//! and that an assertion is used once.

mod encryption;
mod gate;
mod keys;
mod logout;
mod metadata;
mod presets;
mod provider;
mod read;
mod request;
mod trial;
mod xml;
mod xmlsec;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use roxmltree::Document;
use url::Url;

use self::{
    gate::Signed,
    keys::OwnKey,
    logout::Head,
    metadata::{Metadata, Own},
    provider::{KNOWN_FOR, ROLL_PAUSE, issuer_of},
    read::{Expected, Unfit},
    request::AuthnRequest,
    xml::Faulty,
    xmlsec::Unproven,
};
pub use self::{
    keys::KeyError,
    logout::{Incoming, LogoutRequest},
    provider::Provider,
    read::{NameId, Said},
    request::new_id,
};
use super::{
    outside::{Proven, ProviderError},
    secret::Secrets,
};
use crate::{config::Config, store::Pool};

/// Where providers send people back to, below our own address.
pub const ACS: &str = "/api/v1/auth/saml/acs";
/// Where they say that somebody signed out.
pub const SLO: &str = "/api/v1/auth/saml/slo";
/// Where they read of us, which is our name too.
pub const METADATA: &str = "/api/v1/auth/saml/metadata";

/// Why SAML cannot work at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Our key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A provider.
    #[error("a SAML provider's settings cannot be used: {0}")]
    Provider(String),
}

/// Why a response lets nobody in.
#[derive(Debug, thiserror::Error)]
pub enum NotLetIn {
    /// The provider, or the person there, did not want to: its status.
    #[error("the identity provider refused: {0}")]
    Declined(String),
    /// What it says is not proven, or nobody can tell.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl From<Faulty> for ProviderError {
    fn from(error: Faulty) -> Self {
        Self::NotAccepted(error.to_string())
    }
}

impl From<Faulty> for NotLetIn {
    fn from(error: Faulty) -> Self {
        Self::Provider(error.into())
    }
}

impl From<Unproven> for NotLetIn {
    fn from(error: Unproven) -> Self {
        match error {
            Unproven::Faulty(faulty) => faulty.into(),
            Unproven::Busy => Self::Provider(ProviderError::Away(error.to_string())),
        }
    }
}

impl From<Unfit> for NotLetIn {
    fn from(error: Unfit) -> Self {
        match error {
            Unfit::Declined(why) => Self::Declined(why),
            Unfit::Faulty(faulty) => faulty.into(),
        }
    }
}

/// What a response says of itself before anything of it is proven.
#[derive(Clone, Debug)]
pub struct Peek {
    /// The request that it answers, as it says.
    pub in_response_to: Option<String>,
    /// Whose it is, as identities and rules call them.
    pub issuer: Option<String>,
    /// Why there is no assertion in it.
    pub declined: Option<String>,
}

/// Somebody whom a provider let in, proven.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Who.
    pub proven: Proven,
    /// What the assertion says.
    pub said: Said,
}

/// This server as a service provider; a cheap handle.
#[derive(Clone, Debug)]
pub struct Saml(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    providers: Vec<Provider>,
    entity_id: String,
    acs: Url,
    slo: Url,
    own: OwnKey,
    pool: Pool,
}

impl Saml {
    /// The configured providers; `None` where there are none.
    pub(super) async fn start(
        config: &Config,
        pool: &Pool,
        secrets: &Secrets,
        now: Timestamp,
    ) -> Result<Option<Self>, StartError> {
        let settings = config.saml.providers().map_err(StartError::Provider)?;
        if settings.is_empty() {
            return Ok(None);
        }
        let mut providers = Vec::new();
        for settings in settings {
            providers.push(Provider::new(settings, pool, now).await.map_err(StartError::Provider)?);
        }
        let public = config.http.public_url();
        let below = |path: &str| public.join(path).map_err(|error| StartError::Provider(error.to_string()));
        let saml = &config.saml;
        Ok(Some(Self(Arc::new(Inner {
            providers,
            entity_id: saml.saml_entity_id.clone().map_or_else(|| below(METADATA).map(String::from), Ok)?,
            acs: saml.saml_acs_url.clone().map_or_else(|| below(ACS), Ok)?,
            slo: saml.saml_slo_url.clone().map_or_else(|| below(SLO), Ok)?,
            own: OwnKey::load(saml, pool, secrets, now).await?,
            pool: pool.clone(),
        }))))
    }

    /// The providers, in the order in which they are configured.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.0.providers
    }

    /// The provider that URLs call `id`; the first where they name none.
    #[must_use]
    pub fn named(&self, id: Option<&str>) -> Option<&Provider> {
        let mut providers = self.0.providers.iter();
        providers.find(|provider| id.is_none_or(|id| provider.id() == id))
    }

    /// The provider that identities call `issuer`.
    #[must_use]
    pub fn of_issuer(&self, issuer: &str) -> Option<&Provider> {
        self.0.providers.iter().find(|provider| provider.issuer().as_deref() == Some(issuer))
    }

    /// The same, after asking those of whom nothing is known yet who they are.
    pub async fn find(&self, issuer: &str, now: Timestamp) -> Option<&Provider> {
        for provider in self.0.providers.iter().filter(|provider| provider.issuer().is_none()) {
            // Who is away is none of them.
            let _ = self.known(provider, KNOWN_FOR, now).await;
        }
        self.of_issuer(issuer)
    }

    /// What providers read of us.
    #[must_use]
    pub fn metadata(&self) -> String {
        let Inner { entity_id, acs, slo, own, .. } = &*self.0;
        Own { entity_id, acs, slo, certificate: &own.certificate }.write()
    }

    /// Where a browser goes to sign in, and who is asked there. `request`: a [`new_id`].
    ///
    /// # Errors
    /// [`ProviderError::Away`] while nothing is known of the provider.
    pub async fn sign_in_url(
        &self,
        provider: &Provider,
        request: &str,
        now: Timestamp,
    ) -> Result<(Url, String), ProviderError> {
        let metadata = self.known(provider, KNOWN_FOR, now).await?;
        let Inner { entity_id, acs, .. } = &*self.0;
        let message = AuthnRequest { id: request, destination: &metadata.sign_in, acs, entity_id, now }.write();
        let url = self.redirect(&metadata.sign_in, "SAMLRequest", &message, None)?;
        Ok((url, issuer_of(&metadata.entity_id)))
    }

    /// Reads whom the response `xml` of `provider` is about. `request`: the one that it has to answer; `None`: none.
    ///
    /// # Errors
    /// [`NotLetIn`].
    pub async fn arrive(
        &self,
        provider: &Provider,
        xml: &str,
        request: Option<&str>,
        now: Timestamp,
    ) -> Result<Arrived, NotLetIn> {
        let metadata = self.known(provider, KNOWN_FOR, now).await?;
        let first = self.read(provider, &metadata, xml, request, now).await;
        let said = match first {
            // It may have another key by now.
            Err(NotLetIn::Provider(ProviderError::NotAccepted(_))) => {
                let again = self.known(provider, ROLL_PAUSE, now).await?;
                if again.certificates == metadata.certificates {
                    return first.map(|said| arrived(provider, said));
                }
                self.read(provider, &again, xml, request, now).await?
            }
            other => other?,
        };
        Ok(arrived(provider, said))
    }

    async fn read(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        xml: &str,
        request: Option<&str>,
        now: Timestamp,
    ) -> Result<Said, NotLetIn> {
        let sha1 = provider.settings.allow_sha1;
        let outline = gate::response(xml, sha1)?;
        let prove = |xml: String| xmlsec::signed_part(xml, metadata.certificates.clone(), sha1);
        let Inner { entity_id, acs, own, .. } = &*self.0;
        let expected = Expected { issuer: &metadata.entity_id, audience: entity_id, acs: acs.as_str(), request, now };
        let signed = match outline {
            Signed::Nothing => None,
            Signed::Response(_) | Signed::Assertion(_) => Some(prove(xml.to_owned()).await?),
        };
        // What is in the response and not in its assertion; where only the latter is signed it proves nothing.
        let whole = matches!(outline, Signed::Response(_));
        let response = signed.as_deref().filter(|_| whole).unwrap_or(xml);
        let encrypted =
            check_response(response, &outline, expected)?.then(|| opened(response, own, whole)).transpose()?;
        let Some(assertion) = encrypted else {
            let signed = signed.ok_or(Faulty("nothing of it is signed".into()))?;
            return Ok(read_signed(&signed, &outline, expected)?);
        };
        match gate::assertion(&assertion, sha1)? {
            Some(id) => Ok(read_signed(&prove(assertion).await?, &Signed::Assertion(id), expected)?),
            None if whole => Ok(read::assertion(xml::message(&assertion)?.root_element(), expected)?),
            None => Err(Faulty("nothing of it is signed".into()).into()),
        }
    }

    /// Where a browser goes to sign `who` out at `provider` too; `None`: it does not know of that.
    ///
    /// # Errors
    /// [`ProviderError::Away`] while nothing is known of the provider.
    pub async fn sign_out_url(
        &self,
        provider: &Provider,
        who: &NameId,
        session: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Url>, ProviderError> {
        let metadata = self.known(provider, KNOWN_FOR, now).await?;
        let Some(sign_out) = &metadata.sign_out else { return Ok(None) };
        let head = Head { id: &new_id(), destination: &sign_out.requests, entity_id: &self.0.entity_id, now };
        self.redirect(&sign_out.requests, "SAMLRequest", &head.ask(who, session), None).map(Some)
    }

    /// Where a browser goes with the answer that somebody is signed out here; `None`: the provider wants none.
    ///
    /// # Errors
    /// [`ProviderError::Away`] while nothing is known of the provider.
    pub async fn signed_out_url(
        &self,
        provider: &Provider,
        request: &str,
        relay_state: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Url>, ProviderError> {
        let metadata = self.known(provider, KNOWN_FOR, now).await?;
        let Some(sign_out) = &metadata.sign_out else { return Ok(None) };
        let head = Head { id: &new_id(), destination: &sign_out.answers, entity_id: &self.0.entity_id, now };
        self.redirect(&sign_out.answers, "SAMLResponse", &head.answer(request), relay_state).map(Some)
    }

    fn redirect(
        &self,
        destination: &Url,
        name: &str,
        message: &str,
        relay_state: Option<&str>,
    ) -> Result<Url, ProviderError> {
        let url = request::redirect(destination, name, message, relay_state, &self.0.own);
        url.map_err(|error| ProviderError::Away(format!("nothing can be signed: {error}")))
    }

    /// Reads a provider's request to sign somebody out, with the provider that asks.
    ///
    /// # Errors
    /// [`ProviderError::NotAccepted`] for what nobody signed who may ask for that.
    pub async fn asked_to_sign_out(
        &self,
        incoming: Incoming<'_>,
        now: Timestamp,
    ) -> Result<(&Provider, LogoutRequest), ProviderError> {
        let xml = match incoming {
            Incoming::Redirect(query) => logout::inflated(query, "SAMLRequest")?,
            Incoming::Post(xml) => xml.to_owned(),
        };
        let issuer = logout::issuer(&xml)?;
        let provider = self.find(&issuer, now).await;
        let provider = provider.ok_or_else(|| ProviderError::NotAccepted("nobody knows who asks".to_owned()))?;
        let metadata = self.known(provider, KNOWN_FOR, now).await?;
        let sha1 = provider.settings.allow_sha1;
        let id = gate::logout(&xml, sha1)?;
        let signed = match (incoming, id) {
            (Incoming::Redirect(query), None) => {
                logout::check_query(query, "SAMLRequest", &metadata.certificates, sha1)?;
                xml
            }
            (Incoming::Post(_), Some(_)) => {
                let proven = xmlsec::signed_part(xml, metadata.certificates.clone(), sha1).await;
                proven.map_err(|error| ProviderError::NotAccepted(error.to_string()))?
            }
            _ => return Err(Faulty("it is not signed as its way here demands".into()).into()),
        };
        let document = xml::message(&signed)?;
        let expected = logout::Expected { issuer: &metadata.entity_id, slo: self.0.slo.as_str(), now };
        Ok((provider, logout::request(document.root_element(), expected)?))
    }

    /// What is known of a provider.
    async fn known(&self, provider: &Provider, age: Duration, now: Timestamp) -> Result<Arc<Metadata>, ProviderError> {
        let others = || self.0.providers.iter().filter(|other| other.id() != provider.id());
        let taken = |issuer: &str| others().any(|other| other.issuer().as_deref() == Some(issuer));
        provider.metadata(age, now, &self.0.pool, taken).await
    }
}

fn arrived(provider: &Provider, said: Said) -> Arrived {
    let claims = presets::claims(&said, provider.settings.preset, &provider.settings.attributes);
    Arrived { proven: Proven { subject: said.name_id.value.clone(), claims }, said }
}

/// Checks what stands around the assertion; whether that is encrypted.
fn check_response(xml: &str, outline: &Signed, expected: Expected<'_>) -> Result<bool, NotLetIn> {
    let document = xml::message(xml)?;
    let root = document.root_element();
    if let Signed::Response(id) = outline
        && !is_signed(&document, xml::PROTOCOL, "Response", id)
    {
        return Err(Faulty("its signature covers something else".into()).into());
    }
    read::check_response(root, matches!(outline, Signed::Response(_)), expected)?;
    Ok(xml::children(root, xml::ASSERTION, "EncryptedAssertion").next().is_some())
}

fn opened(response: &str, own: &OwnKey, whole: bool) -> Result<String, Faulty> {
    encryption::open(xml::message(response)?.root_element(), &own.key, whole)
}

/// Reads the assertion from what was signed, which is it or the response around it.
fn read_signed(signed: &str, outline: &Signed, expected: Expected<'_>) -> Result<Said, Faulty> {
    let document = xml::message(signed)?;
    let root = document.root_element();
    match outline {
        Signed::Response(_) => read::assertion(xml::one(root, xml::ASSERTION, "Assertion")?, expected),
        Signed::Assertion(id) if is_signed(&document, xml::ASSERTION, "Assertion", id) => {
            read::assertion(root, expected)
        }
        _ => xml::faulty("its signature covers something else"),
    }
}

/// Whether the bytes that were signed are the element that the gate saw.
fn is_signed(document: &Document<'_>, namespace: &str, name: &str, id: &str) -> bool {
    let root = document.root_element();
    xml::is(root, namespace, name) && root.attribute("ID") == Some(id)
}

/// What a response says of itself.
///
/// # Errors
/// [`ProviderError::NotAccepted`] for what is no message.
pub fn peek(xml: &str) -> Result<Peek, ProviderError> {
    let document = xml::message(xml)?;
    let root = document.root_element();
    if !xml::is(root, xml::PROTOCOL, "Response") {
        return Err(Faulty("it is no response".into()).into());
    }
    let issuers = [root].into_iter().chain(xml::children(root, xml::ASSERTION, "Assertion"));
    let mut issuers = issuers.filter_map(|node| xml::one(node, xml::ASSERTION, "Issuer").ok());
    Ok(Peek {
        in_response_to: root.attribute("InResponseTo").map(str::to_owned),
        issuer: issuers.find_map(|issuer| xml::text(issuer).ok()).map(issuer_of),
        declined: read::declined(root),
    })
}
