//! Accounts: who there is, and what they may do.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use super::{
    at_version,
    audit::{self, Entry},
    sign_in,
};
pub use crate::auth::FIRST_ADMINISTRATOR;
pub use crate::store::users::{Query, SortKey, User};
use crate::{
    Error,
    auth::{
        Auth, Caller, Credential, Role, encode_secret,
        secret::{random, sha256},
    },
    domain::{
        people::{AccountKind, check_display_name, check_email, check_name},
        quota::Subject,
    },
    store::{
        identities, quotas, shares, sign_in_failures, sign_in_links,
        teams::{self, Kind},
        users,
    },
};

/// How long the link of the very first administrator works.
const FIRST_LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// How long other links work: whoever gets one by mail reads it the next day.
const LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// What an account is to look like.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// A DNS label that nobody had before.
    pub name: String,
    /// What is shown; may be empty.
    pub display_name: String,
    /// Where the person reads mail.
    pub email: Option<String>,
    /// What they may do; not empty.
    pub roles: BTreeSet<Role>,
}

/// What to change; `None` leaves a part as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What is shown.
    pub display_name: Option<String>,
    /// `Some(None)` removes it.
    pub email: Option<Option<String>>,
    /// What they may do; not empty.
    pub roles: Option<BTreeSet<Role>>,
    /// Whether they are kept out.
    pub disabled: Option<bool>,
}

/// A one-time sign-in link; whoever has it is that person.
#[derive(Clone, Debug)]
pub struct Link {
    /// What belongs behind `#link=` of the page `/sign-in`.
    pub secret: SecretString,
    /// Until then.
    pub expires_at: Timestamp,
}

/// An account as the audit shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "is_person")]
    kind: AccountKind,
    display_name: &'a str,
    email: Option<&'a str>,
    roles: &'a BTreeSet<Role>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    mapped_roles: &'a BTreeSet<Role>,
    disabled: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_person(kind: &AccountKind) -> bool {
    *kind == AccountKind::Person
}

impl<'a> From<&'a User> for Shown<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            name: &user.name,
            kind: user.kind,
            display_name: &user.display_name,
            email: user.email.as_deref(),
            roles: &user.roles,
            mapped_roles: &user.mapped_roles,
            disabled: user.disabled,
        }
    }
}

/// A page of accounts, and how many there are in all.
pub async fn list(auth: &Auth, query: &Query) -> Result<(Vec<User>, i64), Error> {
    users::list(&auth.client().await?, query).await
}

/// The account of that name.
pub async fn get(auth: &Auth, name: &str) -> Result<User, Error> {
    users::by_name(&auth.client().await?, name).await?.ok_or_else(|| Error::not_found("user", name))
}

/// Makes an account, and a link with which its owner signs in and sets a password.
///
/// # Errors
/// [`Error::AlreadyExists`] for a name that is or was in use.
pub async fn create(auth: &Auth, caller: &Caller, new: NewUser) -> Result<(User, Link), Error> {
    let user = made(auth, new, AccountKind::Person)?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    users::insert(&transaction, &user).await?;
    let link = make_link(auth, &transaction, &user, &caller.user, LINK_LIFETIME).await?;
    record_made(&transaction, caller, &user).await?;
    transaction.commit().await?;
    Ok((user, link))
}

/// Makes an account of a program, which is let in by tokens alone.
///
/// # Errors
/// [`Error::AlreadyExists`] for a name that is or was in use.
pub async fn create_service(auth: &Auth, caller: &Caller, new: NewUser) -> Result<User, Error> {
    let user = made(auth, new, AccountKind::Service)?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    users::insert(&transaction, &user).await?;
    record_made(&transaction, caller, &user).await?;
    transaction.commit().await?;
    Ok(user)
}

/// An account as it was asked for.
fn made(auth: &Auth, new: NewUser, kind: AccountKind) -> Result<User, Error> {
    check(&new.name, &new.display_name, new.email.as_deref(), &new.roles)?;
    let NewUser { name, display_name, email, roles } = new;
    Ok(User { kind, display_name, email, roles, ..User::new(name, auth.now()) })
}

async fn record_made(transaction: &Transaction<'_>, caller: &Caller, user: &User) -> Result<(), Error> {
    let entry = Entry::new("user.create", target(&user.name)).after(&Shown::from(user));
    audit::record(transaction, caller, entry).await
}

/// Changes an account. `version`: what it has to be at, where the caller said so.
///
/// Disabling ends sign-ins, tokens and links in the same transaction.
///
/// # Errors
/// [`Error::Stale`] for another version, [`Error::Conflict`] if no administrator would be left.
pub async fn change(
    auth: &Auth,
    caller: &Caller,
    name: &str,
    version: Option<i64>,
    change: Change,
) -> Result<User, Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let administrators = users::administrators_locked(&transaction).await?;
    let before = locked(&transaction, name, version).await?;
    let mut after = before.clone();
    after.display_name = change.display_name.unwrap_or(after.display_name);
    after.email = change.email.unwrap_or(after.email);
    after.roles = change.roles.unwrap_or(after.roles);
    after.disabled = change.disabled.unwrap_or(after.disabled);
    check(&after.name, &after.display_name, after.email.as_deref(), &after.all_roles())?;
    if after == before {
        return Ok(before);
    }
    if after.disabled || !after.roles.contains(&Role::Admin) {
        keep_one(&administrators, &before)?;
    }
    if after.disabled && !before.disabled {
        sign_in::end_credentials(auth, &transaction, after.id).await?;
        // Access tokens have no row: those of an older epoch have ended, also when the account is enabled again.
        after.epoch += 1;
    }
    users::update(&transaction, &after).await?;
    let entry = Entry::new(action(&before, &after), target(name)).before(&Shown::from(&before));
    audit::record(&transaction, caller, entry.after(&Shown::from(&after))).await?;
    transaction.commit().await?;
    auth.forget(name);
    Ok(User { version: after.version + 1, ..after })
}

