//! The machine as a node, with real sessions on it: kept away by a cordon, and emptied by a drain.

use serde_json::{Value, json};

use crate::server::{Answer, Server, until};

const NODES: &str = "/api/admin/nodes";

async fn node(server: &Server) -> Value {
    server.call("GET", NODES, None).await.body["items"][0].clone()
}

async fn path(server: &Server, below: &str) -> String {
    format!("{NODES}/{}{below}", node(server).await["name"].as_str().expect("a name"))
}

/// A server with a template and so many running sessions of it.
async fn with_sessions(name: &str, count: usize) -> (Server, Vec<String>) {
    let server = Server::start(name).await;
    server.counter_template(name).await;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(server.session(json!({ "template": "counter" })).await);
    }
    server.all_reach(count, "Running").await;
    (server, names)
}

/// Has somebody connected to a session; returns what ends that.
async fn connect(server: &Server, session: &str) -> Value {
    let made = server.call("POST", &format!("/api/v1/sessions/{session}/connect"), None).await;
    assert_eq!(made.status, 200, "{made:?}");
    json!({ "connectionId": made.body["connectionId"] })
}

async fn drain(server: &Server, wish: Value) -> Answer {
    server.call("POST", &path(server, "/drain").await, Some(wish)).await
}

async fn job(server: &Server, id: &str) -> Value {
    server.call("GET", &format!("/api/v1/jobs/{id}"), None).await.body
}

/// What a drain tells of each session: its step, by name.
fn steps(job: &Value) -> Vec<(String, String)> {
    let word = |entry: &Value, field: &str| entry[field].as_str().expect("a word").to_owned();
    let sessions = job["result"]["sessions"].as_array().into_iter().flatten();
    let mut steps: Vec<_> = sessions.map(|entry| (word(entry, "name"), word(entry, "step"))).collect();
    steps.sort();
    steps
}

