//! An image as they are in the wild, from a manifest in git to its web client in the browser: it starts as root.

use serde_json::json;

use crate::{
    git::{self, Manners, Repo},
    platform::Platform,
    server::until,
};

/// The older group, `kasmvnc`, a web client of its own on port 3000, a home at `/config`.
const MANIFEST: &str = "
apiVersion: stream.space/v1alpha1
kind: Template
metadata: { name: wild }
spec:
  displayName: Wild
  baseImage: localhost/wild:test
  defaultResources: { requests: { memory: 64Mi, cpu: 100m }, limits: { memory: 64Mi } }
  kasmvnc: { enabled: true, port: 3000 }
  volumeMounts:
    - { name: user-home, mountPath: /config }
";

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_starts_as_root_is_refused_before_its_grant_and_runs_after_it() {
    let repo = Repo::new();
    repo.write("wild.yaml", MANIFEST).push();
    let git = git::Server::start(repo.served(), Manners::default()).await;
    let platform = Platform::start_with("kubernetes-wild", &[("CATALOG_ALLOW", &git.root())]).await;
    let server = &platform.server;
    let wish = json!({ "name": "wild", "url": git.url() });
    assert_eq!(server.call("POST", "/api/v1/catalog/repositories", Some(wish)).await.status, 201);
    let template = until("it is synced", async || {
        let found = server.call("GET", "/api/v1/catalog/templates?search=wild", None).await.body;
        found["items"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let wish = json!({ "catalogTemplateId": template });
    assert_eq!(server.call("POST", "/api/v1/catalog/install", Some(wish)).await.status, 201);

    let launch = async || server.call("POST", "/api/v1/sessions", Some(json!({ "template": "wild" }))).await;
    let refused = launch().await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &"cannot-run-here".into()), "{refused:?}");
    let grant = json!({ "template": "wild", "reason": "it was built here" });
    assert_eq!(server.call("POST", "/api/v1/catalog/grants", Some(grant)).await.status, 201);
    // The namespace has a word in it too.
    platform.kubectl(&["label", "namespace", &platform.place.namespace, "--overwrite", BASELINE]);
    let made = launch().await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.body["metadata"]["name"].as_str().unwrap();
    server.reaches(id, "Running").await;
    assert_eq!(platform.kubectl(&["logs", id]), "I start as 0\n");
    assert_eq!(platform.page(id).await, "a client of its own\n");
    let whose = platform.kubectl(&["exec", id, "--", "stat", "-c", "%u %n", "/config/client/index.html"]);
    assert_eq!(whose, "911 /config/client/index.html\n");
    server.delete_all().await;
}

const BASELINE: &str = "pod-security.kubernetes.io/enforce=baseline";
