//! What providers say of themselves, and what this server says of itself to them.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use openssl::x509::X509;
use roxmltree::Node;
use samael::crypto::CertificateDer;
use url::Url;

use super::xml::{Faulty, METADATA, SIGNATURE, attribute, children, document, escaped, faulty, is, text};

const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// A provider, as its metadata describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    /// What it calls itself.
    pub(super) entity_id: String,
    /// Where people are sent to sign in.
    pub(super) sign_in: Url,
    /// Where they are sent to sign out there too, where it knows of that.
    pub(super) sign_out: Option<SignOut>,
    /// The certificates of the keys that it signs with; never empty.
    pub(super) certificates: Vec<CertificateDer>,
}

/// Where a provider hears of people who sign out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignOut {
    /// Requests go there.
    pub(super) requests: Url,
    /// Answers go there.
    pub(super) answers: Url,
}

impl Metadata {
    /// Reads metadata. `entity`: which entity of it, where it holds several that people sign in at.
    pub(super) fn read(xml: &str, entity: Option<&str>, now: Timestamp) -> Result<Self, Faulty> {
        let document = document(xml.trim_start_matches('\u{feff}'))?;
        let entities = document.root_element().descendants().filter(|node| is(*node, METADATA, "EntityDescriptor"));
        let mut found = entities.filter_map(|node| {
            let named = entity.is_none_or(|id| node.attribute("entityID") == Some(id));
            children(node, METADATA, "IDPSSODescriptor").next().filter(|_| named).map(|idp| (node, idp))
        });
        let Some((node, idp)) = found.next() else {
            return faulty("its metadata describes nobody where people could sign in");
        };
        if found.next().is_some() {
            return faulty("its metadata describes several places to sign in: name one as entityId");
        }
        if [node, idp].into_iter().any(|node| is_over(node, now)) {
            return faulty("its metadata is no longer valid");
        }
        let certificates = certificates(idp)?;
        if certificates.is_empty() {
            return faulty("its metadata has no certificate to verify signatures with");
        }
        let Some((sign_in, _)) = endpoint(idp, "SingleSignOnService")? else {
            return faulty("its metadata has no SingleSignOnService with HTTP-Redirect");
        };
        let entity_id = attribute(node, "entityID")?.to_owned();
        let sign_out = endpoint(idp, "SingleLogoutService")?;
        let sign_out = sign_out.map(|(requests, answers)| SignOut { requests, answers });
        Ok(Self { entity_id, sign_in, sign_out, certificates })
    }
}

fn is_over(node: Node<'_, '_>, now: Timestamp) -> bool {
    let until = node.attribute("validUntil").map(str::parse::<Timestamp>);
    until.is_some_and(|until| until.is_ok_and(|until| until <= now))
}

/// The certificates of keys that sign: those whose use is not said count too.
fn certificates(idp: Node<'_, '_>) -> Result<Vec<CertificateDer>, Faulty> {
    let keys = children(idp, METADATA, "KeyDescriptor")
        .filter(|key| matches!(key.attribute("use"), None | Some("" | "signing")));
    let words = keys.flat_map(|key| key.descendants()).filter(|node| is(*node, SIGNATURE, "X509Certificate"));
    words
        .map(|node| {
            let plain: String = text(node)?.split_whitespace().collect();
            let der = STANDARD.decode(plain).ok().filter(|der| X509::from_der(der).is_ok());
            der.map(CertificateDer::from).ok_or(Faulty("a certificate in its metadata is none".into()))
        })
        .collect()
}

/// Where the requests of a service go by redirect, and where its answers go: the same place unless another is named.
fn endpoint(idp: Node<'_, '_>, name: &'static str) -> Result<Option<(Url, Url)>, Faulty> {
    let mut services = children(idp, METADATA, name);
    let Some(service) = services.find(|service| service.attribute("Binding") == Some(REDIRECT)) else {
        return Ok(None);
    };
    let location = attribute(service, "Location")?;
    let url = |text: &str| {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.ok_or(Faulty("an address in its metadata is none".into()))
    };
    Ok(Some((url(location)?, url(service.attribute("ResponseLocation").unwrap_or(location))?)))
}

/// This server, as providers are told of it.
#[derive(Debug)]
pub(super) struct Own<'a> {
    pub(super) entity_id: &'a str,
    pub(super) acs: &'a Url,
    pub(super) slo: &'a Url,
    /// DER.
    pub(super) certificate: &'a [u8],
}

impl Own<'_> {
    /// Our metadata.
    pub(super) fn write(&self) -> String {
        let Self { entity_id, acs, slo, certificate } = self;
        let certificate = STANDARD.encode(certificate);
        let key = |usage: &str, methods: &str| {
            format!(
                "<md:KeyDescriptor use=\"{usage}\"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}\
                 </ds:X509Certificate></ds:X509Data></ds:KeyInfo>{methods}</md:KeyDescriptor>"
            )
        };
        let methods = super::encryption::OFFERED
            .map(|algorithm| format!("<md:EncryptionMethod Algorithm=\"{algorithm}\"/>"))
            .concat();
        let (signing, encryption) = (key("signing", ""), key("encryption", &methods));
        let (entity_id, acs, slo) = (escaped(entity_id), escaped(acs.as_str()), escaped(slo.as_str()));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor xmlns:md=\"{METADATA}\" \
             xmlns:ds=\"{SIGNATURE}\" entityID=\"{entity_id}\"><md:SPSSODescriptor AuthnRequestsSigned=\"true\" \
             WantAssertionsSigned=\"true\" protocolSupportEnumeration=\"{}\">{signing}{encryption}\
             <md:SingleLogoutService Binding=\"{REDIRECT}\" Location=\"{slo}\"/>\
             <md:SingleLogoutService Binding=\"{POST}\" Location=\"{slo}\"/>\
             <md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>\
             <md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified</md:NameIDFormat>\
             <md:AssertionConsumerService Binding=\"{POST}\" Location=\"{acs}\" index=\"0\" isDefault=\"true\"/>\
             </md:SPSSODescriptor></md:EntityDescriptor>\n",
            super::xml::PROTOCOL,
        )
    }
}
