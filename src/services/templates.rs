//! Templates, as people and administrators act on them.

use std::sync::Arc;

use kube::ResourceExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use super::intents;
use crate::{
    App, Error,
    auth::{Caller, Permission},
    crd::{GROUP, Template, TemplateSpec, VERSION},
    domain::{names, template},
    objects::Precondition,
    store,
};

/// Which templates are wanted; an absent part matches all.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The category, exactly.
    pub category: Option<String>,
    /// A tag.
    pub tag: Option<String>,
}

/// What a new template is, flat: its name and its spec.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(
    dead_code,
    reason = "it describes the request, which is taken as JSON because the object itself is welcome too"
)]
pub struct NewTemplate {
    /// A DNS label.
    pub name: String,
    /// The fields of the spec, as in the custom resource.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub spec: TemplateSpec,
}

impl Filter {
    /// Whether `template` is wanted.
    #[must_use]
    pub fn matches(&self, template: &Template) -> bool {
        let spec = &template.spec;
        self.category.as_ref().is_none_or(|category| *category == spec.category)
            && self.tag.as_ref().is_none_or(|tag| spec.tags.contains(tag))
    }
}

/// Whether every one of `words` (in lower case) occurs in name, display name, description, category or tags.
fn mentions(template: &Template, words: &[String]) -> bool {
    let spec = &template.spec;
    let name = template.name_any();
    let texts = [name.as_str(), &spec.display_name, &spec.description, &spec.category];
    let all: Vec<String> =
        texts.into_iter().chain(spec.tags.iter().map(String::as_str)).map(str::to_lowercase).collect();
    words.iter().all(|word| all.iter().any(|text| text.contains(word.as_str())))
}

/// The templates that the caller may know of and wants, by display name.
///
/// # Errors
/// Where the database has to be asked and does not answer.
pub async fn list(app: &App, caller: &Caller, filter: &Filter, words: &[String]) -> Result<Vec<Arc<Template>>, Error> {
    let mut items: Vec<Arc<Template>> = app.templates.snapshot(None);
    items.retain(|template| filter.matches(template) && mentions(template, words));
    let groups = groups_of(app, caller, items.iter().map(|template| &**template)).await?;
    items.retain(|template| sees_all(caller) || open_to(caller, &groups, template));
    items.sort_by_cached_key(|template| template.spec.display_name.to_lowercase());
    Ok(items)
}

/// The groups that a template is for; empty: everybody.
fn access(template: &Template) -> &[String] {
    template.spec.access.as_ref().map(|access| access.groups.as_slice()).unwrap_or_default()
}

/// The groups of the caller, as far as one of `templates` asks for them.
async fn groups_of(
    app: &App,
    caller: &Caller,
    templates: impl IntoIterator<Item = &Template>,
) -> Result<Vec<String>, Error> {
    if caller.may(Permission::TemplatesWrite) || templates.into_iter().all(|template| access(template).is_empty()) {
        return Ok(vec![]);
    }
    store::groups::of_user(&app.pool.get().await?, &caller.user).await
}

/// Whether the caller may know of every template. Who only reads launches none of those that are for others.
fn sees_all(caller: &Caller) -> bool {
    caller.may(Permission::TemplatesReadAll)
}

/// Whether the caller, who belongs to `groups`, may know of the template and launch it.
fn open_to(caller: &Caller, groups: &[String], template: &Template) -> bool {
    let access = access(template);
    access.is_empty() || access.iter().any(|group| groups.contains(group)) || caller.may(Permission::TemplatesWrite)
}

/// Whether the caller may launch the template.
///
/// # Errors
/// Where the database has to be asked and does not answer.
pub async fn launchable(app: &App, caller: &Caller, template: &Template) -> Result<bool, Error> {
    Ok(open_to(caller, &groups_of(app, caller, [template]).await?, template))
}

/// The template of that name, if the caller may know of it.
pub async fn get(app: &App, caller: &Caller, name: &str) -> Result<Arc<Template>, Error> {
    match app.templates.get(name).await? {
        Some(template) if sees_all(caller) || launchable(app, caller, &template).await? => Ok(template),
        _ => Err(Error::not_found("template", name)),
    }
}

/// Creates a template from a flat request (`{"name", …spec}`) or from the object itself.
pub async fn create(app: &App, caller: &Caller, body: Value, dry_run: bool) -> Result<Arc<Template>, Error> {
    let (name, spec) = read(body, None)?;
    let mut new = Template::new(&name, spec);
    new.metadata.namespace = Some(app.config.sessions.namespace().to_owned());
    if dry_run {
        return Ok(Arc::new(new));
    }
    let created = app.templates.create(&new).await?;
    intents::audit(app, caller, "template.create", &name, None::<&TemplateSpec>, Some(&created.spec)).await?;
    Ok(created)
}

