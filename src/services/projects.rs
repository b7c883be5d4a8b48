//! Projects: what several people work at.

use deadpool_postgres::{GenericClient, Transaction};
use serde_json::json;

use super::{
    at_version,
    audit::{self, Entry},
};
use crate::{
    Error,
    auth::{Auth, Caller, Permission},
    domain::{people::ProjectRole, quota::Subject},
    store::{
        projects, quotas,
        teams::{self, Kind},
        users,
    },
};
pub use crate::{domain::people::Team, store::projects::Member};

/// What the caller may do with a project that they may know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Right {
    See,
    Manage,
}

/// What the caller may do with the project; `None`: not even know of it.
async fn right(db: &impl GenericClient, caller: &Caller, name: &str) -> Result<Option<Right>, Error> {
    if caller.may(Permission::ProjectsWrite) {
        return Ok(Some(Right::Manage));
    }
    let sees_all = caller.may(Permission::ProjectsReadAll).then_some(Right::See);
    Ok(match projects::role_of(db, name, &caller.user).await? {
        Some(ProjectRole::Manager) => Some(Right::Manage),
        Some(ProjectRole::Member) => Some(Right::See),
        None => sees_all,
    })
}

/// Refuses a caller who may not know of the project. What they may do with it, if it is there.
async fn visible(db: &impl GenericClient, caller: &Caller, name: &str) -> Result<Right, Error> {
    right(db, caller, name).await?.ok_or_else(|| Error::not_found("project", name))
}

/// The project, locked, if the caller has that right. `version`: what it has to be at, where the caller said so.
async fn locked(
    transaction: &Transaction<'_>,
    caller: &Caller,
    name: &str,
    needed: Right,
    version: Option<i64>,
) -> Result<Team, Error> {
    let right = visible(transaction, caller, name).await?;
    let project = teams::by_name_locked(transaction, Kind::Project, name).await?;
    let project = project.ok_or_else(|| Error::not_found("project", name))?;
    if right < needed {
        return Err(Error::Forbidden("only managers of the project do that: ask one of them".into()));
    }
    at_version(version, project.version)?;
    Ok(project)
}

/// The projects that the caller belongs to; with `projects:read-all` all of them. By name.
pub async fn list(auth: &Auth, caller: &Caller) -> Result<Vec<Team>, Error> {
    let all = caller.may(Permission::ProjectsReadAll);
    projects::list(&auth.client().await?, (!all).then_some(caller.user.as_str())).await
}

/// The project of that name, if the caller may know of it.
pub async fn get(auth: &Auth, caller: &Caller, name: &str) -> Result<Team, Error> {
    let client = auth.client().await?;
    visible(&client, caller, name).await?;
    teams::by_name(&client, Kind::Project, name).await?.ok_or_else(|| Error::not_found("project", name))
}

/// Makes a project whose first manager is `manager`.
///
/// # Errors
/// [`Error::AlreadyExists`] for a name that is in use.
pub async fn create(
    auth: &Auth,
    caller: &Caller,
    name: String,
    display_name: String,
    manager: Option<&str>,
) -> Result<Team, Error> {
    let mut project = Team::new(name, display_name, auth.now()).map_err(Error::Invalid)?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    teams::insert(&transaction, Kind::Project, &project).await?;
    if let Some(manager) = manager {
        let missing = || Error::field("manager", format!("there is no account “{manager}”"));
        let person = users::by_name(&transaction, manager).await?.ok_or_else(missing)?;
        projects::join(&transaction, &project.name, person.id, ProjectRole::Manager, auth.now()).await?;
        (project.members, project.version) = (1, 2);
    }
    let shown = json!({ "name": project.name, "displayName": project.display_name, "manager": manager });
    audit::record(&transaction, caller, Entry::new("project.create", target(&project.name)).after(&shown)).await?;
    transaction.commit().await?;
    Ok(project)
}

/// Changes what is shown of a project. `version`: what it has to be at, where the caller said so.
///
/// # Errors
/// [`Error::Stale`] for another version, [`Error::Forbidden`] for one who is no manager.
pub async fn change(
    auth: &Auth,
    caller: &Caller,
    name: &str,
    version: Option<i64>,
    display_name: Option<String>,
) -> Result<Team, Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let before = locked(&transaction, caller, name, Right::Manage, version).await?;
    let after = before.shown_as(display_name).map_err(|wrong| Error::Invalid(vec![wrong]))?;
    let Some(after) = after else { return Ok(before) };
    teams::update(&transaction, Kind::Project, &after).await?;
    let shown = |project: &Team| json!({ "displayName": project.display_name });
    let entry = Entry::new("project.change", target(name)).before(&shown(&before)).after(&shown(&after));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    Ok(after)
}

/// Deletes a project; its sessions stay, each with its owner.
///
/// # Errors
/// [`Error::Stale`] for another version.
pub async fn delete(auth: &Auth, caller: &Caller, name: &str, version: Option<i64>) -> Result<(), Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let project = locked(&transaction, caller, name, Right::Manage, version).await?;
    teams::delete(&transaction, Kind::Project, name).await?;
    quotas::remove(&transaction, &Subject::Project(name.to_owned())).await?;
    let shown = json!({ "displayName": project.display_name });
    audit::record(&transaction, caller, Entry::new("project.delete", target(name)).before(&shown)).await?;
    Ok(transaction.commit().await?)
}

/// Who belongs to a project, by name.
pub async fn members(auth: &Auth, caller: &Caller, name: &str) -> Result<Vec<Member>, Error> {
    get(auth, caller, name).await?;
    projects::members(&auth.client().await?, name).await
}

/// Lets somebody belong to a project in that role.
///
/// # Errors
/// [`Error::Forbidden`] for one who is no manager.
pub async fn join(auth: &Auth, caller: &Caller, name: &str, user: &str, role: ProjectRole) -> Result<(), Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    locked(&transaction, caller, name, Right::Manage, None).await?;
    let person = users::by_name(&transaction, user).await?.ok_or_else(|| Error::not_found("user", user))?;
    if projects::join(&transaction, name, person.id, role, auth.now()).await? {
        let shown = json!({ "member": user, "role": role });
        audit::record(&transaction, caller, Entry::new("project.join", target(name)).after(&shown)).await?;
    }
    Ok(transaction.commit().await?)
}

/// Ends somebody's membership; one's own anybody may end.
///
/// # Errors
/// [`Error::Forbidden`] for one who is no manager, [`Error::NotFound`] for one who is no member.
pub async fn leave(auth: &Auth, caller: &Caller, name: &str, user: &str) -> Result<(), Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let needed = if user == caller.user { Right::See } else { Right::Manage };
    locked(&transaction, caller, name, needed, None).await?;
    let left = match users::by_name(&transaction, user).await? {
        Some(person) => teams::leave(&transaction, Kind::Project, name, person.id).await?,
        None => false,
    };
    if !left {
        return Err(Error::not_found("member", user));
    }
    let shown = json!({ "member": user });
    audit::record(&transaction, caller, Entry::new("project.leave", target(name)).before(&shown)).await?;
    Ok(transaction.commit().await?)
}

fn target(name: &str) -> String {
    format!("project/{name}")
}
