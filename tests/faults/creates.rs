//! F1: requests with an `Idempotency-Key` under kills of the server.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::sync::RwLock;

use super::server::{Answer, Server, until};

/// Sessions that are wanted.
const WANTED: usize = 500;
/// Kills with a request in flight.
const KILLS: usize = 20;
/// Requests at once.
const AT_ONCE: usize = 16;

#[tokio::test]
async fn five_hundred_creates_under_twenty_kills_make_exactly_five_hundred_sessions() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let server = Server::start("creates").await;
    // It never has to run: what is counted is what was made.
    let template = json!({ "name": "paper", "displayName": "Paper", "baseImage": "none", "webapp": { "port": 8000 },
        "local": { "command": ["sleep", "infinity"], "requires": [] } });
    assert_eq!(server.call("POST", "/api/v1/templates", Some(template)).await.status, 201);
    let (server, in_flight, done) = (RwLock::new(server), AtomicUsize::new(0), AtomicUsize::new(0));
    let creates =
        stream::iter(0..WANTED).map(|number| create(&server, &in_flight, &done, number)).buffer_unordered(AT_ONCE);
    let kills = kill_at_random(&server, &in_flight, &done, seed);
    let (bodies, ()) = tokio::join!(creates.collect::<Vec<_>>(), kills);

    let server = server.into_inner();
    let names: BTreeSet<&str> =
        bodies.iter().filter_map(|(_, answer)| answer.body["metadata"]["name"].as_str()).collect();
    assert_eq!(names.len(), WANTED, "every key has a session of its own");
    let list = server.call("GET", "/api/v1/sessions?pageSize=1", None).await;
    assert_eq!(list.body["total"], WANTED, "and there is no other");
    for (number, first) in &bodies {
        let again = ask(&server, *number).await.expect("an answer");
        assert_eq!((again.status, again.replayed, &again.body), (201, true, &first.body), "key {number}");
    }
    let audited = until("every create is in the audit once", async || {
        let audit = server.call("GET", "/api/v1/audit?action=session.create&pageSize=1", None).await;
        audit.body["total"].as_u64().filter(|total| *total >= WANTED as u64)
    })
    .await;
    assert_eq!(audited, WANTED as u64);
    server.delete_all().await;
}

async fn ask(server: &Server, number: usize) -> Option<Answer> {
    let wish = json!({ "template": "paper", "persistentHome": false });
    server.try_call("POST", "/api/v1/sessions", Some(&wish), Some(&format!("key-{number}"))).await
}

/// Asks until the answer is final, as a client does.
async fn create(
    server: &RwLock<Server>,
    in_flight: &AtomicUsize,
    done: &AtomicUsize,
    number: usize,
) -> (usize, Answer) {
    let answer = until("a create is answered", async || {
        in_flight.fetch_add(1, Ordering::SeqCst);
        let answer = { ask(&*server.read().await, number).await };
        in_flight.fetch_sub(1, Ordering::SeqCst);
        answer.filter(|answer| match answer.status {
            201 => true,
            409 | 429 | 500..=599 => false,
            other => panic!("{other}: {:?}", answer.body),
        })
    })
    .await;
    // Put to sleep, so that the machine is not filled with what this test does not look at.
    let name = answer.body["metadata"]["name"].as_str().expect("a name").to_owned();
    let path = format!("/api/v1/sessions/{name}");
    until("it is put to sleep", async || {
        let asleep: Value = json!({ "state": "hibernated" });
        let answer = server.read().await.try_call("PATCH", &path, Some(&asleep), None).await;
        answer.filter(|answer| answer.status == 200).map(drop)
    })
    .await;
    done.fetch_add(1, Ordering::SeqCst);
    (number, answer)
}

/// Kills the server at random points of the way, each time with a request in flight.
async fn kill_at_random(server: &RwLock<Server>, in_flight: &AtomicUsize, done: &AtomicUsize, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut kills = 0;
    while kills < KILLS && done.load(Ordering::SeqCst) < WANTED {
        tokio::time::sleep(Duration::from_millis(random.random_range(5..400))).await;
        if in_flight.load(Ordering::SeqCst) == 0 {
            continue;
        }
        kill_now(server).await;
        kills += 1;
    }
    assert_eq!(kills, KILLS, "the creates were over before the kills");
}

/// The requests in flight hold the server for reading: the kill may not wait for them.
async fn kill_now(server: &RwLock<Server>) {
    let pid = server.read().await.pid();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("a living server");
    let mut server = server.write().await;
    server.reap();
    server.run().await;
}
