//! Table `catalog_grants`.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use kube::ResourceExt;
use tokio_postgres::{Row, error::SqlState, types::ToSql};
use uuid::Uuid;

use crate::{
    Error,
    crd::{Security, Template},
    domain::keys,
};

/// What is granted `security: baseline`.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Every template that was installed from the repository.
    Repository(Uuid),
    /// One template of the cluster.
    Template {
        /// Its name.
        name: String,
        /// Its `metadata.uid`.
        uid: String,
    },
}

/// A grant.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Its id.
    pub id: Uuid,
    /// To what.
    pub subject: Subject,
    /// The name of that repository.
    pub repository_name: Option<String>,
    /// Why it was granted.
    pub reason: String,
    /// Who granted it.
    pub granted_by: String,
    /// When.
    pub granted_at: Timestamp,
}

const QUERY: &str = "SELECT g.*, r.name AS repository_name FROM catalog_grants g \
    LEFT JOIN catalog_repositories r ON r.id = g.repository";

fn grant(row: &Row) -> Result<Grant, Error> {
    let repository: Option<Uuid> = row.try_get("repository")?;
    let template = |column| Ok::<String, Error>(row.try_get::<_, Option<String>>(column)?.unwrap_or_default());
    let subject = match repository {
        Some(repository) => Subject::Repository(repository),
        None => Subject::Template { name: template("template")?, uid: template("template_uid")? },
    };
    Ok(Grant {
        subject,
        id: row.try_get("id")?,
        repository_name: row.try_get("repository_name")?,
        reason: row.try_get("reason")?,
        granted_by: row.try_get("granted_by")?,
        granted_at: row.try_get("granted_at")?,
    })
}

/// Every grant, the latest first.
pub async fn all(db: &impl GenericClient) -> Result<Vec<Grant>, Error> {
    let statement = db.prepare_cached(&format!("{QUERY} ORDER BY g.granted_at DESC, g.id")).await?;
    db.query(&statement, &[]).await?.iter().map(grant).collect()
}

/// Grants; `None`: that was granted before.
pub async fn insert(
    db: &impl GenericClient,
    subject: &Subject,
    reason: &str,
    by: &str,
) -> Result<Option<Grant>, Error> {
    let (repository, name, uid) = match subject {
        Subject::Repository(repository) => (Some(repository), None, None),
        Subject::Template { name, uid } => (None, Some(name), Some(uid)),
    };
    let statement = db
        .prepare_cached(
            "INSERT INTO catalog_grants (id, repository, template, template_uid, reason, granted_by)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .await?;
    let id = Uuid::now_v7();
    let values: [&(dyn ToSql + Sync); 6] = [&id, &repository, &name, &uid, &reason, &by];
    let written = db.execute(&statement, &values).await;
    match written {
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(grant(&db.query_one(&format!("{QUERY} WHERE g.id = $1"), &[&id]).await?)?)),
        Err(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
            Err(Error::not_found("repository", repository.map(Uuid::to_string).unwrap_or_default()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes a grant back; `None`: there is none of that id.
pub async fn delete(db: &impl GenericClient, id: Uuid) -> Result<Option<Grant>, Error> {
    let row = db.query_opt(&format!("{QUERY} WHERE g.id = $1 FOR UPDATE OF g"), &[&id]).await?;
    let Some(row) = row else { return Ok(None) };
    db.execute("DELETE FROM catalog_grants WHERE id = $1", &[&id]).await?;
    grant(&row).map(Some)
}

/// Whether `template` may run as it wants to: it is restricted, or it or its repository was granted more.
pub async fn allow(db: &impl GenericClient, template: &Template) -> Result<bool, Error> {
    if template.spec.security != Security::Baseline {
        return Ok(true);
    }
    let from = template.annotations().get(keys::CATALOG_TEMPLATE).and_then(|id| Uuid::parse_str(id).ok());
    let statement = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM catalog_grants g WHERE g.template_uid = $1
                               OR g.repository = (SELECT repository FROM catalog_templates WHERE id = $2))",
        )
        .await?;
    Ok(db.query_one(&statement, &[&template.uid().unwrap_or_default(), &from]).await?.try_get(0)?)
}
