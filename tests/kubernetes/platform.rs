//! The whole server on a cluster: sessions that are pods, made by the API and by kubectl alike.

use futures::future::join_all;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::{
    cluster::Place,
    helm::Rights,
    server::{Server, until},
};

/// A server whose sessions are pods in a namespace of their own.
pub struct Platform {
    pub server: Server,
    pub place: Place,
    _kubeconfig: NamedTempFile,
}

impl Platform {
    pub async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    /// The same with settings of the test's own.
    pub async fn start_with(name: &str, more: &[(&'static str, &str)]) -> Self {
        Self::start_of(name, &[], more).await
    }

    /// The server has the rights that the chart gives it with these values, and no others.
    pub async fn start_of(name: &str, values: &[&str], more: &[(&'static str, &str)]) -> Self {
        let place = Place::make().await;
        let kubeconfig = Rights::of_chart(&place, values).kubeconfig("server");
        Self::start_as(name, place, kubeconfig, more).await
    }

    /// The server is who that file says.
    pub async fn start_as(name: &str, place: Place, kubeconfig: NamedTempFile, more: &[(&'static str, &str)]) -> Self {
        let path = kubeconfig.path().display().to_string();
        let mut settings = vec![
            ("ENGINE", "kubernetes"),
            ("KUBECONFIG", &*path),
            ("NAMESPACE", &place.namespace),
            ("USER_PV_SIZE", "64Mi"),
        ];
        settings.extend(more);
        let server = Server::start_with(name, &settings).await;
        place.kubectl_with(&["apply", "--filename", "-"], PAGE);
        Self { server, place, _kubeconfig: kubeconfig }
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.place.kubectl_with(arguments, "")
    }

    /// What the app of a session answers through the gateway to somebody who was let in.
    pub async fn page(&self, session: &str) -> String {
        self.server.enter(session).await.page("/").await
    }
}

/// A template of a web server, whose one page says who it is for.
pub const PAGE: &str = r#"
apiVersion: stream.streamspace.io/v1alpha1
kind: Template
metadata: { name: page }
spec:
  displayName: Page
  baseImage: localhost/app:test
  command: [sh, -c]
  args: ['echo "the page of $USER" > index.html; exec httpd -f -p 8000 -h .']
  webapp: { enabled: true, port: 8000, path: / }
  defaultResources: { cpu: 200m, memory: 64Mi }
"#;

fn condition<'a>(session: &'a Value, type_: &str) -> &'a Value {
    let all = session["status"]["conditions"].as_array().unwrap();
    all.iter().find(|condition| condition["type"] == type_).unwrap_or_else(|| panic!("no {type_} in {session:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_made_through_the_api_is_a_pod_that_is_reached_sleeps_wakes_and_goes() {
    let platform = Platform::start("kubernetes-api").await;
    let server = &platform.server;
    let id = server.session(json!({ "template": "page" })).await;
    let running = server.reaches(&id, "Running").await;
    assert_eq!(running["status"]["workload"]["kind"], "Pod");
    assert_eq!(condition(&running, "Ready")["status"], "True");
    let node = running["status"]["workload"]["node"].as_str().unwrap();
    assert_eq!(platform.kubectl(&["get", "pod", &id, "--output=jsonpath={.spec.nodeName}"]), node);
    let user = running["spec"]["user"].as_str().unwrap();
    assert_eq!(platform.page(&id).await, format!("the page of {user}\n"));
    // The policies of the chart hold for it: it is a session, and one that reaches nothing outside.
    for (policy, selected) in [("streamspace-sessions", true), ("streamspace-sessions-outside", false)] {
        let path = "--output=jsonpath={.spec.podSelector.matchLabels}";
        let labels: Value = serde_json::from_str(&platform.kubectl(&["get", "networkpolicy", policy, path])).unwrap();
        let selector: Vec<String> = labels
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
            .collect();
        let pods = platform.kubectl(&["get", "pods", "--output=name", "--selector", &selector.join(",")]);
        assert_eq!(pods, if selected { format!("pod/{id}\n") } else { String::new() }, "{policy}");
    }

    let sleep = json!({ "state": "hibernated" });
    assert_eq!(server.call("PATCH", &format!("/api/v1/sessions/{id}"), Some(sleep)).await.status, 200);
    server.reaches(&id, "Hibernated").await;
    assert_eq!(platform.kubectl(&["get", "pods", "--output=name"]), "");
    assert_eq!(platform.kubectl(&["get", "pvc", "--output=name"]), format!("persistentvolumeclaim/home-{user}\n"));
    let wake = json!({ "state": "running" });
    assert_eq!(server.call("PATCH", &format!("/api/v1/sessions/{id}"), Some(wake)).await.status, 200);
    server.reaches(&id, "Running").await;

    server.delete_all().await;
    assert_eq!(platform.kubectl(&["get", "sessions,pods", "--output=name"]), "");
    assert_eq!(platform.kubectl(&["get", "pvc", "--output=name"]), format!("persistentvolumeclaim/home-{user}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_makes_shows_awaits_describes_and_deletes_a_session() {
    let platform = Platform::start("kubernetes-kubectl").await;
    let user = platform.server.call("GET", "/api/v1/users/me", None).await.body["name"].as_str().unwrap().to_owned();
    let wanted = format!(
        "apiVersion: stream.streamspace.io/v1alpha1\nkind: Session\nmetadata: {{ name: by-hand }}\n\
         spec: {{ user: {user}, template: page }}\n"
    );
    assert!(platform.place.kubectl_with(&["apply", "--filename", "-"], &wanted).contains("by-hand created"));
    platform.kubectl(&["wait", "--for=condition=Ready", "session/by-hand", "--timeout=60s"]);
    let line = platform.kubectl(&["get", "ss"]);
    let shown: Vec<&str> = line.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(shown[..5], ["by-hand", &user, "page", "running", "Running"], "{line}");
    let described = platform.kubectl(&["describe", "session", "by-hand"]);
    for words in ["Created", "Starting", "Ready", "The program answers."] {
        assert!(described.contains(words), "{words}: {described}");
    }
    assert_eq!(platform.server.get("by-hand").await["status"]["phase"], "Running");
    // What makes no sense is refused with a sentence; the same where it does is not.
    let patch = |spec: Value| json!({ "spec": spec }).to_string();
    for (spec, sentence) in [
        (json!({ "user": "somebody-else" }), "user cannot be changed"),
        (json!({ "idleTimeout": "soon" }), "spec.idleTimeout"),
    ] {
        let change = patch(spec);
        let merge = ["patch", "session", "by-hand", "--type=merge", "--patch", change.as_str()];
        let said = platform.place.kubectl_refused(&merge, "");
        assert!(said.contains(sentence), "{said}");
    }
    let coloured = wanted.replace("template: page", "template: page, colour: red");
    let said = platform.place.kubectl_refused(&["apply", "--filename", "-"], &coloured);
    assert!(said.contains("unknown field \"spec.colour\""), "{said}");
    let sensible = patch(json!({ "idleTimeout": "30m" }));
    platform.kubectl(&["patch", "session", "by-hand", "--type=merge", "--patch", &sensible]);
    platform.kubectl(&["delete", "session", "by-hand", "--timeout=60s"]);
    assert_eq!(platform.kubectl(&["get", "sessions,pods", "--output=name"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_slot_is_given_once_to_twenty_who_apply_and_twenty_who_ask_the_api() {
    let platform = Platform::start("kubernetes-slot").await;
    let (server, place) = (&platform.server, &platform.place);
    let made = server.call("POST", "/api/v1/users", Some(json!({ "name": "ada" }))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let limit = server.call("PUT", "/api/v1/users/ada/quota", Some(json!({ "sessions": 1 }))).await;
    assert_eq!(limit.status, 200, "{limit:?}");
    let applies = (0..20).map(|number| {
        let wanted = json!({
            "apiVersion": "stream.streamspace.io/v1alpha1", "kind": "Session",
            "metadata": { "name": format!("applied-{number}") }, "spec": { "user": "ada", "template": "page" },
        });
        let (cluster, namespace) = (place.cluster, place.namespace.clone());
        let applied = move || {
            let here = ["--namespace", &namespace, "apply", "--filename", "-"];
            cluster.kubectl_with(&here, wanted.to_string().as_bytes())
        };
        tokio::task::spawn_blocking(applied)
    });
    let wish = || json!({ "template": "page", "user": "ada" });
    let asks = (0..20).map(|_| server.call("POST", "/api/v1/sessions", Some(wish())));
    let (applied, asked) = tokio::join!(join_all(applies), join_all(asks));
    for applied in applied {
        applied.unwrap();
    }
    let given = asked.iter().filter(|answer| answer.status == 201).count();
    let refused = asked.iter().filter(|answer| answer.body["code"] == "quota-exceeded").count();
    assert_eq!((given + refused, given < 2), (20, true), "{asked:?}");
    // Objects are there whatever a limit says; what does not fit waits and says so.
    let one_runs = async || {
        let list = server.call("GET", "/api/v1/sessions?pageSize=100", None).await.body;
        let all = list["items"].as_array().unwrap().clone();
        assert_eq!(all.len(), 20 + given);
        let waits = |session: &&Value| session["status"]["doctor"]["reason"] == "QuotaExceeded";
        let runs: Vec<_> = all.iter().filter(|session| session["status"]["phase"] == "Running").collect();
        (runs.len() == 1 && all.iter().filter(waits).count() == all.len() - 1)
            .then(|| runs[0]["metadata"]["name"].as_str().unwrap().to_owned())
    };
    let first = until("one runs and the others wait", one_runs).await;
    assert_eq!(platform.kubectl(&["get", "pods", "--output=name"]), format!("pod/{first}\n"));
    server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_deleted_by_hand_is_made_again() {
    let platform = Platform::start("kubernetes-lost").await;
    let id = platform.server.session(json!({ "template": "page" })).await;
    platform.server.reaches(&id, "Running").await;
    let uid = || platform.kubectl(&["get", "pod", &id, "--ignore-not-found", "--output=jsonpath={.metadata.uid}"]);
    let first = uid();
    platform.kubectl(&["delete", "pod", &id]);
    until("another pod", async || Some(uid()).filter(|now| !now.is_empty() && *now != first)).await;
    platform.server.reaches(&id, "Running").await;
    platform.server.delete_all().await;
}
