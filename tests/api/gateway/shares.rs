//! What a share lets in, and that nothing of it outlives the share.

use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use jiff::SignedDuration;
use serde_json::{Value, json};
use streamspace::{auth::Role, clock::Clock, crd::Phase};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::{
    sockets,
    viewer::{self, KEY, UPDATE_REQUEST, desktop, open, say, server, until_told, view},
    world::{Browser, PATIENCE, World},
};

/// Seconds within which what a share let in has to be closed.
const WITHIN_S: usize = 5;

async fn share(owner: &Browser, session: &str, user: &str, level: &str) -> Value {
    let body = json!({ "user": user, "level": level });
    let answer = owner.post(&format!("/api/v1/sessions/{session}/shares"), body).await;
    assert!([200, 201].contains(&answer.status), "{:?}", answer.body);
    answer.json()
}

async fn end(owner: &Browser, session: &str, share: &Value) {
    let path = format!("/api/v1/sessions/{session}/shares/{}", share["id"].as_str().unwrap());
    assert_eq!(owner.call("DELETE", &path, None).await.status, 204);
}

/// Lets time pass, second by second, until the other side has ended the socket; panics after [`WITHIN_S`].
async fn until_cut(world: &World, socket: &mut viewer::Socket) {
    let mut over = false;
    for _ in 0..WITHIN_S {
        world.app.clock.advance(SignedDuration::from_secs(1));
        let ended = async { while !matches!(socket.next().await, None | Some(Err(_) | Ok(Message::Close(_)))) {} };
        // The keeper acts on the clock's step by itself: a moment to let it.
        over = timeout(PATIENCE / 10, ended).await.is_ok();
        if over {
            break;
        }
    }
    assert!(over, "it was not closed within {WITHIN_S} s");
}

#[actix_web::test]
async fn who_may_look_on_sees_the_screen_changes_nothing_and_is_out_within_seconds_of_the_shares_end() {
    let world = World::start().await;
    let told = Arc::default();
    let program = server(&told).await;
    let (alice, session) = desktop(&world, json!(["Clipboard"]), "rfb", &program).await;
    let (bob, carol) = (world.browser("bob").await, world.browser("carol").await);
    assert_eq!(open(&world, &bob, &session, "", bob.origin()).await.err(), Some(404), "before it is shared");
    let looking = share(&alice, &session, "bob", "view").await;
    share(&alice, &session, "carol", "use").await;
    let mut onlooker = view(&world, &bob, &session, "").await;
    say(&mut onlooker, &[KEY, UPDATE_REQUEST].concat()).await;
    until_told(&told, UPDATE_REQUEST).await;
    told.lock().unwrap().clear();
    let mut worker = view(&world, &carol, &session, "").await;
    say(&mut worker, KEY).await;
    until_told(&told, KEY).await;
    told.lock().unwrap().clear();
    end(&alice, &session, &looking).await;
    until_cut(&world, &mut onlooker).await;
    assert_eq!(open(&world, &bob, &session, "", bob.origin()).await.err(), Some(404));
    say(&mut worker, KEY).await;
    until_told(&told, KEY).await;
}

#[actix_web::test]
async fn who_worked_and_may_only_look_on_from_now_on_has_to_come_in_again() {
    let world = World::start().await;
    let told = Arc::default();
    let program = server(&told).await;
    let (alice, session) = desktop(&world, json!([]), "rfb", &program).await;
    let bob = world.browser("bob").await;
    share(&alice, &session, "bob", "use").await;
    let mut socket = view(&world, &bob, &session, "").await;
    say(&mut socket, KEY).await;
    until_told(&told, KEY).await;
    told.lock().unwrap().clear();
    share(&alice, &session, "bob", "view").await;
    until_cut(&world, &mut socket).await;
    let mut again = view(&world, &bob, &session, "").await;
    say(&mut again, &[KEY, UPDATE_REQUEST].concat()).await;
    until_told(&told, UPDATE_REQUEST).await;
}

#[actix_web::test]
async fn a_guest_of_an_app_works_in_it_until_the_share_ends_and_the_owner_goes_on() {
    let world = World::start().await;
    let program = sockets::echo().await;
    let (alice, session, hers) = world.opened(&program).await;
    let bob = world.browser("bob").await;
    let shares = format!("/api/v1/sessions/{session}/shares");
    let looked = alice.post(&shares, json!({ "user": "bob", "level": "view" })).await;
    assert_eq!(looked.status, 409, "an app's pages cannot be looked on");
    let shared = share(&alice, &session, "bob", "use").await;
    let his = world.enter(&bob, &session).await;
    let mut tunnel = sockets::open(&world, &his, &his.origin()).await.unwrap();
    tunnel.send(Message::text("hi")).await.unwrap();
    assert_eq!(tunnel.next().await.unwrap().unwrap(), Message::text("hi"));
    let mut kept = sockets::open(&world, &hers, &hers.origin()).await.unwrap();
    end(&alice, &session, &shared).await;
    until_cut(&world, &mut tunnel).await;
    world.until_refused(&his).await;
    kept.send(Message::text("still")).await.unwrap();
    assert_eq!(kept.next().await.unwrap().unwrap(), Message::text("still"));
}

