//! The gate before the signature is looked at: only messages of one plain shape go on to libxml and xmlsec.
//!
//! xmlsec follows whatever a signature refers to, by URL and through transformations, before it knows whether the
//! signature is good; and a reader that finds the assertion in another way than the signature does reads what nobody
//! signed. So a message has one assertion, directly below its response; each signature is a direct child of what it
//! signs, refers to that alone by its id, and has no transformation but the two that SAML names; and no id stands twice.

use std::collections::HashSet;

use roxmltree::Node;

use super::xml::{
    ASSERTION, ENCRYPTION, Faulty, PROTOCOL, SIGNATURE, at_most_one, attribute, elements, faulty, is, message, one,
};

/// The transformation that leaves the signature itself away.
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// The canonical form, in which comments are left away.
const CANONICAL: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

const SIGNATURES: [&str; 6] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];
const DIGESTS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];
/// Only where a provider may use SHA-1.
const SHA1: [&str; 2] = ["http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1"];

/// What may stand in a signature's `KeyInfo`. It is not used: the keys are those of the provider's metadata.
const KEY_WORDS: [&str; 13] = [
    "KeyInfo",
    "KeyName",
    "KeyValue",
    "RSAKeyValue",
    "Modulus",
    "Exponent",
    "X509Data",
    "X509Certificate",
    "X509IssuerSerial",
    "X509IssuerName",
    "X509SerialNumber",
    "X509SKI",
    "X509SubjectName",
];

/// What a message's signatures cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// The response of that id, and with it all of the message.
    Response(String),
    /// The assertion of that id alone.
    Assertion(String),
    /// Nothing that can be seen; an encrypted assertion may hold a signature.
    Nothing,
}

/// Lets a response pass, or not.
pub(super) fn response(text: &str, sha1: bool) -> Result<Signed, Faulty> {
    let document = message(text)?;
    let root = document.root_element();
    if !is(root, PROTOCOL, "Response") {
        return faulty("it is no response");
    }
    check_ids(root)?;
    let assertion = only_assertion(root)?;
    let response = identified(root)?;
    check_places(root, assertion)?;
    let inner = assertion.map(|assertion| Ok(signature_of(assertion, sha1)?.then_some(assertion))).transpose()?;
    match (signature_of(root, sha1)?, inner) {
        (true, _) => Ok(Signed::Response(response.to_owned())),
        (false, Some(Some(assertion))) => Ok(Signed::Assertion(identified(assertion)?.to_owned())),
        (false, Some(None)) => faulty("nothing of it is signed"),
        (false, None) => Ok(Signed::Nothing),
    }
}

/// Lets an assertion pass that stood encrypted in a response. `Some`: its id, where it is signed itself.
pub(super) fn assertion(text: &str, sha1: bool) -> Result<Option<String>, Faulty> {
    let document = message(text)?;
    let root = document.root_element();
    if !is(root, ASSERTION, "Assertion") {
        return faulty("what was encrypted is no assertion");
    }
    check_ids(root)?;
    if document.descendants().filter(|node| is_assertion(*node)).count() != 1 {
        return faulty("there is an assertion in the assertion");
    }
    check_places(root, Some(root))?;
    let id = identified(root)?;
    Ok(signature_of(root, sha1)?.then(|| id.to_owned()))
}

/// Lets a request about signing out pass. `Some`: its id, where it is signed.
pub(super) fn logout(text: &str, sha1: bool) -> Result<Option<String>, Faulty> {
    let document = message(text)?;
    let root = document.root_element();
    if !is(root, PROTOCOL, "LogoutRequest") {
        return faulty("it is no request to sign somebody out");
    }
    check_ids(root)?;
    check_places(root, None)?;
    let id = identified(root)?;
    Ok(signature_of(root, sha1)?.then(|| id.to_owned()))
}

fn is_assertion(node: Node<'_, '_>) -> bool {
    is(node, ASSERTION, "Assertion") || is(node, ASSERTION, "EncryptedAssertion")
}

/// Whether a response has such a part.
fn belongs(part: Node<'_, '_>) -> bool {
    let of = |namespace, names: &[&str]| names.iter().any(|name| is(part, namespace, name));
    is_assertion(part)
        || of(ASSERTION, &["Issuer"])
        || of(SIGNATURE, &["Signature"])
        || of(PROTOCOL, &["Extensions", "Status"])
}

/// The one assertion of the message, a direct child of its root; `None` where it is encrypted.
fn only_assertion<'a, 'i>(root: Node<'a, 'i>) -> Result<Option<Node<'a, 'i>>, Faulty> {
    let responses = root.descendants().filter(|node| is(*node, PROTOCOL, "Response")).count();
    let mut assertions = root.descendants().filter(|node| is_assertion(*node));
    let (Some(only), None) = (assertions.next(), assertions.next()) else {
        return faulty("it has another number of assertions than one");
    };
    if responses != 1 || only.parent() != Some(root) {
        return faulty("its assertion is not directly below its response");
    }
    if !elements(root).all(belongs) {
        return faulty("it has other parts than a response has");
    }
    let encrypted = is(only, ASSERTION, "EncryptedAssertion");
    if !encrypted && root.descendants().any(|node| node.tag_name().namespace() == Some(ENCRYPTION)) {
        return faulty("something other than its assertion is encrypted");
    }
    Ok((!encrypted).then_some(only))
}

