//! What a provider says, read from the very bytes that its signature covers, and whether it is meant for us and for now.

use jiff::{SignedDuration, Timestamp};
use roxmltree::Node;
use serde_json::Value;

use super::xml::{ASSERTION, Faulty, PROTOCOL, at_most_one, attribute, children, elements, faulty, is, one, text};
use crate::domain::sso::{Claims, is_text};

/// How far the provider's clock may be from ours.
pub(super) const SKEW: SignedDuration = SignedDuration::from_secs(60);
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// An id of somebody that is another one each time.
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// Most attributes, and most values of one.
const ATTRIBUTES: usize = 200;
const VALUES: usize = 2_000;

/// What has to stand in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// Who says it.
    pub(super) issuer: &'a str,
    /// Whom it is for.
    pub(super) audience: &'a str,
    /// Where it was to be sent.
    pub(super) acs: &'a str,
    /// What it answers; `None`: it has to answer nothing.
    pub(super) request: Option<&'a str>,
    /// The present moment.
    pub(super) now: Timestamp,
}

/// Somebody, as a provider names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameId {
    /// Its id of them.
    pub value: String,
    /// `Format`, `NameQualifier` and `SPNameQualifier`, where they stood there, by their names.
    pub attributes: Vec<(String, String)>,
}

/// What an assertion says.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its id, which is used once.
    pub id: String,
    /// Of whom.
    pub name_id: NameId,
    /// What the provider calls their sign-in there.
    pub session_index: Option<String>,
    /// From then on it is too old to count, whatever our clock's difference.
    pub over_at: Timestamp,
    /// Its attributes: each under its name and under its friendly one.
    pub attributes: Claims,
}

/// Why a response lets nobody in.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// The provider, or the person there, did not want to.
    #[error("the identity provider refused: {0}")]
    Declined(String),
    #[error(transparent)]
    Faulty(#[from] Faulty),
}

/// Whether the response around an assertion agrees with it. Where the signature covers the assertion alone this proves
/// nothing, and a mistake is still one.
pub(super) fn check_response(response: Node<'_, '_>, signed: bool, expected: Expected<'_>) -> Result<(), Unfit> {
    check_version(response)?;
    let code = one(one(response, PROTOCOL, "Status")?, PROTOCOL, "StatusCode")?;
    if attribute(code, "Value")? != SUCCESS {
        let why = elements(code).find_map(|inner| inner.attribute("Value")).or(code.attribute("Value"));
        return Err(Unfit::Declined(why.unwrap_or_default().chars().take(100).collect()));
    }
    match response.attribute("Destination") {
        Some(destination) if destination != expected.acs => return Err(wrong("it was sent to another place")),
        None if signed => return Err(wrong("it does not say where it was sent to")),
        _ => {}
    }
    if response.attribute("InResponseTo") != expected.request {
        return Err(wrong("it answers another request"));
    }
    if let Some(issuer) = at_most_one(response, ASSERTION, "Issuer")? {
        check_issuer(issuer, expected)?;
    } else if signed {
        return Err(wrong("it does not say whose it is"));
    }
    if time(response, "IssueInstant")?.is_none_or(|issued| issued > expected.now + SKEW) {
        return Err(wrong("it was made in the future"));
    }
    Ok(())
}

fn wrong(why: &'static str) -> Unfit {
    Unfit::Faulty(Faulty(why.into()))
}

/// The provider's refusal, where a response without an assertion is one. Nothing of it is proven.
pub(super) fn declined(response: Node<'_, '_>) -> Option<String> {
    let code = one(one(response, PROTOCOL, "Status").ok()?, PROTOCOL, "StatusCode").ok()?;
    let outer = code.attribute("Value").filter(|code| *code != SUCCESS)?;
    let inner = elements(code).find_map(|inner| inner.attribute("Value"));
    Some(inner.unwrap_or(outer).chars().take(100).collect())
}

/// Reads an assertion whose signature, or whose response's, is good.
pub(super) fn assertion(node: Node<'_, '_>, expected: Expected<'_>) -> Result<Said, Faulty> {
    let said = unchecked(node)?;
    check_version(node)?;
    check_issuer(one(node, ASSERTION, "Issuer")?, expected)?;
    let conditions = one(node, ASSERTION, "Conditions")?;
    check_conditions(conditions, expected)?;
    let confirmed_until = confirmed(one(node, ASSERTION, "Subject")?, expected)?;
    let mut ends = vec![confirmed_until];
    ends.extend(within(conditions, expected.now)?);
    for statement in children(node, ASSERTION, "AuthnStatement") {
        let session_end = time(statement, "SessionNotOnOrAfter")?;
        if session_end.is_some_and(|end| expected.now >= end + SKEW) {
            return faulty("the person's sign-in at the provider is over");
        }
        if time(statement, "AuthnInstant")?.is_none_or(|at| at > expected.now + SKEW) {
            return faulty("the person is said to sign in later");
        }
    }
    if time(node, "IssueInstant")?.is_none_or(|issued| issued > expected.now + SKEW) {
        return faulty("the assertion was made in the future");
    }
    if said.name_id.attributes.iter().any(|(name, value)| name == "Format" && value == TRANSIENT) {
        return faulty("its name of the person is another one each time: have it send a persistent one");
    }
    let over_at = ends.into_iter().min().unwrap_or(confirmed_until) + SKEW;
    Ok(Said { over_at, ..said })
}

