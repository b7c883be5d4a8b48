//! Looking through the catalog.

use std::collections::BTreeMap;

use kube::ResourceExt;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

pub use crate::store::catalog::templates::{Entry, Facet, Query, SORTS, Version};
use crate::{
    App, Error,
    catalog::readme,
    domain::keys,
    store::catalog::{syncs, templates},
};

/// A template of the cluster that came from the catalog.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Installed {
    /// Its name in the cluster.
    pub name: String,
    /// The version that is installed.
    pub version: Uuid,
}

/// What is installed, by catalog template.
pub fn installed(app: &App) -> BTreeMap<Uuid, Vec<Installed>> {
    let mut all: BTreeMap<Uuid, Vec<Installed>> = BTreeMap::new();
    for template in app.templates.snapshot(None) {
        let id = |key: &str| template.annotations().get(key).and_then(|id| Uuid::parse_str(id).ok());
        if let (Some(from), Some(version)) = (id(keys::CATALOG_TEMPLATE), id(keys::CATALOG_VERSION)) {
            all.entry(from).or_default().push(Installed { name: template.name_any(), version });
        }
    }
    all
}

/// A page of the catalog, how many there are, and what could be chosen.
#[derive(Clone, Debug)]
pub struct Found {
    /// The templates.
    pub items: Vec<Entry>,
    /// How many there are.
    pub total: i64,
    /// What could be chosen, with counts.
    pub facets: Vec<Facet>,
    /// What is installed, by catalog template.
    pub installed: BTreeMap<Uuid, Vec<Installed>>,
}

/// Looks for templates.
pub async fn list(app: &App, mut query: Query) -> Result<Found, Error> {
    let installed = installed(app);
    query.installed_ids = installed.keys().copied().collect();
    let db = app.pool.get().await?;
    let (items, total) = templates::list(&db, &query).await?;
    Ok(Found { items, total, facets: templates::facets(&db, &query).await?, installed })
}

/// A template with its latest version.
pub async fn get(app: &App, id: &str) -> Result<(Entry, Version), Error> {
    let missing = || Error::not_found("catalog template", id);
    let uuid = Uuid::parse_str(id).map_err(|_| missing())?;
    let db = app.pool.get().await?;
    let entry = templates::get(&db, uuid).await?.ok_or_else(missing)?;
    let version = templates::version_of(&db, entry.version).await?.ok_or_else(missing)?;
    Ok((entry, version))
}

/// The README of a template as HTML that is safe to show.
pub async fn readme(app: &App, entry: &Entry) -> Result<Option<String>, Error> {
    let markdown = syncs::readme(&app.pool.get().await?, entry.repository, &entry.path).await?;
    Ok(markdown.map(|markdown| readme::html(&markdown)))
}

/// The versions of a template, the latest first.
pub async fn versions(app: &App, id: &str) -> Result<Vec<Version>, Error> {
    let (entry, _) = get(app, id).await?;
    templates::versions(&app.pool.get().await?, entry.id).await
}

/// The version of that id of a template, or, as `latest` or nothing, the latest.
pub async fn version(app: &App, entry: &Entry, wanted: Option<&str>) -> Result<Version, Error> {
    let missing = || Error::not_found("version", wanted.unwrap_or("latest"));
    let id = match wanted {
        None | Some("latest") => entry.version,
        Some(id) => Uuid::parse_str(id).map_err(|_| missing())?,
    };
    let version = templates::version_of(&app.pool.get().await?, id).await?;
    version.filter(|version| version.template == entry.id).ok_or_else(missing)
}

/// What is otherwise in one version than in another.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Diff {
    /// The version before.
    pub from: Uuid,
    /// The version after.
    pub to: Uuid,
    /// The manifests' difference, as `diff -u` writes it; empty where they are the same.
    pub unified: String,
    /// Fields of the spec that are otherwise.
    pub fields: Vec<FieldChange>,
}

/// A field of the spec that is otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// Its name, such as `spec.baseImage`.
    pub field: String,
    /// What it was; null: nothing.
    #[schema(value_type = Object)]
    pub before: Value,
    /// What it is; null: nothing.
    #[schema(value_type = Object)]
    pub after: Value,
}

/// What is otherwise in version `to` of a template than in version `from`.
pub async fn diff(app: &App, id: &str, from: &str, to: Option<&str>) -> Result<Diff, Error> {
    let (entry, _) = get(app, id).await?;
    let (from, to) = (version(app, &entry, Some(from)).await?, version(app, &entry, to).await?);
    let names = (format!("{} at {}", from.path, from.commit), format!("{} at {}", to.path, to.commit));
    let unified = similar::TextDiff::from_lines(&from.manifest, &to.manifest);
    let unified = unified.unified_diff().header(&names.0, &names.1).to_string();
    Ok(Diff { from: from.id, to: to.id, unified, fields: changes(&from.spec, &to.spec) })
}

fn changes(from: &Value, to: &Value) -> Vec<FieldChange> {
    let (Value::Object(before), Value::Object(after)) = (from, to) else { return Vec::new() };
    let fields: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |of: &serde_json::Map<String, Value>, field: &String| of.get(field).cloned().unwrap_or(Value::Null);
    fields
        .into_iter()
        .map(|field| FieldChange {
            field: format!("spec.{field}"),
            before: value(before, field),
            after: value(after, field),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_came_went_or_changed_are_named() {
        let found = changes(&json!({ "a": 1, "b": 2, "c": 3 }), &json!({ "a": 1, "b": 5, "d": 4 }));
        let names: Vec<&str> = found.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(names, ["spec.b", "spec.c", "spec.d"]);
        assert_eq!((&found[1].after, &found[2].before), (&Value::Null, &Value::Null));
    }
}
