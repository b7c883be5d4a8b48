//! Manifests: which templates a file holds, and everything that is wrong with it, each with its place and advice.

use std::sync::LazyLock;

use kube::CustomResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    located::{self, Document, Place},
    older,
};
use crate::{
    crd::{Template, TemplateSpec},
    domain::{names, template},
    objects::{Object, ObjectError},
};

/// Grows with each change of what is made of a manifest, so that what was read before is read again.
pub const RULES: i32 = 1;

/// Something about a file that somebody should know of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = FileProblem)]
pub struct Problem {
    /// The file, from the repository's root.
    pub file: String,
    /// From 1.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
    /// What it means for the template.
    pub level: Level,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// What a problem means.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The template is not taken; its last good version stays.
    Error,
    /// The template is taken.
    Warning,
    /// It is no template.
    Skipped,
}

/// A template that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// `metadata.name`.
    pub name: String,
    /// Its spec in the current spelling, as it was checked.
    pub spec: TemplateSpec,
    /// The document as it stands in the file.
    pub text: String,
    /// What somebody should know of it.
    pub notes: Vec<Problem>,
}

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Its templates.
    pub found: Vec<Found>,
    /// What is wrong with it, and what is no template.
    pub problems: Vec<Problem>,
}

impl Reading {
    /// Whether something in it is a template that could not be taken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.problems.iter().any(|problem| problem.level == Level::Error)
    }
}

/// Reads the file at `path` (from the repository's root) with that content.
#[must_use]
pub fn read(path: &str, content: &[u8]) -> Reading {
    let at = |place: Place, level: Level, message: String| Problem {
        file: path.to_owned(),
        line: place.line,
        column: place.column,
        level,
        message,
    };
    let first = Place { line: 1, column: 1 };
    let text = match std::str::from_utf8(content) {
        Ok(text) if !text.contains('\0') => text,
        read => {
            let message =
                if read.is_ok() { "it holds a NUL character: take it out" } else { "it is not UTF-8: save it as such" };
            return Reading { found: vec![], problems: vec![at(first, Level::Error, message.into())] };
        }
    };
    let documents = match located::read(text) {
        Ok(documents) => documents,
        Err(error) => {
            let problem = at(error.place, Level::Error, format!("it cannot be read as YAML: {}", error.message));
            return Reading { found: vec![], problems: vec![problem] };
        }
    };
    let mut reading = Reading::default();
    if documents.is_empty() {
        reading.problems.push(at(first, Level::Skipped, "it is empty".into()));
    }
    let begins: Vec<u64> = documents.iter().skip(1).map(|document| document.begin.line).collect();
    for (index, mut document) in documents.into_iter().enumerate() {
        if let Err(reason) = older::is_template(&document.value) {
            reading.problems.push(at(document.begin, Level::Skipped, reason));
            continue;
        }
        let notes = older::translate(&mut document);
        let notes = notes.into_iter().chain(ignored(&mut document.value));
        let notes = notes
            .map(|(field, message)| at(document.place(&field), Level::Warning, format!("{field}: {message}")))
            .collect();
        match check(&mut document) {
            Ok((name, _)) if reading.found.iter().any(|found| found.name == name) => {
                let message = format!("metadata.name: the file has another template named {name} above");
                reading.problems.push(at(document.place("metadata.name"), Level::Error, message));
            }
            Ok((name, spec)) => {
                let text = part(text, document.begin.line, begins.get(index).copied());
                reading.found.push(Found { name, spec, text, notes });
            }
            Err(wrong) => reading.problems.extend(
                wrong
                    .into_iter()
                    .map(|(field, message)| at(document.place(&field), Level::Error, format!("{field}: {message}"))),
            ),
        }
    }
    reading
}

/// Name and spec of a document, or everything that is wrong with it: the field and a sentence. Its value goes.
fn check(document: &mut Document<'_>) -> Result<(String, TemplateSpec), Vec<(String, String)>> {
    let mut wrong = Vec::new();
    let mut object = document.value.take();
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !names::is_dns_label(&name) {
        wrong.push((
            "metadata.name".into(),
            format!("“{name}” is no name: write lower-case letters, digits and “-”, at most 63"),
        ));
    }
    if holds_nul(&object) {
        wrong.push(("spec".into(), "it holds a NUL character: take it out".into()));
    }
    let definition = Template::definition();
    object["metadata"] = serde_json::json!({ "name": name });
    let mut object = definition.fill(&object);
    if let Err(ObjectError::Invalid(fields)) = definition.check(&object, None) {
        wrong.extend(fields.into_iter().map(|error| (error.field, error.message)));
    }
    let spec = object.get_mut("spec").map(Value::take).unwrap_or_default();
    match serde_path_to_error::deserialize::<_, TemplateSpec>(spec) {
        Ok(spec) => {
            wrong.extend(template::check(&spec).into_iter().map(|error| (error.field, error.message)));
            if wrong.is_empty() { Ok((name, spec)) } else { Err(wrong) }
        }
        // The structure was looked at already, and says more.
        Err(error) => {
            if wrong.is_empty() {
                wrong.push((format!("spec.{}", error.path()), error.into_inner().to_string()));
            }
            Err(wrong)
        }
    }
}

