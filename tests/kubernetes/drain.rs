//! A node of a cluster is emptied: as its plan said, and to the same end as by `kubectl drain`.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    platform::Platform,
    server::{Answer, Server, until, within},
};

/// The node that is emptied, and the one that takes what leaves it.
pub const FROM: &str = "node1";
pub const TO: &str = "node2";
/// People, each with a home that their sessions share.
const PEOPLE: usize = 5;
/// Sessions of each of them.
const EACH: usize = 4;

/// One of them is who calls here, and sees what people are told.
const CALLER: (&str, &str) = ("person2", "admin");
/// The session that they work in.
const WORKED_IN: &str = "person2-3";

/// Longer than any drain here may take.
const DRAIN_LIMIT: Duration = Duration::from_mins(4);

/// What shares the node with sessions: kept by a ReplicaSet, by a DaemonSet, and by nobody.
const OTHERS: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: { name: kept }
spec:
  replicas: 1
  selector: { matchLabels: { app: kept } }
  template: { metadata: { labels: { app: kept } }, spec: SPEC }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: everywhere }
spec:
  selector: { matchLabels: { app: everywhere } }
  template: { metadata: { labels: { app: everywhere } }, spec: SPEC }
---
apiVersion: v1
kind: Pod
metadata: { name: alone, labels: { app: alone } }
spec: SPEC
";
const SPEC: &str = r#"{
  terminationGracePeriodSeconds: 1, securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: RuntimeDefault } },
  containers: [{ name: a, image: "localhost/app:test", command: [sleep, "100000"], securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } } }],
  volumes: [{ name: v, emptyDir: {} }] }"#;

/// A budget that has no room for the end of that session's pod.
fn budget(session: &str) -> String {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "guard" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "stream.streamspace.io/session": session } } },
    })
    .to_string()
}

fn people() -> Vec<String> {
    (0..PEOPLE).map(|number| format!("person{number}")).collect()
}

/// The account of one of them.
fn account(person: &str) -> &str {
    if person == CALLER.0 { CALLER.1 } else { person }
}

