//! The feeds as browsers and programs see them: real sockets through the real server.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use streamspace::{
    auth::Role,
    clock::Clock,
    crd::{Session, SessionSpec, SessionStatus, WorkloadStatus},
    live,
    objects::{ObjectError, Precondition},
    store::notices::{self, Notice},
};
use tokio::net::TcpSocket;

use crate::support::{
    app::TestApp,
    client::{Client, send},
    feed::Feed,
    people::until,
};

const EVENTS: &str = "/api/v1/ws/events?topics=sessions";
/// Within which something that was taken away has to be gone.
const PROMPT: Duration = Duration::from_secs(1);
/// How long a test listens for what must not come; each has a control that does.
const WHILE: Duration = Duration::from_millis(100);

pub async fn create(app: &TestApp, name: &str, owner: &str) {
    put(app, name, owner, json!({})).await;
}

async fn put(app: &TestApp, name: &str, owner: &str, parameters: Value) {
    let parameters = serde_json::from_value(parameters).expect("an object");
    let spec = SessionSpec { user: owner.into(), template: "none".into(), parameters, ..SessionSpec::default() };
    app.app.sessions.create(&Session::new(name, spec)).await.expect("created");
}

async fn touch(app: &TestApp, name: &str, tag: &str) {
    let patch = json!({ "spec": { "tags": [tag] } });
    app.app.sessions.patch(name, &patch, &Precondition::default()).await.expect("changed");
}

/// Gives a session a workload of its own name, by which its logs are asked.
pub async fn run(app: &TestApp, name: &str) {
    let mut session = Session::clone(&*app.app.sessions.get(name).await.expect("read").expect("there"));
    let workload = WorkloadStatus { name: name.to_owned(), ..WorkloadStatus::default() };
    session.status = Some(SessionStatus { workload: Some(workload), ..SessionStatus::default() });
    app.app.sessions.replace_status(&session, None).await.expect("written");
}

/// Type and session of a message.
fn what(message: &Value) -> (&str, &str) {
    (message["type"].as_str().expect("a type"), message["session"]["metadata"]["name"].as_str().unwrap_or_default())
}

/// A feed of the sessions that the caller may see, and the names of those there are.
async fn reading(client: &Client) -> (Feed, Vec<String>) {
    let mut feed = client.feed(EVENTS).await.expect("let in");
    let snapshot = feed.next().await;
    assert_eq!((&snapshot["type"], &snapshot["topic"]), (&json!("snapshot"), &json!("sessions")));
    let name = |item: &Value| item["metadata"]["name"].as_str().expect("a name").to_owned();
    let names = snapshot["items"].as_array().expect("items").iter().map(name).collect();
    (feed, names)
}

#[actix_web::test]
async fn only_a_page_of_ours_opens_a_feed_with_a_cookie() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let port = app.address().port();
    let strangers = [
        String::new(),
        "null".to_owned(),
        "https://evil.example".to_owned(),
        format!("http://alice-web-00000000.localhost:{port}"),
        format!("http://localhost:{}", port ^ 1),
    ];
    for path in ["/api/v1/ws/events", "/api/v1/ws/sessions", "/api/v1/ws/logs/local/x"] {
        for origin in &strangers {
            assert_eq!(alice.page_of(origin).feed(path).await.err(), Some(403), "{path} from “{origin}”");
        }
    }
    assert!(alice.feed("/api/v1/ws/events").await.is_ok());
    assert!(alice.feed("/api/v1/ws/sessions").await.is_ok());
    assert_eq!(alice.feed("/api/v1/ws/logs/local/x").await.err(), Some(404), "past the door, where there is no log");
    let program = app.program("robot", Role::User).await;
    assert!(program.page_of("").feed("/api/v1/ws/events").await.is_ok(), "a program sends no origin");
    assert_eq!(app.anyone().feed("/api/v1/ws/events").await.err(), Some(401));
}

