//! What groups and projects have in common: a name, what is shown, a version, and members.

use deadpool_postgres::GenericClient;
use tokio_postgres::{Row, error::SqlState};
use uuid::Uuid;

use crate::{
    Error,
    domain::{names::is_dns_label, people::Team},
};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tables `groups` and `group_members`.
    Group,
    /// Tables `projects` and `project_members`.
    Project,
}

impl Kind {
    /// As people call it.
    const fn word(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Project => "project",
        }
    }

    /// The table, that of its members, and what names it there.
    const fn tables(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Group => ("groups", "group_members", "group_name"),
            Self::Project => ("projects", "project_members", "project"),
        }
    }

    /// The columns of a [`Team`], in a query where its table is called `t`.
    pub(super) fn columns(self) -> String {
        let (_, members, named) = self.tables();
        format!(
            "t.name, t.display_name, t.version, t.created_at,
             (SELECT count(DISTINCT m.user_id) FROM {members} m WHERE m.{named} = t.name) AS members"
        )
    }
}

/// The team in `row`, which has [`Kind::columns`].
pub(super) fn from_row(row: &Row) -> Result<Team, Error> {
    Ok(Team {
        name: row.try_get("name")?,
        display_name: row.try_get("display_name")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        members: row.try_get("members")?,
    })
}

/// The one of that name.
pub async fn by_name(db: &impl GenericClient, kind: Kind, name: &str) -> Result<Option<Team>, Error> {
    one(db, kind, name, "").await
}

/// The one of that name, locked until the transaction ends.
pub async fn by_name_locked(db: &impl GenericClient, kind: Kind, name: &str) -> Result<Option<Team>, Error> {
    one(db, kind, name, "FOR UPDATE").await
}

async fn one(db: &impl GenericClient, kind: Kind, name: &str, lock: &str) -> Result<Option<Team>, Error> {
    if !is_dns_label(name) {
        return Ok(None);
    }
    let (table, _, _) = kind.tables();
    let query = format!("SELECT {} FROM {table} t WHERE t.name = $1 {lock}", kind.columns());
    db.query_opt(&db.prepare_cached(&query).await?, &[&name]).await?.as_ref().map(from_row).transpose()
}

/// Adds one.
///
/// # Errors
/// [`Error::AlreadyExists`] for a name that is in use.
pub async fn insert(db: &impl GenericClient, kind: Kind, team: &Team) -> Result<(), Error> {
    let (table, _, _) = kind.tables();
    let query = format!("INSERT INTO {table} (name, display_name, version, created_at) VALUES ($1, $2, $3, $4)");
    let Team { name, display_name, version, created_at, members: _ } = team;
    match db.execute(&db.prepare_cached(&query).await?, &[name, display_name, version, created_at]).await {
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            Err(Error::AlreadyExists { kind: kind.word(), name: name.clone() })
        }
        other => Ok(other.map(drop)?),
    }
}

/// Writes what can be changed about `team`, with its version.
pub async fn update(db: &impl GenericClient, kind: Kind, team: &Team) -> Result<(), Error> {
    let (table, _, _) = kind.tables();
    let query = format!("UPDATE {table} SET display_name = $2, version = $3 WHERE name = $1");
    db.execute(&db.prepare_cached(&query).await?, &[&team.name, &team.display_name, &team.version]).await?;
    Ok(())
}

/// Removes one with its memberships.
pub async fn delete(db: &impl GenericClient, kind: Kind, name: &str) -> Result<(), Error> {
    let (table, _, _) = kind.tables();
    db.execute(&db.prepare_cached(&format!("DELETE FROM {table} WHERE name = $1")).await?, &[&name]).await?;
    Ok(())
}

/// Ends a membership, whoever gave it; `false`: there was none.
pub async fn leave(db: &impl GenericClient, kind: Kind, name: &str, user: Uuid) -> Result<bool, Error> {
    Ok(end(db, kind, Some(name), user).await? == 1)
}

/// Ends every membership of somebody.
pub async fn leave_all(db: &impl GenericClient, kind: Kind, user: Uuid) -> Result<(), Error> {
    end(db, kind, None, user).await.map(drop)
}

/// Ends the membership of somebody in `name`, or all that they have; how many that were.
async fn end(db: &impl GenericClient, kind: Kind, name: Option<&str>, user: Uuid) -> Result<u64, Error> {
    let (table, members, named) = kind.tables();
    let query = format!(
        "WITH gone AS (
             DELETE FROM {members} WHERE user_id = $1 AND ($2::text IS NULL OR {named} = $2) RETURNING {named}
         )
         UPDATE {table} SET version = version + 1 WHERE name IN (SELECT {named} FROM gone)"
    );
    Ok(db.execute(&db.prepare_cached(&query).await?, &[&user, &name]).await?)
}
