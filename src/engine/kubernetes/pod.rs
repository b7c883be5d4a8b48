//! What is asked of the cluster for a session: a pod, and a claim for a persistent home. Pure.
//!
//! Nothing here can be chosen by a template but image, command, environment, ports, amounts and the place of the home:
//! the settings of security are the same for all, and within the Pod Security level `restricted`; within `baseline` for
//! what an administrator let be root inside.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Affinity, Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, NodeAffinity, NodeSelector,
        NodeSelectorRequirement, NodeSelectorTerm, PersistentVolumeClaim, PersistentVolumeClaimSpec,
        PersistentVolumeClaimVolumeSource, Pod, PodAffinity, PodAffinityTerm, PodSecurityContext, PodSpec, Probe,
        ResourceRequirements, SeccompProfile, SecurityContext, TCPSocketAction, Volume, VolumeMount,
        VolumeResourceRequirements,
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference},
        util::intstr::IntOrString,
    },
};
use kube::Resource;

use super::Options;
use crate::{
    crd::Session,
    domain::keys,
    engine::{Home, Workload},
};

/// Name of the container in which the program runs.
pub(super) const CONTAINER: &str = "session";
/// Value of the label `app.kubernetes.io/managed-by` of what this makes.
pub(super) const MANAGED_BY: &str = "streamspace";
/// Selector of every pod that this makes.
pub(super) const OURS: &str = "app.kubernetes.io/managed-by=streamspace";
/// Who a program is inside: never root, and the group that owns its home.
const USER: i64 = 1000;
/// What an image that starts as root and goes on as somebody else needs of root's powers: those that most container
/// engines leave it, without the ones to make devices, to give files powers and to forge packets.
const ROOT_POWERS: [&str; 11] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// People seldom compute all at once: so many times the cores that there are may be promised as an upper bound.
const CPU_OVERCOMMIT: u64 = 10;
/// Resource under which graphics cards are asked for.
pub(super) const GPU: &str = "nvidia.com/gpu";
/// How long kubelet goes on asking whether the first port is open, beyond the time after which the engine gives up.
const PROBE_MARGIN_SECONDS: i32 = 60;

/// The pod of a workload; `home_node`: the one node that can use the volume of its home at the moment, if that is so.
pub(super) fn pod(workload: &Workload, options: &Options, home_node: Option<&str>) -> Pod {
    let name = workload.session.0.clone();
    let labels = BTreeMap::from([
        ("app.kubernetes.io/name".to_owned(), "streamspace-session".to_owned()),
        ("app.kubernetes.io/managed-by".to_owned(), MANAGED_BY.to_owned()),
        (keys::SESSION_LABEL.to_owned(), name.clone()),
        (keys::USER_LABEL.to_owned(), workload.user.clone()),
        (keys::TEMPLATE_LABEL.to_owned(), workload.template.clone()),
        (keys::NETWORK_LABEL.to_owned(), if workload.network { "allowed" } else { "denied" }.to_owned()),
    ]);
    let home = match &workload.home {
        Home::Persistent(home) => Some((keys::HOME_LABEL.to_owned(), home.clone())),
        Home::Ephemeral => None,
    };
    let annotations = BTreeMap::from([
        (keys::RUN.to_owned(), workload.run.to_string()),
        (keys::SESSION_UID.to_owned(), workload.session_uid.clone()),
    ]);
    let tied = home_node.map(|node| (keys::HOME_NODE.to_owned(), node.to_owned()));
    Pod {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(options.namespace.clone()),
            labels: Some(labels.into_iter().chain(home).collect()),
            annotations: Some(annotations.into_iter().chain(tied).collect()),
            owner_references: options.owned.then(|| vec![owner(workload)]),
            ..ObjectMeta::default()
        },
        spec: Some(spec(workload, options, home_node)),
        status: None,
    }
}

