#![allow(clippy::duplicated_attributes, reason = "the lint compares the arguments of different printer columns")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Resources;
use super::session::{conditions, free_form};

/// Something that can be launched.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "stream.streamspace.io",
    version = "v1alpha1",
    kind = "Template",
    plural = "templates",
    shortname = "tpl",
    category = "streamspace",
    namespaced,
    cel,
    status = "TemplateStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(name = "Display name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "Category", type_ = "string", json_path = ".spec.category"),
    printcolumn(name = "Valid", type_ = "boolean", json_path = ".status.valid"),
    printcolumn(name = "Instances", type_ = "integer", json_path = ".status.instances"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.vnc) && self.vnc.enabled && has(self.webapp) && self.webapp.enabled)")
        .message("a template is opened either as vnc or as webapp: enable one of them")
)]
pub struct TemplateSpec {
    /// What people see; 1 to 60 characters.
    #[schemars(length(min = 1, max = 60))]
    pub display_name: String,
    /// A sentence or two that help to choose.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 4000))]
    pub description: String,
    /// The heading it is found under.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 60))]
    pub category: String,
    /// URL of a picture; shipped templates use `/icons/{name}.svg` of the dashboard itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub icon: Option<String>,
    /// The container image that a cluster runs.
    #[schemars(length(min = 1, max = 500))]
    pub base_image: String,
    /// Replaces the image's entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Arguments of the entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What a session gets that asks for nothing.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub default_resources: Resources,
    /// Ports of the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub ports: Vec<TemplatePort>,
    /// Environment of the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Where the home is mounted. Absent: `/home/user`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// `shared`: the person's one home; `own`: a home of this template's own.
    #[serde(default)]
    pub home: HomeKind,
    /// Who may launch it. Absent: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Set for programs that are seen through VNC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vnc: Option<Vnc>,
    /// Set for programs that speak HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webapp: Option<Webapp>,
    /// `Network`, `Clipboard`, `Upload`, `Download` are enforced; others are shown as not carried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub capabilities: Vec<String>,
    /// `restricted`, or `baseline`: root inside the container, no host access, after an administrator's grant.
    #[serde(default)]
    pub security: Security,
    /// Free words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40), inner(length(min = 1, max = 60)))]
    pub tags: Vec<String>,
    /// JSON schema (an object schema) of the launch form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form")]
    pub parameters: Option<Value>,
    /// What counts as activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// Default for sessions that do not say; as in Session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"), length(min = 2, max = 20))]
    pub idle_timeout: Option<String>,
    /// Default for sessions that do not say; as in Session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"), length(min = 2, max = 20))]
    pub max_session_duration: Option<String>,
    /// How one machine runs it without an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Local>,
}

/// A port the program listens on.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplatePort {
    /// A short name, a DNS label of at most 15 characters.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$"))]
    pub name: String,
    /// 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: u16,
    /// `TCP` only; kept for compatibility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// A variable of the program's environment: a value, or a reference to one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its value; `$(parameters.NAME)` and `$(session.name)` are replaced, never by a shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// From a labelled Secret or ConfigMap; refused on one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// Where a value comes from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueFrom {
    /// A key of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
}

/// A key of a named object.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct KeyRef {
    pub name: String,
    pub key: String,
}

/// Where a volume appears inside.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount {
    /// `home` is the person's home.
    pub name: String,
    /// An absolute path.
    #[schemars(regex(pattern = r"^/[^:]*$"), length(max = 500))]
    pub mount_path: String,
}

/// Which home a session mounts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HomeKind {
    /// One home a person, in all their sessions.
    #[default]
    Shared,
    /// One home a person and template: for programs that cannot be open twice.
    Own,
}

/// Who may launch.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Groups whose members may; empty means everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// A program with a screen.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vnc {
    /// Whether it is in force.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// The port it listens on.
    #[serde(default = "vnc_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// How it speaks.
    #[serde(default)]
    pub protocol: VncProtocol,
}

fn enabled() -> bool {
    true
}

fn vnc_port() -> u16 {
    5900
}

/// Ways to see a screen.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum VncProtocol {
    /// Plain RFB on a TCP port.
    #[default]
    Rfb,
    /// RFB inside a WebSocket.
    Websocket,
    /// A web client of its own, opened as a web app.
    Kasmvnc,
}

/// A program that speaks HTTP.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Webapp {
    /// Whether it is in force.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// The port it listens on.
    #[serde(default = "web_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Where a person starts.
    #[serde(default = "root")]
    #[schemars(regex(pattern = r"^/"))]
    pub path: String,
    /// A path that answers below 500 once the program can be used. Absent: `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/"))]
    pub health_check: Option<String>,
    /// Whether it serves below `$(session.basePath)` itself where sessions share a name (`APPS_ROUTING=host`): then paths
    /// come as browsers ask for them. Otherwise the prefix is taken off, which suits programs whose links are relative.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_prefix: bool,
}

fn web_port() -> u16 {
    8080
}

fn root() -> String {
    "/".into()
}

/// How much a container may do.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Security {
    #[default]
    Restricted,
    Baseline,
}

/// What counts as activity.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// How to ask the program whether it is busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// Paths (a `*` stands for anything) whose requests are polling, not activity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_paths: Vec<String>,
    /// Whether more than half a core over the last minute counts. Absent: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<bool>,
}

/// A question to the program.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// The path that is asked, once a minute.
    #[schemars(regex(pattern = r"^/"))]
    pub path: String,
    /// JSON pointer with `*` for every element; the program is busy if any value found equals `busy_value`.
    pub pointer: String,
    /// What the value is while it is busy.
    pub busy_value: String,
}

/// How one machine runs the template.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Local {
    /// The program and its first arguments; `streamspace` means this very binary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Further arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Further environment; wins over `env`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Programs that must be on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Requirement>,
}

/// A program that must be there.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// Name looked up on the sessions' search path.
    pub program: String,
    /// The command that brings it, such as `apt-get install xterm`.
    pub install: String,
}

/// What is so about a template.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateStatus {
    /// Whether sessions can be made from it.
    #[serde(default)]
    pub valid: bool,
    /// Why not, as a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// `Valid`, `RunsHere`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// The git commit it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Sessions made from it that exist.
    #[serde(default)]
    pub instances: i64,
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
