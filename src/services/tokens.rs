//! API tokens: personal ones, and those of service accounts.

use std::collections::BTreeSet;

use deadpool_postgres::{Client, Transaction};
use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::audit::{self, Entry};
pub use crate::store::tokens::ApiToken;
use crate::{
    Error,
    auth::{
        Auth, Caller, Credential, Permission,
        jwt::{Kind, PERSONAL_LIFETIME_MAX},
        secret::sha256,
    },
    domain::{fields::FieldError, people::AccountKind},
    store::{
        tokens,
        users::{self, User},
    },
};

/// Most tokens of one person that work at a time.
const MOST: i64 = 100;
/// Most characters of a token's name.
const NAME_MAX_CHARS: usize = 128;
/// The shortest life that makes sense.
const LIFETIME_MIN: SignedDuration = SignedDuration::from_mins(1);

/// What a token is to look like.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What its owner calls it.
    pub name: String,
    /// What it is narrowed to; `None`: all that its owner may do, now and later.
    pub scopes: Option<BTreeSet<Permission>>,
    /// From a minute to 366 days.
    pub expires_in: SignedDuration,
}

/// A page of the caller's tokens, newest first, and how many there are.
pub async fn list(
    auth: &Auth,
    caller: &Caller,
    words: &[String],
    offset: i64,
    limit: i64,
) -> Result<(Vec<ApiToken>, i64), Error> {
    tokens::list(&auth.client().await?, &caller.user, words, offset, limit).await
}

/// The same of the service account `name`.
///
/// # Errors
/// [`Error::NotFound`] where that is none.
pub async fn list_of_service(
    auth: &Auth,
    name: &str,
    words: &[String],
    offset: i64,
    limit: i64,
) -> Result<(Vec<ApiToken>, i64), Error> {
    let client = auth.client().await?;
    service(users::by_name(&client, name).await?, name)?;
    tokens::list(&client, name, words, offset, limit).await
}

/// Makes a token for the caller and returns it with its secret, which is shown this once.
///
/// # Errors
/// [`Error::Forbidden`] for a caller with such a token: whoever finds one must not make themselves more of them.
pub async fn create(auth: &Auth, caller: &Caller, new: NewToken) -> Result<(ApiToken, SecretString), Error> {
    let mut client = begin(auth, caller, &new).await?;
    let transaction = client.transaction().await?;
    let owner = users::by_name_locked(&transaction, &caller.user).await?.ok_or(Error::Unauthenticated)?;
    insert(auth, caller, transaction, &owner, new).await
}

/// Makes a token for the service account `name`, with the scopes that it needs.
///
/// # Errors
/// Those of [`create`]; [`Error::NotFound`] where there is no such account, [`Error::Conflict`] where it is disabled.
pub async fn create_for_service(
    auth: &Auth,
    caller: &Caller,
    name: &str,
    new: NewToken,
) -> Result<(ApiToken, SecretString), Error> {
    if new.scopes.is_none() {
        return Err(Error::field("scopes", "name what the program needs, such as sessions:read"));
    }
    let mut client = begin(auth, caller, &new).await?;
    let transaction = client.transaction().await?;
    let owner = service(users::by_name_locked(&transaction, name).await?, name)?;
    if owner.disabled {
        return Err(Error::Conflict(format!("{name} is disabled: enable the account first")));
    }
    insert(auth, caller, transaction, &owner, new).await
}

/// A connection, once the caller may make such a token.
async fn begin(auth: &Auth, caller: &Caller, new: &NewToken) -> Result<Client, Error> {
    if matches!(caller.credential, Credential::Token(_)) {
        return Err(Error::Forbidden(
            "a token cannot make tokens: sign in, in the browser or with a password".to_owned(),
        ));
    }
    check(new)?;
    auth.client().await
}

async fn insert(
    auth: &Auth,
    caller: &Caller,
    transaction: Transaction<'_>,
    owner: &User,
    new: NewToken,
) -> Result<(ApiToken, SecretString), Error> {
    let now = auth.now();
    if tokens::count_working(&transaction, owner.id, now).await? >= MOST {
        return Err(Error::Conflict(format!("{} has {MOST} tokens: revoke one that is not used", owner.name)));
    }
    let (id, expires_at) = (Uuid::now_v7(), auth.end_of(new.expires_in));
    let secret = auth.keys.sign(Kind::Personal, id, owner.id, None, expires_at)?;
    let scopes = new.scopes.map(|scopes| scopes.iter().map(|scope| scope.word().to_owned()).collect::<Vec<_>>());
    let token = ApiToken { id, name: new.name, scopes, created_at: now, expires_at, last_used_at: None };
    tokens::insert(&transaction, owner.id, &token, &sha256(secret.as_bytes())).await?;
    let mut shown = json!({ "name": token.name, "scopes": token.scopes, "expiresAt": token.expires_at });
    if owner.name != caller.user {
        shown["user"] = owner.name.clone().into();
    }
    audit::record(&transaction, caller, Entry::new("token.create", target(id)).after(&shown)).await?;
    transaction.commit().await?;
    Ok((token, secret.into()))
}

/// Revokes a token of the caller's; it ends at once, everywhere.
///
/// # Errors
/// [`Error::NotFound`] also for tokens of others.
pub async fn revoke(auth: &Auth, caller: &Caller, id: Uuid) -> Result<(), Error> {
    revoke_of(auth, caller, &caller.user, id).await
}

/// Revokes a token of the service account `name`.
///
/// # Errors
/// [`Error::NotFound`] where that is none, or has no such token.
pub async fn revoke_of_service(auth: &Auth, caller: &Caller, name: &str, id: Uuid) -> Result<(), Error> {
    service(users::by_name(&auth.client().await?, name).await?, name)?;
    revoke_of(auth, caller, name, id).await
}

async fn revoke_of(auth: &Auth, caller: &Caller, owner: &str, id: Uuid) -> Result<(), Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let revoked = tokens::revoke(&transaction, owner, id, auth.now()).await?;
    let token = revoked.ok_or_else(|| Error::not_found("token", id.to_string()))?;
    let mut shown = json!({ "name": token.name });
    if owner != caller.user {
        shown["user"] = owner.into();
    }
    audit::record(&transaction, caller, Entry::new("token.revoke", target(id)).before(&shown)).await?;
    transaction.commit().await?;
    auth.forget(owner);
    Ok(())
}

/// The account, if it is a program's. Those of people are theirs to make tokens for.
fn service(found: Option<User>, name: &str) -> Result<User, Error> {
    let program = found.filter(|user| user.kind == AccountKind::Service);
    program.ok_or_else(|| Error::not_found("service account", name))
}

fn check(new: &NewToken) -> Result<(), Error> {
    let mut wrong = Vec::new();
    if new.name.trim().is_empty() || new.name.chars().count() > NAME_MAX_CHARS || new.name.chars().any(char::is_control)
    {
        wrong.push(FieldError::new("name", format!("use 1 to {NAME_MAX_CHARS} characters that say what it is for")));
    }
    if new.scopes.as_ref().is_some_and(BTreeSet::is_empty) {
        wrong.push(FieldError::new("scopes", "leave it away for everything that you may do, or name at least one"));
    }
    if !(LIFETIME_MIN..=PERSONAL_LIFETIME_MAX).contains(&new.expires_in) {
        wrong.push(FieldError::new("expiresIn", "choose between 1m and 8784h, such as 720h"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

fn target(id: Uuid) -> String {
    format!("token/{id}")
}
