//! Nodes: the machines that sessions run on, as callers see them, and the rules over them.

pub mod change;
pub mod detect;
pub mod drain;
pub mod pods;
pub mod wish;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::{conditions::Holds, quantity};

/// A machine that sessions run on: a node of the cluster, or the host itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its name; on one machine the host's.
    pub name: String,
    /// The version of what can be changed about it, for `If-Match`.
    pub resource_version: String,
    /// Since when it is known.
    pub created_at: Option<Timestamp>,
    /// Whether it can run sessions as far as its own health goes: its condition `Ready`.
    pub ready: bool,
    /// Whether new sessions may be started on it: it is not cordoned.
    pub schedulable: bool,
    /// Such as `control-plane`; empty for an ordinary one.
    pub roles: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// What the machine has.
    pub capacity: Amounts,
    /// What of it is for pods or sessions.
    pub allocatable: Amounts,
    /// What those that run on it asked for.
    pub requested: Amounts,
    /// What is used at the moment; absent where nothing measures it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<Amounts>,
    /// Pods on it that have not ended; absent on one machine, which has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<u32>,
    /// Sessions that run on it.
    pub sessions: u32,
    /// What it is and runs.
    pub versions: Versions,
    /// Whose machine it is: `aws`, `gcp`, `azure`, …; absent where nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The region's zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Its GPUs; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// Its health, in several respects.
    pub conditions: Vec<NodeCondition>,
}

/// Amounts of what machines have, as Kubernetes writes them. What is not known, or not counted here, is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// Processors: `4`, `1930m`.
    #[serde(rename = "cpu", serialize_with = "cores", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "1930m")]
    pub cpu_millis: Option<u64>,
    /// Memory: `16Gi`.
    #[serde(rename = "memory", serialize_with = "bytes", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "16Gi")]
    pub memory_bytes: Option<u64>,
    /// Disk for what runs there: of a node its ephemeral storage, of a host the file system of the data folder.
    #[serde(rename = "storage", serialize_with = "bytes", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "100Gi")]
    pub storage_bytes: Option<u64>,
    /// How many pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<u64>,
    /// How many GPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u64>,
}

#[allow(clippy::ref_option, reason = "the shape that serde asks for")]
fn cores<S: Serializer>(millis: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    millis.map(quantity::write_cpu).serialize(serializer)
}

#[allow(clippy::ref_option, reason = "the shape that serde asks for")]
fn bytes<S: Serializer>(bytes: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    bytes.map(quantity::write_bytes).serialize(serializer)
}

impl Amounts {
    /// Both together; what one of them does not say is taken from the other.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        Self {
            cpu_millis: sum(self.cpu_millis, other.cpu_millis),
            memory_bytes: sum(self.memory_bytes, other.memory_bytes),
            storage_bytes: sum(self.storage_bytes, other.storage_bytes),
            pods: sum(self.pods, other.pods),
            gpus: sum(self.gpus, other.gpus),
        }
    }
}

/// Keeps away what does not bear it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NodeTaint)]
pub struct Taint {
    /// Its key.
    #[schema(example = "example.org/reserved")]
    pub key: String,
    /// Its value; may be empty.
    #[serde(default)]
    pub value: String,
    /// What it does.
    pub effect: Effect,
}

/// What a taint does to what does not bear it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, ToSchema)]
#[schema(as = TaintEffect)]
pub enum Effect {
    /// Nothing new starts there.
    NoSchedule,
    /// Something new starts there only if there is no other place.
    PreferNoSchedule,
    /// Nothing new starts there, and what runs there has to go.
    NoExecute,
}

impl Effect {
    /// Its word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }

    /// The effect of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::NoSchedule, Self::PreferNoSchedule, Self::NoExecute].into_iter().find(|effect| effect.word() == word)
    }
}

/// What a machine is and runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NodeVersions)]
pub struct Versions {
    /// The operating system.
    #[schema(example = "Debian GNU/Linux 12 (bookworm)")]
    pub os: String,
    /// Its kernel.
    pub kernel: String,
    /// The processor's architecture, such as `amd64`.
    pub architecture: String,
    /// The node's agent; absent on one machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<String>,
    /// What runs containers, such as `containerd://2.1.0`; absent on one machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_runtime: Option<String>,
    /// The platform itself; absent where it does not run on the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streamspace: Option<String>,
}

/// The GPUs of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gpu {
    /// `nvidia`, `amd` or `intel`.
    pub vendor: String,
    /// The model, where something tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How many.
    pub count: u64,
}

/// How a node is, in one respect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCondition {
    /// Such as `Ready`, `MemoryPressure`, `DiskPressure`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// Since when.
    pub last_transition_time: Option<Timestamp>,
}