#[actix_web::test]
async fn a_token_in_a_url_is_refused_however_good_it_is() {
    let app = TestApp::start().await;
    let person = app.person("alice", &[Role::User]).await;
    let made = person.post("/api/v1/tokens", json!({ "name": "t" })).await.json();
    let token = made["token"].as_str().expect("a token");
    for name in ["token", "access_token", "Token", "jwt", "authorization"] {
        let path = format!("/api/v1/ws/events?{name}={token}");
        assert_eq!(app.anyone().feed(&path).await.err(), Some(400), "{name}");
        assert_eq!(app.anyone().bearer(token).feed(&path).await.err(), Some(400), "{name}, although a header is there");
    }
    assert_eq!(app.anyone().feed(&format!("/api/v1/ws/events?ticket={token}")).await.err(), Some(401));
    assert!(app.anyone().bearer(token).feed("/api/v1/ws/events").await.is_ok());
}

#[actix_web::test]
async fn a_ticket_opens_one_socket_within_half_a_minute() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    create(&app, "hers", "alice").await;
    let ticket = || async {
        let made = alice.post("/api/v1/ws/tickets", json!({})).await;
        assert_eq!(made.status, 201);
        format!("/api/v1/ws/events?topics=sessions&ticket={}", made.json()["ticket"].as_str().expect("a ticket"))
    };
    // Neither cookie nor origin: the ticket is all that counts.
    let anyone = app.anyone().page_of("");
    let path = ticket().await;
    assert_eq!(send(anyone.bare("GET", &path)).await.status, 400, "no WebSocket, and the ticket is not used up");
    let mut feed = anyone.feed(&path).await.expect("let in");
    assert_eq!(feed.next().await["items"][0]["metadata"]["name"], "hers");
    assert_eq!(anyone.feed(&path).await.err(), Some(401), "a second time");
    assert_eq!(alice.feed(&path).await.err(), Some(401), "not by her cookie either");
    let late = ticket().await;
    app.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(anyone.feed(&late).await.err(), Some(401));
    let orphan = ticket().await;
    alice.post("/api/v1/auth/logout", json!({})).await;
    assert_eq!(anyone.feed(&orphan).await.err(), Some(401), "its owner has signed out");
}

/// A frame as a client writes it, masked with zeros; `length` is what it claims, which may be more than it brings.
fn frame(first: u8, length: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | u8::try_from(length).expect("short")),
        126..65_536 => {
            bytes.push(0xFE);
            bytes.extend(u16::try_from(length).expect("short").to_be_bytes());
        }
        _ => {
            bytes.push(0xFF);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[actix_web::test]
async fn what_is_too_long_or_no_protocol_of_ours_is_closed_with_its_code() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let subscribe = json!({ "type": "subscribe", "topic": "templates" }).to_string();
    let (head, tail) = subscribe.as_bytes().split_at(9);
    // The control: in two fragments with a ping between them.
    let mut feed = alice.feed("/api/v1/ws/events").await.expect("let in");
    feed.send_raw(&frame(0x01, 9, head)).await;
    feed.send_raw(&frame(0x89, 2, b"hi")).await;
    feed.send_raw(&frame(0x80, tail.len() as u64, tail)).await;
    assert_eq!(feed.next().await["topic"], "templates");

    let half = vec![b' '; 40_000];
    let in_fragments = [frame(0x01, 40_000, &half), frame(0x80, 40_000, &half)].concat();
    let endless = (0..66).flat_map(|at| frame(u8::from(at == 0), 1_000, &half[..1_000])).collect();
    let unmasked = [&[0x81, 2][..], b"{}"].concat();
    for (what, bytes, code) in [
        ("a message that says it is too long", frame(0x81, 65_537, b""), 1009),
        ("one that says it is endless", frame(0x81, u64::MAX >> 1, b""), 1009),
        ("fragments that are too long together", in_fragments, 1009),
        ("fragments without an end", endless, 1009),
        ("a frame without a mask", unmasked, 1002),
        ("a fragment of nothing", frame(0x80, 2, b"{}"), 1002),
        ("a message within another", [frame(0x01, 1, b"{"), frame(0x81, 2, b"{}")].concat(), 1002),
        ("a ping in fragments", frame(0x09, 2, b"hi"), 1002),
        ("a long ping", frame(0x89, 126, &half[..126]), 1002),
        ("an extension that nobody agreed on", frame(0xC1, 2, b"{}"), 1002),
        ("a binary message", frame(0x82, 2, b"{}"), 1003),
        ("a text that is none", frame(0x81, 2, &[0xC3, 0x28]), 1007),
    ] {
        let mut feed = alice.feed("/api/v1/ws/events").await.expect("let in");
        feed.send_raw(&bytes).await;
        assert_eq!(feed.closed().await.0, code, "{what}");
    }
}

