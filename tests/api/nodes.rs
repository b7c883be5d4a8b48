//! Nodes, as those see them who run the place: here the host is the only one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use streamspace::{auth::Role, http::routes};

use crate::support::{
    app::TestApp,
    client::{Answer, Client, send},
};

const NODES: &str = "/api/admin/nodes";

/// The path of the only node, or of something below it.
async fn path(client: &Client, below: &str) -> String {
    let list = client.get(NODES).await.json();
    format!("{NODES}/{}{below}", list["items"][0]["name"].as_str().expect("a name"))
}

/// What the audit tells of nodes, the oldest first: action, result, and what was there before and after.
async fn told(admin: &Client) -> Vec<(String, String, Value, Value)> {
    let entries = admin.get("/api/v1/audit?action=node&sort=time&pageSize=500").await.json();
    let word = |entry: &Value, field: &str| entry[field].as_str().expect("a word").to_owned();
    let all = entries["items"].as_array().expect("items").iter();
    all.map(|entry| (word(entry, "action"), word(entry, "result"), entry["before"].clone(), entry["after"].clone()))
        .collect()
}

async fn asked(client: &Client, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let request = client.request(method, path);
    send(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

#[actix_web::test]
async fn the_host_is_the_only_node_and_shows_real_figures() {
    let app = TestApp::start().await;
    let auditor = app.person("carol", &[Role::Auditor]).await;
    let list = auditor.get(NODES).await.json();
    assert_eq!((&list["kind"], &list["total"]), (&json!("NodeList"), &json!(1)));
    let node = &list["items"][0];
    let uname = rustix::system::uname();
    assert_eq!(node["name"], json!(uname.nodename().to_str().expect("text")));
    assert_eq!(node["versions"]["kernel"], json!(uname.release().to_str().expect("text")));
    assert_eq!((&node["ready"], &node["schedulable"], &node["sessions"]), (&json!(true), &json!(true), &json!(0)));
    for amount in ["cpu", "memory", "storage"] {
        assert!(node["capacity"][amount].is_string(), "{amount}: {node}");
        assert_eq!(node["allocatable"][amount], node["capacity"][amount]);
    }
    assert!(node["used"]["memory"].is_string() && node["used"]["storage"].is_string(), "{node}");
    assert_eq!((node.get("pods"), node.get("provider")), (None, None), "what there is not is absent: {node}");
    let conditions: Vec<_> = node["conditions"].as_array().expect("a list").iter().map(|one| &one["type"]).collect();
    assert_eq!(conditions, ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"]);

    let stats = auditor.get(&format!("{NODES}/stats")).await.json();
    assert_eq!((&stats["nodes"], &stats["ready"], &stats["schedulable"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(stats["capacity"], node["capacity"]);
    let one = auditor.get(&path(&auditor, "").await).await;
    assert_eq!((&one.json()["sessionsHere"], &one.json()["podsHere"]), (&json!([]), &json!([])));
    assert_eq!(one.header("etag"), format!("\"{}\"", one.json()["resourceVersion"].as_str().expect("a version")));
    assert_eq!(auditor.get(&format!("{NODES}/there-is-none")).await.status, 404);
    assert_eq!(auditor.get(&format!("{NODES}?search=kubernetes.io/os=linux")).await.json()["total"], json!(1));
    assert_eq!(auditor.get(&format!("{NODES}?search=windows")).await.json()["total"], json!(0));
    assert_eq!(auditor.get(&format!("{NODES}?sort=colour")).await.status, 400);
}

/// A change that is made, and one of the same kind that is refused: method, path below the node, body.
type Tried = (&'static str, &'static str, Option<Value>);

/// Of each operation that sets something on a node: the change, the refused one, and what the audit calls it.
fn changes() -> Vec<(Tried, Tried, &'static str)> {
    let label = |key: &str| Some(json!({ "key": key, "value": "blue" }));
    let taint = |key: &str| Some(json!({ "key": key, "value": "a", "effect": "PreferNoSchedule" }));
    vec![
        (("PUT", "/labels", label("example.org/team")), ("PUT", "/labels", label("kubernetes.io/os")), "node.label"),
        (("POST", "/taints", taint("example.org/k")), ("POST", "/taints", taint("node.kubernetes.io/x")), "node.taint"),
        (("POST", "/cordon", None), ("POST", "/cordon", None), "node.cordon"),
        (("POST", "/uncordon", None), ("POST", "/uncordon", None), "node.uncordon"),
        (
            ("DELETE", "/labels/example.org%2Fteam", None),
            ("DELETE", "/labels/kubernetes.io%2Fhostname", None),
            "node.unlabel",
        ),
        (
            ("DELETE", "/taints/example.org%2Fk", None),
            ("DELETE", "/taints/node.kubernetes.io%2Fx", None),
            "node.untaint",
        ),
    ]
}

/// The one change, and its refusal: both are written down with what was there before and after.
fn assert_told_of_both(entries: &[(String, String, Value, Value)], action: &str) {
    let words: Vec<_> = entries.iter().map(|(action, result, _, _)| (action.as_str(), result.as_str())).collect();
    assert_eq!(words, [(action, "success"), (action, "refused")], "once, and the refusal");
    for (_, _, before, after) in entries {
        assert!(before.is_object() && after.is_object(), "{before} {after}");
    }
    assert_ne!(entries[0].2, entries[0].3, "what changed can be read from it");
    assert!(entries[1].3["reason"].is_string() && entries[1].3["asked"].is_object(), "{:?}", entries[1].3);
}

#[actix_web::test]
async fn every_change_has_its_effect_once_and_is_written_down_with_what_was_there_before_and_after() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let olga = app.person("olga", &[Role::Operator]).await;
    for ((method, below, body), (wrong_method, wrong, wrong_body), action) in changes() {
        let url = path(&olga, below).await;
        let before = told(&admin).await.len();
        let first = asked(&olga, method, &url, body.as_ref()).await;
        assert_eq!(first.status, 200, "{method} {url}: {first:?}");
        let again = asked(&olga, method, &url, body.as_ref()).await;
        assert_eq!(
            (again.status, again.header("etag")),
            (200, first.header("etag")),
            "{method} {url}: nothing changed"
        );
        // A version of long ago, or what is not theirs to change.
        let refused = olga.request(wrong_method, &path(&olga, wrong).await).header("if-match", "\"0\"");
        let refused = send(match &wrong_body {
            Some(body) => refused.json(body),
            None => refused,
        })
        .await;
        assert!(matches!(refused.status, 400 | 412), "{wrong}: {refused:?}");
        assert_told_of_both(&told(&admin).await.split_off(before), action);
    }
    let events = olga.get(&path(&olga, "").await).await.json()["events"].clone();
    let reasons: Vec<_> = events.as_array().expect("a list").iter().map(|event| event["reason"].clone()).collect();
    let expected = ["Untainted", "Unlabelled", "NodeSchedulable", "NodeNotSchedulable", "Tainted", "Labelled"];
    assert_eq!(reasons, expected);

    // A drain begins with a cordon, which is there already: it tells of nothing else.
    asked(&olga, "POST", &path(&olga, "/cordon").await, None).await;
    let before = told(&admin).await.len();
    for status in [202, 409] {
        let drain = asked(&olga, "POST", &path(&olga, "/drain").await, Some(&json!({}))).await;
        assert_eq!(drain.status, status, "once at a time: {drain:?}");
    }
    assert_told_of_both(&told(&admin).await.split_off(before), "node.drain");
}

#[test]
fn every_operation_that_changes_a_node_is_among_those_that_are_tried() {
    let below = |path: &str| path.replace("{key}", "");
    let there: BTreeSet<(&str, String)> = routes::TABLE
        .iter()
        .filter_map(|(path, operations)| Some((path.strip_prefix("/api/admin/nodes/{name}")?, operations)))
        .flat_map(|(path, operations)| operations.iter().map(move |operation| (operation.method, below(path))))
        .filter(|(method, _)| *method != "GET")
        .collect();
    let keyless = |path: &str| path.rfind("example.org").map_or(path, |key| &path[..key]).to_owned();
    let tried = changes().into_iter().map(|((method, path, _), _, _)| (method, keyless(path)));
    let tried: BTreeSet<(&str, String)> = tried.chain([("POST", "/drain".to_owned())]).collect();
    assert_eq!(tried, there);
}

#[actix_web::test]
async fn what_is_set_shows_and_what_kubernetes_relies_on_stays() {
    let app = TestApp::start().await;
    let olga = app.person("olga", &[Role::Operator]).await;
    let url = |below: &'static str| {
        let olga = olga.clone();
        async move { path(&olga, below).await }
    };
    let set = |key: &'static str, effect: &'static str| {
        let olga = olga.clone();
        async move {
            let body = json!({ "key": key, "effect": effect });
            olga.post(&path(&olga, "/taints").await, body).await
        }
    };
    let labelled = olga.send("PUT", &url("/labels").await, &json!({ "key": "team", "value": "blue" })).await.json();
    assert_eq!(
        (&labelled["labels"]["team"], &labelled["labels"]["kubernetes.io/os"]),
        (&json!("blue"), &json!("linux"))
    );
    assert_eq!(set("kept", "PreferNoSchedule").await.json()["schedulable"], json!(true));
    let both = set("kept", "NoSchedule").await.json();
    assert_eq!((&both["schedulable"], both["taints"].as_array().map(Vec::len)), (&json!(false), Some(2)));
    let refused = set("kept", "NoExecute").await;
    assert_eq!((refused.status, &refused.json()["errors"][0]["field"]), (400, &json!("effect")));
    let one = olga.delete(&format!("{}?effect=NoSchedule", url("/taints/kept").await)).await.json();
    assert_eq!(one["taints"], json!([{ "key": "kept", "value": "", "effect": "PreferNoSchedule" }]));
    assert_eq!(olga.delete(&url("/taints/kept").await).await.json()["taints"], json!([]));
    assert_eq!(olga.delete(&format!("{}?effect=Nothing", url("/taints/kept").await)).await.status, 400);
    for (field, body) in [
        ("key", json!({ "key": "a b", "value": "x" })),
        ("value", json!({ "key": "a", "value": "x y" })),
        ("key", json!({ "key": "node-role.kubernetes.io/control-plane" })),
        ("colour", json!({ "key": "a", "colour": "x" })),
    ] {
        let wrong = olga.send("PUT", &url("/labels").await, &body).await;
        assert_eq!((wrong.status, &wrong.json()["errors"][0]["field"]), (400, &json!(field)), "{body}");
    }
}

#[actix_web::test]
async fn a_change_that_insists_on_a_version_is_made_at_that_version_alone() {
    let app = TestApp::start().await;
    let olga = app.person("olga", &[Role::Operator]).await;
    let url = path(&olga, "").await;
    let seen = olga.get(&url).await.header("etag").to_owned();
    let cordon = |tag: String| send(olga.request("POST", &format!("{url}/cordon")).header("if-match", tag));
    assert_eq!(cordon("\"77\"".to_owned()).await.status, 412);
    assert_eq!(olga.get(&url).await.json()["schedulable"], json!(true));
    let made = cordon(seen.clone()).await;
    assert_eq!((made.status, &made.json()["schedulable"]), (200, &json!(false)));
    assert_ne!(made.header("etag"), seen);
    assert_eq!(cordon(seen).await.status, 412);
}

/// A template that asks for nothing, and a session of it.
async fn session(admin: &Client) -> Answer {
    let template =
        json!({ "name": "probe", "displayName": "Probe", "baseImage": "probe:1", "webapp": { "port": 8080 } });
    admin.post("/api/v1/templates", template).await;
    admin.post("/api/v1/sessions", json!({ "template": "probe" })).await
}

#[actix_web::test]
async fn on_a_cordoned_machine_no_session_is_created_or_woken_also_after_a_restart() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let made = session(&admin).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = format!("/api/v1/sessions/{}", made.json()["metadata"]["name"].as_str().expect("a name"));
    assert_eq!(admin.patch(&id, json!({ "state": "hibernated" })).await.status, 200);
    assert_eq!(asked(&admin, "POST", &path(&admin, "/cordon").await, None).await.status, 200);

    let app = app.restarted(&[]).await;
    let admin = app.anyone().like(&admin);
    assert_eq!(admin.get(NODES).await.json()["items"][0]["schedulable"], json!(false));
    let wake = json!({ "state": "running" });
    for refused in [session(&admin).await, admin.patch(&id, wake.clone()).await] {
        assert_eq!((refused.status, refused.code().as_str()), (409, "cannot-run-here"), "{refused:?}");
        assert!(refused.json()["detail"].as_str().expect("words").contains("cordoned"), "{refused:?}");
    }
    assert_eq!(
        admin.patch(&id, json!({ "displayName": "Still mine" })).await.status,
        200,
        "what starts nothing is fine"
    );

    assert_eq!(asked(&admin, "POST", &path(&admin, "/uncordon").await, None).await.status, 200);
    assert_eq!(session(&admin).await.status, 201);
    assert_eq!(admin.patch(&id, wake).await.status, 200);
}

#[actix_web::test]
async fn those_who_run_the_place_follow_the_nodes_and_nobody_else_does() {
    let app = TestApp::start().await;
    let olga = app.person("olga", &[Role::Operator]).await;
    let mut feed = olga.feed("/api/v1/ws/cluster").await.expect("let in");
    let snapshot = feed.next().await;
    assert_eq!((&snapshot["type"], snapshot.get("cursor")), (&json!("snapshot"), None));
    let sums = feed.next_of("cluster.metrics").await;
    assert_eq!(sums["metrics"]["nodes"], json!(1));
    assert_eq!(asked(&olga, "POST", &path(&olga, "/cordon").await, None).await.status, 200);
    let told = loop {
        let told = feed.next_of("node.updated").await;
        if told["node"]["schedulable"] == json!(false) {
            break told;
        }
    };
    let shown = olga.get(NODES).await.json()["items"][0].clone();
    let fields = |node: &Value| node.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&told["node"]), fields(&shown), "the feed tells what the list does");

    for role in [Role::User, Role::Auditor] {
        let other = app.person(role.word(), &[role]).await;
        assert_eq!(other.feed("/api/v1/ws/cluster").await.err(), Some(403));
        let mut events = other.feed("/api/v1/ws/events?topics=cluster").await.expect("let in");
        assert_eq!(events.next().await["type"], json!("error"));
    }
    let mut events = olga.feed("/api/v1/ws/events?topics=cluster").await.expect("let in");
    let snapshot = events.next().await;
    assert_eq!((&snapshot["type"], &snapshot["topic"]), (&json!("snapshot"), &json!("cluster")));
    assert_eq!(snapshot["items"][0]["schedulable"], json!(false));
}
