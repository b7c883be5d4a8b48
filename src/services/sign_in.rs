//! Signing in and out: with a password, with a one-time link.

use std::net::IpAddr;

use deadpool_postgres::Transaction;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::audit::{self, Entry};
pub use crate::store::users::User;
use crate::{
    Error,
    auth::{
        Auth, Caller, Credential, decode_secret, encode_secret,
        jwt::{ACCESS_LIFETIME, Kind},
        password::Verdict,
        secret::{random, sha256},
    },
    config::AuthMode,
    domain::{lock_out, names::is_dns_label},
    store::{
        sign_in_failures::{self, Attempt},
        sign_in_links,
        sign_ins::{self, Device, LINK, PASSWORD, SignIn},
        tokens, users,
    },
};

/// How long after a sign-in by link a new password needs no old one.
pub const PASSWORD_GRACE: SignedDuration = SignedDuration::from_mins(15);
/// Most characters that are kept of a `User-Agent`.
const USER_AGENT_MAX_CHARS: usize = 300;

/// Said of a wrong password, an unknown name and a disabled account alike.
const WRONG: &str = "the user name or the password is wrong";
/// Said of every link that does not work.
const LINK_SPENT: &str = "this link was used already, was replaced or has expired: ask an administrator for a new one";

/// From where somebody tries to sign in.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The address, as far as it can be believed.
    pub address: Option<IpAddr>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// Id of the request.
    pub request_id: Option<String>,
}

/// What a sign-in is to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A cookie. `replaces`: the sign-in that the browser had before, which ends.
    Browser {
        /// Its id.
        replaces: Option<Uuid>,
    },
    /// An access token.
    Token,
}

/// What a sign-in gave.
#[derive(Debug)]
pub enum Granted {
    /// The cookie's value, and for how long at most.
    Browser {
        /// 43 characters of base64url.
        secret: SecretString,
        /// Until then.
        expires_at: Timestamp,
    },
    /// An access token.
    Token {
        /// The JWT.
        token: SecretString,
        /// Until then.
        expires_at: Timestamp,
    },
}

/// A person who signed in, with what they got for it.
#[derive(Debug)]
pub struct SignedIn {
    /// Id of the sign-in, or of the token.
    pub id: Uuid,
    /// Who.
    pub user: User,
    /// What for.
    pub granted: Granted,
}

/// Signs in with name and password.
///
/// Every attempt costs the same, whether there is such an account or not: one count, one look-up, one hash, one entry
/// in the audit.
///
/// # Errors
/// [`Error::SignInRefused`] for a wrong pair, and while the name is locked after too many of them.
pub async fn with_password(
    auth: &Auth,
    origin: &Origin,
    name: &str,
    password: SecretString,
    grant: Grant,
) -> Result<SignedIn, Error> {
    local_accounts(auth)?;
    let name = name.trim().to_lowercase();
    let name_mac = name_mac(auth, &name);
    let attempt = count_attempt(auth, &name_mac).await?;
    // What no account can be called is looked up all the same, as a name that none has.
    let asked = if is_dns_label(&name) { name.as_str() } else { "" };
    let found = users::by_name_with_hash(&auth.client().await?, asked).await?;
    let (user, hash) = found.unzip();
    let verdict = auth.passwords.verify(password.clone(), hash.clone().flatten()).await?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    // Read again under a lock: it may have been disabled while the hash was computed.
    let admitted = match &user {
        Some(user) if verdict != Verdict::Wrong => users::by_id_locked(&transaction, user.id).await?,
        _ => None,
    };
    let Some(user) = admitted.filter(|user| !user.disabled) else {
        let reason = if attempt >= lock_out::FREE_ATTEMPTS { "wrong, and locked for a while" } else { "wrong" };
        let known = user.as_ref().map(|user| user.name.as_str());
        audit::record_refused_sign_in(&transaction, origin, known, reason).await?;
        transaction.commit().await?;
        return Err(Error::SignInRefused(WRONG.to_owned()));
    };
    sign_in_failures::forget(&transaction, &name_mac).await?;
    let signed_in = admit(auth, &transaction, origin, user, PASSWORD, grant).await?;
    transaction.commit().await?;
    auth.forget(&signed_in.user.name);
    if let (Verdict::RightButOld, Some(old)) = (verdict, hash.flatten()) {
        let new = auth.passwords.hash(password).await?;
        users::rehash_password(&client, signed_in.user.id, &old, &new).await?;
    }
    Ok(signed_in)
}

