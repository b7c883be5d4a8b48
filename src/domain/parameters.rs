//! Launch-time values: checked against the template's JSON schema, then put into arguments and environment.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::FieldError;

/// Longest text that a single value may put into an argument or variable, in bytes.
const LONGEST_VALUE: usize = 4096;

/// Checks that `schema` is a JSON schema of an object.
///
/// # Errors
/// A finding on `spec.parameters`.
pub fn check_schema(schema: &Value) -> Result<(), FieldError> {
    let wrong = |message: String| FieldError::new("spec.parameters", message);
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(wrong("must be a JSON schema with “type: object”".into()));
    }
    jsonschema::validator_for(schema).map(drop).map_err(|error| wrong(format!("is no JSON schema: {error}")))
}

/// Checks `values` against `schema` and fills in its defaults.
///
/// Without a schema no value is allowed; a value that the schema does not name is refused.
///
/// # Errors
/// One finding for each wrong value, on `spec.parameters.{name}`.
pub fn resolve(
    schema: Option<&Value>,
    values: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, Vec<FieldError>> {
    let none = Map::new();
    let known = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object).unwrap_or(&none);
    let mut errors: Vec<FieldError> = values
        .keys()
        .filter(|name| !known.contains_key(*name))
        .map(|name| FieldError::new(format!("spec.parameters.{name}"), unknown(known)))
        .collect();
    let mut all = values.clone();
    for (name, property) in known {
        if let (false, Some(default)) = (all.contains_key(name), property.get("default")) {
            all.insert(name.clone(), default.clone());
        }
    }
    let Some(schema) = schema else { return if errors.is_empty() { Ok(all) } else { Err(errors) } };
    match jsonschema::validator_for(schema) {
        Err(error) => {
            errors.push(FieldError::new("spec.parameters", format!("the template's schema is broken: {error}")));
        }
        Ok(validator) => {
            let instance = Value::Object(all.clone().into_iter().collect());
            errors.extend(validator.iter_errors(&instance).map(|error| {
                let path = error.instance_path().to_string().replace('/', ".");
                FieldError::new(format!("spec.parameters{path}"), &error)
            }));
        }
    }
    errors.extend(
        all.iter().filter(|(_, value)| text(value).len() > LONGEST_VALUE || text(value).contains('\0')).map(
            |(name, _)| FieldError::new(format!("spec.parameters.{name}"), "is too long or holds a NUL character"),
        ),
    );
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

fn unknown(known: &Map<String, Value>) -> String {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    match names.as_slice() {
        [] => "this template takes no parameters".into(),
        names => format!("is not a parameter of this template; there are: {}", names.join(", ")),
    }
}

/// What a program can be told of itself.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// `$(session.name)`.
    pub session: &'a str,
    /// `$(session.user)`.
    pub user: &'a str,
    /// `$(session.basePath)`: the path below which browsers reach it, with slashes around; mostly `/`.
    pub base_path: &'a str,
}

/// Puts values where `$(parameters.NAME)` stands. No shell ever sees the text: a value stays within its argument.
#[must_use]
pub fn expand(text_: &str, values: &BTreeMap<String, Value>, told: &Told<'_>) -> String {
    let mut out = String::with_capacity(text_.len());
    let mut rest = text_;
    while let Some(start) = rest.find("$(") {
        let Some(end) = rest[start..].find(')') else { break };
        let name = &rest[start + 2..start + end];
        out.push_str(&rest[..start]);
        match (name, name.strip_prefix("parameters.")) {
            ("session.name", _) => out.push_str(told.session),
            ("session.user", _) => out.push_str(told.user),
            ("session.basePath", _) => out.push_str(told.base_path),
            (_, Some(name)) => out.push_str(&values.get(name).map(text).unwrap_or_default()),
            (_, None) => out.push_str(&rest[start..=start + end]),
        }
        rest = &rest[start + end + 1..];
    }
    out.push_str(rest);
    out
}

/// A value as it stands in an argument: texts without quotes, everything else as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({ "type": "object", "required": ["url"], "properties": {
            "url": { "type": "string", "pattern": "^https?://" },
            "zoom": { "type": "integer", "default": 100 } } })
    }

    fn values(json: Value) -> BTreeMap<String, Value> {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn defaults_are_filled_in_and_values_stay() {
        let all = resolve(Some(&schema()), &values(json!({ "url": "https://example.org" }))).unwrap();
        assert_eq!(all["zoom"], json!(100));
        assert_eq!(all["url"], json!("https://example.org"));
    }

    #[test]
    fn each_wrong_value_is_named() {
        let errors = resolve(Some(&schema()), &values(json!({ "zoom": "big", "colour": "red" }))).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert!(fields.contains(&"spec.parameters.colour"), "{fields:?}");
        assert!(fields.contains(&"spec.parameters.zoom"), "{fields:?}");
        assert!(errors.iter().any(|error| error.message.contains("url")), "{errors:?}");
    }

    #[test]
    fn a_template_without_a_schema_takes_no_parameters() {
        assert!(resolve(None, &BTreeMap::new()).is_ok());
        assert!(resolve(None, &values(json!({ "a": 1 }))).is_err());
    }

    #[test]
    fn a_value_stays_within_its_argument_and_is_not_expanded_again() {
        let told = Told { session: "s", user: "u", base_path: "/s/s/" };
        let all = values(json!({ "url": "$(parameters.zoom); rm -rf /", "zoom": 3 }));
        assert_eq!(expand("--url=$(parameters.url)", &all, &told), "--url=$(parameters.zoom); rm -rf /");
        assert_eq!(
            expand("$(session.name)/$(session.user) $(session.basePath) $(other) $(", &all, &told),
            "s/u /s/s/ $(other) $("
        );
    }
}
