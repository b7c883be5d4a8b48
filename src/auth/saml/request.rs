//! What this server asks of providers, and how it goes there: in the address, compressed and signed (HTTP-Redirect).

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::DeflateEncoder};
use jiff::Timestamp;
use url::Url;

use super::{
    keys::OwnKey,
    xml::{ASSERTION, PROTOCOL, escaped},
};

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

/// A new id: 128 random bits, as XML writes ids.
#[must_use]
pub fn new_id() -> String {
    format!("_{}", hex::encode(rand::random::<[u8; 16]>()))
}

/// A request to sign somebody in.
#[derive(Debug)]
pub(super) struct AuthnRequest<'a> {
    pub(super) id: &'a str,
    pub(super) destination: &'a Url,
    pub(super) acs: &'a Url,
    pub(super) entity_id: &'a str,
    pub(super) now: Timestamp,
}

impl AuthnRequest<'_> {
    pub(super) fn write(&self) -> String {
        let Self { id, destination, acs, entity_id, now } = self;
        let (destination, acs) = (escaped(destination.as_str()), escaped(acs.as_str()));
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{}\" Destination=\"{destination}\" AssertionConsumerServiceURL=\"{acs}\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"><saml:Issuer>{}</saml:Issuer>\
             <samlp:NameIDPolicy AllowCreate=\"true\"/></samlp:AuthnRequest>",
            instant(*now),
            escaped(entity_id),
        )
    }
}

/// A moment, to the second.
pub(super) fn instant(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The address at `destination` that carries `message` as the parameter `name` (`SAMLRequest` or `SAMLResponse`).
pub(super) fn redirect(
    destination: &Url,
    name: &str,
    message: &str,
    relay_state: Option<&str>,
    key: &OwnKey,
) -> Result<Url, openssl::error::ErrorStack> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, &STANDARD.encode(deflated(message)));
    if let Some(relay_state) = relay_state {
        query.append_pair("RelayState", relay_state);
    }
    let signed = query.append_pair("SigAlg", RSA_SHA256).finish();
    let signature = STANDARD.encode(key.sign(signed.as_bytes())?);
    let signature: String = url::form_urlencoded::byte_serialize(signature.as_bytes()).collect();
    let mut url = destination.clone();
    let before = url.query().filter(|query| !query.is_empty()).map(|query| format!("{query}&")).unwrap_or_default();
    url.set_query(Some(&format!("{before}{signed}&Signature={signature}")));
    Ok(url)
}

fn deflated(message: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(message.as_bytes());
    encoder.finish().unwrap_or_default()
}
