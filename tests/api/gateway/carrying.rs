//! Bodies: streamed both ways, whole, and never held.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use streamspace::crd::Phase;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Notify, time::timeout};

use super::world::{FURTHER, PATIENCE, PORT, World};
use crate::support::program::Program;

#[actix_web::test]
async fn each_part_of_an_answer_arrives_before_the_next_is_sent() {
    let world = World::start().await;
    let next = Arc::new(Notify::new());
    let waits = Arc::clone(&next);
    let program = Program::start(move |mut client| {
        let next = Arc::clone(&waits);
        async move {
            client.head().await;
            client.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
            for number in 0..5 {
                client.write(format!("data: {number}\n\n")).await;
                next.notified().await;
            }
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut client = world.client().await;
    client.write(entry.request("GET", "/events", "")).await;
    assert_eq!(client.head().await.unwrap().one("transfer-encoding"), "chunked");
    for number in 0..5 {
        assert_eq!(client.chunk().await.unwrap(), format!("data: {number}\n\n").into_bytes());
        next.notify_one();
    }
    assert_eq!(client.chunk().await, None);
}

#[actix_web::test]
async fn each_part_of_a_request_arrives_before_the_next_is_sent() {
    let world = World::start().await;
    let program = Program::start(|mut client| async move {
        client.head().await;
        client.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        while let Some(part) = client.chunk().await {
            client.write(format!("{:x}\r\n", part.len())).await;
            client.write(part).await;
            client.write("\r\n").await;
        }
        client.write("0\r\n\r\n").await;
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut client = world.client().await;
    client.write(entry.request("POST", "/echo", "transfer-encoding: chunked\r\n")).await;
    assert_eq!(client.head().await.unwrap().status(), 200);
    for part in ["one", "two", "three"] {
        client.write(format!("{:x}\r\n{part}\r\n", part.len())).await;
        assert_eq!(client.chunk().await.unwrap(), part.as_bytes());
    }
    client.write("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, None);
}

/// A large body, and the most of it that may be on its way: what kernels hold in four sockets, and a little of ours.
const LARGE: usize = 100 * 1024 * 1024;
const ON_THE_WAY: usize = 40 * 1024 * 1024;
const PART: usize = 64 * 1024;

/// How far somebody came who writes.
#[derive(Default)]
struct Progress {
    bytes: AtomicUsize,
    moved: Notify,
}

impl Progress {
    /// Writes `LARGE` bytes.
    async fn write(&self, stream: &mut TcpStream) {
        let part = vec![7; PART];
        for _ in 0..LARGE / PART {
            stream.write_all(&part).await.unwrap();
            self.bytes.fetch_add(PART, SeqCst);
            self.moved.notify_one();
        }
    }

    /// Waits until the writer is stopped by one who does not read, and answers how far it came.
    async fn until_stopped(&self) -> usize {
        while timeout(Duration::from_millis(500), self.moved.notified()).await.is_ok() {}
        self.bytes.load(SeqCst)
    }
}

#[actix_web::test]
async fn an_app_that_sends_a_hundred_megabytes_waits_for_the_one_who_reads_them() {
    let world = World::start().await;
    let progress = Arc::new(Progress::default());
    let writer = Arc::clone(&progress);
    let program = Program::start(move |mut client| {
        let progress = Arc::clone(&writer);
        async move {
            client.head().await;
            client.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n")).await;
            progress.write(&mut client.stream).await;
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut client = world.client().await;
    client.write(entry.request("GET", "/large", "")).await;
    assert_eq!(client.head().await.unwrap().one("content-length"), LARGE.to_string());
    let stopped_at = progress.until_stopped().await;
    assert!(stopped_at < ON_THE_WAY, "{stopped_at} bytes left the app before anybody read");
    for _ in 0..LARGE / PART {
        assert!(client.exactly(PART).await.iter().all(|byte| *byte == 7));
    }
}

#[actix_web::test]
async fn one_who_uploads_a_hundred_megabytes_waits_for_the_app_that_reads_them() {
    let world = World::start().await;
    let go = Arc::new(Notify::new());
    let waits = Arc::clone(&go);
    let program = Program::start(move |mut client| {
        let go = Arc::clone(&waits);
        async move {
            let head = client.head().await.unwrap();
            go.notified().await;
            for _ in 0..LARGE / PART {
                assert!(client.exactly(PART).await.iter().all(|byte| *byte == 7));
            }
            client.answer(&[], head.one("content-length").as_bytes()).await;
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut client = world.client().await;
    client.write(entry.request("PUT", "/large", &format!("content-length: {LARGE}\r\n"))).await;
    let progress = Progress::default();
    let upload = async { progress.write(&mut client.stream).await };
    let watch = async {
        let stopped_at = progress.until_stopped().await;
        assert!(stopped_at < ON_THE_WAY, "{stopped_at} bytes left before the app read");
        go.notify_one();
    };
    tokio::join!(upload, watch);
    let head = client.head().await.unwrap();
    assert_eq!(client.body(&head).await, LARGE.to_string().into_bytes());
}

#[actix_web::test]
async fn connections_to_an_app_are_kept_and_used_again() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (_, session, entry) = world.opened(&program).await;
    let mut client = world.client().await;
    for method in ["GET", "POST", "DELETE"] {
        client.write(entry.request(method, "/", "")).await;
        let head = client.head().await.unwrap();
        client.body(&head).await;
    }
    assert_eq!(world.engine.dials(), 1);
    // A program that was started anew is another, even where it listens at the same place.
    world.status(&session, |status| status.run += 1).await;
    client.write(entry.request("GET", "/", "")).await;
    assert_eq!(client.head().await.unwrap().status(), 200);
    assert_eq!(world.engine.dials(), 2);
}

#[actix_web::test]
async fn a_kept_connection_that_the_app_closed_is_no_failure() {
    let world = World::start().await;
    let program = Program::start(|mut client| async move {
        if client.head().await.is_some() {
            client.answer(&[], b"once").await;
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut client = world.client().await;
    for _ in 0..20 {
        client.write(entry.request("GET", "/", "")).await;
        let head = client.head().await.unwrap();
        assert_eq!((head.status(), client.body(&head).await), (200, b"once".to_vec()));
    }
}

#[actix_web::test]
async fn a_request_that_changes_something_is_never_sent_twice() {
    let world = World::start().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    // Answers once, then takes the second request of a connection and hangs up.
    let program = Program::start(move |mut client| {
        let seen = Arc::clone(&count);
        async move {
            client.head().await;
            client.answer(&[], b"").await;
            if client.head().await.is_some() {
                seen.fetch_add(1, SeqCst);
            }
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut client = world.client().await;
    for (method, status, sent) in [("GET", 200, 0), ("POST", 502, 1), ("GET", 200, 1), ("GET", 200, 2)] {
        client.write(entry.request(method, "/", "content-length: 0\r\n")).await;
        let head = client.head().await.unwrap();
        client.body(&head).await;
        assert_eq!((head.status(), seen.load(SeqCst)), (status, sent), "{method}");
    }
}

#[actix_web::test]
async fn an_answer_that_breaks_off_is_seen_to_break_off() {
    let world = World::start().await;
    let program = Program::start(|mut client| async move {
        client.head().await;
        client.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut client = world.client().await;
    client.write(entry.request("GET", "/", "")).await;
    assert_eq!(client.head().await.unwrap().one("content-length"), "100");
    assert_eq!(client.rest().await, b"half");
}

#[actix_web::test]
async fn an_old_client_gets_a_body_that_ends_with_the_connection() {
    let world = World::start().await;
    let program = Program::start(|mut client| async move {
        client.head().await;
        client.write("HTTP/1.1 200 OK\r\n\r\nuntil the end").await;
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut client = world.client().await;
    client.write(entry.request("GET", "/", "").replace("HTTP/1.1", "HTTP/1.0")).await;
    assert_eq!(client.head().await.unwrap().one("transfer-encoding"), "");
    assert_eq!(client.rest().await, b"until the end");
}

#[actix_web::test]
async fn a_further_port_of_the_program_has_an_origin_of_its_own() {
    let world = World::start().await;
    let (main, further) = (
        Program::echo().await,
        Program::start(|mut client| async move {
            while client.head().await.is_some() {
                client.answer(&[], b"further").await;
            }
        })
        .await,
    );
    let (browser, session, entry) = world.opened(&main).await;
    world.engine.lead(&session, FURTHER, &further);
    let path = format!("/api/v1/sessions/{session}/connect?port={FURTHER}");
    let url = browser.call("POST", &path, None).await.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("http://{FURTHER}--{session}.localhost")), "{url}");
    let second = super::world::Entry::of(&url, &world.visit(&url).await);
    assert_eq!(world.get(&second, "/").await.1, "further");
    assert!(world.get(&entry, "/").await.1.starts_with("GET /"));
    let unknown = format!("/api/v1/sessions/{session}/connect?port=22");
    assert_eq!(browser.call("POST", &unknown, None).await.json()["errors"][0]["field"], "port");
    let closed = super::world::Entry { host: entry.host.replace(&session, &format!("22--{session}")), ..entry };
    assert_eq!(world.get(&closed, "/").await.0.status(), 404);
}

#[actix_web::test]
async fn a_program_that_is_gone_is_told_within_a_second() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (_, session, entry) = world.opened(&program).await;
    assert_eq!(world.get(&entry, "/").await.0.status(), 200);
    world.engine.lose(&session, PORT);
    drop(program);
    let begun = std::time::Instant::now();
    let (head, body) = timeout(PATIENCE, world.get(&entry, "/data")).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!((head.status(), head.one("retry-after")), (503, "1"), "{body}");
    world.become_(&session, Phase::Hibernated).await;
    let (head, body) = world.get(&entry, "/data").await;
    assert_eq!((head.status(), head.one("retry-after")), (503, "1"), "{body}");
}
