//! What a cluster can have against a session is told in its status, in words and with what to do.

use serde_json::{Value, json};

use crate::{platform::Platform, server::until};

impl Platform {
    /// Waits until the session says that this is the matter with it.
    async fn says(&self, session: &str, reason: &str) -> Value {
        until(&format!("{session} says {reason}"), async || {
            let found = self.server.get(session).await;
            (found["status"]["doctor"]["reason"] == reason).then_some(found)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_no_node_has_room_for_waits_and_says_so_everywhere() {
    let platform = Platform::start("kubernetes-room").await;
    let wish = json!({ "template": "page", "resources": { "memory": "900Gi" } });
    let id = platform.server.session(wish).await;
    let waiting = platform.says(&id, "Unschedulable").await;
    assert_eq!(waiting["status"]["phase"], "Starting");
    assert!(waiting["status"]["doctor"]["message"].as_str().unwrap().contains("Insufficient memory"), "{waiting:#}");
    assert!(platform.kubectl(&["describe", "session", &id]).contains("Insufficient memory"));
    assert!(platform.kubectl(&["get", "session", &id]).contains("Unschedulable"));
    platform.server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_beyond_the_namespaces_quota_waits_and_starts_when_there_is_room() {
    let platform = Platform::start("kubernetes-quota").await;
    platform.kubectl(&["create", "quota", "none", "--hard=pods=0"]);
    let id = platform.server.session(json!({ "template": "page" })).await;
    platform.says(&id, "QuotaExceeded").await;
    platform.kubectl(&["delete", "quota", "none"]);
    platform.server.reaches(&id, "Running").await;
    platform.server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_is_named() {
    let platform = Platform::start("kubernetes-image").await;
    let template = json!({
        "name": "nowhere", "displayName": "Nowhere", "baseImage": "localhost:1/none:1", "webapp": { "port": 8000 },
    });
    assert_eq!(platform.server.call("POST", "/api/v1/templates", Some(template)).await.status, 201);
    let id = platform.server.session(json!({ "template": "nowhere" })).await;
    let told = platform.says(&id, "ImageNotFound").await;
    assert!(told["status"]["doctor"]["message"].as_str().unwrap().contains("localhost:1/none:1"), "{told:#}");
    platform.server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_to_the_node_of_its_home_or_waits_for_it() {
    let mut platform = Platform::start("kubernetes-home").await;
    let alone = platform.place.alone().await;
    let node = |session: &Value| session["status"]["workload"]["node"].as_str().unwrap().to_owned();
    let first = platform.server.session(json!({ "template": "page" })).await;
    let home = node(&platform.server.reaches(&first, "Running").await);
    platform.kubectl(&["cordon", &home]);
    let second = platform.server.session(json!({ "template": "page" })).await;
    let waiting = platform.says(&second, "VolumeAttachedElsewhere").await;
    platform.kubectl(&["uncordon", &home]);
    assert_eq!(waiting["status"]["phase"], "Starting");
    let running = platform.server.reaches(&second, "Running").await;
    assert_eq!(node(&running), home);
    assert_eq!(running["status"]["doctor"], Value::Null);
    platform.server.delete_all().await;
    drop(alone);
}
