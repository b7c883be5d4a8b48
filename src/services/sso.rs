//! Signing in through an identity provider: there, back, and what the rules give on arrival.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::json;

use super::{
    audit::{self, Entry},
    oidc,
    sign_in::{self, Grant, Origin, SignedIn, User},
};
use crate::{
    Error,
    auth::{
        Auth, Proven, ProviderError, decode_secret, encode_secret,
        oidc::{Arrived, Oidc, Secrets},
        saml::Said,
        secret::{random, sha256},
    },
    domain::{
        people::AccountKind,
        sso::{self, Claims, Mapped},
    },
    store::{
        groups,
        identities::{self, Who},
        mapping_rules, oidc_sessions, saml,
        sign_in_requests::{self, Pending},
        sign_ins::{OIDC, SAML},
        users,
    },
};

/// How long a person has for signing in at the provider.
pub const WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// Why somebody who comes from the page, or back from the provider, is not let in. The page has words for each.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It was not begun in this browser, is used up, or took too long.
    #[error("this sign-in was not begun in this browser, or is over")]
    Expired,
    /// The provider, or the person there, did not want to: its error code.
    #[error("the identity provider refused: {0}")]
    Declined(String),
    /// The provider cannot be asked, or what it says does not count.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The account is disabled, or a program's.
    #[error("nobody signs in as {0}")]
    Disabled(String),
    /// No rule gives the person a role: their account, where they have one.
    #[error("no rule gives the person a role")]
    NoRole(Option<String>),
    /// It failed on our side.
    #[error("it failed on our side")]
    Ours(#[from] Error),
}

impl From<tokio_postgres::Error> for Refused {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Ours(error.into())
    }
}

impl Refused {
    /// The word by which the page knows it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Declined(_) => "declined",
            Self::Provider(ProviderError::Away(_)) => "provider-away",
            Self::Provider(ProviderError::NotAccepted(_)) => "not-accepted",
            Self::Disabled(_) => "disabled",
            Self::NoRole(_) => "no-role",
            Self::Ours(_) => "failed",
        }
    }
}

/// A sign-in that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub url: url::Url,
    /// What the browser keeps meanwhile, for [`WITHIN`]: without it the answer counts nothing.
    pub browser: SecretString,
}

/// What the provider sends back with the browser.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// What it was given.
    pub state: Option<String>,
    /// To be redeemed for the identity.
    pub code: Option<String>,
    /// Who answers, where it says so (RFC 9207).
    pub issuer: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Somebody who was let in, and the page that they wanted.
#[derive(Debug)]
pub struct Entered {
    /// Who, with their cookie.
    pub signed_in: SignedIn,
    /// A path of our own.
    pub return_to: String,
}

/// How somebody was proven to us.
#[derive(Clone, Copy, Debug)]
pub(super) enum Via<'a> {
    /// By an OpenID Connect provider, which was asked.
    Oidc(&'a Arrived),
    /// By an assertion, which lets somebody in once.
    Saml(&'a Said),
}

impl Via<'_> {
    /// The method of the sign-in.
    const fn method(self) -> &'static str {
        match self {
            Self::Oidc(_) => OIDC,
            Self::Saml(_) => SAML,
        }
    }
}

/// The OpenID Connect provider.
///
/// # Errors
/// [`Error::NotFound`] where none is configured.
pub fn provider(auth: &Auth) -> Result<&Oidc, Error> {
    auth.oidc.as_ref().ok_or_else(|| Error::not_found("identity provider", "oidc"))
}

/// Begins a sign-in that is to end at the page `wanted`.
///
/// # Errors
/// [`Refused::Provider`] while the provider cannot be asked.
pub async fn begin(auth: &Auth, oidc: &Oidc, wanted: &str) -> Result<Begun, Refused> {
    let (state, browser) = (random(), random());
    let url = oidc.authorize_url(secrets(auth, &state, &browser)).await?;
    let expires_at = auth.end_of(WITHIN);
    let pending = Pending { issuer: oidc.issuer().to_owned(), return_to: sso::return_path(wanted), expires_at };
    sign_in_requests::insert(&auth.client().await?, &sha256(&state), &sha256(&browser), &pending).await?;
    Ok(Begun { url, browser: encode_secret(&browser).into() })
}

