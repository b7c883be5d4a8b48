//! Personal API tokens.

use std::collections::BTreeSet;

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
    domain::fields::FieldError,
    store::{tokens, users},
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

/// Makes a token for the caller and returns it with its secret, which is shown this once.
///
/// # Errors
/// [`Error::Forbidden`] for a caller with such a token: whoever finds one must not make themselves more of them.
pub async fn create(auth: &Auth, caller: &Caller, new: NewToken) -> Result<(ApiToken, SecretString), Error> {
    if matches!(caller.credential, Credential::Token(_)) {
        return Err(Error::Forbidden(
            "a token cannot make tokens: sign in, in the browser or with a password".to_owned(),
        ));
    }
    check(&new)?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let user = users::by_name_locked(&transaction, &caller.user).await?.ok_or(Error::Unauthenticated)?;
    let now = auth.now();
    if tokens::count_working(&transaction, user.id, now).await? >= MOST {
        return Err(Error::Conflict(format!("you have {MOST} tokens: revoke one that you do not use")));
    }
    let (id, expires_at) = (Uuid::now_v7(), auth.end_of(new.expires_in));
    let secret = auth.keys.sign(Kind::Personal, id, user.id, None, expires_at)?;
    let scopes = new.scopes.map(|scopes| scopes.iter().map(|scope| scope.word().to_owned()).collect::<Vec<_>>());
    let token = ApiToken { id, name: new.name, scopes, created_at: now, expires_at, last_used_at: None };
    tokens::insert(&transaction, user.id, &token, &sha256(secret.as_bytes())).await?;
    let shown = json!({ "name": token.name, "scopes": token.scopes, "expiresAt": token.expires_at });
    audit::record(&transaction, caller, Entry::new("token.create", target(id)).after(&shown)).await?;
    transaction.commit().await?;
    Ok((token, secret.into()))
}

/// Revokes a token of the caller's; it ends at once, everywhere.
///
/// # Errors
/// [`Error::NotFound`] also for tokens of others.
pub async fn revoke(auth: &Auth, caller: &Caller, id: Uuid) -> Result<(), Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let revoked = tokens::revoke(&transaction, &caller.user, id, auth.now()).await?;
    let token = revoked.ok_or_else(|| Error::not_found("token", id.to_string()))?;
    let shown = json!({ "name": token.name });
    audit::record(&transaction, caller, Entry::new("token.revoke", target(id)).before(&shown)).await?;
    transaction.commit().await?;
    auth.forget(&caller.user);
    Ok(())
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
