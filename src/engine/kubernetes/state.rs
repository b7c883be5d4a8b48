//! What a pod says about the workload in it. Pure.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStateWaiting, Pod, PodStatus};

use crate::{
    crd::Reason,
    domain::keys,
    engine::{Ending, SessionId, Stage, Trouble, WorkloadState},
};

/// A program that runs shorter than this has ended at once.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(10);
/// Exit status that containerd gives to what it could not start.
const NOT_STARTED: i32 = 128;
/// Exit status of a shell that did not find the program.
const NOT_FOUND: i32 = 127;

/// Of a pod what is needed later: its place on the board, and where it is reached.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) uid: String,
    /// Grows with every change of the pod.
    pub(super) version: u64,
    pub(super) address: Option<IpAddr>,
    pub(super) ports: Vec<u16>,
    pub(super) state: WorkloadState,
    /// When its first port should have been open, while it is not.
    pub(super) port_due: Option<Timestamp>,
}

/// What is known from `pod` at `now`; `None`: it is not one of ours.
pub(super) fn seen(pod: &Pod, now: Timestamp, port_deadline: Duration) -> Option<Seen> {
    let (meta, none) = (&pod.metadata, BTreeMap::new());
    let (labels, annotations) = (meta.labels.as_ref().unwrap_or(&none), meta.annotations.as_ref().unwrap_or(&none));
    let session = SessionId(labels.get(keys::SESSION_LABEL)?.clone());
    if Some(&session.0) != meta.name.as_ref() {
        return None;
    }
    let status = pod.status.clone().unwrap_or_default();
    let spec = pod.spec.as_ref()?;
    let container = spec.containers.first()?;
    let ports: Vec<u16> =
        container.ports.iter().flatten().filter_map(|port| port.container_port.try_into().ok()).collect();
    let (stage, trouble) = match meta.deletion_timestamp {
        Some(_) => (Stage::Stopping, disrupted(&status)),
        None => stage(&status, &ports, now, annotations.contains_key(keys::HOME_NODE)),
    };
    let mut seen = Seen {
        uid: meta.uid.clone().unwrap_or_default(),
        version: meta.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default(),
        address: status.pod_ip.as_deref().and_then(|address| address.parse().ok()),
        state: WorkloadState {
            session_uid: annotations.get(keys::SESSION_UID).cloned().unwrap_or_default(),
            run: annotations.get(keys::RUN).and_then(|run| run.parse().ok()).unwrap_or_default(),
            kind: "Pod".into(),
            name: session.0.clone(),
            session,
            node: spec.node_name.clone(),
            started_at: started_at(&status),
            stage,
            trouble,
            limits_missing: None,
            network_missing: None,
        },
        ports,
        port_due: None,
    };
    if seen.state.stage == (Stage::Running { listening: false }) && !seen.ports.is_empty() {
        // From when it was seen: when it started the node says, whose clock may be another.
        seen.port_due = now.checked_add(port_deadline).ok();
    }
    Some(seen)
}

impl Seen {
    /// What is known now, where `before` was known of the same session.
    pub(super) fn after(mut self, before: &Self) -> Self {
        if self.uid != before.uid {
            return self;
        }
        // A verdict about a port stands until the pod goes: what comes late does not take it back.
        if matches!(before.state.stage, Stage::Ended(_)) && matches!(self.state.stage, Stage::Running { .. }) {
            self.state.stage = before.state.stage.clone();
            self.port_due = None;
        }
        self.port_due = self.port_due.map(|due| before.port_due.map_or(due, |earlier| earlier.min(due)));
        self
    }

    /// Ends the wait for the first port where it is over. Whether it was.
    pub(super) fn give_up(&mut self, now: Timestamp) -> bool {
        let over = self.port_due.is_some_and(|due| due <= now);
        if over {
            let port = self.ports.first().copied().unwrap_or_default();
            let message = format!("The program runs, but port {port} has not been opened in time.");
            self.state.stage =
                Stage::Ended(Ending { reason: Some(Reason::PortNeverOpened), message, exit_code: None, at: now });
            self.port_due = None;
        }
        over
    }
}

