//! The client's subcommands, as a script calls them, against the server as people run it.

#![cfg(test)]

mod server;
#[allow(dead_code, reason = "other areas need more of it")]
#[path = "../support/server.rs"]
mod support;

use serde_json::Value;

use server::Person;

#[tokio::test]
async fn a_session_is_created_seen_put_to_sleep_woken_and_deleted_from_the_command_line() {
    let server = Person::new("client").await;
    let refused = server.client(&["sessions", "list"]);
    assert!(!refused.ok && refused.errors.contains("sign in first"), "{refused:?}");
    server.sign_in().await;

    let made =
        server.client(&["sessions", "create", "terminal", "--name", "From a script", "--tag", "nightly", "--wait"]);
    let id = made.said().trim().to_owned();
    assert!(id.contains("-terminal-"), "{made:?}");
    assert!(made.errors.contains(&format!("/sessions/{id}")), "{made:?}");

    let list = server.client(&["sessions", "list", "--phase", "Running"]);
    let line = list.said().lines().find(|line| line.starts_with(&id)).expect("the session");
    assert!(line.contains("From a script") && line.contains("Running"), "{line}");
    assert_eq!(server.client(&["sessions", "list", "--search", "nothing-like-it"]).said().lines().count(), 1);

    let object: Value = serde_json::from_str(server.client(&["sessions", "get", &id, "-o", "json"]).said()).unwrap();
    assert_eq!((&object["kind"], &object["spec"]["tags"][0]), (&"Session".into(), &"nightly".into()));
    assert!(server.client(&["sessions", "get", &id]).said().contains("Active: it has just started."));

    assert!(server.client(&["sessions", "hibernate", &id, "--wait"]).said().contains("Hibernated"));
    assert!(server.client(&["sessions", "wake", &id, "--wait"]).said().contains("Running"));
    assert!(server.client(&["sessions", "logs", &id, "--tail", "5"]).ok);
    assert_eq!(
        server.client(&["logs", &id, "--tail", "1"]).said(),
        server.client(&["sessions", "logs", &id, "--tail", "1"]).said()
    );
    let way_in = server.client(&["connect", &id]);
    assert!(way_in.said().starts_with(&format!("http://{id}.localhost:")), "{way_in:?}");
    let templates = server.client(&["templates", "--search", "terminal"]);
    let line = templates.said().lines().find(|line| line.starts_with("terminal ")).expect("the template");
    assert!(line.ends_with("yes"), "{line}");
    let found: Value = serde_json::from_str(server.client(&["templates", "-o", "json"]).said()).unwrap();
    assert_eq!(found[0]["kind"], "Template");

    assert!(server.client(&["sessions", "delete", &id]).ok);
    support::until("the session is gone", async || {
        (server.client(&["sessions", "list"]).said().lines().count() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_can_work_is_ready_under_its_own_name_alone() {
    let server = Person::new("client-ready").await;
    let [people, management] = server.addresses();
    let asked = server.client(&["ready", &management, &people, "--host", "localhost"]);
    assert_eq!(asked.said().matches("is ready").count(), 2, "{asked:?}");
    let stranger = server.client(&["ready", &people, "--host", "elsewhere.test"]);
    assert!(!stranger.ok && stranger.errors.contains("421"), "{stranger:?}");
    let nobody = server.client(&["ready", "http://127.0.0.1:1"]);
    assert!(!nobody.ok, "{nobody:?}");
}

#[tokio::test]
async fn what_cannot_be_is_said_in_one_sentence() {
    let server = Person::new("client-errors").await;
    server.sign_in().await;
    let unknown = server.client(&["sessions", "create", "no-such-template"]);
    assert!(!unknown.ok && unknown.errors.contains("no-such-template"), "{unknown:?}");
    assert!(unknown.output.is_empty());
    let nobody = server.client(&["sessions", "get", "no-such-session"]);
    assert!(!nobody.ok && nobody.errors.lines().count() == 1, "{nobody:?}");
    let elsewhere = server.client(&["sessions", "list", "--server", "http://localhost:1"]);
    assert!(elsewhere.errors.contains("nobody is signed in to http://localhost:1"), "{elsewhere:?}");
}
