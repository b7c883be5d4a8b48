//! Projects and their members.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::{Row, error::SqlState};
use uuid::Uuid;

use crate::{Error, domain::people::ProjectRole};

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// A DNS label; never changes.
    pub name: String,
    /// What is shown; may be empty.
    pub display_name: String,
    /// Grows with each change that is shown.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many people belong to it.
    pub members: i64,
}

/// Somebody who belongs to a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The person's name.
    pub user: String,
    /// What is shown for them; may be empty.
    pub display_name: String,
    /// What they may do there.
    pub role: ProjectRole,
    /// Since when they belong to it.
    pub since: Timestamp,
}

const COLUMNS: &str = "p.name, p.display_name, p.version, p.created_at, \
     (SELECT count(*) FROM project_members m WHERE m.project = p.name) AS members";

fn from_row(row: &Row) -> Result<Project, Error> {
    Ok(Project {
        name: row.try_get("name")?,
        display_name: row.try_get("display_name")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        members: row.try_get("members")?,
    })
}

fn role(row: &Row) -> Result<ProjectRole, Error> {
    let word: &str = row.try_get("role")?;
    ProjectRole::from_word(word).ok_or_else(|| Error::internal(format!("a project has no {word}")))
}

/// The projects of `user`, or all of them, by name.
pub async fn list(db: &impl GenericClient, user: Option<&str>) -> Result<Vec<Project>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM projects p
             WHERE $1::text IS NULL OR EXISTS (
                 SELECT FROM project_members m JOIN users u ON u.id = m.user_id WHERE m.project = p.name AND u.name = $1
             ) ORDER BY p.name"
        ))
        .await?;
    db.query(&statement, &[&user]).await?.iter().map(from_row).collect()
}

/// The project of that name; within a transaction it stays as it is until that ends.
pub async fn by_name_locked(db: &impl GenericClient, name: &str) -> Result<Option<Project>, Error> {
    let statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM projects p WHERE p.name = $1 FOR UPDATE")).await?;
    db.query_opt(&statement, &[&name]).await?.as_ref().map(from_row).transpose()
}

/// What somebody may do in a project; `None`: they do not belong to it.
pub async fn role_of(db: &impl GenericClient, project: &str, user: &str) -> Result<Option<ProjectRole>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT m.role FROM project_members m JOIN users u ON u.id = m.user_id WHERE m.project = $1 AND u.name = $2",
        )
        .await?;
    db.query_opt(&statement, &[&project, &user]).await?.as_ref().map(role).transpose()
}

/// Adds a project.
///
/// # Errors
/// [`Error::AlreadyExists`] for a name that is in use.
pub async fn insert(db: &impl GenericClient, project: &Project) -> Result<(), Error> {
    let statement = db
        .prepare_cached("INSERT INTO projects (name, display_name, version, created_at) VALUES ($1, $2, $3, $4)")
        .await?;
    let Project { name, display_name, version, created_at, members: _ } = project;
    match db.execute(&statement, &[name, display_name, version, created_at]).await {
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            Err(Error::AlreadyExists { kind: "project", name: name.clone() })
        }
        other => Ok(other.map(drop)?),
    }
}

/// Writes what can be changed about `project`; its version becomes one more than it says.
pub async fn update(db: &impl GenericClient, project: &Project) -> Result<(), Error> {
    let statement =
        db.prepare_cached("UPDATE projects SET display_name = $2, version = $3::bigint + 1 WHERE name = $1").await?;
    db.execute(&statement, &[&project.name, &project.display_name, &project.version]).await?;
    Ok(())
}

/// Removes a project with its memberships.
pub async fn delete(db: &impl GenericClient, name: &str) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM projects WHERE name = $1").await?;
    db.execute(&statement, &[&name]).await?;
    Ok(())
}

/// Who belongs to a project, by name.
pub async fn members(db: &impl GenericClient, project: &str) -> Result<Vec<Member>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT u.name, u.display_name, m.role, m.added_at FROM project_members m JOIN users u ON u.id = m.user_id
             WHERE m.project = $1 ORDER BY u.name",
        )
        .await?;
    let member = |row: &Row| {
        Ok(Member {
            user: row.try_get("name")?,
            display_name: row.try_get("display_name")?,
            role: role(row)?,
            since: row.try_get("added_at")?,
        })
    };
    db.query(&statement, &[&project]).await?.iter().map(member).collect()
}

/// Lets somebody belong to a project in that role; `false`: they did already.
pub async fn join(
    db: &impl GenericClient,
    project: &str,
    user: Uuid,
    role: ProjectRole,
    now: Timestamp,
) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "WITH joined AS (
                 INSERT INTO project_members (project, user_id, role, added_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (project, user_id) DO UPDATE SET role = excluded.role
                 WHERE project_members.role <> excluded.role RETURNING project
             )
             UPDATE projects SET version = version + 1 WHERE name IN (SELECT project FROM joined)",
        )
        .await?;
    Ok(db.execute(&statement, &[&project, &user, &role.word(), &now]).await? == 1)
}

/// Ends a membership; `false`: there was none.
pub async fn leave(db: &impl GenericClient, project: &str, user: Uuid) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "WITH gone AS (DELETE FROM project_members WHERE project = $1 AND user_id = $2 RETURNING project)
             UPDATE projects SET version = version + 1 WHERE name IN (SELECT project FROM gone)",
        )
        .await?;
    Ok(db.execute(&statement, &[&project, &user]).await? == 1)
}

/// Ends every membership of somebody.
pub async fn leave_all(db: &impl GenericClient, user: Uuid) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "WITH gone AS (DELETE FROM project_members WHERE user_id = $1 RETURNING project)
             UPDATE projects SET version = version + 1 WHERE name IN (SELECT project FROM gone)",
        )
        .await?;
    db.execute(&statement, &[&user]).await?;
    Ok(())
}
