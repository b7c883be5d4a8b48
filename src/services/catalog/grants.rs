//! Grants of `security: baseline`: which templates may be root inside their containers.

use kube::ResourceExt;
use serde_json::json;
use uuid::Uuid;

use super::repositories;
pub use crate::store::catalog::grants::{Grant, Subject};
use crate::{
    App, Error,
    auth::Caller,
    crd::{Security, Template},
    domain::template::NOT_GRANTED,
    services::audit::{self, Entry},
    store::catalog::grants,
};

/// Most characters of a reason.
const REASON_CHARS: usize = 500;

/// Every grant, the latest first.
pub async fn list(app: &App) -> Result<Vec<Grant>, Error> {
    grants::all(&app.pool.get().await?).await
}

/// Grants all templates of a repository, or one template of the cluster, what they ask for.
pub async fn create(
    app: &App,
    caller: &Caller,
    repository: Option<&str>,
    template: Option<&str>,
    reason: &str,
) -> Result<Grant, Error> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS {
        return Err(Error::field("reason", format!("say in at most {REASON_CHARS} characters why it may be root")));
    }
    let subject = match (repository, template) {
        (Some(id), None) => Subject::Repository(repositories::get(app, id).await?.id),
        (None, Some(name)) => of_template(app, name).await?,
        _ => return Err(Error::field("template", "name a template, or a repository, and not both")),
    };
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let made = grants::insert(&transaction, &subject, reason, &caller.user).await?;
    let made = made.ok_or_else(|| Error::Conflict("that was granted before".into()))?;
    audit::record(&transaction, caller, entry("baseline.grant", &made).after(&shown(&made))).await?;
    transaction.commit().await?;
    Ok(made)
}

async fn of_template(app: &App, name: &str) -> Result<Subject, Error> {
    let template = app.templates.get(name).await?.ok_or_else(|| Error::not_found("template", name))?;
    if template.spec.security != Security::Baseline {
        return Err(Error::field("template", format!("{name} is restricted: it asks for nothing that is granted")));
    }
    Ok(Subject::Template { name: name.to_owned(), uid: template.uid().unwrap_or_default() })
}

/// Takes a grant back. What runs goes on until its next start.
pub async fn delete(app: &App, caller: &Caller, id: &str) -> Result<(), Error> {
    let missing = || Error::not_found("grant", id);
    let uuid = Uuid::parse_str(id).map_err(|_| missing())?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let gone = grants::delete(&transaction, uuid).await?.ok_or_else(missing)?;
    audit::record(&transaction, caller, entry("baseline.revoke", &gone).before(&shown(&gone))).await?;
    Ok(transaction.commit().await?)
}

/// Refuses a template that wants more than it was granted.
///
/// # Errors
/// [`Error::CannotRunHere`] with what to do.
pub async fn require(app: &App, template: &Template) -> Result<(), Error> {
    if template.spec.security != Security::Baseline || grants::allow(&app.pool.get().await?, template).await? {
        return Ok(());
    }
    Err(Error::CannotRunHere(NOT_GRANTED.into()))
}

fn entry(action: &'static str, grant: &Grant) -> Entry {
    let subject = match &grant.subject {
        Subject::Repository(id) => format!("repository/{id}"),
        Subject::Template { name, .. } => format!("template/{name}"),
    };
    Entry::new(action, subject)
}

fn shown(grant: &Grant) -> serde_json::Value {
    json!({ "grant": grant.id, "security": "baseline", "reason": grant.reason })
}