/// What the sign-in is told by: made of the two secrets and the server's own, so that the database holds none of it.
fn secrets(auth: &Auth, state: &[u8; 32], browser: &[u8; 32]) -> Secrets {
    let both = [&state[..], browser].concat();
    Secrets {
        state: encode_secret(state),
        nonce: encode_secret(&auth.secrets.mac("oidc nonce", &both)),
        verifier: encode_secret(&auth.secrets.mac("oidc code verifier", &both)),
    }
}

/// Ends a sign-in with the provider's answer. `browser`: what the browser kept.
///
/// # Errors
/// [`Refused`], which the audit has by then unless the database is away.
pub async fn complete(
    auth: &Auth,
    oidc: &Oidc,
    origin: &Origin,
    answer: Answer,
    browser: Option<&str>,
    grant: Grant,
) -> Result<Entered, Refused> {
    let entered = async {
        let state = answer.state.as_deref().and_then(decode_secret).ok_or(Refused::Expired)?;
        let browser = browser.and_then(decode_secret).ok_or(Refused::Expired)?;
        let now = auth.now();
        // From here on it is used up, whatever comes of it.
        let pending = sign_in_requests::take(&auth.client().await?, &sha256(&state), &sha256(&browser), now).await?;
        let pending = pending.filter(|pending| pending.issuer == oidc.issuer()).ok_or(Refused::Expired)?;
        if answer.issuer.is_some_and(|issuer| issuer != oidc.issuer()) {
            return Err(ProviderError::NotAccepted("another provider answered".to_owned()).into());
        }
        let code = match (answer.code, answer.error) {
            (Some(code), None) => code,
            (_, error) => return Err(Refused::Declined(error.unwrap_or_default().chars().take(100).collect())),
        };
        let arrived = oidc.redeem(code, secrets(auth, &state, &browser), now).await?;
        let via = Via::Oidc(&arrived);
        let signed_in = enter(auth, origin, oidc.issuer(), &arrived.proven, via, grant).await?;
        Ok::<_, Refused>(Entered { signed_in, return_to: pending.return_to })
    };
    note(auth, origin, entered.await).await
}

/// Passes on what came of a sign-in, after the audit has it where it was refused.
pub(super) async fn note(auth: &Auth, origin: &Origin, entered: Result<Entered, Refused>) -> Result<Entered, Refused> {
    if let Err(refused) = &entered {
        let user = match refused {
            Refused::Disabled(user) => Some(user.as_str()),
            Refused::NoRole(user) => user.as_deref(),
            Refused::Ours(_) => return entered,
            Refused::Expired | Refused::Declined(_) | Refused::Provider(_) => None,
        };
        audit::record_refused_sign_in(&auth.client().await?, origin, user, refused.word()).await?;
    }
    entered
}

/// Lets in whoever `proven` is: their account, which is made at their first time, with what the rules give today.
pub(super) async fn enter(
    auth: &Auth,
    origin: &Origin,
    issuer: &str,
    proven: &Proven,
    via: Via<'_>,
    grant: Grant,
) -> Result<SignedIn, Refused> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let who = Who { issuer, subject: &proven.subject };
    if let Via::Saml(said) = via
        && !saml::use_up(&transaction, issuer, &said.id, said.over_at).await?
    {
        return Err(ProviderError::NotAccepted("this assertion was used before".to_owned()).into());
    }
    identities::lock(&transaction, who).await?;
    let rules = mapping_rules::of_issuer(&transaction, issuer).await?;
    let mapped = sso::map(&rules, issuer, &proven.claims, auth.default_role);
    let user = match account(&transaction, who).await? {
        Some(user) => user,
        // Nobody gets an account who could do nothing with it.
        None if mapped.roles.is_empty() => return Err(Refused::NoRole(None)),
        None => make_account(auth, origin, &transaction, who, &proven.claims).await?,
    };
    let user = apply(auth, origin, &transaction, who, user, &mapped).await?;
    let refused = if is_closed(&user) {
        Some(Refused::Disabled(user.name.clone()))
    } else {
        user.all_roles().is_empty().then(|| Refused::NoRole(Some(user.name.clone())))
    };
    let name = user.name.clone();
    let signed_in = match refused {
        None => {
            let signed_in = sign_in::admit(auth, &transaction, origin, user, via.method(), grant).await?;
            keep_session(auth, &transaction, issuer, via, &signed_in).await?;
            Ok(signed_in)
        }
        Some(refused) => Err(refused),
    };
    // What was taken back is taken back, also from those who are not let in.
    transaction.commit().await?;
    auth.forget(&name);
    signed_in
}

