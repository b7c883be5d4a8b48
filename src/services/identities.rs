//! Who people are at identity providers: two identities are two people until an administrator joins them.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use serde_json::json;
use uuid::Uuid;

use super::audit::{self, Entry};
pub use crate::store::identities::Identity;
use crate::{
    Error,
    auth::{Auth, Caller},
    domain::{fields::FieldError, sso::is_text},
    store::{
        groups,
        identities::{self, Who},
        users::{self, User},
    },
};

/// The identities of a person, the oldest first.
pub async fn list(auth: &Auth, user: &str) -> Result<Vec<Identity>, Error> {
    let client = auth.client().await?;
    let found = users::by_name(&client, user).await?;
    identities::of_user(&client, found.ok_or_else(|| Error::not_found("user", user))?.id).await
}

/// Joins an identity to a person. Whoever had it has it no longer, nor what it gave them.
pub async fn join(auth: &Auth, caller: &Caller, user: &str, issuer: &str, subject: &str) -> Result<Identity, Error> {
    check(issuer, subject)?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let who = Who { issuer, subject };
    identities::lock(&transaction, who).await?;
    let to = locked(&transaction, user).await?;
    let had = identities::find(&transaction, who).await?.map(|(id, _)| id);
    if had == Some(to.id) {
        return Err(Error::Conflict(format!("{user} has this identity already")));
    }
    let from = match had {
        Some(id) => users::by_id_locked(&transaction, id).await?,
        None => None,
    };
    if let Some(from) = &from {
        part(auth, caller, &transaction, from, who).await?;
    }
    let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
    let identity = Identity { id: Uuid::now_v7(), issuer, subject, created_at: auth.now(), last_sign_in_at: None };
    identities::insert(&transaction, to.id, &identity).await?;
    let entry = Entry::new("user.join-identity", format!("user/{user}")).after(&shown(who));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    auth.forget(user);
    if let Some(from) = from {
        auth.forget(&from.name);
    }
    Ok(identity)
}

/// Takes an identity from a person: whoever signs in with it next is somebody new.
pub async fn leave(auth: &Auth, caller: &Caller, user: &str, id: &str) -> Result<(), Error> {
    let missing = || Error::not_found("identity", id);
    let id = Uuid::parse_str(id).map_err(|_| missing())?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let person = locked(&transaction, user).await?;
    let all = identities::of_user(&transaction, person.id).await?;
    let identity = all.iter().find(|identity| identity.id == id).ok_or_else(missing)?;
    let who = Who { issuer: &identity.issuer, subject: &identity.subject };
    part(auth, caller, &transaction, &person, who).await?;
    transaction.commit().await?;
    auth.forget(user);
    Ok(())
}

/// Takes `who` from `user`, with the roles and the groups that came through it.
async fn part(
    auth: &Auth,
    caller: &Caller,
    transaction: &Transaction<'_>,
    user: &User,
    who: Who<'_>,
) -> Result<(), Error> {
    let roles = identities::roles_elsewhere(transaction, user.id, who).await?;
    identities::delete(transaction, who).await?;
    if roles != user.mapped_roles {
        users::set_mapped_roles(transaction, user.id, &roles).await?;
    }
    let left = identities::of_user(transaction, user.id).await?;
    if left.iter().all(|identity| identity.issuer != who.issuer) {
        groups::set_of_source(transaction, user.id, who.issuer, &BTreeSet::new(), auth.now()).await?;
    }
    let entry = Entry::new("user.part-identity", format!("user/{}", user.name)).before(&shown(who));
    audit::record(transaction, caller, entry).await
}

async fn locked(transaction: &Transaction<'_>, user: &str) -> Result<User, Error> {
    users::by_name_locked(transaction, user).await?.ok_or_else(|| Error::not_found("user", user))
}

fn check(issuer: &str, subject: &str) -> Result<(), Error> {
    let rule = "write it as the provider does, in at most 500 bytes";
    let wrong: Vec<FieldError> = [("issuer", issuer), ("subject", subject)]
        .into_iter()
        .filter(|(_, text)| !is_text(text))
        .map(|(field, _)| FieldError::new(field, rule))
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

fn shown(who: Who<'_>) -> serde_json::Value {
    json!({ "issuer": who.issuer, "subject": who.subject })
}
