//! WebSockets between a browser and an app.

use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use streamspace::auth::Role;
use tokio::{sync::Notify, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, accept_async, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::world::{Entry, PATIENCE, World};
use crate::support::program::Program;

pub type Socket = WebSocketStream<tokio::net::TcpStream>;

/// Echoes every message.
pub async fn echo() -> Program {
    Program::start(|client| async move {
        let mut socket = accept_async(client.stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
    })
    .await
}

/// Opens a WebSocket as a page of `origin` would; the status where that is refused.
pub async fn open(world: &World, entry: &Entry, origin: &str) -> Result<Socket, u16> {
    let mut request = format!("ws://{}/socket", entry.host).into_client_request().unwrap();
    request.headers_mut().insert("cookie", entry.cookie.parse().unwrap());
    if !origin.is_empty() {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    let stream = tokio::net::TcpStream::connect(world.app.address()).await.unwrap();
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

/// Waits until the other side ends the socket.
pub async fn until_ended(socket: &mut Socket) {
    let end = async { while let Some(Ok(_)) = socket.next().await {} };
    timeout(PATIENCE, end).await.expect("the socket ends");
}

#[actix_web::test]
async fn a_socket_carries_messages_of_every_size_both_ways() {
    let world = World::start().await;
    let program = echo().await;
    let (_, _, entry) = world.opened(&program).await;
    let mut socket = open(&world, &entry, &entry.origin()).await.unwrap();
    for length in [0, 1, 125, 126, 65_535, 65_536, 3_000_000] {
        let message = Message::binary(vec![42; length]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message, "{length}");
    }
    socket.send(Message::text("ä€@")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("ä€@"));
    socket.close(None).await.unwrap();
    until_ended(&mut socket).await;
}

#[actix_web::test]
async fn a_socket_needs_the_sessions_own_origin() {
    let world = World::start().await;
    let program = echo().await;
    let (_, session, entry) = world.opened(&program).await;
    let dashboard = format!("http://localhost:{}", world.app.address().port());
    let sibling = entry.origin().replace(&session, "mallory-web-00000000");
    for origin in ["", "null", &dashboard, &sibling, &entry.origin().replace("http:", "https:")] {
        assert_eq!(open(&world, &entry, origin).await.err(), Some(403), "{origin}");
    }
    assert!(open(&world, &entry, &entry.origin()).await.is_ok());
}

#[actix_web::test]
async fn an_app_that_wants_no_socket_says_so_itself() {
    let world = World::start().await;
    let program = Program::start(|mut client| async move {
        while client.head().await.is_some() {
            client.write("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 4\r\n\r\nnope").await;
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    assert_eq!(open(&world, &entry, &entry.origin()).await.err(), Some(426));
}

#[actix_web::test]
async fn what_the_app_says_right_behind_its_answer_is_not_lost() {
    let world = World::start().await;
    let program = Program::start(|mut client| async move {
        let head = client.head().await.unwrap();
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(head.one("sec-websocket-key").as_bytes());
        let hello = "\u{81}\u{5}hello".chars().map(|c| c as u8).collect::<Vec<u8>>();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        client.write([answer.into_bytes(), hello].concat()).await;
        client.rest().await;
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut socket = open(&world, &entry, &entry.origin()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
}

#[actix_web::test]
async fn a_browser_that_does_not_read_is_heard_all_the_same() {
    let world = World::start().await;
    let heard = Arc::new(Notify::new());
    let hears = Arc::clone(&heard);
    let program = Program::start(move |client| {
        let heard = Arc::clone(&hears);
        async move {
            let (mut to, mut from) = accept_async(client.stream).await.unwrap().split();
            // More than everything on the way can hold, to one who reads nothing of it.
            let flood = async { while to.send(Message::binary(vec![0; 1 << 20])).await.is_ok() {} };
            let listen = async {
                from.next().await;
                heard.notify_one();
                std::future::pending::<()>().await;
            };
            tokio::select! { () = flood => {} () = listen => {} }
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut socket = open(&world, &entry, &entry.origin()).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap().is_binary());
    // Time enough for everything to be full.
    assert!(timeout(std::time::Duration::from_millis(500), heard.notified()).await.is_err());
    socket.send(Message::text("stop")).await.unwrap();
    timeout(PATIENCE, heard.notified()).await.expect("the app hears it");
}

#[actix_web::test]
async fn when_the_browser_is_gone_the_app_hears_of_it() {
    let world = World::start().await;
    let ended = Arc::new(Notify::new());
    let ends = Arc::clone(&ended);
    let program = Program::start(move |client| {
        let ended = Arc::clone(&ends);
        async move {
            let mut socket = accept_async(client.stream).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
            ended.notify_one();
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    drop(open(&world, &entry, &entry.origin()).await.unwrap());
    timeout(PATIENCE, ended.notified()).await.expect("the app hears of it");
}

#[actix_web::test]
async fn an_open_socket_is_cut_when_the_person_may_no_longer() {
    let world = World::start().await;
    let program = echo().await;
    let (alice, _, entry) = world.opened(&program).await;
    let admin = world.browser_of("ada", &[Role::Admin]).await;
    let mut socket = open(&world, &entry, &entry.origin()).await.unwrap();
    socket.send(Message::text("still here")).await.unwrap();
    assert!(socket.next().await.unwrap().is_ok());
    let disabled = serde_json::json!({ "disabled": true });
    let path = format!("/api/v1/users/{}", alice.user);
    assert_eq!(admin.call("PATCH", &path, Some(disabled)).await.status, 200);
    until_ended(&mut socket).await;
}