fn started_at(status: &PodStatus) -> Option<Timestamp> {
    let state = status.container_statuses.iter().flatten().next()?.state.as_ref()?;
    let running = state.running.as_ref().and_then(|running| running.started_at.as_ref());
    let ended = state.terminated.as_ref().and_then(|ended| ended.started_at.as_ref());
    running.or(ended).map(|time| time.0)
}

/// `tied`: whether the home is attached to a node.
fn stage(status: &PodStatus, ports: &[u16], now: Timestamp, tied: bool) -> (Stage, Option<Trouble>) {
    let container = status.container_statuses.iter().flatten().next();
    let state = container.and_then(|container| container.state.as_ref());
    if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
        let terminated = state.and_then(|state| state.terminated.as_ref());
        return (Stage::Ended(ended(status, terminated, now)), None);
    }
    match state {
        Some(ContainerState { terminated: Some(terminated), .. }) => {
            (Stage::Ended(ended(status, Some(terminated), now)), None)
        }
        Some(ContainerState { running: Some(_), .. }) => {
            let started = container.and_then(|container| container.started) == Some(true);
            (Stage::Running { listening: started && !ports.is_empty() }, None)
        }
        Some(ContainerState { waiting: Some(waiting), .. }) => wait(status, waiting, now),
        Some(_) | None => unscheduled(status, tied),
    }
}

/// What takes a pod away that nobody here asked to end: an eviction, as a drain makes, a preemption or a taint.
fn disrupted(status: &PodStatus) -> Option<Trouble> {
    let target =
        status.conditions.iter().flatten().find(|one| one.type_ == "DisruptionTarget" && one.status == "True")?;
    let raw = target.message.clone().unwrap_or_default();
    Some(Trouble { reason: Reason::Evicted, message: format!("Its node is being emptied, or needs the room. ({raw})") })
}

/// Before there is a container.
fn unscheduled(status: &PodStatus, tied: bool) -> (Stage, Option<Trouble>) {
    let scheduled = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled");
    let preparing = |text: &str| Stage::Preparing { waiting_for: text.into() };
    match scheduled {
        Some(condition) if condition.status == "True" => (preparing("Preparing the container."), None),
        Some(condition) if condition.reason.as_deref() == Some("Unschedulable") => {
            let message = condition.message.clone().unwrap_or_default();
            let (reason, words) = no_node(&message, tied);
            let trouble = Trouble { reason, message: format!("{words} ({message})") };
            (preparing(words), Some(trouble))
        }
        _ => (preparing("Waiting for a node."), None),
    }
}

/// Why the scheduler finds no node, from its message.
fn no_node(message: &str, tied: bool) -> (Reason, &'static str) {
    if message.contains("unbound immediate PersistentVolumeClaims") || message.contains("persistentvolumeclaim") {
        return (Reason::VolumePending, "The volume of the home is not there yet.");
    }
    // Every node but that of the home is none, so the home's own node has to be free.
    let of_home = ["volume node affinity conflict", "pod affinity rules"].iter().any(|words| message.contains(words));
    if of_home || tied {
        return (Reason::VolumeAttachedElsewhere, "The home is in use on a node that takes no more sessions.");
    }
    if message.contains(super::pod::GPU) {
        return (Reason::Unschedulable, "No node has a GPU to spare for the session.");
    }
    (Reason::Unschedulable, "No node has room for the session.")
}

