//! Installing templates of the catalog, and moving them between versions.

use std::sync::Arc;

use kube::ResourceExt;
use uuid::Uuid;

use super::{
    browse::{self, Entry, Version},
    builtin,
};
use crate::{
    App, Error,
    auth::Caller,
    crd::{Template, TemplateSpec},
    domain::{keys, names, template},
    objects::ObjectError,
    services::audit,
    store::catalog::{
        repositories,
        templates::{self, Install},
    },
};

/// Installs a template of the catalog under `name`, or its own. Who installs again what is there gets what is there.
///
/// # Errors
/// [`Error::AlreadyExists`] where the name is taken by something else, [`Error::Conflict`] where another version is
/// installed.
pub async fn install(
    app: &App,
    caller: &Caller,
    id: &str,
    name: Option<String>,
    wanted: Option<&str>,
) -> Result<Arc<Template>, Error> {
    let (entry, _) = browse::get(app, id).await?;
    if entry.removed_at.is_some() && wanted.is_none() {
        let message = "it is not in its repository any more: name the version that you want all the same";
        return Err(Error::Conflict(message.into()));
    }
    let version = browse::version(app, &entry, wanted).await?;
    let name = name.unwrap_or_else(|| entry.name.clone());
    if !names::is_dns_label(&name) {
        return Err(Error::field("name", "write lower-case letters, digits and “-”, at most 63"));
    }
    let mut new = Template::new(&name, spec(&version)?);
    new.metadata.namespace = Some(app.config.sessions.namespace().to_owned());
    mark_version(app, &mut new, &entry, &version).await?;
    match app.templates.create(&new).await {
        Ok(made) => {
            record(app, caller, &made, &version, "install").await?;
            Ok(made)
        }
        Err(error @ ObjectError::AlreadyExists { .. }) => {
            let there = app.templates.store().get(&name).await?;
            match there.filter(|there| id_in(there, keys::CATALOG_TEMPLATE) == Some(entry.id)) {
                Some(there) if id_in(&there, keys::CATALOG_VERSION) == Some(version.id) => {
                    // Whoever made it may have been interrupted before this.
                    record(app, caller, &there, &version, "install").await?;
                    Ok(Arc::new(there))
                }
                Some(_) => Err(Error::Conflict(format!("{name} is installed at another version: upgrade it instead"))),
                None => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Brings an installed template to `wanted`, or the latest version. Sessions that run keep what they started with.
pub async fn upgrade(app: &App, caller: &Caller, name: &str, wanted: Option<&str>) -> Result<Arc<Template>, Error> {
    let (old, entry) = from_catalog(app, name).await?;
    let version = browse::version(app, &entry, wanted).await?;
    to_version(app, caller, old, &entry, &version, "upgrade").await
}

/// Brings an installed template back to `wanted`, or the version that it had before.
pub async fn rollback(app: &App, caller: &Caller, name: &str, wanted: Option<&str>) -> Result<Arc<Template>, Error> {
    let (old, entry) = from_catalog(app, name).await?;
    let before = match (wanted, id_in(&old, keys::CATALOG_VERSION)) {
        (Some(wanted), _) => Some(wanted.to_owned()),
        (None, Some(current)) => {
            let db = app.pool.get().await?;
            let uid = old.uid().unwrap_or_default();
            templates::installed_before(&db, &uid, entry.id, current).await?.map(|id| id.to_string())
        }
        (None, None) => None,
    };
    let before = before.ok_or_else(|| Error::Conflict(format!("{name} had no other version before: name one")))?;
    let version = browse::version(app, &entry, Some(&before)).await?;
    to_version(app, caller, old, &entry, &version, "rollback").await
}

/// An installed template and where it came from.
async fn from_catalog(app: &App, name: &str) -> Result<(Template, Entry), Error> {
    let template = app.templates.store().get(name).await?.ok_or_else(|| Error::not_found("template", name))?;
    if builtin::is_shipped(&template) {
        return Err(Error::Conflict(format!("{name} comes with the server, which keeps it at its own version")));
    }
    let from = id_in(&template, keys::CATALOG_TEMPLATE);
    let from = from.ok_or_else(|| Error::Conflict(format!("{name} was not installed from the catalog")))?;
    let entry = templates::get(&app.pool.get().await?, from).await?;
    let gone = || Error::Conflict(format!("the repository that {name} came from was removed"));
    Ok((template, entry.ok_or_else(gone)?))
}

async fn to_version(
    app: &App,
    caller: &Caller,
    old: Template,
    entry: &Entry,
    version: &Version,
    action: &'static str,
) -> Result<Arc<Template>, Error> {
    if id_in(&old, keys::CATALOG_VERSION) == Some(version.id) {
        // Whoever brought it there may have been interrupted before this.
        record(app, caller, &old, version, action).await?;
        return Ok(Arc::new(old));
    }
    // With the version that was read, so that a change meanwhile is not lost.
    let mut new = old;
    new.spec = spec(version)?;
    mark_version(app, &mut new, entry, version).await?;
    let changed = app.templates.replace(&new).await?;
    record(app, caller, &changed, version, action).await?;
    Ok(changed)
}

/// The spec of a version, looked at again: the rules may be stricter by now.
fn spec(version: &Version) -> Result<TemplateSpec, Error> {
    let spec: TemplateSpec = serde_json::from_value(version.spec.clone())
        .map_err(|error| Error::Conflict(format!("this version cannot be used any more: {error}")))?;
    let wrong = template::check(&spec);
    if wrong.is_empty() { Ok(spec) } else { Err(Error::Invalid(wrong)) }
}

/// Where a template of the cluster comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The repository's URL.
    pub repository: &'a str,
    /// The catalog template.
    pub template: Uuid,
    /// The version of it.
    pub version: Uuid,
    /// The commit of that.
    pub commit: &'a str,
    /// The file.
    pub path: &'a str,
}

/// Writes on the template where it comes from.
pub fn mark(template: &mut Template, origin: &Origin<'_>) {
    let notes = [
        (keys::CATALOG_TEMPLATE, origin.template.to_string()),
        (keys::CATALOG_VERSION, origin.version.to_string()),
        (keys::CATALOG_REPOSITORY, origin.repository.to_owned()),
        (keys::CATALOG_COMMIT, origin.commit.to_owned()),
        (keys::CATALOG_PATH, origin.path.to_owned()),
    ];
    template.annotations_mut().extend(notes.map(|(key, value)| (key.to_owned(), value)));
}

/// Writes on the template that it is that version of a template of the catalog.
async fn mark_version(app: &App, template: &mut Template, entry: &Entry, version: &Version) -> Result<(), Error> {
    let repository = repositories::get(&app.pool.get().await?, entry.repository).await?;
    let url = repository.map(|repository| repository.url).unwrap_or_default();
    let Version { id, commit, path, .. } = version;
    mark(template, &Origin { repository: &url, template: entry.id, version: *id, commit, path });
    Ok(())
}

fn id_in(template: &Template, key: &str) -> Option<Uuid> {
    template.annotations().get(key).and_then(|id| Uuid::parse_str(id).ok())
}

/// Writes down what was done and by whom, once.
async fn record(
    app: &App,
    caller: &Caller,
    template: &Template,
    version: &Version,
    action: &'static str,
) -> Result<(), Error> {
    let (name, uid) = (template.name_any(), template.uid().unwrap_or_default());
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let install = Install { name: &name, uid: &uid, version, action, by: &caller.user };
    if !templates::installed(&transaction, &install).await? {
        return Ok(());
    }
    let word = match action {
        "install" => "template.install",
        "upgrade" => "template.upgrade",
        _ => "template.rollback",
    };
    let after =
        serde_json::json!({ "catalogTemplate": version.template, "version": version.id, "commit": version.commit });
    audit::record(&transaction, caller, audit::Entry::new(word, format!("template/{name}")).after(&after)).await?;
    Ok(transaction.commit().await?)
}
