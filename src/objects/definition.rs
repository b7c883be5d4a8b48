//! What Kubernetes does with a custom resource by its definition, done here: defaults, structure, rules.

use std::{fmt, sync::LazyLock};

use jsonschema::{
    ValidationError, Validator,
    error::ValidationErrorKind,
    paths::{Location, LocationSegment},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::cel::{self, CompiledSchema};
use serde_json::{Map, Value, json};

use super::{FieldError, Object, ObjectError};
use crate::crd::{DNS_LABEL, DURATION, QUANTITY, Session, Template};

/// A compiled definition.
pub struct Definition {
    openapi: Value,
    structure: Validator,
    rules: CompiledSchema,
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition").finish_non_exhaustive()
    }
}

impl Definition {
    /// Compiles the stored version of `definition`.
    ///
    /// # Panics
    /// Where the definition has no schema, or one that is none: it is made by this crate, so that is a defect.
    #[must_use]
    #[allow(clippy::expect_used, reason = "the definitions are compiled in, and a test compiles each")]
    pub fn compile(definition: &CustomResourceDefinition) -> Self {
        let schema = definition.spec.versions.iter().find(|version| version.storage).and_then(|v| v.schema.as_ref());
        let openapi =
            serde_json::to_value(schema.and_then(|schema| schema.open_api_v3_schema.as_ref()).expect("a schema"))
                .expect("a schema is JSON");
        let mut structural = structural(&openapi);
        for (field, schema) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            structural["properties"][field] = json!({ "type": schema });
        }
        let structure = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(&structural)
            .expect("a schema that can be compiled");
        Self { rules: cel::compile_schema(&openapi), structure, openapi }
    }

    /// The object with the definition's defaults where it says nothing.
    #[must_use]
    pub fn fill(&self, object: &Value) -> Value {
        cel::apply_defaults(&self.openapi, object)
    }

    /// Checks structure and rules; `old` is what `object` replaces. Defaults have been filled in.
    ///
    /// # Errors
    /// [`ObjectError::Invalid`] with one sentence for each field, sorted by field.
    pub fn check(&self, object: &Value, old: Option<&Value>) -> Result<(), ObjectError> {
        let mut wrong: Vec<FieldError> =
            self.structure.iter_errors(object).flat_map(|error| sentences(&error)).collect();
        // As on the API server: rules are asked only about what has the right structure.
        if wrong.is_empty()
            && let Err(broken) = cel::validate_compiled(&self.rules, object, old)
        {
            wrong.extend(broken.into_iter().map(|error| FieldError::new(error.field_path, error.message)));
        }
        wrong.sort_by(|one, other| one.field.cmp(&other.field));
        wrong.dedup();
        if wrong.is_empty() { Ok(()) } else { Err(ObjectError::Invalid(wrong)) }
    }
}

impl Object for Session {
    fn definition() -> &'static Definition {
        static DEFINITION: LazyLock<Definition> =
            LazyLock::new(|| Definition::compile(&<Session as kube::CustomResourceExt>::crd()));
        &DEFINITION
    }

    fn owner(&self) -> &str {
        &self.spec.user
    }

    fn phase(&self) -> &'static str {
        Session::phase(self).as_str()
    }
}

impl Object for Template {
    fn definition() -> &'static Definition {
        static DEFINITION: LazyLock<Definition> =
            LazyLock::new(|| Definition::compile(&<Template as kube::CustomResourceExt>::crd()));
        &DEFINITION
    }

    fn owner(&self) -> &'static str {
        ""
    }

    fn phase(&self) -> &'static str {
        ""
    }
}

/// A structural schema of Kubernetes as JSON schema: `nullable` becomes a type, and a field that is not declared is
/// refused, as with `fieldValidation: Strict`.
fn structural(openapi: &Value) -> Value {
    let Value::Object(from) = openapi else { return openapi.clone() };
    let mut to = Map::new();
    for (key, value) in from {
        match key.as_str() {
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                to.insert(key.clone(), fields.map(|(name, schema)| (name.clone(), structural(schema))).collect());
            }
            "items" | "additionalProperties" | "not" => {
                to.insert(key.clone(), structural(value));
            }
            "allOf" | "anyOf" | "oneOf" => {
                to.insert(key.clone(), value.as_array().into_iter().flatten().map(structural).collect());
            }
            "nullable" | "default" | "description" | "title" | "example" => {}
            _ if key.starts_with("x-kubernetes-") => {}
            _ => {
                to.insert(key.clone(), value.clone());
            }
        }
    }
    let flag = |name: &str| from.get(name) == Some(&Value::Bool(true));
    if to.contains_key("properties")
        && !to.contains_key("additionalProperties")
        && !flag("x-kubernetes-preserve-unknown-fields")
    {
        to.insert("additionalProperties".into(), Value::Bool(false));
    }
    if flag("nullable") {
        if let Some(kind) = to.get("type").cloned() {
            to.insert("type".into(), json!([kind, "null"]));
        }
        if let Some(Value::Array(words)) = to.get_mut("enum") {
            words.push(Value::Null);
        }
    }
    Value::Object(to)
}

/// One sentence for each field that an error is about.
fn sentences(error: &ValidationError<'_>) -> Vec<FieldError> {
    let path = dotted(error.instance_path());
    let below = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|field| FieldError::new(below(field), "there is no such field")).collect()
        }
        ValidationErrorKind::Required { property } => {
            vec![FieldError::new(below(property.as_str().unwrap_or_default()), "this field is needed")]
        }
        kind => vec![FieldError::new(path, sentence(kind, error))],
    }
}

