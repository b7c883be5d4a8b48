//! Reading what an administrator shows, to say what a sign-in with it would do.

use jiff::Timestamp;
use roxmltree::Document;

use super::{
    NotLetIn, ProviderError, Saml, arrived,
    gate::{self, Signed},
    provider::{KNOWN_FOR, issuer_of},
    read::{self, Expected},
    read_signed,
    xml::{self, ASSERTION, Faulty},
    xmlsec,
};
use crate::auth::Proven;

impl Saml {
    /// Reads whom a response, or an assertion alone, is about, as on the day when it was made: whether it is still in
    /// time, was used or was asked for is not looked at, all else is. Returns the issuer too.
    ///
    /// # Errors
    /// [`NotLetIn`] as for a sign-in.
    pub async fn look(&self, xml: &str, now: Timestamp) -> Result<(String, Proven), NotLetIn> {
        let outline = Outline::of(&xml::message(xml)?)?;
        let unknown = || ProviderError::NotAccepted(format!("no provider here is called {}", outline.issuer));
        let provider = self.find(&outline.issuer, now).await.ok_or_else(unknown)?;
        let metadata = self.known(provider, KNOWN_FOR, now).await?;
        let (request, made) = (outline.request.as_deref(), outline.made);
        let said = if outline.is_response {
            self.read(provider, &metadata, xml, request, made).await?
        } else {
            let (sha1, issuer) = (provider.settings.allow_sha1, metadata.entity_id.as_str());
            let id = gate::assertion(xml, sha1)?.ok_or(Faulty("nothing of it is signed".into()))?;
            let signed = xmlsec::signed_part(xml.to_owned(), metadata.certificates.clone(), sha1).await?;
            let (audience, acs) = (self.0.entity_id.as_str(), self.0.acs.as_str());
            read_signed(&signed, &Signed::Assertion(id), Expected { issuer, audience, acs, request, now: made })?
        };
        Ok((outline.issuer, arrived(provider, said).proven))
    }
}

/// What is shown, as it says of itself.
struct Outline {
    is_response: bool,
    issuer: String,
    /// The request that it answers.
    request: Option<String>,
    /// When it was made.
    made: Timestamp,
}

impl Outline {
    fn of(document: &Document<'_>) -> Result<Self, NotLetIn> {
        let root = document.root_element();
        let is_response = xml::is(root, xml::PROTOCOL, "Response");
        if !is_response && !xml::is(root, ASSERTION, "Assertion") {
            return Err(Faulty("it is neither a response nor an assertion".into()).into());
        }
        if let Some(why) = read::declined(root).filter(|_| is_response) {
            return Err(NotLetIn::Declined(why));
        }
        let named = |name| document.descendants().find(|node| xml::is(*node, ASSERTION, name));
        let issuer = named("Issuer").ok_or(Faulty("it does not say whose it is".into()))?;
        let made = xml::attribute(root, "IssueInstant")?.parse().map_err(|_| Faulty("it has no moment".into()))?;
        let answers = if is_response { Some(root) } else { named("SubjectConfirmationData") };
        let request = answers.and_then(|node| node.attribute("InResponseTo")).map(str::to_owned);
        Ok(Self { is_response, issuer: issuer_of(xml::text(issuer)?), request, made })
    }
}
