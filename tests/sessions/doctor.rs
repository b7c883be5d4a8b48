//! Everything that can go wrong with a session on one machine is named, with what to do about it, where the API shows
//! the session.

use std::fs;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::server::{Server, marked, until};

/// Templates that fail, and how that is told.
const TROUBLE: &str = include_str!("../fixtures/trouble.json");

/// The template of a case, complete.
fn template(case: &Value) -> Value {
    let mut spec = json!({
        "displayName": case["name"], "baseImage": "none", "webapp": { "enabled": true, "port": 8080, "path": "/" },
        "ports": [{ "name": "http", "containerPort": 8080 }], "idleTimeout": "0s",
        "defaultResources": { "cpu": "500m", "memory": "256Mi" },
    });
    spec.as_object_mut().unwrap().extend(case["spec"].as_object().unwrap().clone());
    json!({ "metadata": { "name": case["name"] }, "spec": spec })
}

/// Waits for the verdict on a session.
async fn verdict(server: &Server, name: &str, reason: &str) -> Value {
    let what = format!("the verdict {reason} on {name}");
    until(&what, async || {
        let status = server.get(name).await["status"].clone();
        (status["doctor"]["reason"] == reason).then_some(status)
    })
    .await
}

fn condition<'a>(status: &'a Value, type_: &str) -> &'a str {
    let all = status["conditions"].as_array().unwrap();
    all.iter().find(|one| one["type"] == type_).map_or("", |one| one["status"].as_str().unwrap())
}

