//! Groups of people.

use serde::Serialize;

use super::{
    at_version,
    audit::{self, Entry},
};
use crate::{
    Error,
    auth::{Auth, Caller},
    domain::quota::Subject,
    store::{
        groups, quotas,
        teams::{self, Kind},
        users,
    },
};
pub use crate::{domain::people::Team, store::groups::Member};

/// A group as the audit shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    name: &'a str,
    display_name: &'a str,
}

impl<'a> From<&'a Team> for Shown<'a> {
    fn from(group: &'a Team) -> Self {
        Self { name: &group.name, display_name: &group.display_name }
    }
}

/// A page of the groups in which each of `words` occurs, and how many there are in all.
pub async fn list(auth: &Auth, words: &[String], offset: i64, limit: i64) -> Result<(Vec<Team>, i64), Error> {
    groups::list(&auth.client().await?, words, offset, limit).await
}

/// The group of that name.
pub async fn get(auth: &Auth, name: &str) -> Result<Team, Error> {
    teams::by_name(&auth.client().await?, Kind::Group, name).await?.ok_or_else(|| Error::not_found("group", name))
}

/// Makes a group without members.
///
/// # Errors
/// [`Error::AlreadyExists`] for a name that is in use.
pub async fn create(auth: &Auth, caller: &Caller, name: String, display_name: String) -> Result<Team, Error> {
    let group = Team::new(name, display_name, auth.now()).map_err(Error::Invalid)?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    teams::insert(&transaction, Kind::Group, &group).await?;
    let entry = Entry::new("group.create", target(&group.name)).after(&Shown::from(&group));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    Ok(group)
}

/// Changes what is shown of a group. `version`: what it has to be at, where the caller said so.
///
/// # Errors
/// [`Error::Stale`] for another version.
pub async fn change(
    auth: &Auth,
    caller: &Caller,
    name: &str,
    version: Option<i64>,
    display_name: Option<String>,
) -> Result<Team, Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let before = locked(&transaction, name, version).await?;
    let after = before.shown_as(display_name).map_err(|wrong| Error::Invalid(vec![wrong]))?;
    let Some(after) = after else { return Ok(before) };
    teams::update(&transaction, Kind::Group, &after).await?;
    let entry = Entry::new("group.change", target(name)).before(&Shown::from(&before)).after(&Shown::from(&after));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    Ok(after)
}

/// Deletes a group; its members stay.
///
/// # Errors
/// [`Error::Stale`] for another version.
pub async fn delete(auth: &Auth, caller: &Caller, name: &str, version: Option<i64>) -> Result<(), Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let group = locked(&transaction, name, version).await?;
    teams::delete(&transaction, Kind::Group, name).await?;
    quotas::remove(&transaction, &Subject::Group(name.to_owned())).await?;
    let entry = Entry::new("group.delete", target(name)).before(&Shown::from(&group));
    audit::record(&transaction, caller, entry).await?;
    Ok(transaction.commit().await?)
}

/// Who belongs to a group, by name.
pub async fn members(auth: &Auth, name: &str) -> Result<Vec<Member>, Error> {
    get(auth, name).await?;
    groups::members(&auth.client().await?, name).await
}

/// Lets somebody belong to a group; once they do, again changes nothing.
pub async fn join(auth: &Auth, caller: &Caller, group: &str, user: &str) -> Result<(), Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    locked(&transaction, group, None).await?;
    let person = person(&transaction, user).await?;
    if groups::join(&transaction, group, person.id, groups::MANUAL, auth.now()).await? {
        let entry = Entry::new("group.join", target(group)).after(&serde_json::json!({ "member": user }));
        audit::record(&transaction, caller, entry).await?;
    }
    Ok(transaction.commit().await?)
}

/// Ends somebody's membership. One that an identity provider gives comes back with their next sign-in there.
///
/// # Errors
/// [`Error::NotFound`] for one who is no member.
pub async fn leave(auth: &Auth, caller: &Caller, group: &str, user: &str) -> Result<(), Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    locked(&transaction, group, None).await?;
    let person = person(&transaction, user).await?;
    if !teams::leave(&transaction, Kind::Group, group, person.id).await? {
        return Err(Error::not_found("member", user));
    }
    let entry = Entry::new("group.leave", target(group)).before(&serde_json::json!({ "member": user }));
    audit::record(&transaction, caller, entry).await?;
    Ok(transaction.commit().await?)
}

/// The names of the groups that somebody belongs to, sorted.
pub async fn of_user(auth: &Auth, user: &str) -> Result<Vec<String>, Error> {
    let client = auth.client().await?;
    person(&client, user).await?;
    groups::of_user(&client, user).await
}

async fn person(db: &impl deadpool_postgres::GenericClient, name: &str) -> Result<users::User, Error> {
    users::by_name(db, name).await?.ok_or_else(|| Error::not_found("user", name))
}

async fn locked(
    transaction: &deadpool_postgres::Transaction<'_>,
    name: &str,
    version: Option<i64>,
) -> Result<Team, Error> {
    let group = teams::by_name_locked(transaction, Kind::Group, name).await?;
    let group = group.ok_or_else(|| Error::not_found("group", name))?;
    at_version(version, group.version)?;
    Ok(group)
}

fn target(name: &str) -> String {
    format!("group/{name}")
}
