//! The nodes of a cluster: shared reflectors of nodes, pods and their events, so that no request asks the API server.

mod evict;
mod metrics;
mod read;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, ValidationDirective},
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

use self::metrics::Metrics;
use super::{Changed, Eviction, Found, Nodes, NodesError};
use crate::{
    domain::nodes::{
        NodeEvent, NodePod, Taint,
        change::{Change, Settings},
        pods::PodHere,
    },
    telemetry::task::Tasks,
};

/// Longest time that a call to the API server may take.
const CALL_WITHIN: Duration = Duration::from_secs(5);
/// How long a change waits for memory to see it.
const SEEN_WITHIN: Duration = Duration::from_secs(1);
/// How often a change without a version is tried where others write at the same moment.
const TRIES: usize = 8;
/// Under which our fields stand in `metadata.managedFields`.
const MANAGER: &str = "streamspace";
/// Where the events about nodes are, which are in no namespace themselves.
const EVENTS_IN: &str = "default";

/// The nodes of a cluster. A cheap handle.
#[derive(Clone)]
pub struct KubernetesNodes(Arc<Inner>);

struct Inner {
    client: Client,
    api: Api<Node>,
    /// Where sessions are.
    namespace: String,
    nodes: Mirror<Node>,
    pods: Mirror<Pod>,
    events: Mirror<Event>,
    metrics: Metrics,
    changes: watch::Sender<u64>,
    closed: watch::Sender<Option<String>>,
}

/// What fills the mirrors of nodes, pods and events.
type Writers = (reflector::store::Writer<Node>, reflector::store::Writer<Pod>, reflector::store::Writer<Event>);

/// Objects of one kind, kept up to date.
struct Mirror<K: Resource<DynamicType = ()> + 'static> {
    store: Store<K>,
    /// Whether all of them have been seen once.
    ready: AtomicBool,
    /// Why they cannot be followed.
    trouble: Mutex<Option<String>>,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Mirror<K> {
    fn new() -> (Self, reflector::store::Writer<K>) {
        let (store, writer) = reflector::store();
        (Self { store, ready: AtomicBool::new(false), trouble: Mutex::default() }, writer)
    }

    fn all(&self) -> Option<Vec<Arc<K>>> {
        self.ready.load(Relaxed).then(|| self.store.state())
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how the watch goes; whether something is new.
    fn note(&self, event: &Result<watcher::Event<K>, watcher::Error>) -> bool {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(event) => {
                *trouble = None;
                match event {
                    watcher::Event::Init | watcher::Event::InitApply(_) => false,
                    watcher::Event::InitDone => {
                        self.ready.store(true, Relaxed);
                        true
                    }
                    watcher::Event::Apply(_) | watcher::Event::Delete(_) => true,
                }
            }
            Err(error) => {
                let said = said(error);
                if trouble.as_ref() != Some(&said) {
                    tracing::warn!(object.kind = %K::kind(&()), error = said, "the watch waits for the API server");
                    *trouble = Some(said);
                }
                false
            }
        }
    }
}

/// Why a watch does not go on, in the API server's words.
fn said(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => match status.code {
            403 => format!("the server has no right to them, as with the chart's `nodes: none` ({})", status.message),
            _ => status.message.clone(),
        },
        error => error.to_string(),
    }
}

impl fmt::Debug for KubernetesNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesNodes").field("namespace", &self.0.namespace).finish_non_exhaustive()
    }
}

impl KubernetesNodes {
    /// Begins to follow nodes, their pods and events until `tasks` end. Where the server may not read them, whoever asks
    /// is told so. `client`: one that gives the API server's answers as they are, without asking again by itself.
    /// `namespace`: where sessions are.
    #[must_use]
    pub fn start(client: &Client, namespace: &str, tasks: &mut Tasks) -> Self {
        let (nodes, writers) = Self::new(client, namespace);
        nodes.follow(client, writers, tasks);
        nodes
    }

