//! What every adapter of nodes promises, as tests that each passes against the real thing.
//!
//! No part of the library: the adapters' tests take this file in by its path and call [`nodes_contract`] with a function
//! that gives one on whose nodes nobody else acts.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::join_all;
use streamspace::{
    domain::nodes::{
        Effect, Node, Taint,
        change::{Change, Settings},
    },
    nodes::{Changed, Nodes, NodesError},
};

/// Nodes to try.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The nodes.
    fn nodes(&self) -> Arc<dyn Nodes>;

    /// The name of one of them, on which nothing is set yet.
    fn name(&self) -> String;
}

/// Makes one test of each promise. The argument is an async function without arguments that returns a [`Subject`].
macro_rules! nodes_contract {
    ($start:path) => {
        $crate::nodes_contract::nodes_contract!($start:
            each_node_tells_what_it_is_and_has
            what_is_not_there_is_said_not_to_be
            a_label_is_set_changed_and_taken_away_and_each_of_it_once
            taints_are_known_by_key_and_effect
            a_cordon_is_seen_by_whoever_reads_next
            what_the_cluster_relies_on_is_left_alone
            a_change_is_made_at_the_version_it_insists_on_alone
            changes_at_once_are_all_made
            whoever_listens_is_told_of_a_change
        );
    };
    ($start:path: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                let subject = $start().await;
                $crate::nodes_contract::within($crate::nodes_contract::$promise(&subject)).await;
            }
        )*
    };
}
pub(crate) use nodes_contract;

/// No promise takes longer to see kept.
const PATIENCE: Duration = Duration::from_mins(1);

pub async fn within<T>(promise: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, promise).await.expect("kept within a minute")
}

fn shown(subject: &impl Subject) -> Node {
    subject.nodes().get(&subject.name()).expect("known").expect("there").node
}

async fn change(subject: &impl Subject, change: &Change) -> Changed {
    subject.nodes().change(&subject.name(), change, None).await.expect("it is made")
}

fn label(key: &str, value: &str) -> Change {
    Change::Label { key: key.into(), value: value.into() }
}

fn unlabel(key: &str) -> Change {
    Change::Unlabel { key: key.into() }
}

/// What people have set in a change that was made.
fn set(changed: Changed) -> Settings {
    changed.after.expect("it changed something")
}

pub async fn each_node_tells_what_it_is_and_has(subject: &impl Subject) {
    let all = subject.nodes().list().expect("known");
    let names: Vec<&str> = all.iter().map(|found| found.node.name.as_str()).collect();
    assert!(names.is_sorted() && names.contains(&subject.name().as_str()), "{names:?}");
    for found in &all {
        let node = &found.node;
        assert!(node.ready && node.schedulable, "{node:?}");
        assert!(node.capacity.cpu_millis > Some(0) && node.capacity.memory_bytes > Some(0), "{node:?}");
        assert!(node.allocatable.cpu_millis <= node.capacity.cpu_millis, "{node:?}");
        assert!(!node.versions.os.is_empty() && !node.versions.kernel.is_empty(), "{node:?}");
        assert!(node.conditions.iter().any(|one| one.type_ == "Ready" && one.is_true()), "{node:?}");
        assert_eq!(node.labels.get("kubernetes.io/os").map(String::as_str), Some("linux"));
        let alone = subject.nodes().get(&node.name).expect("known").expect("there");
        assert_eq!((&alone.node.name, &alone.node.capacity), (&node.name, &node.capacity));
    }
}

pub async fn what_is_not_there_is_said_not_to_be(subject: &impl Subject) {
    let nodes = subject.nodes();
    assert_eq!(nodes.get("there-is-none").expect("known"), None);
    let refused = nodes.change("there-is-none", &Change::Cordon(true), None).await;
    assert!(matches!(&refused, Err(NodesError::NotFound(name)) if name == "there-is-none"), "{refused:?}");
}

pub async fn a_label_is_set_changed_and_taken_away_and_each_of_it_once(subject: &impl Subject) {
    for value in ["blue", "red"] {
        let after = set(change(subject, &label("example.org/team", value)).await);
        assert_eq!(after.labels["example.org/team"], value);
        assert_eq!(shown(subject).labels["example.org/team"], value);
        assert_eq!(change(subject, &label("example.org/team", value)).await.after, None);
    }
    let Changed { before, after } = change(subject, &unlabel("example.org/team")).await;
    assert_eq!(before.labels["example.org/team"], "red");
    assert_eq!(after.expect("it changed").labels.get("example.org/team"), None);
    assert_eq!(shown(subject).labels.get("example.org/team"), None);
    assert_eq!(change(subject, &unlabel("example.org/team")).await.after, None);
}

