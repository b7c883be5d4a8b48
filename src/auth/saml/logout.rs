//! Signing out on both sides: what providers ask of us, what we ask of them, and the answers.

use std::io::Read;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::DeflateDecoder;
use jiff::{SignedDuration, Timestamp};
use openssl::{hash::MessageDigest, sign::Verifier, x509::X509};
use roxmltree::Node;
use samael::crypto::CertificateDer;
use url::Url;

use super::{
    provider::issuer_of,
    read::{NameId, SKEW, name_id},
    request::instant,
    xml::{ASSERTION, Faulty, MESSAGE_BYTES, PROTOCOL, attribute, children, escaped, faulty, is, message, one, text},
};

/// How long a request to sign somebody out counts after it was made.
const COUNTS_FOR: SignedDuration = SignedDuration::from_mins(5);

/// A provider's request to sign somebody out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRequest {
    /// Its id, which is used once.
    pub id: String,
    /// Who.
    pub name_id: NameId,
    /// Which of their sign-ins there; none: all.
    pub sessions: Vec<String>,
    /// From then on it is too old to count.
    pub over_at: Timestamp,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub enum Incoming<'a> {
    /// In the address: its query, as it stood there.
    Redirect(&'a str),
    /// Posted by a page of the provider: XML, which holds its signature.
    Post(&'a str),
}

/// What has to stand in a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) slo: &'a str,
    pub(super) now: Timestamp,
}

/// Who says that they ask, as identities call them; not proven.
pub(super) fn issuer(xml: &str) -> Result<String, Faulty> {
    let document = message(xml)?;
    Ok(issuer_of(text(one(document.root_element(), ASSERTION, "Issuer")?)?))
}

/// Reads a request whose signature is good.
pub(super) fn request(root: Node<'_, '_>, expected: Expected<'_>) -> Result<LogoutRequest, Faulty> {
    if !is(root, PROTOCOL, "LogoutRequest") || attribute(root, "Version")? != "2.0" {
        return faulty("it is no request to sign somebody out");
    }
    if text(one(root, ASSERTION, "Issuer")?)? != expected.issuer {
        return faulty("another provider asks for it");
    }
    if root.attribute("Destination").is_some_and(|destination| destination != expected.slo) {
        return faulty("it was sent to another place");
    }
    let moment = |name| attribute(root, name)?.parse::<Timestamp>().map_err(|_| Faulty("it has no moment".into()));
    let (issued, now) = (moment("IssueInstant")?, expected.now);
    let end = if root.has_attribute("NotOnOrAfter") { moment("NotOnOrAfter")? } else { issued + COUNTS_FOR };
    let over_at = end.min(issued + COUNTS_FOR) + SKEW;
    if now >= over_at || issued > now + SKEW {
        return faulty("it is not of now");
    }
    let sessions = children(root, PROTOCOL, "SessionIndex").map(|node| text(node).map(str::to_owned));
    Ok(LogoutRequest {
        id: attribute(root, "ID")?.to_owned(),
        name_id: name_id(one(root, ASSERTION, "NameID")?)?,
        sessions: sessions.collect::<Result<_, _>>()?,
        over_at,
    })
}

/// The XML of the parameter `name` of a query, compressed as it is there.
pub(super) fn inflated(query: &str, name: &str) -> Result<String, Faulty> {
    let bytes = decoded(query, name).and_then(|text| STANDARD.decode(text).ok());
    let Some(bytes) = bytes else { return faulty(format!("{name} is not in base64")) };
    let mut xml = String::new();
    let limit = MESSAGE_BYTES as u64 + 1;
    match DeflateDecoder::new(&bytes[..]).take(limit).read_to_string(&mut xml) {
        Ok(_) => Ok(xml),
        Err(_) => faulty("it is not compressed as it should be"),
    }
}

/// A parameter that stands in the query once.
pub(super) fn decoded(query: &str, name: &str) -> Option<String> {
    let mut found = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let first = found.next().map(|(_, value)| value.into_owned());
    first.filter(|_| found.next().is_none())
}

/// Checks the signature of a query, which covers its parameters as they are written there.
pub(super) fn check_query(query: &str, name: &str, certificates: &[CertificateDer], sha1: bool) -> Result<(), Faulty> {
    let digest = match decoded(query, "SigAlg").as_deref().and_then(|uri| uri.rsplit_once('#')) {
        Some((_, "rsa-sha256" | "ecdsa-sha256")) => MessageDigest::sha256(),
        Some((_, "rsa-sha384" | "ecdsa-sha384")) => MessageDigest::sha384(),
        Some((_, "rsa-sha512" | "ecdsa-sha512")) => MessageDigest::sha512(),
        Some((_, "rsa-sha1")) if sha1 => MessageDigest::sha1(),
        _ => return faulty("it is not signed with an algorithm that counts"),
    };
    let signature = decoded(query, "Signature").and_then(|text| STANDARD.decode(text).ok());
    let Some(signature) = signature else { return faulty("it is not signed") };
    // Each as it stands there, in the order that the binding fixes.
    let raw = |name: &str| query.split('&').find(|pair| pair.split('=').next() == Some(name));
    let signed = [raw(name), raw("RelayState"), raw("SigAlg")].into_iter().flatten().collect::<Vec<_>>().join("&");
    let good = |certificate: &CertificateDer| {
        let key = X509::from_der(certificate.der_data())?.public_key()?;
        Verifier::new(digest, &key)?.verify_oneshot(&signature, signed.as_bytes())
    };
    if certificates.iter().any(|certificate| good(certificate).unwrap_or(false)) {
        Ok(())
    } else {
        faulty("its signature is not good")
    }
}

/// What every message of ours about signing out begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) id: &'a str,
    pub(super) destination: &'a Url,
    pub(super) entity_id: &'a str,
    pub(super) now: Timestamp,
}

impl Head<'_> {
    fn write(&self, name: &str, more: &str, content: &str) -> String {
        format!(
            "<samlp:{name} xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{}\" Version=\"2.0\" \
             IssueInstant=\"{}\" Destination=\"{}\"{more}><saml:Issuer>{}</saml:Issuer>{content}</samlp:{name}>",
            self.id,
            instant(self.now),
            escaped(self.destination.as_str()),
            escaped(self.entity_id),
        )
    }

    /// Asks a provider to sign `who` out.
    pub(super) fn ask(&self, who: &NameId, session: Option<&str>) -> String {
        let attributes = who.attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(value)));
        let attributes = attributes.collect::<Vec<_>>().concat();
        let session = session.map(|session| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", escaped(session)));
        let who = escaped(&who.value);
        let content = format!("<saml:NameID{attributes}>{who}</saml:NameID>{}", session.unwrap_or_default());
        self.write("LogoutRequest", "", &content)
    }

    /// Answers a provider that somebody is signed out.
    pub(super) fn answer(&self, request: &str) -> String {
        let more = format!(" InResponseTo=\"{}\"", escaped(request));
        let status =
            "<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>";
        self.write("LogoutResponse", &more, status)
    }
}