#[actix_web::test]
async fn who_says_too_much_is_sent_away() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let mut feed = alice.feed("/api/v1/ws/events").await.expect("let in");
    for _ in 0..61 {
        feed.send_raw(&frame(0x81, 2, b"{}")).await;
    }
    assert_eq!(feed.next().await["code"], "bad-request", "the control: the first were answered");
    assert_eq!(feed.closed().await, (1008, "too many messages".to_owned()));
}

#[actix_web::test]
async fn a_topic_without_permission_is_refused_and_the_socket_stays() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.person("alice", &[Role::User]).await, app.person("bob", &[Role::User]).await);
    create(&app, "his", "bob").await;
    run(&app, "his").await;
    let logs = json!({ "type": "subscribe", "topic": "logs/local/his" });
    let (mut hers, mut theirs) = (alice.feed(EVENTS).await.expect("let in"), bob.feed(EVENTS).await.expect("let in"));
    assert_eq!(hers.next().await["items"], json!([]), "nor is his session there");
    until("the hub knows of his log", || async { bob.feed("/api/v1/ws/logs/local/his").await.is_ok() }).await;
    theirs.say(&logs).await;
    assert_eq!(theirs.next_of("log.end").await["topic"], "logs/local/his", "the control");
    let refused = [
        ("logs/local/his", 404, "not-found"),
        ("logs/local/there-is-none", 404, "not-found"),
        ("logs/kube-system/his", 404, "not-found"),
        ("sessions/his", 404, "not-found"),
        ("audit", 404, "not-found"),
    ];
    for (topic, status, code) in refused {
        hers.say(&json!({ "type": "subscribe", "topic": topic })).await;
        let answer = hers.next().await;
        assert_eq!((&answer["type"], &answer["topic"]), (&json!("error"), &json!(topic)));
        assert_eq!((&answer["status"], &answer["code"]), (&json!(status), &json!(code)), "{topic}");
        let told = answer.to_string();
        assert!(!told.contains("bob"), "{told}");
    }
    assert_eq!(alice.feed("/api/v1/ws/logs/local/his").await.err(), Some(404));
    create(&app, "hers", "alice").await;
    assert_eq!(what(&hers.next().await), ("session.created", "hers"));
}

#[actix_web::test]
async fn a_token_reads_what_its_scopes_name() {
    let app = TestApp::start().await;
    let person = app.person("alice", &[Role::User]).await;
    let token = |scopes: Value| {
        let person = &person;
        async move {
            let made = person.post("/api/v1/tokens", json!({ "name": "t", "scopes": scopes })).await;
            assert_eq!(made.status, 201, "{made:?}");
            made.json()["token"].as_str().expect("a token").to_owned()
        }
    };
    let narrow = app.anyone().bearer(&token(json!(["self:manage", "templates:read"])).await);
    let mut feed = narrow.feed("/api/v1/ws/events?topics=sessions,templates").await.expect("let in");
    let refused = feed.next().await;
    assert_eq!((&refused["topic"], &refused["status"]), (&json!("sessions"), &json!(403)));
    assert_eq!(feed.next().await["topic"], "templates");
    assert_eq!(narrow.feed("/api/v1/ws/sessions").await.err(), Some(403));
    let other = app.anyone().bearer(&token(json!(["sessions:read"])).await);
    assert!(other.feed("/api/v1/ws/sessions").await.is_ok());
    assert_eq!(other.feed("/api/v1/ws/events").await.err(), Some(403));
}