fn sentence(kind: &ValidationErrorKind, error: &ValidationError<'_>) -> String {
    let value = shown(error.instance());
    match kind {
        ValidationErrorKind::Enum { options } => {
            let words: Vec<String> =
                options.as_array().into_iter().flatten().filter(|word| !word.is_null()).map(shown).collect();
            format!("{value} is none of {}", words.join(", "))
        }
        ValidationErrorKind::Pattern { pattern } => match pattern.as_str() {
            DNS_LABEL => format!(
                "{value} is no name: lower-case letters, digits and hyphens, 63 at most, no hyphen at either end"
            ),
            QUANTITY => format!("{value} is no quantity: write 500m, 2 or 4Gi"),
            DURATION => format!("{value} is no duration: write 90s, 30m or 1h30m"),
            other => format!("{value} does not match {other}"),
        },
        ValidationErrorKind::Type { .. } => {
            let wanted = error.to_string();
            // "… is not of type "string"", "… is not of types "null", "string""
            let types = wanted.rsplit_once(" of type").map_or("", |(_, types)| types.trim_start_matches('s').trim());
            format!("{value} is not of type {}", types.replace('"', "").replace("null, ", ""))
        }
        ValidationErrorKind::MaxLength { limit } => format!("at most {limit} characters"),
        ValidationErrorKind::MinLength { limit } => {
            format!("at least {limit} character{}", if *limit == 1 { "" } else { "s" })
        }
        ValidationErrorKind::MaxItems { limit } => format!("at most {limit} entries"),
        ValidationErrorKind::MinItems { limit } => format!("at least {limit} entries"),
        ValidationErrorKind::Maximum { limit } => format!("{value} is more than {limit}"),
        ValidationErrorKind::Minimum { limit } => format!("{value} is less than {limit}"),
        ValidationErrorKind::Format { format } => format!("{value} is no {format}"),
        _ => error.to_string(),
    }
}

/// `/spec/tags/3` as `spec.tags[3]`.
fn dotted(location: &Location) -> String {
    let mut text = String::new();
    for segment in location {
        match segment {
            LocationSegment::Property(name) if text.is_empty() => text.push_str(&name),
            LocationSegment::Property(name) => {
                text.push('.');
                text.push_str(&name);
            }
            LocationSegment::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
        }
    }
    text
}

/// A value inside a sentence, cut where it is long.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() > LONGEST {
        format!("“{}…”", text.chars().take(LONGEST).collect::<String>())
    } else {
        format!("“{text}”")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(spec: &Value) -> Value {
        let object = json!({ "apiVersion": "stream.streamspace.io/v1alpha1", "kind": "Session", "metadata": { "name": "a" }, "spec": spec });
        Session::definition().fill(&object)
    }

    fn wrong(spec: &Value, old: Option<&Value>) -> Vec<(String, String)> {
        match Session::definition().check(&session(spec), old.map(session).as_ref()) {
            Ok(()) => Vec::new(),
            Err(ObjectError::Invalid(fields)) => fields.into_iter().map(|f| (f.field, f.message)).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_a_session_does_not_say_comes_from_the_definition() {
        let filled = session(&json!({ "user": "alice", "template": "desktop" }));
        assert_eq!((&filled["spec"]["state"], &filled["spec"]["persistentHome"]), (&json!("running"), &json!(true)));
    }

    #[test]
    fn a_field_that_does_not_exist_is_named_with_its_path() {
        let found = wrong(&json!({ "user": "alice", "template": "desktop", "resources": { "cpus": "1" } }), None);
        assert_eq!(found, [("spec.resources.cpus".into(), "there is no such field".into())]);
    }

    #[test]
    fn every_wrong_field_gets_a_sentence() {
        let found = wrong(
            &json!({ "template": "Desktop", "state": "asleep", "idleTimeout": "soon", "tags": ["ok", ""], "persistentHome": "yes" }),
            None,
        );
        let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            fields,
            ["spec.idleTimeout", "spec.persistentHome", "spec.state", "spec.tags[1]", "spec.template", "spec.user"]
        );
        insta::assert_yaml_snapshot!(found);
    }

    #[test]
    fn a_null_stands_for_a_field_that_may_be_absent() {
        assert!(wrong(&json!({ "user": "alice", "template": "desktop", "displayName": null }), None).is_empty());
        assert!(!wrong(&json!({ "user": null, "template": "desktop" }), None).is_empty());
    }

    #[test]
    fn rules_about_changes_are_asked_with_what_was_before() {
        let before = json!({ "user": "alice", "template": "desktop", "state": "terminated" });
        let after = json!({ "user": "bob", "template": "desktop", "state": "running" });
        let fields: Vec<String> = wrong(&after, Some(&before)).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["spec.state", "spec.user"]);
        assert!(wrong(&after, None).is_empty());
    }

    #[test]
    fn every_definition_compiles_with_all_its_rules() {
        fn rules(node: &CompiledSchema) -> usize {
            assert!(!node.has_errors(), "{:?}", node.compilation_errors());
            let below =
                node.properties.values().chain(node.items.as_deref()).chain(node.additional_properties.as_deref());
            node.validations.len() + below.map(rules).sum::<usize>()
        }
        assert_eq!(rules(&Session::definition().rules), 5);
        assert_eq!(rules(&Template::definition().rules), 1);
    }

    #[test]
    fn free_fields_hold_anything() {
        let free = json!({ "user": "alice", "template": "desktop", "parameters": { "a": [1, { "b": null }] } });
        assert!(wrong(&free, None).is_empty());
    }
}
