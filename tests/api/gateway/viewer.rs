//! The viewer: RFB between a browser and a VNC server.

use std::sync::{Arc, Mutex};

use futures::{SinkExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use streamspace::{clock::Clock, crd::Phase};
use tokio::{io::AsyncReadExt, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, accept_async, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::world::{Browser, PATIENCE, World};
use crate::support::program::Program;

pub type Socket = WebSocketStream<tokio::net::TcpStream>;

const GREETING: &[u8] = b"RFB 003.008\n";
/// A screen without a name.
const INIT: &[u8] = &[4, 0, 3, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0, 0, 0, 0, 0];
const BELL: &[u8] = &[2];
/// Text that was copied in the session.
const COPIED: &[u8] = &[3, 0, 0, 0, 0, 0, 0, 2, b'o', b'h'];
pub const KEY: &[u8] = &[4, 1, 0, 0, 0, 0, 0, 0x61];
pub const UPDATE_REQUEST: &[u8] = &[3, 1, 0, 0, 0, 0, 4, 0, 3, 0];
const CUT_TEXT: &[u8] = &[6, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'];

/// A VNC server that wants no password and keeps what it is told.
pub async fn server(told: &Arc<Mutex<Vec<u8>>>) -> Program {
    let told = Arc::clone(told);
    Program::start(move |mut client| {
        let told = Arc::clone(&told);
        async move {
            client.write(GREETING).await;
            client.exactly(GREETING.len()).await;
            client.write([1, 1]).await;
            client.exactly(1).await;
            client.write([0, 0, 0, 0]).await;
            client.exactly(1).await;
            client.write(INIT).await;
            let mut byte = [0];
            while client.stream.read(&mut byte).await.is_ok_and(|read| read > 0) {
                told.lock().unwrap().push(byte[0]);
            }
        }
    })
    .await
}

pub async fn until_told(told: &Mutex<Vec<u8>>, expected: &[u8]) {
    let look = async {
        while *told.lock().unwrap() != expected {
            tokio::task::yield_now().await;
        }
    };
    let got = || told.lock().unwrap().clone();
    timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{:?} instead of {expected:?}", got()));
}

/// A desktop with these capabilities, and its owner.
pub async fn desktop(world: &World, capabilities: Value, protocol: &str, program: &Program) -> (Browser, String) {
    let template = json!({ "vnc": { "port": 5900, "protocol": protocol }, "capabilities": capabilities });
    world.template("desktop", template).await;
    let browser = world.browser("alice").await;
    let session = world.session_of("alice", "desktop", Phase::Running).await;
    world.engine.lead(&session, 5900, program);
    (browser, session)
}

/// Opens the viewer's socket; the status where that is refused.
pub async fn open(world: &World, browser: &Browser, session: &str, query: &str, origin: &str) -> Result<Socket, u16> {
    let address = world.app.address();
    let url = format!("ws://localhost:{}/api/v1/sessions/{session}/vnc{query}", address.port());
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("cookie", browser.cookie().parse().unwrap());
    headers.insert("origin", origin.parse().unwrap());
    headers.insert("sec-websocket-protocol", "binary".parse().unwrap());
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    match client_async(request, stream).await {
        Ok((socket, answer)) => {
            assert_eq!(answer.headers()["sec-websocket-protocol"], "binary");
            Ok(socket)
        }
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

/// Reads exactly so many bytes of RFB.
async fn read(socket: &mut Socket, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(more) => bytes.extend(more),
            other => panic!("{other:?}"),
        }
    }
    bytes
}

pub async fn say(socket: &mut Socket, bytes: &[u8]) {
    socket.send(Message::binary(bytes.to_vec())).await.unwrap();
}

/// Opens the viewer and goes through the handshake.
pub async fn view(world: &World, browser: &Browser, session: &str, query: &str) -> Socket {
    let mut socket = open(world, browser, session, query, browser.origin()).await.unwrap();
    assert_eq!(read(&mut socket, 12).await, GREETING);
    say(&mut socket, GREETING).await;
    assert_eq!(read(&mut socket, 2).await, [1, 1]);
    say(&mut socket, &[1]).await;
    assert_eq!(read(&mut socket, 4).await, [0, 0, 0, 0]);
    say(&mut socket, &[1]).await;
    assert_eq!(read(&mut socket, INIT.len()).await, INIT);
    socket
}

fn last(item: &Value) -> Option<Timestamp> {
    item["lastActivity"].as_str().map(|text| text.parse().unwrap())
}

#[actix_web::test]
async fn a_viewer_speaks_rfb_and_only_what_the_person_does_counts() {
    let world = World::start().await;
    let told = Arc::default();
    let program = server(&told).await;
    let (browser, session) = desktop(&world, json!(["Clipboard"]), "rfb", &program).await;
    browser.connect(&session).await;
    let mut socket = view(&world, &browser, &session, "").await;
    let connections = browser.get(&format!("/api/v1/sessions/{session}/connections")).await.json();
    assert_eq!(connections["total"], 1, "the viewer belongs to the connection that was opened before");
    browser.activity_until(&session, |item| last(item).is_some()).await;
    world.app.clock.advance(SignedDuration::from_mins(3));
    let before = world.app.clock.now();
    say(&mut socket, UPDATE_REQUEST).await;
    until_told(&told, UPDATE_REQUEST).await;
    world.app.clock.advance(SignedDuration::from_mins(3));
    let pressed = world.app.clock.now();
    say(&mut socket, KEY).await;
    until_told(&told, &[UPDATE_REQUEST, KEY].concat()).await;
    let item = browser.activity_until(&session, |item| last(item).is_some_and(|at| at >= before)).await;
    assert!(last(&item).unwrap().as_millisecond() >= pressed.as_millisecond(), "the request for an update counted");
    assert_eq!(item["idle"]["cause"], "Active: keys, mouse or clipboard in the viewer.");
}

#[actix_web::test]
async fn without_the_capability_the_clipboard_stays_outside_and_one_who_looks_on_changes_nothing() {
    let world = World::start().await;
    let told = Arc::default();
    let program = server(&told).await;
    let (browser, session) = desktop(&world, json!([]), "rfb", &program).await;
    let mut socket = view(&world, &browser, &session, "").await;
    say(&mut socket, &[CUT_TEXT, KEY].concat()).await;
    until_told(&told, KEY).await;
    told.lock().unwrap().clear();
    let mut onlooker = view(&world, &browser, &session, "?view=true").await;
    say(&mut onlooker, &[KEY, CUT_TEXT, UPDATE_REQUEST].concat()).await;
    until_told(&told, UPDATE_REQUEST).await;
}

#[actix_web::test]
async fn what_is_copied_inside_leaves_with_the_capability_alone_and_not_to_one_who_looks_on() {
    for (capabilities, query, expected) in [
        (json!(["Clipboard"]), "", [COPIED, BELL].concat()),
        (json!([]), "", BELL.to_vec()),
        (json!(["Clipboard"]), "?view=true", BELL.to_vec()),
    ] {
        let world = World::start().await;
        let program = Program::start(|mut client| async move {
            client.write(GREETING).await;
            client.exactly(GREETING.len()).await;
            client.write([1, 1]).await;
            client.exactly(1).await;
            client.write([0, 0, 0, 0]).await;
            client.exactly(1).await;
            client.write(INIT).await;
            client.exactly(UPDATE_REQUEST.len()).await;
            client.write([COPIED, BELL].concat()).await;
            client.rest().await;
        })
        .await;
        let (browser, session) = desktop(&world, capabilities, "rfb", &program).await;
        let mut socket = view(&world, &browser, &session, query).await;
        say(&mut socket, UPDATE_REQUEST).await;
        assert_eq!(read(&mut socket, expected.len()).await, expected, "{query}");
    }
}

#[actix_web::test]
async fn a_server_that_speaks_rfb_inside_a_websocket_is_seen_the_same_way() {
    let world = World::start().await;
    let program = Program::start(|client| async move {
        let mut socket = accept_async(client.stream).await.unwrap();
        for (tell, hear) in [(GREETING, 12), (&[1, 1][..], 1), (&[0, 0, 0, 0][..], 1), (INIT, KEY.len())] {
            socket.send(Message::binary(tell.to_vec())).await.unwrap();
            let heard = socket.next().await.unwrap().unwrap().into_data();
            assert_eq!(heard.len(), hear);
        }
        socket.send(Message::binary(KEY.to_vec())).await.unwrap();
        socket.next().await;
    })
    .await;
    let (browser, session) = desktop(&world, json!(["Clipboard"]), "websocket", &program).await;
    let mut socket = view(&world, &browser, &session, "").await;
    say(&mut socket, KEY).await;
    assert_eq!(read(&mut socket, KEY.len()).await, KEY);
}

#[actix_web::test]
async fn a_viewer_that_cannot_be_followed_is_told_why() {
    let world = World::start().await;
    let told = Arc::default();
    let program = server(&told).await;
    let (browser, session) = desktop(&world, json!(["Clipboard"]), "rfb", &program).await;
    let mut socket = view(&world, &browser, &session, "").await;
    say(&mut socket, &[99, 1, 2, 3]).await;
    let closed = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.reason.to_string(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let reason = timeout(PATIENCE, closed).await.unwrap();
    assert!(reason.contains("unknown kind 99"), "{reason}");
    assert!(told.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn the_viewer_is_for_the_dashboards_pages_and_for_sessions_that_run() {
    let world = World::start().await;
    let told = Arc::default();
    let program = server(&told).await;
    let (browser, session) = desktop(&world, json!([]), "rfb", &program).await;
    let app = format!("http://{session}.localhost:{}", world.app.address().port());
    for origin in ["http://evil.test", &app] {
        assert_eq!(open(&world, &browser, &session, "", origin).await.err(), Some(403), "{origin}");
    }
    assert!(open(&world, &browser, &session, "", browser.origin()).await.is_ok());
    let plain = browser.get(&format!("/api/v1/sessions/{session}/vnc")).await;
    assert_eq!((plain.status, plain.json()["code"].as_str().unwrap().to_owned()), (400, "bad-request".to_owned()));
    world.become_(&session, Phase::Hibernated).await;
    assert_eq!(open(&world, &browser, &session, "", browser.origin()).await.err(), Some(409));
    let web = world.session("alice").await;
    assert_eq!(open(&world, &browser, &web, "", browser.origin()).await.err(), Some(409));
}