#[actix_web::test]
async fn a_role_that_is_taken_away_takes_what_it_gave_within_a_second() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    create(&app, "his", "bob").await;
    create(&app, "hers", "alice").await;
    let alice = app.person("alice", &[Role::Operator]).await;
    let (mut feed, mut names) = reading(&alice).await;
    names.sort();
    assert_eq!(names, ["hers", "his"]);
    let began = Instant::now();
    assert_eq!(admin.patch("/api/v1/users/alice", json!({ "roles": ["user"] })).await.status, 200);
    assert_eq!(what(&feed.next().await), ("session.deleted", "his"));
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    touch(&app, "his", "secret").await;
    touch(&app, "hers", "open").await;
    assert_eq!(what(&feed.next().await), ("session.updated", "hers"), "and nothing of his");
    assert_eq!(admin.patch("/api/v1/users/alice", json!({ "roles": ["operator"] })).await.status, 200);
    let back = feed.next().await;
    assert_eq!(what(&back), ("session.created", "his"), "what a role gives comes as promptly");
    assert_eq!(back["session"]["spec"]["tags"], json!(["secret"]));
}

#[actix_web::test]
async fn who_is_signed_out_or_disabled_is_closed_everywhere_and_nobody_else() {
    let app = TestApp::start().await;
    let other = app.twin().await;
    let admin = app.administrator().await;
    let (alice, bob) = (app.person("alice", &[Role::User]).await, app.person("bob", &[Role::User]).await);
    let on = |server: &TestApp, client: &Client| server.anyone().like(client);
    let mut watching = bob.feed(EVENTS).await.expect("let in");
    let mut closing = Vec::new();
    for server in [&app, &other] {
        closing.push(on(server, &alice).feed(EVENTS).await.expect("let in"));
    }
    alice.post("/api/v1/auth/logout", json!({})).await;
    for feed in &mut closing {
        assert_eq!(feed.closed().await.0, 1008);
    }
    let mut closing = Vec::new();
    for server in [&app, &other] {
        closing.push(on(server, &bob).feed(EVENTS).await.expect("let in"));
    }
    let began = Instant::now();
    admin.patch("/api/v1/users/bob", json!({ "disabled": true })).await;
    for feed in closing.iter_mut().chain([&mut watching]) {
        assert_eq!(feed.closed().await.0, 1008);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut control = admin.feed(EVENTS).await.expect("let in");
    control.next().await;
    assert!(control.is_silent(WHILE).await);
}

#[actix_web::test]
async fn two_replicas_tell_the_same_changes_at_the_same_places() {
    let app = TestApp::start().await;
    let other = app.twin().await;
    let alice = app.person("alice", &[Role::User]).await;
    let (mut here, _) = reading(&alice).await;
    let (mut there, _) = reading(&other.anyone().like(&alice)).await;
    create(&app, "one", "alice").await;
    create(&other, "two", "alice").await;
    touch(&app, "two", "a").await;
    touch(&other, "one", "b").await;
    app.app.sessions.delete("two", &Precondition::default()).await.expect("deleted");
    let mut last = Value::Null;
    for expected in ["session.created", "session.created", "session.updated", "session.updated", "session.deleted"] {
        let (one, two) = (here.next().await, there.next().await);
        assert_eq!(one["type"], expected);
        assert_eq!((what(&one), &one["cursor"], &one["session"]), (what(&two), &two["cursor"], &two["session"]));
        last = one["cursor"].clone();
    }
    // What was read here is where one goes on there.
    drop(here);
    touch(&app, "one", "c").await;
    let cursor = last.as_str().expect("a cursor");
    let again = other.anyone().like(&alice).feed(&format!("{EVENTS}&cursor={cursor}")).await;
    let mut again = again.expect("let in");
    assert_eq!(again.next().await["resumed"], true);
    assert_eq!(what(&again.next().await), ("session.updated", "one"));
}

#[actix_web::test]
async fn a_log_that_is_over_closes_its_socket_as_usual() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    create(&app, "hers", "alice").await;
    run(&app, "hers").await;
    let path = "/api/v1/ws/logs/local/hers?follow=false";
    until("the hub knows of the log", || async { alice.feed(path).await.is_ok() }).await;
    let mut feed = alice.feed(path).await.expect("let in");
    assert_eq!(feed.next().await["type"], "log.end");
    assert_eq!(feed.closed().await, (1000, "the log has ended".to_owned()));
}