fn wait(status: &PodStatus, waiting: &ContainerStateWaiting, now: Timestamp) -> (Stage, Option<Trouble>) {
    let message = waiting.message.clone().unwrap_or_default();
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let over = |reason, message: String| {
        (Stage::Ended(Ending { reason: Some(reason), message, exit_code: None, at: now }), None)
    };
    match reason {
        // It has a node.
        "ContainerCreating" | "PodInitializing" | "" => unscheduled(status, false),
        // The first failure may be a passing one; kubelet tries again.
        "ErrImagePull" => {
            let (reason, words) = not_pulled(&message);
            let trouble = Trouble { reason, message: format!("{words} ({message})") };
            (Stage::Preparing { waiting_for: "Pulling the image.".into() }, Some(trouble))
        }
        "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
            let (reason, words) = not_pulled(&message);
            over(reason, format!("{words} ({message})"))
        }
        "CreateContainerError" | "RunContainerError" => over(not_started(&message), message),
        other => {
            let message = format!("{other}: {message}");
            let trouble = Trouble { reason: Reason::Unknown, message };
            (Stage::Preparing { waiting_for: "Preparing the container.".into() }, Some(trouble))
        }
    }
}

fn not_pulled(message: &str) -> (Reason, &'static str) {
    let denied = ["denied", "unauthorized", "authorization failed", "401", "403"];
    let message = message.to_lowercase();
    // A registry that knows neither image nor caller says both at once; then it is not there for us.
    if !message.contains("does not exist") && denied.iter().any(|word| message.contains(word)) {
        (Reason::ImagePullDenied, "The registry does not give out the image.")
    } else {
        (Reason::ImageNotFound, "The image could not be pulled.")
    }
}

fn not_started(message: &str) -> Reason {
    if message.contains("executable file not found") || message.contains("no such file or directory") {
        Reason::ProgramMissing
    } else {
        Reason::Unknown
    }
}

/// How a run ended.
fn ended(status: &PodStatus, terminated: Option<&ContainerStateTerminated>, now: Timestamp) -> Ending {
    let at = terminated.and_then(|ended| ended.finished_at.as_ref()).map_or(now, |time| time.0);
    let exit_code = terminated.map(|ended| ended.exit_code);
    let (reason, message) = match status.reason.as_deref() {
        Some("Evicted") => evicted(status),
        Some("NodeLost" | "NodeShutdown" | "Terminated") => {
            (Reason::NodeLost, format!("The node went away. {}", status.message.clone().unwrap_or_default()))
        }
        Some("OutOfcpu" | "OutOfmemory" | "OutOfpods" | "NodeAffinity" | "UnexpectedAdmissionError") => {
            let message = status.message.clone().unwrap_or_default();
            (Reason::Unschedulable, format!("The node had no room for the session. {message}"))
        }
        _ => terminated.map_or_else(
            || (Reason::Unknown, "The pod ended without a word.".into()),
            |terminated| left(terminated, at),
        ),
    };
    Ending { reason: Some(reason), message: message.trim_end().into(), exit_code, at }
}

fn evicted(status: &PodStatus) -> (Reason, String) {
    let message = status.message.clone().unwrap_or_default();
    let disk = ["ephemeral", "emptydir", "usage of emptydir"].iter().any(|word| message.to_lowercase().contains(word));
    if disk {
        (Reason::DiskFull, format!("The session wrote more than it may. {message}"))
    } else {
        (Reason::Evicted, format!("The node needed room. {message}"))
    }
}

