//! Connections: opened, kept, closed, listed.

use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use super::world::{PATIENCE, World};
use crate::support::program::Program;

async fn listed(browser: &super::world::Browser, session: &str) -> Vec<String> {
    let list = browser.get(&format!("/api/v1/sessions/{session}/connections")).await.json();
    assert_eq!(list["kind"], "ConnectionList");
    let id = |item: &serde_json::Value| item["id"].as_str().unwrap().to_owned();
    list["items"].as_array().unwrap().iter().map(id).collect()
}

async fn until_listed(browser: &super::world::Browser, session: &str, expected: &[String]) {
    let look = async {
        while listed(browser, session).await != expected {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("never {expected:?}"));
}

#[actix_web::test]
async fn a_connection_is_listed_with_its_client_until_it_is_closed() {
    let world = World::start().await;
    let alice = world.browser("alice").await;
    let session = world.session("alice").await;
    let opened = alice.connect(&session).await;
    let id = opened["connectionId"].as_str().unwrap().to_owned();
    let list = alice.get(&format!("/api/v1/sessions/{session}/connections")).await.json();
    let item = &list["items"][0];
    assert_eq!(
        (&item["user"], &item["clientAddress"], &list["total"]),
        (&"alice".into(), &"127.0.0.1".into(), &1.into())
    );
    for _ in 0..2 {
        let closed = alice.post(&format!("/api/v1/sessions/{session}/disconnect"), json!({ "connectionId": id })).await;
        assert_eq!(closed.status, 204);
    }
    assert_eq!(listed(&alice, &session).await, [] as [String; 0]);
    let second = alice.connect(&session).await["connectionId"].as_str().unwrap().to_owned();
    let by_url = format!("/api/v1/sessions/{session}/disconnect?connectionId={second}");
    assert_eq!(alice.call("POST", &by_url, None).await.status, 204);
    assert_eq!(listed(&alice, &session).await, [] as [String; 0]);
}

#[actix_web::test]
async fn a_connection_without_a_sign_of_life_for_a_minute_is_closed_and_one_with_is_not() {
    let world = World::start().await;
    let alice = world.browser("alice").await;
    let session = world.session("alice").await;
    let ids: Vec<String> = [alice.connect(&session).await, alice.connect(&session).await]
        .iter()
        .map(|opened| opened["connectionId"].as_str().unwrap().to_owned())
        .collect();
    world.app.clock.advance(SignedDuration::from_secs(45));
    let beat = json!({ "connectionId": ids[1], "active": false });
    let alive = alice.post(&format!("/api/v1/sessions/{session}/heartbeat"), beat).await;
    assert_eq!((alive.status, &alive.json()["connectionId"]), (200, &json!(ids[1])));
    world.app.clock.advance(SignedDuration::from_secs(30));
    until_listed(&alice, &session, &ids[1..]).await;
}

#[actix_web::test]
async fn an_open_stream_needs_no_heartbeat() {
    let world = World::start().await;
    let program = Program::start(|mut client| async move {
        client.head().await;
        client.write("HTTP/1.1 200 OK\r\n\r\nbegun").await;
        std::future::pending::<()>().await;
    })
    .await;
    let (alice, session, entry) = world.opened(&program).await;
    let streaming = listed(&alice, &session).await;
    let silent = alice.connect(&session).await["connectionId"].as_str().unwrap().to_owned();
    let mut client = world.client().await;
    client.write(entry.request("GET", "/events", "")).await;
    assert_eq!(client.head().await.unwrap().status(), 200);
    assert!(listed(&alice, &session).await.contains(&silent));
    world.app.clock.advance(SignedDuration::from_mins(10));
    until_listed(&alice, &session, &streaming).await;
    drop(client);
    let look = async {
        while !listed(&alice, &session).await.is_empty() {
            world.app.clock.advance(SignedDuration::from_secs(61));
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it is closed once the stream has ended");
}

#[actix_web::test]
async fn a_closed_connection_is_open_again_when_its_browser_comes_back() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (alice, session, entry) = world.opened(&program).await;
    let ids = listed(&alice, &session).await;
    world.app.clock.advance(SignedDuration::from_mins(10));
    until_listed(&alice, &session, &[]).await;
    assert_eq!(world.get(&entry, "/").await.0.status(), 200);
    until_listed(&alice, &session, &ids).await;
}

#[actix_web::test]
async fn the_cookie_of_a_browser_outlives_a_restart_of_the_server() {
    let mut world = World::start().await;
    let program = Program::echo().await;
    let (_, _, entry) = world.opened(&program).await;
    world.app = world.app.restarted(&[]).await;
    let entry = super::world::Entry {
        host: format!("{}:{}", entry.host.split(':').next().unwrap(), world.app.address().port()),
        ..entry
    };
    assert_eq!(world.get(&entry, "/").await.0.status(), 200);
}

#[actix_web::test]
async fn a_heartbeat_for_a_connection_that_is_not_there_says_so() {
    let world = World::start().await;
    let alice = world.browser("alice").await;
    let session = world.session("alice").await;
    let path = format!("/api/v1/sessions/{session}/heartbeat");
    let unknown = alice.post(&path, json!({ "connectionId": Uuid::nil() })).await;
    assert_eq!((unknown.status, unknown.json()["code"].as_str().unwrap().to_owned()), (404, "not-found".to_owned()));
    assert_eq!(alice.post(&path, json!({})).await.json()["errors"][0]["field"], "connectionId");
    let elsewhere = world.session("alice").await;
    let id = alice.connect(&elsewhere).await["connectionId"].clone();
    assert_eq!(alice.post(&path, json!({ "connectionId": id })).await.status, 404);
}

#[actix_web::test]
async fn a_key_for_repetition_is_refused_where_a_ticket_is_given() {
    let world = World::start().await;
    let alice = world.browser("alice").await;
    let session = world.session("alice").await;
    let path = format!("/api/v1/sessions/{session}/connect");
    let request = world.app.anyone().request("POST", &path).header("idempotency-key", "once");
    let request = request.header("cookie", alice.cookie()).header("origin", alice.origin());
    assert_eq!(crate::support::client::send(request).await.status, 400);
}
