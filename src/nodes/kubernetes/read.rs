//! What the API server's nodes, pods and events are in the port's words.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{self as core, Container, Event, Pod, PodSpec},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Time},
};
use kube::ResourceExt;

use crate::{
    domain::{
        conditions::Holds,
        keys,
        nodes::{Amounts, Effect, Node, NodeCondition, NodeEvent, NodePod, Taint, Versions, change::Settings, detect},
        quantity,
    },
    nodes::Found,
};

type Quantities = BTreeMap<String, Quantity>;

fn moment(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

/// What a list of resources says.
fn amounts(resources: &Quantities) -> Amounts {
    let whole = |name: &str| resources.get(name).and_then(|amount| quantity::whole(&amount.0));
    let gpus: Vec<u64> =
        whole_ones(resources).filter(|(name, _)| detect::is_gpu(name)).map(|(_, count)| count).collect();
    Amounts {
        cpu_millis: resources.get("cpu").and_then(|amount| quantity::millis(&amount.0)),
        memory_bytes: whole("memory"),
        storage_bytes: whole("ephemeral-storage"),
        pods: whole("pods"),
        gpus: (!gpus.is_empty()).then(|| gpus.iter().sum()),
    }
}

fn whole_ones(resources: &Quantities) -> impl Iterator<Item = (&str, u64)> + Clone {
    resources.iter().filter_map(|(name, amount)| Some((name.as_str(), quantity::whole(&amount.0)?)))
}

/// What people have set on a node.
pub(super) fn settings(node: &core::Node) -> Settings {
    let spec = node.spec.clone().unwrap_or_default();
    Settings {
        labels: node.labels().clone(),
        taints: spec.taints.unwrap_or_default().iter().filter_map(taint).collect(),
        unschedulable: spec.unschedulable.unwrap_or_default(),
    }
}

fn taint(taint: &core::Taint) -> Option<Taint> {
    let value = taint.value.clone().unwrap_or_default();
    Some(Taint { key: taint.key.clone(), value, effect: Effect::from_word(&taint.effect)? })
}

/// The node, on which `pods` are (`None`: they are not known) and of which `used` is used.
pub(super) fn node(node: &core::Node, pods: Option<&[Arc<Pod>]>, used: Option<Amounts>) -> Found {
    let status = node.status.clone().unwrap_or_default();
    let provider_id = node.spec.as_ref().and_then(|spec| spec.provider_id.as_deref());
    let conditions: Vec<NodeCondition> = status.conditions.unwrap_or_default().iter().map(condition).collect();
    let (labels, Settings { taints, unschedulable, .. }) = (node.labels(), settings(node));
    let allocatable = status.allocatable.unwrap_or_default();
    let requested = pods.unwrap_or_default().iter().map(|pod| requests(pod));
    let requested = requested.fold(Amounts::default(), |sum, one| sum.plus(&one));
    let shown = Node {
        name: node.name_any(),
        resource_version: node.resource_version().unwrap_or_default(),
        created_at: moment(node.metadata.creation_timestamp.as_ref()),
        ready: conditions.iter().any(|one| one.type_ == "Ready" && one.is_true()),
        schedulable: !unschedulable,
        roles: detect::roles(labels),
        labels: labels.clone(),
        taints,
        capacity: amounts(&status.capacity.unwrap_or_default()),
        allocatable: amounts(&allocatable),
        requested: Amounts::default(),
        used,
        pods: pods.map(|pods| u32::try_from(pods.len()).unwrap_or(u32::MAX)),
        sessions: 0,
        versions: versions(status.node_info.as_ref()),
        provider: detect::provider(provider_id, labels),
        region: detect::region(labels),
        zone: detect::zone(provider_id, labels),
        gpu: detect::gpu(whole_ones(&allocatable), labels),
        conditions,
    };
    Found { node: shown, requested: Some(requested) }
}

fn versions(info: Option<&core::NodeSystemInfo>) -> Versions {
    let Some(info) = info.cloned() else { return Versions::default() };
    Versions {
        os: info.os_image,
        kernel: info.kernel_version,
        architecture: info.architecture,
        kubelet: Some(info.kubelet_version),
        container_runtime: Some(info.container_runtime_version),
        streamspace: None,
    }
}

fn condition(condition: &core::NodeCondition) -> NodeCondition {
    NodeCondition {
        type_: condition.type_.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone().unwrap_or_default(),
        message: condition.message.clone().unwrap_or_default(),
        last_transition_time: moment(condition.last_transition_time.as_ref()),
    }
}

/// The node that the pod was given.
pub(super) fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// Whether what the pod asked for is still kept for it.
pub(super) fn is_active(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

/// What the scheduler keeps for a pod: what its containers ask for together, but at least what any of its beginning
/// ones does with those that stay beside it; what it asks for as a whole where it does; and what its sandbox costs.
fn requests(pod: &Pod) -> Amounts {
    let Some(spec) = &pod.spec else { return Amounts::default() };
    let of = |container: &Container| {
        let resources = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        resources.map(amounts).unwrap_or_default()
    };
    let whole = whole_pod(spec);
    let mut beside = Amounts::default();
    let mut beginning = Amounts::default();
    for container in spec.init_containers.iter().flatten() {
        if container.restart_policy.as_deref() == Some("Always") {
            beside = beside.plus(&of(container));
            beginning = larger(&beginning, &beside);
        } else {
            beginning = larger(&beginning, &beside.plus(&of(container)));
        }
    }
    let running = spec.containers.iter().map(of).fold(beside, |sum, one| sum.plus(&one));
    let asked = larger(&running, &beginning);
    let asked = Amounts {
        cpu_millis: whole.cpu_millis.or(asked.cpu_millis),
        memory_bytes: whole.memory_bytes.or(asked.memory_bytes),
        ..asked
    };
    asked.plus(&spec.overhead.as_ref().map(amounts).unwrap_or_default())
}

fn whole_pod(spec: &PodSpec) -> Amounts {
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    requests.map(amounts).unwrap_or_default()
}

fn larger(one: &Amounts, other: &Amounts) -> Amounts {
    Amounts {
        cpu_millis: one.cpu_millis.max(other.cpu_millis),
        memory_bytes: one.memory_bytes.max(other.memory_bytes),
        storage_bytes: one.storage_bytes.max(other.storage_bytes),
        pods: one.pods.max(other.pods),
        gpus: one.gpus.max(other.gpus),
    }
}

/// The kind of what keeps the pod.
pub(super) fn keeper(pod: &Pod) -> Option<String> {
    pod.owner_references().iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.kind.clone())
}

/// The pod as callers see it. Of the labels `sessions` is the namespace in which they mean a session.
pub(super) fn pod(pod: &Pod, sessions: &str) -> NodePod {
    let namespace = pod.namespace().unwrap_or_default();
    let session = pod.labels().get(keys::SESSION_LABEL).filter(|_| namespace == sessions).cloned();
    NodePod {
        name: pod.name_any(),
        phase: pod
            .status
            .as_ref()
            .and_then(|status| status.phase.clone())
            .unwrap_or_else(|| Holds::Unknown.word().into()),
        controlled_by: keeper(pod),
        session,
        requested: requests(pod),
        created_at: moment(pod.metadata.creation_timestamp.as_ref()),
        namespace,
    }
}

/// The event as callers see it.
pub(super) fn event(event: &Event) -> NodeEvent {
    let last = moment(event.last_timestamp.as_ref()).or_else(|| event.event_time.as_ref().map(|time| time.0));
    NodeEvent {
        type_: event.type_.clone().unwrap_or_else(|| "Normal".into()),
        reason: event.reason.clone().unwrap_or_default(),
        message: event.message.clone().unwrap_or_default(),
        count: event.count.unwrap_or(1),
        last_timestamp: last.or_else(|| moment(event.metadata.creation_timestamp.as_ref())),
    }
}

/// Leaves away of a node what nobody here reads.
pub(super) fn slim_node(node: &mut core::Node) {
    node.metadata.managed_fields = None;
    if let Some(status) = &mut node.status {
        status.images = None;
        status.volumes_attached = None;
        status.volumes_in_use = None;
    }
}

/// Leaves of a pod what it asks for, where it is, and whose it is.
pub(super) fn slim_pod(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    pod.metadata.annotations = None;
    if let Some(labels) = &mut pod.metadata.labels {
        labels.retain(|key, _| key == keys::SESSION_LABEL);
    }
    let slim = |containers: Vec<Container>| -> Vec<Container> {
        let slim = |one: Container| Container {
            name: one.name,
            resources: one.resources,
            restart_policy: one.restart_policy,
            ..Container::default()
        };
        containers.into_iter().map(slim).collect()
    };
    if let Some(spec) = pod.spec.take() {
        pod.spec = Some(PodSpec {
            node_name: spec.node_name,
            containers: slim(spec.containers),
            init_containers: spec.init_containers.map(slim),
            resources: spec.resources,
            overhead: spec.overhead,
            ..PodSpec::default()
        });
    }
    if let Some(status) = pod.status.take() {
        pod.status = Some(core::PodStatus { phase: status.phase, ..core::PodStatus::default() });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod_with(spec: Value) -> Pod {
        let mut spec = spec;
        spec["nodeName"] = "a".into();
        let mut pod = serde_json::from_value(json!({
            "metadata": {
                "name": "p", "namespace": "streamspace", "labels": { keys::SESSION_LABEL: "s", "app": "x" },
                "ownerReferences": [
                    { "apiVersion": "v1", "kind": "Other", "name": "o", "uid": "1" },
                    { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "2", "controller": true },
                ],
            },
            "spec": spec, "status": { "phase": "Running" },
        }))
        .unwrap();
        slim_pod(&mut pod);
        pod
    }

    fn container(cpu: &str, memory: &str) -> Value {
        json!({ "name": "c", "image": "i", "resources": { "requests": { "cpu": cpu, "memory": memory } } })
    }

    #[test]
    fn a_pod_asks_for_what_the_scheduler_keeps_for_it() {
        let asked = |spec| {
            let amounts = requests(&pod_with(spec));
            (amounts.cpu_millis, amounts.memory_bytes.map(|bytes| bytes >> 20))
        };
        let (one, two) = (container("500m", "64Mi"), container("1", "128Mi"));
        assert_eq!(asked(json!({ "containers": [one, two] })), (Some(1500), Some(192)));
        let begins = json!({ "containers": [one], "initContainers": [container("2", "32Mi")] });
        assert_eq!(asked(begins), (Some(2000), Some(64)));
        let mut beside = container("100m", "16Mi");
        beside["restartPolicy"] = "Always".into();
        let both = json!({ "containers": [one], "initContainers": [beside, container("450m", "8Mi")] });
        assert_eq!(asked(both), (Some(600), Some(80)));
        let whole = json!({
            "containers": [one], "resources": { "requests": { "cpu": "3" } }, "overhead": { "memory": "10Mi" },
        });
        assert_eq!(asked(whole), (Some(3000), Some(74)));
        assert_eq!(asked(json!({ "containers": [{ "name": "c" }] })), (None, None));
    }

    #[test]
    fn a_pod_says_whose_it_is_and_is_a_session_only_in_their_namespace() {
        let pod_of = pod_with(json!({ "containers": [container("1", "1Mi")] }));
        let seen = pod(&pod_of, "streamspace");
        assert_eq!((seen.controlled_by.as_deref(), seen.session.as_deref()), (Some("ReplicaSet"), Some("s")));
        assert_eq!(pod(&pod_of, "elsewhere").session, None);
        assert!(is_active(&pod_of));
    }

    #[test]
    fn a_node_is_read_with_what_it_says_of_itself() {
        let node_of: core::Node = serde_json::from_value(json!({
            "metadata": {
                "name": "a", "resourceVersion": "7",
                "labels": {
                    "topology.kubernetes.io/region": "eu", "node-role.kubernetes.io/worker": "",
                    "nvidia.com/gpu.product": "NVIDIA-L4",
                },
            },
            "spec": {
                "providerID": "gce://p/eu-b/a", "unschedulable": true,
                "taints": [{ "key": "k", "effect": "NoSchedule" }, { "key": "odd", "effect": "Unheard" }],
            },
            "status": {
                "capacity": { "cpu": "4", "memory": "16Gi", "pods": "110" },
                "allocatable": { "cpu": "3930m", "memory": "15Gi", "nvidia.com/gpu": "2", "ephemeral-storage": "9Gi" },
                "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "fine" }],
            },
        }))
        .unwrap();
        let pods = [Arc::new(pod_with(json!({ "containers": [container("500m", "64Mi")] })))];
        let Found { node: seen, requested } = node(&node_of, Some(&pods), None);
        assert!(seen.ready && !seen.schedulable && seen.used.is_none());
        assert_eq!((seen.roles.as_slice(), seen.pods), (&["worker".to_owned()][..], Some(1)));
        assert_eq!(
            (seen.provider.as_deref(), seen.region.as_deref(), seen.zone.as_deref()),
            (Some("gcp"), Some("eu"), Some("eu-b"))
        );
        let gpu = seen.gpu.unwrap();
        assert_eq!((gpu.vendor.as_str(), gpu.model.as_deref(), gpu.count), ("nvidia", Some("NVIDIA-L4"), 2));
        assert_eq!(
            (seen.allocatable.cpu_millis, seen.allocatable.gpus, seen.capacity.gpus),
            (Some(3930), Some(2), None)
        );
        assert_eq!(seen.taints.len(), 1);
        assert_eq!(requested.unwrap().cpu_millis, Some(500));
        assert_eq!(node(&node_of, None, None).node.pods, None);
    }
}