#[actix_web::test]
async fn a_server_that_stops_sends_its_readers_away_for_a_moment() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let (mut feed, _) = reading(&alice).await;
    let ((), (code, reason)) = tokio::join!(app.app.hub.shutdown(), feed.closed());
    assert_eq!(code, 1001);
    assert!(reason.starts_with("the server restarts: reconnect in "), "{reason}");
    assert_eq!(alice.feed(EVENTS).await.err(), Some(503));
}

/// A socket whose kernel keeps little for a reader that does not read.
fn narrow() -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    socket
}

#[actix_web::test]
async fn a_reader_that_is_too_slow_is_closed_and_comes_back_to_everything() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let mut slow = alice.feed_through(EVENTS, narrow()).await.expect("let in");
    let mut cursor = slow.next().await["cursor"].clone();
    // One on each of the tasks that serve readers: when all have heard, the slow one has been offered everything.
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(reading(&alice).await.0);
    }
    for number in 0..60 {
        let words = "x".repeat(40_000);
        put(&app, &format!("s{number}"), "alice", json!({ "words": words })).await;
        for feed in &mut others {
            assert_eq!(what(&feed.next().await), ("session.created", format!("s{number}").as_str()));
        }
    }
    let mut held = BTreeMap::new();
    let (code, reason) = loop {
        match slow.frame().await {
            Ok(message) => apply(&mut held, &mut cursor, &message),
            Err(close) => break close,
        }
    };
    assert_eq!((code, reason.as_str()), (1013, "you read too slowly: come back with your cursor"));
    assert!(held.len() < 60, "the control: it missed something");
    let path = format!("{EVENTS}&cursor={}", cursor.as_str().expect("a cursor"));
    let mut again = alice.feed(&path).await.expect("let in");
    while held.len() < 60 {
        apply(&mut held, &mut cursor, &again.next().await);
    }
    assert_eq!(held, listed(&alice).await);
}

#[actix_web::test]
async fn a_reader_that_stopped_reading_is_let_go_however_little_it_missed() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let stuck = alice.feed_through(EVENTS, narrow()).await.expect("let in");
    let (mut lively, _) = reading(&alice).await;
    // Less than what would be too much: all of it lies in the kernel or in the outbox.
    for number in 0..10 {
        put(&app, &format!("s{number}"), "alice", json!({ "words": "x".repeat(40_000) })).await;
        lively.next().await;
    }
    assert_eq!(app.app.hub.connections(), 2);
    let reads = async {
        loop {
            lively.frame().await.expect("it stays");
        }
    };
    let gone = until("the stuck one is gone", || async {
        app.clock.advance(SignedDuration::from_secs(2));
        app.app.hub.connections() == 1
    });
    tokio::select! {
        () = reads => {}
        () = gone => {}
    }
    touch(&app, "s0", "after").await;
    assert_eq!(what(&lively.next().await), ("session.updated", "s0"));
    drop(stuck);
}

