//! Settings that change while the real server runs.

use serde_json::json;

use crate::server::{Server, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_more_from_the_moment_that_its_level_is_changed_also_after_a_restart() {
    let mut server = Server::start_with("log-level", &[("LOG_LEVEL", "warn")]).await;
    let asked = async |server: &Server, version: &str| {
        let path = format!("/api/v1/system?asked={version}");
        assert_eq!(server.call("GET", &path, None).await.status, 200);
    };
    let accesses = |server: &Server| server.log().lines().filter(|line| line.contains("/api/v1/system")).count();
    asked(&server, "before").await;
    assert_eq!(accesses(&server), 0);
    let level = json!({ "logLevel": "warn,streamspace::access=info" });
    assert_eq!(server.call("PATCH", "/api/v1/config", Some(level)).await.status, 200);
    asked(&server, "after").await;
    until("the request is in the log", async || (accesses(&server) == 1).then_some(())).await;
    server.stop();
    server.run().await;
    asked(&server, "later").await;
    until("so is one after a restart", async || (accesses(&server) == 2).then_some(())).await;
    assert_eq!(server.call("PATCH", "/api/v1/config", Some(json!({ "logLevel": null }))).await.status, 200);
    let so_far = accesses(&server);
    asked(&server, "at last").await;
    assert_eq!(accesses(&server), so_far);
}
