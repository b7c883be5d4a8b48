#![allow(clippy::duplicated_attributes, reason = "the lint compares the arguments of different printer columns")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One person's running (or sleeping) copy of a template.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "stream.streamspace.io",
    version = "v1alpha1",
    kind = "Session",
    plural = "sessions",
    shortname = "ss",
    category = "streamspace",
    namespaced,
    cel,
    status = "SessionStatus",
    derive = "PartialEq",
    derive = "Default",
    selectable = ".spec.user",
    selectable = ".spec.template",
    printcolumn(name = "User", type_ = "string", json_path = ".spec.user"),
    printcolumn(name = "Template", type_ = "string", json_path = ".spec.template"),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.doctor.reason"),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.workload.node", priority = 1),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.project) || (has(self.project) && self.project == oldSelf.project)")
        .message("project cannot be changed once it is set")
)]
pub struct SessionSpec {
    /// Whose session it is: a user's name (a DNS label). Cannot be changed.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("user cannot be changed: create a session for the other user"))]
    pub user: String,
    /// The name of the Template it is made from. Cannot be changed.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("template cannot be changed: create a session of the other template"))]
    pub template: String,
    /// What is wanted: `running`, `hibernated` (stopped, files kept) or `terminated` (final).
    #[serde(default)]
    #[x_kube(validation = Rule::new("oldSelf != 'terminated' || self == 'terminated'").message("a terminated session stays terminated: create a new one"))]
    pub state: DesiredState,
    /// CPU, memory and GPU; what is absent comes from the template.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    /// What people see; 1 to 60 characters. Absent: the template's display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 60))]
    pub display_name: Option<String>,
    /// `true`: the person's home is mounted and stays; `false`: an empty home that goes with the session.
    #[serde(default = "yes")]
    pub persistent_home: bool,
    /// Hibernate after this long without activity, such as `30m`; `0s` means never. Absent: the template's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"), length(min = 2, max = 20))]
    pub idle_timeout: Option<String>,
    /// Terminate after running this long, such as `8h`; `0s` means never. Absent: the template's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"), length(min = 2, max = 20))]
    pub max_session_duration: Option<String>,
    /// Values for the template's launch form.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "free_form")]
    pub parameters: BTreeMap<String, Value>,
    /// Free words to find it by; at most 20, each 1 to 40 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 40)))]
    pub tags: Vec<String>,
    /// What the session's own telemetry should carry; shown in the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observability: Option<Observability>,
    /// The project that quota, budget and sharing refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))]
    pub project: Option<String>,
}

impl Session {
    /// Where it is in its life, as its status tells; `Pending` before it has one.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.status.as_ref().map(|status| status.phase).unwrap_or_default()
    }
}

impl Default for SessionSpec {
    /// As the API server fills in what is absent.
    fn default() -> Self {
        Self {
            user: String::new(),
            template: String::new(),
            state: DesiredState::default(),
            resources: Resources::default(),
            display_name: None,
            persistent_home: yes(),
            idle_timeout: None,
            max_session_duration: None,
            parameters: BTreeMap::new(),
            tags: Vec::new(),
            observability: None,
            project: None,
        }
    }
}

fn yes() -> bool {
    true
}

/// An object whose fields are the template's business.
pub(super) fn free_form(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Takes `null` out of the words of an enum that may be absent: `nullable` says that already, and kubectl refuses to send a
/// definition that has one.
fn words_alone(schema: &mut schemars::Schema) {
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
}

/// The desired state of a session.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DesiredState {
    /// The program runs.
    #[default]
    Running,
    /// The program is stopped, the home stays.
    Hibernated,
    /// Over for good.
    Terminated,
}

/// Requested amounts as Kubernetes quantities.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Processor time: `500m` is half a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"))]
    pub cpu: Option<String>,
    /// Memory: `2Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"))]
    pub memory: Option<String>,
    /// Number of GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+$"))]
    pub gpu: Option<String>,
}

impl Resources {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.memory.is_none() && self.gpu.is_none()
    }
}

/// What the session reports about itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observability {
    /// Logging wishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Whether metrics are wanted.
    #[serde(default)]
    pub metrics: bool,
    /// Whether traces are wanted.
    #[serde(default)]
    pub tracing: bool,
}

/// How much is logged.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Logging {
    /// The least level that is kept.
    #[serde(default)]
    pub level: LogLevel,
}