/// Whether nobody signs in with that account.
pub(super) fn is_closed(user: &User) -> bool {
    user.disabled || user.kind == AccountKind::Service
}

/// Keeps what the provider calls the sign-in, so that either side can end both.
async fn keep_session(
    auth: &Auth,
    transaction: &Transaction<'_>,
    issuer: &str,
    via: Via<'_>,
    signed_in: &SignedIn,
) -> Result<(), Error> {
    let id = signed_in.id;
    match via {
        Via::Saml(said) => saml::insert_session(transaction, id, &session(issuer, said)).await,
        Via::Oidc(arrived) => oidc_sessions::insert(transaction, id, &oidc::session(auth, issuer, id, arrived)?).await,
    }
}

/// Writes down whom the provider `issuer` had signed out, and forgets what let them in.
pub(super) async fn left(
    auth: &Auth,
    transaction: Transaction<'_>,
    origin: &Origin,
    issuer: &str,
    ended: &BTreeSet<String>,
) -> Result<(), Error> {
    for user in ended {
        let entry = Entry::new("auth.sign-out", format!("user/{user}")).after(&json!({ "asked-by": issuer }));
        audit::record_arrival(&transaction, origin, user, entry).await?;
    }
    transaction.commit().await?;
    for user in ended {
        auth.forget(user);
    }
    Ok(())
}

/// What the provider calls the sign-in.
fn session(issuer: &str, said: &Said) -> saml::Session {
    saml::Session {
        issuer: issuer.to_owned(),
        name_id: said.name_id.value.clone(),
        name_id_attributes: said.name_id.attributes.clone(),
        session_index: said.session_index.clone(),
    }
}

/// The account of `who`, locked.
async fn account(transaction: &Transaction<'_>, who: Who<'_>) -> Result<Option<User>, Error> {
    match identities::find(transaction, who).await? {
        Some((user, _)) => users::by_id_locked(transaction, user).await,
        None => Ok(None),
    }
}

async fn make_account(
    auth: &Auth,
    origin: &Origin,
    transaction: &Transaction<'_>,
    who: Who<'_>,
    claims: &Claims,
) -> Result<User, Error> {
    let base = sso::base_name(claims);
    let mut taken = users::names_like(transaction, &base).await?;
    let user = loop {
        let name = sso::free_name(&base, &taken);
        let user = new_user(auth, name.clone(), claims);
        // Somebody else may have been faster.
        if users::insert_if_free(transaction, &user).await? {
            break user;
        }
        taken.insert(name);
    };
    let made = json!({ "name": user.name, "email": user.email, "issuer": who.issuer, "subject": who.subject });
    let entry = Entry::new("user.create", format!("user/{}", user.name)).after(&made);
    audit::record_arrival(transaction, origin, &user.name, entry).await?;
    Ok(user)
}

fn new_user(auth: &Auth, name: String, claims: &Claims) -> User {
    User { display_name: sso::shown_name(claims), email: sso::verified_email(claims), ..User::new(name, auth.now()) }
}

/// Gives `user` what was mapped, and takes back what this provider gave before and no longer does.
async fn apply(
    auth: &Auth,
    origin: &Origin,
    transaction: &Transaction<'_>,
    who: Who<'_>,
    user: User,
    mapped: &Mapped,
) -> Result<User, Error> {
    let now = auth.now();
    let groups_before = groups::of_source(transaction, user.id, who.issuer).await?;
    groups::set_of_source(transaction, user.id, who.issuer, &mapped.groups, now).await?;
    let groups = groups::of_source(transaction, user.id, who.issuer).await?;
    identities::note(transaction, who, user.id, &mapped.roles, now).await?;
    let mut roles = identities::roles_elsewhere(transaction, user.id, who).await?;
    roles.extend(&mapped.roles);
    if groups_before == groups && roles == user.mapped_roles {
        return Ok(user);
    }
    if roles != user.mapped_roles {
        users::set_mapped_roles(transaction, user.id, &roles).await?;
    }
    let entry = Entry::new("user.map", format!("user/{}", user.name))
        .before(&json!({ "groups": groups_before, "mappedRoles": user.mapped_roles }))
        .after(&json!({ "groups": groups, "mappedRoles": roles, "rules": mapped.fired }));
    audit::record_arrival(transaction, origin, &user.name, entry).await?;
    Ok(User { mapped_roles: roles, ..user })
}
