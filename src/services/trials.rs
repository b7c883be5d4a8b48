//! What a sign-in through an identity provider would do, for those who make the rules.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{saml, sso::is_closed};
use crate::{
    Error,
    auth::{Auth, Role, saml::NotLetIn},
    domain::sso::{self, Claims, Mapped},
    store::{
        groups,
        identities::{self, Who},
        mapping_rules, users,
    },
};

/// What a sign-in would do.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The account that it would be, or would make.
    pub user: String,
    /// Whether there is that account.
    pub exists: bool,
    /// Whether the person would be let in, and if not the word for why.
    pub refused: Option<&'static str>,
    /// The rules that fire, and what they give.
    pub mapped: Mapped,
    /// The groups that the person is in by now through that provider.
    pub groups_before: BTreeSet<String>,
    /// The roles that the person has by now through that provider.
    pub roles_before: BTreeSet<Role>,
}

/// What is known of somebody for a trial.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Claims as they are.
    Claims {
        /// Who says so; `None`: the provider that is configured.
        issuer: Option<String>,
        /// What.
        claims: Claims,
    },
    /// A token with them. Its signature is not looked at: only what it says is tried.
    Token(String),
    /// A SAML response or assertion, as XML or that in base64, whose provider has to be known and to have signed it.
    Assertion(String),
}

/// Who says what in `shown`.
///
/// # Errors
/// [`Error::Invalid`] for what cannot be read, or is not proven where it has to be.
pub async fn read(auth: &Auth, shown: Shown) -> Result<(String, Claims), Error> {
    match shown {
        Shown::Claims { issuer, claims } => {
            let configured = || auth.oidc.as_ref().map(|oidc| oidc.issuer().to_owned());
            let missing = || Error::field("issuer", "name a provider: none is configured");
            Ok((issuer.or_else(configured).ok_or_else(missing)?, claims))
        }
        Shown::Token(token) => {
            let wrong = || Error::field("token", "it is no token with claims in it: three parts with dots between");
            let part = token.trim().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
            let claims: Claims = serde_json::from_slice(&part.ok_or_else(wrong)?).map_err(|_| wrong())?;
            let issuer = claims.get("iss").and_then(serde_json::Value::as_str).map(str::to_owned);
            Ok((issuer.ok_or_else(|| Error::field("token", "it does not say who issued it"))?, claims))
        }
        Shown::Assertion(text) => {
            let wrong = |error: NotLetIn| Error::field("assertion", error.to_string());
            let saml = saml::providers(auth)?;
            let text = text.trim();
            let xml = if text.starts_with('<') { Ok(text.to_owned()) } else { saml::decoded(text) };
            let xml = xml.map_err(|error| wrong(error.into()))?;
            let (issuer, proven) = saml.look(&xml, auth.now()).await.map_err(wrong)?;
            let mut claims = proven.claims;
            claims.insert("sub".to_owned(), proven.subject.into());
            Ok((issuer, claims))
        }
    }
}

/// Says what a sign-in of somebody of whom `issuer` says `claims` would do, and changes nothing.
pub async fn test(auth: &Auth, issuer: &str, claims: &Claims) -> Result<Trial, Error> {
    let subject = claims.get("sub").and_then(serde_json::Value::as_str);
    for (field, text) in [("issuer", Some(issuer)), ("claims.sub", subject)] {
        if text.is_some_and(|text| !sso::is_text(text)) {
            return Err(Error::field(field, "write it as the provider does, in at most 500 bytes"));
        }
    }
    let mut client = auth.client().await?;
    let transaction = client.build_transaction().read_only(true).start().await?;
    let rules = mapping_rules::of_issuer(&transaction, issuer).await?;
    let mapped = sso::map(&rules, issuer, claims, auth.default_role);
    let who = Who { issuer, subject: subject.unwrap_or_default() };
    let Some((id, roles_before)) = identities::find(&transaction, who).await? else {
        let base = sso::base_name(claims);
        let user = sso::free_name(&base, &users::names_like(&transaction, &base).await?);
        let refused = mapped.roles.is_empty().then_some("no-role");
        let (groups_before, roles_before) = (BTreeSet::new(), BTreeSet::new());
        return Ok(Trial { user, exists: false, refused, mapped, groups_before, roles_before });
    };
    let user = users::by_id(&transaction, id).await?.ok_or_else(|| Error::internal("an identity of nobody"))?;
    let groups_before = groups::of_source(&transaction, id, issuer).await?;
    let elsewhere = identities::roles_elsewhere(&transaction, id, who).await?;
    let nothing = user.roles.is_empty() && elsewhere.is_empty() && mapped.roles.is_empty();
    let refused = if is_closed(&user) { Some("disabled") } else { nothing.then_some("no-role") };
    Ok(Trial { user: user.name, exists: true, refused, mapped, groups_before, roles_before })
}