    /// The nodes for a process that does not look at them: whoever asks it is told that they are not known.
    #[must_use]
    pub fn unseen(client: &Client, namespace: &str) -> Self {
        Self::new(client, namespace).0
    }

    fn new(client: &Client, namespace: &str) -> (Self, Writers) {
        let ((nodes, node_writer), (pods, pod_writer), (events, event_writer)) =
            (Mirror::new(), Mirror::new(), Mirror::new());
        let inner = Arc::new(Inner {
            client: client.clone(),
            api: Api::all(client.clone()),
            namespace: namespace.to_owned(),
            nodes,
            pods,
            events,
            metrics: Metrics::default(),
            changes: watch::Sender::new(0),
            closed: watch::Sender::new(None),
        });
        (Self(inner), (node_writer, pod_writer, event_writer))
    }

    fn follow(&self, client: &Client, (node_writer, pod_writer, event_writer): Writers, tasks: &mut Tasks) {
        let inner = &self.0;
        let about_nodes = watcher::Config::default().fields("involvedObject.kind=Node");
        let everything = watcher::Config::default();
        let api = Api::all(client.clone());
        follow(inner, |inner| &inner.nodes, node_writer, (api, everything.clone()), read::slim_node, tasks);
        let api = Api::all(client.clone());
        follow(inner, |inner| &inner.pods, pod_writer, (api, everything), read::slim_pod, tasks);
        let api = Api::namespaced(client.clone(), EVENTS_IN);
        let slim = |event: &mut Event| event.metadata.managed_fields = None;
        follow(inner, |inner| &inner.events, event_writer, (api, about_nodes), slim, tasks);
        let (measured, client, stop) = (Arc::clone(inner), client.clone(), tasks.stopping());
        tasks.start("node-metrics", async move {
            tokio::select! { () = stop.cancelled() => {}, () = measured.measure(&client) => {} }
        });
    }
}