/// What `GET` gives, by name.
async fn listed(client: &Client) -> BTreeMap<String, Value> {
    let list = client.get("/api/v1/sessions?pageSize=500").await.json();
    let items = list["items"].as_array().expect("items").iter();
    items.map(|item| (item["metadata"]["name"].as_str().expect("a name").to_owned(), item.clone())).collect()
}

/// What a client does with a message.
fn apply(held: &mut BTreeMap<String, Value>, cursor: &mut Value, message: &Value) {
    let name = |object: &Value| object["metadata"]["name"].as_str().expect("a name").to_owned();
    match message["type"].as_str().expect("a type") {
        "snapshot" if message["resumed"] == true => {}
        "snapshot" => {
            *held = message["items"].as_array().expect("items").iter().map(|it| (name(it), it.clone())).collect();
        }
        "session.created" | "session.updated" => {
            held.insert(name(&message["session"]), message["session"].clone());
        }
        "session.deleted" => {
            held.remove(&name(&message["session"]));
        }
        other => panic!("{other}"),
    }
    cursor.clone_from(&message["cursor"]);
}

/// One change of one of a few sessions; none where the replica does not know yet what the other one did.
async fn change(app: &TestApp, random: &mut StdRng) {
    let name = format!("s{}", random.random_range(0..12));
    let owner = if random.random_bool(0.7) { "alice" } else { "bob" };
    let (sessions, any) = (&app.app.sessions, Precondition::default());
    let changed = if sessions.get(&name).await.expect("read").is_none() {
        let spec = SessionSpec { user: owner.into(), template: "none".into(), ..SessionSpec::default() };
        sessions.create(&Session::new(&name, spec)).await.map(drop)
    } else if random.random_bool(0.3) {
        sessions.delete(&name, &any).await.map(drop)
    } else {
        let patch = json!({ "spec": { "tags": [random.random::<u32>().to_string()] } });
        sessions.patch(&name, &patch, &any).await.map(drop)
    };
    match changed {
        Ok(()) | Err(ObjectError::NotFound { .. } | ObjectError::AlreadyExists { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

#[actix_web::test]
async fn a_reader_killed_and_resumed_fifty_times_among_random_changes_holds_exactly_what_get_gives() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let app = TestApp::start().await;
    let replicas = [&app, &app.twin().await];
    let alice = app.person("alice", &[Role::User]).await;
    let (mut held, mut cursor, mut resumed) = (BTreeMap::new(), json!(""), 0);
    for _ in 0..50 {
        let server = replicas[random.random_range(0..2)];
        let path = format!("{EVENTS}&cursor={}", cursor.as_str().expect("a cursor"));
        let mut feed = server.anyone().like(&alice).feed(&path).await.expect("let in");
        let first = feed.next().await;
        resumed += usize::from(first["resumed"] == true);
        apply(&mut held, &mut cursor, &first);
        for _ in 0..random.random_range(1..8) {
            change(replicas[random.random_range(0..2)], &mut random).await;
            // Mostly not all of it, so that the connection ends with something unread.
            while random.random_bool(0.4) {
                let Ok(message) = tokio::time::timeout(Duration::from_millis(2), feed.frame()).await else { break };
                apply(&mut held, &mut cursor, &message.expect("a message"));
            }
        }
    }
    assert!(resumed > 10, "{resumed} of 50 were resumed");
    // Whoever has read of the last change has read of all.
    let spec = SessionSpec { user: "alice".into(), template: "none".into(), ..SessionSpec::default() };
    replicas[random.random_range(0..2)].app.sessions.create(&Session::new("last", spec)).await.expect("made");
    let path = format!("{EVENTS}&cursor={}", cursor.as_str().expect("a cursor"));
    let mut feed = alice.feed(&path).await.expect("let in");
    while !held.contains_key("last") {
        let message = feed.frame().await;
        apply(&mut held, &mut cursor, &message.unwrap_or_else(|close| panic!("seed {seed}: {close:?}")));
    }
    assert_eq!(held, listed(&alice).await, "seed {seed}");
    assert!(feed.is_silent(WHILE).await, "seed {seed}: and nothing more");
}

#[actix_web::test]
async fn a_warning_reaches_its_person_on_every_replica_and_a_page_that_is_loaded_again() {
    let app = TestApp::start().await;
    let other = app.twin().await;
    let (alice, bob) = (app.person("alice", &[Role::User]).await, app.person("bob", &[Role::User]).await);
    let path = "/api/v1/ws/events?topics=notifications";
    let mut feeds = Vec::new();
    for server in [&app, &other] {
        for person in [&alice, &bob] {
            let mut feed = server.anyone().like(person).feed(path).await.expect("let in");
            assert_eq!(feed.next().await["items"], json!([]));
            feeds.push(feed);
        }
    }
    let now = app.clock.now();
    let warn = |user: &str, reason: &str, minutes| Notice {
        session_uid: format!("uid of {user}'s"),
        session: if user == "alice" { "hers".into() } else { "his".into() },
        user: user.into(),
        reason: reason.into(),
        message: "It stops soon.".into(),
        at: now,
        stops_at: now + SignedDuration::from_mins(minutes),
    };
    let mut client = app.app.pool.get().await.expect("a connection");
    for notice in [warn("alice", "IdleStop", 5), warn("alice", "IdleStop", 5), warn("bob", "MaxDuration", 4)] {
        notices::tell(&mut client, &notice).await.expect("kept");
    }
    for (at, feed) in feeds.iter_mut().enumerate() {
        let (session, reason) = if at % 2 == 0 { ("hers", "IdleStop") } else { ("his", "MaxDuration") };
        let warning = feed.next_of("session.warning").await;
        assert_eq!((&warning["session"], &warning["reason"]), (&json!(session), &json!(reason)));
        assert_eq!(warning["topic"], "notifications");
    }
    // Warned of once, whoever says it again.
    let reread = |server: &TestApp| {
        let client = server.anyone().like(&alice);
        async move { client.feed("/api/v1/ws/events?topics=notifications").await.expect("let in").next().await }
    };
    for server in [&app, &other] {
        let snapshot = reread(server).await;
        let items = snapshot["items"].as_array().expect("items");
        assert_eq!(items.len(), 1, "{snapshot}");
        assert_eq!((&items[0]["session"], &items[0]["message"]), (&json!("hers"), &json!("It stops soon.")));
    }
    notices::withdraw(&client, "uid of alice's").await.expect("withdrawn");
    for server in [&app, &other] {
        until("it holds no more", || async { reread(server).await["items"] == json!([]) }).await;
    }
}

#[actix_web::test]
async fn a_figure_that_one_replica_measures_is_told_by_all() {
    let app = TestApp::start().await;
    let other = app.twin().await;
    let (alice, bob) = (app.person("alice", &[Role::User]).await, app.person("bob", &[Role::User]).await);
    create(&app, "hers", "alice").await;
    let (mut here, mut there) = (reading(&alice).await.0, reading(&other.anyone().like(&alice)).await.0);
    let mut his = reading(&other.anyone().like(&bob)).await.0;
    // A replica drops figures of sessions that it has not heard of.
    touch(&app, "hers", "known").await;
    for feed in [&mut here, &mut there] {
        feed.next_of("session.updated").await;
    }
    let client = app.app.pool.get().await.expect("a connection");
    let figure = ("hers".to_owned(), json!({ "session": "hers", "connections": 2 }));
    live::announce(&client, &[figure]).await.expect("announced");
    for feed in [&mut here, &mut there] {
        let told = feed.next_of("session.activity").await;
        assert_eq!((&told["topic"], &told["activity"]["connections"]), (&json!("sessions"), &json!(2)));
    }
    assert!(his.is_silent(WHILE).await);
}