async fn reaches(server: &Server, id: &str, status: &str) -> Value {
    until(&format!("the job is {status}"), async || {
        let job = job(server, id).await;
        (job["status"] == status).then_some(job)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cordon_holds_over_a_restart_leaves_alone_what_runs_and_keeps_everything_else_away() {
    let (mut server, names) = with_sessions("cordon", 2).await;
    let sleeper = format!("/api/v1/sessions/{}", names[1]);
    server.call("PATCH", &sleeper, Some(json!({ "state": "hibernated" }))).await;
    server.reaches(&names[1], "Hibernated").await;
    assert_eq!(server.call("POST", &path(&server, "/cordon").await, None).await.status, 200);

    server.stop();
    server.run().await;
    server.reaches(&names[0], "Running").await;
    let shown = node(&server).await;
    assert_eq!((&shown["schedulable"], &shown["sessions"]), (&json!(false), &json!(1)), "{shown}");
    assert_eq!(shown["requested"], json!({ "cpu": "1", "memory": "64Mi" }));
    let new = server.call("POST", "/api/v1/sessions", Some(json!({ "template": "counter" }))).await;
    let wake = server.call("PATCH", &sleeper, Some(json!({ "state": "running" }))).await;
    let enter = server.call("POST", &format!("{sleeper}/connect"), None).await;
    for refused in [new, wake, enter] {
        assert_eq!((refused.status, &refused.body["code"]), (409, &json!("cannot-run-here")), "{refused:?}");
    }

    assert_eq!(server.call("POST", &path(&server, "/uncordon").await, None).await.status, 200);
    assert_eq!(server.call("PATCH", &sleeper, Some(json!({ "state": "running" }))).await.status, 200);
    server.reaches(&names[1], "Running").await;
    server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_what_its_plan_said_also_when_the_server_is_killed_in_the_middle() {
    let (mut server, names) = with_sessions("drain", 3).await;
    let busy = names[2].clone();
    let connection = connect(&server, &busy).await;
    let wish = json!({ "strategy": "hibernate", "warnMinutes": 30 });
    let plan = drain(&server, json!({ "strategy": "hibernate", "warnMinutes": 30, "dryRun": true })).await;
    assert_eq!((plan.status, &plan.body["possible"]), (200, &json!(true)), "{plan:?}");
    let planned = steps(&json!({ "result": plan.body }));
    let mut expected: Vec<_> = names.iter().map(|name| (name.clone(), "hibernate".to_owned())).collect();
    expected[2].1 = "warn".to_owned();
    expected.sort();
    assert_eq!(planned, expected);
    assert_eq!(node(&server).await["schedulable"], json!(true), "a plan changes nothing");

    let begun = drain(&server, wish.clone()).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let id = begun.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(drain(&server, wish).await.status, 409, "one drain at a time");
    for idle in &names[..2] {
        server.reaches(idle, "Hibernated").await;
    }
    let told = until("how it stands with each", async || {
        let job = job(&server, &id).await;
        let sleeping = steps(&job).iter().filter(|(_, step)| step == "hibernated").count();
        (sleeping == 2).then_some(job)
    })
    .await;
    assert_eq!(told["status"], json!("RUNNING"));
    let stops_at = |job: &Value| {
        let sessions = job["result"]["sessions"].as_array().expect("sessions").clone();
        sessions.iter().find(|entry| entry["name"] == json!(busy)).expect("there")["stopsAt"].clone()
    };
    let promised = stops_at(&told);

    server.kill();
    server.run().await;
    let goes_on = until("the drain goes on", async || {
        let job = job(&server, &id).await;
        (job["status"] == "RUNNING").then_some(job)
    })
    .await;
    assert_eq!(stops_at(&goes_on), promised, "what the person was told still holds");
    assert_eq!(server.get(&busy).await["status"]["phase"], json!("Running"));

    let left = server.call("POST", &format!("/api/v1/sessions/{busy}/disconnect"), Some(connection)).await;
    assert!(left.status < 300, "{left:?}");
    let done = reaches(&server, &id, "SUCCEEDED").await;
    assert!(steps(&done).iter().all(|(_, step)| step == "hibernated"), "{done}");
    assert_eq!(steps(&done).len(), 3);
    let after = node(&server).await;
    assert_eq!((&after["sessions"], &after["schedulable"]), (&json!(0), &json!(false)), "{after}");
    server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_is_cancelled_leaves_what_runs_and_says_so() {
    let (server, names) = with_sessions("cancel", 1).await;
    connect(&server, &names[0]).await;
    let mut feed = server.page().feed("/api/v1/ws/events?topics=notifications").await;
    let begun = drain(&server, json!({ "warnMinutes": 30 })).await;
    let id = begun.body["id"].as_str().expect("an id").to_owned();
    let warning = feed.next_of("session.warning").await;
    assert_eq!((&warning["session"], &warning["reason"]), (&json!(names[0]), &json!("Drain")), "{warning}");
    assert!(warning["message"].as_str().expect("words").contains("being emptied"), "{warning}");

    assert_eq!(server.call("POST", &format!("/api/v1/jobs/{id}/cancel"), None).await.status, 202);
    let cancelled = reaches(&server, &id, "CANCELLED").await;
    assert_eq!(steps(&cancelled), [(names[0].clone(), "stayed".to_owned())]);
    let all_clear = feed.next_of("session.warning").await;
    assert!(all_clear["message"].as_str().expect("words").contains("goes on"), "{all_clear}");
    assert!(all_clear["stopsAt"].as_str() < warning["stopsAt"].as_str(), "{all_clear}");
    assert_eq!(server.get(&names[0]).await["status"]["phase"], json!("Running"));
    assert_eq!(node(&server).await["schedulable"], json!(false), "it stays cordoned");
    server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_makes_no_sense_is_refused_and_written_down() {
    let server = Server::start("no-drain").await;
    let migrate = json!({ "strategy": "migrate" });
    let plan = drain(&server, json!({ "strategy": "migrate", "dryRun": true })).await;
    assert_eq!((plan.status, &plan.body["possible"]), (200, &json!(false)), "{plan:?}");
    let refused = drain(&server, migrate).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("conflict")), "{refused:?}");
    assert!(refused.body["detail"].as_str().expect("words").contains("only one"), "{refused:?}");
    assert_eq!(node(&server).await["schedulable"], json!(true));
    for (field, wish) in [
        ("warnMinutes", json!({ "warnMinutes": 1441 })),
        ("timeoutSeconds", json!({ "timeoutSeconds": 5 })),
        ("strategy", json!({ "strategy": "explode" })),
        ("colour", json!({ "colour": 1 })),
    ] {
        let wrong = drain(&server, wish).await;
        assert_eq!((wrong.status, &wrong.body["errors"][0]["field"]), (400, &json!(field)), "{wrong:?}");
    }
    let empty = drain(&server, json!({})).await;
    let done = reaches(&server, empty.body["id"].as_str().expect("an id"), "SUCCEEDED").await;
    assert_eq!(steps(&done), []);
    let audit = server.call("GET", "/api/v1/audit?action=node.drain&sort=time", None).await.body;
    let results: Vec<_> = audit["items"].as_array().expect("entries").iter().map(|one| one["result"].clone()).collect();
    assert_eq!(results, ["refused", "refused", "refused", "success"]);
}