/// What the host is known to lack is said before there is a session.
async fn refused(server: &Server, case: &Value) {
    let answer = server.call("POST", "/api/v1/sessions", Some(json!({ "template": case["name"] }))).await;
    assert_eq!((answer.status, &answer.body["code"]), (409, &json!("cannot-run-here")), "{answer:?}");
    assert!(answer.body["detail"].as_str().unwrap().contains(case["says"].as_str().unwrap()), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trouble_that_a_program_brings_is_named_with_its_remedy() {
    let server = Server::start_with("trouble", &[("USER_PV_SIZE", "20Mi"), ("SESSION_START_TIMEOUT", "15s")]).await;
    let user = server.call("GET", "/api/v1/users/me", None).await.body["name"].as_str().unwrap().to_owned();
    // Where a home should be made there is something else.
    fs::write(server.data().join(format!("homes/home-{user}-closed-home")), "no folder").unwrap();
    let cases: Vec<Value> = serde_json::from_str(TROUBLE).unwrap();
    let mut sessions = Vec::new();
    for case in &cases {
        let made = server.call("POST", "/api/v1/templates", Some(template(case))).await;
        assert_eq!(made.status, 201, "{made:?}");
        if case["refused"] == true {
            refused(&server, case).await;
        } else {
            sessions.push((case, server.session(json!({ "template": case["name"] })).await));
        }
    }
    for (case, name) in &sessions {
        let status = verdict(&server, name, case["reason"].as_str().unwrap()).await;
        let doctor = &status["doctor"];
        assert!(doctor["message"].as_str().unwrap().contains(case["says"].as_str().unwrap()), "{case:#} {doctor:#}");
        assert_eq!(doctor["action"], case["action"], "{doctor:#}");
        assert!(doctor["remedy"].as_str().unwrap().len() > 20 && doctor["since"].is_string(), "{doctor:#}");
        assert_eq!(condition(&status, "Ready"), "False", "{status:#}");
        let last = server.reaches(name, case["last"].as_str().unwrap()).await;
        assert_eq!(last["status"]["doctor"]["reason"], case["reason"], "{last:#}");
    }
    server.delete_all().await;
    assert_eq!(fs::read_dir(server.data().join("sandboxes")).unwrap().count(), 0, "nothing half-made is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_restart_of_the_host_ended_says_so_and_wakes() {
    let mut server = Server::start("host-restart").await;
    server.counter_template("host-restart").await;
    let name = server.session(json!({ "template": "counter" })).await;
    server.reaches(&name, "Running").await;
    server.kill();
    // As a boot before this one would have left it.
    let record = server.data().join("sandboxes").join(&name);
    let read = |path: &str| serde_json::from_slice::<Value>(&fs::read(record.join(path)).unwrap()).unwrap();
    let holder = i32::try_from(read("record/holder.json")["pid"].as_i64().unwrap()).unwrap();
    kill(Pid::from_raw(holder), Signal::SIGKILL).unwrap();
    let mut spec = read("spec.json");
    spec["boot"] = "00000000-0000-0000-0000-000000000000".into();
    fs::write(record.join("spec.json"), spec.to_string()).unwrap();

    server.run().await;
    let asleep = server.reaches(&name, "Hibernated").await;
    assert_eq!(asleep["status"]["doctor"]["reason"], "HostRestarted", "{asleep:#}");
    assert!(asleep["status"]["doctor"]["remedy"].as_str().unwrap().contains("files are kept"), "{asleep:#}");
    let woken = server.call("PATCH", &format!("/api/v1/sessions/{name}"), Some(json!({ "state": "running" }))).await;
    assert_eq!(woken.status, 200, "{woken:?}");
    let running = server.reaches(&name, "Running").await;
    assert!(running["status"]["doctor"].is_null(), "{running:#}");
    server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_disabled_and_a_template_that_went_are_named_when_a_session_wakes() {
    let server = Server::start("gone").await;
    server.counter_template("gone").await;
    let made = server.call("POST", "/api/v1/users", Some(json!({ "name": "bob" }))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let bobs = server.session(json!({ "template": "counter", "user": "bob" })).await;
    let own = server.session(json!({ "template": "counter" })).await;
    for name in [&bobs, &own] {
        server.reaches(name, "Running").await;
        let slept =
            server.call("PATCH", &format!("/api/v1/sessions/{name}"), Some(json!({ "state": "hibernated" }))).await;
        assert_eq!(slept.status, 200, "{slept:?}");
        server.reaches(name, "Hibernated").await;
    }
    let wake = async |name: &str| {
        server.call("PATCH", &format!("/api/v1/sessions/{name}"), Some(json!({ "state": "running" }))).await
    };
    let disabled = server.call("PATCH", "/api/v1/users/bob", Some(json!({ "disabled": true }))).await;
    assert_eq!(disabled.status, 200, "{disabled:?}");
    assert_eq!(wake(&bobs).await.status, 200);
    let status = verdict(&server, &bobs, "UserUnknown").await;
    assert_eq!(status["doctor"]["action"], "askAdmin", "{status:#}");
    assert!(status["doctor"]["message"].as_str().unwrap().contains("bob"), "{status:#}");

    let template = server.call("DELETE", "/api/v1/templates/counter", None).await;
    assert!(template.status < 300, "{template:?}");
    assert_eq!(wake(&own).await.status, 200);
    let status = verdict(&server, &own, "ValidationFailed").await;
    assert!(status["doctor"]["message"].as_str().unwrap().contains("no template “counter”"), "{status:#}");
    // It starts by itself once the template is there again.
    server.counter_template("gone").await;
    server.reaches(&own, "Running").await;
    server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_its_template_no_longer_fits_goes_on_and_fails_at_its_next_start_with_the_rules_words() {
    let server = Server::start("unfit").await;
    let marker = format!("unfit-{}", std::process::id());
    server.counter_template(&marker).await;
    let name = server.session(json!({ "template": "counter" })).await;
    server.reaches(&name, "Running").await;
    let schema = json!({ "type": "object", "required": ["size"], "properties": { "size": { "type": "string" } } });
    let changed = server.call("PATCH", "/api/v1/templates/counter", Some(json!({ "parameters": schema }))).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let refused = server.call("POST", "/api/v1/sessions", Some(json!({ "template": "counter" }))).await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!("invalid")), "{refused:?}");
    assert_eq!(server.get(&name).await["status"]["phase"], "Running", "what runs keeps what it started with");
    let [(pid, _)] = marked(&marker)[..] else { panic!("one program: {:?}", marked(&marker)) };
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let failed = server.reaches(&name, "Failed").await;
    let doctor = &failed["status"]["doctor"];
    assert_eq!((&doctor["reason"], &doctor["action"]), (&json!("ValidationFailed"), &json!("retry")), "{failed:#}");
    assert!(doctor["message"].as_str().unwrap().contains("\"size\" is a required property"), "{doctor:#}");
    assert_eq!(condition(&failed["status"], "Admitted"), "False", "{failed:#}");
    // The template as it was lets it start.
    let back = server.call("PATCH", "/api/v1/templates/counter", Some(json!({ "parameters": null }))).await;
    assert_eq!(back.status, 200, "{back:?}");
    let again = server.call("POST", &format!("/api/v1/sessions/{name}/restart"), None).await;
    assert_eq!(again.status, 200, "{again:?}");
    server.reaches(&name, "Running").await;
    server.delete_all().await;
}