/// Signs in with a one-time link, which is used up by it. `password`: becomes the account's.
///
/// # Errors
/// [`Error::SignInRefused`] for a link that does not work, [`Error::Invalid`] for a password that does not do; the
/// link then still works.
pub async fn with_link(
    auth: &Auth,
    origin: &Origin,
    link: &str,
    password: Option<SecretString>,
    grant: Grant,
) -> Result<SignedIn, Error> {
    local_accounts(auth)?;
    let spent = || Error::SignInRefused(LINK_SPENT.to_owned());
    let secret_hash = sha256(&decode_secret(link).ok_or_else(spent)?);
    let mut client = auth.client().await?;
    let Some(owner) = sign_in_links::owner(&client, &secret_hash, auth.now()).await? else {
        audit::record_refused_sign_in(&client, origin, None, "a link that does not work").await?;
        return Err(spent());
    };
    let user = users::by_id(&client, owner).await?.filter(|user| !user.disabled).ok_or_else(spent)?;
    let hash = match password {
        Some(password) => Some(new_hash(auth, "password", password, &user.name).await?),
        None => None,
    };
    let transaction = client.transaction().await?;
    let now = auth.now();
    // Locked first, as everything does that changes an account; a link is taken once, whoever comes at the same time.
    let user = users::by_id_locked(&transaction, owner).await?.filter(|user| !user.disabled).ok_or_else(spent)?;
    if !sign_in_links::take(&transaction, &secret_hash, now).await? {
        return Err(spent());
    }
    if let Some(hash) = &hash {
        replace_password(auth, &transaction, &user, hash, None).await?;
    }
    sign_in_failures::forget(&transaction, &name_mac(auth, &user.name)).await?;
    let user = users::by_id(&transaction, owner).await?.ok_or_else(spent)?;
    let signed_in = admit(auth, &transaction, origin, user, LINK, grant).await?;
    transaction.commit().await?;
    auth.forget(&signed_in.user.name);
    Ok(signed_in)
}

/// Ends the browser's sign-in.
///
/// # Errors
/// [`Error::Forbidden`] for a caller with a token: tokens are revoked, not signed out.
pub async fn sign_out(auth: &Auth, caller: &Caller) -> Result<(), Error> {
    let Credential::SignIn(id) = caller.credential else {
        return Err(Error::Forbidden("only a browser signs out; a token is revoked under /api/v1/tokens".to_owned()));
    };
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    if sign_ins::end(&transaction, id, auth.now()).await? {
        let entry = Entry::new("auth.sign-out", format!("user/{}", caller.user));
        audit::record(&transaction, caller, entry).await?;
    }
    transaction.commit().await?;
    auth.forget(&caller.user);
    Ok(())
}

/// Changes the caller's own password and ends their other sign-ins. `current` may be missing within
/// [`PASSWORD_GRACE`] after a sign-in by link.
///
/// # Errors
/// [`Error::Forbidden`] for a caller with a token, [`Error::SignInRefused`] while the name is locked,
/// [`Error::Invalid`] naming `current` or `new`.
pub async fn change_password(
    auth: &Auth,
    caller: &Caller,
    current: Option<SecretString>,
    new: SecretString,
) -> Result<(), Error> {
    let Credential::SignIn(sign_in) = caller.credential else {
        return Err(Error::Forbidden("a password is changed in the browser, not with a token".to_owned()));
    };
    auth.passwords.check("new", &new, &caller.user).await?;
    match current {
        Some(current) => check_current(auth, caller, current).await?,
        None => check_grace(auth, sign_in).await?,
    }
    let hash = auth.passwords.hash(new).await?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let user = users::by_name_locked(&transaction, &caller.user).await?.ok_or(Error::Unauthenticated)?;
    replace_password(auth, &transaction, &user, &hash, Some(sign_in)).await?;
    audit::record(&transaction, caller, Entry::new("user.change-password", format!("user/{}", user.name))).await?;
    transaction.commit().await?;
    auth.forget(&user.name);
    Ok(())
}

/// Whether `current` is the caller's password; each attempt counts as one at the sign-in.
async fn check_current(auth: &Auth, caller: &Caller, current: SecretString) -> Result<(), Error> {
    let name_mac = name_mac(auth, &caller.user);
    count_attempt(auth, &name_mac).await?;
    let found = users::by_name_with_hash(&auth.client().await?, &caller.user).await?;
    let hash = found.and_then(|(_, hash)| hash);
    if auth.passwords.verify(current, hash).await? == Verdict::Wrong {
        return Err(Error::field("current", "this is not your password"));
    }
    sign_in_failures::forget(&auth.client().await?, &name_mac).await
}

async fn check_grace(auth: &Auth, sign_in: Uuid) -> Result<(), Error> {
    let found = sign_ins::by_id(&auth.client().await?, sign_in).await?;
    let fresh = |sign_in: &SignIn| sign_in.method == LINK && auth.now() < sign_in.created_at + PASSWORD_GRACE;
    if found.as_ref().is_some_and(fresh) {
        return Ok(());
    }
    Err(Error::field("current", "give your password of today; who forgot it asks an administrator for a sign-in link"))
}