#[actix_web::test]
async fn a_share_that_runs_out_closes_what_it_let_in() {
    let world = World::start().await;
    let program = sockets::echo().await;
    let (alice, session, _) = world.opened(&program).await;
    let bob = world.browser("bob").await;
    let until = world.app.clock.now() + SignedDuration::from_secs(60);
    let body = json!({ "user": "bob", "level": "use", "expiresAt": until });
    assert_eq!(alice.post(&format!("/api/v1/sessions/{session}/shares"), body).await.status, 201);
    let entry = world.enter(&bob, &session).await;
    let mut tunnel = sockets::open(&world, &entry, &entry.origin()).await.unwrap();
    world.app.clock.advance(SignedDuration::from_secs(58));
    tunnel.send(Message::text("hi")).await.unwrap();
    assert_eq!(tunnel.next().await.unwrap().unwrap(), Message::text("hi"), "until then it stays open");
    world.app.clock.advance(SignedDuration::from_secs(2));
    assert_eq!(bob.get(&format!("/api/v1/sessions/{session}")).await.status, 404, "no sweep has to come first");
    until_cut(&world, &mut tunnel).await;
}

#[actix_web::test]
async fn who_looks_on_starts_nothing_and_keeps_nothing_running() {
    let world = World::start().await;
    let told = Arc::default();
    let program = server(&told).await;
    let (alice, session) = desktop(&world, json!([]), "rfb", &program).await;
    let (bob, carol) = (world.browser("bob").await, world.browser("carol").await);
    share(&alice, &session, "bob", "view").await;
    share(&alice, &session, "carol", "use").await;
    let opened = bob.connect(&session).await;
    let beat = json!({ "connectionId": opened["connectionId"], "active": true });
    assert_eq!(bob.post(&format!("/api/v1/sessions/{session}/heartbeat"), beat).await.status, 200);
    assert_eq!(bob.post(&format!("/api/v1/sessions/{session}/snooze"), json!({ "for": "1h" })).await.status, 403);
    world.app.clock.advance(SignedDuration::from_secs(1));
    alice.activity_until(&session, |item| item["connections"] == 1).await;
    assert_eq!(alice.activity(&session).await["lastActivity"], Value::Null);
    let asleep = json!({ "state": "hibernated" });
    assert_eq!(alice.call("PATCH", &format!("/api/v1/sessions/{session}"), Some(asleep)).await.status, 200);
    world.become_(&session, Phase::Hibernated).await;
    let connect = format!("/api/v1/sessions/{session}/connect");
    assert_eq!(bob.call("POST", &connect, None).await.status, 409);
    let woken = carol.call("POST", &connect, None).await;
    assert_eq!((woken.status, &woken.json()["state"]), (200, &json!("running")), "who works in it wakes it");
}

#[actix_web::test]
async fn the_owner_sees_who_is_there_and_an_administrator_is_never_hidden() {
    let world = World::start().await;
    let told = Arc::default();
    let program = server(&told).await;
    let (alice, session) = desktop(&world, json!([]), "rfb", &program).await;
    let bob = world.browser("bob").await;
    let root = world.browser_of("root", &[Role::Admin]).await;
    share(&alice, &session, "bob", "use").await;
    alice.connect(&session).await;
    bob.connect(&session).await;
    // Straight to the screen, without asking for a connection first.
    let _screen = view(&world, &root, &session, "?view=true").await;
    let connections = format!("/api/v1/sessions/{session}/connections");
    let who = |list: &Value| -> Vec<(String, String, bool)> {
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let one = |item: &Value| (word(&item["user"]), word(&item["enteredAs"]), item["clientAddress"].is_string());
        list["items"].as_array().unwrap().iter().map(one).collect()
    };
    let is = |user: &str, what: &str, address| (user.to_owned(), what.to_owned(), address);
    let hers = who(&alice.get(&connections).await.json());
    assert_eq!(hers, [is("alice", "owner", true), is("bob", "guest", true), is("root", "administrator", true)]);
    let his = who(&bob.get(&connections).await.json());
    assert_eq!(his, [is("alice", "owner", false), is("bob", "guest", true), is("root", "administrator", false)]);
    let audit = root.get("/api/v1/audit?action=session.enter").await.json();
    let mut entered: Vec<(&str, &str)> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["actor"].as_str().unwrap(), entry["after"]["as"].as_str().unwrap()))
        .collect();
    entered.sort_unstable();
    assert_eq!(entered, [("bob", "guest"), ("root", "administrator")]);
}
