//! The chart, rendered by helm and put to work: what it renders is accepted, what it grants is used, what it installs
//! serves people, also while it is upgraded.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, Place},
    helm::{RELEASE, chart, helm, render, values},
    images,
    platform::Platform,
    server::{LIMIT, until},
};

/// Kinds of operators that the tests' cluster has not.
const OF_OPERATORS: [&str; 3] = ["ServiceMonitor", "PrometheusRule", "HTTPRoute"];

/// A pause between two readings of the audit.
const PAUSE: Duration = Duration::from_millis(500);

/// A right: the namespace that it holds in (all: `*`), group, resource and verb.
type Right = (String, String, String, String);

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn words(value: &Value) -> impl Iterator<Item = String> + '_ {
    value.as_array().into_iter().flatten().map(word)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rendering_is_accepted_by_the_api_server() {
    let place = Place::make().await;
    let sessions = format!("sessions.namespace={}", place.namespace);
    let system = format!("{}-system", place.namespace);
    place.cluster.kubectl(&["create", "namespace", &system]);
    let all = "ingress.enabled=true,postgresql.enabled=true,autoscaling.enabled=true,metrics.serviceMonitor.enabled=true,\
               metrics.rules.enabled=true,metrics.dashboard.enabled=true,nodes=read";
    let split = "split.enabled=true,ingress.enabled=true,ingress.tlsSecret=tls,replicas=3";
    for values in ["replicas=1", all, split, "httpRoute.enabled=true,httpRoute.parentRefs[0].name=public,replicas=2"] {
        let mut objects = render(&system, &[&sessions, values]);
        assert!(objects.len() > 10, "{values}");
        objects.retain(|object| !OF_OPERATORS.contains(&&*word(&object["kind"])));
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string();
        let accepted = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "-"];
        place.cluster.kubectl_with(&accepted, list.as_bytes());
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    let chart = chart();
    for (value, sentence) in [
        ("publicUrl=streamspace.example", "publicUrl"),
        ("existingSecret=", "existingSecret"),
        ("replica=2", "replica"),
        ("sessions.namespace=here", "sessions need a namespace for them alone"),
    ] {
        let values = values(&[value]);
        let mut arguments = vec!["template", RELEASE, &chart, "--namespace", "here", "--kube-version", "1.34.4"];
        arguments.extend(values.iter().map(String::as_str));
        let said = helm(None, &arguments).unwrap_err();
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn the_definitions_are_those_of_the_program_and_no_password_is_rendered() {
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_streamspace")).arg("crds").output().unwrap();
    let printed: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(printed.stdout).unwrap()).unwrap();
    let mut rendered = render("here", &["postgresql.enabled=true"]);
    assert!(rendered.iter().all(|object| object["kind"] != "Secret"), "{rendered:#?}");
    rendered.retain(|object| object["kind"] == "CustomResourceDefinition");
    assert_eq!(rendered.len(), printed.len());
    for (rendered, mut printed) in rendered.into_iter().zip(printed) {
        let name = word(&printed["metadata"]["name"]);
        printed["metadata"]["annotations"]["helm.sh/resource-policy"] = json!("keep");
        // As Kubernetes reads them: 0 and 0.0 are the same there.
        let [rendered, printed] = [rendered, printed].map(serde_json::from_value::<CustomResourceDefinition>);
        assert!(rendered.unwrap() == printed.unwrap(), "{name}");
    }
}

/// What the Roles of the chart grant to a server that has all roles.
fn granted(place: &Place) -> BTreeSet<Right> {
    let sessions = format!("sessions.namespace={}", place.namespace);
    let mut all = BTreeSet::new();
    for object in render(&format!("{}-system", place.namespace), &[&sessions]) {
        let namespace = match &*word(&object["kind"]) {
            "Role" => word(&object["metadata"]["namespace"]),
            "ClusterRole" => "*".to_owned(),
            _ => continue,
        };
        for rule in object["rules"].as_array().unwrap() {
            let resources = || words(&rule["resources"]);
            for (group, resource) in
                words(&rule["apiGroups"]).flat_map(|group| resources().map(move |it| (group.clone(), it)))
            {
                let right = |verb| (namespace.clone(), group.clone(), resource.clone(), verb);
                all.extend(words(&rule["verbs"]).map(right));
            }
        }
    }
    all
}

/// What the server of `place` asked of the API server, and what of it was refused, by the API server's own audit.
fn asked(cluster: &Cluster, place: &Place) -> (BTreeSet<Right>, Vec<Value>) {
    let account = format!("system:serviceaccount:{}-system:{RELEASE}-server", place.namespace);
    let log = fs::read_to_string(cluster.folder().join("log/audit")).unwrap();
    // The last line may be half written.
    let (complete, _) = log.rsplit_once('\n').unwrap_or_default();
    let events = complete.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (mut rights, mut refused) = (BTreeSet::new(), Vec::new());
    for event in events.filter(|event| event["user"]["username"] == *account) {
        if event["annotations"]["authorization.k8s.io/decision"] == "forbid" {
            refused.push(event);
            continue;
        }
        let (about, verb) = (&event["objectRef"], word(&event["verb"]));
        if about.is_null() {
            continue;
        }
        let namespace = about["namespace"].as_str().unwrap_or("*").to_owned();
        let resource =
            [word(&about["resource"]), word(&about["subresource"])].join("/").trim_end_matches('/').to_owned();
        let right = |verb: &str| (namespace.clone(), word(&about["apiGroup"]), resource.clone(), verb.to_owned());
        // What is applied and not there yet is made: that needs the right to create, and is audited as a patch.
        if verb == "patch" && event["responseStatus"]["code"] == 201 {
            rights.insert(right("create"));
        }
        rights.insert(right(&verb));
    }
    (rights, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_the_rights_that_it_uses_and_no_others() {
    let platform = Platform::start("kubernetes-rights").await;
    let (server, place) = (&platform.server, &platform.place);
    if !place.cluster.is_own() {
        return;
    }
    live_a_day(&platform).await;
    let granted = granted(place);
    assert!(granted.len() > 20, "{granted:?}");
    let end = Instant::now() + LIMIT;
    let unused = loop {
        let (asked, refused) = asked(place.cluster, place);
        assert_eq!(refused, Vec::<Value>::new());
        let unused: Vec<Right> = granted.difference(&asked).cloned().collect();
        if unused.is_empty() || Instant::now() > end {
            break unused;
        }
        tokio::time::sleep(PAUSE).await;
    };
    assert_eq!(unused, [], "granted and never used");
    server.delete_all().await;
}

/// Does what people, administrators and time do to a server, once each.
async fn live_a_day(platform: &Platform) {
    let (server, place) = (&platform.server, &platform.place);
    let call = async |method: &str, path: &str, body: Option<Value>| {
        let answer = server.call(method, path, body).await;
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.body
    };
    let mut template =
        json!({ "name": "mine", "displayName": "Mine", "baseImage": "localhost/app:test", "webapp": { "port": 8000 } });
    call("POST", "/api/v1/templates", Some(template.clone())).await;
    template["displayName"] = json!("Ours");
    call("PUT", "/api/v1/templates/mine", Some(template)).await;
    call("PATCH", "/api/v1/templates/mine", Some(json!({ "description": "Everybody's" }))).await;
    call("DELETE", "/api/v1/templates/mine", None).await;
    // What memory lacks is asked of the API server.
    assert_eq!(server.call("GET", "/api/v1/sessions/nobody-page-00000001", None).await.status, 404);
    let id = server.session(json!({ "template": "page" })).await;
    server.reaches(&id, "Running").await;
    platform.page(&id).await;
    call("GET", &format!("/api/v1/sessions/{id}/logs"), None).await;
    call("GET", &format!("/api/v1/sessions/{id}/events"), None).await;
    for plural in ["nodes", "pods", "deployments", "services", "namespaces", "persistentvolumeclaims"] {
        call("GET", &format!("/api/v1/cluster/{plural}"), None).await;
    }
    for _ in 0..2 {
        call("PATCH", &format!("/api/v1/sessions/{id}"), Some(json!({ "state": "hibernated" }))).await;
        server.reaches(&id, "Hibernated").await;
        call("PATCH", &format!("/api/v1/sessions/{id}"), Some(json!({ "state": "running" }))).await;
        server.reaches(&id, "Running").await;
    }
    let node = platform.kubectl(&["get", "nodes", "--output=jsonpath={.items[0].metadata.name}"]);
    let label = json!({ "key": format!("test/{}", place.namespace), "value": "seen" });
    call("PUT", &format!("/api/admin/nodes/{node}/labels"), Some(label)).await;
    call("DELETE", &format!("/api/v1/sessions/{id}"), None).await;
}

/// A release on the tests' cluster, and the way to it.
struct Release {
    place: Place,
    namespace: String,
    http: reqwest::Client,
    port: String,
    cookie: String,
}

/// The names that people would type.
const PUBLIC: &str = "http://streamspace.test";

impl Release {
    /// Installs the chart as the guide says, and signs in by the link that it tells of.
    async fn install() -> Self {
        let place = Place::make().await;
        let namespace = format!("{}-system", place.namespace);
        let kubectl = |arguments: &[&str]| place.cluster.kubectl(&[&["--namespace", &namespace], arguments].concat());
        kubectl(&["create", "namespace", &namespace]);
        // All that the chart starts is within the strictest level.
        kubectl(&["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce=restricted"]);
        let keys =
            ["--from-literal=secret-key=0123456789abcdef0123456789abcdef", "--from-literal=postgresql-password=p"];
        kubectl(&["create", "secret", "generic", "streamspace", keys[0], keys[1]]);
        let mut release = Self {
            http: reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap(),
            port: String::new(),
            cookie: String::new(),
            namespace,
            place,
        };
        release.helm("install", &[]).unwrap_or_else(|error| panic!("{error}\n{}", release.state()));
        let service = format!("service/{RELEASE}-server");
        release.port = release.kubectl(&["get", &service, "--output=jsonpath={.spec.ports[0].nodePort}"]);
        release.sign_in().await;
        release
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.place.cluster.kubectl(&[&["--namespace", &self.namespace], arguments].concat())
    }

    /// What a person would look at where it does not start.
    fn state(&self) -> String {
        let all = self.kubectl(&["get", "pods,events", "--output=wide"]);
        let selector = format!("--selector=app.kubernetes.io/instance={RELEASE}");
        all + &self.kubectl(&["logs", &selector, "--prefix", "--tail=20", "--ignore-errors"])
    }

    /// Installs or upgrades, and waits until it stands.
    fn helm(&self, verb: &str, more: &[&str]) -> Result<String, String> {
        let sessions = format!("sessions.namespace={}", self.place.namespace);
        let own = [
            "publicUrl=http://streamspace.test",
            "appsDomain=apps.test",
            "postgresql.enabled=true",
            "sessions.createNamespace=false",
            "sessions.homeSize=64Mi",
            "service.type=NodePort",
            "settings.ALLOW_PLAIN_HTTP=true",
            &sessions,
        ];
        let (chart, values) = (chart(), values(&[&own, more].concat()));
        let mut arguments = vec![
            verb,
            RELEASE,
            &chart,
            "--namespace",
            &self.namespace,
            "--wait",
            "--timeout",
            "4m",
            "--take-ownership",
        ];
        arguments.extend(values.iter().map(String::as_str));
        helm(Some(&self.place), &arguments)
    }

    /// What the chart itself offers for finding out whether it works.
    fn helm_test(&self) {
        let said = helm(Some(&self.place), &["test", RELEASE, "--namespace", &self.namespace, "--timeout", "2m"]);
        assert!(said.as_ref().is_ok_and(|said| said.contains("Succeeded")), "{said:?}\n{}", self.state());
    }

    fn ask(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}:{}{path}", self.place.cluster.address(), self.port);
        let request = self.http.request(method.parse().unwrap(), url).header("host", "streamspace.test");
        request.header("origin", PUBLIC).header("cookie", &self.cookie)
    }

    async fn sign_in(&mut self) {
        let log = self.kubectl(&["logs", "deployment/streamspace-server"]);
        let link = log.split_whitespace().find_map(|word| Some(word.split_once("/sign-in#link=")?.1));
        let token = link.unwrap_or_else(|| panic!("no link in {log}"));
        let answer = self.ask("POST", "/api/v1/auth/link").json(&json!({ "token": token })).send().await.unwrap();
        let set = answer.headers()["set-cookie"].to_str().unwrap();
        self.cookie = set.split(';').next().unwrap().to_owned();
    }

    /// Whether a request is answered as it should be.
    async fn answers(&self) -> Result<(), String> {
        let answer = self.ask("GET", "/api/v1/sessions").send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| format!("{error:?}"))?;
        if status == 200 { Ok(()) } else { Err(format!("{status}: {body}")) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_chart_installs_serves_people_and_is_upgraded_without_a_failed_request() {
    let brought = tokio::task::spawn_blocking(|| {
        let cluster = Cluster::shared();
        images::bring(cluster, &["server", "postgresql", "terminal"]);
        cluster.is_own()
    });
    if !brought.await.unwrap() {
        return;
    }
    let release = Arc::new(Release::install().await);
    release.helm_test();
    let made = release.ask("POST", "/api/v1/sessions").json(&json!({ "template": "terminal" })).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let id = word(&made.json::<Value>().await.unwrap()["metadata"]["name"]);
    until("the session runs", async || {
        let answer = release.ask("GET", &format!("/api/v1/sessions/{id}")).send().await.ok()?;
        (answer.json::<Value>().await.ok()?["status"]["phase"] == "Running").then_some(())
    })
    .await;
    // A client that asks twenty times a second, on a connection of its own each time.
    let (upgraded, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    let upgrade = async {
        let more = ["replicas=2", "settings.DEFAULT_IDLE_TIMEOUT=2h"];
        let upgrading = Arc::clone(&release);
        let done = tokio::task::spawn_blocking(move || upgrading.helm("upgrade", &more)).await.unwrap();
        upgraded.store(true, SeqCst);
        done.unwrap_or_else(|error| panic!("{error}\n{}", release.state()));
    };
    let asking = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        while !upgraded.load(SeqCst) {
            ticks.tick().await;
            let answer = release.answers().await;
            assert_eq!(answer, Ok(()), "after {} requests", asked.fetch_add(1, SeqCst));
        }
    };
    tokio::join!(upgrade, asking);
    assert!(asked.load(SeqCst) > 20, "{asked:?}");
    assert_eq!(
        release.kubectl(&["get", "deployment", "streamspace-server", "--output=jsonpath={.status.readyReplicas}"]),
        "2"
    );
    let system = release.ask("GET", "/api/v1/system").send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(system["limits"]["idleTimeout"]["default"], "2h");
    let phase = release.ask("GET", &format!("/api/v1/sessions/{id}")).send().await.unwrap();
    assert_eq!(phase.json::<Value>().await.unwrap()["status"]["phase"], "Running");
    let gone = release.ask("DELETE", &format!("/api/v1/sessions/{id}")).send().await.unwrap();
    assert!(gone.status().is_success(), "{gone:?}");
}
