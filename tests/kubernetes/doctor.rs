//! What a cluster can have against a session is told in its status, in words and with what to do.

use serde_json::{Value, json};

use crate::{cluster::Place, drain, platform::Platform, server::until};

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

/// A registry on every node's own address that lets in nobody who does not say who they are.
const REGISTRY: &str = r"
apiVersion: v1
kind: Pod
metadata: { name: registry }
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  containers:
    - name: registry
      image: localhost/app:test
      command: [sh, -c]
      args: ['echo /v2:somebody:secret > /tmp/conf; exec httpd -f -p 127.0.0.1:5999 -c /tmp/conf -h /tmp']
";

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_gives_nothing_to_strangers_is_named() {
    let platform = Platform::start("kubernetes-denied").await;
    let (cluster, server) = (platform.place.cluster, &platform.server);
    if !cluster.is_own() {
        return;
    }
    let system = format!("{}-system", platform.place.namespace);
    cluster.kubectl_with(&["--namespace", &system, "apply", "--filename", "-"], REGISTRY.as_bytes());
    cluster.kubectl(&["--namespace", &system, "wait", "--for=condition=Ready", "pod/registry", "--timeout=60s"]);
    let template = json!({
        "name": "private", "displayName": "Private", "baseImage": "localhost:5999/private:1", "webapp": { "port": 8000 },
    });
    assert_eq!(server.call("POST", "/api/v1/templates", Some(template)).await.status, 201);
    let id = server.session(json!({ "template": "private" })).await;
    let told = platform.says(&id, "ImagePullDenied").await;
    let doctor = &told["status"]["doctor"];
    assert!(doctor["message"].as_str().unwrap().contains("localhost:5999/private:1"), "{told:#}");
    assert!(doctor["remedy"].as_str().unwrap().contains("registry"), "{told:#}");
    server.delete_all().await;
    // It would be in the way of whoever empties its node.
    cluster.kubectl(&["--namespace", &system, "delete", "pod", "registry", "--wait"]);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_session_starts_where_its_home_is_attached_or_waits_until_that_is_over() {
    let mut platform = Platform::start("kubernetes-attached").await;
    let alone = platform.place.alone().await;
    let (server, place) = (&platform.server, &platform.place);
    let user = server.call("GET", "/api/v1/users/me", None).await.body["name"].as_str().unwrap().to_owned();
    for (number, home) in [drain::FROM, drain::TO].into_iter().enumerate() {
        // A volume that can be used on that node alone, and one that happens to be attached to it.
        for (kind, affine) in [("affine", true), ("roaming", false)] {
            let volume = format!("{}-{kind}-{number}", place.namespace);
            place.kubectl_with(&["apply", "--filename", "-"], &of_home(place, &volume, &user, affine.then_some(home)));
            place.kubectl_with(&["apply", "--filename", "-"], &attachment(&volume, home));
            let attached = json!({ "status": { "attached": true } }).to_string();
            let name = format!("volumeattachment/{volume}");
            platform.kubectl(&["patch", &name, "--subresource=status", "--type=merge", "--patch", &attached]);
            // The claim is made with the first session, which may be placed before it is bound.
            let first = server.session(json!({ "template": "page" })).await;
            server.reaches(&first, "Running").await;
            server.delete_all().await;

            platform.kubectl(&["cordon", home]);
            let id = server.session(json!({ "template": "page" })).await;
            let waiting = platform.says(&id, "VolumeAttachedElsewhere").await;
            assert_eq!(waiting["status"]["phase"], "Starting", "{kind}");
            if affine {
                platform.kubectl(&["uncordon", home]);
            } else {
                platform.kubectl(&["delete", &name]);
            }
            let running = server.reaches(&id, "Running").await;
            assert_eq!(running["status"]["workload"]["node"] == home, affine, "{kind}: {running:#}");
            assert_eq!((&running["status"]["doctor"], &running["status"]["run"]), (&Value::Null, &json!(1)), "{kind}");
            platform.kubectl(&["uncordon", home]);
            server.delete_all().await;
            platform.kubectl(&["delete", &format!("pvc/home-{user}"), &format!("pv/{volume}"), "--wait"]);
        }
    }
    drop(alone);
}

/// A volume for somebody's home, which is used on `node` alone if there is one.
fn of_home(place: &Place, volume: &str, user: &str, node: Option<&str>) -> String {
    let mut made = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": volume },
        "spec": {
            "capacity": { "storage": "64Mi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
            "claimRef": { "namespace": place.namespace, "name": format!("home-{user}") },
            "hostPath": { "path": format!("/tmp/hostpath_pv/{volume}"), "type": "DirectoryOrCreate" },
        },
    });
    if let Some(node) = node {
        let here = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": [node] });
        made["spec"]["nodeAffinity"] = json!({ "required": { "nodeSelectorTerms": [{ "matchExpressions": [here] }] } });
    }
    made.to_string()
}

/// What the driver of a volume would make once it is attached; nothing attaches volumes here.
fn attachment(volume: &str, node: &str) -> String {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": { "name": volume },
        "spec": { "attacher": "test.example", "nodeName": node, "source": { "persistentVolumeName": volume } },
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_the_cluster_is_named_and_what_it_refused_starts_once_it_is_gone() {
    let platform = Platform::start("kubernetes-policy").await;
    let server = &platform.server;
    let most = json!({ "type": "Container", "max": { "memory": "32Mi" } });
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "small" }, "spec": { "limits": [most] },
    });
    platform.place.kubectl_with(&["apply", "--filename", "-"], &range.to_string());
    let id = server.session(json!({ "template": "page" })).await;
    let told = platform.says(&id, "PolicyRefused").await;
    assert!(told["status"]["doctor"]["message"].as_str().unwrap().contains("maximum memory"), "{told:#}");
    platform.kubectl(&["delete", "limitrange", "small"]);
    server.reaches(&id, "Running").await;
    server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graphics_card_that_no_node_has_is_waited_for() {
    let platform = Platform::start("kubernetes-gpu").await;
    let server = &platform.server;
    let id = server.session(json!({ "template": "page", "resources": { "gpu": "1" } })).await;
    let waiting = platform.says(&id, "Unschedulable").await;
    assert!(waiting["status"]["doctor"]["message"].as_str().unwrap().contains("a GPU to spare"), "{waiting:#}");
    if platform.place.cluster.is_own() {
        // As a plugin of a driver would say it.
        let more = |verb| json!([{ "op": verb, "path": "/status/capacity/nvidia.com~1gpu", "value": "1" }]).to_string();
        let patch = ["patch", "node", drain::FROM, "--subresource=status", "--type=json", "--patch"];
        platform.kubectl(&[&patch[..], &[&more("add")]].concat());
        let running = server.reaches(&id, "Running").await;
        assert_eq!(running["status"]["workload"]["node"], drain::FROM);
        platform.kubectl(&[&patch[..], &[&more("remove")]].concat());
    }
    server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_nobody_makes_is_waited_for() {
    let platform = Platform::start_with("kubernetes-class", &[("DEFAULT_STORAGE_CLASS", "nobodys")]).await;
    let id = platform.server.session(json!({ "template": "page" })).await;
    let waiting = platform.says(&id, "VolumePending").await;
    assert_eq!(waiting["status"]["phase"], "Starting");
    // One of an empty home has nothing to wait for.
    let other = platform.server.session(json!({ "template": "page", "persistentHome": false })).await;
    platform.server.reaches(&other, "Running").await;
    platform.server.delete_all().await;
}
