//! The life of a session, from its creation to the last trace of it.

use serde_json::json;

use super::server::{Server, marked, processes, until};

#[tokio::test]
async fn a_session_starts_sleeps_wakes_with_its_files_and_leaves_nothing_but_the_home() {
    let server = Server::start("life").await;
    let marker = format!("life-{}", std::process::id());
    server.counter_template(&marker).await;
    let name = server.session(json!({ "template": "counter" })).await;
    let running = server.reaches(&name, "Running").await;
    assert!(running["status"]["url"].as_str().expect("a url").contains(&name));
    assert_eq!(marked(&marker).len(), 1);
    let file = server.data().join("homes/home-admin/kept.txt");
    std::fs::write(&file, "still here").expect("a home");

    let path = format!("/api/v1/sessions/{name}");
    assert_eq!(server.call("PATCH", &path, Some(json!({ "state": "hibernated" }))).await.status, 200);
    let asleep = server.reaches(&name, "Hibernated").await;
    assert!(asleep["status"]["workload"].is_null());
    assert_eq!(marked(&marker), []);
    assert_eq!(server.call("PATCH", &path, Some(json!({ "state": "running" }))).await.status, 200);
    server.reaches(&name, "Running").await;
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "still here");

    let story = server.call("GET", &format!("{path}/lifecycle"), None).await.body;
    let types: Vec<&str> =
        story["events"].as_array().expect("events").iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["Created", "Starting", "Ready", "Hibernated", "Resumed", "Starting", "Ready"]);

    server.delete_all().await;
    assert_eq!(marked(&marker), []);
    assert!(file.exists(), "deleting a session takes no home along");
    let holder = server.data().join("bin");
    let left: Vec<_> =
        processes().into_iter().filter(|(_, command)| command.starts_with(&*holder.to_string_lossy())).collect();
    assert_eq!(left, []);
}

#[tokio::test]
async fn a_program_that_ends_at_once_is_tried_three_times_and_then_named_by_the_doctor() {
    let server = Server::start("doctor").await;
    let template = json!({ "name": "broken", "displayName": "Broken", "baseImage": "none", "webapp": { "port": 8000 },
        "local": { "command": ["/bin/sh", "-c", "echo no such luck; exit 3"] } });
    assert_eq!(server.call("POST", "/api/v1/templates", Some(template)).await.status, 201);
    let name = server.session(json!({ "template": "broken" })).await;
    let failed = server.reaches(&name, "Failed").await;
    assert_eq!(failed["status"]["doctor"]["reason"], "ExitedAtOnce", "{failed:#}");
    assert!(failed["status"]["doctor"]["message"].as_str().expect("a message").contains("no such luck"), "{failed:#}");
    assert_eq!(failed["status"]["run"], 3);
    let mended = json!({ "local": { "command": ["/usr/bin/perl", "-MIO::Socket::INET", "-e",
        "my $d = IO::Socket::INET->new(LocalAddr => '127.0.0.1:8000', Listen => 5); while (my $g = $d->accept) { sysread($g, my $x, 999); print $g \"HTTP/1.1 204 No Content\\r\\n\\r\\n\" }"] } });
    assert_eq!(server.call("PATCH", "/api/v1/templates/broken", Some(mended)).await.status, 200);
    assert_eq!(server.call("POST", &format!("/api/v1/sessions/{name}/restart"), None).await.status, 200);
    let running = server.reaches(&name, "Running").await;
    assert!(running["status"]["doctor"].is_null());
    server.delete_all().await;
}

#[tokio::test]
async fn a_program_that_is_missing_is_refused_with_the_command_that_brings_it() {
    let server = Server::start("missing").await;
    let template = json!({ "name": "absent", "displayName": "Absent", "baseImage": "none", "webapp": { "port": 8000 },
        "local": { "command": ["no-such-program"], "requires": [{ "program": "no-such-program", "install": "apt-get install no-such" }] } });
    assert_eq!(server.call("POST", "/api/v1/templates", Some(template)).await.status, 201);
    let refused = server.call("POST", "/api/v1/sessions", Some(json!({ "template": "absent" }))).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("cannot-run-here")), "{refused:?}");
    assert!(refused.body["detail"].as_str().expect("a detail").contains("apt-get install no-such"));
    let shown = until("the template says so", async || {
        let template = server.call("GET", "/api/v1/templates/absent", None).await.body;
        let conditions = template["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == "RunsHere")
    })
    .await;
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("False"), &json!("ProgramMissing")));
}
