//! What else is in the cluster: shown as it is, changed as far as that is allowed, and its output read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    platform::Platform,
    server::{Answer, until},
};

const RESOURCES: &str = "/api/v1/cluster/resources";

async fn names(platform: &Platform, plural: &str) -> BTreeSet<String> {
    let list = platform.server.call("GET", &format!("/api/v1/cluster/{plural}?pageSize=500"), None).await;
    assert_eq!(list.status, 200, "{plural}: {list:?}");
    let items = list.body["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            assert!(item["kind"].is_string() && item["metadata"]["managedFields"].is_null(), "{item:#}");
            item["metadata"]["name"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn of_kubectl(platform: &Platform, plural: &str) -> BTreeSet<String> {
    let told = platform.kubectl(&["get", plural, "--output=jsonpath={.items[*].metadata.name}"]);
    told.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_namespace_is_shown_as_the_cluster_has_it_and_nothing_beyond() {
    let platform = Platform::start("kubernetes-shown").await;
    let server = &platform.server;
    let id = server.session(json!({ "template": "page" })).await;
    server.reaches(&id, "Running").await;
    platform.kubectl(&["create", "service", "clusterip", "there", "--tcp=80"]);
    platform.kubectl(&["create", "deployment", "idle", "--image=localhost/app:test", "--replicas=0"]);
    platform.kubectl(&["create", "secret", "generic", "kept", "--from-literal=word=hunter2"]);
    for plural in ["nodes", "pods", "deployments", "services", "persistentvolumeclaims"] {
        assert_eq!(names(&platform, plural).await, of_kubectl(&platform, plural), "{plural}");
    }
    assert_eq!(names(&platform, "namespaces").await, [platform.place.namespace.clone()].into());
    assert!(names(&platform, "pods").await.contains(&id), "the session's own");
    // From then on it is followed.
    platform.kubectl(&["delete", "service", "there"]);
    until("the service is gone", async || names(&platform, "services").await.is_empty().then_some(())).await;
    platform.kubectl(&["create", "service", "clusterip", "another", "--tcp=80"]);
    until("another is there", async || names(&platform, "services").await.contains("another").then_some(())).await;

    for (path, status) in [
        ("pods?namespace=kube-system", 404),
        ("secrets", 404),
        ("pods?sort=colour", 400),
        ("pods?search=streamspace.io/session", 200),
    ] {
        let told = server.call("GET", &format!("/api/v1/cluster/{path}"), None).await;
        assert_eq!(told.status, status, "{path}: {told:?}");
        assert!(!told.body.to_string().contains("hunter2"));
    }
    server.delete_all().await;
}

fn map(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "HERE" }, "data": data })
}

/// Someone who changes objects of the namespace, and the place of each.
struct Changer {
    platform: Platform,
}

impl Changer {
    async fn start() -> Self {
        let kinds = ("CLUSTER_KINDS", "v1/ConfigMap,v1/Secret,example.org/v1/Thing");
        Self { platform: Platform::start_with("kubernetes-changed", &[kinds]).await }
    }

    fn here(&self) -> &str {
        &self.platform.place.namespace
    }

    async fn apply(&self, how: &str, manifest: &Value) -> Answer {
        let manifest = serde_json::from_str(&manifest.to_string().replace("HERE", self.here())).unwrap();
        self.platform.server.call("POST", &format!("{RESOURCES}{how}"), Some(manifest)).await
    }

    async fn to(&self, method: &str, which: &str, body: Option<Value>) -> Answer {
        let url = format!("{RESOURCES}?version=v1&namespace={}&{which}", self.here());
        self.platform.server.call(method, &url, body).await
    }

    /// Lets the server's account do what an operator of the cluster has to let it.
    fn allow(&self) {
        let account = format!("--serviceaccount={}-system:streamspace-server", self.here());
        let verbs = "--verb=get,create,patch,delete";
        self.platform.kubectl(&["create", "role", "changer", verbs, "--resource=configmaps,secrets"]);
        self.platform.kubectl(&["create", "rolebinding", "changer", "--role=changer", &account]);
    }

    fn word(&self, name: &str) -> String {
        let path = "--output=jsonpath={.data.word}";
        self.platform.kubectl(&["get", "configmap", name, "--ignore-not-found", path])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_allowed_kinds_are_changed_as_far_as_the_cluster_lets_the_server_and_each_change_is_written_down() {
    let changer = Changer::start().await;
    let first = map("first", json!({ "word": "one" }));
    let unset = changer.apply("", &first).await;
    assert_eq!((unset.status, &unset.body["code"]), (409, &json!("not-set-up")), "{unset:?}");
    assert!(unset.body["detail"].as_str().unwrap().contains("service account"), "{unset:?}");
    changer.allow();

    let judged = until("the right holds", async || {
        Some(changer.apply("?dryRun=true", &first).await).filter(|answer| answer.status == 201)
    })
    .await;
    assert_eq!((&judged.body["data"]["word"], changer.word("first")), (&json!("one"), String::new()));
    assert_eq!(changer.apply("", &first).await.status, 201);
    assert_eq!(changer.apply("", &map("first", json!({ "word": "two" }))).await.status, 200);
    assert_eq!(changer.word("first"), "two");

    // Somebody else takes the field over.
    let theirs = map("first", json!({ "word": "theirs" })).to_string().replace("HERE", changer.here());
    let applied = ["apply", "--server-side", "--force-conflicts", "--field-manager=other", "--filename", "-"];
    changer.platform.place.kubectl_with(&applied, &theirs);
    let third = map("first", json!({ "word": "three" }));
    let against = changer.apply("", &third).await;
    assert_eq!((against.status, &against.body["code"]), (409, &json!("conflict")), "{against:?}");
    assert!(against.body["detail"].as_str().unwrap().contains("other"), "{against:?}");
    assert_eq!(changer.apply("?force=true", &third).await.status, 200);

    let which = "kind=ConfigMap&name=first";
    let merged = changer.to("PATCH", which, Some(json!({ "data": { "more": "x", "word": null } }))).await;
    assert_eq!((merged.status, &merged.body["data"]), (200, &json!({ "more": "x" })), "{merged:?}");
    let late = json!({ "metadata": { "resourceVersion": "1" }, "data": { "more": "y" } });
    assert_eq!(changer.to("PATCH", which, Some(late)).await.status, 412);
    assert!(changer.to("DELETE", &format!("{which}&dryRun=true"), None).await.status < 300);
    assert!(!changer.platform.kubectl(&["get", "configmap", "first", "--output=name"]).is_empty());
    assert!(changer.to("DELETE", which, None).await.status < 300);
    assert_eq!(changer.to("DELETE", which, None).await.status, 404);

    let told = changer.platform.server.call("GET", "/api/v1/audit?action=resource&sort=time", None).await.body;
    let told: Vec<_> = told["items"].as_array().unwrap().iter().collect();
    let words: Vec<String> = told
        .iter()
        .map(|entry| format!("{} {}", entry["action"].as_str().unwrap(), entry["result"].as_str().unwrap()))
        .collect();
    assert_eq!(
        words,
        [
            "resource.apply refused",
            "resource.apply success",
            "resource.apply success",
            "resource.apply refused",
            "resource.apply success",
            "resource.patch success",
            "resource.patch refused",
            "resource.delete success",
            "resource.delete refused",
        ]
    );
    let word = |at: usize, moment: &str| told[at][moment]["data"]["word"].clone();
    assert_eq!((word(2, "before"), word(2, "after")), (json!("one"), json!("two")));
    assert_eq!(
        (&told[3]["before"]["data"]["word"], &told[3]["after"]["asked"]["data"]["word"]),
        (&json!("theirs"), &json!("three"))
    );
    assert_eq!(told[6]["before"]["data"], json!({ "more": "x" }));
    assert_eq!((&told[7]["before"]["data"], &told[8]["before"]), (&json!({ "more": "x" }), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_wrong_or_secret_goes_no_further() {
    let changer = Changer::start().await;
    changer.allow();
    let there = map("there", json!({ "word": "one" }));
    until("the right holds", async || (changer.apply("", &there).await.status < 300).then_some(())).await;
    let of = |api_version: &str, kind: &str| json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "x", "namespace": "HERE" } });
    let with = |mut manifest: Value, change: Value| {
        for (field, value) in change.as_object().unwrap() {
            manifest[field] = value.clone();
        }
        manifest
    };
    for (manifest, status, words) in [
        (of("v1", "Service"), 409, "CLUSTER_KINDS"),
        (of("stream.streamspace.io/v1alpha1", "Session"), 409, "CLUSTER_KINDS"),
        (of("example.org/v1", "Thing"), 400, "does not know"),
        (
            with(of("v1", "ConfigMap"), json!({ "metadata": { "name": "x", "namespace": "default" } })),
            409,
            "CLUSTER_NAMESPACES",
        ),
        (with(of("v1", "ConfigMap"), json!({ "metadata": { "name": "x" } })), 400, "namespace"),
        (with(of("v1", "ConfigMap"), json!({ "metadata": { "name": "../x", "namespace": "HERE" } })), 400, "name"),
        (with(of("v1", "ConfigMap"), json!({ "dota": {} })), 400, "dota"),
        (with(of("v1", "ConfigMap"), json!({ "kind": null })), 400, "apiVersion"),
    ] {
        let refused = changer.apply("", &manifest).await;
        assert_eq!(refused.status, status, "{manifest}: {refused:?}");
        assert!(refused.body.to_string().contains(words), "{words}: {refused:?}");
    }

    let secret = with(of("v1", "Secret"), json!({ "stringData": { "word": "hunter2" } }));
    let made = changer.apply("", &secret).await;
    assert_eq!((made.status, &made.body["data"]), (201, &json!({ "word": "(removed)" })), "{made:?}");
    assert_eq!(changer.platform.kubectl(&["get", "secret", "x", "--output=jsonpath={.data.word}"]), "aHVudGVyMg==");
    let patch = json!({ "stringData": { "word": "hunter3" }, "colour": "red" });
    let refused = changer.to("PATCH", "kind=Secret&name=x", Some(patch)).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let gone = changer.to("DELETE", "kind=Secret&name=x", None).await;
    assert!(gone.status < 300, "{gone:?}");
    let told = changer.platform.server.call("GET", "/api/v1/audit?pageSize=500", None).await.body;
    for answer in [&made.body, &refused.body, &gone.body, &told] {
        let text = answer.to_string();
        for word in ["hunter", "aHVudGVy"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }
    assert!(told.to_string().contains("v1/Secret"), "the control: it is told that there was one");
}

/// A pod of which one container says who it is and ends, again and again, and another goes on.
const TALKERS: &str = r#"{
  "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "talker" },
  "spec": {
    "terminationGracePeriodSeconds": 1,
    "securityContext": { "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": { "type": "RuntimeDefault" } },
    "containers": [
      { "name": "main", "image": "localhost/app:test", "command": ["sh", "-c", "echo run $(cat /proc/sys/kernel/random/uuid); sleep 3"],
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } } },
      { "name": "side", "image": "localhost/app:test", "command": ["sh", "-c", "echo beside; exec sleep 100000"],
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } } }
    ]
  }
}"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_output_of_a_pod_is_read_and_followed_through_the_restarts_of_its_container() {
    let platform = Platform::start("kubernetes-logs").await;
    let (server, here) = (&platform.server, platform.place.namespace.as_str());
    platform.place.kubectl_with(&["apply", "--filename", "-"], TALKERS);
    let mut feed = server.page().feed(&format!("/api/v1/ws/logs/{here}/talker?container=main&follow=true")).await;
    let mut runs: Vec<String> = vec![];
    while runs.len() < 2 {
        let batch = feed.next_of("log.lines").await;
        runs.extend(batch["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()));
    }
    assert!(runs.iter().all(|line| line.starts_with("run ")) && runs[0] != runs[1], "{runs:?}");

    let url = format!("/api/v1/cluster/pods/{here}/talker/logs");
    let read = async |more: &str| server.call("GET", &format!("{url}?{more}"), None).await;
    assert_eq!(read("container=side").await.body, json!("beside\n"));
    assert_eq!(read("container=side&since=0s").await.body, json!(""));
    assert_eq!(read("container=side&tail=0").await.body, json!(""));
    let wrong = read("container=none").await;
    assert_eq!((wrong.status, &wrong.body["code"]), (404, &json!("no-such-container")));
    assert!(wrong.body["detail"].as_str().unwrap().contains("main, side"), "{wrong:?}");
    for elsewhere in ["/api/v1/cluster/pods/kube-system/talker/logs", "/api/v1/cluster/pods/local/talker/logs"] {
        assert_eq!(server.call("GET", elsewhere, None).await.status, 404, "{elsewhere}");
    }
    // A session's pod is asked for as any other.
    let id = server.session(json!({ "template": "page" })).await;
    server.reaches(&id, "Running").await;
    assert_eq!(server.call("GET", &format!("/api/v1/cluster/pods/{here}/{id}/logs"), None).await.status, 200);
    server.delete_all().await;
}