/// How the program itself ended.
fn left(terminated: &ContainerStateTerminated, at: Timestamp) -> (Reason, String) {
    let (code, words) = (terminated.exit_code, terminated.message.clone().unwrap_or_default());
    let started = terminated.started_at.as_ref().map(|time| time.0);
    match terminated.reason.as_deref() {
        Some("OOMKilled") => (Reason::OutOfMemory, "The program needed more memory than it may have.".into()),
        Some("StartError" | "ContainerCannotRun") => {
            (not_started(&words), format!("The program could not be started: {words}"))
        }
        _ if code == NOT_STARTED && not_started(&words) == Reason::ProgramMissing => (Reason::ProgramMissing, words),
        _ if code == NOT_FOUND && words.contains("not found") => {
            (Reason::ProgramMissing, format!("The program was not found: {words}"))
        }
        _ if started.is_some_and(|started| started.duration_until(at) >= AT_ONCE) => {
            (Reason::Unknown, format!("The program ended with status {code}. {words}"))
        }
        _ => (Reason::ExitedAtOnce, format!("The program ended at once with status {code}. {words}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn at(seconds: i64) -> String {
        (NOON + SignedDuration::from_secs(seconds)).to_string()
    }

    /// A pod that is in that state, at noon.
    fn pod(status: Value) -> Pod {
        let pod = json!({
            "metadata": {
                "name": "alice-page-1", "uid": "u1", "resourceVersion": "7",
                "labels": { keys::SESSION_LABEL: "alice-page-1" },
                "annotations": { keys::RUN: "3", keys::SESSION_UID: "s1" },
            },
            "spec": { "nodeName": "node1", "containers": [{ "name": "session", "ports": [{ "containerPort": 8000 }] }] },
            "status": status,
        });
        serde_json::from_value(pod).unwrap()
    }

    fn told(status: Value) -> WorkloadState {
        seen(&pod(status), NOON, Duration::from_mins(1)).unwrap().state
    }

    fn container(state: Value) -> Value {
        json!({ "phase": "Running", "podIP": "198.18.1.7", "containerStatuses": [{
            "name": "session", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        }] })
    }

    fn waiting(reason: &str, message: &str) -> WorkloadState {
        told(container(json!({ "waiting": { "reason": reason, "message": message } })))
    }

    fn ended(state: &WorkloadState) -> (Reason, &str) {
        match &state.stage {
            Stage::Ended(Ending { reason: Some(reason), message, .. }) => (*reason, message),
            other => panic!("it has not ended: {other:?}"),
        }
    }

    #[test]
    fn a_pod_carries_what_the_port_asks_of_a_workload() {
        let seen = seen(&pod(json!({})), NOON, Duration::from_mins(1)).unwrap();
        let state = &seen.state;
        assert_eq!((state.run, state.session_uid.as_str(), state.node.as_deref()), (3, "s1", Some("node1")));
        assert_eq!((seen.version, seen.uid.as_str(), seen.ports.as_slice()), (7, "u1", [8000].as_slice()));
    }

    #[test]
    fn a_pod_of_another_name_than_its_label_says_is_none_of_ours() {
        let mut foreign = pod(json!({}));
        foreign.metadata.name = Some("another".into());
        assert_eq!(seen(&foreign, NOON, Duration::from_mins(1)), None);
    }

    #[test]
    fn a_program_runs_before_its_port_is_open_and_is_given_up_when_that_lasts() {
        let mut status = container(json!({ "running": { "startedAt": at(-30) } }));
        assert_eq!(told(status.clone()).stage, Stage::Running { listening: false });
        status["containerStatuses"][0]["started"] = json!(true);
        assert_eq!(told(status.clone()).stage, Stage::Running { listening: true });
        // A node whose clock is far behind, and the pod seen once more on the way.
        status["containerStatuses"][0]["started"] = json!(false);
        status["containerStatuses"][0]["state"]["running"]["startedAt"] = json!(at(-3600));
        let at_second = |second: i64| {
            seen(&pod(status.clone()), NOON + SignedDuration::from_secs(second), Duration::from_mins(1)).unwrap()
        };
        let mut waited = at_second(30).after(&at_second(0));
        assert!(!waited.give_up(NOON + SignedDuration::from_secs(59)));
        assert!(waited.give_up(NOON + SignedDuration::from_secs(60)));
        assert_eq!(ended(&waited.state).0, Reason::PortNeverOpened);
        assert!(ended(&waited.state).1.contains("8000"));
        assert_eq!(ended(&at_second(61).after(&waited).state).0, Reason::PortNeverOpened, "late is late");
    }

    #[test]
    fn what_is_being_deleted_is_stopping_whatever_else_it_says() {
        let mut going = pod(container(json!({ "running": {} })));
        going.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(NOON));
        assert_eq!(seen(&going, NOON, Duration::from_mins(1)).unwrap().state.stage, Stage::Stopping);
    }

    #[test]
    fn a_pod_that_is_evicted_says_so_while_it_ends() {
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        });
        let mut going = pod(json!({ "phase": "Running", "conditions": [condition] }));
        going.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(NOON));
        let state = seen(&going, NOON, Duration::from_mins(1)).unwrap().state;
        assert_eq!(state.stage, Stage::Stopping);
        assert_eq!(state.trouble.unwrap().reason, Reason::Evicted);
    }

    #[test]
    fn who_finds_no_node_waits_and_says_why() {
        for (message, reason) in [
            ("0/2 nodes are available: 2 Insufficient memory.", Reason::Unschedulable),
            ("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", Reason::Unschedulable),
            ("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.", Reason::VolumePending),
            ("0/2 nodes are available: 1 node(s) had volume node affinity conflict.", Reason::VolumeAttachedElsewhere),
            ("0/2 nodes are available: 2 node(s) didn't match pod affinity rules.", Reason::VolumeAttachedElsewhere),
        ] {
            let condition =
                json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message });
            let state = told(json!({ "phase": "Pending", "conditions": [condition] }));
            assert!(matches!(state.stage, Stage::Preparing { .. }));
            let trouble = state.trouble.unwrap();
            assert_eq!(trouble.reason, reason, "{message}");
            assert!(trouble.message.contains(message));
            assert_eq!(trouble.message.contains("a GPU"), message.contains("gpu"), "{}", trouble.message);
        }
        // Our own tie to a node is told as a scheduler tells any.
        let message = "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
        assert_eq!(no_node(message, true).0, Reason::VolumeAttachedElsewhere);
        assert_eq!(no_node(message, false).0, Reason::Unschedulable);
    }

    #[test]
    fn an_image_that_does_not_come_is_waited_for_once_and_then_told() {
        let gone = "rpc error: code = NotFound desc = failed to pull and unpack image: not found";
        assert_eq!(waiting("ErrImagePull", gone).trouble.unwrap().reason, Reason::ImageNotFound);
        assert_eq!(ended(&waiting("ImagePullBackOff", gone)).0, Reason::ImageNotFound);
        let denied = "pull access denied: authorization failed";
        assert_eq!(ended(&waiting("ImagePullBackOff", denied)).0, Reason::ImagePullDenied);
        let either = "pull access denied, repository does not exist or may require authorization";
        assert_eq!(ended(&waiting("ImagePullBackOff", either)).0, Reason::ImageNotFound);
        assert!(waiting("ContainerCreating", "").trouble.is_none(), "what takes its time is no trouble");
    }

    #[test]
    fn each_end_of_a_program_has_its_cause() {
        let end = |reason: &str, code: i32, began: i64, message: &str| {
            let state = json!({ "terminated": {
                "reason": reason, "exitCode": code, "startedAt": at(began), "finishedAt": at(0), "message": message,
            } });
            told(container(state))
        };
        for (state, reason, words) in [
            (end("Error", 3, -1, "no display"), Reason::ExitedAtOnce, "no display"),
            (end("Error", 3, -60, "no display"), Reason::Unknown, "status 3"),
            (end("OOMKilled", 137, -60, ""), Reason::OutOfMemory, "memory"),
            (end("StartError", 128, 0, "exec: \"x\": executable file not found in $PATH"), Reason::ProgramMissing, "x"),
            (end("Error", 127, -1, "sh: x: not found"), Reason::ProgramMissing, "x: not found"),
        ] {
            let (told, message) = ended(&state);
            assert_eq!(told, reason, "{message}");
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn a_pod_that_its_node_gave_up_says_so() {
        for (reason, message, expected) in [
            ("Evicted", "The node was low on resource: memory.", Reason::Evicted),
            ("Evicted", "Usage of EmptyDir volume \"home\" exceeds the limit.", Reason::DiskFull),
            ("NodeShutdown", "Pod was terminated.", Reason::NodeLost),
            ("OutOfcpu", "Node didn't have enough resource: cpu", Reason::Unschedulable),
        ] {
            let state = told(json!({ "phase": "Failed", "reason": reason, "message": message }));
            assert_eq!(ended(&state).0, expected, "{reason}");
        }
    }
}