/// Replaces the whole spec.
pub async fn replace(
    app: &App,
    caller: &Caller,
    name: &str,
    body: Value,
    if_match: Option<String>,
) -> Result<Arc<Template>, Error> {
    let old = get(app, caller, name).await?;
    let (_, spec) = read(body, Some(name))?;
    let mut new = (*old).clone();
    new.spec = spec;
    new.metadata.resource_version = if_match;
    let changed = app.templates.replace(&new).await?;
    intents::audit(app, caller, "template.change", name, Some(&old.spec), Some(&changed.spec)).await?;
    Ok(changed)
}

/// Changes the spec by a merge patch, flat or as the object has it.
pub async fn change(
    app: &App,
    caller: &Caller,
    name: &str,
    patch: Value,
    if_match: Option<String>,
) -> Result<Arc<Template>, Error> {
    let old = get(app, caller, name).await?;
    let patch = match patch.get("spec") {
        Some(spec) => spec.clone(),
        None => patch,
    };
    if !patch.is_object() {
        return Err(Error::BadRequest("a merge patch is a JSON object".into()));
    }
    let mut spec = serde_json::to_value(&old.spec).map_err(Error::internal)?;
    crate::domain::merge::patch(&mut spec, &patch);
    parse(spec)?;
    let condition = Precondition { uid: old.uid(), resource_version: if_match };
    let changed = app.templates.patch(name, &json!({ "spec": patch }), &condition).await?;
    intents::audit(app, caller, "template.change", name, Some(&old.spec), Some(&changed.spec)).await?;
    Ok(changed)
}

/// Deletes a template; sessions made from it go on until their next start.
pub async fn delete(app: &App, caller: &Caller, name: &str, if_match: Option<String>) -> Result<(), Error> {
    let old = get(app, caller, name).await?;
    let condition = Precondition { uid: old.uid(), resource_version: if_match };
    app.templates.delete(name, &condition).await?;
    intents::audit(app, caller, "template.delete", name, Some(&old.spec), None::<&TemplateSpec>).await
}

/// Name and spec of a request, flat or as the object has it.
fn read(body: Value, known: Option<&str>) -> Result<(String, TemplateSpec), Error> {
    let Value::Object(mut fields) = body else {
        return Err(Error::BadRequest("a template is a JSON object".into()));
    };
    let given = match fields.remove("spec") {
        Some(spec) => {
            let name = metadata_name(&fields)?;
            fields = match spec {
                Value::Object(spec) => spec,
                _ => return Err(Error::field("spec", "must be an object")),
            };
            name
        }
        None => fields.remove("name").and_then(|name| name.as_str().map(str::to_owned)),
    };
    let name = match (known, given) {
        (Some(known), Some(given)) if known != given => {
            return Err(Error::field("name", format!("is “{known}” and cannot be changed")));
        }
        (Some(known), _) => known.to_owned(),
        (None, Some(given)) if names::is_dns_label(&given) => given,
        (None, Some(given)) => {
            return Err(Error::field(
                "name",
                format!("“{given}” is no name: write lower-case letters, digits and “-”, at most 63"),
            ));
        }
        (None, None) => return Err(Error::field("name", "is missing")),
    };
    Ok((name, parse(Value::Object(fields))?))
}

fn metadata_name(fields: &Map<String, Value>) -> Result<Option<String>, Error> {
    let api_version = format!("{GROUP}/{VERSION}");
    for (key, wanted) in [("apiVersion", api_version.as_str()), ("kind", "Template")] {
        if let Some(given) = fields.get(key).filter(|given| given.as_str() != Some(wanted)) {
            return Err(Error::field(key, format!("is {given}; only {wanted} is taken here")));
        }
    }
    Ok(fields.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Value::as_str).map(str::to_owned))
}

fn parse(spec: Value) -> Result<TemplateSpec, Error> {
    let spec: TemplateSpec =
        serde_json::from_value(spec).map_err(|error| Error::BadRequest(format!("no template: {error}")))?;
    let errors = template::check(&spec);
    if errors.is_empty() { Ok(spec) } else { Err(Error::Invalid(errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_request_and_the_object_mean_the_same() {
        let flat = json!({ "name": "t", "displayName": "T", "baseImage": "i", "webapp": { "port": 80 } });
        let object = json!({ "apiVersion": "stream.streamspace.io/v1alpha1", "kind": "Template", "metadata": { "name": "t" },
            "spec": { "displayName": "T", "baseImage": "i", "webapp": { "port": 80 } } });
        assert_eq!(read(flat, None).unwrap(), read(object, None).unwrap());
    }

    #[test]
    fn a_request_that_is_no_template_is_told_why() {
        for (body, word) in [
            (json!([]), "object"),
            (json!({ "displayName": "T", "baseImage": "i" }), "name"),
            (json!({ "name": "A b", "displayName": "T", "baseImage": "i" }), "name"),
            (json!({ "name": "t", "displayName": "T", "baseImage": "i" }), "port"),
            (json!({ "kind": "Pod", "metadata": { "name": "t" }, "spec": {} }), "kind"),
        ] {
            let error = read(body, None).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
