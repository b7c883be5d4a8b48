//! The server ends when it is asked to, whatever those do who are connected to it.

use std::time::Duration;

use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::server::{Entry, Server};

/// What requests, feeds, background tasks and the database get to end in order, together: less than the 30 s after which
/// Kubernetes kills.
const LIMIT: Duration = Duration::from_secs(25);
/// Where nobody keeps it, the server waits for nothing.
const AT_ONCE: Duration = Duration::from_secs(8);

/// Answers its health check, is silent on `/silent`, and never stops writing on `/flood`.
const PROGRAM: &str = r"
import http.server, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/silent':
            time.sleep(1000)
        self.send_response(200)
        self.end_headers()
        while self.path == '/flood':
            self.wfile.write(b'x' * 65536)
http.server.ThreadingHTTPServer(('127.0.0.1', 8000), Answer).serve_forever()
";

/// A server with a session, and a way into it.
async fn opened(name: &str) -> (Server, String, Entry) {
    let server = Server::start(name).await;
    let template = json!({
        "name": "stubborn", "displayName": "Stubborn", "baseImage": "none", "webapp": { "port": 8000 },
        "defaultResources": { "cpu": "1", "memory": "256Mi" },
        "local": { "command": ["/usr/bin/python3", "-c", PROGRAM] },
    });
    assert_eq!(server.call("POST", "/api/v1/templates", Some(template)).await.status, 201);
    let session = server.session(json!({ "template": "stubborn" })).await;
    server.reaches(&session, "Running").await;
    let entry = server.enter(&session).await;
    (server, session, entry)
}

/// Reads until the answer has begun, and nothing from then on.
async fn begun(mut line: TcpStream) -> TcpStream {
    let mut first = [0; 16];
    line.read_exact(&mut first).await.expect("an answer");
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_people_and_programs_hang_ends_within_its_limit() {
    let (mut server, session, entry) = opened("hanging").await;
    let page = server.page();
    // Each of these holds on to the server for good: an answer that never comes, two that are never read, and a request
    // of which only the beginning comes.
    let silent = entry.ask("/silent").await;
    let flood = begun(entry.ask("/flood").await).await;
    let log = begun(page.ask(&format!("/api/v1/sessions/{session}/logs?follow=true")).await).await;
    let feed = page.feed("/api/v1/ws/events?topics=sessions").await;
    let half =
        page.begin("POST /api/v1/sessions HTTP/1.1", "content-type: application/json\r\ncontent-length: 99\r\n").await;

    let took = server.terminate();
    println!("ended {took:?} after it was asked to");
    assert!(took < LIMIT, "{took:?}\n{}", server.log());
    drop((silent, flood, log, feed, half));
    server.run().await;
    server.reaches(&session, "Running").await;
    server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_keeps_ends_at_once() {
    let (mut server, session, entry) = opened("leaving").await;
    drop(begun(entry.ask("/").await).await);
    let took = server.terminate();
    println!("ended {took:?} after it was asked to");
    assert!(took < AT_ONCE, "{took:?}\n{}", server.log());
    server.run().await;
    assert_eq!(server.reaches(&session, "Running").await["status"]["run"], 1, "the session went on");
    server.delete_all().await;
}