/// What an assertion says, whether it counts or not.
pub(super) fn unchecked(node: Node<'_, '_>) -> Result<Said, Faulty> {
    let subject = one(node, ASSERTION, "Subject")?;
    let statement = children(node, ASSERTION, "AuthnStatement").next();
    let Some(statement) = statement else { return faulty("it does not say that anybody signed in") };
    Ok(Said {
        id: attribute(node, "ID")?.to_owned(),
        name_id: name_id(one(subject, ASSERTION, "NameID")?)?,
        session_index: statement.attribute("SessionIndex").map(str::to_owned),
        over_at: Timestamp::UNIX_EPOCH,
        attributes: attributes(node)?,
    })
}

/// The name of somebody.
pub(super) fn name_id(node: Node<'_, '_>) -> Result<NameId, Faulty> {
    let value = text(node)?;
    if !is_text(value) {
        return faulty("its name of the person is too long, or holds what cannot be read");
    }
    let known = ["Format", "NameQualifier", "SPNameQualifier"];
    let attributes = known.iter().filter_map(|name| Some(((*name).to_owned(), node.attribute(*name)?.to_owned())));
    Ok(NameId { value: value.to_owned(), attributes: attributes.collect() })
}

fn check_version(node: Node<'_, '_>) -> Result<(), Faulty> {
    if attribute(node, "Version")? == "2.0" { Ok(()) } else { faulty("it is of another version than 2.0") }
}

fn check_issuer(issuer: Node<'_, '_>, expected: Expected<'_>) -> Result<(), Faulty> {
    if text(issuer)? == expected.issuer { Ok(()) } else { faulty("another provider says so") }
}

/// A condition that nobody here knows cannot be kept.
fn check_conditions(conditions: Node<'_, '_>, expected: Expected<'_>) -> Result<(), Faulty> {
    let mut meant = false;
    for condition in elements(conditions) {
        if is(condition, ASSERTION, "AudienceRestriction") {
            let mut audiences = children(condition, ASSERTION, "Audience");
            if !audiences.any(|audience| text(audience).is_ok_and(|text| text == expected.audience)) {
                return faulty("it is meant for somebody else");
            }
            meant = true;
        } else if !is(condition, ASSERTION, "OneTimeUse") && !is(condition, ASSERTION, "ProxyRestriction") {
            return faulty("it counts under a condition that nobody here knows");
        }
    }
    if meant { Ok(()) } else { faulty("it does not say whom it is meant for") }
}

/// Whether `now` lies in the time that `node` names; its end, where it names one.
fn within(node: Node<'_, '_>, now: Timestamp) -> Result<Option<Timestamp>, Faulty> {
    let end = time(node, "NotOnOrAfter")?;
    if time(node, "NotBefore")?.is_some_and(|begin| now < begin - SKEW) {
        return faulty("it does not count yet");
    }
    if end.is_some_and(|end| now >= end + SKEW) {
        return faulty("it is over");
    }
    Ok(end)
}

/// Until when whoever brings the assertion is its subject. One confirmation that holds is enough.
fn confirmed(subject: Node<'_, '_>, expected: Expected<'_>) -> Result<Timestamp, Faulty> {
    let mut first = None;
    let bearers = children(subject, ASSERTION, "SubjectConfirmation")
        .filter(|confirmation| confirmation.attribute("Method") == Some(BEARER));
    for confirmation in bearers {
        match bearer(confirmation, expected) {
            Ok(end) => return Ok(end),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or(Faulty("nobody may show it".into())))
}

fn bearer(confirmation: Node<'_, '_>, expected: Expected<'_>) -> Result<Timestamp, Faulty> {
    let data = one(confirmation, ASSERTION, "SubjectConfirmationData")?;
    if attribute(data, "Recipient")? != expected.acs {
        return faulty("it is to be shown somewhere else");
    }
    if data.attribute("InResponseTo") != expected.request {
        return faulty("it answers another request");
    }
    within(data, expected.now)?.ok_or(Faulty("it would count for ever".into()))
}

/// The moment in an attribute; `None` where it is missing.
fn time(node: Node<'_, '_>, name: &'static str) -> Result<Option<Timestamp>, Faulty> {
    let Some(text) = node.attribute(name) else { return Ok(None) };
    match text.parse() {
        Ok(moment) => Ok(Some(moment)),
        Err(_) => faulty(format!("{name} is no moment")),
    }
}

/// The attributes as claims: one value as text, several as a list. Of a name that stands twice all values count.
fn attributes(assertion: Node<'_, '_>) -> Result<Claims, Faulty> {
    let mut claims = Claims::new();
    let all = children(assertion, ASSERTION, "AttributeStatement")
        .flat_map(|statement| children(statement, ASSERTION, "Attribute"));
    for (count, node) in all.enumerate() {
        let values: Vec<Value> = children(node, ASSERTION, "AttributeValue")
            .take(VALUES + 1)
            .filter_map(|value| text(value).ok())
            .map(Value::from)
            .collect();
        if count >= ATTRIBUTES || values.len() > VALUES {
            return faulty("it says too much of the person");
        }
        let name = attribute(node, "Name")?;
        add(&mut claims, name, &values);
        if let Some(friendly) = node.attribute("FriendlyName").filter(|friendly| *friendly != name) {
            add(&mut claims, friendly, &values);
        }
    }
    for value in claims.values_mut() {
        if let Value::Array(values) = value
            && values.len() == 1
        {
            *value = values.remove(0);
        }
    }
    Ok(claims)
}

fn add(claims: &mut Claims, name: &str, values: &[Value]) {
    let known = claims.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(known) = known {
        known.extend_from_slice(values);
    }
}
