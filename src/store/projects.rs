//! Projects and their members.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::teams::{Kind, from_row};
use crate::{
    Error,
    domain::{
        names::is_dns_label,
        people::{ProjectRole, Team},
    },
};

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

fn role(row: &Row) -> Result<ProjectRole, Error> {
    let word: &str = row.try_get("role")?;
    ProjectRole::from_word(word).ok_or_else(|| Error::internal(format!("a project has no {word}")))
}

/// The projects of `user`, or all of them, by name.
pub async fn list(db: &impl GenericClient, user: Option<&str>) -> Result<Vec<Team>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "SELECT {} FROM projects t
             WHERE $1::text IS NULL OR EXISTS (
                 SELECT FROM project_members m JOIN users u ON u.id = m.user_id WHERE m.project = t.name AND u.name = $1
             ) ORDER BY t.name",
            Kind::Project.columns()
        ))
        .await?;
    db.query(&statement, &[&user]).await?.iter().map(from_row).collect()
}

/// What somebody may do in a project; `None`: they do not belong to it.
pub async fn role_of(db: &impl GenericClient, project: &str, user: &str) -> Result<Option<ProjectRole>, Error> {
    if !is_dns_label(project) {
        return Ok(None);
    }
    let statement = db
        .prepare_cached(
            "SELECT m.role FROM project_members m JOIN users u ON u.id = m.user_id WHERE m.project = $1 AND u.name = $2",
        )
        .await?;
    db.query_opt(&statement, &[&project, &user]).await?.as_ref().map(role).transpose()
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