async fn accounts(server: &Server) {
    for name in people().into_iter().filter(|name| name != CALLER.0) {
        let made = server.call("POST", "/api/v1/users", Some(json!({ "name": name }))).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
}

/// Everything runs on the node that is to be emptied: sessions by their title, and what shares it with them. The last
/// person has one session alone, which a budget guards.
async fn fill(platform: &Platform) -> BTreeMap<String, String> {
    let server = &platform.server;
    platform.kubectl(&["cordon", TO]);
    let mut sessions = BTreeMap::new();
    let mut people = people();
    let guarded = people.pop().unwrap();
    let titles = people.iter().flat_map(|name| (0..EACH).map(move |number| (name.clone(), format!("{name}-{number}"))));
    // Twenty in all.
    let more = (0..EACH - 1).map(|number| (people[0].clone(), format!("more-{number}")));
    let all: Vec<_> = titles.clone().chain(more).chain([(guarded, "guarded".to_owned())]).collect();
    for (user, title) in all {
        let wish = json!({ "template": "page", "user": account(&user), "displayName": title });
        sessions.insert(title, server.session(wish).await);
    }
    platform.place.kubectl_with(&["apply", "--filename", "-"], &OTHERS.replace("SPEC", SPEC));
    platform.place.kubectl_with(&["apply", "--filename", "-"], &budget(&sessions["guarded"]));
    platform.kubectl(&["rollout", "status", "deployment/kept", "--timeout=90s"]);
    platform.kubectl(&["wait", "--for=condition=Ready", "pod/alone", "--timeout=90s"]);
    server.all_reach(sessions.len(), "Running").await;
    // Written where it outlives the pod.
    for title in ["person0-0", "person1-0", WORKED_IN] {
        platform.kubectl(&["exec", &sessions[title], "--", "sh", "-c", &format!("echo {title} >> notes")]);
    }
    platform.kubectl(&["uncordon", TO]);
    until("the budget is counted", async || {
        let counted = ["get", "pdb/guard", "--output=jsonpath={.status.currentHealthy}"];
        (platform.kubectl(&counted) == "1").then_some(())
    })
    .await;
    sessions
}

/// Where each pod is that has a node: sessions by their titles, others by what they are.
fn places(platform: &Platform, sessions: &BTreeMap<String, String>) -> BTreeMap<String, Vec<String>> {
    let pods: Value = serde_json::from_str(&platform.kubectl(&["get", "pods", "--output=json"])).unwrap();
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in pods["items"].as_array().unwrap() {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let title = sessions.iter().find(|(_, session)| *session == name).map(|(title, _)| title.clone());
        let what = title.or_else(|| pod["metadata"]["labels"]["app"].as_str().map(str::to_owned)).unwrap();
        let node = pod["spec"]["nodeName"].as_str().unwrap_or("nowhere");
        places.entry(node.to_owned()).or_default().push(what);
    }
    for all in places.values_mut() {
        all.sort();
    }
    places
}

async fn drain(server: &Server, wish: Value) -> Answer {
    server.call("POST", &format!("/api/admin/nodes/{FROM}/drain"), Some(wish)).await
}

async fn job(server: &Server, id: &str) -> Value {
    server.call("GET", &format!("/api/v1/jobs/{id}"), None).await.body
}

/// What the job of a drain has come to in the end.
pub async fn ends(server: &Server, id: &str) -> Value {
    within(DRAIN_LIMIT, "the drain ends", async || {
        let job = job(server, id).await;
        job["finishedAt"].is_string().then_some(job)
    })
    .await
}

/// The steps that a plan or a result names: sessions by title, other pods by what they are.
fn steps(told: &Value) -> BTreeMap<String, String> {
    let word = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
    let sessions = told["sessions"].as_array().unwrap().iter();
    let sessions = sessions.map(|entry| (word(entry, "displayName"), word(entry, "step")));
    let pods = told["pods"].as_array().unwrap().iter().filter(|pod| pod["session"].is_null());
    let pods = pods.map(|pod| {
        let name = word(pod, "name");
        (name.split('-').next().unwrap().to_owned(), word(pod, "step"))
    });
    sessions.chain(pods).collect()
}

async fn connect(server: &Server, session: &str) {
    let made = server.call("POST", &format!("/api/v1/sessions/{session}/connect"), None).await;
    assert_eq!(made.status, 200, "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_what_its_plan_said_and_leaves_what_kubectl_drain_leaves() {
    let mut platform = Platform::start("kubernetes-drain").await;
    let alone = platform.place.alone().await;
    accounts(&platform.server).await;
    let sessions = fill(&platform).await;
    let server = &platform.server;
    let active = ["person1-0", WORKED_IN];
    for title in active {
        connect(server, &sessions[title]).await;
    }
    let wish = json!({
        "strategy": "migrate", "warnMinutes": 1, "timeoutSeconds": 150, "gracePeriodSeconds": 1,
        "force": true, "deleteEmptyDirData": true,
    });
    let with = |more: Value| {
        let mut all = wish.as_object().unwrap().clone();
        all.extend(more.as_object().unwrap().clone());
        Value::Object(all)
    };
    let careful = drain(server, with(json!({ "force": false, "dryRun": true }))).await;
    assert_eq!((careful.status, &careful.body["possible"]), (200, &json!(false)), "{careful:?}");
    assert!(careful.body["obstacles"][0].as_str().unwrap().contains("/alone"), "{careful:?}");
    let plan = drain(server, with(json!({ "dryRun": true }))).await;
    assert_eq!((plan.status, &plan.body["possible"]), (200, &json!(true)), "{plan:?}");
    let planned = steps(&plan.body);
    // Whoever shares a home with a session that somebody is in waits with it.
    let expected = |title: &str| match title {
        "kept" | "alone" => "evict",
        "everywhere" => "skip",
        title if title.starts_with("person1-") || title.starts_with("person2-") => "warn",
        _ => "move",
    };
    for (title, step) in &planned {
        assert_eq!(step, expected(title), "{title} in {:#}", plan.body);
    }
    assert_eq!(planned.len(), sessions.len() + 3);
    let blocked: Vec<_> =
        plan.body["sessions"].as_array().unwrap().iter().filter(|one| one["blockedBy"] == json!(["guard"])).collect();
    assert_eq!((blocked.len(), &blocked[0]["displayName"]), (1, &json!("guarded")));

    let mut feed = server.page().feed("/api/v1/ws/sessions").await;
    let begun = drain(server, wish.clone()).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    // Whoever works in it knows.
    while feed.next_of("session.warning").await["session"] != json!(sessions[WORKED_IN]) {}
    let id = begun.body["id"].as_str().unwrap().to_owned();
    until("the first have gone elsewhere", async || {
        let told = job(server, &id).await;
        (told["result"]["sessions"].as_array()?.iter().any(|one| one["step"] == "moved")).then_some(())
    })
    .await;
    platform.server.kill();
    platform.server.run().await;
    let server = &platform.server;
    let ended = ends(server, &id).await;
    assert_eq!(ended["status"], json!("FAILED"), "one is not let go: {ended:#}");
    assert!(ended["error"].as_str().unwrap().contains(&sessions["guarded"]), "{ended:#}");
    let outcome = steps(&ended["result"]);
    for (title, step) in &outcome {
        let expected = match (title.as_str(), expected(title)) {
            ("guarded", _) => "stayed",
            (_, "evict") => "gone",
            (_, "skip") => "skip",
            _ => "moved",
        };
        assert_eq!(step, expected, "{title} in {ended:#}");
    }
    assert_eq!(outcome.len(), planned.len());
    let why =
        ended["result"]["sessions"].as_array().unwrap().iter().find(|one| one["displayName"] == "guarded").unwrap();
    assert_eq!(why["blockedBy"], json!(["guard"]), "{why}");
    assert!(why["message"].as_str().unwrap().contains("budget"), "{why}");
    server.all_reach(sessions.len(), "Running").await;
    let ours = places(&platform, &sessions);
    assert_eq!(ours[FROM], ["everywhere", "guarded"]);
    for title in ["person0-0", "person1-0", WORKED_IN] {
        assert_eq!(platform.kubectl(&["exec", &sessions[title], "--", "cat", "notes"]), format!("{title}\n"));
    }
    // Nobody's session counts as one that failed, and none was started more often than once again.
    for session in sessions.values() {
        let status = server.get(session).await["status"].clone();
        assert_eq!((&status["run"], status["failures"].as_array().map_or(0, Vec::len)), (&json!(1), 0), "{status:#}");
    }

    let theirs = once_more_by_kubectl(&platform, &ours).await;
    assert_eq!(theirs, ours);
    platform.server.delete_all().await;
    platform.kubectl(&["uncordon", FROM]);
    drop(alone);
}

/// The same once more by the other tool, from the beginning; where everything is in the end.
async fn once_more_by_kubectl(
    platform: &Platform,
    ours: &BTreeMap<String, Vec<String>>,
) -> BTreeMap<String, Vec<String>> {
    platform.server.delete_all().await;
    platform.kubectl(&["delete", "deployment/kept", "daemonset/everywhere", "pdb/guard", "--wait"]);
    platform.kubectl(&["delete", "pod", "--all", "--wait"]);
    platform.kubectl(&["uncordon", FROM]);
    let sessions = fill(platform).await;
    let willing = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--grace-period=1", "--timeout=45s"];
    let arguments: Vec<&str> = ["drain", FROM].into_iter().chain(willing).collect();
    let said = platform.place.kubectl_refused(&arguments, "");
    assert!(said.contains(&sessions["guarded"]), "{said}");
    until("what was evicted is back", async || Some(places(platform, &sessions)).filter(|now| now == ours)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_sleep_when_their_budget_lets_them_and_wake_on_another_node_with_their_files() {
    let mut platform = Platform::start("kubernetes-drain-sleep").await;
    let alone = platform.place.alone().await;
    let server = &platform.server;
    platform.kubectl(&["cordon", TO]);
    let id = server.session(json!({ "template": "page" })).await;
    server.reaches(&id, "Running").await;
    platform.kubectl(&["exec", &id, "--", "sh", "-c", "echo kept > notes"]);
    platform.kubectl(&["uncordon", TO]);
    platform.place.kubectl_with(&["apply", "--filename", "-"], &budget(&id));
    until("the budget is counted", async || {
        let plan = drain(server, json!({ "dryRun": true })).await.body;
        (plan["sessions"][0]["blockedBy"] == json!(["guard"])).then_some(())
    })
    .await;
    let begun = drain(server, json!({ "gracePeriodSeconds": 1 })).await;
    let job_id = begun.body["id"].as_str().unwrap_or_else(|| panic!("{begun:?}")).to_owned();
    let waits = until("it says what it waits for", async || {
        let told = job(server, &job_id).await;
        told["result"]["sessions"][0]["message"].is_string().then_some(told)
    })
    .await;
    assert_eq!(waits["result"]["sessions"][0]["step"], json!("hibernate"), "{waits:#}");
    assert_eq!(server.get(&id).await["status"]["phase"], json!("Running"));
    platform.kubectl(&["delete", "pdb/guard"]);
    let ended = ends(server, &job_id).await;
    assert_eq!(
        (&ended["status"], &ended["result"]["sessions"][0]["step"]),
        (&json!("SUCCEEDED"), &json!("hibernated"))
    );
    assert_eq!(
        ended["result"]["pods"].as_array().unwrap().iter().find(|pod| pod["session"] == json!(id)).unwrap()["step"],
        "gone"
    );
    server.reaches(&id, "Hibernated").await;
    let wake = server.call("PATCH", &format!("/api/v1/sessions/{id}"), Some(json!({ "state": "running" }))).await;
    assert_eq!(wake.status, 200, "{wake:?}");
    assert_eq!(server.reaches(&id, "Running").await["status"]["workload"]["node"], json!(TO));
    assert_eq!(platform.kubectl(&["exec", &id, "--", "cat", "notes"]), "kept\n");
    server.delete_all().await;
    platform.kubectl(&["uncordon", FROM]);
    drop(alone);
}
