//! A cluster's nodes keep what every adapter promises, and are read with what is on them.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use streamspace::{
    nodes::{KubernetesNodes, Nodes},
    telemetry::task::Tasks,
};
use tokio::sync::RwLockWriteGuard;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::Place,
    nodes_contract::{Subject, nodes_contract},
    platform::Platform,
    server::{LIMIT, until},
};

/// The nodes, on which nobody else acts meanwhile: every test has the same.
struct InCluster {
    nodes: KubernetesNodes,
    // They end with the value.
    _tasks: Tasks,
    _alone: RwLockWriteGuard<'static, ()>,
    _place: Place,
}

impl InCluster {
    async fn start() -> Self {
        let mut place = Place::make().await;
        let alone = place.alone().await;
        let mut tasks = Tasks::new(CancellationToken::new());
        let nodes = KubernetesNodes::start(&place.client, &place.namespace, &mut tasks);
        let mut changes = nodes.changes();
        let known = async {
            while nodes.list().is_err() {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(LIMIT, known).await.expect("the nodes are known");
        Self { nodes, _tasks: tasks, _alone: alone, _place: place }
    }
}

#[async_trait]
impl Subject for InCluster {
    fn nodes(&self) -> Arc<dyn Nodes> {
        Arc::new(self.nodes.clone())
    }

    fn name(&self) -> String {
        self.nodes.list().unwrap()[0].node.name.clone()
    }
}

nodes_contract!(InCluster::start);

#[tokio::test(flavor = "multi_thread")]
async fn a_node_shows_the_pods_and_sessions_on_it_what_they_ask_for_and_what_happened() {
    let mut platform = Platform::start("kubernetes-nodes").await;
    let _alone = platform.place.alone().await;
    let server = &platform.server;
    let id = server.session(json!({ "template": "page" })).await;
    let session = server.reaches(&id, "Running").await;
    let name = session["status"]["workload"]["node"].as_str().unwrap();
    let url = format!("/api/admin/nodes/{name}");
    let node = until("the pod shows on its node", async || {
        let node = server.call("GET", &url, None).await.body;
        let pods = node["podsHere"].as_array()?.clone();
        pods.iter().any(|pod| pod["session"] == json!(id) && pod["phase"] == "Running").then_some(node)
    })
    .await;
    assert_eq!(node["sessionsHere"][0]["name"], json!(id), "{node:#}");
    let pod = &node["podsHere"].as_array().unwrap().iter().find(|pod| pod["name"] == json!(id)).unwrap().clone();
    assert_eq!((&pod["controlledBy"], &pod["requested"]["memory"]), (&json!("Session"), &json!("64Mi")), "{pod}");
    assert!(node.get("used").is_none(), "nothing measures here: {node:#}");
    let asked = platform.kubectl(&["get", "nodes", "--output=name"]);
    let list = server.call("GET", "/api/admin/nodes", None).await.body;
    assert_eq!(list["total"], json!(asked.lines().count()));
    let stats = server.call("GET", "/api/admin/nodes/stats", None).await.body;
    assert_eq!((&stats["sessions"], &stats["sessionsByNode"][name]), (&json!(1), &json!(1)), "{stats}");

    assert_eq!(server.call("POST", &format!("{url}/cordon"), None).await.status, 200);
    let unschedulable = "--output=jsonpath={.spec.unschedulable}";
    assert_eq!(platform.kubectl(&["get", "node", name, unschedulable]), "true");
    until("the node tells what happened to it", async || {
        let events = server.call("GET", &url, None).await.body["events"].as_array()?.clone();
        events.iter().any(|event| event["reason"] == "NodeNotSchedulable").then_some(())
    })
    .await;
    assert_eq!(server.call("POST", &format!("{url}/uncordon"), None).await.status, 200);
    assert_eq!(platform.kubectl(&["get", "node", name, unschedulable]), "");
    let entries = server.call("GET", "/api/v1/audit?action=node&sort=time", None).await.body;
    let told: Vec<_> = entries["items"].as_array().unwrap().iter().map(|one| one["action"].clone()).collect();
    assert_eq!(told, ["node.cordon", "node.uncordon"]);
    assert_eq!(entries["items"][0]["after"]["unschedulable"], json!(true));
    server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rights_over_nodes_that_is_said_and_everything_else_works() {
    let platform = Platform::start_of("kubernetes-nodeless", &["nodes=none"], &[]).await;
    let server = &platform.server;
    for path in ["", "/stats", "/node1"] {
        let told = until("it is known why", async || {
            let told = server.call("GET", &format!("/api/admin/nodes{path}"), None).await;
            told.body["detail"].as_str()?.contains("nodes: none").then_some(told)
        })
        .await;
        assert_eq!((told.status, &told.body["code"]), (503, &json!("unavailable")), "{path}: {told:?}");
        assert!(told.body["detail"].as_str().unwrap().contains("cannot list resource"), "{path}: {told:?}");
    }
    for action in ["cordon", "drain"] {
        let told = server.call("POST", &format!("/api/admin/nodes/node1/{action}"), Some(json!({}))).await;
        assert_eq!((told.status, &told.body["code"]), (503, &json!("unavailable")), "{action}: {told:?}");
    }
    let told = server.call("GET", "/api/v1/cluster/nodes", None).await;
    assert_eq!((told.status, &told.body["code"]), (409, &json!("not-set-up")), "{told:?}");

    let id = server.session(json!({ "template": "page" })).await;
    let session = server.reaches(&id, "Running").await;
    let user = session["spec"]["user"].as_str().unwrap();
    assert_eq!(platform.page(&id).await, format!("the page of {user}\n"));
    for path in ["/api/v1/cluster/pods", &format!("/api/v1/sessions/{id}/events")] {
        let told = server.call("GET", path, None).await;
        assert!(told.status == 200 && !told.body["items"].as_array().unwrap().is_empty(), "{path}: {told:?}");
    }
    for (state, phase) in [("hibernated", "Hibernated"), ("running", "Running")] {
        let changed = server.call("PATCH", &format!("/api/v1/sessions/{id}"), Some(json!({ "state": state }))).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        server.reaches(&id, phase).await;
    }
    server.delete_all().await;
}
