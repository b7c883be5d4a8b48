//! The chart: rendered by the real helm, and what it gives the server put in force in a namespace of a test.

#![allow(clippy::disallowed_methods, reason = "the tests have settings of their own")]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::cluster::Place;

/// Name of every test's release.
pub const RELEASE: &str = "streamspace";

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The chart's folder.
pub fn chart() -> String {
    project().join("charts/streamspace").display().to_string()
}

/// The pinned helm, which is built where it is missing.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let tool = Command::new(project().join("scripts/tool")).arg("helm").output().unwrap();
        assert!(tool.status.success(), "{}", String::from_utf8_lossy(&tool.stderr));
        String::from_utf8(tool.stdout).unwrap().trim().into()
    })
}

/// Runs helm, on the cluster of `place` if it is on one, and returns what it prints.
pub fn helm(place: Option<&Place>, arguments: &[&str]) -> Result<String, String> {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program());
    command.args(arguments).env("HOME", home.path());
    if let Some(place) = place {
        command.env("KUBECONFIG", place.cluster.kubeconfig());
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// The values that have no default, and those of the test.
pub fn values(more: &[&str]) -> Vec<String> {
    let required = ["publicUrl=http://localhost:8000", "appsDomain=localhost:8000", "existingSecret=streamspace"];
    required.iter().chain(more).flat_map(|value| ["--set".to_owned(), (*value).to_owned()]).collect()
}

/// The objects that the chart renders with these values, for a release in `namespace`.
pub fn render(namespace: &str, more: &[&str]) -> Vec<Value> {
    let (chart, values) = (chart(), values(more));
    let mut arguments = vec!["template", RELEASE, &chart, "--namespace", namespace, "--kube-version", "1.34.4"];
    arguments.extend(values.iter().map(String::as_str));
    let text = helm(None, &arguments).unwrap_or_else(|error| panic!("{error}"));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A text of an object, empty where there is none.
pub fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The texts of a list.
pub fn words(value: &Value) -> impl Iterator<Item = String> + '_ {
    value.as_array().into_iter().flatten().map(word)
}

/// What the chart gives servers that run outside the cluster: rights and policies.
pub struct Rights<'a> {
    place: &'a Place,
    /// Where the accounts of the servers are.
    namespace: String,
}

impl<'a> Rights<'a> {
    /// Those that the chart renders with these values for sessions in the namespace of `place`.
    pub fn of_chart(place: &'a Place, more: &[&str]) -> Self {
        let namespace = format!("{}-system", place.namespace);
        place.kubectl_with(&["create", "namespace", &namespace], "");
        let sessions = format!("sessions.namespace={}", place.namespace);
        let kinds = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "NetworkPolicy"];
        let more: Vec<&str> = more.iter().copied().chain([sessions.as_str()]).collect();
        let mut objects = render(&namespace, &more);
        objects.retain(|object| kinds.contains(&object["kind"].as_str().unwrap_or_default()));
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        place.cluster.kubectl_with(&["apply", "--filename", "-"], list.to_string().as_bytes());
        Self { place, namespace }
    }

    /// A file that leads to the cluster as the server of that role; of one that has all roles, `server`.
    pub fn kubeconfig(&self, role: &str) -> NamedTempFile {
        let account = format!("{RELEASE}-{role}");
        let token = self.place.cluster.kubectl(&["--namespace", &self.namespace, "create", "token", &account]);
        let config = self.place.kubectl_with(&["config", "view", "--raw", "--minify", "--output=json"], "");
        let mut config: Value = serde_json::from_str(&config).unwrap();
        config["users"][0]["user"] = json!({ "token": token.trim() });
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(config.to_string().as_bytes()).unwrap();
        file
    }
}