pub async fn taints_are_known_by_key_and_effect(subject: &impl Subject) {
    let taint = |value: &str, effect| Taint { key: "example.org/kept".into(), value: value.into(), effect };
    let ours = |subject: &_| -> Vec<Taint> {
        let mut all = shown(subject).taints;
        all.retain(|taint| taint.key == "example.org/kept");
        all
    };
    change(subject, &Change::Taint(taint("a", Effect::PreferNoSchedule))).await;
    change(subject, &Change::Taint(taint("b", Effect::PreferNoSchedule))).await;
    assert_eq!(ours(subject), [taint("b", Effect::PreferNoSchedule)]);
    change(subject, &Change::Taint(taint("", Effect::NoSchedule))).await;
    assert_eq!(ours(subject).len(), 2);
    let untaint = |effect| Change::Untaint { key: "example.org/kept".into(), effect };
    change(subject, &untaint(Some(Effect::NoSchedule))).await;
    assert_eq!(ours(subject), [taint("b", Effect::PreferNoSchedule)]);
    change(subject, &untaint(None)).await;
    assert_eq!(ours(subject), []);
    assert_eq!(change(subject, &untaint(None)).await.after, None);
}

pub async fn a_cordon_is_seen_by_whoever_reads_next(subject: &impl Subject) {
    for cordon in [true, false] {
        assert_eq!(set(change(subject, &Change::Cordon(cordon)).await).unschedulable, cordon);
        assert_eq!(shown(subject).schedulable, !cordon);
        assert_eq!(change(subject, &Change::Cordon(cordon)).await.after, None);
    }
}

pub async fn what_the_cluster_relies_on_is_left_alone(subject: &impl Subject) {
    let before = shown(subject).labels;
    let taint = Taint { key: "node.kubernetes.io/x".into(), value: String::new(), effect: Effect::NoSchedule };
    let theirs = [
        label("kubernetes.io/os", "windows"),
        unlabel("kubernetes.io/hostname"),
        label("node-role.kubernetes.io/control-plane", ""),
        Change::Taint(taint),
    ];
    for change in theirs {
        let refused = subject.nodes().change(&subject.name(), &change, None).await;
        assert!(matches!(&refused, Err(NodesError::Refused(wrong)) if wrong.field == "key"), "{change:?}: {refused:?}");
    }
    assert_eq!(shown(subject).labels, before);
}

pub async fn a_change_is_made_at_the_version_it_insists_on_alone(subject: &impl Subject) {
    let old = shown(subject).resource_version;
    change(subject, &label("example.org/newer", "1")).await;
    let stale = subject.nodes().change(&subject.name(), &Change::Cordon(true), Some(&old)).await;
    assert!(matches!(stale, Err(NodesError::Stale(_))), "{stale:?}");
    assert!(shown(subject).schedulable);
    // A node writes about itself at any time, so the version that was read may be old by now.
    loop {
        let version = shown(subject).resource_version;
        match subject.nodes().change(&subject.name(), &unlabel("example.org/newer"), Some(&version)).await {
            Err(NodesError::Stale(_)) => {}
            made => break assert_eq!(set(made.expect("it is made")).labels.get("example.org/newer"), None),
        }
    }
}

pub async fn changes_at_once_are_all_made(subject: &impl Subject) {
    let keys: Vec<String> = (0..6).map(|number| format!("example.org/at-once-{number}")).collect();
    join_all(keys.iter().map(async |key| change(subject, &label(key, "x")).await)).await;
    let there = shown(subject).labels;
    assert!(keys.iter().all(|key| there.contains_key(key)), "{there:?}");
    for key in &keys {
        change(subject, &unlabel(key)).await;
    }
}

pub async fn whoever_listens_is_told_of_a_change(subject: &impl Subject) {
    let mut changes = subject.nodes().changes();
    change(subject, &label("example.org/told", "x")).await;
    while !shown(subject).labels.contains_key("example.org/told") {
        changes.changed().await.expect("somebody tells");
    }
    let told = *changes.borrow_and_update();
    change(subject, &unlabel("example.org/told")).await;
    changes.changed().await.expect("somebody tells");
    assert!(*changes.borrow() > told);
}