fn action(before: &User, after: &User) -> &'static str {
    match (before.disabled, after.disabled) {
        (false, true) => "user.disable",
        (true, false) => "user.enable",
        _ => "user.change",
    }
}

/// Deletes an account: whatever lets its owner in ends, what is known of them is erased, the name stays taken.
///
/// # Errors
/// [`Error::Stale`] for another version, [`Error::Conflict`] if no administrator would be left.
pub async fn delete(auth: &Auth, caller: &Caller, name: &str, version: Option<i64>) -> Result<(), Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let administrators = users::administrators_locked(&transaction).await?;
    let user = locked(&transaction, name, version).await?;
    keep_one(&administrators, &user)?;
    sign_in::end_credentials(auth, &transaction, user.id).await?;
    for kind in [Kind::Group, Kind::Project] {
        teams::leave_all(&transaction, kind, user.id).await?;
    }
    shares::leave_all(&transaction, user.id).await?;
    quotas::remove(&transaction, &Subject::User(name.to_owned())).await?;
    identities::forget(&transaction, user.id).await?;
    users::erase(&transaction, user.id, auth.now()).await?;
    audit::record(&transaction, caller, Entry::new("user.delete", target(name))).await?;
    transaction.commit().await?;
    auth.forget(name);
    Ok(())
}

/// Makes a link for an account that is there: for a lost password. The ones before no longer work, and the name is
/// no longer locked.
///
/// # Errors
/// [`Error::Conflict`] for an account that is disabled, or a program's.
pub async fn sign_in_link(auth: &Auth, caller: &Caller, name: &str) -> Result<Link, Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let user = locked(&transaction, name, None).await?;
    if user.disabled {
        return Err(Error::Conflict(format!("{name} is disabled: enable the account first")));
    }
    if user.kind == AccountKind::Service {
        return Err(Error::Conflict(format!("{name} is a program's account: make it a token")));
    }
    sign_in_failures::forget(&transaction, &sign_in::name_mac(auth, name)).await?;
    let link = make_link(auth, &transaction, &user, &caller.user, LINK_LIFETIME).await?;
    audit::record(&transaction, caller, Entry::new("user.sign-in-link", target(name))).await?;
    transaction.commit().await?;
    Ok(link)
}

/// Sees to it that there is an administrator, and while nobody ever signed in makes them a link.
pub async fn first_link(auth: &Auth) -> Result<Option<Link>, Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let (any, signed_in) = users::beginnings_locked(&transaction).await?;
    if !any {
        let console = Caller::new(FIRST_ADMINISTRATOR, [Role::Admin], Credential::Console);
        let user = first_administrator(auth.now());
        users::insert(&transaction, &user).await?;
        record_made(&transaction, &console, &user).await?;
    }
    let wanted = !signed_in && sign_in::local_accounts(auth).is_ok();
    let first = users::by_name(&transaction, FIRST_ADMINISTRATOR).await?;
    let link = match first.filter(|user| wanted && !user.disabled && user.roles.contains(&Role::Admin)) {
        Some(user) => Some(make_link(auth, &transaction, &user, "start", FIRST_LINK_LIFETIME).await?),
        None => None,
    };
    transaction.commit().await?;
    Ok(link)
}

fn first_administrator(now: Timestamp) -> User {
    User {
        display_name: "Administrator".to_owned(),
        roles: BTreeSet::from([Role::Admin]),
        ..User::new(FIRST_ADMINISTRATOR.to_owned(), now)
    }
}

async fn make_link(
    auth: &Auth,
    transaction: &Transaction<'_>,
    user: &User,
    by: &str,
    lifetime: SignedDuration,
) -> Result<Link, Error> {
    let (secret, expires_at) = (random(), auth.end_of(lifetime));
    sign_in_links::replace(transaction, user.id, &sha256(&secret), by, auth.now(), expires_at).await?;
    Ok(Link { secret: encode_secret(&secret).into(), expires_at })
}

async fn locked(transaction: &Transaction<'_>, name: &str, version: Option<i64>) -> Result<User, Error> {
    let user = users::by_name_locked(transaction, name).await?.ok_or_else(|| Error::not_found("user", name))?;
    at_version(version, user.version)?;
    Ok(user)
}

/// Refuses to take away the last administrator who can sign in.
fn keep_one(administrators: &[Uuid], user: &User) -> Result<(), Error> {
    if administrators == [user.id] {
        return Err(Error::Conflict(format!("{} is the last administrator: make another one first", user.name)));
    }
    Ok(())
}

fn check(name: &str, display_name: &str, email: Option<&str>, roles: &BTreeSet<Role>) -> Result<(), Error> {
    let no_role = roles.is_empty();
    let missing = crate::domain::fields::FieldError::new("roles", "give at least one role");
    let wrong: Vec<_> = [
        check_name(name).err(),
        check_display_name(display_name).err(),
        email.and_then(|email| check_email(email).err()),
        no_role.then_some(missing),
    ]
    .into_iter()
    .flatten()
    .collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

fn target(name: &str) -> String {
    format!("user/{name}")
}