/// A log level.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// What is so: written by the controller alone.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionStatus {
    /// Where in its life the session is.
    #[serde(default)]
    pub phase: Phase,
    /// Since when it is in that phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase_since: Option<Time>,
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `TemplateResolved`, `Admitted`, `HomeReady`, `WorkloadReady`, `Reachable`, `LimitsEnforced`, `BudgetLeft`, `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Where the running app answers (without any ticket).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadStatus>,
    /// Open connections when the status was last written; live figures are in `GET /api/v1/activity`.
    #[serde(default)]
    pub connections: u32,
    /// Last activity of the person when the status was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_activity: Option<Time>,
    /// Epoch of the controller that wrote this; only grows.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("a controller that lost its leadership may not write status"))]
    pub leader_epoch: i64,
    /// Since when nothing happens, why, and when the session stops for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<IdleStatus>,
    /// Why the session does not run, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doctor: Option<Verdict>,
    /// The latest events of its life, oldest first, at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Starts that failed in the last ten minutes, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Time>,
    /// Number of the run of the workload that is wanted, or was last; from 1.
    #[serde(default)]
    pub run: i64,
    /// When the present run is ended by `maxSessionDuration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When the session came to be terminated; it is removed some time after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated_at: Option<Time>,
    /// The last value of the annotation `stream.streamspace.io/restarted-at` that was obeyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<String>,
    /// What the session's telemetry carries, as asked in the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observability: Option<Observability>,
}

/// Schema of a list of standard conditions: merged by `type`, as the Kubernetes conventions ask.
pub(super) fn conditions(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let items = generator.subschema_for::<Condition>();
    schemars::json_schema!({
        "type": "array",
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}

/// Phases of a session; which may follow which is in `domain::phase`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    utoipa::ToSchema,
)]
pub enum Phase {
    /// Seen, not started: the template, admission or the home is awaited.
    #[default]
    Pending,
    /// The workload is being brought up.
    Starting,
    /// The app answered on its port.
    Running,
    /// The workload is being stopped, the home stays.
    Hibernating,
    /// Stopped, files kept.
    Hibernated,
    /// Being ended for good.
    Terminating,
    /// Over.
    Terminated,
    /// Could not run; `doctor` says why.
    Failed,
}

impl Phase {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Hibernating => "Hibernating",
            Self::Hibernated => "Hibernated",
            Self::Terminating => "Terminating",
            Self::Terminated => "Terminated",
            Self::Failed => "Failed",
        }
    }
}

/// What runs a session.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadStatus {
    /// `Sandbox` on one machine, `Pod` on Kubernetes.
    pub kind: String,
    /// Its name; on one machine also the name its logs are asked by.
    pub name: String,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Since when it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
}

/// Explains idleness.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdleStatus {
    /// The last activity; absent while the session is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Why it counts as idle or active, as a sentence.
    #[serde(default)]
    pub cause: String,
    /// When it will be hibernated; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops_at: Option<Time>,
}

/// The start doctor's finding.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The cause, as one word.
    pub reason: Reason,
    /// What happened, as a sentence.
    pub message: String,
    /// What to do, as a sentence.
    pub remedy: String,
    /// What a button can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = words_alone)]
    pub action: Option<Remedy>,
    /// Since when it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// Causes that the doctor can tell apart.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Reason {
    ImageNotFound,
    ImagePullDenied,
    Unschedulable,
    VolumeAttachedElsewhere,
    VolumePending,
    QuotaExceeded,
    BudgetSpent,
    PolicyRefused,
    ValidationFailed,
    UserUnknown,
    ProgramMissing,
    ExitedAtOnce,
    PortNeverOpened,
    OutOfMemory,
    DiskFull,
    HomeNotWritable,
    Evicted,
    NodeLost,
    HostRestarted,
    Unknown,
}

/// What a person can press.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Remedy {
    Retry,
    ChangeSize,
    StopOther,
    AskAdmin,
    OpenLogs,
}

/// The story so far.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// When the session was seen first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// The person's last activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_activity: Option<Time>,
    /// At most the 50 latest events, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<LifecycleEvent>,
    /// How often each type happened.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event_counts: BTreeMap<String, i64>,
    /// Seconds spent in each phase that was left.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phase_durations: BTreeMap<String, i64>,
}

/// One thing that happened.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleEvent {
    /// What happened.
    #[serde(rename = "type")]
    pub type_: LifecycleType,
    /// When, to the microsecond; no two events of a session have the same.
    pub time: MicroTime,
    /// A sentence.
    pub message: String,
    /// More of it; never holds a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// `Normal` or `Warning`, as in Kubernetes Events.
    pub event_type: EventType,
}

/// Kinds of lifecycle events.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize, utoipa::ToSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LifecycleType {
    Created,
    Starting,
    Ready,
    Healthy,
    Unhealthy,
    Hibernated,
    Resumed,
    Upgrading,
    TeardownTriggered,
    Migrated,
    Failed,
    Deleted,
}

/// The two types of Kubernetes Events.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize, utoipa::ToSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub enum EventType {
    #[default]
    Normal,
    Warning,
}

impl EventType {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}