/// Follows one kind for ever, in a task of its own.
fn follow<K>(
    inner: &Arc<Inner>,
    mirror: fn(&Inner) -> &Mirror<K>,
    writer: reflector::store::Writer<K>,
    (api, config): (Api<K>, watcher::Config),
    slim: fn(&mut K),
    tasks: &mut Tasks,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static,
{
    let (inner, stop) = (Arc::clone(inner), tasks.stopping());
    tasks.start("nodes", async move {
        let events = watcher(api, config).default_backoff().modify(slim).reflect(writer);
        let told = events.for_each(|event| {
            if mirror(&inner).note(&event) {
                inner.changed();
            }
            std::future::ready(())
        });
        tokio::select! { () = stop.cancelled() => {}, () = told => {} }
    });
}

impl Inner {
    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    async fn measure(&self, client: &Client) {
        let mut ticks = interval(metrics::ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.metrics.ask(client).await {
                self.changed();
            }
        }
    }

    fn unknown(&self) -> NodesError {
        NodesError::Unavailable(match self.nodes.trouble() {
            Some(trouble) => format!("the cluster does not tell its nodes: {trouble}"),
            None => "the cluster's nodes are not known yet: ask again in a moment".to_owned(),
        })
    }

    /// The pods that have not ended, by node.
    fn pods_by_node(&self) -> Option<HashMap<String, Vec<Arc<Pod>>>> {
        let mut by_node: HashMap<String, Vec<Arc<Pod>>> = HashMap::new();
        for pod in self.pods.all()?.into_iter().filter(|pod| read::is_active(pod)) {
            if let Some(node) = read::node_of(&pod).map(str::to_owned) {
                by_node.entry(node).or_default().push(pod);
            }
        }
        Some(by_node)
    }

    /// Those of one node.
    fn pods_on(&self, node: &str) -> Option<Vec<Arc<Pod>>> {
        let mut pods = self.pods.all()?;
        pods.retain(|pod| read::node_of(pod) == Some(node) && read::is_active(pod));
        Some(pods)
    }

    /// The node, on which `pods` are (`None`: they are not known).
    fn found(&self, node: &Node, pods: Option<&[Arc<Pod>]>) -> Found {
        read::node(node, pods, self.metrics.of(&node.name_any()))
    }

    async fn call<T>(
        &self,
        name: &str,
        call: impl Future<Output = Result<T, kube::Error>> + Send,
    ) -> Result<T, NodesError> {
        match timeout(CALL_WITHIN, call).await {
            Ok(answer) => answer.map_err(|error| refused(name, error)),
            Err(_) => Err(NodesError::Unavailable("the API server has not answered in time: try again".into())),
        }
    }

    /// Waits a little until memory has seen that version of the node.
    async fn seen(&self, written: &Node) {
        let (key, version) = (ObjectRef::new(&written.name_any()), number(written));
        let mut changes = self.changes.subscribe();
        let seen = async {
            while self.nodes.store.get(&key).is_some_and(|node| number(&node) < version) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        // Whoever reads now may read what was before: the change is made all the same.
        let _ = timeout(SEEN_WITHIN, seen).await;
    }

    /// One try at a change.
    async fn try_change(
        &self,
        name: &str,
        change: &Change,
        expected: Option<&str>,
    ) -> Result<(Changed, Option<Node>), NodesError> {
        let node = self.call(name, self.api.get(name)).await?;
        if expected.is_some_and(|expected| node.resource_version().as_deref() != Some(expected)) {
            return Err(NodesError::Stale(name.to_owned()));
        }
        let before = read::settings(&node);
        let Some(after) = before.after(change).map_err(NodesError::Refused)? else {
            return Ok((Changed { before, after: None }, None));
        };
        let params = PatchParams {
            field_manager: Some(MANAGER.into()),
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        let patch = patch(change, &after, &node);
        let written = self.call(name, self.api.patch(name, &params, &Patch::Merge(&patch))).await?;
        Ok((Changed { before, after: Some(after) }, Some(written)))
    }
}

/// What of the node a change concerns, at the version that was read: a list of taints is written whole.
fn patch(change: &Change, after: &Settings, node: &Node) -> Value {
    let mut metadata = Map::from_iter([("resourceVersion".to_owned(), json!(node.resource_version()))]);
    let spec = match change {
        Change::Label { key, .. } | Change::Unlabel { key } => {
            metadata.insert("labels".into(), json!({ key: after.labels.get(key) }));
            json!({})
        }
        Change::Taint(_) | Change::Untaint { .. } => json!({ "taints": taints(after, node) }),
        Change::Cordon(cordon) => json!({ "unschedulable": cordon.then_some(true) }),
    };
    json!({ "metadata": metadata, "spec": spec })
}

/// The taints after a change: those that stay just as they were, with the time since when they are there, by which it is
/// decided who has to go.
fn taints(after: &Settings, node: &Node) -> Vec<Value> {
    let there = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let as_it_was = |taint: &Taint| {
        let same = there.iter().find(|known| {
            let value = known.value.as_deref().unwrap_or_default();
            known.key == taint.key && known.effect == taint.effect.word() && value == taint.value
        });
        same.map_or_else(|| json!(taint), |same| json!(same))
    };
    after.taints.iter().map(as_it_was).collect()
}

/// Versions of Kubernetes' own objects are numbers that grow.
fn number(node: &Node) -> u64 {
    node.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default()
}

fn refused(name: &str, error: kube::Error) -> NodesError {
    match error {
        kube::Error::Api(status) if status.code == 404 => NodesError::NotFound(name.to_owned()),
        kube::Error::Api(status) if status.code == 409 => NodesError::Stale(name.to_owned()),
        kube::Error::Api(status) => NodesError::Unavailable(format!("the cluster refuses: {}", status.message)),
        other => NodesError::Unavailable(format!("the API server does not answer: {other}")),
    }
}

#[async_trait]
impl Nodes for KubernetesNodes {
    fn list(&self) -> Result<Vec<Found>, NodesError> {
        let mut nodes = self.0.nodes.all().ok_or_else(|| self.0.unknown())?;
        nodes.sort_by_key(|node| node.name_any());
        let by_node = self.0.pods_by_node();
        let here = |node: &Node| {
            by_node.as_ref().map(|pods| pods.get(&node.name_any()).map(Vec::as_slice).unwrap_or_default())
        };
        Ok(nodes.iter().map(|node| self.0.found(node, here(node))).collect())
    }

    fn get(&self, name: &str) -> Result<Option<Found>, NodesError> {
        if !self.0.nodes.ready.load(Relaxed) {
            return Err(self.0.unknown());
        }
        let node = self.0.nodes.store.get(&ObjectRef::new(name));
        Ok(node.map(|node| self.0.found(&node, self.0.pods_on(name).as_deref())))
    }

    fn pods(&self, name: &str) -> Result<Vec<NodePod>, NodesError> {
        let here = self.0.pods_on(name).unwrap_or_default();
        let mut pods: Vec<NodePod> = here.iter().map(|pod| read::pod(pod, &self.0.namespace)).collect();
        pods.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        Ok(pods)
    }

    async fn events(&self, name: &str) -> Result<Vec<NodeEvent>, NodesError> {
        let all = self.0.events.all().unwrap_or_default();
        let about = all.iter().filter(|event| event.involved_object.name.as_deref() == Some(name));
        let mut events: Vec<NodeEvent> = about.map(|event| read::event(event)).collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.last_timestamp));
        Ok(events)
    }

    async fn change(&self, name: &str, change: &Change, expected: Option<&str>) -> Result<Changed, NodesError> {
        let mut tries = 1;
        loop {
            match self.0.try_change(name, change, expected).await {
                // Somebody wrote between the read and the write: the kubelet, most likely.
                Err(NodesError::Stale(_)) if expected.is_none() && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok((changed, written)) => {
                    if let Some(written) = written {
                        self.0.seen(&written).await;
                    }
                    return Ok(changed);
                }
            }
        }
    }

    async fn bound(&self, name: &str) -> Result<Vec<PodHere>, NodesError> {
        self.0.bound(name).await
    }

    async fn evict(&self, pod: &PodHere, grace_seconds: Option<u32>) -> Result<Eviction, NodesError> {
        self.0.evict(pod, grace_seconds).await
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn closed(&self) -> watch::Receiver<Option<String>> {
        self.0.closed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::nodes::Effect;

    #[test]
    fn a_change_is_written_at_the_version_that_was_read_and_touches_nothing_else() {
        let node: Node = serde_json::from_value(json!({
            "metadata": { "name": "a", "resourceVersion": "7", "labels": { "team": "a" } },
            "spec": { "taints": [{ "key": "k", "effect": "NoExecute", "timeAdded": "2030-01-01T12:00:00Z" }] },
        }))
        .unwrap();
        let before = read::settings(&node);
        let written = |change: Change| patch(&change, &before.after(&change).unwrap().unwrap(), &node);
        let at = |metadata: Value, spec: Value| {
            let mut whole = json!({ "metadata": { "resourceVersion": "7" }, "spec": spec });
            whole["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
            whole
        };
        let gone = written(Change::Unlabel { key: "team".into() });
        assert_eq!(gone, at(json!({ "labels": { "team": null } }), json!({})));
        let taint = Taint { key: "t".into(), value: "v".into(), effect: Effect::NoSchedule };
        let both = json!([
            { "key": "k", "effect": "NoExecute", "timeAdded": "2030-01-01T12:00:00Z" },
            { "key": "t", "value": "v", "effect": "NoSchedule" },
        ]);
        assert_eq!(written(Change::Taint(taint)), at(json!({}), json!({ "taints": both })));
        assert_eq!(written(Change::Cordon(true)), at(json!({}), json!({ "unschedulable": true })));
    }
}