impl NodeCondition {
    /// Whether it holds.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.status == Holds::True.word()
    }
}

/// A pod on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// The kind of what keeps it, such as `DaemonSet`; absent where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controlled_by: Option<String>,
    /// The session that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What it asks for.
    pub requested: Amounts,
    /// Since when it is there.
    pub created_at: Option<Timestamp>,
}

/// Something that happened to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeEvent {
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub type_: String,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// How often it happened.
    pub count: i32,
    /// The last time.
    pub last_timestamp: Option<Timestamp>,
}

/// The sums over all nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStats {
    /// Nodes in all.
    pub nodes: u32,
    /// Those that are ready.
    pub ready: u32,
    /// Those that are not.
    pub not_ready: u32,
    /// Those on which new sessions may be started, ready ones alone.
    pub schedulable: u32,
    /// Pods on them; absent on one machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<u32>,
    /// Sessions on them.
    pub sessions: u32,
    /// What the machines have.
    pub capacity: Amounts,
    /// What of it is for pods or sessions.
    pub allocatable: Amounts,
    /// What those asked for.
    pub requested: Amounts,
    /// What is used; absent where not every node is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<Amounts>,
    /// Sessions by node; nodes without any are there with 0.
    pub sessions_by_node: BTreeMap<String, u32>,
}

impl NodeStats {
    /// The sums over `nodes`.
    #[must_use]
    pub fn of(nodes: &[Node]) -> Self {
        let count = |wanted: fn(&Node) -> bool| {
            u32::try_from(nodes.iter().filter(|node| wanted(node)).count()).unwrap_or(u32::MAX)
        };
        let sum = |of: fn(&Node) -> &Amounts| nodes.iter().map(of).fold(Amounts::default(), |sum, one| sum.plus(one));
        let used: Option<Vec<Amounts>> = nodes.iter().map(|node| node.used).collect();
        let pods: Option<Vec<u32>> = nodes.iter().map(|node| node.pods).collect();
        Self {
            nodes: count(|_| true),
            ready: count(|node| node.ready),
            not_ready: count(|node| !node.ready),
            schedulable: count(|node| node.ready && node.schedulable),
            pods: pods.filter(|pods| !pods.is_empty()).map(|pods| pods.iter().sum()),
            sessions: nodes.iter().map(|node| node.sessions).sum(),
            capacity: sum(|node| &node.capacity),
            allocatable: sum(|node| &node.allocatable),
            requested: sum(|node| &node.requested),
            used: used
                .filter(|used| !used.is_empty())
                .map(|used| used.iter().fold(Amounts::default(), |sum, one| sum.plus(one))),
            sessions_by_node: nodes.iter().map(|node| (node.name.clone(), node.sessions)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str, used: Option<u64>) -> Node {
        let amounts = |millis| Amounts { cpu_millis: Some(millis), ..Amounts::default() };
        Node {
            name: name.into(),
            resource_version: "1".into(),
            ready: true,
            schedulable: true,
            capacity: amounts(2000),
            allocatable: amounts(1930),
            requested: amounts(500),
            used: used.map(amounts),
            pods: Some(3),
            sessions: 2,
            ..Node::default()
        }
    }

    #[test]
    fn amounts_are_written_as_kubernetes_does_and_what_is_unknown_is_absent() {
        let amounts = Amounts { cpu_millis: Some(1930), memory_bytes: Some(3 << 30), ..Amounts::default() };
        assert_eq!(serde_json::to_value(amounts).unwrap(), json!({ "cpu": "1930m", "memory": "3Gi" }));
        let json = serde_json::to_value(node("a", None)).unwrap();
        assert_eq!((json.get("used"), json.get("gpu"), &json["pods"]), (None, None, &json!(3)));
    }

    #[test]
    fn the_sums_say_what_is_used_only_where_every_node_is_measured() {
        let mut down = node("b", Some(700));
        (down.ready, down.sessions) = (false, 0);
        let stats = NodeStats::of(&[node("a", Some(300)), down.clone()]);
        assert_eq!((stats.nodes, stats.ready, stats.not_ready, stats.schedulable), (2, 1, 1, 1));
        assert_eq!((stats.pods, stats.sessions), (Some(6), 2));
        assert_eq!(stats.capacity.cpu_millis, Some(4000));
        assert_eq!(stats.used.and_then(|used| used.cpu_millis), Some(1000));
        assert_eq!(stats.sessions_by_node, [("a".to_owned(), 2), ("b".to_owned(), 0)].into());
        assert_eq!(NodeStats::of(&[node("a", None), down]).used, None);
        assert_eq!(NodeStats::of(&[]).pods, None);
    }
}
