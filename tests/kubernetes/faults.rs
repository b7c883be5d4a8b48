//! Parts of the cluster go away under a server that works, and come back.

use serde_json::json;

use crate::{platform::Platform, server::until};

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_reached_while_the_api_server_is_away_and_what_is_asked_is_done_when_it_is_back() {
    let mut platform = Platform::start("kubernetes-away").await;
    let alone = platform.place.alone().await;
    let server = &platform.server;
    let id = server.session(json!({ "template": "page" })).await;
    let user = server.reaches(&id, "Running").await["spec"]["user"].as_str().unwrap().to_owned();
    for gone in ["apiserver", "etcd"] {
        platform.place.cluster.control(&format!("stop {gone}"));
        assert_eq!(platform.page(&id).await, format!("the page of {user}\n"), "without {gone}");
        assert_eq!(server.get(&id).await["status"]["phase"], "Running", "without {gone}");
        platform.place.cluster.control(&format!("start {gone}"));
    }
    let later = until("sessions can be asked for again", async || {
        let made = server.call("POST", "/api/v1/sessions", Some(json!({ "template": "page" }))).await;
        (made.status == 201).then(|| made.body["metadata"]["name"].as_str().unwrap().to_owned())
    })
    .await;
    server.reaches(&later, "Running").await;
    // What changed meanwhile has not been missed either.
    platform.kubectl(&["delete", "session", &id, "--timeout=60s"]);
    until("the session is gone", async || {
        (server.call("GET", &format!("/api/v1/sessions/{id}"), None).await.status == 404).then_some(())
    })
    .await;
    server.delete_all().await;
    drop(alone);
}