/// Refuses where local accounts are switched off.
pub(super) fn local_accounts(auth: &Auth) -> Result<(), Error> {
    match auth.mode {
        AuthMode::Jwt | AuthMode::Hybrid => Ok(()),
        AuthMode::Saml => Err(Error::Forbidden("local accounts are switched off here (AUTH_MODE=saml)".to_owned())),
        AuthMode::None => Err(Error::Forbidden("nobody signs in here (AUTH_MODE=none)".to_owned())),
    }
}

/// Counts an attempt before its password is looked at. The one that uses up what is free locks the name at once, so
/// that of many attempts at the same time no more get through than one after the other would.
async fn count_attempt(auth: &Auth, name_mac: &[u8; 32]) -> Result<i32, Error> {
    let now = auth.now();
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let attempt = sign_in_failures::count(&transaction, name_mac, now, now - lock_out::FORGOTTEN_AFTER).await?;
    let number = match attempt {
        Attempt::Allowed { number } => number,
        Attempt::Locked(until) => {
            let left_s = until.duration_since(now).as_secs().max(0) + 1;
            return Err(Error::SignInRefused(format!(
                "too many attempts under this name: wait {left_s} s, or ask an administrator for a sign-in link"
            )));
        }
    };
    if let Some(pause) = lock_out::pause_after(number) {
        sign_in_failures::lock(&transaction, name_mac, now + pause).await?;
    }
    transaction.commit().await?;
    Ok(number)
}

/// What the attempts under a name are kept by.
pub(super) fn name_mac(auth: &Auth, name: &str) -> [u8; 32] {
    auth.secrets.mac("sign-in name", name.as_bytes())
}

/// The hash of a password that `name` wants, after the rules.
pub(super) async fn new_hash(
    auth: &Auth,
    field: &'static str,
    password: SecretString,
    name: &str,
) -> Result<String, Error> {
    auth.passwords.check(field, &password, name).await?;
    auth.passwords.hash(password).await
}

/// Keeps a new password and ends what the old one may have let in.
async fn replace_password(
    auth: &Auth,
    transaction: &Transaction<'_>,
    user: &User,
    hash: &str,
    kept: Option<Uuid>,
) -> Result<(), Error> {
    users::set_password(transaction, user.id, hash).await?;
    sign_ins::end_all(transaction, user.id, kept, auth.now()).await?;
    sign_in_links::void_all(transaction, user.id, auth.now()).await
}

/// Lets `user` in: the row, the note, the entry in the audit, and the credential.
pub(super) async fn admit(
    auth: &Auth,
    transaction: &Transaction<'_>,
    origin: &Origin,
    user: User,
    method: &str,
    grant: Grant,
) -> Result<SignedIn, Error> {
    let now = auth.now();
    users::note_sign_in(transaction, user.id, now).await?;
    let id = Uuid::now_v7();
    let (credential, granted) = match grant {
        Grant::Browser { replaces } => {
            if let Some(replaced) = replaces {
                sign_ins::end(transaction, replaced, now).await?;
            }
            (Credential::SignIn(id), browser(auth, transaction, origin, &user, method, id).await?)
        }
        Grant::Token => {
            let expires_at = auth.end_of(ACCESS_LIFETIME);
            let token = auth.keys.sign(Kind::Access, id, user.id, Some(user.epoch), expires_at)?;
            (Credential::Access(id), Granted::Token { token: token.into(), expires_at })
        }
    };
    let caller = Caller {
        address: origin.address,
        request_id: origin.request_id.clone(),
        ..Caller::new(&user.name, user.all_roles(), credential)
    };
    let entry = Entry::new("auth.sign-in", format!("user/{}", user.name)).after(&json!({ "with": method }));
    audit::record(transaction, &caller, entry).await?;
    Ok(SignedIn { id, user: User { last_sign_in_at: Some(now), ..user }, granted })
}

async fn browser(
    auth: &Auth,
    transaction: &Transaction<'_>,
    origin: &Origin,
    user: &User,
    method: &str,
    id: Uuid,
) -> Result<Granted, Error> {
    let now = auth.now();
    let (secret, expires_at) = (random(), auth.end_of(auth.sign_in_limit));
    let sign_in = SignIn { id, method: method.to_owned(), created_at: now, last_seen_at: now, expires_at };
    let user_agent =
        origin.user_agent.as_deref().map(|text| text.chars().take(USER_AGENT_MAX_CHARS).collect::<String>());
    let device = Device { address: origin.address.map(|address| address.to_string()), user_agent };
    sign_ins::insert(transaction, user.id, &sign_in, &sha256(&secret), &device).await?;
    Ok(Granted::Browser { secret: encode_secret(&secret).into(), expires_at })
}

/// Ends everything that lets `user` in: sign-ins, links, tokens. Access tokens end with the account's epoch.
pub(super) async fn end_credentials(auth: &Auth, transaction: &Transaction<'_>, user: Uuid) -> Result<(), Error> {
    let now = auth.now();
    sign_ins::end_all(transaction, user, None, now).await?;
    sign_in_links::void_all(transaction, user, now).await?;
    tokens::revoke_all(transaction, user, now).await
}