/// The session, so that its pod goes when it does, whoever removes it.
fn owner(workload: &Workload) -> OwnerReference {
    OwnerReference {
        api_version: Session::api_version(&()).into_owned(),
        kind: Session::kind(&()).into_owned(),
        name: workload.session.0.clone(),
        uid: workload.session_uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

fn spec(workload: &Workload, options: &Options, home_node: Option<&str>) -> PodSpec {
    let grace = i64::try_from(options.stop_grace.as_secs()).unwrap_or(i64::MAX);
    PodSpec {
        containers: vec![container(workload, options)],
        volumes: Some(vec![home(workload, options), scratch()]),
        affinity: affinity(workload, home_node),
        restart_policy: Some("Never".into()),
        termination_grace_period_seconds: Some(grace),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: (!workload.root).then_some(true),
            run_as_user: (!workload.root).then_some(USER),
            run_as_group: (!workload.root).then_some(USER),
            fs_group: Some(USER),
            fs_group_change_policy: Some("OnRootMismatch".into()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    }
}

fn container(workload: &Workload, options: &Options) -> Container {
    let some = |texts: &[String]| (!texts.is_empty()).then(|| texts.iter().map(|text| literal(text)).collect());
    let ports =
        workload.ports.iter().map(|port| ContainerPort { container_port: (*port).into(), ..Default::default() });
    Container {
        name: CONTAINER.into(),
        image: Some(workload.image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        command: some(&workload.command),
        args: some(&workload.args),
        working_dir: Some(workload.home_path.clone()),
        env: Some(environment(workload)),
        ports: Some(ports.collect()),
        resources: Some(resources(workload)),
        startup_probe: workload.ports.first().map(|port| startup(*port, options)),
        // The last words of a program that fails become part of its state.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(vec![mount("home", &workload.home_path), mount("tmp", "/tmp")]),
        security_context: Some(SecurityContext {
            // Whoever may be root may become it, as by sudo.
            allow_privilege_escalation: Some(workload.root),
            privileged: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".into()]),
                add: workload.root.then(|| ROOT_POWERS.map(String::from).to_vec()),
            }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), ..VolumeMount::default() }
}

/// Kubernetes would take `$(NAME)` for a variable.
fn literal(text: &str) -> String {
    text.replace("$(", "$$(")
}

/// The template's variables, and those that it has no say in.
fn environment(workload: &Workload) -> Vec<EnvVar> {
    let own = [("HOME", workload.home_path.as_str()), ("USER", &workload.user), ("LOGNAME", &workload.user)];
    let mut all: BTreeMap<&str, &str> =
        workload.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.extend(own);
    let variable =
        |(name, value): (&str, &str)| EnvVar { name: name.into(), value: Some(literal(value)), value_from: None };
    all.into_iter().map(variable).collect()
}

fn resources(workload: &Workload) -> ResourceRequirements {
    let limits = workload.limits;
    let cpu = |millicores: u64| ("cpu".to_owned(), Quantity(format!("{millicores}m")));
    let memory = ("memory".to_owned(), Quantity(limits.memory_bytes.to_string()));
    let gpus = (limits.gpus > 0).then(|| (GPU.to_owned(), Quantity(limits.gpus.to_string())));
    let least = (limits.cpu_millicores / CPU_OVERCOMMIT).max(1);
    ResourceRequirements {
        limits: Some([cpu(limits.cpu_millicores), memory.clone()].into_iter().chain(gpus.clone()).collect()),
        requests: Some([cpu(least), memory].into_iter().chain(gpus).collect()),
        claims: None,
    }
}

/// Asked until it succeeds once, and never again: a session that idles costs kubelet nothing.
fn startup(port: u16, options: &Options) -> Probe {
    let seconds = i32::try_from(options.port_deadline.as_secs()).unwrap_or(i32::MAX);
    Probe {
        tcp_socket: Some(TCPSocketAction { port: IntOrString::Int(port.into()), host: None }),
        period_seconds: Some(1),
        timeout_seconds: Some(1),
        failure_threshold: Some(seconds.saturating_add(PROBE_MARGIN_SECONDS)),
        ..Probe::default()
    }
}

fn home(workload: &Workload, options: &Options) -> Volume {
    let volume = Volume { name: "home".into(), ..Volume::default() };
    match &workload.home {
        Home::Persistent(name) => {
            let claim = PersistentVolumeClaimVolumeSource { claim_name: name.clone(), read_only: None };
            Volume { persistent_volume_claim: Some(claim), ..volume }
        }
        Home::Ephemeral => {
            let size_limit = Some(Quantity(options.home_bytes.to_string()));
            Volume { empty_dir: Some(EmptyDirVolumeSource { size_limit, medium: None }), ..volume }
        }
    }
}

fn scratch() -> Volume {
    Volume { name: "tmp".into(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() }
}

/// A volume that one node at a time may use is used where it is used already: on the node that it is attached to, and that
/// of the home's other pods, if there are any. The first of them goes anywhere, which Kubernetes sees from its own label.
fn affinity(workload: &Workload, home_node: Option<&str>) -> Option<Affinity> {
    let Home::Persistent(home) = &workload.home else { return None };
    let beside = PodAffinityTerm {
        label_selector: Some(LabelSelector {
            match_labels: Some(BTreeMap::from([(keys::HOME_LABEL.to_owned(), home.clone())])),
            match_expressions: None,
        }),
        topology_key: "kubernetes.io/hostname".into(),
        ..PodAffinityTerm::default()
    };
    let required = Some(vec![beside]);
    let pod_affinity =
        PodAffinity { required_during_scheduling_ignored_during_execution: required, ..Default::default() };
    Some(Affinity { node_affinity: home_node.map(only), pod_affinity: Some(pod_affinity), ..Affinity::default() })
}

/// That node and no other.
fn only(node: &str) -> NodeAffinity {
    let name = NodeSelectorRequirement {
        key: "metadata.name".into(),
        operator: "In".into(),
        values: Some(vec![node.to_owned()]),
    };
    let term = NodeSelectorTerm { match_fields: Some(vec![name]), match_expressions: None };
    NodeAffinity {
        required_during_scheduling_ignored_during_execution: Some(NodeSelector { node_selector_terms: vec![term] }),
        ..NodeAffinity::default()
    }
}

/// The claim for a person's home: it belongs to nobody but them, so nothing takes it along.
pub(super) fn claim(name: &str, user: &str, options: &Options) -> PersistentVolumeClaim {
    let labels = BTreeMap::from([
        ("app.kubernetes.io/managed-by".to_owned(), MANAGED_BY.to_owned()),
        (keys::USER_LABEL.to_owned(), user.to_owned()),
    ]);
    let size = BTreeMap::from([("storage".to_owned(), Quantity(options.home_bytes.to_string()))]);
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(options.namespace.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: options.storage_class.clone(),
            resources: Some(VolumeResourceRequirements { requests: Some(size), limits: None }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Limits, SessionId};

    fn workload() -> Workload {
        Workload {
            session: SessionId("alice-page-00000001".into()),
            session_uid: "5d1c8a52-0000-4000-8000-000000000000".into(),
            user: "alice".into(),
            template: "page".into(),
            run: 2,
            image: "registry.example/page:1".into(),
            command: vec!["serve".into(), "--title=$(HOSTNAME)".into()],
            args: Vec::new(),
            env: BTreeMap::from([("USER".into(), "root".into()), ("GREETING".into(), "good $(morning)".into())]),
            ports: vec![8000, 8001],
            home: Home::Persistent("home-alice".into()),
            home_path: "/home/user".into(),
            limits: Limits { cpu_millicores: 1500, memory_bytes: 1 << 30, gpus: 1 },
            network: true,
            root: false,
            requires: Vec::new(),
        }
    }

    #[test]
    fn a_workload_is_this_pod_and_its_home_this_claim() {
        let options = Options { storage_class: Some("fast".into()), ..Options::new("sessions") };
        insta::assert_yaml_snapshot!("pod", pod(&workload(), &options, None));
        insta::assert_yaml_snapshot!("claim", claim("home-alice", "alice", &options));
    }

    #[test]
    fn what_was_granted_root_differs_in_that_alone() {
        let options = Options::new("sessions");
        let [plain, granted] =
            [false, true].map(|root| pod(&Workload { root, ..workload() }, &options, None).spec.unwrap());
        let context = granted.security_context.clone().unwrap();
        assert_eq!((context.run_as_user, context.run_as_non_root, context.run_as_group), (None, None, None));
        assert_eq!(context.seccomp_profile, plain.security_context.clone().unwrap().seccomp_profile);
        let inside = granted.containers[0].security_context.clone().unwrap();
        assert_eq!((inside.privileged, inside.capabilities.unwrap().drop), (Some(false), Some(vec!["ALL".into()])));
        let mut same = granted;
        same.security_context = plain.security_context.clone();
        same.containers[0].security_context = plain.containers[0].security_context.clone();
        assert_eq!(same, plain);
    }

    #[test]
    fn a_home_that_is_attached_ties_its_pod_to_that_node_alone() {
        let options = Options::new("sessions");
        let tied = pod(&workload(), &options, Some("node2"));
        assert_eq!(tied.metadata.annotations.unwrap()[keys::HOME_NODE], "node2");
        let mut affinity = tied.spec.unwrap().affinity.unwrap();
        let nodes = affinity.node_affinity.take().unwrap().required_during_scheduling_ignored_during_execution.unwrap();
        let field = &nodes.node_selector_terms[0].match_fields.as_ref().unwrap()[0];
        assert_eq!((field.key.as_str(), field.values.as_deref()), ("metadata.name", Some(&["node2".to_owned()][..])));
        assert_eq!(Some(affinity), pod(&workload(), &options, None).spec.unwrap().affinity, "and in nothing else");
    }

    #[test]
    fn an_empty_home_is_bounded_and_ties_the_pod_to_no_node() {
        let ephemeral = Workload { home: Home::Ephemeral, network: false, ..workload() };
        let pod = pod(&ephemeral, &Options::new("sessions"), None);
        let spec = pod.spec.unwrap();
        assert_eq!(spec.affinity, None);
        let home = &spec.volumes.unwrap()[0];
        assert_eq!(home.empty_dir.as_ref().unwrap().size_limit, Some(Quantity((10_u64 << 30).to_string())));
        assert_eq!(pod.metadata.labels.unwrap()[keys::NETWORK_LABEL], "denied");
    }
}