/// Whether a text in it holds a character that no program and no database takes.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Takes fields out of the spec that nobody knows, as an API server does, and names them.
fn ignored(document: &mut Value) -> Vec<(String, String)> {
    static KNOWN: LazyLock<Value> = LazyLock::new(|| {
        let definition = serde_json::to_value(Template::crd()).unwrap_or_default();
        let fields = definition.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");
        fields.cloned().unwrap_or_default()
    });
    let Some(Value::Object(spec)) = document.get_mut("spec") else { return Vec::new() };
    let unknown: Vec<String> = spec.keys().filter(|field| KNOWN.get(field.as_str()).is_none()).cloned().collect();
    spec.retain(|field, _| !unknown.contains(field));
    unknown.into_iter().map(|field| (format!("spec.{field}"), "is not known and has no effect".to_owned())).collect()
}

/// The lines of a document, without the marks around it.
fn part(text: &str, begin: u64, next: Option<u64>) -> String {
    let from = usize::try_from(begin).unwrap_or(1).saturating_sub(1);
    let until = next.map_or(usize::MAX, |next| usize::try_from(next).unwrap_or(usize::MAX).saturating_sub(1));
    let lines: Vec<&str> =
        text.lines().skip(from).take(until.saturating_sub(from)).take_while(|line| *line != "---").collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: stream.streamspace.io/v1alpha1\nkind: Template\nmetadata: { name: tool }\nspec:\n  displayName: Tool\n  baseImage: i:1\n  webapp: { port: 80 }\n";

    #[test]
    fn a_template_of_the_current_group_is_found_with_its_text() {
        let reading = read("a/tool.yaml", GOOD.as_bytes());
        assert_eq!(reading.problems, []);
        assert_eq!((reading.found[0].name.as_str(), reading.found[0].text.as_str()), ("tool", GOOD));
        assert_eq!(reading.found[0].spec.display_name, "Tool");
    }

    #[test]
    fn an_older_manifest_of_the_wild_is_brought_to_the_current_spelling() {
        let old = "apiVersion: stream.space/v1alpha1\nkind: Template\nmetadata:\n  name: firefox\n  namespace: workspaces\nspec:\n  displayName: Firefox\n  baseImage: example.com/firefox:latest\n  defaultResources:\n    requests: { memory: 1Gi, cpu: 500m }\n    limits: { memory: 2Gi }\n  ports:\n    - { name: vnc, containerPort: 3000, protocol: TCP }\n  volumeMounts:\n    - { name: user-home, mountPath: /config }\n  kasmvnc: { enabled: true, port: 3000 }\n";
        let reading = read("firefox.yaml", old.as_bytes());
        assert_eq!(reading.problems, []);
        let found = &reading.found[0];
        let spec = serde_json::to_value(&found.spec).unwrap();
        assert_eq!(spec["vnc"], serde_json::json!({ "enabled": true, "port": 3000, "protocol": "kasmvnc" }));
        assert_eq!(spec["security"], "baseline");
        assert_eq!(spec["defaultResources"], serde_json::json!({ "memory": "2Gi", "cpu": "500m" }));
        assert_eq!(spec["volumeMounts"][0]["name"], "home");
        let lines: Vec<u64> = found.notes.iter().map(|note| note.line).collect();
        assert_eq!(lines, [1, 16, 9, 15]);
    }

    #[test]
    fn every_problem_has_its_line_and_column_and_says_what_to_do() {
        let bad = GOOD.replace("port: 80", "port: 99999").replace("displayName: Tool", "displayName: \"\"");
        let reading = read("a.yaml", bad.as_bytes());
        assert!(reading.found.is_empty() && reading.is_broken());
        let places: Vec<(u64, u64)> = reading.problems.iter().map(|problem| (problem.line, problem.column)).collect();
        assert_eq!(places, [(5, 3), (7, 13)], "{:#?}", reading.problems);
        assert!(reading.problems[1].message.contains("65535"), "{:?}", reading.problems[1]);
    }

    #[test]
    fn other_yaml_is_skipped_with_the_reason_and_the_templates_beside_it_are_found() {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: x }}\n---\n{GOOD}---\nfoo: bar\n");
        let reading = read("a.yaml", text.as_bytes());
        assert_eq!((reading.found.len(), reading.found[0].text.as_str()), (1, GOOD));
        let skipped: Vec<_> = reading.problems.iter().map(|problem| (problem.line, problem.level)).collect();
        assert_eq!(skipped, [(1, Level::Skipped), (13, Level::Skipped)]);
        assert!(reading.problems[0].message.contains("ConfigMap"));
    }

    #[test]
    fn of_two_templates_of_one_name_in_a_file_the_first_is_taken() {
        let reading = read("a.yaml", format!("{GOOD}---\n{GOOD}").as_bytes());
        assert_eq!((reading.found.len(), reading.problems.len()), (1, 1));
        assert_eq!((reading.problems[0].line, reading.problems[0].level), (11, Level::Error));
    }

    #[test]
    fn a_field_that_nobody_knows_is_told_and_does_no_harm() {
        let reading = read("a.yaml", format!("{GOOD}  sparkles: true\n").as_bytes());
        assert_eq!(reading.found[0].notes[0].line, 8);
        assert!(reading.found[0].notes[0].message.starts_with("spec.sparkles"));
    }
}