/// The id by which a signature refers to `node`.
fn identified<'a>(node: Node<'a, '_>) -> Result<&'a str, Faulty> {
    let id = attribute(node, "ID")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let begins = id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && id.len() <= 256 && id.chars().all(plain) { Ok(id) } else { faulty("an id is not written as one") }
}

/// No id stands twice, however it is spelled.
fn check_ids(root: Node<'_, '_>) -> Result<(), Faulty> {
    let mut seen = HashSet::new();
    for attribute in root.descendants().flat_map(|node| node.attributes()) {
        if attribute.name().eq_ignore_ascii_case("id") && !seen.insert(attribute.value()) {
            return faulty("an id stands twice");
        }
    }
    Ok(())
}

/// A signature is a direct child of the root or of the assertion, and nowhere else.
fn check_places(root: Node<'_, '_>, assertion: Option<Node<'_, '_>>) -> Result<(), Faulty> {
    let signatures = root.descendants().filter(|node| is(*node, SIGNATURE, "Signature"));
    for signature in signatures {
        let parent = signature.parent();
        if parent != Some(root) && (assertion.is_none() || parent != assertion) {
            return faulty("a signature stands where none belongs");
        }
    }
    Ok(())
}

/// Whether there is a signature of `node` directly below it; one of another shape than SAML's is refused.
fn signature_of(node: Node<'_, '_>, sha1: bool) -> Result<bool, Faulty> {
    let Some(signature) = at_most_one(node, SIGNATURE, "Signature")? else { return Ok(false) };
    let parts: Vec<Node<'_, '_>> = elements(signature).collect();
    let names: Vec<&str> = parts.iter().map(|part| part.tag_name().name()).collect();
    if !matches!(names[..], ["SignedInfo", "SignatureValue"] | ["SignedInfo", "SignatureValue", "KeyInfo"]) {
        return faulty("a signature has other parts than SAML's");
    }
    if let Some(key) = parts.get(2) {
        let known = |node: Node<'_, '_>| KEY_WORDS.iter().any(|word| is(node, SIGNATURE, word));
        if !key.descendants().filter(Node::is_element).all(known) {
            return faulty("a signature says where to find its key");
        }
    }
    check_signed_info(one(signature, SIGNATURE, "SignedInfo")?, identified(node)?, sha1)?;
    one(signature, SIGNATURE, "SignatureValue")?;
    Ok(true)
}

fn check_signed_info(info: Node<'_, '_>, id: &str, sha1: bool) -> Result<(), Faulty> {
    if elements(info).count() != 3 {
        return faulty("a signature refers to several things");
    }
    let canonical = one(info, SIGNATURE, "CanonicalizationMethod")?;
    check_canonical(canonical)?;
    check_algorithm(one(info, SIGNATURE, "SignatureMethod")?, &SIGNATURES, sha1)?;
    let reference = one(info, SIGNATURE, "Reference")?;
    let uri = attribute(reference, "URI")?;
    if reference.attributes().count() != 1 || uri.strip_prefix('#') != Some(id) {
        return faulty("a signature refers to something else than what it stands in");
    }
    if elements(reference).count() != 3 {
        return faulty("a reference has other parts than SAML's");
    }
    check_algorithm(one(reference, SIGNATURE, "DigestMethod")?, &DIGESTS, sha1)?;
    one(reference, SIGNATURE, "DigestValue")?;
    let transforms: Vec<Node<'_, '_>> = elements(one(reference, SIGNATURE, "Transforms")?).collect();
    match transforms[..] {
        [first, second] if is(first, SIGNATURE, "Transform") && is(second, SIGNATURE, "Transform") => {
            if attribute(first, "Algorithm")? != ENVELOPED || elements(first).next().is_some() {
                return faulty("the first transformation is not the one that leaves the signature away");
            }
            check_canonical(second)
        }
        _ => faulty("there are other transformations than SAML's two"),
    }
}

/// Exclusive canonical XML, perhaps with a list of prefixes.
fn check_canonical(node: Node<'_, '_>) -> Result<(), Faulty> {
    let plain = elements(node).all(|part| is(part, CANONICAL, "InclusiveNamespaces") && !part.has_children());
    if attribute(node, "Algorithm")? != CANONICAL || !plain {
        return faulty("what was signed is not in exclusive canonical form");
    }
    Ok(())
}

fn check_algorithm(node: Node<'_, '_>, known: &[&str], sha1: bool) -> Result<(), Faulty> {
    let algorithm = attribute(node, "Algorithm")?;
    if elements(node).next().is_some() || !(known.contains(&algorithm) || sha1 && SHA1.contains(&algorithm)) {
        return faulty(format!("{} is not one that counts", node.tag_name().name()));
    }
    Ok(())
}
